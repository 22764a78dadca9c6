"""From a project file to a case: tables read, model loaded, domains checked."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

from reticent.attacks.latent import Decoder, Given
from reticent.audit.case import Case
from reticent.cli.endpoint import Endpoint, reached
from reticent.cli.project import Project, key
from reticent.cli.shown import typed_again
from reticent.column import is_numeric, unique
from reticent.dataset import Dataset
from reticent.errors import (
    ConfigError,
    DataError,
    ModelError,
    UntrustedModelError,
    nearest,
)
from reticent.evidence import fingerprint
from reticent.files import image_shape, read, read_people
from reticent.schema import Schema
from reticent.targets.answers_file import recorded
from reticent.targets.decoder import load_decoder
from reticent.targets.load import RUNS_CODE, digest, load_estimator
from reticent.targets.onnx import load_onnx

MOST_VALUES = 20  # a number with more values than this is described by bins


def load_case(project: Project, trust_pickle: str | None, live: Endpoint | None = None) -> Case:
    """Read everything that a project file names.

    Parameters
    ----------
    live : where the model is served: it is the model where the project has no file of it.

    Raises
    ------
    ReticentError : something is missing or does not fit; the message says what to do.
    """
    tables, label = project.tables, project.label
    sensitive = project.having("sensitive")
    rows = _tables(project)
    members, others = rows["members"], rows["others"]
    if not set(tables.columns) & set(members.names):
        raise DataError(
            f"the table {tables.data.members}", "it has none of the columns in [columns]",
            "Check that its first line is the header and names them",
        )  # fmt: skip
    if tables.data.person in [label, *sensitive]:
        raise ConfigError(
            f"column {tables.data.person!r}", "it has two roles",
            "Name in [data].person another one than in [columns]",
        )  # fmt: skip
    schema = Schema.of(members.names, tables.columns, tables.domains, tables.data.person)
    check_domains(schema, members, project)
    wanted = project.tables.model
    if wanted.path is None and wanted.answers is None and live is not None:
        model, name = reached(live, project, members), fingerprint([live.url])
    else:
        model, name = _model(project, schema, members, others, trust_pickle)
    return Case(
        model=model, members=members, others=others, auxiliary=rows.get("auxiliary"),
        label=label, sensitive=sensitive, person=tables.data.person,
        identifiers=project.having("identifier"), known=tables.attacker.knows,
        knows_label=tables.attacker.label, domains=tables.domains, model_digest=name,
        shape=image_shape(project.path(tables.data.members)), released=_released(project),
        score=tables.data.score, decoder=_decoder(project),
    )  # fmt: skip


def _tables(project: Project) -> dict[str, Dataset]:
    """Read members, others and, where it is given, auxiliary: three different files."""
    data = project.tables.data
    if data.others is None:
        raise ConfigError(
            "people the model never saw", "[data].others is missing",
            'Add to [data]: others = "fresh.csv". Without them nobody can tell memory from luck',
        )  # fmt: skip
    named = {"members": data.members, "others": data.others, "auxiliary": data.auxiliary}
    paths = {table: project.path(name) for table, name in named.items() if name is not None}
    for first, second in combinations(paths, 2):
        if paths[first].resolve() == paths[second].resolve():
            raise ConfigError(
                f"[data].{first} and [data].{second} as different people",
                "they are one and the same file", f"Give {second} other people",
            )  # fmt: skip
    _check_sizes(paths)
    return {table: read_people(path) for table, path in paths.items()}


def _check_sizes(paths: Mapping[str, Path]) -> None:
    """Refuse pictures of different sizes: as columns they would pass for the same."""
    shapes = {table: image_shape(path) for table, path in paths.items()}
    for table, shape in shapes.items():
        if shape != shapes["members"] and None not in (shape, shapes["members"]):
            one, other = (" x ".join(map(str, size or ())) for size in (shapes["members"], shape))
            raise DataError(
                f"pictures of one size in members and {table}",
                f"members have {one}, {table} {other}",
                "Bring them to the size that the model takes",
            )  # fmt: skip


def _decoder(project: Project) -> Decoder | None:
    """The space in which pictures are looked for, where the project names one."""
    wanted = project.tables.model.decoder
    return None if wanted is None else Given(*load_decoder(project.path(wanted)))


def _released(project: Project) -> Dataset | None:
    released = project.tables.data.released
    return None if released is None else read(project.path(released))


def check_domains(schema: Schema, members: Dataset, project: Project) -> None:
    """Hidden and marginalized columns' candidates are public knowledge: a person writes them."""
    averaged = [name for role in project.tables.roles.values() for name in role.marginalize]
    for column in dict.fromkeys([*schema.sensitive, *averaged]):
        if column not in schema.inputs:
            raise ConfigError(
                f"marginalize {column!r}",
                f"the model has no such column{nearest(column, schema.inputs)}",
                f"Use one of: {', '.join(schema.inputs)}",
            )  # fmt: skip
        schema.candidates(column, domain_line(column, members))


def domain_line(column: str, rows: Dataset) -> str:
    """Write the line that declares a column's domain; it names a shape and no person's value."""
    if not is_numeric(rows[column]):
        return f'{key(column)} = {{values = ["ONE", "OTHER"], public = true}}'
    if len(set(rows[column].tolist())) > MOST_VALUES:
        return f"{key(column)} = {{bins = [LOWEST, ..., HIGHEST], public = true}}"
    return f"{key(column)} = {{values = [ONE, OTHER], public = true}}"


def _model(
    project: Project, schema: Schema, members: Dataset, others: Dataset, trust_pickle: str | None
) -> tuple[Any, str]:
    wanted = project.tables.model
    if wanted.answers is not None:
        paths = [project.path(wanted.answers.members), project.path(wanted.answers.others)]
        sizes = (len(members), len(others))
        labels = unique(members[schema.label])
        target = recorded(paths[0], paths[1], schema.inputs, sizes, labels)
        return target, fingerprint([digest(path) for path in paths])
    path, found = model_file(project)
    return load_any(path, schema, members, trust_pickle), found


def model_file(project: Project) -> tuple[Path, str]:
    """Find the model's file, and its SHA-256.

    Raises
    ------
    ConfigError, ModelError : none is named, it is not there, or it has another hash than was said.
    """
    wanted = project.tables.model
    if wanted.path is None:
        raise ConfigError(
            "the model", "[model] names no path, no url and no answers", 'Add: path = "model.onnx"'
        )
    path = project.path(wanted.path)
    found = digest(path)
    if wanted.sha256 is not None and wanted.sha256.lower() != found:
        raise ModelError(
            f"the model {path}", "its SHA-256 is not the one in [model].sha256",
            "If the new file is the right one, write its hash there: " + found,
        )  # fmt: skip
    return path, found


def load_any(path: Path, schema: Schema, members: Dataset, trust_pickle: str | None) -> Any:
    """Load a model file by its suffix."""
    if path.suffix == ".onnx":
        return load_onnx(path, schema.inputs, members[schema.label])
    return load_vouched(path, trust_pickle)


def load_vouched(path: Path, trust_pickle: str | None) -> Any:
    """Load an estimator; where only a pickle's hash is missing, tell the line to type.

    Raises
    ------
    UntrustedModelError : a pickle whose hash was not given, or another hash.
    ModelError : it cannot be read.
    """
    try:
        return load_estimator(path, trust_pickle)
    except UntrustedModelError as error:
        if path.suffix not in RUNS_CODE:
            raise
        line = typed_again(digest(path))
        raise UntrustedModelError(
            error.asked, error.found, f"If you made this file, type: {line}"
        ) from None

"""From a project file to a case: tables read, model loaded, domains checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reticent.audit.case import Case
from reticent.cli.project import Project
from reticent.dataset import Dataset, is_numeric, read
from reticent.errors import ConfigError, ModelError
from reticent.evidence import fingerprint
from reticent.schema import Schema
from reticent.targets.answers_file import recorded
from reticent.targets.load import digest, load_estimator
from reticent.targets.local import unique
from reticent.targets.onnx import load_onnx


def load_case(project: Project, trust_pickle: str | None) -> Case:
    """Read everything that a project file names.

    Raises
    ------
    ReticentError : something is missing or does not fit; the message says what to do.
    """
    tables = project.tables
    if tables.data.others is None:
        raise ConfigError(
            "people the model never saw", "[data].others is missing",
            'Add to [data]: others = "fresh.csv". Without them nobody can tell memory from luck',
        )  # fmt: skip
    members, others = (read(project.path(p)) for p in (tables.data.members, tables.data.others))
    public = tables.data.auxiliary
    sensitive = project.having("sensitive")
    if not sensitive:
        raise ConfigError("the sensitive column", "[columns] names none", 'Add: NAME = "sensitive"')
    schema = Schema.of(members.names, tables.columns, tables.domains, tables.data.person)
    _check_domains(schema, members)
    model, name = _model(project, schema, members, others, trust_pickle)
    return Case(
        model=model, members=members, others=others,
        auxiliary=None if public is None else read(project.path(public)),
        label=project.label, sensitive=sensitive, person=tables.data.person,
        identifiers=project.having("identifier"), known=tables.attacker.knows,
        knows_label=tables.attacker.label, domains=tables.domains, model_digest=name,
    )  # fmt: skip


def _check_domains(schema: Schema, members: Dataset) -> None:
    """A hidden column's candidates are public knowledge, so a person writes them down."""
    for column in schema.sensitive:
        domain = schema.domains.get(column)
        if domain is None or domain.candidates is None:
            raise ConfigError(
                f"the candidates of {column!r}", "[domains] has neither its values nor its bins",
                f"Add to [domains]: {domain_line(column, members)}",
            )  # fmt: skip


def domain_line(column: str, rows: Dataset) -> str:
    """Write the line that declares a column's domain; it names a shape and no person's value."""
    if is_numeric(rows[column]) and len(set(rows[column].tolist())) > 10:
        return f"{column} = {{bins = [LOWEST, ..., HIGHEST], public = true}}"
    return f"{column} = {{values = [ONE, OTHER], public = true}}"


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
    if wanted.path is None:
        raise ConfigError(
            "the model", "[model] names neither a path nor answers", 'Add: path = "model.onnx"'
        )
    path = project.path(wanted.path)
    found = digest(path)
    if wanted.sha256 is not None and wanted.sha256 != found:
        raise ModelError(
            f"the model {path}", "its SHA-256 is not the one in [model].sha256",
            "If the new file is the right one, write its hash there: " + found,
        )  # fmt: skip
    return load_any(path, schema, members, trust_pickle), found


def load_any(path: Path, schema: Schema, members: Dataset, trust_pickle: str | None) -> Any:
    """Load a model file by its suffix."""
    if path.suffix == ".onnx":
        return load_onnx(path, schema.inputs, members[schema.label])
    return load_estimator(path, trust_pickle)

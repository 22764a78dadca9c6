"""A live endpoint on the command line: its address, and its key, which is never typed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reticent.audit.case import Case
from reticent.cli.project import Project
from reticent.column import Column
from reticent.contract import Contract
from reticent.dataset import Dataset
from reticent.errors import ConfigError
from reticent.target import Target
from reticent.targets.http import Http, http
from reticent.targets.kept import Book, Imitated, Kept
from reticent.targets.line import Line, address_of, place_of
from reticent.targets.request import Template, read_template
from reticent.targets.template import Templated, templated

REPEATS = 4  # of a request that failed: an audit rather pays twice than begins anew
LIVE = "live"  # the name of an endpoint's view where no role is named


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model is served, and the key that opens it.

    Attributes
    ----------
    book : what may be asked of it, and what it answered. dry : nothing is asked.
    """

    url: str
    key: str | None = field(repr=False)
    book: Book
    dry: bool = False


def key_of(file: Path | None) -> str | None:
    """Read the key for an endpoint: the file that was named, else ``RETICENT_KEY``.

    Raises
    ------
    ConfigError : no such file, or no key in it; the message holds nothing of it.
    """
    if file is None:
        asked, read = "RETICENT_KEY", os.environ.get("RETICENT_KEY", "")
    else:
        asked = f"--key-file {file}"
        try:
            read = file.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                asked, f"it cannot be read ({type(error).__name__})", "Name a file with the key"
            ) from None
    key = read.strip()
    if not key and file is None:
        return None
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(asked, "it is not one key alone", "Write the key there, and nothing else")
    return key


def named_model(project: Project) -> str | None:
    """The name under which a project's model is served: its own, else its file's stem."""
    wanted = project.tables.model
    if wanted.name is None and wanted.path is not None:
        return Path(wanted.path).stem
    return wanted.name


def reached(
    place: Endpoint, project: Project, members: Dataset, contract: Contract | None = None
) -> Target:
    """Reach the model at an address; it must take the project's columns.

    Raises
    ------
    ConfigError, ModelError : it cannot be reached, or is another model.
    """
    columns = inputs_of(project, members)
    far = connected(
        project, place.url, place.key, columns, members[project.label], repeats=REPEATS,
        rows_per_minute=None if contract is None else contract.rows_per_minute,
    )  # fmt: skip
    place.book.columns = columns
    says = far.outputs if isinstance(far, Http) else far.template.request
    name = repr((str(far.line.place), place.key, says, far.columns, far.classes, far.reveals))
    return Kept(Imitated(far) if place.dry else far, place.book, name)


def connected(
    project: Project, url: str, key: str | None, columns: Sequence[str], labels: Column, *,
    rows_per_minute: int | None = None, **patience: Any,
) -> Http | Templated:  # fmt: skip
    """Reach the model at an address, by the project's template or the Open Inference Protocol v2.

    Parameters
    ----------
    columns : of the model. labels : known ones (n,). patience : of the line.

    Raises
    ------
    ConfigError, ModelError : it cannot be reached, or is another model.
    """
    template = template_of(url, project)
    if template is None:
        line = Line(place_of(url, named_model(project)), key, **patience)
        return http(url, columns, labels, line=line, rows_per_minute=rows_per_minute)
    line = Line(address_of(url), key, headers=template.headers(key), **patience)
    return templated(line, template, columns, labels, rows_per_minute)


def inputs_of(project: Project, members: Dataset) -> list[str]:
    """The columns that a model of this project takes."""
    apart = {project.label, project.tables.data.person, *project.having("identifier")}
    return [name for name in members.names if name not in apart]


def template_of(url: str, project: Project) -> Template | None:
    """The template of an address: it describes [model].url, or any where that is not written."""
    wanted = project.tables.model
    if wanted.template is None or (wanted.url is not None and wanted.url != url):
        return None
    return read_template(project.path(wanted.template))


def live_target(place: Endpoint, project: Project, case: Case, role: str | None) -> Target:
    """The endpoint that is attacked; a project without a model of its own was loaded with it."""
    contract = None if role is None else project.policy.roles.get(role)
    return reached(place, project, case.members, contract)

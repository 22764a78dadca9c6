"""A live endpoint on the command line: its address, and its key, which is never typed."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from reticent.audit.case import Case
from reticent.cli.project import Project
from reticent.contract import Contract
from reticent.dataset import Dataset
from reticent.errors import ConfigError
from reticent.targets.http import Http, http

LIVE = "live"  # the name of an endpoint's view where no role is named


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a model is served, and the key that opens it."""

    url: str
    key: str | None = field(default=None, repr=False)


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
) -> Http:
    """Reach the model at an address; it must take the project's columns.

    Raises
    ------
    ConfigError, ModelError : it cannot be reached, or is another model.
    """
    apart = {project.label, project.tables.data.person, *project.having("identifier")}
    columns = [name for name in members.names if name not in apart]
    limit = None if contract is None else contract.rows_per_minute
    return http(place.url, columns, members[project.label], key=place.key,
                name=named_model(project), rows_per_minute=limit)  # fmt: skip


def live_target(place: Endpoint, project: Project, case: Case, role: str | None) -> Http:
    """The endpoint that is attacked; a project without a model of its own was loaded with it."""
    contract = None if role is None else project.policy.roles.get(role)
    return reached(place, project, case.members, contract)

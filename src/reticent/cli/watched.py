"""From a project file to what its detectors know: watched columns, honest people, allowances."""

from __future__ import annotations

from collections.abc import Sequence

from reticent.cli.project import Project
from reticent.dataset import Dataset, stack
from reticent.errors import ConfigError, ReticentError
from reticent.files import read_people
from reticent.monitor.kept import load_reference, save_reference
from reticent.monitor.reference import Reference, fit_reference
from reticent.monitor.sketch import Sketcher
from reticent.monitor.watch import watched
from reticent.randomness import generator, subkey
from reticent.schema import Schema

REFERENCE = "reference.bin"


def honest_people(project: Project) -> Dataset:
    """People whom the model never saw, for detectors to know what is usual.

    Raises
    ------
    ConfigError : the project names none.
    """
    data = project.tables.data
    named = list(dict.fromkeys(name for name in (data.others, data.auxiliary) if name is not None))
    if not named:
        raise ConfigError(
            "what honest queries look like", "[data] names neither others nor auxiliary",
            'Add to [data]: others = "fresh.csv", people the model never saw',
        )  # fmt: skip
    return stack(*[read_people(project.path(name)) for name in named])


def sketcher_of(
    project: Project, schema: Schema, columns: Sequence[str], key: bytes
) -> tuple[Sketcher, list[list[str]]]:
    """The maker of a project's tokens, and the groups of columns that it watches."""
    groups = watched(columns, schema, project.policy.roles.values())
    return Sketcher(key, columns, groups, schema.precisions), groups


def reference_of(
    project: Project, columns: Sequence[str], groups: Sequence[Sequence[str]], sketcher: Sketcher
) -> Reference:
    """What honest queries look like, learned from the project's non-members.

    Raises
    ------
    ReticentError : there are none, or too few.
    """
    bins = {name: domain.bins for name, domain in project.tables.domains.items()}
    return fit_reference(honest_people(project), columns, groups, sketcher, generator(0), bins)


def kept_reference(
    project: Project, schema: Schema, columns: Sequence[str], secret: bytes
) -> tuple[Reference | None, str]:
    """What honest queries look like, learned anew where the people are at hand, else as it was.

    Returns
    -------
    The reference, or None and the reason why the detectors of rows are not at work.
    """
    key = subkey(secret, "sketches")
    sketcher, groups = sketcher_of(project, schema, columns, key)
    path = project.state / REFERENCE
    data = project.tables.data
    named = [name for name in (data.others, data.auxiliary) if name is not None]
    try:
        if named and all(project.path(name).is_file() for name in named):
            reference = reference_of(project, columns, groups, sketcher)
            save_reference(reference, path)
        else:
            reference = load_reference(path, tuple(columns), groups)
    except ReticentError as error:
        return None, f"{error.asked}: {error.found}. {error.do}"
    return reference, ""

"""From a project file to what its detectors know: watched columns, honest people, allowances."""

from __future__ import annotations

from collections.abc import Sequence

from reticent.cli.project import Project
from reticent.dataset import Dataset, stack
from reticent.errors import ConfigError
from reticent.files import read_people
from reticent.monitor.reference import Reference, fit_reference
from reticent.monitor.sketch import Sketcher
from reticent.monitor.watch import watched
from reticent.randomness import generator
from reticent.schema import Schema


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

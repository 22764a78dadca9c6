"""The columns of a table: what each one is for, and which values are publicly known to occur.

A ``Role`` says what a column is, a ``Domain`` what anybody may know about its values. Both are
written by people: a domain that was read off the training data is marked ``public = false``.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, Self

import msgspec

from reticent.errors import ConfigError, nearest

Role = Literal["identifier", "quasi_identifier", "sensitive", "feature", "label"]
Value = bool | int | float | str


class Domain(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is publicly known about a column's values.

    Attributes
    ----------
    values : the values that occur, in their natural order.
    min, max : bounds of a numeric column.
    bins : rising edges of a numeric column's bands; m + 1 edges make m bands.
    precision : the step to which a numeric column is recorded.
    public : whether anybody may know this; false where it was read off the data.
    """

    values: tuple[Value, ...] | None = None
    min: float | None = None
    max: float | None = None
    bins: tuple[float, ...] | None = None
    precision: float | None = None
    public: bool = False

    def __post_init__(self) -> None:
        if self.bins is not None and (
            len(self.bins) < 2 or any(low >= high for low, high in pairwise(self.bins))
        ):
            raise ConfigError(
                "a domain's bins", "they do not rise", "Write at least two rising edges"
            )
        if self.values is not None and len(set(self.values)) < 2:
            raise ConfigError(
                "a domain's values", "fewer than two differ", "Name every value that occurs"
            )
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ConfigError("a domain's bounds", "min is above max", "Swap them")
        if self.precision is not None and self.precision <= 0:
            raise ConfigError("a domain's precision", "it is not positive", "Write the step, as .5")

    @property
    def candidates(self) -> tuple[Value, ...] | None:
        """The values an attacker or a marginalized answer tries: the values, else midpoints."""
        if self.values is not None:
            return self.values
        if self.bins is not None:
            return tuple((low + high) / 2 for low, high in pairwise(self.bins))
        return None


class Schema(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The columns of one table, in the table's order.

    Attributes
    ----------
    roles : column name to role, every column but the person's.
    domains : column name to what is publicly known of it.
    person : the column that says whose row it is, where one person has several.
    """

    roles: dict[str, Role]
    domains: dict[str, Domain] = {}
    person: str | None = None

    @classmethod
    def of(
        cls,
        columns: list[str],
        roles: dict[str, Role],
        domains: dict[str, Domain] | None = None,
        person: str | None = None,
    ) -> Self:
        """Complete the named roles with ``feature`` and check every name against the columns.

        Raises
        ------
        ConfigError : a named column is missing, or there is not exactly one label.
        """
        domains = domains or {}
        named = [*roles, *domains, *([] if person is None else [person])]
        for name in named:
            if name not in columns:
                raise ConfigError(
                    f"column {name!r}",
                    f"the data has no such column{nearest(name, columns)}",
                    f"Use one of: {', '.join(columns)}",
                )
        complete: dict[str, Role] = {
            name: roles.get(name, "feature") for name in columns if name != person
        }
        labels = [name for name, role in complete.items() if role == "label"]
        if len(labels) != 1:
            raise ConfigError(
                "the label", f"{len(labels)} columns have that role", "Give exactly one the role"
            )
        return cls(complete, dict(domains), person)

    @property
    def label(self) -> str:
        """The column that the model predicts."""
        return self.having("label")[0]

    @property
    def sensitive(self) -> list[str]:
        """The columns that an attacker wants, in the table's order."""
        return self.having("sensitive")

    @property
    def inputs(self) -> list[str]:
        """The model's columns: all but the label, the identifiers and the person."""
        return [name for name, role in self.roles.items() if role not in ("label", "identifier")]

    @property
    def precisions(self) -> dict[str, float]:
        """The step to which each column is recorded, where its domain says so."""
        steps = {name: domain.precision for name, domain in self.domains.items()}
        return {name: step for name, step in steps.items() if step is not None}

    def having(self, role: Role) -> list[str]:
        """Name the columns of one role, in the table's order."""
        return [name for name, found in self.roles.items() if found == role]

    def candidates(self, column: str, line: str = "") -> tuple[Value, ...]:
        """The public values to try for a hidden or marginalized column.

        Parameters
        ----------
        line : of the project file, as an example of what is to be added.

        Raises
        ------
        ConfigError : its domain has neither values nor bins; a person has to write them.
        """
        domain = self.domains.get(column)
        if domain is None or domain.candidates is None:
            raise ConfigError(
                f"the candidates of {column!r}", "[domains] has neither its values nor its bins",
                f"Add to [domains]: {line or f'{column} = {{values = [...], public = true}}'}",
            )  # fmt: skip
        return domain.candidates

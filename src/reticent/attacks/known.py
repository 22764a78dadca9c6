"""What the attacker holds: rows without the hidden column, auxiliary people, shadow models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.column import Column, is_missing, is_numeric, places
from reticent.dataset import Dataset
from reticent.errors import DataError
from reticent.schema import Domain, Value
from reticent.target import Answer, Target

FEW_VALUES = 10  # a numeric column with more distinct values than this is guessed as a number
BINS = 10  # candidate values of a number whose domain names none: deciles of the auxiliary data
QUINTILES = 5


@dataclass(frozen=True, slots=True)
class Hidden:
    """The column under attack and the values that it can have.

    Attributes
    ----------
    values : (k,) candidates, in rising order. edges : (k - 1,) inner edges between the
    candidates of a number, None for a category.
    quintiles : (q - 1,) edges on which a guessed number is scored.
    """

    column: str
    values: Column
    edges: NDArray[np.float64] | None = None
    quintiles: NDArray[np.float64] | None = None

    @property
    def numeric(self) -> bool:
        """Whether the attacker guesses a number and not a category."""
        return self.edges is not None

    def codes(self, column: Column) -> NDArray[np.intp]:
        """Return the place (n,) of each value among the candidates; -1 for one that is not."""
        if self.edges is not None:
            bins = np.searchsorted(self.edges, column.astype(float), side="right")
            return np.where(is_missing(column), -1, bins)
        return places(column, self.values)


def hide(column: str, domain: Domain | None, auxiliary: Dataset) -> Hidden:
    """Describe a hidden column by its public domain, else by what auxiliary people have.

    Raises
    ------
    DataError : fewer than two values are possible.
    """
    seen = auxiliary[column]
    seen = seen[~is_missing(seen)]
    candidates = None if domain is None else domain.candidates
    if domain is not None and domain.values is not None:
        return Hidden(column, np.array(domain.values, dtype=_kind(domain.values, seen)))
    distinct = sorted(set(seen.tolist()))
    if len(distinct) < 2 and candidates is None:
        raise DataError(
            f"the sensitive column {column!r}",
            f"auxiliary people have {len(distinct)} value of it",
            "Attack a column that differs between people",
        )
    if candidates is None and (not is_numeric(seen) or len(distinct) <= FEW_VALUES):
        return Hidden(column, np.array(distinct, dtype=seen.dtype))
    numbers = seen.astype(float)
    quintiles = _inner_edges(numbers, QUINTILES)
    if domain is not None and domain.bins is not None:
        return Hidden(column, np.array(candidates, float), np.array(domain.bins[1:-1]), quintiles)
    edges = _inner_edges(numbers, BINS)
    bins = np.searchsorted(edges, numbers, side="right")
    means = [numbers[bins == place].mean() for place in range(len(edges) + 1)]
    return Hidden(column, np.array(means), edges, quintiles)


def _kind(values: Sequence[Value], seen: Column) -> np.dtype[Any]:
    """The column's own dtype, or float where a declared value would be cut: 1.5 among integers."""
    if seen.dtype.kind in "iu" and any(isinstance(value, float) for value in values):
        return np.dtype(float)
    return seen.dtype


def _inner_edges(numbers: NDArray[np.float64], parts: int) -> NDArray[np.float64]:
    """Cut into parts of about equal size; an edge at the minimum would leave a part empty."""
    edges = np.unique(np.quantile(numbers, np.arange(1, parts) / parts))
    inner: NDArray[np.float64] = edges[edges > numbers.min()]
    return inner if len(inner) else np.array([numbers.max()])


@dataclass(frozen=True, slots=True)
class Shadow:
    """A model that the attacker trained like the target, on auxiliary people whose data they hold.

    Attributes
    ----------
    target : the model, behind the contract in force.
    rows : (m) its members that count, complete. people : (m,) codes of whose rows they are.
    truth : (m,) codes of the hidden column.
    imputed : (m, k) what imputation from *other* people says of them, as log-probability.
    observed : the answers to the rows as they are. rest : auxiliary people it never saw.
    """

    target: Target
    rows: Dataset
    people: NDArray[np.intp]
    truth: NDArray[np.intp]
    imputed: NDArray[np.float64]
    observed: Answer
    rest: Dataset


@dataclass(frozen=True, slots=True)
class Known:
    """What the attacker holds about n people, and beside them. Never the hidden column.

    Attributes
    ----------
    rows : (n) the columns that they know, with the label if they know it.
    auxiliary : complete rows of other people.
    imputed : (n, k) log-probability of each value by imputation alone; 0 for coins.
    shadows : models that they trained to learn how such models give values away.
    observed : the target's answers to the people's true rows, for those who saw them.
    errors : (classes, classes) published counts of true label by predicted label, in training;
    for a regressor (1, 1) the standard deviation of its training error.
    notebook : what an attack learned from the shadows once, for everybody it attacks.
    """

    rows: Dataset
    hidden: Hidden
    label: str
    knows_label: bool
    auxiliary: Dataset
    imputed: NDArray[np.float64]
    shadows: Sequence[Shadow] = ()
    observed: Answer | None = None
    errors: NDArray[np.float64] | None = None
    notebook: dict[str, Any] = field(default_factory=dict)

    @property
    def prior(self) -> NDArray[np.float64]:
        """How common each value (k,) is among auxiliary people, never 0."""
        codes = self.hidden.codes(self.auxiliary[self.hidden.column])
        k = len(self.hidden.values)
        counts = np.bincount(codes[codes >= 0], minlength=k) + 1.0 / k
        share: NDArray[np.float64] = counts / counts.sum()
        return share


def apart(shadow: Shadow, from_: Shadow) -> Shadow:
    """Leave out of one shadow the people that another was trained on."""
    rows = np.flatnonzero(~np.isin(shadow.people, from_.people))
    return Shadow(
        shadow.target, shadow.rows.take(rows), shadow.people[rows], shadow.truth[rows],
        shadow.imputed[rows], shadow.observed.take(rows), shadow.rest,
    )  # fmt: skip

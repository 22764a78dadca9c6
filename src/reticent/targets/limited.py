"""A few values of a marginalized column per record: ``values_per_record``.

One principal may ask about a record (a row without its marginalized columns) with a few values of
those columns and be answered truly; every other question about it gets the marginalized answer.
Who counts is apart from what is answered: the gateway counts in its store, an audit in memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.canonical import row_bytes
from reticent.column import is_missing
from reticent.dataset import Dataset
from reticent.target import Answer, Reveals, Target
from reticent.targets.shape import Shape


@dataclass(frozen=True, slots=True)
class Limited:
    """A model that answers some rows with their marginalized columns and averages over the rest.

    Attributes
    ----------
    full : the model itself. averaged : the same as ``asked`` returns it, refusing included.
    tried : the marginalized columns. steps : column to the precision it is recorded at.
    """

    full: Target
    averaged: Target
    tried: tuple[str, ...]
    steps: Mapping[str, float]

    @property
    def columns(self) -> list[str]:
        """All columns of the model; a row may leave out those that are marginalized."""
        return self.full.columns

    @property
    def classes(self) -> NDArray[Any] | None:
        """The model's class names."""
        return self.full.classes

    @property
    def reveals(self) -> Reveals:
        """What the averaged answers give away: the true ones have no other fields."""
        return self.averaged.reveals

    @property
    def ignores(self) -> frozenset[str]:
        """What the model itself ignores: a value within the limit does change the answer."""
        return self.full.ignores

    def ask(self, rows: Dataset) -> Answer:
        """Answer n rows to somebody whose limit is used up."""
        return self.averaged.ask(rows)

    def trials(self, rows: Dataset) -> list[tuple[bytes, bytes] | None]:
        """Name the record and the value that each of n rows tries; None: it gives no value.

        The record is rounded to the declared precision, so that jitter makes no new one; the
        value is not, so that two that differ by jitter count as two.
        """
        if not all(name in rows.columns for name in self.tried):
            return [None] * len(rows)
        rest = [name for name in self.full.columns if name not in self.tried]
        records, values = row_bytes(rows, rest, self.steps), row_bytes(rows, self.tried)
        gaps = np.any([is_missing(rows[name]) for name in self.tried], axis=0)
        told = zip(records, values, gaps.tolist(), strict=True)
        return [None if gap else (record, value) for record, value, gap in told]

    def answer(self, rows: Dataset, truly: NDArray[np.bool_]) -> Answer:
        """Answer n rows, those in the mask with their own values; who is refused is one decision.

        Refusing is decided on the averaged answer for all rows, else the refusal bit would tell
        what the limit withholds.
        """
        if not truly.any():
            return self.averaged.ask(rows)
        refuses = bool(self.reveals & Reveals.ABSTAIN)
        if truly.all() and not refuses:
            return self.full.ask(rows)
        places = np.flatnonzero(truly)
        return _placed(self.averaged.ask(rows), self.full.ask(rows.take(places)), places)


def limited(
    full: Target, averaged: Target, tried: Sequence[str], steps: Mapping[str, float]
) -> Limited:
    """Put a model and its averaged self side by side.

    Parameters
    ----------
    full : the model. averaged : what ``asked`` makes of it. tried : the marginalized columns.
    steps : column to the precision it is recorded at, from the schema's domains.
    """
    return Limited(full, averaged, tuple(tried), steps)


def _placed(averaged: Answer, true: Answer, places: NDArray[np.intp]) -> Answer:
    """Put true answers in their places among averaged ones, where those were not refused."""
    keep = np.ones(len(places), dtype=bool)
    answered = averaged.answered
    if answered is not None:
        if true.answered is not None:
            answered = answered.copy()
            answered[places] &= true.answered
        keep = answered[places]

    def laid(part: NDArray[Any] | None, own: NDArray[Any] | None) -> NDArray[Any] | None:
        if part is None or own is None:
            return None
        mixed = part.copy()
        mixed[places[keep]] = own[keep]
        return mixed

    return Answer(
        laid(averaged.label, true.label), laid(averaged.scores, true.scores),
        laid(averaged.value, true.value), laid(averaged.vector, true.vector), answered,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asker:
    """A limited model behind its contract, as one principal meets it: what they try is counted.

    Attributes
    ----------
    limit : values of a record that are answered truly. seen : record to the values tried so far.
    """

    model: Limited
    shape: Shape
    limit: int
    seen: dict[bytes, set[bytes]] = field(default_factory=dict)

    @property
    def columns(self) -> list[str]:
        """All columns of the model."""
        return self.model.columns

    @property
    def classes(self) -> NDArray[Any] | None:
        """The model's class names."""
        return self.model.classes

    @property
    def reveals(self) -> Reveals:
        """What a shaped answer gives away."""
        return self.shape.reveals

    @property
    def ignores(self) -> frozenset[str]:
        """What the model itself ignores."""
        return self.model.ignores

    def ask(self, rows: Dataset) -> Answer:
        """Answer n rows in their order, each value within the limit truly."""
        truly = np.array([self._counts(trial) for trial in self.model.trials(rows)], dtype=bool)
        return self.shape(rows, self.model.answer(rows, truly), truly)

    def anew(self) -> Asker:
        """The same model as a new principal meets it."""
        return replace(self, seen={})

    def _counts(self, trial: tuple[bytes, bytes] | None) -> bool:
        if trial is None:
            return False
        record, value = trial
        values = self.seen.setdefault(record, set())
        if value not in values and len(values) >= self.limit:
            return False
        values.add(value)
        return True

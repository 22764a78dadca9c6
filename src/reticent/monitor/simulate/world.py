"""What made-up callers know: people, what their columns look like, and the model they ask."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from reticent.column import Column, is_missing, is_numeric
from reticent.dataset import Dataset, stack
from reticent.errors import DataError
from reticent.schema import Schema
from reticent.target import Reveals, Target

FEW_VALUES = 10  # a number with no more values than this is tried value by value
PARTS = 10  # else one value for each tenth of the people
MOST_WORDS = 30  # that are tried of a column of words: the most common ones
OWN_PATIENTS = 4  # one in so many of those whom honest callers ask about is a member


@dataclass(frozen=True, slots=True)
class Look:
    """What a column looks like among public people.

    Attributes
    ----------
    values : (k,) those that somebody would try. numeric, whole : whether they are numbers, and
        integers at that. center, spread, low, high : of a numeric column, else 0, 1, 0, 0.
    """

    values: Column
    numeric: bool
    whole: bool = False
    center: float = 0.0
    spread: float = 1.0
    low: float = 0.0
    high: float = 0.0


@dataclass(frozen=True, slots=True)
class World:
    """What callers and attackers have to work with.

    Attributes
    ----------
    members : people whose data trained the model. people : others, whom honest callers ask about.
    public : people whose data an attacker holds. All in the model's columns, without gaps.
    candidates : of each sensitive column, the values to try.
    target : who answers, behind a role's contract if need be; None: nobody.
    looks : of each column. patients : people, and some members among them.
    """

    members: Dataset
    people: Dataset
    public: Dataset
    candidates: Mapping[str, Column]
    target: Target | None = None
    looks: Mapping[str, Look] = field(default_factory=dict)
    patients: Dataset = field(default_factory=lambda: Dataset({}))

    @classmethod
    def of(
        cls,
        members: Dataset,
        people: Dataset,
        schema: Schema,
        target: Target | None = None,
        public: Dataset | None = None,
    ) -> Self:
        """Look at people as a schema describes them.

        Parameters
        ----------
        members, people, public : with at least the schema's inputs. By default ``public`` is
            ``people``.

        Raises
        ------
        DataError : a table lacks a column, or nobody in it is described wholly.
        """
        columns = schema.inputs
        tables = {
            "members": members, "people": people, "public": people if public is None else public,
        }  # fmt: skip
        known = {n: _roomy(_complete(rows.select(columns), n)) for n, rows in tables.items()}
        looks = {name: _look(known["public"][name], schema, name) for name in columns}
        secret = [name for name in schema.sensitive if len(looks[name].values) > 1]
        sensitive = {name: looks[name].values for name in secret}
        own = known["members"].take(slice(0, max(1, len(known["people"]) // (OWN_PATIENTS - 1))))
        return cls(
            **known, candidates=sensitive, target=target, looks=looks,
            patients=stack(known["people"], own),
        )  # fmt: skip

    @property
    def columns(self) -> list[str]:
        """The model's columns, in order."""
        return self.members.names

    @property
    def numeric(self) -> list[str]:
        """Its columns that are numbers and differ between people."""
        return [name for name, look in self.looks.items() if look.numeric and look.high > look.low]

    @property
    def reveals(self) -> Reveals:
        """What the model tells; a regressor's value can be climbed as a score can."""
        if self.target is None:
            return Reveals.NOTHING
        told = self.target.reveals
        value = self.target.classes is None and Reveals.LABEL in told
        return told | Reveals.TOP_K if value else told


def _complete(rows: Dataset, name: str) -> Dataset:
    gaps = np.any([is_missing(column) for column in rows.columns.values()], axis=0)
    if gaps.all():
        raise DataError(
            f"the table of {name}", "every row has an empty cell", "Give people without gaps"
        )
    return rows.take(np.flatnonzero(~gaps)) if gaps.any() else rows


def _roomy(rows: Dataset) -> Dataset:
    """Bring small integers to 64 bits: what is added to a byte may be no byte."""
    for name in rows.names:
        column = rows[name]
        if column.dtype.kind in "iu" and column.dtype != np.int64:
            rows = rows.replaced(name, column.astype(np.int64))
    return rows


def _look(column: Column, schema: Schema, name: str) -> Look:
    domain = schema.domains.get(name)
    candidates = None if domain is None else domain.candidates
    if not is_numeric(column):
        words = _common(column) if candidates is None else np.array(candidates, column.dtype)
        return Look(words, numeric=False)
    distinct, numbers = np.unique(column), column.astype(float)
    if candidates is not None:
        values = np.array(candidates)
    elif len(distinct) <= FEW_VALUES:
        values = distinct
    else:
        values = np.unique(np.quantile(column, (np.arange(PARTS) + 0.5) / PARTS, method="nearest"))
    if is_numeric(values) and (values == np.round(values)).all():
        values = values.astype(column.dtype)  # an integer among integers, else what was declared
    whole = bool((numbers == np.round(numbers)).all())
    return Look(
        values, True, whole, float(numbers.mean()), float(numbers.std()) or 1.0,
        float(numbers.min()), float(numbers.max()),
    )  # fmt: skip


def _common(column: Column) -> Column:
    """The most common words, or truths, of a column, in their order."""
    counts = Counter(column.tolist())
    words = [word for word, _ in counts.most_common(MOST_WORDS)]
    return np.array(sorted(words, key=str), dtype=column.dtype)

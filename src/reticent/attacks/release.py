"""A table that was given out, read as conditions on people: every cell holds some values.

A cell may be a value, a range, a set or a gap, which says nothing. So a generalized, a rounded
and a synthetic table are read alike, and an attack never asks how a table was made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.cells import decimals, numbers_of, words_of
from reticent.column import Column, is_missing, is_numeric, unique
from reticent.dataset import Dataset
from reticent.errors import DataError, nearest

NEAR = 0.05  # of a column's spread: numbers this close still count as alike
FEW = 200  # values of a column, up to which each is compared with the release once
BLOCK = 100  # people at a time: their agreement with ten thousand rows stays in the cache
MANY = 1_000  # words in a column, above which a cell is taken to hold one of them
SCORES = ("score", "scores", "probability", "confidence", "prediction", "released_score")

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Cells:
    """One released column: the cells of m rows.

    Attributes
    ----------
    low, high : (m,) what a cell of numbers holds, both ends included; of words, all 0.
    step : how far a number may be off and still count as alike.
    cell : (m,) which of the distinct cells of words each is. holds : (cells, words + 1) which
        words each holds, the last for a word that nobody knows; None for numbers.
    weight : (m,) what agreeing with the cell tells: minus the logarithm of the share of the
        auxiliary people who do (Fellegi and Sunter 1969, doi:10.1080/01621459.1969.10501049).
    """

    low: Floats
    high: Floats
    step: float
    cell: Codes
    holds: Bools | None
    weight: Floats

    def agree(self, row: int, values: Floats, slack: float = 0.0) -> Bools:
        """Say which of n values the cell of one row holds; numbers may be ``slack`` steps off."""
        if self.holds is not None:
            return np.asarray(self.holds[self.cell[row], values.astype(np.intp)])
        if self.low[row] == -np.inf and self.high[row] == np.inf:
            return np.ones(len(values), dtype=bool)
        off = slack * self.step
        return np.asarray((values >= self.low[row] - off) & (values <= self.high[row] + off))

    def hold(self, values: Floats) -> Bools:
        """Say which of m cells hold each of n values: (n, m)."""
        if self.holds is not None:
            return np.take(self.holds[:, values.astype(np.intp)].T, self.cell, axis=1)
        whole = (self.low == -np.inf) & (self.high == np.inf)
        asked = values[:, None]
        return np.asarray(whole | ((asked >= self.low) & (asked <= self.high)))

    def paired(self, values: Floats) -> Bools:
        """Say of each of the m rows whether its cell holds the value (m,) beside it."""
        if self.holds is not None:
            return np.asarray(self.holds[self.cell, values.astype(np.intp)])
        whole = (self.low == -np.inf) & (self.high == np.inf)
        return np.asarray(whole | ((values >= self.low) & (values <= self.high)))

    def agreement(self, values: Floats) -> NDArray[np.float32]:
        """What the agreement of n values with m cells tells (n, m); near numbers tell part of it.

        A number counts for less the further it is off, down to nothing at one step.
        """
        weight = self.weight.astype(np.float32)
        if self.holds is not None:
            told = self.holds[:, values.astype(np.intp)].T.astype(np.float32)
            return np.asarray(np.take(told, self.cell, axis=1) * weight)
        origin = float(np.nanmean(values)) if not np.isnan(values).all() else 0.0
        asked = (values - origin).astype(np.float32)[:, None]
        off = np.asarray((self.low - origin).astype(np.float32) - asked)
        np.maximum(off, asked - (self.high - origin).astype(np.float32), out=off)
        if self.step == 0:
            return np.asarray((off <= 0) * weight)
        off *= np.float32(-1 / self.step)
        off += np.float32(1)
        np.clip(off, 0, 1, out=off)
        off *= weight
        return np.nan_to_num(off, copy=False)

    def take(self, rows: Codes) -> Cells:
        """Keep some rows."""
        return Cells(self.low[rows], self.high[rows], self.step, self.cell[rows], self.holds,
                     self.weight[rows])  # fmt: skip


@dataclass(frozen=True, slots=True)
class Release:
    """A released table of m rows, and how people's rows are held against it.

    Attributes
    ----------
    columns : its columns. cells : of each. words : column to its words, by their place.
    score : (m,) the model's score that was kept beside each row, or None.
    """

    columns: tuple[str, ...]
    cells: tuple[Cells, ...]
    words: Mapping[str, Mapping[object, int]]
    score: Floats | None = None

    def __len__(self) -> int:
        if self.cells:
            return len(self.cells[0].low)
        return 0 if self.score is None else len(self.score)

    def encoded(self, rows: Dataset) -> Floats:
        """Bring the rows of n people to numbers (n, columns): a word becomes its place."""
        parts = [self._numbers(name, rows[name]) for name in self.columns]
        return np.column_stack(parts) if parts else np.empty((len(rows), 0))

    def _numbers(self, name: str, column: Column) -> Floats:
        words = self.words.get(name)
        if words is None:
            return column.astype(float)
        return np.array([words.get(value, len(words)) for value in column.tolist()], dtype=float)

    def only(self, columns: Sequence[str]) -> Release:
        """Keep some of the columns, in the table's own order."""
        kept = [place for place, name in enumerate(self.columns) if name in columns]
        cells = tuple(self.cells[place] for place in kept)
        return Release(tuple(self.columns[place] for place in kept), cells, self.words, self.score)

    def take(self, rows: Codes) -> Release:
        """Keep some rows."""
        score = None if self.score is None else self.score[rows]
        return Release(self.columns, tuple(one.take(rows) for one in self.cells), self.words, score)

    def fitting(self, people: Floats) -> list[Codes]:
        """The rows whose every cell holds what each of n encoded people has: n arrays."""
        rows: list[Codes] = []
        for start in range(0, len(people), BLOCK):
            some = people[start : start + BLOCK]
            fit = np.ones((len(some), len(self)), dtype=bool)
            for cells, column in zip(self.cells, some.T, strict=True):
                fit &= cells.hold(column)
            rows += map(np.flatnonzero, fit)
        return rows

    def alike(self, people: Floats) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """How much tells that each of n encoded people is each of the m rows.

        Yields
        ------
        Some people's places, and their agreement with every row (people, m).
        """
        tables = [_table(cells, column) for cells, column in zip(self.cells, people.T, strict=True)]
        for start in range(0, len(people), BLOCK):
            some = slice(start, min(start + BLOCK, len(people)))
            total = np.zeros((some.stop - start, len(self)), dtype=np.float32)
            for cells, column, known in zip(self.cells, people.T, tables, strict=True):
                if known is None:
                    total += cells.agreement(column[some])
                else:
                    total += known[0][known[1][some]]
            yield some, total


def _table(cells: Cells, column: Floats) -> tuple[NDArray[np.float32], Codes] | None:
    """The agreement of a column's few distinct values, and which each person has."""
    distinct, code = np.unique(column, return_inverse=True)
    return (cells.agreement(distinct), code) if len(distinct) <= FEW else None


def read_release(
    rows: Dataset, tables: Sequence[Dataset], person: str | None = None, score: str | None = None
) -> Release:
    """Read a released table.

    Parameters
    ----------
    tables : people in their own words, those that the attacker holds last. person : the column
        that says whose row it is, which an attacker never gets. score : the column of the model's
        scores; by default one of a usual name.

    Raises
    ------
    DataError : a column that people's rows lack, or cells that cannot be read.
    """
    score = score or next((one for one in SCORES if one in rows.columns), None)
    if score is not None and score in tables[0].columns:
        score = None  # it is a column of the people
    kept = [name for name in rows.names if name not in (person, score)]
    _check_names(kept, tables[0], score, rows)
    cells, words = [], {}
    for name in kept:
        column = np.concatenate([table[name] for table in tables])
        held = tables[-1][name]
        if is_numeric(column):
            cells.append(_numeric(name, rows[name], column, held.astype(float)))
        else:
            told = unique(column[~is_missing(column)]).tolist()
            words[name] = {value: place for place, value in enumerate([*told, None])}
            cells.append(_wordy(name, rows[name], words[name], held))
    told_scores = None if score is None else _scores(rows[score], score)
    return Release(tuple(kept), tuple(cells), words, told_scores)


def _check_names(kept: list[str], people: Dataset, score: str | None, rows: Dataset) -> None:
    if score is not None and score not in rows.columns:
        raise DataError(
            f"the score {score!r} of the released table", f"it has no such column"
            f"{nearest(score, rows.names)}", f"Use one of: {', '.join(rows.names)}",
        )  # fmt: skip
    for name in kept:
        if name not in people.columns:
            raise DataError(
                f"column {name!r} of the released table",
                f"the members have no such column{nearest(name, people.names)}",
                "Name it as the members' table does, or leave it out; the model's score is named "
                "by [data].score",
            )  # fmt: skip
    if not kept and score is None:
        raise DataError(
            "the released table", "it has no column of the members, and no score",
            "Keep the columns' names as the members' table has them",
        )  # fmt: skip


def _scores(column: Column, name: str) -> Floats:
    if not is_numeric(column) or is_missing(column).any():
        raise DataError(
            f"the score {name!r} of the released table", "some cells are no number",
            "Give one number a row, or leave the column out",
        )  # fmt: skip
    return np.asarray(column, dtype=float)


def _numeric(name: str, released: Column, people: Column, held: Floats) -> Cells:
    """Read cells of numbers; one with fewer digits than people's rows holds what it rounds."""
    seen = np.sort(held[~np.isnan(held)])
    spread = float(np.subtract(*np.quantile(seen, [0.95, 0.05]))) if len(seen) else 0.0
    if is_numeric(released):
        low, high = released.astype(float), released.astype(float)
        digits = decimals(low)
        finer = decimals(people.astype(float))
        off = 0.5 * 10.0**-digits * (1 + 1e-9) if digits < finer else 0.0
        gaps = is_missing(released)
        low, high = np.where(gaps, -np.inf, low - off), np.where(gaps, np.inf, high + off)
    else:
        low, high = numbers_of(released, name)
    step = NEAR * spread
    inside = np.searchsorted(seen, high + step, "right") - np.searchsorted(seen, low - step)
    return Cells(low, high, step, np.zeros(len(low), np.intp), None, _telling(inside, len(seen)))


def _wordy(name: str, released: Column, words: Mapping[object, int], held: Column) -> Cells:
    cell, holds = words_of(released, words)
    if not holds[:, :-1].any():
        raise DataError(
            f"column {name!r} of the released table", "no cell is a value of the other tables",
            "Write values as the members' table does, a set as {a, b}, * for what was left out",
        )  # fmt: skip
    nothing = np.zeros(len(released))
    people = np.array([words.get(value, len(words)) for value in held.tolist()], dtype=np.intp)
    counts = np.bincount(people, minlength=holds.shape[1])
    weight = _telling(holds @ counts, len(held))[cell]
    if len(words) > MANY and (holds[:, :-1].sum(axis=1) <= 1).all():
        place = np.where(holds[:, :-1].any(axis=1), holds.argmax(axis=1), -1)[cell].astype(float)
        return Cells(place, place, 0.0, cell, None, weight)
    return Cells(nothing, nothing, 0.0, cell, holds, weight)


def _telling(inside: NDArray[np.intp], people: int) -> Floats:
    return np.asarray(-np.log((inside + 0.5) / (people + 0.5)))


def as_release(rows: Dataset, like: Release, tables: Sequence[Dataset]) -> Release:
    """Read people's own rows as if they had been released, with the columns of a release."""
    if not like.columns:
        return Release((), (), {})
    return read_release(rows.select(like.columns), tables)

"""Rows as points, so that an attacker can walk; and the answers as something to climb."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.column import places
from reticent.dataset import Dataset, stack
from reticent.monitor.simulate.play import Rng, pick
from reticent.monitor.simulate.world import World
from reticent.target import Answer, Target
from reticent.targets.wrap import fresh

Points = NDArray[np.float64]
LEAST = 1e-12  # a score of 0 as a logarithm


@dataclass(frozen=True, slots=True)
class Space:
    """Standardized numbers, and one axis for each value of a word: the largest one is meant.

    Attributes
    ----------
    world : whose columns. whole : whether whole numbers are sent as such.
    """

    world: World
    whole: bool

    @property
    def width(self) -> int:
        """How many axes there are."""
        return sum(1 if look.numeric else len(look.values) for look in self.world.looks.values())

    def points(self, rows: Dataset) -> Points:
        """Bring n rows to points (n, d)."""
        parts: list[Points] = []
        for name, look in self.world.looks.items():
            if look.numeric:
                parts.append(((rows[name].astype(float) - look.center) / look.spread)[:, None])
            else:
                at = places(rows[name], look.values)
                parts.append((at[:, None] == np.arange(len(look.values))).astype(float))
        return np.concatenate(parts, axis=1)

    def rows(self, points: Points) -> Dataset:
        """Bring points (n, d) to the rows nearest to them, within the range of public people."""
        columns: dict[str, Any] = {}
        start = 0
        for name, look in self.world.looks.items():
            if look.numeric:
                cells = np.clip(points[:, start] * look.spread + look.center, look.low, look.high)
                columns[name] = np.round(cells) if look.whole and self.whole else cells
                start += 1
            else:
                block = points[:, start : start + len(look.values)]
                columns[name] = look.values[block.argmax(axis=1)]
                start += len(look.values)
        like, kind = self.world.members.like, {c.dtype.kind for c in columns.values()}
        if kind <= set("iuf"):
            return Dataset.of_matrix(np.column_stack(list(columns.values())), tuple(columns), like)
        return Dataset(columns, like)


class Climb:
    """Asks a model about points, and keeps what was asked.

    Parameters
    ----------
    rounded : decimals that scores are cut to; None: as they come.
    most : queries that may be spent.
    """

    def __init__(self, world: World, rng: Rng, most: int, rounded: int | None = None) -> None:
        assert world.target is not None
        self.space, self.most, self.spent = Space(world, bool(rng.random() < 0.5)), most, 0
        self.target: Target = fresh(world.target)
        self.asked: list[Dataset] = []
        self._rounded = rounded
        self._wanted = self._goal(world, rng)

    @property
    def over(self) -> bool:
        """Whether all queries are spent."""
        return self.spent >= self.most

    def _goal(self, world: World, rng: Rng) -> float:
        """A class that people are given, by its place; a regressor's value that few have."""
        told = self.target.ask(pick(world.public, rng, min(500, len(world.public))))
        if told.label is not None:
            given = np.unique(told.label[told.label >= 0])
            return float(rng.choice(given)) if len(given) else 0.0
        assert told.value is not None
        return float(np.nanquantile(told.value, rng.choice([0.05, 0.95])))

    def value(self, points: Points) -> Points:
        """How near (n,) the answers come to what is wanted; minus infinity when all is spent."""
        found = np.full(len(points), -np.inf)
        told = self._ask(self.space.rows(points[: self.most - self.spent]))
        if len(told):
            found[: len(told)] = self._judged(told)
        return found

    def reached(self, points: Points) -> NDArray[np.bool_]:
        """Whether (n,) the answers are what is wanted, from the label alone."""
        found = np.zeros(len(points), dtype=bool)
        told = self._ask(self.space.rows(points[: self.most - self.spent]))
        if len(told):
            found[: len(told)] = self._hit(told)
        return found

    def start(self, world: World, rng: Rng, inside: bool = True) -> Points:
        """Ask about public people until one (d,) has the wanted label, or has another."""
        rows = world.public.take(rng.permutation(len(world.public))[: self.most // 4])
        hits = np.flatnonzero(self._hit(self.target.ask(rows)) == inside)
        last = int(hits[0]) if len(hits) else len(rows) - 1
        self._ask(rows.take(slice(0, last + 1)))
        found: Points = self.space.points(rows.take(slice(last, last + 1)))[0]
        return found

    def _ask(self, rows: Dataset) -> Answer:
        if not len(rows):
            return Answer()
        self.asked.append(rows)
        self.spent += len(rows)
        return self.target.ask(rows)

    def rows(self) -> Dataset:
        """All that was asked, in order."""
        return stack(*self.asked)

    def _hit(self, told: Answer) -> NDArray[np.bool_]:
        if told.label is not None:
            return np.asarray(told.label == int(self._wanted))
        assert told.value is not None
        return np.asarray(told.value >= self._wanted)

    def _judged(self, told: Answer) -> Points:
        """A score's logarithm has a slope where the score itself is flat at 0 or 1."""
        if told.scores is not None:
            score = np.nan_to_num(told.scores[:, int(self._wanted)])
            if self._rounded is not None:
                score = np.round(score, self._rounded)
            return np.asarray(np.log(np.maximum(score, LEAST)))
        if told.value is not None:
            return np.asarray(np.nan_to_num(-np.abs(told.value - self._wanted), nan=-np.inf))
        return self._hit(told).astype(float)

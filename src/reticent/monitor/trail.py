"""What is remembered of one caller between queries, in memory and in bounded size.

The last distinct rows as points, the last records as 64-bit tokens, and the people about whom the
caller tried several sensitive values. How a row relates to earlier ones is found out here, once,
for all detectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reticent.monitor.reference import SAME, TINY, WINDOW, Reference, edited

RECORDS = 512  # remembered by their tokens
EXPLORED = 32  # people about whom several sensitive values were tried
DENSE = 0.6  # of the numbers change at once: a person corrects one, or a few
SMALL = 0.5  # standard deviations: a step of finite differences at most
PROBED = 10  # columns changed one at a time about one person: more than people try
OWN = 2.0  # rows that the middle of honest people weighs against a caller's own
KEPT = 12_288  # bytes of points

Tokens = NDArray[np.uint64]


class Sight(NamedTuple):
    """How one row relates to what its caller asked before.

    Attributes
    ----------
    repeat : the very row was asked before.
    exact : sensitive values tried so far about this record, this one included; 0: not a new one.
    near : the same over rows that are nearly this record.
    fresh : depth (2 or 3) up to which nothing was counted about this person before; 0: all was.
    exact_by_chance, near_by_chance : how likely people who look alike make a second value here.
    edit : another column than the sensitive ones changed, in few places, as a person does it.
    edited : share of the caller's earlier rows that were edits, beyond what chance makes look so.
    close : earlier rows as near as an optimizer's steps, and unlike a person's edits.
    around : earlier rows about this person. climbs : more confident than at all of them.
    """

    repeat: bool = False
    exact: int = 1
    near: int = 1
    fresh: int = 0
    exact_by_chance: float = 0.0
    near_by_chance: float = 0.0
    edit: bool = False
    edited: float = 0.0
    close: int = 0
    around: int = 0
    climbs: bool = False


@dataclass(frozen=True, slots=True)
class Measure:
    """The reference's numbers as the inner loop wants them.

    Attributes
    ----------
    weights : (d, 2) sums up what is not sensitive to a mean, and what is.
    """

    reference: Reference
    weights: NDArray[np.float32]

    @classmethod
    def of(cls, reference: Reference) -> Measure:
        """Lay the sums out."""
        rest = ~reference.hidden
        return cls(reference, np.column_stack([rest / rest.sum(), ~rest]).astype(np.float32))


class Trail:
    """The memory of one caller: below 32 KiB."""

    __slots__ = (
        "_asked", "_confidence", "_edits", "_explored", "_known", "_levels", "_measure", "_middle", "_next", "_oldest", "_points",
        "_records", "_size", "_tried", "_values", "_weighed",
    )  # fmt: skip

    def __init__(self, measure: Measure) -> None:
        d = measure.reference.axes.dimensions
        self._measure = measure
        self._points = np.empty((max(16, min(WINDOW, KEPT // (4 * d))), d), dtype=np.float32)
        self._confidence = np.zeros(len(self._points), dtype=np.float32)
        self._size = self._next = 0
        self._records = np.zeros(RECORDS, dtype=np.uint64)
        self._values = np.zeros((2, RECORDS), dtype=np.uint64)
        self._levels = np.zeros(RECORDS, dtype=np.uint8)
        self._known = self._oldest = 0
        self._explored = np.empty((0, d), dtype=np.float32)
        self._tried: list[int] = []
        self._asked = self._edits = 0
        self._middle: NDArray[np.float32] | None = None
        self._weighed = 0.0

    def see(self, point: NDArray[np.float32], tokens: list[list[int]], confidence: float) -> Sight:
        """Relate a row to earlier ones, and remember it.

        Parameters
        ----------
        point : (d,). tokens : record and value for each watched group.
        confidence : of the answer; 0 where it told none.
        """
        reference, size = self._measure.reference, self._size
        chance, exact = 0.0, 0
        for group, (record, value) in enumerate(tokens):
            chance += reference.chance(group, record) * self._known
            exact = max(exact, self._recalled(record, value))
        gap = reference.axes.gap(self._points[:size], point)
        sums = gap @ self._measure.weights
        if not size or sums[:, 0].min() > reference.person:
            sight = Sight(exact=exact, exact_by_chance=chance)
        else:
            sight = self._related(gap, sums, confidence)._replace(
                exact=exact, exact_by_chance=chance
            )
        if max(sight.exact, sight.near) > 1:
            sight = sight._replace(fresh=self._explore(point, max(sight.exact, sight.near)))
        if tokens and not exact:
            sight = sight._replace(repeat=True)
        by_chance = 1.5 * reference.edits_by_chance * self._asked
        share = max(0.0, self._edits - by_chance) / self._asked if self._asked else 0.0
        if not sight.repeat:
            self._keep(point, confidence)
            self._asked += 1
            self._edits += sight.edit
        return sight._replace(
            edited=share, near_by_chance=reference.near_by_chance * size / WINDOW
        )

    def outside(self, turned: NDArray[np.float32]) -> bool:
        """Whether a row lies where hardly any honest one does, seen from the caller's own middle.

        A population that has moved moves the middle: it is soon inside again.
        """
        reference = self._measure.reference
        if self._middle is None:
            self._middle, self._weighed = reference.middle * OWN, OWN
        away = turned - self._middle / self._weighed
        self._middle = self._middle + turned
        self._weighed += 1.0
        lengths = (away * away) @ reference.split
        return bool((lengths < reference.low).any() or (lengths > reference.high).any())

    def _recalled(self, record: int, value: int) -> int:
        """Count the values tried of a record, this one included; 0 where it was tried before."""
        found = np.flatnonzero(self._records[: self._known] == record)
        if not len(found):
            place = self._oldest
            self._oldest = (place + 1) % RECORDS
            self._known = min(self._known + 1, RECORDS)
            self._records[place], self._values[0, place], self._levels[place] = record, value, 1
            return 1
        place = int(found[0])
        level = int(self._levels[place])
        if value in self._values[:level, place]:
            return 0
        if level < 2:
            self._values[level, place] = value
        self._levels[place] = min(level + 1, 2)
        return level + 1

    def _related(
        self, gap: NDArray[np.float32], sums: NDArray[np.float32], confidence: float
    ) -> Sight:
        """Relate a row to those about the same person."""
        reference = self._measure.reference
        about = np.flatnonzero(sums[:, 0] <= reference.person)
        gap, sums = gap[about], sums[about]
        rest, apart = sums[:, 0], sums[:, 1]
        nearest = int(sums.sum(axis=1).argmin())
        if rest[nearest] < SAME / gap.shape[1] and apart[nearest] < SAME:
            return Sight(repeat=True)
        near = rest <= reference.near
        tried = self._hidden(about[near]) if near.any() else 0
        own = bool((apart[near] < SAME).any())
        numbers, changed = reference.numbers, gap > SAME
        dense = changed[:, numbers].sum(axis=1) >= max(3, DENSE * numbers.sum())
        tiny = gap.max(axis=1) <= TINY
        small = (changed.sum(axis=1) <= 2) & (gap.max(axis=1) <= SMALL)
        probed = int(changed[small].any(axis=0).sum())
        return Sight(
            near=0 if own else tried + 1,
            edit=bool((edited(gap) & (apart < SAME)).any()),
            close=max(int((near & (dense | tiny)).sum()), probed - PROBED),
            around=len(about),
            climbs=confidence > self._confidence[about].max(),
        )

    def _hidden(self, places: NDArray[np.intp]) -> int:
        """Count the different sensitive values of some remembered rows."""
        hidden = self._measure.reference.hidden
        if not hidden.any():
            return 0
        return len({row.tobytes() for row in self._points[places][:, hidden]})

    def _explore(self, point: NDArray[np.float32], depth: int) -> int:
        """Count a person once for each depth: the depth that is new, or 0."""
        depth = min(depth, 3)
        reference = self._measure.reference
        gap = reference.axes.gap(self._explored, point) @ self._measure.weights[:, 0]
        about = np.flatnonzero(gap <= reference.person)
        before = max((self._tried[place] for place in about), default=1)
        if before >= depth:
            return 0
        if len(about):
            for place in about:
                self._tried[place] = depth
        else:
            self._explored = np.concatenate([self._explored, point[None]])[-EXPLORED:]
            self._tried = [*self._tried, depth][-EXPLORED:]
        return depth

    def _keep(self, point: NDArray[np.float32], confidence: float) -> None:
        place = self._next
        self._points[place] = point
        self._confidence[place] = confidence
        self._next = (place + 1) % len(self._points)
        self._size = min(self._size + 1, len(self._points))

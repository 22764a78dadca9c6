"""What is remembered of one caller between queries, in memory and in bounded size.

The last distinct rows as points, the last records as 64-bit tokens, and the people about whom the
caller tried several sensitive values. How a row relates to earlier ones is found out here, once,
for all detectors.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reticent.monitor.points import FAR, FEW, SAME, TINY, Points, apart, edited
from reticent.monitor.reference import SEVERAL, WINDOW, Reference

RECORDS = 512  # remembered by their tokens
TOKEN = 8  # bytes
EXPLORED = 32  # people about whom several sensitive values were tried
DENSE = 0.6  # of the numbers change at once: a person corrects one, or a few
SMALL = 0.5  # standard deviations: a step of finite differences at most
ALL_ROUND = 0.4  # of the numbers change by next to nothing, one after the other
PROBED = 10  # columns changed one at a time about one person: more than people try
OWN = 2.0  # rows that the middle of honest people weighs against a caller's own
KEPT = 12_288  # bytes of points

Tokens = NDArray[np.uint64]


@dataclass(slots=True)
class Sight:
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
    back, came : nearly this record, and the same sensitive values, again: a later visit. Share of
        the caller's earlier rows that were such.
    kin : at most half of the cells differ from those of an earlier row.
    close : earlier rows as near as an optimizer's steps, and unlike a person's edits.
    offgrid : several columns of few values have ones here that no honest row had, beyond as many
        as it would take for a population that has moved.
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
    back: bool = False
    came: float = 0.0
    kin: bool = False
    close: int = 0
    offgrid: bool = False
    around: int = 0
    climbs: bool = False


@dataclass(frozen=True, slots=True)
class Measure:
    """The reference's numbers as the inner loop wants them.

    Attributes
    ----------
    rest : (d,) sums up to a mean what is not sensitive. about : how far a row lies, by that mean,
        from which one that it has anything to do with. values : of each column that takes few,
        how many. most, some : numbers that change at once, or by next to nothing.
    cells : the coordinates of which few differ where few cells do; counted : of them the numbers.
    slack, ones : (WINDOW, d) as ``apart`` wants them.
    places : each watched group's coordinates; none where rows are projected.
    turn : (d, m) points to the manifold's directions; None where there is none.
    """

    reference: Reference
    rest: NDArray[np.float32]
    about: float
    values: list[int]
    most: float
    some: float
    places: list[list[int]]
    turn: NDArray[np.float32] | None
    cells: slice
    counted: NDArray[np.bool_]
    slack: NDArray[np.float32] | None
    ones: NDArray[np.float32]

    @classmethod
    def of(cls, reference: Reference) -> Measure:
        """Lay the numbers out."""
        axes = reference.axes
        rest = (axes.measured & ~reference.hidden).astype(np.float32)
        counted = reference.numbers if axes.project is None else ~axes.measured
        numbers = int(counted.sum())
        ones = np.ones((WINDOW, axes.dimensions), dtype=np.float32)
        gaps, few = reference.gaps, FEW / float(rest.sum())
        return cls(
            reference, rest / rest.sum(), max(gaps.near, few),
            [len(np.unique(row)) for row in axes.grid],
            max(3, DENSE * numbers), max(3, ALL_ROUND * numbers),
            [] if axes.project is not None else [
                [axes.columns.index(name) for name in group] for group in reference.groups
            ], _turn(reference), axes.cells, counted,
            ones * axes.slack if len(axes.few) else None, ones,
        )  # fmt: skip


def _turn(reference: Reference) -> NDArray[np.float32] | None:
    manifold = reference.manifold
    if manifold is None:
        return None
    turn = np.zeros((len(reference.numbers), len(manifold.middle)), dtype=np.float32)
    turn[reference.numbers] = manifold.whiten
    return turn


class Trail:
    """The memory of one caller: below 32 KiB."""

    __slots__ = (
        "_asked", "_backs", "_confidence", "_edits", "_explored", "_heard", "_known", "_levels",
        "_measure", "_middle", "_next", "_oldest", "_points", "_records", "_size", "_tried",
        "_values", "_weighed",
    )  # fmt: skip

    def __init__(self, measure: Measure) -> None:
        d = measure.reference.axes.dimensions
        self._measure = measure
        self._points = np.empty((max(16, min(WINDOW, KEPT // (4 * d))), d), dtype=np.float32)
        self._confidence = np.zeros(len(self._points), dtype=np.float32)
        self._size = self._next = 0
        self._records = bytearray(TOKEN * RECORDS)
        self._values = np.zeros((2, RECORDS), dtype=np.uint32)  # halves: a few of one record
        self._levels = np.zeros(RECORDS, dtype=np.uint8)
        self._known = self._oldest = 0
        self._explored = np.empty((0, d), dtype=np.float32)
        self._tried: list[int] = []
        self._asked = self._edits = self._backs = 0
        self._middle: NDArray[np.float32] | None = None
        self._weighed = 0.0
        self._heard: dict[int, array[float]] = {}

    def see(
        self, point: NDArray[np.float32], tokens: Sequence[tuple[int, int]], confidence: float,
        gaps: bool = False,
    ) -> Sight:  # fmt: skip
        """Relate a row to earlier ones, and remember it.

        Parameters
        ----------
        point : (d,). tokens : record and value for each watched group.
        confidence : of the answer; 0 where it told none. gaps : cells may be missing.
        """
        measure, size, asked, sight = self._measure, self._size, self._asked, Sight()
        reference = measure.reference
        usual = reference.gaps
        sight.near_by_chance = usual.near_by_chance * size / WINDOW
        if tokens:
            self._recall(point, tokens, sight, gaps)
            if sight.repeat:
                return sight  # which nobody looks at
        if size:
            slack = None if measure.slack is None else measure.slack[:size]
            gap = apart(self._points[:size], point, slack, measure.ones[:size])
            rest = gap.dot(measure.rest)
            nearest = rest.item(rest.argmin())  # quicker than its minimum
            if nearest <= measure.about or (
                nearest <= usual.crowd and np.count_nonzero(rest <= usual.crowd) >= SEVERAL
            ):
                self._relate(point, gap, rest, confidence, sight)
        if sight.exact > 1 or sight.near > 1:
            sight.fresh = self._explore(point, max(sight.exact, sight.near))
        if asked:
            beyond = self._edits - 1.5 * usual.edits_by_chance * asked
            sight.edited = beyond / asked if beyond > 0.0 else 0.0
            sight.came = self._backs / asked
        if not sight.repeat:
            if len(reference.axes.few):
                sight.offgrid = self._unheard(point)
            self._keep(point, confidence)
            self._asked += 1
            self._edits += sight.edit
            self._backs += sight.back
        return sight

    def outside(self, turned: NDArray[np.float32]) -> bool:
        """Whether a row lies where hardly any honest one does, seen from the caller's own middle.

        A population that has moved moves the middle: it is soon inside again.
        """
        manifold = self._measure.reference.manifold
        assert manifold is not None
        if self._middle is None:
            self._middle, self._weighed = manifold.middle * np.float32(OWN), OWN
        away = turned - self._middle / self._weighed
        self._middle += turned
        self._weighed += 1.0
        wide, narrow = (away * away).dot(manifold.split).tolist()
        (low, thin), (high, thick) = manifold.low, manifold.high
        return not (low <= wide <= high and thin <= narrow <= thick)

    def _unheard(self, point: NDArray[np.float32]) -> bool:
        axes, beyond = self._measure.reference.axes, 0
        for place in axes.unheard(point):
            heard = self._heard.setdefault(place, array("f"))
            value = float(point[axes.few[place]])
            if value in heard:
                continue
            if len(heard) >= self._measure.values[place]:
                beyond += 1
            else:
                heard.append(value)
        return beyond >= max(2, ALL_ROUND * len(axes.few))

    def _recall(
        self, point: NDArray[np.float32], tokens: Sequence[tuple[int, int]], sight: Sight,
        gaps: bool,
    ) -> None:  # fmt: skip
        """Count the values tried of each record, and how likely chance makes a second one.

        What was not sent is no value that was tried.
        """
        chance, most, told, measure = 0.0, 0, False, self._measure
        for group, (record, value) in enumerate(tokens):
            if gaps and measure.places and point[measure.places[group]].max() >= FAR:
                continue
            told = True
            chance += measure.reference.chance(group, record)
            most = max(most, self._recalled(record, value))
        sight.exact_by_chance = chance * self._known
        if told:
            sight.exact, sight.repeat = most, most == 0

    def _recalled(self, record: int, value: int) -> int:
        """Count the values tried of a record, this one included; 0 where it was tried before."""
        token, value = record.to_bytes(TOKEN, "little"), value & 0xFFFFFFFF
        start = self._records.find(token)
        while start % TOKEN and start > 0:  # between two others
            start = self._records.find(token, start + 1)
        place = start // TOKEN
        if start < 0:
            place = self._oldest
            self._oldest = (place + 1) % RECORDS
            self._known = min(self._known + 1, RECORDS)
            self._records[place * TOKEN : (place + 1) * TOKEN] = token
            self._values[0, place], self._levels[place] = value, 1
            return 1
        level = int(self._levels[place])
        if value in self._values[:level, place]:
            return 0
        if level < 2:
            self._values[level, place] = value
        self._levels[place] = min(level + 1, 2)
        return level + 1

    def _relate(
        self, point: NDArray[np.float32], gap: Points, rest: NDArray[np.float32],
        confidence: float, sight: Sight,
    ) -> None:  # fmt: skip
        """Relate a row to those that it may have been made from."""
        reference = self._measure.reference
        about = (rest <= max(self._measure.about, reference.gaps.crowd)).nonzero()[0]
        moved = np.abs(self._points[about] - point)
        if moved.max(axis=1).min() < SAME:
            sight.repeat = True
            return
        gap, near = gap[about], rest[about] <= reference.gaps.near
        hidden = reference.hidden
        both = (self._points[about][:, hidden] < FAR) & (point[hidden] < FAR)
        alike = np.where(both, gap[:, hidden], 0.0).max(axis=1, initial=0.0) < SAME
        if near.any():
            tried = self._hidden(about[near])
            sight.near = 0 if (near & alike).any() else tried + 1
            sight.back = sight.near == 0
        cells = self._measure.cells
        gap, changed = gap[:, cells], moved[:, cells] > SAME
        sight.edit = bool((edited(gap) & alike).any())
        kin = changed.sum(axis=1) <= changed.shape[1] / 2
        sight.kin = bool(kin.any())
        sight.close = self._steps(gap, changed, rest[about] <= reference.gaps.crowd)
        sight.around = len(about)
        if not sight.kin or changed[kin].any(axis=0).sum() >= PROBED:
            sight.climbs = bool(confidence > self._confidence[about].max())

    def _steps(self, gap: Points, moved: NDArray[np.bool_], near: NDArray[np.bool_]) -> int:
        """Count the rows that an optimizer's step leads away from, and no person's edit.

        An optimizer moves most numbers at once, or one after the other by next to nothing; whoever
        watches one patient moves one or two, and again the same.
        """
        measure, largest = self._measure, gap.max(axis=1)
        counted = measure.counted[measure.cells]
        steps = near & (moved[:, counted].sum(axis=1) >= measure.most)
        tiny = largest <= TINY
        if moved[tiny].any(axis=0).sum() >= measure.some:
            steps |= tiny
        small = moved.sum(axis=1) <= FEW
        if measure.reference.axes.project is None:
            small &= largest <= SMALL
        if moved[small].any(axis=0).sum() >= PROBED:
            steps |= small
        return int(steps.sum())

    def _hidden(self, places: NDArray[np.intp]) -> int:
        """Count the different sensitive values of some remembered rows."""
        hidden = self._measure.reference.hidden
        if not hidden.any():
            return 0
        values = self._points[places][:, hidden]
        return len({row.tobytes() for row in values[values.max(axis=1) < FAR]})

    def _explore(self, point: NDArray[np.float32], depth: int) -> int:
        """Count a person once for each depth: the depth that is new, or 0."""
        depth = min(depth, 3)
        reference = self._measure.reference
        gap = reference.axes.gap(self._explored, point) @ self._measure.rest
        about = np.flatnonzero(gap <= reference.gaps.person)
        before = max((self._tried[place] for place in about), default=1)
        if before >= depth:
            return 0
        if len(about):
            for place in about:
                self._tried[place] = depth
        else:
            most = min(EXPLORED, len(self._points) // 2)  # fewer, where rows are long
            self._explored = np.concatenate([self._explored, point[None]])[-most:]
            self._tried = [*self._tried, depth][-most:]
        return depth

    def _keep(self, point: NDArray[np.float32], confidence: float) -> None:
        place = self._next
        self._points[place] = point
        self._confidence[place] = confidence
        self._next = (place + 1) % len(self._points)
        self._size = min(self._size + 1, len(self._points))

"""What honest queries look like: how far apart people are, and how often two look alike by chance.

Fitted on honest people who are not members. A detector that knew the members would be an oracle
for them: whoever watches when it fires would learn from it.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from reticent.dataset import Dataset
from reticent.errors import DataError
from reticent.monitor.points import (
    MOST,
    PLENTY,
    Axes,
    Manifold,
    Points,
    edited,
    fit_axes,
    fit_manifold,
)

PAIR = struct.Struct("<Q8xQ8x")  # of a record's token and a value's, the first halves
FEWEST = 30  # honest people to fit on
WINDOW = 64  # rows that a nearest neighbor is looked for in, here and in a trail
TRIED = 1_024  # of them whose neighbors are looked for
NEAR_SHARE = 0.005  # of honest rows with one of WINDOW others within ``near`` that differs
NEAR_MOST = 0.2  # standard deviations, on average over the columns
SEVERAL = 6  # earlier rows in one place make a crowd
ALIKE = 10  # a caller may ask about one in so many people only
CROWD_SHARE = 0.05  # of honest rows that have SEVERAL others within ``crowd`` all the same
ANCHORS = 128  # places in which that is measured
PERSON_SHARE = 0.02  # of pairs of honest rows that lie nearer than ``person``


@dataclass(frozen=True, slots=True)
class Gaps:
    """How near honest rows lie to each other, apart from what is sensitive.

    Attributes
    ----------
    near : distance within which hardly any honest row has one of ``WINDOW`` others that differs
        in what is sensitive. near_by_chance : how often, per query, one has.
    crowd : distance within which hardly any honest row has ``SEVERAL`` others, even where a caller
        asks only about the tenth of people who are most alike.
    person : distance within which two rows are taken to be about one person.
    edits_by_chance : how often an honest row has a neighbor from which few columns differ.
    """

    near: float
    near_by_chance: float
    crowd: float
    person: float
    edits_by_chance: float


@dataclass(frozen=True, slots=True)
class Reference:
    """What was learned of honest people.

    Attributes
    ----------
    axes : rows to points. hidden : (dimensions,) True for coordinates of sensitive columns.
    numbers : (dimensions,) True for the others that are numbers, and distances count.
    gaps, manifold : see there.
    groups : of watched columns. alike : per group, record to the share of people who have it.
    rare : per group, the share of people who have a record that is not among them.
    differ : per group, how often two people differ in it.
    """

    axes: Axes
    hidden: NDArray[np.bool_]
    numbers: NDArray[np.bool_]
    gaps: Gaps
    manifold: Manifold | None
    groups: tuple[tuple[str, ...], ...]
    alike: tuple[Mapping[int, float], ...]
    rare: tuple[float, ...]
    differ: tuple[float, ...]

    def chance(self, group: int, record: int) -> float:
        """How likely one honest query shares a record and differs in the watched columns."""
        return self.alike[group].get(record, self.rare[group]) * self.differ[group]


def fit_reference(
    honest: Dataset,
    columns: Sequence[str],
    groups: Sequence[Sequence[str]],
    sketch: Callable[[Dataset], bytes],
    rng: np.random.Generator,
    bins: Mapping[str, Sequence[float] | None] = MappingProxyType({}),
) -> Reference:
    """Learn from honest people who are not members.

    Parameters
    ----------
    columns : the model's, in order. groups : watched columns; none: no sensitive column.
    sketch : rows to their tokens, as ``Sketcher`` makes them, for the same groups.
    bins : sensitive column to its bins' edges, where [domains] has some.

    Raises
    ------
    DataError : too few honest people.
    """
    if len(honest) < FEWEST:
        raise DataError(
            "detectors for honest people", f"only {len(honest)} non-members are at hand",
            f"Give at least {FEWEST} as [data].others or [data].auxiliary",
        )  # fmt: skip
    some = honest if len(honest) <= MOST else honest.take(rng.permutation(len(honest))[:MOST])
    axes = fit_axes(
        some, columns, {name: bins.get(name) for group in groups for name in group}, rng
    )
    hidden, numbers = _marks(axes, groups)
    points, _ = axes(some)
    if axes.project is not None and len(points) < PLENTY:
        points = points[1::2]  # the others had their part in the directions
    pairs = token_pairs(sketch(some), len(groups)) if groups else []
    records = [[row[place][0] for row in pairs] for place in range(len(groups))]
    return Reference(
        axes=axes, hidden=hidden, numbers=numbers, gaps=_gaps(axes, points, hidden, rng),
        manifold=fit_manifold(points[:, numbers]),
        groups=tuple(tuple(group) for group in groups),
        alike=tuple(_shares(one) for one in records),
        rare=tuple(_rare(one) for one in records),
        differ=tuple(_differ(some, group) for group in groups),
    )  # fmt: skip


def token_pairs(sketches: bytes, groups: int) -> list[list[tuple[int, int]]]:
    """The first 64 bits of each record and value token, for n rows and their groups."""
    pairs: list[tuple[int, int]] = list(PAIR.iter_unpack(sketches))
    return [pairs[start : start + groups] for start in range(0, len(pairs), groups)]


def _shares(records: list[int]) -> Mapping[int, float]:
    return {record: count / len(records) for record, count in Counter(records).items()}


def _rare(records: list[int]) -> float:
    """How frequent a record is that one half of the people lacks, measured in the other half."""
    known, others = set(records[::2]), records[1::2]
    counts = Counter(others)
    missed = [counts[record] - 1 for record in others if record not in known]
    return (sum(missed) + 1.0) / ((len(missed) + 1.0) * len(others))


def _differ(rows: Dataset, group: Sequence[str]) -> float:
    """How often two people differ in a group of columns, with replacement."""
    values = Counter(zip(*(rows[name].tolist() for name in group), strict=True))
    return 1.0 - sum((count / len(rows)) ** 2 for count in values.values())


def _marks(
    axes: Axes, groups: Sequence[Sequence[str]]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which coordinates are sensitive, and which of the others are numbers."""
    if axes.project is not None:
        marks = np.zeros((2, axes.dimensions), dtype=bool)
        marks[1] = axes.measured
        return marks[0], marks[1]
    watched = {name for group in groups for name in group}
    hidden = np.array([name in watched for name in axes.columns])
    return hidden, np.array([name not in axes.levels for name in axes.columns]) & ~hidden


def _gaps(axes: Axes, points: Points, hidden: NDArray[np.bool_], rng: np.random.Generator) -> Gaps:
    order, rests = rng.permutation(len(points)), axes.measured & ~hidden
    nearest, pairs, edits = [], [], []
    for start in range(min(TRIED, len(points))):
        others = points[np.resize(np.roll(order, -start - 1)[:-1], WINDOW)]
        gap = axes.gap(others, points[order[start]])
        rest = gap[:, rests].mean(axis=1)
        differs = gap[:, hidden].any(axis=1) if hidden.any() else rest > 0
        nearest.append(float(rest[differs].min(initial=1.0)))
        pairs.append(rest)
        edits.append(bool(edited(gap[:, axes.cells]).any()))
    # Distances come in steps where columns do: just below the step that would be too common.
    near = min(float(np.quantile(nearest, NEAR_SHARE, method="higher")) * 0.999, NEAR_MOST)
    person = float(np.quantile(np.concatenate(pairs), PERSON_SHARE))
    by_chance = (1.0 + np.sum(np.array(nearest) <= near)) / (1.0 + len(nearest))
    crowd = _crowd(axes, points, rests, rng)
    return Gaps(near, float(by_chance), crowd, max(person, near), float(np.mean(edits)))


def _crowd(axes: Axes, points: Points, rests: NDArray[np.bool_], rng: np.random.Generator) -> float:
    """How near honest rows of people who are alike come to ``SEVERAL`` others."""
    size = min(len(points) - 1, max(WINDOW + 1, len(points) // ALIKE))
    found = []
    for anchor in rng.permutation(len(points))[:ANCHORS]:
        far = axes.gap(points, points[anchor])[:, rests].mean(axis=1)
        some = rng.permutation(np.argpartition(far, size)[: size + 1])[: WINDOW + 1]
        rest = axes.gap(points[some[1:]], points[some[0]])[:, rests].mean(axis=1)
        found.append(np.partition(rest, SEVERAL - 1)[SEVERAL - 1])
    return float(np.quantile(found, CROWD_SHARE))

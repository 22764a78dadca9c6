"""What honest queries look like: how far apart people are, and how often two look alike by chance.

Fitted on honest people who are not members. A detector that knew the members would be an oracle
for them: whoever watches when it fires would learn from it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.column import is_missing, is_numeric
from reticent.dataset import Dataset
from reticent.errors import DataError
from reticent.event import TOKEN_BYTES

FEWEST = 50  # honest people to fit on
MOST = 4_000  # of them that are looked at
WINDOW = 64  # rows that a nearest neighbor is looked for in, here and in a trail
APART = 4.0  # between two levels of a text column, in the unit of a standard deviation
FAR = 60.0  # where a cell is missing, or a number is out of all bounds
WIDE = 48  # columns; beyond them points are projected
PROJECTED = 32  # directions
NEAR_SHARE = 0.02  # of honest rows with one of WINDOW others within ``near`` that differs
PERSON_SHARE = 0.02  # of pairs of honest rows that lie nearer than ``person``
OUTSIDE = 0.005  # of honest rows that lie beyond each bound of the manifold
FEWEST_NUMBERS = 4  # columns that a manifold is made of
SAME = 1e-4  # standard deviations: below it a cell is the same
TINY = 0.1  # standard deviations: steps of an optimizer, hardly of a person
FEW_VALUES = 24  # of a column: then the steps between them are its own
SLACK = 0.6  # of a column's smallest step
FEW = 2  # columns that a person edits at once

Points = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Axes:
    """How rows become points in which one unit is one standard deviation.

    Attributes
    ----------
    columns : of the model, in order. center, scale : (d,) of the numbers, subtracted and
        multiplied; 0 and 1 for text. levels : text column to level to position.
    slack : (dimensions,) differences that do not count: of columns that take few values, more
        than half of the smallest step, so that jitter between two values is none.
    project : (d, PROJECTED) for wide rows, or None.
    """

    columns: tuple[str, ...]
    center: NDArray[np.float64]
    scale: NDArray[np.float64]
    slack: NDArray[np.float32]
    levels: Mapping[str, Mapping[object, int]] = field(default_factory=dict)
    project: NDArray[np.float32] | None = None

    @property
    def dimensions(self) -> int:
        """Coordinates of a point."""
        return len(self.columns) if self.project is None else self.project.shape[1]

    def __call__(self, rows: Dataset) -> Points:
        """Place n rows: (n, dimensions)."""
        matrix = rows.matrix(self.columns)
        if matrix is not None:
            placed = ((matrix - self.center) * self.scale).astype(np.float32)
        else:
            cells = np.column_stack([self._numbers(rows, name) for name in self.columns])
            placed = ((cells - self.center) * self.scale).astype(np.float32)
            placed[~np.isfinite(placed)] = FAR
            np.clip(placed, -FAR, FAR, out=placed)
        return placed if self.project is None else placed @ self.project

    def gap(self, points: Points, point: NDArray[np.float32]) -> Points:
        """Distances (n, d) by coordinate from n points to one, from 0 to 1."""
        gap = np.abs(points - point)
        gap -= self.slack
        return np.clip(gap, 0.0, 1.0, out=gap)

    def _numbers(self, rows: Dataset, name: str) -> NDArray[np.float64]:
        if name not in rows.columns:
            return np.full(len(rows), np.nan)
        column = rows[name]
        levels = self.levels.get(name)
        if levels is None:
            return np.where(is_missing(column), np.nan, column).astype(float)
        # What nobody honest wrote still has to be one and the same point each time.
        places = [levels.get(cell, len(levels) + hash(cell) % 9) for cell in column.tolist()]
        return APART * np.array(places, dtype=float)


@dataclass(frozen=True, slots=True)
class Reference:
    """What was learned of honest people.

    Attributes
    ----------
    axes : rows to points. hidden : (dimensions,) True for coordinates of sensitive columns.
    numbers : (dimensions,) True for the others that are numbers.
    near : distance within which hardly any honest row has one of ``WINDOW`` others that differs
        in what is sensitive.
    person : distance within which two rows are taken to be about one person.
    near_by_chance : how often, per query, an honest row has such a neighbor.
    edits_by_chance : how often an honest row has a neighbor from which few columns differ.
    alike : per watched group, record to the share of people who have it. rare : per group, the
        share of people who have a record that is not among them.
    differ : per watched group, how often two people differ in it.
    whiten : (m, m) numbers to independent directions of unit spread, the widest first.
    middle : (m,) of honest rows there. split : (m, 2) tells wide directions from narrow ones.
    low, high : (2,) between which the squared lengths of nearly all honest rows lie there.
    """

    axes: Axes
    hidden: NDArray[np.bool_]
    numbers: NDArray[np.bool_]
    near: float
    person: float
    near_by_chance: float
    edits_by_chance: float
    alike: tuple[Mapping[int, float], ...]
    rare: tuple[float, ...]
    differ: tuple[float, ...]
    whiten: NDArray[np.float32]
    middle: NDArray[np.float32]
    split: NDArray[np.float32]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def chance(self, group: int, record: int) -> float:
        """How likely one honest query shares a record and differs in the watched columns."""
        return self.alike[group].get(record, self.rare[group]) * self.differ[group]


def fit_reference(
    honest: Dataset,
    columns: Sequence[str],
    groups: Sequence[Sequence[str]],
    sketch: Callable[[Dataset], bytes],
    rng: np.random.Generator,
) -> Reference:
    """Learn from honest people who are not members.

    Parameters
    ----------
    columns : the model's, in order. groups : watched columns; none: no sensitive column.
    sketch : rows to their tokens, as ``Sketcher`` makes them, for the same groups.

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
    axes = _axes(some, columns, rng)
    hidden, numbers = _marks(axes, groups)
    points = axes(some)
    pairs = token_pairs(sketch(some), len(groups)) if groups else None
    gaps = _gaps(axes, points, hidden, rng)
    records = [] if pairs is None else [pairs[:, place, 0].tolist() for place in range(len(groups))]
    return Reference(
        axes=axes, hidden=hidden, numbers=numbers, **gaps, **_manifold(points[:, numbers]),
        alike=tuple(_shares(one) for one in records),
        rare=tuple(_rare(one) for one in records),
        differ=tuple(_differ(some, group) for group in groups),
    )  # fmt: skip


def token_pairs(sketches: bytes, groups: int) -> NDArray[np.uint64]:
    """The first 64 bits of each record and value token: (n, groups, 2)."""
    tokens = np.frombuffer(sketches, dtype="<u8")
    return tokens.reshape(-1, groups, 2, TOKEN_BYTES // 8)[..., 0]


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


def _axes(honest: Dataset, columns: Sequence[str], rng: np.random.Generator) -> Axes:
    center, scale = np.zeros(len(columns)), np.ones(len(columns))
    slack = np.zeros(len(columns), dtype=np.float32)
    levels: dict[str, dict[object, int]] = {}
    for place, name in enumerate(columns):
        column = honest[name]
        if is_numeric(column):
            seen = column[~is_missing(column)].astype(float)
            center[place] = np.median(seen) if len(seen) else 0.0
            scale[place] = 1.0 / ((seen.std() if len(seen) else 0.0) or 1.0)
            steps = np.diff(np.unique(seen))
            if 0 < len(steps) < FEW_VALUES:
                slack[place] = SLACK * steps.min() * scale[place]
        else:
            cells = sorted(set(column.tolist()), key=str)
            levels[name] = {cell: at for at, cell in enumerate(cells)}
    axes = Axes(tuple(columns), center, scale, slack, levels)
    if len(columns) <= WIDE or levels:
        return axes
    none = np.zeros(PROJECTED, dtype=np.float32)
    return Axes(tuple(columns), center, scale, none, levels, _projection(axes(honest), rng))


def _projection(points: Points, rng: np.random.Generator) -> NDArray[np.float32]:
    """Where honest rows vary most, and some directions in which they hardly do: (d, PROJECTED)."""
    centered = points - points.mean(axis=0)
    _, _, found = np.linalg.svd(centered[:MOST], full_matrices=False)
    main = found[: PROJECTED * 3 // 4]
    other = rng.normal(size=(PROJECTED - len(main), points.shape[1]))
    other -= other @ main.T @ main
    directions = np.concatenate([main, other / np.linalg.norm(other, axis=1, keepdims=True)])
    spread = (centered @ directions.T).std(axis=0)
    return np.asarray(directions.T / np.maximum(spread, 1e-6), dtype=np.float32)


def _marks(
    axes: Axes, groups: Sequence[Sequence[str]]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which coordinates are sensitive, and which of the others are numbers."""
    if axes.project is not None:
        return np.zeros(axes.dimensions, dtype=bool), np.ones(axes.dimensions, dtype=bool)
    watched = {name for group in groups for name in group}
    hidden = np.array([name in watched for name in axes.columns])
    return hidden, np.array([name not in axes.levels for name in axes.columns]) & ~hidden


def _gaps(
    axes: Axes, points: Points, hidden: NDArray[np.bool_], rng: np.random.Generator
) -> dict[str, float]:  # fmt: skip
    """How near honest rows lie to each other, apart from what is sensitive."""
    order = rng.permutation(len(points))
    nearest, pairs, edits = [], [], []
    for start in range(min(1_024, len(points))):
        others = points[np.resize(np.roll(order, -start - 1)[:-1], WINDOW)]
        gap = axes.gap(others, points[order[start]])
        rest = gap[:, ~hidden].mean(axis=1)
        differs = gap[:, hidden].any(axis=1) if hidden.any() else rest > 0
        nearest.append(float(rest[differs].min(initial=1.0)))
        pairs.append(rest)
        edits.append(bool(edited(gap).any()))
    # Distances come in steps where columns do: just below the step that would be too common.
    near = float(np.quantile(nearest, NEAR_SHARE, method="higher")) * 0.999
    person = float(np.quantile(np.concatenate(pairs), PERSON_SHARE))
    return {
        "near": near, "person": max(person, near), "edits_by_chance": float(np.mean(edits)),
        "near_by_chance": float(np.mean(np.array(nearest) <= near)),
    }  # fmt: skip


def edited(gap: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which rows (n,) differ as a person edits them: in one column or two, by more than a trifle.

    Parameters
    ----------
    gap : (n, d) distances by coordinate, in standard deviations, at most 1.
    """
    changed = (gap > SAME).sum(axis=1)
    return np.asarray((changed > 0) & (changed <= FEW) & (gap.max(axis=1) > TINY))


def _manifold(numbers: Points) -> dict[str, NDArray[Any]]:
    """The ellipsoid of honest numbers, shrunk (Ledoit and Wolf 2004) so that it has no flat side.

    Wide and narrow directions are measured apart: what is made from the wide ones alone, as by
    an attacker with public principal components, is too short in the others.
    """
    m = numbers.shape[1]
    if m < FEWEST_NUMBERS:
        none = np.zeros(0, np.float32)
        return {"middle": none, "whiten": none, "split": none, "low": none, "high": none}
    from sklearn.covariance import LedoitWolf

    middle = np.median(numbers, axis=0)
    size, axes = np.linalg.eigh(LedoitWolf().fit(numbers[::2] - middle).covariance_)
    size, axes = size[::-1], axes[:, ::-1]
    whiten = (axes / np.sqrt(np.maximum(size, size.max() * 1e-6))).astype(np.float32)
    wide = np.arange(m) < m * 3 // 4
    split = np.column_stack([wide, ~wide]).astype(np.float32)
    middle = (middle @ whiten).astype(np.float32)
    lengths = (numbers[1::2] @ whiten - middle) ** 2 @ split
    low, high = np.quantile(lengths, [OUTSIDE, 1 - OUTSIDE], axis=0)
    return {"middle": middle, "whiten": whiten, "split": split,
            "low": low, "high": high}  # fmt: skip

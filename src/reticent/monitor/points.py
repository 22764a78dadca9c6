"""Rows as points in which one unit is one standard deviation, and how far apart they are."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from reticent.column import absent, is_missing, is_numeric
from reticent.dataset import Dataset

ONE = np.float32(1.0)
MOST = 4_000  # rows that directions are found from
APART = 4.0  # between two levels of a text column
FAR = 2.0**20  # where a cell is missing: beyond all levels, bins and numbers
WIDE = 48  # columns; beyond them points are projected
PROJECTED = 32  # directions
BUCKETS = 32  # of signed sums beside them, which tell a change of few cells from one of all
PLENTY = 320  # rows from which on a direction fits none of them by chance
FEW_VALUES = 24  # of a column: then the steps between them are its own
SLACK = 0.6  # of a column's smallest step
SAME = 1e-4  # below it a cell is the same
TINY = 0.1  # steps of an optimizer, hardly of a person
FIFTHS = 5  # bins of a sensitive number that has none in [domains]
ONE_UNIT = 2.0  # columns of one unit: most have half of the largest range
FEW = 2  # columns that a person edits at once
FOLDS = 4  # honest rows are measured by ellipsoids of others
OUTSIDE = 0.005  # of honest rows that lie beyond each bound of the manifold
FEWEST_NUMBERS = 8  # columns that a manifold is made of

Points = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Axes:
    """How rows become points in which one unit is one standard deviation.

    Attributes
    ----------
    columns : of the model, in order. center, scale : (d,) of the numbers, subtracted and
        multiplied; 0 and 1 for text. levels : text column to level to position.
    bins : place of a sensitive number to its bins' inner edges: there the bin is what counts.
    few : (f,) the columns of numbers that take few values. grid : (f, FEW_VALUES) those values,
        placed like points and filled up with the last one.
    slack : (dimensions,) differences that do not count: of columns that take few values, more
        than half of the smallest step, so that jitter between two values is none.
    project : (d, PROJECTED + BUCKETS) for wide rows, or None. Distances count in the directions;
        what changes, and how many cells, is seen in the buckets (Charikar et al. 2002,
        doi:10.1007/3-540-45465-9_59): each cell is in one of them.
    """

    columns: tuple[str, ...]
    center: NDArray[np.float32]
    scale: NDArray[np.float32]
    slack: NDArray[np.float32]
    few: NDArray[np.intp]
    grid: NDArray[np.float32]
    bins: Mapping[int, NDArray[np.float64]] = field(default_factory=dict)
    levels: Mapping[str, Mapping[object, int]] = field(default_factory=dict)
    project: NDArray[np.float32] | None = None

    @property
    def dimensions(self) -> int:
        """Coordinates of a point."""
        return len(self.columns) if self.project is None else self.project.shape[1]

    @property
    def measured(self) -> NDArray[np.bool_]:
        """(dimensions,) True for the coordinates that distances are measured in."""
        return np.arange(self.dimensions) < (self.dimensions if self.project is None else PROJECTED)

    @property
    def cells(self) -> slice:
        """The coordinates of which few differ where few cells do."""
        return slice(None if self.project is None else PROJECTED, None)

    def __call__(self, rows: Dataset) -> tuple[Points, bool]:
        """Place n rows: (n, dimensions), and whether cells are missing."""
        matrix = rows.matrix(self.columns)
        if matrix is None:
            matrix = np.column_stack([self._numbers(rows, name) for name in self.columns])
        placed: Points = (matrix - self.center) * self.scale
        for place, edges in self.bins.items():
            rising = edges.tolist()  # for the row or two of a request quicker than numpy
            placed[:, place] = [
                APART * bisect_left(rising, cell) if not math.isnan(cell) else np.nan
                for cell in matrix[:, place].tolist()
            ]
        gaps = False
        if not np.vdot(placed, placed) < FAR:  # nearly always it is: no cell can be far then
            gaps = not (placed.max() < FAR and placed.min() > -FAR)  # false of missing ones, too
        if gaps:
            np.clip(placed, -FAR, FAR, out=placed)
            placed[np.isnan(placed)] = FAR if self.project is None else 0.0
        if placed.dtype != np.float32:
            placed = placed.astype(np.float32)
        if self.project is not None:
            placed = np.asarray(placed @ self.project)
        return placed, gaps

    def gap(self, points: Points, point: NDArray[np.float32]) -> Points:
        """Distances (n, d) by coordinate from n points to one, from 0 to 1."""
        return apart(points, point, self.slack if len(self.few) else None, ONE)

    def unheard(self, point: NDArray[np.float32]) -> list[int]:
        """Which columns of few values have one here that no honest row had, by place in ``few``."""
        known = np.abs(self.grid - point[self.few][:, None]).min(axis=1) < SAME
        return [] if known.all() else np.flatnonzero(~known).tolist()

    def _numbers(self, rows: Dataset, name: str) -> NDArray[np.float64]:
        if name not in rows.columns:
            return np.full(len(rows), np.nan)
        column = rows[name]
        levels = self.levels.get(name)
        if levels is None:
            try:
                return np.where(is_missing(column), np.nan, column).astype(float)
            except ValueError:  # words where honest people have numbers
                return np.array([_number(cell) for cell in column.tolist()])
        # What nobody honest wrote still has to be one and the same point each time.
        cells = [folded(cell) for cell in column.tolist()]
        places = [
            np.nan if absent(cell) else levels.get(cell, _other(cell, levels)) for cell in cells
        ]
        return APART * np.array(places, dtype=float)


def fit_axes(
    honest: Dataset,
    columns: Sequence[str],
    hidden: Mapping[str, Sequence[float] | None],
    rng: np.random.Generator,
) -> Axes:
    """Learn from honest rows how columns are placed.

    Parameters
    ----------
    hidden : sensitive column to its bins' edges, where it has some.
    """
    if len(columns) > WIDE and all(is_numeric(honest[name]) for name in columns):
        return _wide_axes(honest, columns, rng)
    center = np.zeros(len(columns), dtype=np.float32)
    scale = np.ones(len(columns), dtype=np.float32)
    slack = np.zeros(len(columns), dtype=np.float32)
    grid: dict[int, NDArray[np.float32]] = {}
    levels: dict[str, dict[object, int]] = {}
    bins: dict[int, NDArray[np.float64]] = {}
    for place, name in enumerate(columns):
        column = honest[name]
        if is_numeric(column) and name in hidden and len(np.unique(column)) >= FEW_VALUES:
            edges = hidden[name]
            seen = column[~is_missing(column)].astype(float)
            bins[place] = (
                np.quantile(seen, np.arange(1, FIFTHS) / FIFTHS)
                if edges is None
                else np.array(edges[1:-1], dtype=float)
            )
        elif is_numeric(column):
            seen = column[~is_missing(column)].astype(float)
            center[place] = np.median(seen) if len(seen) else 0.0
            scale[place] = 1.0 / ((seen.std() if len(seen) else 0.0) or 1.0)
            steps = np.diff(np.unique(seen))
            if name not in hidden and 0 < len(steps) < FEW_VALUES and 2 * len(steps) < len(seen):
                slack[place] = SLACK * steps.min() * scale[place]
                values = (np.unique(seen) - center[place]) * scale[place]
                grid[place] = np.pad(values, (0, FEW_VALUES - len(values)), mode="edge")
        else:
            cells = sorted({folded(cell) for cell in column.tolist()}, key=str)
            levels[name] = {cell: at for at, cell in enumerate(cells)}
    few = np.array(list(grid), dtype=np.intp)
    values = np.array(list(grid.values()), dtype=np.float32).reshape(len(few), FEW_VALUES)
    return Axes(tuple(columns), center, scale, slack, few, values, bins, levels)


def _wide_axes(honest: Dataset, columns: Sequence[str], rng: np.random.Generator) -> Axes:
    """Place rows that are projected.

    Where columns share a unit, rarely used ones weigh no more than half of the usual one: a pixel
    of the border is black in nearly all pictures, and in units of its own standard deviation the
    least noise there would outweigh everything else.
    """
    seen = np.column_stack([honest[name] for name in columns]).astype(float)
    reach = np.nanmax(seen, axis=0) - np.nanmin(seen, axis=0)
    spread = np.nanstd(seen, axis=0)
    usual = np.median(spread[spread > 0.0]) if spread.any() else 1.0
    spread[spread == 0.0] = usual
    if np.quantile(reach, 0.9) <= ONE_UNIT * np.median(reach):
        spread = np.maximum(spread, usual / 2.0)
    axes = Axes(
        tuple(columns), np.nanmedian(seen, axis=0).astype(np.float32),
        (1.0 / spread).astype(np.float32), np.zeros(PROJECTED + BUCKETS, dtype=np.float32),
        np.zeros(0, dtype=np.intp), np.zeros((0, FEW_VALUES), dtype=np.float32),
    )  # fmt: skip
    project = np.hstack([_projection(axes(honest)[0], rng), _buckets(len(columns), rng)])
    return replace(axes, project=project)


def apart(
    points: Points, point: NDArray[np.float32], slack: NDArray[np.float32] | None,
    most: NDArray[np.float32] | np.float32,
) -> Points:  # fmt: skip
    """Distances (n, d) by coordinate, at most 1.

    Parameters
    ----------
    slack : (d,), or (n, d), which is quicker; None: every difference counts.
    most : 1, or ones (n, d).
    """
    gap: Points = points - point
    np.abs(gap, out=gap)
    if slack is not None:
        np.maximum(gap, slack, out=gap)
        gap -= slack
    np.minimum(gap, most, out=gap)
    return gap


def _other(cell: object, levels: Mapping[object, int]) -> int:
    return len(levels) + crc32(str(cell).encode()) % 9


def folded(cell: object) -> object:
    """A text as people mean it: case and spaces around it make no other one."""
    return cell.strip().casefold() if isinstance(cell, str) else cell


def _number(cell: object) -> float:
    try:
        return float(cell)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return math.nan


def _projection(points: Points, rng: np.random.Generator) -> NDArray[np.float32]:
    """Where honest rows vary most, and some directions in which they hardly do: (d, PROJECTED).

    Of few rows every other one serves to find them, and the rest to measure: one unit is a
    standard deviation of rows that had no part in the finding.
    """
    some, rest = (points, points) if len(points) >= PLENTY else (points[::2], points[1::2])
    middle = some.mean(axis=0)
    _, _, found = np.linalg.svd(some[:MOST] - middle, full_matrices=False)
    main = found[: min(PROJECTED * 3 // 4, len(some) // 2)]
    other = rng.normal(size=(PROJECTED - len(main), points.shape[1]))
    other -= other @ main.T @ main
    directions = np.concatenate([main, other / np.linalg.norm(other, axis=1, keepdims=True)])
    spread = ((rest - middle) @ directions.T).std(axis=0)
    return np.asarray(directions.T / np.maximum(spread, 1e-6), dtype=np.float32)


def _buckets(columns: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Each column's place among signed sums: (columns, BUCKETS)."""
    sums = np.zeros((columns, BUCKETS), dtype=np.float32)
    sums[np.arange(columns), rng.permutation(columns) % BUCKETS] = rng.choice([-1, 1], columns)
    return sums


def edited(gap: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which rows (n,) differ as a person edits them: in one column or two, by more than a trifle.

    Parameters
    ----------
    gap : (n, d) distances by coordinate, in standard deviations, at most 1.
    """
    changed = (gap > SAME).sum(axis=1)
    return np.asarray((changed > 0) & (changed <= FEW) & (gap.max(axis=1) > TINY))


@dataclass(frozen=True, slots=True)
class Manifold:
    """Where the numbers of honest rows lie: an ellipsoid, from its middle and from without.

    Attributes
    ----------
    whiten : (m, m) numbers to independent directions of unit spread, the widest first.
    middle : (m,) of honest rows there. split : (m, 2) tells wide directions from narrow ones.
    low, high : between which the squared lengths of nearly all honest rows lie, wide and narrow.
    """

    whiten: NDArray[np.float32]
    middle: NDArray[np.float32]
    split: NDArray[np.float32]
    low: tuple[float, float] = (0.0, 0.0)
    high: tuple[float, float] = (np.inf, np.inf)

    def lengths(self, numbers: Points) -> NDArray[np.float32]:
        """Squared lengths (n, 2) of rows (n, m), in wide directions and in narrow ones."""
        away = numbers @ self.whiten - self.middle
        return np.asarray(away**2 @ self.split)


def fit_manifold(numbers: Points) -> Manifold | None:
    """Learn from honest rows (n, m); shrunk (Ledoit and Wolf 2004), so that no side is flat.

    Wide and narrow directions are measured apart: what is made from the wide ones alone, as by
    an attacker with public principal components, is too short in the others. None where there
    are too few numbers.
    """
    m = numbers.shape[1]
    if m < FEWEST_NUMBERS:
        return None
    fold = np.arange(len(numbers)) % FOLDS
    lengths = [_ellipsoid(numbers[fold != f]).lengths(numbers[fold == f]) for f in range(FOLDS)]
    found = np.quantile(np.concatenate(lengths), [OUTSIDE, 1 - OUTSIDE], axis=0).tolist()
    (low, thin), (high, thick) = found
    return replace(_ellipsoid(numbers), low=(low, thin), high=(high, thick))


def _ellipsoid(numbers: Points) -> Manifold:
    from sklearn.covariance import LedoitWolf

    middle = np.median(numbers, axis=0)
    size, axes = np.linalg.eigh(LedoitWolf().fit(numbers - middle).covariance_)
    size, axes = size[::-1], axes[:, ::-1]
    whiten = (axes / np.sqrt(np.maximum(size, size.max() * 1e-6))).astype(np.float32)
    first = np.arange(len(size)) < len(size) * 3 // 4
    split = np.column_stack([first, ~first]).astype(np.float32)
    return Manifold(whiten, (middle @ whiten).astype(np.float32), split)

"""Columns as numbers: the one way in which attacks, imputers and gates see a table.

Fitted on rows whose owner may be known (auxiliary data, honest people who are not members),
so encoding never carries anything of the people under attack.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reticent.column import Column, is_missing, is_numeric
from reticent.dataset import Dataset
from reticent.errors import DataError


@dataclass(frozen=True, slots=True)
class Encoding:
    """How each column becomes numbers.

    Numeric columns are standardised, with a mark where they are missing; others become one
    indicator per known value, all 0 for a value that was not seen when it was fitted.

    Attributes
    ----------
    numeric : column to (center, spread, whether some were missing).
    levels : column to its known values, by their position.
    """

    numeric: dict[str, tuple[float, float, bool]]
    levels: dict[str, dict[object, int]]

    @property
    def columns(self) -> list[str]:
        """The columns that are encoded, in order."""
        return [*self.numeric, *self.levels]

    def __call__(self, rows: Dataset) -> NDArray[np.float64]:
        """Return the matrix (n, d) of the rows."""
        blocks = [np.empty((len(rows), 0))]
        blocks += [_standardise(rows[n], *how) for n, how in self.numeric.items()]
        blocks += [_indicate(rows[n], levels) for n, levels in self.levels.items()]
        return np.concatenate(blocks, axis=1)

    def codes(self, rows: Dataset) -> NDArray[np.float64]:
        """Return one number per column (n, c), for trees: the value, or the level's position."""
        parts = [_numbers(rows[name]) for name in self.numeric]
        parts += [_positions(rows[n], levels).astype(float) for n, levels in self.levels.items()]
        return np.column_stack(parts) if parts else np.empty((len(rows), 0))


def fit_encoding(rows: Dataset, columns: Sequence[str]) -> Encoding:
    """Learn how to encode the named columns of some rows."""
    numeric: dict[str, tuple[float, float, bool]] = {}
    levels: dict[str, dict[object, int]] = {}
    for name in columns:
        column = rows[name]
        missing = is_missing(column)
        if is_numeric(column):
            seen = column[~missing].astype(float)
            spread = float(seen.std()) if len(seen) else 0.0
            center = float(seen.mean()) if len(seen) else 0.0
            numeric[name] = (center, spread or 1.0, bool(missing.any()))
        else:
            values = sorted(set(column[~missing].tolist()), key=str)
            levels[name] = {value: place for place, value in enumerate([*values, None])}
    return Encoding(numeric, levels)


def _standardise(column: Column, center: float, spread: float, marked: bool) -> NDArray[np.float64]:
    missing = is_missing(column)
    scaled = np.where(missing, 0.0, (_numbers(column) - center) / spread)
    return np.column_stack([scaled, missing]) if marked else scaled[:, None]


def _numbers(column: Column) -> NDArray[np.float64]:
    try:
        return column.astype(float)
    except (TypeError, ValueError):  # its message quotes the cell
        raise DataError(
            "a column of numbers", "some of its cells are text", "Write it alike in all tables"
        ) from None


def _positions(column: Column, levels: dict[object, int]) -> NDArray[np.intp]:
    return np.array([levels.get(value, -1) for value in column.tolist()], dtype=np.intp)


def _indicate(column: Column, levels: dict[object, int]) -> NDArray[np.float64]:
    positions = _positions(column, levels)
    return np.asarray(positions[:, None] == np.arange(len(levels)), dtype=float)

"""One column of a table as a numpy array: numbers, booleans, or objects with None for a gap."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.errors import DataError

Column = NDArray[Any]


def plain(values: Column, name: str = "") -> Column:
    """Bring a column to float, int, bool or object; missing is NaN, or None among objects.

    A date is its seconds since 1970, a duration its seconds, both to the microsecond.

    Raises
    ------
    DataError : the cells hold lists or records.
    """
    if isinstance(values, np.ma.MaskedArray):
        values = _unmasked(values)
    if values.dtype.kind in "mM":
        unit = "datetime64[us]" if values.dtype.kind == "M" else "timedelta64[us]"
        return np.where(np.isnat(values), np.nan, values.astype(unit).astype(np.int64) / 1e6)
    if values.dtype.kind in "iufb":
        return np.ascontiguousarray(values)
    return _plain_objects(values.astype(object), name)


def _unmasked(values: np.ma.MaskedArray[Any, Any]) -> Column:
    """Fill the gaps: numpy writes None as NaT among dates and as NaN among floats."""
    gaps, kind = np.ma.getmaskarray(values), values.dtype.kind
    if not gaps.any():
        return np.asarray(values.data)
    wider = {"i": float, "u": float, "b": object}.get(kind, values.dtype)
    filled = np.array(values.data, dtype=wider)
    filled[gaps] = None
    return filled


def _plain_objects(values: Column, name: str) -> Column:
    missing = np.array([absent(value) for value in values], dtype=bool)
    kinds = {type(value) for value in values[~missing]}
    if any(issubclass(kind, list | tuple | dict | set | np.ndarray) for kind in kinds):
        raise DataError(
            f"column {name!r}", "its cells hold lists or records", "Give one value in a cell"
        )
    truths = bool(kinds & {bool, np.bool_})
    if truths and len(kinds) == 1 and not missing.any():
        return values.astype(bool)
    numbers = all(issubclass(kind, int | float | Decimal | np.number) for kind in kinds)
    if kinds and numbers and not truths:
        return np.where(missing, np.nan, values).astype(float)
    values = values.copy()
    values[missing] = None
    return values


def absent(value: object) -> bool:
    """Say whether a cell is empty: None, NaN, NaT, or pandas.NA, which refuses to be compared."""
    try:
        return value is None or bool(value != value)  # noqa: PLR0124 (NaN)
    except (TypeError, ValueError) as error:
        return isinstance(error, TypeError)


def is_missing(column: Column) -> NDArray[np.bool_]:
    """Mark the missing values (n,) of a column."""
    if column.dtype.kind == "f":
        return np.isnan(column)
    if column.dtype.kind == "O":
        return np.array([value is None for value in column], dtype=bool)
    return np.zeros(len(column), dtype=bool)


def is_numeric(column: Column) -> bool:
    """Say whether a column holds numbers (booleans are values of a category)."""
    return column.dtype.kind in "iuf"


def places(column: Column, values: Column) -> NDArray[np.intp]:
    """Return where each of n values stands among k distinct ones, -1 for one that does not.

    Numbers are found by bisection, whatever their type: 3, 3.0 and True beside 1 are one value.
    """
    if column.dtype.kind in "iufb" and values.dtype.kind in "iufb" and len(values):
        numbers, order = column.astype(float), np.argsort(values, kind="stable")
        sorted_ = values[order].astype(float)
        at = np.minimum(np.searchsorted(sorted_, numbers), len(sorted_) - 1)
        return np.where(sorted_[at] == numbers, order[at], -1)
    known = {value: place for place, value in enumerate(values.tolist())}
    return np.array([known.get(value, -1) for value in column.tolist()], dtype=np.intp)


def unique(labels: Column) -> Column:
    """Return the distinct values of a column, sorted."""
    distinct = set(plain(np.asarray(labels)).tolist())
    return np.asarray(sorted(distinct, key=lambda value: (str(type(value)), value)))

"""Columns back into the kind of frame they came from, with its dtypes."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from reticent.column import Column, is_missing, is_numeric


def restore(columns: Mapping[str, Column], like: Any) -> Any:
    """Build a frame of the kind of ``like``: pandas, polars, pyarrow, or as narwhals can.

    Parameters
    ----------
    columns : name to array (n,). like : an empty frame whose dtypes are put back where that
        loses nothing.
    """
    kind = type(like).__module__.partition(".")[0]
    return _FRAMES.get(kind, _other_frame)(columns, like)


def _restorable(column: Column, dtype: str) -> bool:
    """A dtype is put back only where that loses nothing: among integers 22.5 stays 22.5."""
    whole = re.match(r"u?int\d+", dtype.lower())
    if whole is None or not is_numeric(column):
        return True
    there = column[~is_missing(column)]
    limits = np.iinfo(whole[0])
    inside = bool(np.all((there >= limits.min) & (there <= limits.max)))
    return inside and bool(np.all(there == np.round(there)))


def _dated(column: Column, dtype: Any) -> Column:
    """Turn seconds back into dates or durations, where the dtype's name says so."""
    kind = str(dtype).lower()
    if not is_numeric(column) or not kind.startswith(("date", "time", "duration")):
        return column
    span = kind.startswith(("timedelta", "duration"))
    gaps = is_missing(column)
    ticks = np.round(np.where(gaps, 0, column) * 1e6).astype(np.int64)
    moments = ticks.astype("timedelta64[us]" if span else "datetime64[us]")
    moments[gaps] = np.array("NaT", moments.dtype)
    return moments


def _pandas(columns: Mapping[str, Column], like: Any) -> Any:
    kinds = {name: dtype for name, dtype in like.dtypes.items() if name in columns}
    natural = {name: _dated(column, kinds.get(name)) for name, column in columns.items()}
    frame = importlib.import_module("pandas").DataFrame(natural)
    wanted = {}
    for name, dtype in kinds.items():
        if getattr(dtype, "tz", None) is not None and frame.dtypes[name].kind == "M":
            frame[name] = frame[name].dt.tz_localize("UTC")
        numpys = isinstance(dtype, np.dtype) and dtype.kind in "iu"
        torn = numpys and is_missing(columns[name]).any()  # and numpy's integers know no gap
        if frame.dtypes[name] != dtype and not torn and _restorable(columns[name], str(dtype)):
            wanted[name] = dtype
    return frame.astype(wanted) if wanted else frame


def _polars(columns: Mapping[str, Column], like: Any) -> Any:
    kinds = {name: dtype for name, dtype in like.schema.items() if name in columns}
    natural = {n: c.tolist() if c.dtype.kind == "O" else _dated(c, kinds.get(n))
               for n, c in columns.items()}  # fmt: skip
    polars = importlib.import_module("polars")
    frame = polars.DataFrame(natural, strict=False, nan_to_null=True)
    wanted = {n: dtype for n, dtype in kinds.items() if _restorable(columns[n], str(dtype))}
    return frame.cast(wanted) if wanted else frame


def _arrow(columns: Mapping[str, Column], like: Any) -> Any:
    arrow = importlib.import_module("pyarrow")
    kinds = {field.name: field.type for field in like.schema if field.name in columns}
    arrays = {name: arrow.array(_dated(column, kinds.get(name)), from_pandas=True)
              for name, column in columns.items()}  # fmt: skip
    for name, kind in kinds.items():
        if _restorable(columns[name], str(kind)):
            arrays[name] = arrays[name].cast(kind)
    return arrow.table(arrays)


def _other_frame(columns: Mapping[str, Column], like: Any) -> Any:
    import narwhals as nw

    space = nw.get_native_namespace(like)
    return nw.from_dict(dict(columns), backend=space.__name__).to_native()


_FRAMES = {"pandas": _pandas, "polars": _polars, "pyarrow": _arrow}

"""A table of people as columns of numpy arrays, from any frame and back to the same kind.

Frames are met at the border only: narwhals reads any eager frame (pandas, polars, pyarrow), and
``frame()`` hands a model the kind and the dtypes that it was given. Files are read by duckdb.
"""

from __future__ import annotations

import hashlib
import importlib
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from reticent.errors import DataError, nearest

Column = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rows of people, column by column.

    Attributes
    ----------
    columns : name to array (n,): float, int or bool; object (str or None) for anything else.
    like : an empty frame whose kind and dtypes ``frame()`` restores; None for a plain matrix.
    """

    columns: Mapping[str, Column]
    like: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        sizes = {len(column) for column in self.columns.values()}
        if len(sizes) > 1:
            raise DataError("a table", f"its columns have {len(sizes)} lengths", "Give one length")

    @classmethod
    def of(cls, frame: Any) -> Self:
        """Read an eager frame; a Dataset is returned as it is.

        Raises
        ------
        DataError : not a frame that narwhals knows.
        """
        if isinstance(frame, cls):
            return frame
        import narwhals as nw

        try:
            table = nw.from_native(frame, eager_only=True)
        except TypeError:
            raise DataError(
                "a table", f"a {type(frame).__name__} is not a frame",
                "Give a pandas or polars DataFrame or an Arrow table",
            ) from None  # fmt: skip
        except nw.exceptions.DuplicateError:
            table = None
        if table is None or not all(isinstance(name, str) for name in table.columns):
            raise DataError(
                "a table", "its columns are not named by text, each its own", "Name them apart"
            )
        return cls({name: plain(_cells(table[name]), name) for name in table.columns}, frame[:0])

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()))) if self.columns else 0

    @property
    def names(self) -> list[str]:
        """The column names, in order."""
        return list(self.columns)

    def __getitem__(self, name: str) -> Column:
        """Return one column (n,).

        Raises
        ------
        DataError : there is no such column.
        """
        if name not in self.columns:
            raise DataError(
                f"column {name!r}", f"the table has no such column{nearest(name, self.names)}",
                f"Its columns are: {', '.join(self.names)}",
            )  # fmt: skip
        return self.columns[name]

    def select(self, names: Sequence[str]) -> Dataset:
        """Keep the named columns, in that order."""
        return Dataset({name: self[name] for name in names}, self.like)

    def without(self, *names: str) -> Dataset:
        """Leave the named columns out."""
        return self.select([name for name in self.columns if name not in names])

    def replaced(self, name: str, values: Column) -> Dataset:
        """Put values (n,) in place of one column, or behind the last."""
        return Dataset({**self.columns, name: values}, self.like)

    def take(self, rows: NDArray[np.intp] | slice) -> Dataset:
        """Keep the rows at the given positions, in that order."""
        return Dataset({name: column[rows] for name, column in self.columns.items()}, self.like)

    def repeated(self, times: int) -> Dataset:
        """Lay the whole table out ``times`` times, one copy after the other."""
        return Dataset({n: np.tile(column, times) for n, column in self.columns.items()}, self.like)

    def frame(self) -> Any:
        """Return the kind of frame the rows came in, or an array (n, d) if they came in none."""
        if self.like is None:
            # Column after column, as the data lies: eight times as fast as row after row.
            return np.array(list(self.columns.values())).T
        kind = type(self.like).__module__.partition(".")[0]
        return _FRAMES.get(kind, _other_frame)(self.columns, self.like)

    def digest(self) -> str:
        """Return the SHA-256 of the content: names, dtypes and values, in order."""
        seen = hashlib.sha256()
        for name, column in self.columns.items():
            seen.update(f"{name}\x1f{column.dtype.kind}\x1f{len(column)}\x1e".encode())
            seen.update(_bytes(column))
        return seen.hexdigest()


def stack(first: Dataset, second: Dataset) -> Dataset:
    """Put the rows of two tables with the same columns one below the other."""
    columns = {n: np.concatenate([first[n], second[n]]) for n in first.columns}
    return Dataset(columns, first.like)


def _cells(series: Any) -> Column:
    """Read a column; narwhals takes a gap in an Arrow dictionary for the dictionary's last word."""
    native = series.to_native()
    if str(getattr(native, "type", "")).startswith("dictionary"):
        return np.asarray(native.cast(native.type.value_type).to_numpy())
    return np.asarray(series.to_numpy())


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
    missing = np.array([_absent(value) for value in values], dtype=bool)
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


def _absent(value: object) -> bool:
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


def row_tokens(rows: Dataset) -> list[bytes]:
    """Return one byte string per row; equal rows, whatever their number type, have equal ones.

    Adding 0.0 makes -0.0, which equals 0.0 and is not written like it, the same.
    """
    parts = [
        (column.astype(float) + 0.0).astype(object) if column.dtype.kind in "iufb" else column
        for column in rows.columns.values()
    ]
    return [repr(row).encode() for row in zip(*parts, strict=True)]


def _bytes(column: Column) -> bytes:
    if column.dtype.kind == "O":
        return "\x1f".join(map(repr, column)).encode()
    return np.ascontiguousarray(column).tobytes()


# Restoring the kind of frame ------------------------------------------------------------------


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


# Files ----------------------------------------------------------------------------------------


def read(path: Path) -> Dataset:
    """Read a csv, parquet or npz file (arrays ``x`` (n, ...) and ``y`` (n,)).

    Raises
    ------
    DataError : no such file, a kind that is not read here, unreadable, or without rows.
    """
    if not path.exists():
        raise DataError(f"the table {path}", "there is no such file", "Check the path")
    readers = {".csv": _read_table, ".parquet": _read_table, ".npz": _read_arrays}
    if path.suffix not in readers:
        raise DataError(
            f"the table {path}", f"{path.suffix or 'no suffix'} is not read here",
            f"Give one of: {', '.join(readers)}",
        )  # fmt: skip
    rows = readers[path.suffix](path)
    if not len(rows):
        raise DataError(f"the table {path}", "it has no rows", "Give at least one row")
    return rows


def _read_table(path: Path) -> Dataset:
    import duckdb

    try:
        with duckdb.connect() as memory:
            found = _csv(memory, path) if path.suffix == ".csv" else _parquet(memory, path)
    except duckdb.Error as error:
        # duckdb quotes the offending line, which is somebody's record: only the kind is told.
        raise DataError(
            f"the table {path}", f"duckdb cannot read it ({type(error).__name__})",
            f"Check that it is a {path.suffix[1:]} file with one header line",
        ) from None  # fmt: skip
    columns = {name: plain(np.ma.asarray(values), name) for name, values in found.items()}
    return Dataset(columns, _empty_like(columns))


def _csv(memory: Any, path: Path) -> Mapping[str, Column]:
    """Read a csv file whose first line is the header.

    Left to guess, duckdb takes a longer line for the header and drops what stands above it, and
    yes and no for booleans: here only true and false are.
    """
    with path.open(encoding="utf-8", errors="replace") as file:
        head = file.readline()
    delimiter = max(",;\t|", key=head.count)
    reads = "FROM read_csv(?, delim=?, header=true, skip=0"
    given = [str(path), delimiter]
    kinds = memory.execute(f"DESCRIBE SELECT * {reads})", given).fetchall()
    words = {name: "VARCHAR" for name, kind, *_ in kinds if kind == "BOOLEAN"}
    if not words:
        return dict(memory.execute(f"SELECT * {reads})", given).fetchnumpy())
    found = memory.execute(f"SELECT * {reads}, types=?)", [*given, words]).fetchnumpy()
    return {name: _truths(found[name]) if name in words else found[name] for name in found}


def _parquet(memory: Any, path: Path) -> Mapping[str, Column]:
    return dict(memory.execute("FROM read_parquet(?)", [str(path)]).fetchnumpy())


def _truths(words: Column) -> Column:
    """Read a column of text as booleans where it says true and false and nothing else."""
    lower = [None if _absent(word) else str(word).lower() for word in plain(np.ma.asarray(words))]
    if not set(lower) <= {"true", "false", None}:
        return words
    return np.array([None if word is None else word == "true" for word in lower], dtype=object)


def _read_arrays(path: Path) -> Dataset:
    problem = DataError(
        f"the table {path}", "it holds no plain arrays x and y", "Save them with numpy.savez"
    )
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            x, y = arrays["x"], arrays["y"]
    except (KeyError, ValueError, OSError, EOFError, TypeError, zlib.error, zipfile.BadZipFile):
        raise problem from None
    if x.ndim == 0 or y.ndim != 1:
        raise problem
    flat = x.reshape(len(x), int(np.prod(x.shape[1:])))  # -1 would fail on no rows
    return Dataset({**{f"x{i}": plain(flat[:, i]) for i in range(flat.shape[1])}, "y": plain(y)})


def _empty_like(columns: Mapping[str, Column]) -> Any:
    """Choose the frame kind for rows that came from a file: pandas, else polars, else none."""
    empty = {name: column[:0] for name, column in columns.items()}
    for kind in ("pandas", "polars"):
        try:
            return importlib.import_module(kind).DataFrame(empty)
        except ImportError:
            continue
    return None

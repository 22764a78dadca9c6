"""A table of people as columns of numpy arrays, from any frame and back to the same kind.

Frames are met at the border only: narwhals reads any eager frame (pandas, polars, pyarrow), and
``frame()`` hands a model the kind and the dtypes that it was given. Files are read by duckdb.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
                "a table",
                f"a {type(frame).__name__} is not a frame",
                "Give a pandas or polars DataFrame or an Arrow table",
            ) from None
        return cls({name: plain(table[name].to_numpy()) for name in table.columns}, frame[:0])

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
                f"column {name!r}",
                f"the table has no such column{nearest(name, self.names)}",
                f"Its columns are: {', '.join(self.names)}",
            )
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
            return np.column_stack(list(self.columns.values()))
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


def plain(values: Column) -> Column:
    """Bring a column to float, int, bool or object; missing is NaN, or None among objects."""
    if isinstance(values, np.ma.MaskedArray):
        number = values.dtype.kind in "iufb"
        kind, gap = (float, np.nan) if number else (object, None)
        values = np.ma.filled(values.astype(kind), gap) if values.mask.any() else values.data
    if values.dtype.kind in "mM":
        return np.where(np.isnat(values), np.nan, values.astype("datetime64[s]").astype(float))
    if values.dtype.kind in "iufb":
        return np.ascontiguousarray(values)
    return _plain_objects(values.astype(object))


def _plain_objects(values: Column) -> Column:
    missing = np.array([value is None or value != value for value in values], dtype=bool)  # noqa: PLR0124 (NaN)
    kinds = {type(value) for value in values[~missing]}
    if kinds and kinds <= {bool, np.bool_} and not missing.any():
        return values.astype(bool)
    if kinds and all(issubclass(kind, int | float | np.number) for kind in kinds):
        return np.where(missing, np.nan, values).astype(float)
    values = values.copy()
    values[missing] = None
    return values


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


def row_tokens(rows: Dataset) -> list[bytes]:
    """Return one byte string per row; equal rows, whatever their number type, have equal ones."""
    parts = [
        column.astype(float).astype(object) if column.dtype.kind in "iufb" else column
        for column in rows.columns.values()
    ]
    return [repr(row).encode() for row in zip(*parts, strict=True)]


def _bytes(column: Column) -> bytes:
    if column.dtype.kind == "O":
        return "\x1f".join(map(repr, column)).encode()
    return np.ascontiguousarray(column).tobytes()


# Restoring the kind of frame ------------------------------------------------------------------


def _restorable(column: Column, whole: bool) -> bool:
    """An integer dtype is put back only where that loses nothing: 22.5 stays 22.5."""
    return not whole or column.dtype.kind != "f" or bool(np.all(column == np.round(column)))


def _pandas(columns: Mapping[str, Column], like: Any) -> Any:
    frame = importlib.import_module("pandas").DataFrame(dict(columns))
    wanted = {
        name: dtype
        for name, dtype in like.dtypes.items()
        if name in columns
        and frame.dtypes[name] != dtype
        and _restorable(columns[name], getattr(dtype, "kind", "O") in "iu")
    }
    return frame.astype(wanted) if wanted else frame


def _polars(columns: Mapping[str, Column], like: Any) -> Any:
    frame = importlib.import_module("polars").DataFrame(dict(columns), strict=False)
    wanted = {
        name: dtype
        for name, dtype in like.schema.items()
        if name in columns and _restorable(columns[name], dtype.is_integer())
    }
    return frame.cast(wanted) if wanted else frame


def _arrow(columns: Mapping[str, Column], like: Any) -> Any:
    arrow = importlib.import_module("pyarrow")
    arrays = {name: arrow.array(column, from_pandas=True) for name, column in columns.items()}
    for name in columns:
        if name in like.schema.names:
            dtype = like.schema.field(name).type
            if _restorable(columns[name], arrow.types.is_integer(dtype)):
                arrays[name] = arrays[name].cast(dtype)
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
            f"the table {path}",
            f"{path.suffix or 'no suffix'} is not read here",
            f"Give one of: {', '.join(readers)}",
        )
    rows = readers[path.suffix](path)
    if not len(rows):
        raise DataError(f"the table {path}", "it has no rows", "Give at least one row")
    return rows


def _read_table(path: Path) -> Dataset:
    import duckdb

    reader = "read_csv" if path.suffix == ".csv" else "read_parquet"
    query = f"SELECT * FROM {reader}(?)"  # noqa: S608 (one of two words, no input)
    try:
        with duckdb.connect() as memory:
            found = memory.execute(query, [str(path)]).fetchnumpy()
    except duckdb.Error as error:
        # duckdb quotes the offending line, which is somebody's record: only the kind is told.
        raise DataError(
            f"the table {path}",
            f"duckdb cannot read it ({type(error).__name__})",
            f"Check that it is a {path.suffix[1:]} file with one header line",
        ) from None
    columns = {name: plain(np.ma.asarray(values)) for name, values in found.items()}
    return Dataset(columns, _empty_like(columns))


def _read_arrays(path: Path) -> Dataset:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            x, y = arrays["x"], arrays["y"]
    except (KeyError, ValueError, OSError):
        raise DataError(
            f"the table {path}", "it holds no plain arrays x and y", "Save them with numpy.savez"
        ) from None
    flat = x.reshape(len(x), -1)
    return Dataset({**{f"x{i}": flat[:, i] for i in range(flat.shape[1])}, "y": plain(y)})


def _empty_like(columns: Mapping[str, Column]) -> Any:
    """Choose the frame kind for rows that came from a file: pandas, else polars, else none."""
    empty = {name: column[:0] for name, column in columns.items()}
    for kind in ("pandas", "polars"):
        try:
            return importlib.import_module(kind).DataFrame(empty)
        except ImportError:
            continue
    return None

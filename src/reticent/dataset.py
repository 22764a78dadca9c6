"""A table of people as columns of numpy arrays, from any frame and back to the same kind.

Frames are met at the border only: narwhals reads any eager frame (pandas, polars, pyarrow), and
``frame()`` hands a model the kind and the dtypes that it was given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from reticent.column import Column, plain
from reticent.errors import DataError, nearest
from reticent.frames import restore


class Matrix(Mapping[str, Column]):
    """The columns of a matrix, cut out when somebody asks for one.

    Attributes
    ----------
    x : numbers (n, d). names : of its d columns.
    """

    __slots__ = ("_places", "names", "x")

    def __init__(self, x: NDArray[Any], names: tuple[str, ...]) -> None:
        self.x, self.names = x, names
        self._places: dict[str, int] | None = None

    @property
    def places(self) -> dict[str, int]:
        """Where each column stands."""
        if self._places is None:
            self._places = {name: place for place, name in enumerate(self.names)}
        return self._places

    def __getitem__(self, name: str) -> Column:
        column: Column = self.x[:, self.places[name]]
        return column

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        return name in self.places

    def select(self, names: tuple[str, ...]) -> Matrix:
        """Keep the named columns, in that order."""
        places = self.places
        return Matrix(self.x[:, [places[name] for name in names]], names)

    def replaced(self, name: str, values: Column) -> Matrix:
        """Put values (n,) in place of one column, or behind the last, in a type that holds both."""
        kind = np.result_type(self.x.dtype, values.dtype)
        if name not in self.places:
            wider = np.column_stack([self.x.astype(kind, copy=False), values])
            return Matrix(wider, (*self.names, name))
        changed = self.x.astype(kind)
        changed[:, self.places[name]] = values
        return Matrix(changed, self.names)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rows of people, column by column.

    Attributes
    ----------
    columns : name to array (n,): float, int or bool; object (str or None) for anything else. A
        ``Matrix`` where the rows came as one.
    like : an empty frame whose kind and dtypes ``frame()`` restores; None for a plain matrix.
    """

    columns: Mapping[str, Column]
    like: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if type(self.columns) is Matrix:
            return
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

    @classmethod
    def of_matrix(cls, x: NDArray[Any], names: Sequence[str], like: Any = None) -> Self:
        """Take numbers (n, d) as they lie; a tuple of names spares a copy of them.

        Raises
        ------
        DataError : another number of columns than names, or no numbers.
        """
        if x.ndim != 2 or x.shape[1] != len(names) or x.dtype.kind not in "iuf":
            raise DataError(
                f"a matrix of {len(names)} columns", f"an array {x.shape} of {x.dtype}",
                "Give one number per row and column",
            )  # fmt: skip
        return cls(Matrix(x, tuple(names)), like)

    def __len__(self) -> int:
        if type(self.columns) is Matrix:
            return len(self.columns.x)
        return len(next(iter(self.columns.values()))) if self.columns else 0

    def matrix(self, names: Sequence[str]) -> NDArray[Any] | None:
        """Return the named columns (n, d), in that order, where the rows are a matrix."""
        columns = self.columns
        if type(columns) is not Matrix:
            return None
        wanted = tuple(names)
        if columns.names == wanted:
            return columns.x
        return columns.select(wanted).x if all(name in columns for name in wanted) else None

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
        kept = self.matrix(names)
        if kept is not None:
            return Dataset(Matrix(kept, tuple(names)), self.like)
        return Dataset({name: self[name] for name in names}, self.like)

    def without(self, *names: str) -> Dataset:
        """Leave the named columns out."""
        return self.select([name for name in self.columns if name not in names])

    def replaced(self, name: str, values: Column) -> Dataset:
        """Put values (n,) in place of one column, or behind the last."""
        if type(self.columns) is Matrix and values.dtype.kind in "iuf":
            return Dataset(self.columns.replaced(name, values), self.like)
        return Dataset({**self.columns, name: values}, self.like)

    def take(self, rows: NDArray[np.intp] | slice) -> Dataset:
        """Keep the rows at the given positions, in that order."""
        if type(self.columns) is Matrix:
            return Dataset(Matrix(self.columns.x[rows], self.columns.names), self.like)
        return Dataset({name: column[rows] for name, column in self.columns.items()}, self.like)

    def repeated(self, times: int) -> Dataset:
        """Lay the whole table out ``times`` times, one copy after the other."""
        if type(self.columns) is Matrix:
            laid = np.tile(self.columns.x, (times, 1))
            return Dataset(Matrix(laid, self.columns.names), self.like)
        return Dataset({n: np.tile(column, times) for n, column in self.columns.items()}, self.like)

    def frame(self) -> Any:
        """Return the kind of frame the rows came in, or an array (n, d) if they came in none."""
        if self.like is None:
            if type(self.columns) is Matrix:
                return self.columns.x
            # Column after column, as the data lies: eight times as fast as row after row.
            return np.array(list(self.columns.values())).T
        return restore(self.columns, self.like)

    def digest(self) -> str:
        """Return the SHA-256 of the content: names, dtypes and values, in order."""
        seen = hashlib.sha256()
        for name, column in self.columns.items():
            seen.update(f"{name}\x1f{column.dtype.kind}\x1f{len(column)}\x1e".encode())
            seen.update(_bytes(column))
        return seen.hexdigest()


def stack(first: Dataset, *others: Dataset) -> Dataset:
    """Put the rows of tables with the same columns one below the other."""
    if not others:
        return first
    tables, names = (first, *others), tuple(first.names)
    parts = [x for x in (table.matrix(names) for table in tables) if x is not None]
    if len(parts) == len(tables):
        return Dataset(Matrix(np.concatenate(parts), names), first.like)
    columns = {name: np.concatenate([table[name] for table in tables]) for name in names}
    return Dataset(columns, first.like)


def _cells(series: Any) -> Column:
    """Read a column; narwhals takes a gap in an Arrow dictionary for the dictionary's last word."""
    native = series.to_native()
    if str(getattr(native, "type", "")).startswith("dictionary"):
        return np.asarray(native.cast(native.type.value_type).to_numpy())
    return np.asarray(series.to_numpy())


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

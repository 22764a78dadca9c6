"""Tables from files: csv and parquet by duckdb, arrays by numpy."""

from __future__ import annotations

import csv
import importlib
import re
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from reticent.column import Column, absent, plain
from reticent.dataset import Dataset
from reticent.errors import DataError

NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


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


def image_shape(path: Path) -> tuple[int, ...] | None:
    """The shape of one input of a file of arrays; None where it is no image."""
    if path.suffix != ".npz" or not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            shape: tuple[int, ...] = arrays["x"].shape[1:]
    except (KeyError, ValueError, OSError, EOFError, TypeError, zlib.error, zipfile.BadZipFile):
        return None  # reading it as a table says why
    return shape if len(shape) > 1 else None


def read_people(path: Path) -> Dataset:
    """Read a table of people; a csv file has to begin with its columns' names.

    Raises
    ------
    DataError : columns without or with one and the same name, or numbers for names.
    """
    if path.suffix == ".csv" and path.is_file():
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            head = file.readline().lstrip("\ufeff")
        delimiter = max(",;\t|", key=head.count)
        names = [name.strip() for name in next(csv.reader([head], delimiter=delimiter), [])]
        _check_header(names, path)
    return read(path)


def _check_header(names: list[str], path: Path) -> None:
    numbers = [name for name in names if NUMBER.fullmatch(name)]
    counted = [str(place + int(numbers[0] == "1")) for place in range(len(numbers))]
    if numbers and numbers != counted:
        raise DataError(
            f"the header of {path}", "its first line holds numbers, not the columns' names",
            "Write the names in the first line",
        )  # fmt: skip
    lower = [name.lower() for name in names]
    twice = next((name for name in names if lower.count(name.lower()) > 1), None)
    if twice:
        raise DataError(
            f"the header of {path}", f"two columns are named {twice!r}", "Give each its own name"
        )
    if "" in names:
        raise DataError(
            f"the header of {path}", "a column has no name",
            "Name it, or leave it out: DataFrame.to_csv(..., index=False)",
        )  # fmt: skip


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
    return Dataset(columns, empty_like(columns))


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
    return {name: truths(found[name]) if name in words else found[name] for name in found}


def _parquet(memory: Any, path: Path) -> Mapping[str, Column]:
    return dict(memory.execute("FROM read_parquet(?)", [str(path)]).fetchnumpy())


def truths(words: Column) -> Column:
    """Read a column of text as booleans where it says true and false and nothing else."""
    lower = [None if absent(word) else str(word).lower() for word in plain(np.ma.asarray(words))]
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


def empty_like(columns: Mapping[str, Column]) -> Any:
    """Choose the frame kind for rows that came in none: pandas, else polars, else none."""
    empty = {name: column[:0] for name, column in columns.items()}
    for kind in ("pandas", "polars"):
        try:
            return importlib.import_module(kind).DataFrame(empty)
        except ImportError:
            continue
    return None

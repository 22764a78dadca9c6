"""A trace's file as columns: their names checked, every cell of one kind, none of them quoted."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from reticent.column import Column, plain
from reticent.errors import DataError, nearest
from reticent.files import truths

RESERVED = ("caller", "at", "source", "answered", "label", "confidence")
TRUE, FALSE = ("true", "t", "1", "1.0", "yes", "y"), ("false", "f", "0", "0.0", "no", "n")
SHOULD = {
    "caller": ("is empty", "Write who asked in every row"),
    "at": ("is no time", "Write ISO 8601, as 2026-01-31T12:00:00Z, or seconds since 1970"),
    "answered": ("is neither true nor false", "Write true or false"),
    "confidence": ("is no share", "Write a number from 0 to 1"),
}


def columns_of(path: Path, columns: Sequence[str], text: Collection[str]) -> dict[str, Column]:
    """Read the columns of a trace, by their names there.

    Parameters
    ----------
    columns : of the model. text : those of them that hold text, whatever it looks like.

    Raises
    ------
    DataError : no such file, not a trace of this model, or a cell that cannot be what its column
        says.
    """
    names = _header(path)
    return _loaded(path, len(names), _places(names, columns, path), text)


def written(column: str) -> str:
    """How a model's column is named in a trace."""
    return f"x:{column}" if column in RESERVED else column


def _header(path: Path) -> list[str]:
    """Read the names of a trace's columns."""
    asked = f"the trace {path}"
    if not path.is_file():
        raise DataError(asked, "there is no such file", "Check the path")
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            head = file.readline().lstrip("\ufeff")
        return [name.strip() for name in next(csv.reader([head], delimiter=_delimiter(head)), [])]
    if path.suffix != ".parquet":
        raise DataError(
            asked, f"{path.suffix or 'no suffix'} is not read here", "Give one of: .csv, .parquet"
        )
    with _opened(path) as memory:
        # The first line is the root; a column of lists brings lines of its own, and is refused.
        found = memory.execute("SELECT name FROM parquet_schema(?)", [str(path)]).fetchall()
    return [name for (name,) in found][1:]


def _delimiter(head: str) -> str:
    return max(",;\t|", key=head.count)


def _places(names: list[str], columns: Sequence[str], path: Path) -> dict[str, int]:
    """Where each column of the trace stands, by its name there."""
    wanted = [written(name) for name in columns]
    asked = f"the trace {path}"
    if len(set(wanted)) < len(wanted):
        both = next(name for name in wanted if wanted.count(name) > 1)
        raise DataError(asked, f"{both!r} would be two of the model's columns", "Rename one")
    if "caller" not in names:
        raise DataError(
            asked, f"it has no column caller{nearest('caller', names)}", "Write who asked every row"
        )
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(asked, f"two columns are named {twice[0]!r}", "Give each its own name")
    if missing := [name for name in wanted if name not in names]:
        raise DataError(
            asked, f"it lacks the model's columns {', '.join(missing)}",
            "Write them, with empty cells where nothing was sent",
        )  # fmt: skip
    if extra := [name for name in names if name not in wanted and name not in RESERVED]:
        raise DataError(
            asked, f"the model has no column {extra[0]!r}{nearest(extra[0], wanted)}",
            f"Leave out: {', '.join(extra)}",
        )  # fmt: skip
    return {name: place for place, name in enumerate(names)}


def _loaded(
    path: Path, width: int, places: dict[str, int], text: Collection[str]
) -> dict[str, Column]:
    """Read the cells of a trace, each column of one type."""
    spoken = [place for name, place in places.items() if name in RESERVED]
    spoken += [places[written(name)] for name in text if written(name) in places]
    with _opened(path) as memory:
        truthful = _copied(memory, path, [f"c{place}" for place in range(width)], spoken)
        _check_cells(memory, path, places)
        told = [
            _parsed(name, f"c{place}") if name in RESERVED
            else f"CAST(c{place} AS VARCHAR)" if place in spoken else f"c{place}"
            for name, place in places.items()
        ]  # fmt: skip
        named = [f"{cell} AS k{place}" for place, cell in enumerate(told)]
        found = memory.execute(f"SELECT {', '.join(named)} FROM trace").fetchnumpy()  # noqa: S608
    return {
        name: truths(_gapped(cells, name)) if places[name] in truthful else _gapped(cells, name)
        for name, cells in zip(places, found.values(), strict=True)
    }


def _copied(memory: Any, path: Path, names: list[str], spoken: list[int]) -> list[int]:
    """Read a file into the table ``trace``; say which columns may hold true and false.

    What duckdb would take for truths it also takes yes, no, t and f for: it is read as text first.
    """
    import duckdb

    if path.suffix == ".parquet":
        source = f"read_parquet(?) AS t({', '.join(names)})"
        memory.execute(f"CREATE TABLE trace AS FROM {source}", [str(path)])
        return []
    with path.open(encoding="utf-8", errors="replace") as file:
        delimiter = _delimiter(file.readline())
    reads = (
        "FROM read_csv(?, delim=?, quote='\"', escape='\"', header=true, skip=0, names=?, types=?"
    )
    words = {names[place]: "VARCHAR" for place in spoken}
    for sample in ("", ", sample_size=-1"):  # a guess at the types first, then a look at all rows
        given: list[Any] = [str(path), delimiter, names, words]
        described = memory.execute(f"DESCRIBE {reads}{sample})", given).fetchall()
        truthful = [place for place, (_, kind, *_) in enumerate(described) if kind == "BOOLEAN"]
        given[3] = {**words, **{names[place]: "VARCHAR" for place in truthful}}
        try:
            memory.execute(f"CREATE TABLE trace AS {reads}{sample})", given)
            break
        except duckdb.ConversionException:
            if sample:
                raise
    return truthful


def _check_cells(memory: Any, path: Path, places: dict[str, int]) -> None:
    """Refuse reserved columns' cells that cannot be what they should."""
    there = [name for name in SHOULD if name in places]
    strange = [f"count(*) FILTER ({_strange(name, f'c{places[name]}')})" for name in there]
    (counts,) = memory.execute(f"SELECT {', '.join(strange)} FROM trace").fetchall()  # noqa: S608
    for name, count in zip(there, counts, strict=True):
        if count:
            raise DataError(
                f"column {name!r} of the trace {path}",
                f"in {count} row{'s' * (count > 1)} its cell {SHOULD[name][0]}", SHOULD[name][1],
            )  # fmt: skip


def _parsed(name: str, cell: str) -> str:
    """The SQL that reads a reserved column's cell."""
    words = f"CAST({cell} AS VARCHAR)"
    number = f"TRY_CAST({words} AS DOUBLE)"
    match name:
        case "at":
            return f"coalesce({number}, epoch(TRY_CAST({words} AS TIMESTAMPTZ)))"
        case "answered":  # an empty cell says nothing, and most queries are answered
            return f"coalesce(lower({words}) NOT IN {FALSE}, true)"
        case "confidence":
            return number
        case "source":
            return f"coalesce({words}, '')"
    return words


def _strange(name: str, cell: str) -> str:
    """The SQL that finds a reserved column's cells that cannot be what they should."""
    parsed = _parsed(name, cell)
    match name:
        case "caller":
            return f"coalesce({parsed}, '') = ''"
        case "answered":
            return f"lower(CAST({cell} AS VARCHAR)) NOT IN {(*TRUE, *FALSE)}"
        case "confidence":
            return f"{cell} IS NOT NULL AND NOT coalesce({parsed} BETWEEN 0 AND 1, false)"
    return f"{cell} IS NOT NULL AND NOT coalesce(isfinite({parsed}), false)"


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A database in memory; what goes wrong there is told without the cells it quotes."""
    import duckdb

    try:
        with duckdb.connect() as memory:
            memory.execute("SET TimeZone = 'UTC'")
            yield memory
    except duckdb.Error as error:
        # duckdb quotes the offending line, which is somebody's record: only the kind is told.
        raise DataError(
            f"the trace {path}", f"duckdb cannot read it ({type(error).__name__})",
            f"Check that it is a {path.suffix[1:]} file, each column of one kind",
        ) from None  # fmt: skip


def _gapped(cells: Any, name: str) -> Column:
    """A column as it was read, with None or NaN in its gaps; text needs no second look."""
    if cells.dtype.kind != "O":
        return plain(cells, name)
    values = np.array(np.ma.getdata(cells))
    values[np.ma.getmaskarray(cells)] = None
    first = next((value for value in values if value is not None), None)
    return values if isinstance(first, str) else plain(values, name)

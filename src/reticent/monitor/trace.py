"""Recorded queries as csv or parquet: who asked what, when, and what was answered.

A row is a query. All rows of one caller, in the file's order, are one session.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.column import Column, plain
from reticent.dataset import Dataset
from reticent.errors import DataError, nearest
from reticent.evidence import whole
from reticent.files import empty_like, truths

RESERVED = ("caller", "at", "source", "answered", "label", "confidence")
TRUE, FALSE = ("true", "t", "1", "1.0", "yes", "y"), ("false", "f", "0", "0.0", "no", "n")
SHOULD = {
    "caller": ("is empty", "Write who asked in every row"),
    "at": ("is no time", "Write ISO 8601, as 2026-01-31T12:00:00Z, or seconds since 1970"),
    "answered": ("is neither true nor false", "Write true or false"),
    "confidence": ("is no share", "Write a number from 0 to 1"),
}


@dataclass(frozen=True, slots=True)
class Session:
    """The queries of one caller, in the order in which they came.

    Attributes
    ----------
    caller : who asked, as the file names them. rows : n rows of the model's columns, in order; a
        cell that was not sent is None or NaN.
    at : (n,) seconds since 1970, NaN where no time is written. source : n addresses, "" for none.
    answered : (n,) whether there was an answer. label : (n,) what was predicted, text or number as
        written. confidence : (n,) share of the predicted class, NaN where it was not told.
    """

    caller: str
    rows: Dataset
    at: NDArray[np.float64] | None = None
    source: tuple[str, ...] | None = None
    answered: NDArray[np.bool_] | None = None
    label: NDArray[Any] | None = None
    confidence: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.rows)


# Reading --------------------------------------------------------------------------------------


def read_trace(path: Path, columns: Sequence[str], text: Collection[str] = ()) -> list[Session]:
    """Read a trace.

    Parameters
    ----------
    columns : of the model, in its order. text : those of them that hold text, whatever it looks
        like: a code such as 0123.

    Returns
    -------
    One session a caller, in the order in which they first ask.

    Raises
    ------
    DataError : no such file, not a trace of this model, or a cell that cannot be what its column
        says. No cell is quoted.
    """
    names = _header(path)
    places = _places(names, columns, path)
    found = _loaded(path, len(names), places, text)
    callers = found.pop("caller").tolist()
    if not callers:
        raise DataError(f"the trace {path}", "it has no rows", "Give at least one query")
    told: dict[str, Any] = {name: found.pop(name) for name in RESERVED if name in found}
    if "label" in told:
        told["label"] = _numbers_or_text(told["label"])
    rows = _rows({name: found.pop(_written(name)) for name in columns})
    return _sessions(callers, rows, told)


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
    found = _asked(path, "SELECT name, num_children FROM parquet_schema(?)", [str(path)])
    # The first line is the root, and counts the columns; a column of lists brings lines of its own.
    names: list[str] = found["name"].tolist()
    return names[1:]


def _delimiter(head: str) -> str:
    return max(",;\t|", key=head.count)


def _written(column: str) -> str:
    """How a model's column is named in a trace."""
    return f"x:{column}" if column in RESERVED else column


def _places(names: list[str], columns: Sequence[str], path: Path) -> dict[str, int]:
    """Where each column of the trace stands, by its name there."""
    wanted = [_written(name) for name in columns]
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
    spoken += [places[_written(name)] for name in text if _written(name) in places]
    names = [f"c{place}" for place in range(width)]
    if path.suffix == ".csv":
        source, given, truthful = _csv_source(path, names, spoken)
    else:
        source, given = f"read_parquet(?) AS t({', '.join(names)})", [str(path)]
        truthful = []
    columns = [
        _parsed(name, f"c{place}") if name in RESERVED
        else f"CAST(c{place} AS VARCHAR)" if place in spoken else f"c{place}"
        for name, place in places.items()
    ]  # fmt: skip
    strange = [f"count(*) FILTER ({_strange(name, f'c{places[name]}')})" for name in SHOULD
               if name in places]  # fmt: skip
    counts = _asked(path, f"SELECT {', '.join(strange)} FROM {source}", given)  # noqa: S608
    for name, count in zip([n for n in SHOULD if n in places], counts.values(), strict=True):
        if count[0]:
            raise DataError(
                f"column {name!r} of the trace {path}",
                f"in {count[0]} row{'s' * (int(count[0]) > 1)} its cell {SHOULD[name][0]}",
                SHOULD[name][1],
            )  # fmt: skip
    told = [f"{column} AS k{place}" for place, column in enumerate(columns)]
    found = _asked(path, f"SELECT {', '.join(told)} FROM {source}", given)  # noqa: S608
    return {
        name: truths(_gapped(cells, name)) if places[name] in truthful else _gapped(cells, name)
        for name, cells in zip(places, found.values(), strict=True)
    }


def _csv_source(
    path: Path, names: list[str], spoken: list[int]
) -> tuple[str, list[Any], list[int]]:
    """How duckdb is to read a csv file, and which columns may hold true and false.

    Those it would take for truths it also takes yes, no, t and f for: they are read as text first.
    """
    with path.open(encoding="utf-8", errors="replace") as file:
        delimiter = _delimiter(file.readline())
    words = {names[place]: "VARCHAR" for place in spoken}
    source = "read_csv(?, delim=?, quote='\"', escape='\"', header=true, skip=0, names=?, types=?)"
    given: list[Any] = [str(path), delimiter, names, words]
    kinds = _asked(path, f"DESCRIBE FROM {source}", given)["column_type"].tolist()
    truthful = [place for place, kind in enumerate(kinds) if kind == "BOOLEAN"]
    given[3] = {**words, **{names[place]: "VARCHAR" for place in truthful}}
    return source, given, truthful


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


def _asked(path: Path, question: str, given: list[Any]) -> dict[str, Any]:
    import duckdb

    try:
        with duckdb.connect() as memory:
            memory.execute("SET TimeZone = 'UTC'")
            return dict(memory.execute(question, given).fetchnumpy())
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
    if not np.ma.isMaskedArray(cells):
        return plain(np.asarray(cells), name)
    values, gaps = np.asarray(cells.data), np.ma.getmaskarray(cells)
    if gaps.any():
        values = values.copy()
        values[gaps] = None
    first = next((value for value in values if value is not None), None)
    return values if isinstance(first, str) else plain(values, name)


def _numbers_or_text(labels: Column) -> Column:
    """Labels as they are meant: numbers where all of them are."""
    distinct = [label for label in set(labels.tolist()) if label is not None]
    try:
        numbers = {label: float(label) for label in distinct}
    except ValueError:
        return labels
    return np.array([numbers.get(label, np.nan) for label in labels.tolist()])


def _rows(columns: dict[str, Column]) -> Dataset:
    """One table of all queries: a matrix where everything is a number."""
    like = empty_like(columns)
    kinds = {column.dtype.kind for column in columns.values()}
    if not columns or not kinds <= set("iuf"):
        return Dataset(columns, like)
    names = tuple(columns)
    x = np.empty((len(columns[names[0]]), len(names)), np.result_type(*columns.values()))
    for place, name in enumerate(names):
        x[:, place] = columns.pop(name)
    return Dataset.of_matrix(x, names, like)


def _sessions(callers: list[str], rows: Dataset, told: dict[str, Any]) -> list[Session]:
    """Put the queries of each caller together, in their order."""
    seen: dict[str, int] = {}
    codes = np.fromiter((seen.setdefault(c, len(seen)) for c in callers), np.intp, len(callers))
    if (np.diff(codes) < 0).any():
        order = np.argsort(codes, kind="stable")
        rows, codes = rows.take(order), codes[order]
        told = {name: column[order] for name, column in told.items()}
    ends = np.searchsorted(codes, np.arange(len(seen)), side="right").tolist()
    cuts = [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
    sources = told.pop("source", None)
    return [
        Session(
            caller, rows.take(cut), source=None if sources is None else tuple(sources[cut]),
            **{name: column[cut] for name, column in told.items()},
        )
        for caller, cut in zip(seen, cuts, strict=True)
    ]  # fmt: skip


# Writing --------------------------------------------------------------------------------------


def write_trace(path: Path, sessions: Iterable[Session]) -> None:
    """Write sessions one after the other as csv or parquet, by the suffix: whole or not at all.

    Raises
    ------
    DataError : another suffix, nothing to write, a caller without a name, or sessions of different
        models.
    """
    import duckdb

    formats = {".csv": "FORMAT csv, HEADER", ".parquet": "FORMAT parquet"}
    if path.suffix not in formats:
        raise DataError(
            f"the trace {path}", f"{path.suffix or 'no suffix'} is not written here",
            f"Give one of: {', '.join(formats)}",
        )  # fmt: skip
    table = _table(list(sessions), path)
    with whole(path, mode=0o600) as beside, duckdb.connect() as memory:
        memory.execute("SET GLOBAL pandas_analyze_sample = 0")  # objects are text, never guessed at
        cells = [_cells(column) for column in table.values()]
        memory.register("trace", {f"c{place}": column for place, column in enumerate(cells)})
        told = [
            f"CAST(c{place} AS BOOLEAN) AS {_quoted(name)}" if _truthful(column)
            else f"c{place} AS {_quoted(name)}"
            for place, (name, column) in enumerate(table.items())
        ]  # fmt: skip
        to = str(beside).replace("'", "''")
        wanted = f"{formats[path.suffix]}, USE_TMP_FILE false"
        memory.execute(f"COPY (SELECT {', '.join(told)} FROM trace) TO '{to}' ({wanted})")  # noqa: S608


def _table(sessions: list[Session], path: Path) -> dict[str, Column]:
    """All sessions' queries, column by column, as a trace has them."""
    if not any(len(session) for session in sessions):
        raise DataError(f"the trace {path}", "there are no queries to write", "Give some")
    if not all(session.caller for session in sessions):
        raise DataError(f"the trace {path}", "a caller has no name", "Name every caller")
    names = sessions[0].rows.names
    if any(session.rows.names != names for session in sessions):
        raise DataError(
            f"the trace {path}", "its sessions have different columns", "Write one model's queries"
        )
    sizes = [len(session) for session in sessions]
    callers = np.array([session.caller for session in sessions], dtype=object)
    table: dict[str, Column] = {"caller": np.repeat(callers, sizes)}
    for name in RESERVED[1:]:
        parts = [getattr(session, name) for session in sessions]
        if any(part is not None for part in parts):
            table[name] = _joined(parts, sizes)
    for name in names:
        table[_written(name)] = np.concatenate([one.rows[name] for one in sessions])
    return table


def _joined(parts: list[Any], sizes: list[int]) -> Column:
    """Put parts below each other, with gaps for the sessions that have none."""
    there = [
        np.full(size, None, dtype=object) if part is None
        else np.array(part, dtype=object if isinstance(part, tuple) else None)
        for part, size in zip(parts, sizes, strict=True)
    ]  # fmt: skip
    kinds = {part.dtype.kind for part, given in zip(there, parts, strict=True) if given is not None}
    joined = np.concatenate(there)
    return joined.astype(float) if kinds <= set("iuf") else joined


def _cells(column: Column) -> Column:
    """Write the cells of an object column as text; numbers go as they are."""
    if column.dtype.kind != "O":
        return column
    written = {True: "true", False: "false"}
    return np.array(
        [cell if cell is None or isinstance(cell, str)
         else written[bool(cell)] if isinstance(cell, bool | np.bool_) else repr(cell)
         for cell in column.tolist()],
        dtype=object,
    )  # fmt: skip


def _truthful(column: Column) -> bool:
    kinds = {type(cell) for cell in column.tolist()} if column.dtype.kind == "O" else set()
    return bool(kinds & {bool, np.bool_}) and kinds <= {bool, np.bool_, type(None)}


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

"""Recorded queries as csv or parquet: who asked what, when, and what was answered.

A row is a query. All rows of one caller, in the file's order, are one session.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.column import Column
from reticent.dataset import Dataset
from reticent.errors import DataError
from reticent.evidence import whole
from reticent.files import NUMBER, empty_like
from reticent.monitor.cells import RESERVED, columns_of, written


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


def read_trace(
    path: Path, columns: Sequence[str], text: Collection[str] | None = None
) -> list[Session]:
    """Read a trace.

    Parameters
    ----------
    columns : of the model, in its order.
    text : those of them that hold text, whatever it looks like (a code such as 0123); the others
        must hold numbers or truths. None: as the cells look.

    Returns
    -------
    One session a caller, in the order in which they first ask.

    Raises
    ------
    DataError : no such file, not a trace of this model, or a cell that cannot be what its column
        says. No cell is quoted.
    """
    found = columns_of(path, columns, text or ())
    for name in [] if text is None else set(columns) - set(text):
        _check_numbers(found[written(name)], written(name), path)
    callers = found.pop("caller").tolist()
    if not callers:
        raise DataError(f"the trace {path}", "it has no rows", "Give at least one query")
    told: dict[str, Any] = {name: found.pop(name) for name in RESERVED if name in found}
    if "label" in told:
        told["label"] = _numbers_or_text(told["label"])
    rows = _rows({name: found.pop(written(name)) for name in columns})
    return _sessions(callers, rows, told)


def _check_numbers(cells: Column, name: str, path: Path) -> None:
    """Refuse words where there should be numbers or truths."""
    words = [cell for cell in cells.tolist() if isinstance(cell, str)] if cells.dtype == "O" else []
    strange = sum(NUMBER.fullmatch(word.strip()) is None for word in words)
    if words:
        raise DataError(
            f"column {name!r} of the trace {path}",
            f"in {strange} row{'s' * (strange != 1)} its cell is no number",
            "Write numbers, and leave cells empty where nothing was sent",
        )  # fmt: skip


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
        table[written(name)] = np.concatenate([one.rows[name] for one in sessions])
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

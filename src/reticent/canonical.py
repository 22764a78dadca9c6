"""How a question is written down, so that equal questions look equal and others do not.

A number is brought to its column's declared precision and to 32 bits, so that it is the same in
every encoding and jitter below the precision makes no new question. A number is 4 bytes, a text
stands behind its length, and a cell that is not there is no number and no text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.column import Column
from reticent.dataset import Dataset

CELL = np.dtype("<f4")
ABSENT = b"\xff" * CELL.itemsize  # as a number it would be none


def row_bytes(
    rows: Dataset, columns: Sequence[str], steps: Mapping[str, float] | None = None
) -> list[bytes]:
    """Write n rows, one byte string each.

    Parameters
    ----------
    columns : that count, in order; one that the rows lack is absent.
    steps : column to the precision it is recorded at.
    """
    rounding = [(steps or {}).get(name) for name in columns]
    matrix = rows.matrix(columns)
    if matrix is not None and columns:
        raw, width = matrix_bytes(matrix, rounding), CELL.itemsize * len(columns)
        return [raw[start : start + width] for start in range(0, len(raw), width)]
    cells = cell_bytes(rows, columns, rounding)
    return [b"".join(row) for row in zip(*cells, strict=True)] if cells else [b""] * len(rows)


def matrix_bytes(matrix: NDArray[Any], steps: Sequence[float | None]) -> bytes:
    """Write a matrix (n, d) of numbers row by row, 4 d bytes each."""
    if any(steps):
        matrix = np.column_stack([_rounded(matrix[:, p], step) for p, step in enumerate(steps)])
    return _cells(matrix).tobytes()


def cell_bytes(
    rows: Dataset, columns: Sequence[str], steps: Sequence[float | None]
) -> list[list[bytes]]:
    """Write each column's n cells."""
    return [_written(rows, name, step) for name, step in zip(columns, steps, strict=True)]


def _written(rows: Dataset, name: str, step: float | None) -> list[bytes]:
    if name not in rows.columns:
        return [ABSENT] * len(rows)
    column = rows[name]
    if column.dtype.kind in "iufb":
        return [cell.tobytes() for cell in _cells(_rounded(column, step))]
    return [_text(cell) for cell in column.tolist()]


def _cells(numbers: NDArray[Any]) -> NDArray[np.float32]:
    """Bring numbers to 32 bits; adding 0.0 writes -0.0, an equal number, alike."""
    with np.errstate(over="ignore"):  # beyond 32 bits all numbers are one
        cells: NDArray[np.float32] = np.add(numbers, 0.0, dtype=CELL, casting="unsafe", order="C")
        return cells


def _rounded(numbers: Column, step: float | None) -> Column:
    return numbers if step is None else np.asarray(np.round(numbers / step) * step)


def _text(cell: object) -> bytes:
    if cell is None:
        return ABSENT
    written = (cell if isinstance(cell, str) else repr(cell)).encode()
    return b"\xfe%d:%b" % (len(written), written)

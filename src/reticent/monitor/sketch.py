"""What is kept of a query: keyed tokens by which equal things look equal, and nothing else.

Stored are ``record = PRF(key, column || H(row without the column))`` and ``value = PRF(key, record
|| value)``, 128 bits each. A token of the value alone, or tokens that can be combined (an XOR of
cells' hashes), would be a dictionary of the column: stored so, public marginals gave all eight
columns of 3,000 rows back. The PRF is keyed BLAKE2b (RFC 7693).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.column import Column
from reticent.dataset import Dataset
from reticent.event import TOKEN_BYTES, WHOLE

CELL = np.dtype("<f4")  # a number is the same in every encoding; adding 0.0 writes -0.0 as 0.0
ABSENT = b"\xff"  # a cell that was not sent: no number and no text is written like it


class Sketcher:
    """Makes the tokens of rows, for each watched group of columns.

    Parameters
    ----------
    key : 32 bytes that never leave the gateway.
    columns : what the model takes, in order; an absent one may have been left out of a request.
    watched : groups of columns whose values an attacker may vary; none: the whole row.
    steps : column to the precision it is recorded at, so that a jittered row is the same record;
        other numbers are taken as 32-bit floats, so that a row is the same in every encoding.
    """

    def __init__(
        self,
        key: bytes,
        columns: Sequence[str],
        watched: Sequence[Sequence[str]],
        steps: Mapping[str, float | None] | None = None,
    ) -> None:
        groups = list(watched) or [()]
        self.columns = tuple(columns)
        self.names = tuple("+".join(group) or WHOLE for group in groups)
        self._places = [[self.columns.index(name) for name in group] for group in groups]
        self._rest = [[p for p in range(len(columns)) if p not in taken] for taken in self._places]
        self._prefixes = [f"{len(name)}:{name}".encode() for name in self.names]
        self._cuts = [(prefix, _cuts(rest), _cuts(taken)) for taken, rest, prefix in self._groups()]
        self._keyed = blake2b(key=key, digest_size=TOKEN_BYTES)
        self._steps = [(steps or {}).get(name) for name in columns]
        self._rounds = any(self._steps)

    def __call__(self, rows: Dataset) -> bytes:
        """The tokens of n rows: per row and group a record and a value, 32 bytes together."""
        matrix = rows.matrix(self.columns)
        with np.errstate(over="ignore"):  # beyond 32 bits all numbers are one
            return self._of_cells(rows) if matrix is None else self._of_matrix(matrix)

    def _of_cells(self, rows: Dataset) -> bytes:
        cells = [self._cells(rows, place) for place in range(len(self.columns))]
        tokens: list[bytes] = []
        for row in zip(*cells, strict=True):
            for places, rest, prefix in self._groups():
                tokens += self.pair(
                    prefix, b"".join(row[p] for p in rest), b"".join(row[p] for p in places)
                )
        return b"".join(tokens)

    def _groups(self) -> zip[tuple[list[int], list[int], bytes]]:
        return zip(self._places, self._rest, self._prefixes, strict=True)

    def _of_matrix(self, matrix: NDArray[Any]) -> bytes:
        """The same tokens, cut out of the rows' own bytes."""
        if self._rounds:
            columns = [_rounded(matrix[:, p], step) for p, step in enumerate(self._steps)]
            matrix = np.column_stack(columns)
        raw = np.add(matrix, 0.0, dtype=CELL, casting="unsafe", order="C").tobytes()
        width = CELL.itemsize * len(self.columns)
        tokens: list[bytes] = []
        for start in range(0, len(raw), width):
            row = raw[start : start + width]
            for prefix, kept, taken in self._cuts:
                rest = b"".join([row[cut] for cut in kept])
                tokens += self.pair(prefix, rest, b"".join([row[cut] for cut in taken]))
        return b"".join(tokens)

    def pair(self, prefix: bytes, rest: bytes, value: bytes) -> tuple[bytes, bytes]:
        """The record and the value token of canonical bytes, under the name of a column."""
        keyed = self._keyed.copy()
        keyed.update(prefix + blake2b(rest).digest())
        record = keyed.digest()
        keyed = self._keyed.copy()
        keyed.update(record + value)
        return record, keyed.digest()

    def _cells(self, rows: Dataset, place: int) -> list[bytes]:
        """One column as bytes: 4 of a number, a text behind its length, a mark for none."""
        name = self.columns[place]
        if name not in rows.columns:
            return [ABSENT] * len(rows)
        column = rows[name]
        if column.dtype.kind in "iufb":
            rounded = _rounded(column, self._steps[place])
            return [cell.tobytes() for cell in np.add(rounded, 0.0, dtype=CELL, casting="unsafe")]
        return [_text(cell) for cell in column.tolist()]


def _rounded(numbers: Column, step: float | None) -> Column:
    """Bring numbers to their precision, where they have one."""
    return numbers if step is None else np.asarray(np.round(numbers / step) * step)


def _cuts(places: Sequence[int]) -> list[slice]:
    """Where some cells of a row stand among its bytes, neighbors in one piece."""
    found: list[slice] = []
    size = CELL.itemsize
    for place in places:
        if found and found[-1].stop == size * place:
            found[-1] = slice(found[-1].start, size * (place + 1))
        else:
            found.append(slice(size * place, size * (place + 1)))
    return found


def _text(cell: object) -> bytes:
    if cell is None:
        return ABSENT
    written = (cell if isinstance(cell, str) else repr(cell)).encode()
    return b"\xfe%d:%b" % (len(written), written)

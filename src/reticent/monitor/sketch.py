"""What is kept of a query: keyed tokens by which equal things look equal, and nothing else.

Stored are ``record = PRF(key, column || H(row without the column))`` and ``value = PRF(key, record
|| value)``, 128 bits each. A token of the value alone, or tokens that can be combined (an XOR of
cells' hashes), would be a dictionary of the column: stored so, public marginals gave all eight
columns of 3,000 rows back. The PRF is keyed BLAKE2b (RFC 7693).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from reticent.column import Column
from reticent.dataset import Dataset
from reticent.event import TOKEN_BYTES, WHOLE

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
        self._keyed = blake2b(key=key, digest_size=TOKEN_BYTES)
        self._steps = [(steps or {}).get(name) for name in columns]
        self._rounds = any(self._steps)

    def __call__(self, rows: Dataset) -> bytes:
        """The tokens of n rows: per row and group a record and a value, 32 bytes together."""
        matrix = rows.matrix(self.columns)
        if matrix is not None:
            return self._of_matrix(matrix)
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

    def _of_matrix(self, matrix: NDArray[np.float64]) -> bytes:
        """The same tokens, cut out of the rows' own bytes."""
        if self._rounds:
            matrix = np.column_stack(
                [_rounded(matrix[:, p], step) for p, step in enumerate(self._steps)]
            )
        else:
            matrix = matrix.astype(np.float32).astype(float) + 0.0
        width = 8 * len(self.columns)
        raw = np.ascontiguousarray(matrix, dtype="<f8").tobytes()
        tokens: list[bytes] = []
        for start in range(0, len(raw), width):
            row = raw[start : start + width]
            for places, _, prefix in self._groups():
                rest, begin = b"", 0
                for place in sorted(places):
                    rest += row[begin : 8 * place]
                    begin = 8 * place + 8
                value = b"".join(row[8 * p : 8 * p + 8] for p in places)
                tokens += self.pair(prefix, rest + row[begin:], value)
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
        """One column as bytes: 8 of a number, a text behind its length, a mark for none."""
        name = self.columns[place]
        if name not in rows.columns:
            return [ABSENT] * len(rows)
        column = rows[name]
        if column.dtype.kind in "iufb":
            raw = _rounded(column.astype(float), self._steps[place]).astype("<f8").tobytes()
            return [raw[start : start + 8] for start in range(0, len(raw), 8)]
        return [_text(cell) for cell in column.tolist()]


def _rounded(numbers: Column, step: float | None) -> Column:
    """Bring numbers to their precision; adding 0.0 writes -0.0, an equal number, alike."""
    if step is None:
        return np.asarray(numbers.astype(np.float32).astype(float) + 0.0)
    return np.asarray(np.round(numbers / step) * step + 0.0)


def _text(cell: object) -> bytes:
    if cell is None:
        return ABSENT
    written = (cell if isinstance(cell, str) else repr(cell)).encode()
    return b"\xfe%d:%b" % (len(written), written)

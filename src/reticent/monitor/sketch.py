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

from numpy.typing import NDArray

from reticent.canonical import CELL, cell_bytes, matrix_bytes
from reticent.dataset import Dataset
from reticent.event import TOKEN_BYTES, WHOLE


class Sketcher:
    """Makes the tokens of rows, for each watched group of columns.

    Parameters
    ----------
    key : 32 bytes that never leave the gateway.
    columns : what the model takes, in order; an absent one may have been left out of a request.
    watched : groups of columns whose values an attacker may vary; none: the whole row.
    steps : column to the precision it is recorded at, so that a jittered row is the same record.
    """

    def __init__(
        self,
        key: bytes,
        columns: Sequence[str],
        watched: Sequence[Sequence[str]],
        steps: Mapping[str, float] | None = None,
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

    def __call__(self, rows: Dataset) -> bytes:
        """The tokens of n rows: per row and group a record and a value, 32 bytes together."""
        matrix = rows.matrix(self.columns)
        return self._of_cells(rows) if matrix is None else self._of_matrix(matrix)

    def _of_cells(self, rows: Dataset) -> bytes:
        cells = cell_bytes(rows, self.columns, self._steps)
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
        raw = matrix_bytes(matrix, self._steps)
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

"""Two kinds of chance, kept apart: seeded for experiments, keyed for answers.

An experiment must be repeatable, so every part of it draws from a generator derived from one
seed and the part's own name: adding an attack never changes what another one draws. The noise
on an answer must be the same for the same question and unpredictable without the key, so it is
a keyed function of the question and holds no state.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SECRET_BYTES = 32


def generator(seed: int, *names: str | int) -> np.random.Generator:
    """Return the generator of one named part of a run.

    Parameters
    ----------
    seed : the run's seed, any non-negative integer.
    names : the path of the part, such as ``"bootstrap", "members"``.
    """
    path = "\x1f".join(str(name) for name in names).encode()
    words = np.frombuffer(hashlib.blake2b(path, digest_size=16).digest(), dtype=np.uint32)
    return np.random.default_rng([seed, *(int(word) for word in words)])


def subseed(seed: int, *names: str | int) -> int:
    """Return a 31-bit seed of a named part, for libraries that take an integer."""
    return int(generator(seed, *names).integers(2**31 - 1))


def subkey(secret: bytes, purpose: str) -> bytes:
    """Derive the 32-byte key of one purpose from the root secret (HKDF-SHA256, RFC 5869)."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    info = b"reticent/" + purpose.encode()
    return HKDF(algorithm=SHA256(), length=SECRET_BYTES, salt=None, info=info).derive(secret)


def keyed_uniforms(key: bytes, records: Sequence[bytes], width: int) -> NDArray[np.float64]:
    """Turn canonical records into uniform numbers that only the key's holder can predict.

    Parameters
    ----------
    key : at most 64 bytes, as keyed BLAKE2b takes them (RFC 7693).
    records : n canonical byte strings; equal strings give equal rows.
    width : numbers wanted per record.

    Returns
    -------
    Array (n, width) of numbers strictly between 0 and 1, with 53 random bits each.
    """
    numbers = np.empty((len(records), width))
    for row, record in enumerate(records):
        stream = _stream(key, record, 8 * width)
        bits = np.frombuffer(stream, dtype="<u8") >> np.uint64(11)
        numbers[row] = (bits.astype(np.float64) + 0.5) * 2.0**-53
    return numbers


def _stream(key: bytes, record: bytes, size: int) -> bytes:
    """Expand one record to ``size`` bytes: keyed BLAKE2b of a counter and the record's tag."""
    tag = hashlib.blake2b(record, key=key, digest_size=32).digest()
    blocks = (
        hashlib.blake2b(tag + block.to_bytes(4, "little"), key=key).digest()
        for block in range(-(-size // 64))
    )
    return b"".join(blocks)[:size]

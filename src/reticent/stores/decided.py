"""What a transaction decides and how the journal is written: the same in every store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256

import msgspec

from reticent.errors import StoreError
from reticent.store import Block, Erased, KeyRecord, Trial, Want

Account = tuple[str, int]  # an account and the start of its window
Tried = tuple[bytes, bytes]  # a principal and a record

PORTION = 64  # blocks that are read or erased in one transaction

packed = msgspec.msgpack.Encoder().encode
_entries = msgspec.msgpack.Decoder(tuple[bytes | Erased, ...])
_key = msgspec.msgpack.Decoder(KeyRecord)


def grant(wants: Sequence[Want], used: dict[Account, int]) -> tuple[int, ...]:
    """Lease rows in the order asked; ``used`` is what was used before and, behind it, after."""
    granted = []
    for want in wants:
        account = (want.account, want.window)
        before = used.get(account, 0)
        left = want.limit - before
        rows = min(want.most, left) if left >= want.least else 0
        used[account] = before + max(rows, 0)
        granted.append(max(rows, 0))
    return tuple(granted)


def allow(trials: Sequence[Trial], tried: dict[Tried, set[bytes]]) -> tuple[bool, ...]:
    """Count values in the order tried; ``tried`` holds the distinct ones before and after."""
    allowed = []
    for trial in trials:
        values = tried.setdefault((trial.principal, trial.record), set())
        if trial.value not in values and len(values) < trial.limit:
            values.add(trial.value)
        allowed.append(trial.value in values)
    return tuple(allowed)


def block(first: int, count: int, head: bytes, at: float, entries: bytes) -> Block:
    """Read one row of the journal.

    Raises
    ------
    StoreError : it does not hold what was written.
    """
    try:
        read = _entries.decode(entries)
    except msgspec.MsgspecError:
        read = ()
    if len(read) != count:
        raise damaged(f"block {first} of the journal")
    return Block(first, head, at, read)


def key(record: bytes) -> KeyRecord:
    """Read one stored key.

    Raises
    ------
    StoreError : it does not hold what was written.
    """
    try:
        return _key.decode(record)
    except msgspec.MsgspecError:
        raise damaged("a key") from None


def damaged(what: str) -> StoreError:
    """Say that a part of the store is not what was written there."""
    return StoreError(f"the store, {what}", "it is damaged", "Restore the store from a copy")


def without(of: Block, chosen: Callable[[bytes], bool]) -> tuple[bytes, int, int]:
    """Erase chosen entries of a block: how it is written then, how many went, how many stay."""
    left = [
        Erased(sha256(entry).digest()) if isinstance(entry, bytes) and chosen(entry) else entry
        for entry in of.entries
    ]
    gone = sum(new is not old for new, old in zip(left, of.entries, strict=True))
    return packed(left), gone, sum(isinstance(entry, bytes) for entry in left)

"""What a transaction decides and how the journal is written: the same in every store."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from hashlib import sha256
from typing import Any

import msgspec

from reticent.errors import StoreError
from reticent.store import Block, Erased, Head, KeyRecord, Note, Sighting, Trial, Want, linked

Account = tuple[str, int]  # an account and the start of its window
Tried = tuple[bytes, bytes]  # a principal and a record
Named = tuple[str, bytes]  # a note's kind and key
Written = tuple[int, str, bytes, float, bytes]  # version, kind, key, at, content

LARGEST = 65_536  # bytes of a note's content
LONGEST = 1_024  # bytes of a note's key
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


def admit(notes: Sequence[Note]) -> None:
    """Refuse notes that no store takes.

    Raises
    ------
    StoreError : a content above 64 KiB, a key above 1 KiB, or one note twice.
    """
    if len({(note.kind, note.key) for note in notes}) < len(notes):
        raise StoreError("the store, notes", "one of them is there twice", "Write it once")
    for note in notes:
        for what, size, most in (
            ("content", len(note.content), LARGEST), ("key", len(note.key), LONGEST),
        ):  # fmt: skip
            if size > most:
                raise StoreError(
                    f"the store, a note of the kind {note.kind!r}",
                    f"its {what} has {size:,} bytes", f"Write at most {most:,}",
                )  # fmt: skip


def note(notes: Sequence[Note], stored: Mapping[Named, int], last: int) -> list[Written] | None:
    """Number notes behind the last version; None where one was written since it was read."""
    if any(one.version != stored.get((one.kind, one.key), 0) for one in notes):
        return None
    now = time.time()
    return [
        (last + place, one.kind, one.key, now, one.content)
        for place, one in enumerate(notes, start=1)
    ]


def latest(sightings: Sequence[Sighting]) -> list[tuple[bytes, bytes, bytes, int, float]]:
    """One row of the index for each record and value, the last; in one order, against deadlocks."""
    rows = {(one.record, one.value): one for one in sightings}
    return [(*of, rows[of].principal, int(rows[of].shared), rows[of].at) for of in sorted(rows)]


def appended(end: Head, entries: Sequence[bytes]) -> tuple[tuple[Any, ...], Head]:
    """The row of the journal that follows where it ends, and where it ends then."""
    head, count = linked(end.hash, entries), len(entries)
    row = (end.count, count, head, time.time(), count, packed(entries))
    return row, Head(end.count + count, head)


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


def only(rows: Sequence[tuple[Any, ...]]) -> Any:
    """The one value of a table that holds one.

    Raises
    ------
    StoreError : it does not.
    """
    if len(rows) != 1:
        raise damaged("what there is once")
    return rows[0][0]


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


def erase(
    turn: Callable[[], AbstractContextManager[Any]], read: str, write: str,
    chosen: Callable[[bytes], bool], before: float,
) -> int:  # fmt: skip
    """Erase in portions: how many entries.

    Parameters
    ----------
    turn : one transaction, lending its database. read : blocks from a number on and committed
        before a time, so many. write : puts entries, and how many of them stay, into a block.
    """
    first, erased = 0, 0
    while True:
        with turn() as db:
            rows = db.execute(read, (first, before, PORTION)).fetchall()
            for row in rows:
                entries, gone, kept = without(block(*row), chosen)
                if gone:
                    db.execute(write, (entries, kept, row[0]))
                erased += gone
        if not rows:
            return erased
        first = rows[-1][0] + 1

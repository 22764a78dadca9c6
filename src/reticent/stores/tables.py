"""What both stores do alike, in statements that SQLite and PostgreSQL both speak.

Every change of notes and sightings takes its turn behind the number of the last note: versions
rise in the order in which they can be seen, and who asks for what came after one misses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from reticent.store import Block, Head, KeyRecord, Note, Sighting
from reticent.stores import decided

PORTION = 1_000  # rows that are dropped in one transaction
WALK = 50_000  # of a principal's sightings that are found in one walk through all there are
ALL = 2**62

USED = "SELECT used FROM budgets WHERE account = ? AND starts = ?"
END = "SELECT first + count, head FROM journal ORDER BY first DESC LIMIT 1"
BLOCKS = (
    "SELECT first, count, head, at, entries FROM journal WHERE first >="
    " (SELECT coalesce(max(first), 0) FROM journal WHERE first <= ?) ORDER BY first LIMIT ?"
)
KEY = "SELECT record FROM access_keys WHERE id = ?"
KEYS = "SELECT record FROM access_keys WHERE (created, id) > (?, ?) ORDER BY created, id LIMIT ?"
VERSION = "SELECT version FROM state"
SIGN = "INSERT INTO checkpoints (count, signed) VALUES (?, ?)"
SIGNED = "SELECT signed FROM checkpoints ORDER BY place"
FORGET_BUDGETS = "DELETE FROM budgets WHERE starts < ?"
NOTE = "SELECT kind, key, content, version, at FROM notes WHERE kind = ? AND key = ?"
NOTES = (
    "SELECT kind, key, content, version, at FROM notes WHERE kind = ? AND version > ?"
    " ORDER BY version LIMIT ?"
)
NEWEST = (
    "SELECT kind, key, content, version, at FROM notes WHERE kind = ? ORDER BY version DESC LIMIT ?"
)
DROP = "DELETE FROM notes WHERE kind = ? AND key = ?"
DROP_OLD = (
    "DELETE FROM notes WHERE version IN"
    " (SELECT version FROM notes WHERE kind = ? AND at < ? ORDER BY at LIMIT ?)"
)
FORGET_SEEN = (
    "DELETE FROM sightings WHERE (record, value) IN"
    " (SELECT record, value FROM sightings WHERE at < ? ORDER BY at LIMIT ?)"
)
FORGET_TRIED = "DELETE FROM tried WHERE principal = ?"
SIGHTED = (
    "SELECT record, value FROM sightings WHERE principal = ? AND (record, value) > (?, ?)"
    " ORDER BY record, value LIMIT ?"
)
FORGET_SIGHTED = "DELETE FROM sightings WHERE record = ? AND value = ? AND principal = ?"


class Reached(Protocol):
    """How a database is reached; the place of a value in a statement is ``?``."""

    def _read(self, statement: str, *values: object) -> list[tuple[Any, ...]]: ...

    def _change(self, statement: str, rows: Sequence[Sequence[object]]) -> int:
        """In one transaction and in turn, once with each row of values: rows that changed."""
        ...

    def _settle(self, *tables: str) -> None:
        """See that what was deleted from them is nowhere."""
        ...


class Tables:
    """The part of a store that is the same in both."""

    def used(self: Reached, account: str, window: int) -> int:
        """Rows of an account's window that are leased or spent."""
        rows = self._read(USED, account, window)
        return int(rows[0][0]) if rows else 0

    def head(self: Reached) -> Head:
        """The end of the journal's chain."""
        return found_end(self._read(END))

    def blocks(self: Reached, first: int = 0) -> Iterator[Block]:
        """The journal in order; what is appended meanwhile comes too."""
        while True:
            rows = self._read(BLOCKS, first, decided.PORTION)
            rows = [row for row in rows if row[0] + row[1] > first]
            if not rows:
                return
            yield from (decided.block(*row) for row in rows)
            first = rows[-1][0] + rows[-1][1]

    def key(self: Reached, id: str) -> KeyRecord | None:  # noqa: A002 (the word of the trade)
        """One key by its id."""
        rows = self._read(KEY, id)
        return decided.key(rows[0][0]) if rows else None

    def keys(
        self: Reached, most: int | None = None, after: KeyRecord | None = None
    ) -> list[KeyRecord]:
        """Keys, oldest first: all, or so many behind one of them."""
        start = (float("-inf"), "") if after is None else (after.created, after.id)
        rows = self._read(KEYS, *start, ALL if most is None else most)
        return [decided.key(row[0]) for row in rows]

    def version(self: Reached) -> int:
        """A number that rises whenever a key changes."""
        return int(decided.only(self._read(VERSION)))

    def save_checkpoint(self: Reached, count: int, signed: bytes) -> None:
        """Keep a signed statement about the first ``count`` entries."""
        self._change(SIGN, [(count, signed)])

    def checkpoints(self: Reached) -> list[bytes]:
        """The signed statements, oldest first."""
        return [row[0] for row in self._read(SIGNED)]

    def note(self: Reached, kind: str, key: bytes) -> Note | None:
        """One note."""
        rows = self._read(NOTE, kind, key)
        return Note(*rows[0]) if rows else None

    def notes(self: Reached, kind: str, after: int = 0, most: int | None = None) -> list[Note]:
        """Notes of a kind that were written after a version, oldest write first."""
        return [Note(*row) for row in self._read(NOTES, kind, after, ALL if most is None else most)]

    def newest(self: Reached, kind: str, most: int) -> list[Note]:
        """The notes of a kind that were written last, newest first."""
        return [Note(*row) for row in self._read(NEWEST, kind, most)]

    def drop(
        self: Reached, kind: str, keys: Sequence[bytes] = (), before: float | None = None
    ) -> int:
        """Drop notes by their keys, and where a time is given those last written before it."""
        count = old = 0
        for start in range(0, len(keys), PORTION):
            portion = keys[start : start + PORTION]
            count += self._change(DROP, [(kind, key) for key in portion])
        while before is not None and (went := self._change(DROP_OLD, [(kind, before, PORTION)])):
            old += went
        if old:
            self._settle("notes")
        return count + old

    def forget_sightings(self: Reached, before: float) -> int:
        """Drop sightings last seen before a time, in portions: how many there were."""
        count = 0
        while old := self._change(FORGET_SEEN, [(before, PORTION)]):
            count += old
        if count:
            self._settle("sightings")
        return count

    def forget(self: Reached, before: int) -> None:
        """Drop budgets' windows that began before a time."""
        self._change(FORGET_BUDGETS, [(before,)])

    def forget_principal(self: Reached, principal: bytes) -> None:
        """Drop what a principal tried and its sightings, and the old bytes with them."""
        self._change(FORGET_TRIED, [(principal,)])
        last: tuple[Any, ...] = (b"", b"")
        while rows := self._read(SIGHTED, principal, *last, WALK):
            for start in range(0, len(rows), PORTION):
                portion = rows[start : start + PORTION]
                self._change(FORGET_SIGHTED, [(*row, principal) for row in portion])
            last = rows[-1]
        self._settle("tried", "sightings", "notes")


def found_end(rows: Sequence[tuple[Any, ...]]) -> Head:
    """Read what ``END`` found."""
    return Head(*rows[0]) if rows else Head()


def seen(rows: Sequence[tuple[Any, ...]]) -> list[Sighting]:
    """Read rows of the index."""
    return [
        Sighting(record, value, principal, shared, at)
        for record, value, principal, shared, at in rows
    ]

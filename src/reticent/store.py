"""The protocol of where state lives: keys, budgets, and the journal with its hash chain.

A store is shared by all workers and replicas of a gateway. Every method is one transaction, and
durable when it returns; a method that cannot be carried out raises ``StoreError`` and changes
nothing, and whoever called refuses (fail closed).

The journal is a chain: ``head_i = SHA-256(head_{i-1} || SHA-256(entry_i))``, starting from 32 zero
bytes. An erased entry leaves its SHA-256 behind, so the chain still verifies.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import msgspec

GENESIS = bytes(32)


class Want(msgspec.Struct, frozen=True, array_like=True):
    """A wish for a lease: rows of one account's budget in one window.

    Attributes
    ----------
    account : whose budget, such as ``principal/…/day``. window : its start, seconds since 1970.
    limit : rows in the window, over all replicas. least, most : how many are of use.
    """

    account: str
    window: int
    limit: int
    least: int
    most: int


class Trial(msgspec.Struct, frozen=True, array_like=True):
    """One value of a record that a principal tries; allowed while fewer than ``limit`` differ."""

    principal: bytes
    record: bytes
    value: bytes
    limit: int


class Work(msgspec.Struct, frozen=True):
    """What one transaction does: journal entries, wishes for leases, values tried."""

    entries: Sequence[bytes] = ()
    wants: Sequence[Want] = ()
    trials: Sequence[Trial] = ()


class Done(msgspec.Struct, frozen=True):
    """What came of it, in the order asked.

    Attributes
    ----------
    granted : rows leased, from ``least`` to ``most``, or 0 where fewer than ``least`` are left.
    allowed : whether a value may be told.
    """

    granted: tuple[int, ...] = ()
    allowed: tuple[bool, ...] = ()


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An access key as it is stored: never its secret.

    Attributes
    ----------
    id : the public part. hash : keyed BLAKE2b of the secret part.
    principal : who is counted; survives rotation. owner : a name for people, as given.
    created, expires, revoked : seconds since 1970; None: never.
    """

    id: str
    hash: bytes
    role: str
    principal: str
    owner: str = ""
    auditor: bool = False
    created: float
    expires: float | None = None
    revoked: float | None = None


class Block(msgspec.Struct, frozen=True):
    """Journal entries that were committed together.

    Attributes
    ----------
    first : number of the first entry, from 0. head : of the chain behind the last one.
    entries : each an entry, or the SHA-256 (``Erased``) of one that was erased.
    """

    first: int
    head: bytes
    at: float
    entries: tuple[bytes | Erased, ...]


class Erased(msgspec.Struct, frozen=True):
    """What is left of an erased entry."""

    digest: bytes


class Head(msgspec.Struct, frozen=True):
    """The end of the chain: how many entries there are, and their hash."""

    count: int = 0
    hash: bytes = GENESIS


class Note(msgspec.Struct, frozen=True, array_like=True):
    """A small record that replicas share: an alert, how a caller stands, what waits to be sent.

    Attributes
    ----------
    kind, key : which one. content : what it says, at most 64 KiB.
    version : rises with every write in the store, over all notes; 0: not written yet.
    at : of the last write, seconds since 1970, as the store sets it.
    """

    kind: str
    key: bytes
    content: bytes
    version: int = 0
    at: float = 0.0


class Sighting(msgspec.Struct, frozen=True, array_like=True):
    """One value of a record as the index remembers it.

    Attributes
    ----------
    record, value : their tokens. principal : who asked it last. at : when it was asked last.
    shared : how many asked it before, one after the other; -1: it tells nothing, because its
        asker went through the record's values alone.
    """

    record: bytes
    value: bytes
    principal: bytes
    shared: int
    at: float


class Store(Protocol):
    """State of one project."""

    def commit(self, work: Work) -> Done:
        """Append entries to the journal, lease rows, and count values, all or nothing."""
        ...

    def used(self, account: str, window: int) -> int:
        """Rows of an account's window that are leased or spent."""
        ...

    def give_back(self, account: str, window: int, rows: int) -> None:
        """Return the unspent rest of a lease; only an orderly shutdown may."""
        ...

    def head(self) -> Head:
        """The end of the journal's chain."""
        ...

    def blocks(self, first: int = 0) -> Iterator[Block]:
        """The journal, from the block that holds entry ``first`` on, in order."""
        ...

    def erase(self, chosen: Callable[[bytes], bool], before: float) -> int:
        """Erase chosen entries of blocks committed before a time, leaving hashes: how many.

        Done in portions, each durable by itself: one transaction would hold every replica up. Cut
        short, what was erased stays erased, and another call goes on.
        """
        ...

    def save_key(self, record: KeyRecord) -> None:
        """Add or replace a key by its id; the version rises."""
        ...

    def key(self, id: str) -> KeyRecord | None:  # noqa: A002 (the word of the trade)
        """One key by its id."""
        ...

    def keys(self, most: int | None = None, after: KeyRecord | None = None) -> list[KeyRecord]:
        """Keys, oldest first: all, or so many behind one of them."""
        ...

    def version(self) -> int:
        """A number that rises whenever a key changes: replicas ask it several times a second."""
        ...

    def save_checkpoint(self, count: int, signed: bytes) -> None:
        """Keep a signed statement about the first ``count`` entries."""
        ...

    def checkpoints(self) -> list[bytes]:
        """The signed statements, oldest first."""
        ...

    def note(self, kind: str, key: bytes) -> Note | None:
        """One note."""
        ...

    def notes(self, kind: str, after: int = 0, most: int | None = None) -> list[Note]:
        """Notes of a kind that were written after a version, oldest write first."""
        ...

    def newest(self, kind: str, most: int) -> list[Note]:
        """The notes of a kind that were written last, newest first."""
        ...

    def write(self, notes: Sequence[Note], sightings: Sequence[Sighting] = ()) -> bool:
        """Write notes, and sightings over those of the same record and value: all or nothing.

        A note has to bear the version that is stored, 0 where none is: where another replica
        wrote in between, nothing is written and the answer is False; who asked reads anew. A
        content above 64 KiB, a key above 1 KiB and a note that is there twice are refused.
        """
        ...

    def drop(self, kind: str, keys: Sequence[bytes] = (), before: float | None = None) -> int:
        """Drop notes by their keys, or those last written before a time: how many there were.

        No version rises: who keeps notes in memory reads them anew from time to time.
        """
        ...

    def sightings(self, records: Sequence[bytes]) -> list[Sighting]:
        """What the index knows of some records, in no order."""
        ...

    def forget_sightings(self, before: float) -> int:
        """Drop sightings last seen before a time, in portions: how many there were."""
        ...

    def forget(self, before: int) -> None:
        """Drop budgets' windows that began before a time: they are over."""
        ...

    def forget_principal(self, principal: bytes) -> None:
        """Drop the values that a principal tried, and their sightings."""
        ...

    def close(self) -> None:
        """Let go of it; closing twice is allowed."""
        ...


def linked(head: bytes, entries: Sequence[bytes | Erased]) -> bytes:
    """Continue the chain over entries: the new head."""
    for entry in entries:
        own = entry.digest if isinstance(entry, Erased) else hashlib.sha256(entry).digest()
        head = hashlib.sha256(head + own).digest()
    return head

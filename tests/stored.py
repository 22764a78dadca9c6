"""A store in memory, for tests of whatever needs a store and is not about one."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from reticent.errors import StoreError
from reticent.store import (
    Block,
    Done,
    Erased,
    Head,
    KeyRecord,
    Note,
    Sighting,
    Trial,
    Want,
    Work,
    linked,
)
from reticent.stores import decided


class MemoryStore:
    """Everything a store does, gone with the process.

    Attributes
    ----------
    down : while true every method raises StoreError. asked : the names of the methods called.
    """

    def __init__(self) -> None:
        self.down = False
        self.asked: list[str] = []
        self._lock = threading.RLock()
        self._used: dict[tuple[str, int], int] = {}
        self._tried: dict[tuple[bytes, bytes], set[bytes]] = {}
        self._blocks: list[Block] = []
        self._keys: dict[str, KeyRecord] = {}
        self._version = 0
        self._checkpoints: list[tuple[int, bytes]] = []
        self._notes: dict[tuple[str, bytes], Note] = {}
        self._noted = 0
        self._seen: dict[bytes, dict[bytes, Sighting]] = {}

    def _begin(self, name: str) -> threading.RLock:
        if len(self.asked) < 10_000:
            self.asked.append(name)
        if self.down:
            raise StoreError("the store", "it is down", "Wait")
        return self._lock

    def commit(self, work: Work) -> Done:
        """Append, lease and count."""
        with self._begin("commit"):
            decided.packed((work.wants, [memoryview(entry) for entry in work.entries]))
            if work.entries:
                head, entries = self.head(), tuple(work.entries)
                own = linked(head.hash, entries)
                self._blocks.append(Block(head.count, own, time.time(), entries))
            granted = tuple(self._lease(want) for want in work.wants)
            return Done(granted, tuple(self._try(trial) for trial in work.trials))

    def _lease(self, want: Want) -> int:
        place = (want.account, want.window)
        used = self._used.get(place, 0)
        rows = min(want.most, want.limit - used)
        if rows < want.least:
            return 0
        self._used[place] = used + rows
        return rows

    def _try(self, trial: Trial) -> bool:
        values = self._tried.setdefault((trial.principal, trial.record), set())
        if trial.value in values:
            return True
        if len(values) >= trial.limit:
            return False
        values.add(trial.value)
        return True

    def used(self, account: str, window: int) -> int:
        """Rows leased."""
        with self._begin("used"):
            return self._used.get((account, window), 0)

    def give_back(self, account: str, window: int, rows: int) -> None:
        """Return rows."""
        with self._begin("give_back"):
            self._used[account, window] = max(0, self._used.get((account, window), 0) - rows)

    def head(self) -> Head:
        """The end of the chain."""
        with self._begin("head"):
            if not self._blocks:
                return Head()
            last = self._blocks[-1]
            return Head(last.first + len(last.entries), last.head)

    def blocks(self, first: int = 0) -> Iterator[Block]:
        """The journal."""
        with self._begin("blocks"):
            chosen = [one for one in self._blocks if one.first + len(one.entries) > first]
        return iter(chosen)

    def erase(self, chosen: Callable[[bytes], bool], before: float) -> int:
        """Erase entries."""
        with self._begin("erase"):
            erased = 0
            for place, block in enumerate(self._blocks):
                if block.at >= before:
                    continue
                kept: list[bytes | Erased] = []
                for one in block.entries:
                    if not isinstance(one, Erased) and chosen(one):
                        kept.append(Erased(hashlib.sha256(one).digest()))
                        erased += 1
                    else:
                        kept.append(one)
                self._blocks[place] = Block(block.first, block.head, block.at, tuple(kept))
            return erased

    def save_key(self, record: KeyRecord) -> None:
        """Add or replace a key."""
        with self._begin("save_key"):
            self._keys[record.id] = record
            self._version += 1

    def key(self, id: str) -> KeyRecord | None:  # noqa: A002
        """One key."""
        with self._begin("key"):
            return self._keys.get(id)

    def keys(self, most: int | None = None, after: KeyRecord | None = None) -> list[KeyRecord]:
        """Keys, oldest first: all, or so many behind one of them."""
        with self._begin("keys"):
            found = sorted(self._keys.values(), key=lambda one: (one.created, one.id))
        start = 0 if after is None else found.index(after) + 1
        return found[start:][:most]

    def version(self) -> int:
        """Rises whenever a key changes."""
        with self._begin("version"):
            return self._version

    def save_checkpoint(self, count: int, signed: bytes) -> None:
        """Keep a checkpoint."""
        with self._begin("save_checkpoint"):
            self._checkpoints.append((count, signed))

    def checkpoints(self) -> list[bytes]:
        """The checkpoints."""
        with self._begin("checkpoints"):
            return [signed for _, signed in self._checkpoints]

    def note(self, kind: str, key: bytes) -> Note | None:
        """One note."""
        with self._begin("note"):
            return self._notes.get((kind, key))

    def notes(self, kind: str, after: int = 0, most: int | None = None) -> list[Note]:
        """Notes of a kind, oldest write first."""
        with self._begin("notes"):
            found = [one for one in self._notes.values() if one.kind == kind]
        return sorted((n for n in found if n.version > after), key=lambda n: n.version)[:most]

    def newest(self, kind: str, most: int) -> list[Note]:
        """Notes of a kind, newest first."""
        with self._begin("newest"):
            found = [one for one in self._notes.values() if one.kind == kind]
        return sorted(found, key=lambda one: -one.version)[:most]

    def write(self, notes: Sequence[Note], sightings: Sequence[Sighting] = ()) -> bool:
        """Write notes and sightings where nobody wrote in between."""
        decided.admit(notes)
        with self._begin("write"):
            stored = {name: one.version for name, one in self._notes.items()}
            rows = decided.note(notes, stored, self._noted)
            if rows is None:
                return False
            for version, kind, key, at, content in rows:
                self._notes[kind, key] = Note(kind, key, content, version, at)
            self._noted += len(rows)
            for one in sightings:
                self._seen.setdefault(one.record, {})[one.value] = one
            return True

    def drop(self, kind: str, keys: Sequence[bytes] = (), before: float | None = None) -> int:
        """Drop notes by their keys, and those last written before a time."""
        with self._begin("drop"):
            until = float("-inf") if before is None else before
            chosen = [
                name for name, one in self._notes.items()
                if one.kind == kind and (one.key in keys or one.at < until)
            ]  # fmt: skip
            for name in chosen:
                del self._notes[name]
            return len(chosen)

    def sightings(self, records: Sequence[bytes]) -> list[Sighting]:
        """What the index knows of some records."""
        with self._begin("sightings"):
            return [one for of in set(records) for one in self._seen.get(of, {}).values()]

    def forget_sightings(self, before: float) -> int:
        """Drop sightings last seen before a time."""
        with self._begin("forget_sightings"):
            return self._forget_seen(lambda one: one.at < before)

    def _forget_seen(self, chosen: Callable[[Sighting], bool]) -> int:
        old = [one for seen in self._seen.values() for one in seen.values() if chosen(one)]
        for one in old:
            del self._seen[one.record][one.value]
        return len(old)

    def forget(self, before: int) -> None:
        """Drop windows that began before a time."""
        with self._begin("forget"):
            self._used = {key: rows for key, rows in self._used.items() if key[1] >= before}

    def forget_principal(self, principal: bytes) -> None:
        """Drop the values tried and the sightings."""
        with self._begin("forget_principal"):
            self._forget_seen(lambda one: one.principal == principal)
            self._tried = {key: seen for key, seen in self._tried.items() if key[0] != principal}

    def close(self) -> None:
        """Nothing to let go of."""

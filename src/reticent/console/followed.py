"""Notes as a reader has them who comes back: what was written since is read, not all anew."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from reticent.store import Note, Store

T = TypeVar("T")
PORTION = 2_000  # notes of one call
ANEW = 300.0  # seconds after which all is read anew: that a note was dropped nobody tells
RECENT = 100  # of what came since the first reading


class Followed(Generic[T]):
    """The notes of one kind that were written last.

    Parameters
    ----------
    kind, read : of the notes, and what is in one; None where it cannot be read. most : notes
        that are kept.
    settled : which of them may go first where there are more.

    Attributes
    ----------
    found : key to content, written longest ago first. version : of the note written last.
    full : whether there may be more in the store.
    """

    def __init__(
        self, kind: str, read: Callable[[Note], T | None], most: int,
        settled: Callable[[T], bool] = lambda one: True,  # noqa: ARG005
    ) -> None:  # fmt: skip
        self._kind, self._read, self._most, self._settled = kind, read, most, settled
        self.found: dict[bytes, T] = {}
        self.version = 0
        self.full = False
        self._anew: float | None = None
        self._recent: deque[tuple[int, T]] = deque(maxlen=RECENT)

    def follow(self, store: Store, now: float) -> None:
        """Read what was written since; all of it once in five minutes.

        Parameters
        ----------
        now : in seconds, of any clock that runs on.

        Raises
        ------
        StoreError : it cannot be read; what was known stays.
        """
        if self._anew is None or not 0 <= now - self._anew < ANEW:
            self._all(store)
            self._anew = now
        more = True
        while more:
            some = store.notes(self._kind, self.version, PORTION)
            for note in some:
                self._take(note)
            more = len(some) == PORTION
        self._trim()

    def since(self, version: int) -> list[T]:
        """What was written after a version, as far as it is still remembered; oldest first."""
        return [one for written, one in list(self._recent) if written > version]

    def one(self, store: Store, key: bytes) -> T | None:
        """One of them as it is in the store now."""
        note = store.note(self._kind, key)
        if note is None:
            self.found.pop(key, None)
            return None
        return self._read(note)

    def _all(self, store: Store) -> None:
        newest = store.newest(self._kind, self._most)
        there = {note.key for note in newest}
        held = [key for key, one in self.found.items() if not self._settled(one)]
        older = [store.note(self._kind, key) for key in held if key not in there]
        self.found = {}
        for note in (*older, *reversed(newest)):
            if note is not None:
                self._take(note)
        self.full = len(newest) >= self._most

    def _take(self, note: Note) -> None:
        one = self._read(note)
        if one is not None:
            self.found.pop(note.key, None)
            self.found[note.key] = one
            if self._anew is not None and note.version > self.version:
                self._recent.append((note.version, one))
        self.version = max(self.version, note.version)

    def _trim(self) -> None:
        over = len(self.found) - self._most
        if over > 0:
            self.full = True
            going = [key for key, one in self.found.items() if self._settled(one)]
            for key in going[:over]:
                del self.found[key]

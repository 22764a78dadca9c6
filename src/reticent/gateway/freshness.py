"""Is what this worker knows young enough? Elsewhere a key is revoked, or a caller frozen."""

from __future__ import annotations

import asyncio
from time import monotonic

from reticent.access.identity import Identity
from reticent.errors import StoreError
from reticent.monitor.standing import Standings
from reticent.store import Note, Store
from reticent.stores.group import Grouped

BLIND = 0.9  # seconds that knowledge of the keys may be old when somebody is let in


class Freshness:
    """Looks whether a key has changed, and forgets whom it knows where one has; and how callers
    stand.
    """

    def __init__(
        self, identity: Identity, standings: Standings, store: Store, group: Grouped
    ) -> None:
        self._identity, self._standings = identity, standings
        self._store, self._group = store, group
        self._version: int | None = None
        self._seen = float("-inf")
        self._looking: asyncio.Task[None] | None = None

    @property
    def fresh(self) -> bool:
        """Whether nothing can have changed unseen for longer than is allowed."""
        return monotonic() - self._seen < BLIND

    async def begin(self) -> None:
        """Learn how everybody stands, for as long as it takes, and look.

        Raises
        ------
        StoreError : the store cannot be asked.
        """
        while self._standings.learn(await self._group.call(self._standings.read, self._store)):
            pass
        await self.look()

    async def look(self) -> None:
        """Look now; whoever asks meanwhile waits for the same look.

        Raises
        ------
        StoreError : the store cannot be asked in time; nobody is known any more.
        """
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        await asyncio.shield(self._looking)

    async def _look(self) -> None:
        began = monotonic()
        try:
            async with asyncio.timeout(BLIND):
                version, notes = await self._group.call(self._read)
                while self._standings.learn(notes):
                    notes = await self._group.call(self._standings.read, self._store)
        except (TimeoutError, StoreError):
            self._identity.drop()
            raise StoreError(
                "the keys", "the store cannot be asked for them", "Try again later"
            ) from None
        if version != self._version:
            self._version = version
            self._identity.drop()
        self._seen = began

    def _read(self) -> tuple[int, list[Note]]:
        return self._store.version(), self._standings.read(self._store)

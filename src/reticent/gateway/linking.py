"""Accounts that complete each other's sweeps, looked for beside the answers.

In a thread and on a connection of its own: no answer waits for it, and none is changed by it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Collection, Sequence
from functools import partial

from reticent.errors import StoreError, kind_and_place
from reticent.event import Alert
from reticent.gateway.log import log
from reticent.monitor.shared import Linker
from reticent.store import Note, Store


class Linking:
    """One worker's share in the linking.

    Parameters
    ----------
    store : its own from now on; ``close`` closes it. permitted : roles that may ask sweep-like.
    save : writes an alert with all that follows from it, and some notes, at once; in the thread.
    told : how many alerts came of a round, in the event loop. clock : seconds since 1970.
    """

    def __init__(
        self,
        store: Store,
        permitted: Collection[str],
        save: Callable[[Store, Alert, Sequence[Note]], bool],
        told: Callable[[int], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._told, self._clock = store, told, clock
        self._linker = Linker(store, save=partial(save, store), permitted=permitted)
        self._turn = threading.Lock()
        self._closed, self._failed = False, ""

    async def round(self) -> None:
        """Read on in the journal, and write down alerts about the groups that stand out.

        Where the store is away, the next round goes on where this one ended.
        """
        self._told(await asyncio.to_thread(self._round))

    def _round(self) -> int:
        with self._turn:
            if self._closed:
                return 0
            try:
                found = self._linker.round(self._clock())
            except StoreError as error:
                self._said(error.found)
            except Exception as error:  # noqa: BLE001 (what comes next shall still be read)
                self._said(kind_and_place(error))
            else:
                self._failed = ""
                return len(found)
            return 0

    def _said(self, found: str) -> None:
        if found != self._failed:
            log("linking waits", found=found)
        self._failed = found

    def again(self) -> None:
        """Read all accounts anew: some may have been erased."""
        with self._turn:
            self._linker.begin()

    async def close(self) -> None:
        """Let a round that is under way end, and let go of the store."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        with self._turn:
            self._closed = True
            self._store.close()

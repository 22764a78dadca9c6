"""A thread and a store of the console's own: no answer of the gateway waits for a page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Concatenate, ParamSpec, TypeVar

from reticent.errors import StoreError
from reticent.store import Store

P = ParamSpec("P")
R = TypeVar("R")
WAITING = 64  # calls that may wait for the thread


class Aside:
    """Runs functions of a store, one at a time.

    Parameters
    ----------
    opened : a store of one's own.
    """

    def __init__(self, opened: Store) -> None:
        self._store = opened
        self._thread = ThreadPoolExecutor(1, "reticent-console")
        self._waiting = 0

    async def call(
        self,
        function: Callable[Concatenate[Store, P], R],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> R:
        """Run ``function(store, *args)`` beside the event loop and wait for it.

        Raises
        ------
        StoreError : the store failed, or too many calls wait.
        """
        if self._waiting >= WAITING:
            raise StoreError("the console", "too many pages are asked for at once", "Try again")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(
                self._thread, lambda: function(self._store, *args, **kwargs)
            )
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """Let go of the store."""
        self._thread.submit(self._store.close)
        self._thread.shutdown()

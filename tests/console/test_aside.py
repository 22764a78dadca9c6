"""The console's own thread and store."""

from __future__ import annotations

import asyncio
import threading

import pytest

from reticent.console import aside
from reticent.console.aside import Aside
from reticent.errors import StoreError
from reticent.store import Head, Store
from stored import MemoryStore


def test_functions_run_in_one_thread_of_their_own_and_the_loop_goes_on() -> None:
    async def main() -> None:
        own = Aside(MemoryStore())
        held = threading.Event()

        def waits(store: Store) -> str:
            assert held.wait(10)
            return threading.current_thread().name

        waiting = [asyncio.create_task(own.call(waits)) for _ in range(3)]
        await asyncio.sleep(0.01)
        assert not any(one.done() for one in waiting)
        held.set()
        (name,) = set(await asyncio.gather(*waiting))
        assert name.startswith("reticent-console")
        assert await own.call(lambda store: store.head()) == Head()
        own.close()

    asyncio.run(main())


def test_what_a_function_raises_is_raised() -> None:
    async def main() -> None:
        store = MemoryStore()
        store.down = True
        own = Aside(store)
        with pytest.raises(StoreError):
            await own.call(lambda store: store.head())
        own.close()

    asyncio.run(main())


def test_no_more_than_so_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "WAITING", 2)

    async def main() -> None:
        own = Aside(MemoryStore())
        held = threading.Event()
        waiting = [asyncio.create_task(own.call(lambda store: held.wait(10))) for _ in range(2)]
        await asyncio.sleep(0.01)
        with pytest.raises(StoreError, match="too many pages"):
            await own.call(lambda store: None)
        held.set()
        await asyncio.gather(*waiting)
        assert await own.call(lambda store: 5) == 5
        own.close()

    asyncio.run(main())


def test_closing_closes_the_store() -> None:
    class Closed(MemoryStore):
        gone = False

        def close(self) -> None:
            self.gone = True

    async def main() -> None:
        store = Closed()
        Aside(store).close()
        assert store.gone

    asyncio.run(main())

"""The way of one event loop to its store."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from reticent.errors import StoreError
from reticent.store import Done, Trial, Want, Work
from reticent.stores import group
from reticent.stores.group import Grouped
from reticent.stores.sqlite import Sqlite


class Watched(Sqlite):
    """A store that counts its commits, waits for a gate, and fails on demand."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.gate = threading.Event()
        self.gate.set()
        self.works: list[Work] = []
        self.fails: Exception | None = None

    def commit(self, work: Work) -> Done:
        self.works.append(work)
        assert self.gate.wait(10)
        if self.fails is not None:
            raise self.fails
        return super().commit(work)

    def journal(self) -> list[bytes]:
        return [entry for block in self.blocks() for entry in block.entries]  # type: ignore[misc]


FULL = StoreError("the store", "the disk is full", "Free some space")


@pytest.fixture
def store(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "store.db")


@asynccontextmanager
async def grouped(store: Watched, durable: bool) -> AsyncIterator[Grouped]:
    front = Grouped(store, durable=durable)
    try:
        yield front
    finally:
        store.gate.set()
        store.fails = None
        await front.close()


async def until(met: Any) -> None:
    """Wait for something that has to happen soon."""
    async with asyncio.timeout(10):
        while not met():
            await asyncio.sleep(0.002)


def waited(front: Grouped, entry: bytes) -> asyncio.Future[None]:
    """Record an entry that somebody waits for."""
    awaitable = front.record(entry)
    assert isinstance(awaitable, asyncio.Future)
    return awaitable


def test_entries_are_on_the_disk_when_waited_for(store: Watched) -> None:
    async def main() -> None:
        async with grouped(store, durable=True) as front:
            await waited(front, b"one")
            assert store.journal() == [b"one"]

    asyncio.run(main())


def test_what_gathers_during_a_commit_is_one_commit(store: Watched) -> None:
    async def main() -> None:
        async with grouped(store, durable=True) as front:
            store.gate.clear()
            first = waited(front, b"first")
            await until(lambda: store.works)
            rest = [waited(front, b"%d" % i) for i in range(50)]
            told = asyncio.ensure_future(front.commit(Work(wants=[Want("a", 0, 10, 1, 4)])))
            await asyncio.sleep(0.02)
            assert not first.done()
            store.gate.set()
            await asyncio.gather(first, *rest)
            assert (await told).granted == (4,)
            assert [len(work.entries) for work in store.works] == [1, 50]
        assert store.journal() == [b"first", *(b"%d" % i for i in range(50))]

    asyncio.run(main())


def test_each_piece_of_work_gets_its_own_answer(store: Watched) -> None:
    def trial(value: bytes) -> Trial:
        return Trial(b"p", b"r", value, 1)

    async def main() -> None:
        async with grouped(store, durable=True) as front:
            done = await asyncio.gather(
                front.commit(Work([b"x"], [Want("a", 0, 10, 1, 7)])),
                front.commit(Work([], [], [trial(b"1"), trial(b"2")])),
                front.commit(Work()),
                front.commit(Work([b"y"], [Want("a", 0, 10, 1, 7)] * 2, [trial(b"1")])),
            )
            assert len(store.works) == 1
        assert list(done) == [
            Done((7,), ()), Done((), (True, False)), Done(), Done((3, 0), (True,)),
        ]  # fmt: skip

    asyncio.run(main())


def test_a_failure_reaches_everybody_and_the_next_commit_works(store: Watched) -> None:
    async def main() -> None:
        async with grouped(store, durable=True) as front:
            store.fails = FULL
            told = await asyncio.gather(
                waited(front, b"a"), front.commit(Work([b"b"])), return_exceptions=True
            )
            assert [type(error) for error in told] == [StoreError, StoreError]
            assert told[0] is not told[1]
            assert "the disk is full" in str(told[0])
            assert front.failed
            store.fails = None
            await waited(front, b"c")
            assert not front.failed
        assert store.journal() == [b"c"]

    asyncio.run(main())


@pytest.mark.parametrize("durable", [True, False])
def test_readiness_comes_back_without_anybody_asking(
    store: Watched, durable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "PROBE", 0.01)

    async def main() -> None:
        async with grouped(store, durable=durable) as front:
            store.fails = FULL
            with pytest.raises(StoreError):
                await front.commit(Work())
            await until(lambda: len(store.works) > 3)
            assert front.failed
            store.fails = None
            await until(lambda: not front.failed)

    asyncio.run(main())


def test_a_defect_of_the_store_fails_closed_and_tells_no_values(store: Watched) -> None:
    async def main() -> None:
        async with grouped(store, durable=True) as front:
            store.fails = ValueError("Xanthippe, 87654321")
            with pytest.raises(StoreError, match="ValueError at") as told:
                await waited(front, b"a")
            assert "Xanthippe" not in str(told.value)

    asyncio.run(main())


def test_who_goes_away_does_not_stop_the_others(store: Watched) -> None:
    async def main() -> None:
        async with grouped(store, durable=True) as front:
            store.gate.clear()
            gone, stays = waited(front, b"gone"), waited(front, b"stays")
            leaving = asyncio.ensure_future(front.commit(Work([b"work"])))
            await until(lambda: store.works)
            gone.cancel()
            leaving.cancel()
            store.gate.set()
            await stays
        assert store.journal() == [b"gone", b"stays", b"work"]

    asyncio.run(main())


def test_nobody_waits_in_the_other_mode_and_all_is_written_soon(store: Watched) -> None:
    async def main() -> None:
        async with grouped(store, durable=False) as front:
            for i in range(3):
                assert front.record(b"%d" % i) is None
            assert store.works == []
            await until(lambda: store.journal() == [b"0", b"1", b"2"])
            assert len(store.works) == 1
            front.record(b"3")
        assert store.journal() == [b"0", b"1", b"2", b"3"]  # close wrote the last one

    asyncio.run(main())


def test_no_more_than_the_bound_waits(store: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group, "BOUND", 100)

    async def main() -> None:
        async with grouped(store, durable=False) as front:
            store.gate.clear()
            for _ in range(60):
                front.record(b"x")
            await until(lambda: store.works)  # these 60 are under way and still can be lost
            for _ in range(40):
                front.record(b"x")
            with pytest.raises(StoreError, match="does not keep up"):
                front.record(b"x")
            store.gate.set()
            await until(lambda: len(store.journal()) == 100)
            assert front.record(b"x") is None

    asyncio.run(main())


def test_what_cannot_be_written_in_a_second_stops_the_recording(
    store: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "OVERDUE", 0.1)

    async def main() -> None:
        async with grouped(store, durable=False) as front:
            store.fails = FULL
            front.record(b"kept")
            await until(lambda: front.failed)
            front.record(b"kept too")  # a failure alone stops nothing yet
            await asyncio.sleep(0.3)
            with pytest.raises(StoreError):
                front.record(b"refused")
            store.fails = None
            await until(lambda: not front.failed)
            front.record(b"taken again")
        assert store.journal() == [b"kept", b"kept too", b"taken again"]

    asyncio.run(main())


def test_a_store_that_hangs_stops_the_recording(
    store: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "OVERDUE", 0.1)

    async def main() -> None:
        async with grouped(store, durable=False) as front:
            store.gate.clear()
            front.record(b"x")
            await asyncio.sleep(0.3)
            assert front.failed
            with pytest.raises(StoreError):
                front.record(b"x")

    asyncio.run(main())


def test_close_says_what_is_lost(store: Watched) -> None:
    async def main() -> None:
        front = Grouped(store, durable=False)
        front.record(b"x")
        store.fails = FULL
        with pytest.raises(StoreError, match="the disk is full"):
            await front.close()
        await front.close()
        with pytest.raises(StoreError, match="closed"):
            front.record(b"x")
        with pytest.raises(StoreError, match="closed"):
            await front.commit(Work())
        with pytest.raises(StoreError, match="closed"):
            await front.call(store.head)
        assert front.failed

    asyncio.run(main())


def test_calls_run_in_the_thread_and_tell_their_error(store: Watched) -> None:
    async def main() -> None:
        async with grouped(store, durable=True) as front:
            assert await front.call(store.used, "a", 0) == 0
            name = await front.call(lambda: threading.current_thread().name)
            assert name == "reticent-store"
            with pytest.raises(KeyError):
                await front.call(dict[str, int]().__getitem__, "x")
            assert not front.failed
            store.path.unlink()
            with pytest.raises(StoreError, match="taken away"):
                await front.call(store.version)
            assert front.failed
            assert await front.call(store.version) == 0
            assert not front.failed

    asyncio.run(main())

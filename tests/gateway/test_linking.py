"""Accounts that share a sweep are named while the gateway serves, and nobody waits for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from reticent.contract import Contract
from reticent.event import Alert
from reticent.gateway import worker as module
from reticent.gateway.linking import Linking
from reticent.monitor.index import Account, Cursor
from reticent.monitor.shared import CURSOR, KIND, Linker
from reticent.monitor.standing import standing
from reticent.store import Store
from reticent.stores.sqlite import Sqlite
from stored import MemoryStore

from .running import Running, run, running

HONEST, ACCOUNTS, EACH = 24, 6, 12


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINK", 0.05)


def swept() -> Iterator[tuple[int, tuple[float, ...]]]:
    """A sweep of both values, each query by the next account but one."""
    for person in range(ACCOUNTS * EACH // 2):
        for value in (0, 1):
            yield (person + value) % ACCOUNTS, (20.0 + person, 12.0, value)


async def looked_up(gateway: Running) -> None:
    for account in range(HONEST):
        key = gateway.key("partner", owner=f"honest-{account}")
        rows = [(20.0 + r, 100.0 + account, (r + account) % 2) for r in range(6)]
        heard = await gateway.ask("partner", *rows, key=key)
        assert heard.status == 200


def alerts(store: Store) -> list[Alert]:
    return [msgspec.msgpack.decode(note.content, type=Alert) for note in store.notes("alert")]


async def until(gateway: Running, entries: int) -> None:
    """Wait until the journal was folded so far, and what came of it was written down."""
    store = gateway.worker.store
    for _ in range(200):
        note = store.note(*CURSOR)
        if note and msgspec.msgpack.decode(note.content, type=Cursor).next >= entries:
            await asyncio.sleep(0.3)
            return
        await asyncio.sleep(0.05)
    raise AssertionError("the journal was not folded")


def test_accounts_that_share_a_sweep_are_named_and_answered_as_before(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as gateway:
            await looked_up(gateway)
            keys = [gateway.key("partner", owner=f"account-{one}") for one in range(ACCOUNTS)]
            heard = [
                await gateway.ask("partner", row, key=keys[account]) for account, row in swept()
            ]
            await until(gateway, HONEST + len(heard))
            found = [one for one in alerts(gateway.worker.store) if one.detector == "linked"]
            named = {token for one in found for token in (one.caller, *one.others)}
            assert len(named) == ACCOUNTS
            assert {one.role for one in found} == {"partner"}
            assert all(one.id and one.source for one in found)
            again = [
                await gateway.ask("partner", row, key=keys[account]) for account, row in swept()
            ]
            assert [one.body for one in again] == [one.body for one in heard]
            assert all(standing(gateway.worker.store, one).rung == 0 for one in named)

    run(main())


def test_roles_that_may_analyze_are_not_linked(tmp_path: Path) -> None:
    roles = {
        "partner": Contract(output="scores"),
        "analyst": Contract(output="scores", permit=("what_if",), rows_per_day=10_000),
    }

    async def main() -> None:
        async with running(tmp_path, roles=roles) as gateway:
            await looked_up(gateway)
            keys = [gateway.key("analyst", owner=f"account-{one}") for one in range(ACCOUNTS)]
            asked = [await gateway.ask("analyst", row, key=keys[one]) for one, row in swept()]
            await until(gateway, HONEST + len(asked))
            assert [one for one in alerts(gateway.worker.store) if one.detector == "linked"] == []
            assert len(gateway.worker.store.notes(KIND)) == HONEST

    run(main())


def test_only_the_first_worker_links(tmp_path: Path) -> None:
    """A second worker of the same gateway leaves it to the first."""

    async def main() -> None:
        async with running(tmp_path) as gateway:
            plan, counters = gateway.worker.plan, gateway.worker.counters
            second = module.Worker(plan, counters, first=False)
            await second.start()
            assert second._linking is None
            assert gateway.worker._linking is not None
            await second.close()

    run(main())


def test_a_gateway_that_stops_finishes_what_it_was_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a round found while the gateway was told to stop is written down."""
    monkeypatch.setattr(module, "LINK", 60.0)
    quick = Linker.round

    def slow(self: Linker, now: float) -> list[Alert]:
        time.sleep(0.3)
        return quick(self, now)

    monkeypatch.setattr(Linker, "round", slow)

    async def main() -> None:
        async with running(tmp_path) as gateway:
            await looked_up(gateway)
            keys = [gateway.key("partner", owner=f"account-{one}") for one in range(ACCOUNTS)]
            for account, row in swept():
                await gateway.ask("partner", row, key=keys[account])
            linking = gateway.worker._linking
            assert linking is not None
            task = asyncio.create_task(linking.round())
            await asyncio.sleep(0.05)
            task.cancel()

        store = Sqlite(tmp_path / "store.db")
        accounts = [msgspec.msgpack.decode(one.content, type=Account) for one in store.notes(KIND)]
        claimed = sum(one.named > 0 for one in accounts)
        told = {
            t
            for one in alerts(store)
            if one.detector == "linked"
            for t in (one.caller, *one.others)
        }
        assert claimed == len(told) == ACCOUNTS
        store.close()

    run(main())


def test_a_store_that_is_away_is_said_once_and_read_on_later(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        store = MemoryStore()
        linking = Linking(store, (), lambda _: None)
        store.down = True
        await linking.round()
        await linking.round()
        store.down = False
        await linking.round()
        monkeypatch.setattr(Linker, "round", lambda *_: 1 / 0)
        await linking.round()  # a defect ends nothing
        await linking.close()
        await linking.round()

    run(main())
    said = capsys.readouterr().err
    assert said.count("linking waits") == 2
    assert "it is down" in said
    assert "ZeroDivisionError" in said

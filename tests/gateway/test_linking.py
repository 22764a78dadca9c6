"""Accounts that share a sweep are named while the gateway serves, and nobody waits for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec
import pytest

from monitor.simulate.worlds import register
from monitor.sweepers import event
from monitor.sweepers import token as token_of
from reticent.contract import Contract
from reticent.event import Alert
from reticent.gateway import worker as module
from reticent.gateway.alarms import Alarms
from reticent.gateway.counters import Counters
from reticent.gateway.linking import Linking
from reticent.monitor.alerts.settings import Sink
from reticent.monitor.detect import detect
from reticent.monitor.detect import event as recorded_event
from reticent.monitor.index import Account, Cursor
from reticent.monitor.settings import Monitor
from reticent.monitor.shared import CURSOR, KIND, Linker
from reticent.monitor.simulate.run import simulate
from reticent.monitor.sketch import Sketcher
from reticent.monitor.standing import Standings, standing
from reticent.monitor.trace import Session
from reticent.monitor.watch import Watch
from reticent.store import Note, Sighting, Store, Work
from reticent.stores.sqlite import Sqlite
from stored import MemoryStore

from .running import Running, run, running

HONEST, ACCOUNTS, EACH = 24, 6, 12
SINKS = {"siem": Sink(kind="file", path="alerts.jsonl")}


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
            assert gateway.worker.counters.total("alerts") == len(found)
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


@pytest.mark.parametrize("name", ["collude_10", "collude_100"])
def test_the_gateway_names_whom_a_recorded_trace_of_the_same_would(name: str) -> None:
    """One made-up trace: shown whole to ``reticent detect``, and row by row to the gateway."""
    people = register()
    trace = simulate(people, 5, 60, 1, ["lookups", "clinic_days", name])
    groups = [["gene"]]
    sketcher = Sketcher(bytes(32), trace.sessions[0].rows.names, groups)
    watch = Watch(Monitor(), None, len(groups), {})
    calm = simulate(people, 6, 60, 0, ["lookups", "clinic_days"]).sessions
    told = detect(trace.sessions, watch, sketcher, role="partner", honest=calm).alerts
    recorded = {alert.caller for _, alert in told if alert.detector == "linked"}
    store, rows = MemoryStore(), []
    for one in trace.sessions:
        assert one.at is not None
        for place, at in enumerate(one.at.tolist()):
            cut = slice(place, place + 1)
            rows.append((at, Session(one.caller, one.rows.take(cut), at=one.at[cut])))
    for _, row in sorted(rows, key=lambda pair: pair[0]):
        store.commit(Work([msgspec.msgpack.encode(recorded_event(row, sketcher, "partner"))]))

    async def main() -> None:
        alarms = Alarms(Standings(), Monitor(), {}, Counters(["partner"]))
        linking = Linking(store, (), alarms.save, lambda _: None)
        while alerts(store) == [] or left(store):
            await linking.round()
        await linking.close()

    run(main())
    live = {who for one in alerts(store) if one.detector == "linked"
            for who in (one.caller, *one.others)}  # fmt: skip
    assert live == recorded
    assert len(live) >= 8


def left(store: Store) -> int:
    """Entries of the journal that were not folded."""
    note = store.note(*CURSOR)
    done = 0 if note is None else msgspec.msgpack.decode(note.content, type=Cursor).next
    return store.head().count - done


class Crash(BaseException):
    """The process ends here."""


class Mortal(MemoryStore):
    """Dies at one of its writes, before or after it is carried out."""

    def __init__(self, at: int, after: bool) -> None:
        super().__init__()
        self.left, self.after = at, after

    def write(self, notes: Sequence[Note], sightings: Sequence[Sighting] = ()) -> bool:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Crash
        done = super().write(notes, sightings)
        if self.left == 0:
            raise Crash
        return done


def worked(store: Store) -> None:
    """One process: it folds the journal and names who stands out."""
    monitor = Monitor(respond=("coarsen",))
    alarms = Alarms(Standings(), monitor, SINKS, Counters(["partner"]))
    linker = Linker(store, save=partial(alarms.save, store))
    for place in range(4):
        linker.round(50_000.0 + place)


@pytest.mark.parametrize("after", [False, True])
def test_a_crash_at_any_write_loses_no_alert_and_doubles_none(after: bool) -> None:
    """Two linked accounts and a slow one; the process dies at each of its writes in turn."""
    slow = [(float(p + v * 2_000), "slow", 500 + p, v) for v in (0, 1) for p in range(20)]
    linked = [(9_000.0, f"a{(p + v) % 2}", p, v) for p in range(20) for v in (0, 1)]
    honest = [(9_000.0, f"h{p // 9}", 1_000 + p, 0) for p in range(90)]
    at, died = 1, True
    while died:
        store, died = Mortal(at, after), False
        for when, who, record, value in [*slow, *linked, *honest]:
            store.commit(Work([msgspec.msgpack.encode(event(who, [(record, value)], when))]))
        try:
            worked(store)
        except Crash:
            died = True
            worked(store)
        found = {one.detector: one for one in alerts(store)}
        assert sorted(one.detector for one in alerts(store)) == ["linked", "sweep"]
        assert {token_of(who) for who in ("a0", "a1")} == {
            found["linked"].caller,
            *found["linked"].others,
        }
        waiting = {note.key.decode() for note in store.notes("outbox/siem")}
        assert waiting == {one.id for one in found.values()}
        assert [standing(store, one.caller).alerts for one in found.values()] == [1, 1]
        assert standing(store, token_of("slow")).state == "coarse"
        at += 1
    assert at > 4


def test_a_store_that_is_away_is_said_once_and_read_on_later(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        store = MemoryStore()
        linking = Linking(store, (), lambda *_: False, lambda _: None)
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

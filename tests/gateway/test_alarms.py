"""Alerts on their way: written once, sent, counted, and in nobody's way."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from reticent.errors import StoreError
from reticent.event import Alert
from reticent.gateway import alarms
from reticent.gateway.alarms import Alarms
from reticent.gateway.counters import Counters
from reticent.monitor.alerts import opened
from reticent.monitor.alerts.settings import Sink
from reticent.monitor.settings import Monitor
from reticent.monitor.standing import KIND, Standings, standing
from reticent.store import Done, Note, Store, Work
from reticent.stores.group import Grouped
from reticent.stores.sqlite import Sqlite
from stored import MemoryStore

from .alarmed import Trigger, stands, until
from .running import run, running

ANN, BOB = b"a" * 16, b"b" * 16
ROW = (30.0, 10.0, 0)
SINKS = {"siem": Sink(kind="file", path="alerts.jsonl")}
ALERT = Alert(caller=ANN, query=3, detector="sweep", reason="two values", promise="1 %", at=100.0,
              role="partner", evidence={"evidence": 1.2})  # fmt: skip


class Desk:
    """Alarms with a store in memory."""

    def __init__(self, store: Store, respond: Sequence[str] = ("alert", "coarsen")) -> None:
        self.store, self.counters = store, Counters(["partner"])
        self.standings = Standings()
        monitor = Monitor(respond=tuple(respond))  # type: ignore[arg-type]
        self.alarms = Alarms(self.standings, monitor, SINKS, self.counters)
        self.beside = Grouped(store, durable=True)

    def start(self) -> asyncio.Task[None]:
        return asyncio.create_task(self.alarms.run(self.beside, self.store))

    async def finish(self) -> None:
        await self.alarms.finish(self.beside, self.store)

    def alerts(self) -> list[Alert]:
        read = msgspec.msgpack.Decoder(Alert).decode
        return [read(note.content) for note in self.store.notes("alert")]

    def waiting(self) -> list[str]:
        return [note.key.decode() for note in self.store.notes("outbox/siem")]


def at_desk(main: Callable[[Desk], Any], store: Store | None = None, **how: Any) -> Desk:
    async def whole() -> Desk:
        desk = Desk(store or MemoryStore(), **how)
        await main(desk)
        return desk

    return asyncio.run(whole())


def test_an_alert_is_written_with_what_waits_to_be_sent_and_how_its_caller_stands() -> None:
    async def main(desk: Desk) -> None:
        desk.alarms.raised(ALERT)
        desk.alarms.raised(replace(ALERT, detector="spread", at=101.0))
        await desk.finish()

    desk = at_desk(main)
    first, second = desk.alerts()
    assert len({first.id, second.id, ""}) == 3
    assert replace(first, id="") == ALERT
    assert desk.waiting() == [first.id, second.id]
    found = standing(desk.store, ANN)
    assert (found.alerts, found.rung, found.state, found.role) == (2, 2, "coarse", "partner")
    assert desk.standings.of(ANN) == found
    assert desk.counters.total("alerts") == 2


def test_the_same_alert_within_ten_minutes_is_one_with_a_count_and_climbs_all_the_same() -> None:
    async def main(desk: Desk) -> None:
        for at in (100.0, 200.0, 300.0):
            desk.alarms.raised(replace(ALERT, at=at))
        desk.alarms.raised(replace(ALERT, at=150.0, caller=BOB))
        desk.alarms.raised(replace(ALERT, at=5_000.0))
        await desk.finish()

    desk = at_desk(main)
    counts = [(one.caller, one.at, one.evidence.get("count", 1)) for one in desk.alerts()]
    assert counts == [(ANN, 100.0, 3), (BOB, 150.0, 1), (ANN, 5_000.0, 1)]
    assert len(desk.waiting()) == 3
    assert (standing(desk.store, ANN).alerts, standing(desk.store, ANN).rung) == (4, 4)


def test_an_erased_alert_is_not_written_anew() -> None:
    async def main(desk: Desk) -> None:
        desk.alarms.raised(ALERT)
        await desk.finish()
        desk.store.drop("alert", [one.id.encode() for one in desk.alerts()])
        desk.alarms.raised(replace(ALERT, at=101.0))
        await desk.finish()

    desk = at_desk(main)
    assert [(one.at, one.evidence.get("count")) for one in desk.alerts()] == [(101.0, None)]


def test_what_an_alarm_changes_is_in_force_before_it_is_written() -> None:
    async def main(desk: Desk) -> None:
        desk.alarms.raised(ALERT)
        found = desk.standings.of(ANN)
        assert found is not None
        assert found.state == "coarse"
        assert desk.store.notes(KIND) == []
        await desk.finish()

    at_desk(main, respond=["coarsen"])


def test_a_store_that_is_away_loses_no_alert(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(alarms, "RETRY", 0.01)

    async def main(desk: Desk) -> None:
        store = desk.store
        assert isinstance(store, MemoryStore)
        store.down = True
        task = desk.start()
        for place in range(5):
            desk.alarms.raised(replace(ALERT, detector=f"detector {place}"))
        await asyncio.sleep(0.1)
        store.down = False
        await until(lambda: len(desk.alerts()) == 5)
        task.cancel()

    desk = at_desk(main)
    assert [one.detector for one in desk.alerts()] == [f"detector {place}" for place in range(5)]
    assert standing(desk.store, ANN).alerts == 5
    told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert {one["event"] for one in told} == {"alerts wait"}


class Forgetful(MemoryStore):
    """Says that a write failed, though it was carried out."""

    broken = 1

    def write(self, notes: Sequence[Note], sightings: Sequence[Any] = ()) -> bool:
        done = super().write(notes, sightings)
        if self.broken:
            self.broken -= 1
            raise StoreError("the store", "the line broke", "Try again")
        return done


@pytest.mark.parametrize("before", [0, 1])
def test_an_alert_whose_writing_was_never_confirmed_counts_once(
    monkeypatch: pytest.MonkeyPatch, before: int
) -> None:
    monkeypatch.setattr(alarms, "RETRY", 0.01)

    async def main(desk: Desk) -> None:
        store = desk.store
        assert isinstance(store, Forgetful)
        task = desk.start()
        store.broken = 0
        for place in range(before):
            desk.alarms.raised(replace(ALERT, at=90.0 + place))
            await until(desk.alerts)
        store.broken = 1
        desk.alarms.raised(ALERT)
        await until(lambda: not desk.alarms._jobs)
        task.cancel()

    desk = at_desk(main, Forgetful())
    (alert,) = desk.alerts()
    assert alert.evidence.get("count", 1) == 1 + before
    assert len(desk.waiting()) == 1
    assert standing(desk.store, ANN).alerts == 1 + before


def test_what_still_waits_is_written_at_the_end_or_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def main(desk: Desk) -> None:
        for _ in range(3):
            desk.alarms.raised(ALERT)
        assert isinstance(desk.store, MemoryStore)
        desk.store.down = True
        await desk.finish()
        told = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
        assert [(one["event"], one["waiting"]) for one in told][-1] == ("alerts lost", 3)
        desk.store.down = False
        await desk.finish()

    assert at_desk(main).alerts()[0].evidence["count"] == 3


def test_memory_is_bounded_and_what_is_lost_is_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(alarms, "MOST", 10)
    monkeypatch.setattr(alarms, "LATELY", 5)

    async def main(desk: Desk) -> None:
        for place in range(25):
            desk.alarms.raised(replace(ALERT, caller=place.to_bytes(16)))
        await desk.finish()
        assert len(desk.alarms._lately) == 5

    desk = at_desk(main)
    assert len(desk.alerts()) == 10
    assert (desk.counters.total("alerts"), desk.counters.total("alerts_lost")) == (25, 15)
    assert len(capsys.readouterr().err.splitlines()) == 1  # not a line for each


def test_an_alert_of_any_size_fits_into_a_note() -> None:
    others = tuple(place.to_bytes(16) for place in range(50_000))

    async def main(desk: Desk) -> None:
        for turn in range(3):
            named = tuple(bytes([turn]) + one[1:] for one in others)
            desk.alarms.raised(replace(ALERT, reason="x" * 10**6, others=named))
        await desk.finish()

    desk = at_desk(main)
    assert len(desk.alerts()) == 1
    assert all(len(note.content) < 64 << 10 for note in desk.store.notes("alert"))


def test_an_alert_about_no_caller_is_kept_and_nobody_is_treated() -> None:
    async def main(desk: Desk) -> None:
        desk.alarms.raised(replace(ALERT, caller=b""))
        await desk.finish()

    desk = at_desk(main, respond=["freeze"])
    assert len(desk.alerts()) == 1
    assert desk.store.notes(KIND) == []


def test_a_defect_costs_one_alert_and_not_the_next(capsys: pytest.CaptureFixture[str]) -> None:
    class Odd(MemoryStore):
        first = True

        def note(self, kind: str, key: bytes) -> Note | None:
            if self.first:
                self.first = False
                raise ZeroDivisionError("a value of somebody")
            return super().note(kind, key)

    async def main(desk: Desk) -> None:
        desk.alarms.raised(ALERT)
        desk.alarms.raised(replace(ALERT, detector="spread"))
        await desk.finish()

    desk = at_desk(main, Odd())
    assert [one.detector for one in desk.alerts()] == ["spread"]
    assert "somebody" not in capsys.readouterr().err


def test_no_answer_waits_for_an_alert(tmp_path: Path) -> None:
    """The store that alerts are written to stands still, and everybody is answered."""
    free = threading.Event()

    class Stuck(Sqlite):
        def write(self, notes: Sequence[Note], sightings: Sequence[Any] = ()) -> bool:
            free.wait(10)
            return super().write(notes, sightings)

        def commit(self, work: Work) -> Done:
            assert threading.current_thread() is not threading.main_thread()
            return super().commit(work)

    async def main() -> None:
        async with running(tmp_path, lambda: Stuck(tmp_path / "store.db")) as gateway:
            trigger = Trigger(gateway)
            trigger.at_next = 1
            began = time.monotonic()
            for _ in range(5):
                assert (await gateway.ask("partner", ROW)).status == 200
            assert time.monotonic() - began < 2
            assert gateway.worker.store.notes("alert") == []
            free.set()
            await until(lambda: stands(gateway).alerts == 1)

    run(main())


def test_an_alarm_reaches_its_sink_and_the_end_of_a_gateway_loses_none(tmp_path: Path) -> None:
    def senders() -> Any:
        return {name: opened(one, tmp_path) for name, one in SINKS.items()}

    def lines() -> list[dict[str, Any]]:
        path = tmp_path / "alerts.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    async def main() -> None:
        async with running(tmp_path, sinks=SINKS, senders=senders) as gateway:
            trigger = Trigger(gateway)
            trigger.at_next = 1
            await gateway.ask("partner", ROW)
            await until(lines, 5)
            trigger.at_next = 1
            await gateway.ask("partner", ROW, key=gateway.key("partner", "other"))
        with closing(Sqlite(tmp_path / "store.db")) as store:
            assert len(store.notes("alert")) == 2
            told = len(lines())
            assert len(store.notes("outbox/siem")) == 2 - told

    run(main())

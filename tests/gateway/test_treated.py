"""What an alarm changes for its caller, what it changes for nobody, and how it ends."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from reticent.gateway import alarms
from reticent.gateway.erasing import erased
from reticent.gateway.guard import FROZEN
from reticent.monitor.settings import Monitor
from reticent.monitor.standing import KIND, freeze, read, release
from reticent.stores.sqlite import Sqlite

from .alarmed import ALL, Trigger, acts, stands, token, until
from .running import Running, run, running

ROW = (30.0, 10.0, 0)
ROWS = [(30.0 + place, 10.0, place % 2) for place in range(60)]
FREEZE = Monitor(respond=("freeze",))
ADMIN = b"k" * 16


def freezing(gateway: Running, owner: str = "partner") -> None:
    """Freeze somebody, as another process would."""
    with closing(Sqlite(gateway.worker.store.path)) as store:  # type: ignore[attr-defined]
        freeze(store, token(gateway, owner), by=ADMIN, reason="it sweeps", now=time.time())


def test_a_frozen_caller_is_told_nothing_and_others_are_answered(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as gateway:
            other = gateway.key("partner", "other")
            assert (await gateway.ask("partner", ROW)).status == 200
            freezing(gateway)
            await until(lambda: gateway.worker.guard.standings.of(token(gateway)))
            key = gateway.keys["partner"]
            headers = [(b"authorization", b"Bearer " + key.encode())]
            told = [
                await gateway.ask("partner", ROW),
                await gateway.post(b"no json", key),
                await gateway.send("GET", "/v2/models/survey", headers=headers),
            ]
            assert {(one.status, one.error) for one in told} == {(403, FROZEN)}
            assert (await gateway.ask("partner", ROW, key=other)).status == 200
            assert (await gateway.ask("partner", ROW, key=gateway.key("partner"))).status == 403
            await gateway.worker.group.flush()
            assert acts(gateway.worker.store)[0].done == "freeze"

    run(main())


def test_a_freeze_is_in_force_on_every_replica_within_a_second(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as one, running(tmp_path) as two:
            two.keys["partner"] = one.keys["partner"] = one.key("partner")
            assert {(await each.ask("partner", ROW)).status for each in (one, two)} == {200}
            freezing(one)
            began = time.monotonic()
            for each in (one, two):
                while (await each.ask("partner", ROW)).status == 200:
                    assert time.monotonic() - began < 1
                    await asyncio.sleep(0.01)
            with closing(Sqlite(tmp_path / "store.db")) as store:
                release(store, token(one), by=ADMIN, reason="a study", now=time.time())
            began = time.monotonic()
            for each in (one, two):
                while (await each.ask("partner", ROW)).status == 403:
                    assert time.monotonic() - began < 1
                    await asyncio.sleep(0.01)

    run(main())


def test_a_restart_keeps_a_caller_frozen(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as gateway:
            key = gateway.key("partner")
            freezing(gateway)
        async with running(tmp_path) as gateway:
            assert (await gateway.ask("partner", ROW, key=key)).status == 403

    run(main())


def test_a_start_learns_however_many_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reticent.monitor import standing

    monkeypatch.setattr(standing, "PORTION", 3)

    async def main() -> None:
        async with running(tmp_path) as gateway:
            key = gateway.key("partner")
            with closing(Sqlite(tmp_path / "store.db")) as store:
                for place in range(10):
                    freeze(store, bytes([place]) * 16, by=b"", reason="why", now=1.0)
            freezing(gateway)
        async with running(tmp_path) as gateway:
            assert (await gateway.ask("partner", ROW, key=key)).status == 403
            known = gateway.worker.guard.standings
            assert all(known.of(bytes([place]) * 16) for place in range(10))

    run(main())


def test_nobody_is_let_in_while_nobody_can_say_who_is_frozen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reticent.errors import StoreError

    def away(*given: object) -> Any:
        raise StoreError("the store", "it is away", "Wait")

    async def main() -> None:
        async with running(tmp_path) as gateway:
            assert (await gateway.ask("partner", ROW)).status == 200
            monkeypatch.setattr(gateway.worker.store, "notes", away)
            await asyncio.sleep(1.2)
            assert (await gateway.ask("partner", ROW)).status == 503
            monkeypatch.undo()
            await asyncio.sleep(0.5)
            assert (await gateway.ask("partner", ROW)).status == 200

    run(main())


# Who never climbs -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["linked", "auditor"])
def test_linked_accounts_and_auditors_are_answered_as_before(tmp_path: Path, kind: str) -> None:
    async def main() -> None:
        async with running(tmp_path, monitor=FREEZE) as gateway:
            trigger = Trigger(gateway)
            setattr(trigger, kind, True)
            first = await gateway.ask("partner", *ROWS)
            for _ in range(3):
                trigger.at_next = 3
                assert (await gateway.ask("partner", *ROWS)).body == first.body
            await until(lambda: stands(gateway).alerts == 9)
            found = stands(gateway)
            assert (found.state, found.fuse, found.rung) == ("free", None, 0)
            assert gateway.worker.counters.total("alerts") == 9
            assert acts(gateway.worker.store) == []

    run(main())


def test_the_whole_ladder_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms, "drawn", lambda: 1)

    async def main() -> None:
        monitor = Monitor(respond=ALL, max_delay=0.05)  # type: ignore[arg-type]
        async with running(tmp_path, monitor=monitor) as gateway:
            trigger, states = Trigger(gateway), []
            for _ in range(4):
                trigger.at_next = 1
                assert (await gateway.ask("partner", ROW)).status == 200
                found = gateway.worker.guard.standings.of(token(gateway))
                states.append("free" if found is None else found.state)
            assert states == ["free", "coarse", "slow", "slow"]
            assert (await gateway.ask("partner", ROW)).status == 200
            assert (await gateway.ask("partner", ROW)).status == 403
            await until(lambda: stands(gateway).state == "frozen")
            store = gateway.worker.store
            assert [act.done for act in acts(store)] == ["coarsen", "delay", "freeze"]
            worker = gateway.worker
            await worker.aside(release, token(gateway), by=ADMIN, reason="a study",
                               now=time.time())  # fmt: skip
            await until(lambda: worker.guard.standings.of(token(gateway)) is None)
            told = await gateway.ask("partner", ROW)
            assert told.output("scores") == pytest.approx([0.75, 0.25])
            trigger.at_next = 1
            await gateway.ask("partner", ROW)
            await until(lambda: stands(gateway).rung == 1)  # from the first rung again
            assert stands(gateway).state == "free"

    run(main())


def test_nothing_is_kept_of_callers_who_raise_no_alarm(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, monitor=FREEZE) as gateway:
            for place in range(5):
                await gateway.ask("partner", ROW, key=gateway.key("partner", f"caller {place}"))
            assert gateway.worker.store.notes(KIND) == []

    run(main())


def test_erasing_what_is_kept_of_a_caller_ends_no_freeze(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path, monitor=FREEZE) as gateway:
            trigger, other = Trigger(gateway), gateway.key("partner", "other")
            for key in (other, ""):
                trigger.at_next = 1
                assert (await gateway.ask("partner", ROW, key=key)).status == 200
            await until(lambda: stands(gateway, "other").alerts and stands(gateway).alerts)
            freezing(gateway)
            await gateway.worker.aside(release, token(gateway, "other"), by=ADMIN,
                                       reason="a study", now=time.time())  # fmt: skip
            now = time.time() + 1
            for caller in (token(gateway, "other"), token(gateway)):
                await gateway.worker.aside(erased, now, now, "asked for", caller)
            (note,) = gateway.worker.store.notes(KIND)
            left = read(note)
            assert (left.principal, left.state, left.alerts, left.role) == (
                token(gateway), "frozen", 0, "",
            )  # fmt: skip
            await asyncio.sleep(0.5)  # the next look
            assert (await gateway.ask("partner", ROW)).status == 403
            assert (await gateway.ask("partner", ROW, key=other)).status == 200

    run(main())


def test_retention_ends_no_freeze(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with running(tmp_path, monitor=FREEZE, retention_days=30) as gateway:
            Trigger(gateway).at_next = 1
            other = gateway.key("partner", "other")
            assert (await gateway.ask("partner", ROW, key=other)).status == 200
            assert (await gateway.ask("partner", ROW)).status == 200
            await until(lambda: stands(gateway, "other").alerts)
            freezing(gateway)
            await gateway.worker.aside(release, token(gateway, "other"), by=ADMIN,
                                       reason="a study", now=time.time())  # fmt: skip
            now = time.time()
            monkeypatch.setattr(time, "time", lambda: now + 31 * 86_400)
            await gateway.worker.sweep()
            monkeypatch.undo()
            kept = [note.key for note in gateway.worker.store.notes(KIND)]
            assert kept == [token(gateway)]

    run(main())

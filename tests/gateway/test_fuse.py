"""A freeze takes hold some rows after its alarm, so that nobody learns which query raised it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from reticent.event import Act
from reticent.gateway import alarms
from reticent.monitor.settings import Monitor

from .alarmed import Trigger, acts, stands, token, until
from .running import run, running

ROW = (30.0, 10.0, 0)
ROWS = [(30.0 + place, 10.0, place % 2) for place in range(60)]
FREEZE = Monitor(respond=("freeze",))


async def bodies(folder: Path, alarm: bool, sizes: list[int]) -> list[tuple[int, bytes]]:
    """Ask some batches in a gateway of its own; the alarm is raised by the first."""
    folder.mkdir()
    async with running(folder, monitor=FREEZE) as gateway:
        trigger = Trigger(gateway)
        trigger.at_next = int(alarm)
        told, start = [], 0
        for size in sizes:
            reply = await gateway.ask("partner", *ROWS[start : start + size])
            told.append((reply.status, reply.body))
            start += size
        return told


@pytest.mark.parametrize("sizes", [[1] * 12, [2, 2, 2, 2, 2], [1, 3, 4, 1], [1, 8, 1], [1, 7, 1]])
def test_the_rows_after_an_alarm_are_answered_as_if_there_were_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: list[int]
) -> None:
    """Byte for byte; then the freeze holds, and a batch beyond the fuse is refused whole."""
    monkeypatch.setattr(alarms, "drawn", lambda: 7)
    twin = asyncio.run(bodies(tmp_path / "twin", False, sizes))
    told = asyncio.run(bodies(tmp_path / "told", True, sizes))
    further, burning = 0, True
    for place, (one, other) in enumerate(zip(told, twin, strict=True)):
        if place:
            burning = burning and further + sizes[place] <= 7
            further += sizes[place] * burning
        assert (one == other) == burning
        assert one[0] == (200 if burning else 403)
    assert further <= 7


def test_the_fuse_is_random_and_at_most_thirty_rows(tmp_path: Path) -> None:
    async def main() -> None:
        found = []
        async with running(tmp_path, monitor=FREEZE) as gateway:
            trigger = Trigger(gateway)
            for place in range(12):
                key, count = gateway.key("partner", f"caller {place}"), -1
                trigger.at_next = 1
                while (await gateway.ask("partner", ROW, key=key)).status == 200:
                    count += 1
                found.append(count)
        assert 1 <= min(found) <= max(found) <= 30
        assert len(set(found)) > 3  # all alike in four values: (4/30)^12 and some, below 1e-8

    run(main())


def test_a_burnt_fuse_is_a_freeze_that_the_journal_tells_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarms, "drawn", lambda: 2)

    async def main() -> None:
        async with running(tmp_path, monitor=FREEZE) as gateway:
            Trigger(gateway).at_next = 1
            statuses = [(await gateway.ask("partner", ROW)).status for _ in range(5)]
            assert statuses == [200, 200, 200, 403, 403]
            await until(lambda: stands(gateway).state == "frozen")
            (act,) = acts(gateway.worker.store)
            assert act == Act(
                act.at, b"", token(gateway), "freeze", "sweep: two values of a record"
            )
            key = gateway.keys["partner"]
        async with running(tmp_path) as gateway:
            assert (await gateway.ask("partner", ROW, key=key)).status == 403

    run(main())


def test_two_replicas_burn_one_fuse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms, "drawn", lambda: 10)

    async def main() -> None:
        async with (
            running(tmp_path, monitor=FREEZE) as one,
            running(tmp_path, monitor=FREEZE) as two,
        ):
            two.keys["partner"] = one.keys["partner"] = one.key("partner")
            Trigger(one).at_next = 1
            assert (await one.ask("partner", ROW)).status == 200
            answered = 0
            for _ in range(10):
                await asyncio.sleep(0.3)  # what another replica learns within a second
                told = [(await each.ask("partner", ROW)).status for each in (one, two)]
                answered += told.count(200)
            assert 8 <= answered <= 11

    run(main())


def test_a_fuse_goes_on_burning_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alarms, "drawn", lambda: 5)

    async def main() -> None:
        async with running(tmp_path, monitor=FREEZE) as gateway:
            key = gateway.key("partner")
            Trigger(gateway).at_next = 1
            for _ in range(4):
                assert (await gateway.ask("partner", ROW, key=key)).status == 200
        async with running(tmp_path, monitor=FREEZE) as gateway:
            statuses = [(await gateway.ask("partner", ROW, key=key)).status for _ in range(4)]
            assert statuses == [200, 200, 403, 403]

    run(main())

"""What an alarm changes for its caller, what it changes for nobody, and how it ends."""

from __future__ import annotations

import asyncio
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reticent.contract import Contract, Noise
from reticent.dataset import Dataset
from reticent.event import Act
from reticent.gateway import alarms, guard
from reticent.gateway.guard import CROWDED, FROZEN
from reticent.monitor.settings import Monitor
from reticent.monitor.standing import KIND, freeze, release
from reticent.stores.sqlite import Sqlite
from reticent.target import Answer, Reveals
from reticent.targets.card import Card

from .alarmed import ALL, Trigger, acts, stands, token, until
from .running import CARD, COLUMNS, Formula, Running, run, running

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


# The fuse ---------------------------------------------------------------------------------------


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


# Coarser and later ------------------------------------------------------------------------------


class Deep(Formula):
    """The same model with an embedding."""

    reveals = Formula.reveals | Reveals.VECTOR

    def ask(self, rows: Dataset) -> Answer:
        told = super().ask(rows)
        vector = np.column_stack([rows[name] for name in COLUMNS])
        return Answer(told.label, told.scores, None, vector)


ROLES = {
    "label": Contract(output="label"),
    "top": Contract(output="top_k", top_k=2),
    "noisy": Contract(output="scores", noise=Noise(0.2), decimals=2),
    "bands": Contract(output="scores", bands=(0.2, 0.5, 0.8)),
    "vector": Contract(output="vector"),
}


@pytest.mark.parametrize("role", list(ROLES))
def test_coarser_answers_keep_their_form(tmp_path: Path, role: str) -> None:
    async def main() -> None:
        card = Card(**{**{name: getattr(CARD, name) for name in CARD.__struct_fields__},
                       "vector": 3})  # fmt: skip
        async with running(tmp_path, roles=ROLES, target=Deep(), card=card,
                           monitor=Monitor(respond=("coarsen",))) as gateway:  # fmt: skip
            trigger = Trigger(gateway)
            before = await gateway.ask(role, *ROWS[:4])
            trigger.at_next = 1
            assert (await gateway.ask(role, *ROWS[:4])).body == before.body  # raises the alarm
            after = await gateway.ask(role, *ROWS[:4])
            assert after.status == 200
            shapes = [
                [(one["name"], one["shape"], one["datatype"]) for one in told.json["outputs"]]
                for told in (before, after)
            ]
            assert shapes[0] == shapes[1]
            labels = before.output("label")
            if role == "top":
                assert after.output("label")[::2] == labels[::2]
            else:
                assert after.output("label") == labels
            if role == "label":
                assert after.body == before.body
            else:
                assert set(after.output("scores")) <= {0.0, 0.5}
            if role == "vector":
                assert set(after.output("vector")) == {None}
            headers = [(b"authorization", b"Bearer " + gateway.keys[role].encode())]
            shown = await gateway.send("GET", "/v2/models/survey", headers=headers)
            assert [one["name"] for one in shown.json["outputs"]] == [one[0] for one in shapes[0]]

    run(main())


def test_a_coarse_caller_learns_no_order_among_the_other_classes(tmp_path: Path) -> None:
    class Three(Formula):
        def __init__(self) -> None:
            super().__init__()
            self.classes = np.array(["good", "fair", "poor"], dtype=object)

        def ask(self, rows: Dataset) -> Answer:
            first = np.where(rows["affairs"] == 1, 0.3, 0.1)
            scores = np.column_stack([first, 0.4 - first, np.full(len(rows), 0.6)])
            return Answer(scores.argmax(axis=1), scores)

    async def main() -> None:
        card = Card(model="0" * 64, name="survey", columns=COLUMNS, label="rate",
                    classes=("good", "fair", "poor"),
                    kinds=("number", "number", "integer"))  # fmt: skip
        roles = {"top": Contract(output="top_k", top_k=3)}
        async with running(tmp_path, roles=roles, target=Three(), card=card,
                           monitor=Monitor(respond=("coarsen",))) as gateway:  # fmt: skip
            Trigger(gateway).at_next = 1
            first = [await gateway.ask("top", (30.0, 10.0, value)) for value in (1, 0)]
            assert first[0].output("label") != ["poor", "fair", "good"]
            told = {(await gateway.ask("top", (30.0, 10.0, value))).body for value in (1, 0)}
            assert len(told) == 1

    run(main())


def test_a_regressor_keeps_its_first_digit(tmp_path: Path) -> None:
    class Number(Formula):
        def __init__(self) -> None:
            super().__init__()
            self.classes = None

        def ask(self, rows: Dataset) -> Answer:
            return Answer(value=rows["age"] * 4.321)

    async def main() -> None:
        card = Card(model="0" * 64, name="survey", columns=COLUMNS, label="rate", classes=None,
                    kinds=("number", "number", "integer"))  # fmt: skip
        async with running(tmp_path, target=Number(), card=card,
                           monitor=Monitor(respond=("coarsen",))) as gateway:  # fmt: skip
            Trigger(gateway).at_next = 1
            values = [(await gateway.ask("partner", ROW)).output("value") for _ in range(2)]
            assert values == [[pytest.approx(129.63)], [100.0]]

    run(main())


def test_a_slow_caller_waits_and_nobody_else_does(tmp_path: Path) -> None:
    async def main() -> None:
        monitor = Monitor(respond=("alert", "delay"), max_delay=0.7)
        async with running(tmp_path, monitor=monitor) as gateway:
            other = gateway.key("partner", "other")
            trigger = Trigger(gateway)
            trigger.at_next = 2
            began = time.monotonic()
            assert (await gateway.ask("partner", ROW)).status == 200
            assert time.monotonic() - began < 0.3  # the query that raised it does not wait
            began = time.monotonic()
            slow = [asyncio.create_task(gateway.ask("partner", ROW)) for _ in range(100)]
            await asyncio.sleep(0)
            assert (await gateway.ask("partner", ROW, key=other)).status == 200
            assert time.monotonic() - began < 0.4
            assert {one.status for one in await asyncio.gather(*slow)} == {200}
            assert 0.5 <= time.monotonic() - began < 1.5  # all at once, in no worker's thread
            assert gateway.worker.counters.total("delayed") == 0
            trigger.at_next = 3
            await gateway.ask("partner", ROW)
            began = time.monotonic()
            await gateway.ask("partner", ROW)
            assert 0.7 <= time.monotonic() - began < 1.2  # no longer than the longest

    run(main())


def test_only_so_many_replies_wait_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "WAITING", 5)

    async def main() -> None:
        async with running(tmp_path, monitor=Monitor(respond=("delay",))) as gateway:
            other = gateway.key("partner", "other")
            Trigger(gateway).at_next = 1
            await gateway.ask("partner", ROW)
            began = time.monotonic()
            waiting = [asyncio.create_task(gateway.ask("partner", ROW)) for _ in range(9)]
            await asyncio.sleep(0.2)
            late = await gateway.ask("partner", ROW)
            assert time.monotonic() - began < 0.45
            assert (late.status, late.error, late.headers["retry-after"]) == (429, CROWDED, "1")
            assert (await gateway.ask("partner", ROW, key=other)).status == 200
            told = sorted(one.status for one in await asyncio.gather(*waiting))
            assert told == [200] * 5 + [429] * 4
            assert (await gateway.ask("partner", ROW)).status == 200  # there is room again

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

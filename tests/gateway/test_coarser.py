"""Coarser answers in the same form, and later ones; nobody else notices."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import numpy as np
import pytest

from reticent.contract import Contract, Noise
from reticent.dataset import Dataset
from reticent.gateway import guard
from reticent.gateway.guard import CROWDED
from reticent.monitor.settings import Monitor
from reticent.target import Answer, Reveals
from reticent.targets.card import Card

from .alarmed import Trigger
from .running import CARD, COLUMNS, Formula, run, running

ROW = (30.0, 10.0, 0)
ROWS = [(30.0 + place, 10.0, place % 2) for place in range(60)]


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
            trigger = Trigger(gateway)
            trigger.at_next = 1
            await gateway.ask("partner", ROW)
            began = time.monotonic()
            waiting = [asyncio.create_task(gateway.ask("partner", ROW)) for _ in range(9)]
            await asyncio.sleep(0.2)
            late = await gateway.ask("partner", ROW)
            assert time.monotonic() - began < 0.45
            assert (late.status, late.error, late.headers["retry-after"]) == (429, CROWDED, "1")
            assert (trigger.seen[-1].status, trigger.seen[-1].rows) == (429, 0)  # nothing was spent
            assert (await gateway.ask("partner", ROW, key=other)).status == 200
            told = sorted(one.status for one in await asyncio.gather(*waiting))
            assert told == [200] * 5 + [429] * 4
            assert (await gateway.ask("partner", ROW)).status == 200  # there is room again

    run(main())

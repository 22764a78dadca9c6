"""The one function: who, may, spend, ask, record, watch, shape, reply."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from reticent.access.keys import revoke
from reticent.contract import Abstain, Contract, Noise
from reticent.dataset import Dataset
from reticent.errors import ModelError, StoreError
from reticent.event import QueryEvent
from reticent.gateway.guard import NOBODY
from reticent.gateway.journal import read
from reticent.store import Erased
from reticent.target import Answer

from .alive import Heard
from .running import Formula, Running, run, running

ROW = (30.0, 10.0, 0)
OTHER = (30.0, 10.0, 1)


def events(gateway: Running) -> list[QueryEvent]:
    found = [read(one) for block in gateway.worker.store.blocks() for one in block.entries
             if not isinstance(one, Erased)]  # fmt: skip
    return [one for one in found if isinstance(one, QueryEvent)]


def test_an_answer_is_the_models(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as gateway:
            told = await gateway.ask("partner", ROW, OTHER)
            assert told.status == 200
            assert told.output("label") == ["good", "poor"]
            assert told.output("scores") == pytest.approx([0.75, 0.25, 0.45, 0.55])

    run(main())


def test_no_key_that_is_not_known_is_told_apart(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as gateway:
            good = gateway.key("partner")
            expired = gateway.key("partner", "late", expires=time.time() + 0.05)
            await asyncio.sleep(0.06)
            gone = gateway.key("partner", "gone")
            record = gateway.worker.store.key(gone.split("_")[1])
            assert record is not None
            gateway.worker.store.save_key(revoke(record, time.time()))
            wrong = good[:-1] + ("A" if good[-1] != "A" else "B")
            answers = set()
            for key in (expired, gone, wrong, "rtc_aaaaaaaaaaaa_b", "nonsense", "", None):
                told = await gateway.post(b"{}", key)
                answers.add((told.status, told.body, tuple(told.headers.items())))
            assert len(answers) == 1
            status, body, _ = answers.pop()
            assert (status, json.loads(body)) == (401, {"error": NOBODY})
            assert (await gateway.ask("partner", ROW, key=good)).status == 200

    run(main())


def test_a_revoked_key_ends_within_a_second(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as gateway:
            key = gateway.key("partner")
            assert (await gateway.ask("partner", ROW, key=key)).status == 200
            record = gateway.worker.store.key(key.split("_")[1])
            assert record is not None
            gateway.worker.store.save_key(revoke(record, time.time()))
            began = time.monotonic()
            while (await gateway.ask("partner", ROW, key=key)).status == 200:
                assert time.monotonic() - began < 1
                await asyncio.sleep(0.02)

    run(main())


def test_every_query_is_recorded_without_a_value(tmp_path: Path) -> None:
    async def main() -> None:
        roles = {"partner": Contract(output="label", rows_per_day=3)}
        async with running(tmp_path, roles=roles) as gateway:
            await gateway.ask("partner", ROW, OTHER)
            await gateway.ask("partner", ROW, OTHER)
            await gateway.post(b"no json", gateway.keys["partner"])
            found = events(gateway)
            assert [(one.status, one.rows, one.answered) for one in found] == [
                (200, 2, 2), (429, 2, 0), (400, 0, 0),
            ]  # fmt: skip
            (first, no), (second, yes) = found[0].records("affairs")
            assert first == second
            assert no != yes
            assert found[0].principal == found[1].principal != b""
            raw = b"".join(bytes(one.sketches) for one in found)
            assert np.float64(30.0).tobytes() not in raw

    run(main())


def test_budgets_are_never_passed_and_a_batch_is_refused_whole(tmp_path: Path) -> None:
    async def main() -> None:
        roles = {"partner": Contract(output="label", rows_per_minute=10, rows_per_day=12)}
        async with running(tmp_path, roles=roles) as gateway:
            answered = 0
            for size in (4, 4, 4, 2, 1):
                told = await gateway.ask("partner", *[ROW] * size)
                answered += size * (told.status == 200)
                if told.status == 429:
                    assert 1 <= int(told.headers["retry-after"]) <= 60
            assert answered == 10  # the third batch of four was refused whole and cost nothing
            large = await gateway.ask("partner", *[ROW] * 11)
            assert large.status == 429
            assert "retry-after" not in large.headers  # it would never fit

    run(main())


def test_many_callers_at_once_share_a_role_budget(tmp_path: Path) -> None:
    async def main() -> None:
        roles = {"partner": Contract(output="label", role_rows_per_day=50)}
        async with running(tmp_path, roles=roles) as gateway:
            keys = [gateway.key("partner", f"caller {place}") for place in range(20)]
            told = await asyncio.gather(*(gateway.ask("partner", ROW, key=key) for key in keys * 5))
            assert sorted(one.status for one in told) == [200] * 50 + [429] * 50

    run(main())


def test_a_marginalized_column_changes_no_byte(tmp_path: Path) -> None:
    async def main() -> None:
        roles = {"partner": Contract(output="scores", marginalize=("affairs",),
                                     noise=Noise(0.1), decimals=3)}  # fmt: skip
        async with running(tmp_path, roles=roles) as gateway:
            told = [await gateway.ask("partner", row) for row in (ROW, OTHER, (30.0, 10.0, None))]
            assert len({one.body for one in told}) == 1
            jittered = await gateway.ask("partner", (30.2, 10.0, 0))
            assert jittered.output("scores") != pytest.approx(told[0].output("scores"), abs=1e-4)

    run(main())


def test_noise_is_the_same_for_every_caller_batch_and_role(tmp_path: Path) -> None:
    async def main() -> None:
        noisy = Contract(output="scores", marginalize=("affairs",), noise=Noise(0.1))
        roles = {"partner": noisy, "clinic": msgspec.structs.replace(noisy, rows_per_day=99)}
        async with running(tmp_path, roles=roles) as gateway:
            alone = (await gateway.ask("partner", ROW)).output("scores")
            batch = (await gateway.ask("clinic", (50.0, 1.0, 1), ROW)).output("scores")[2:]
            stranger = gateway.key("partner", "x")
            again = (await gateway.ask("partner", ROW, key=stranger)).output("scores")
            assert alone == batch == again
            assert alone != pytest.approx([0.6, 0.4])

    run(main())


@pytest.mark.parametrize("kind", ["FP64", "FP32"])
def test_noise_is_the_same_in_every_encoding(tmp_path: Path, kind: str) -> None:
    async def main() -> None:
        roles = {"partner": Contract(output="scores", noise=Noise(0.1))}
        async with running(tmp_path, roles=roles) as gateway:
            wanted = (await gateway.ask("partner", (30.0, 0.1, 1))).output("scores")
            one = {"name": "input", "shape": [1, 3], "datatype": kind, "data": [30.0, 0.1, 1]}
            body = json.dumps({"inputs": [one]}).encode()
            told = await gateway.post(body, gateway.keys["partner"])
            assert told.output("scores") == pytest.approx(wanted, abs=1e-6)

    run(main())


def test_values_per_record_answers_truly_and_then_on_average(tmp_path: Path) -> None:
    async def main() -> None:
        roles = {"partner": Contract(output="scores", marginalize=("affairs",),
                                     values_per_record=1)}  # fmt: skip
        async with running(tmp_path, roles=roles) as gateway:

            async def scores(row: tuple[float | None, ...], key: str = "") -> Any:
                return (await gateway.ask("partner", row, key=key)).output("scores")

            assert await scores(ROW) == pytest.approx([0.75, 0.25])
            assert await scores(OTHER) == pytest.approx([0.6, 0.4])  # the average
            assert await scores(ROW) == pytest.approx([0.75, 0.25])  # the first stays true
            assert await scores((30.0, 10.0, None)) == pytest.approx([0.6, 0.4])
            stranger = gateway.key("partner", "another")
            assert await scores(OTHER, stranger) == pytest.approx([0.45, 0.55])  # counts its own

    run(main())


def test_where_the_role_may_not_be_used_it_is_not(tmp_path: Path) -> None:
    async def main() -> None:
        roles = {"inside": Contract(output="label", internal_only=True),
                 "near": Contract(output="label", cidr=("192.0.2.0/24",)),
                 "mute": Contract(output="none")}  # fmt: skip
        async with running(tmp_path, roles=roles) as gateway:
            assert (await gateway.ask("inside", ROW)).status == 200
            assert (await gateway.ask("inside", ROW, peer="203.0.113.9")).status == 403
            assert (await gateway.ask("near", ROW)).status == 403
            assert (await gateway.ask("near", ROW, peer="192.0.2.77")).status == 200
            assert (await gateway.ask("mute", ROW)).status == 403

    run(main())


def test_a_high_risk_model_lets_only_internal_roles_in(tmp_path: Path) -> None:
    async def main() -> None:
        roles = {"inside": Contract(output="label", internal_only=True),
                 "open": Contract(output="label")}  # fmt: skip
        async with running(tmp_path, roles=roles, high_risk=True) as gateway:
            assert (await gateway.ask("inside", ROW)).status == 200
            assert (await gateway.ask("open", ROW)).status == 403

    run(main())


def test_refused_rows_cost_and_say_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        roles = {"partner": Contract(output="scores", abstain=Abstain(confidence=0.7),
                                     rows_per_day=3)}  # fmt: skip
        async with running(tmp_path, roles=roles) as gateway:
            told = await gateway.ask("partner", ROW, OTHER)
            assert told.output("answered") == [True, False]
            assert told.output("label") == ["good", ""]
            assert told.output("scores")[2:] == [None, None]
            assert (await gateway.ask("partner", ROW, ROW)).status == 429
            assert [(one.rows, one.answered) for one in events(gateway)] == [(2, 1), (2, 0)]

    run(main())


class Broken(Formula):
    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def ask(self, rows: Dataset) -> Answer:
        raise self.error


@pytest.mark.parametrize("costly", [False, True])
@pytest.mark.parametrize("error", [ModelError("an answer", "it raised", "Mend it"),
                                   ValueError("somebody's record")])  # fmt: skip
def test_a_model_that_fails_is_one_clear_error_and_is_recorded(
    tmp_path: Path, error: Exception, costly: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    async def main() -> None:
        async with running(tmp_path, target=Broken(error), costly=costly) as gateway:
            told = await gateway.ask("partner", ROW)
            assert (told.status, told.json) == (500, {"error": "the model could not answer"})
            assert [one.status for one in events(gateway)] == [500]
            assert "somebody" not in told.body.decode() + capsys.readouterr().err

    run(main())


def test_costly_models_are_asked_in_threads(tmp_path: Path) -> None:
    class Slow(Formula):
        def ask(self, rows: Dataset) -> Answer:
            time.sleep(0.2)
            return super().ask(rows)

    async def main() -> None:
        async with running(tmp_path, target=Slow(), costly=True) as gateway:
            began = time.monotonic()
            told = await asyncio.gather(*(gateway.ask("partner", ROW) for _ in range(40)))
            assert [one.status for one in told] == [200] * 40
            assert time.monotonic() - began < 1  # one after the other it would be 8

    run(main())


def test_no_record_no_reply(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with running(tmp_path) as gateway:
            assert (await gateway.ask("partner", ROW)).status == 200
            with sqlite3.connect(tmp_path / "store.db", timeout=0, isolation_level=None) as other:
                other.execute("DROP TABLE journal")
            told = await gateway.ask("partner", ROW)
            assert told.status == 503
            assert told.headers["retry-after"] == "1"
            assert "scores" not in told.body.decode()

    run(main())


def test_without_the_store_nobody_is_let_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> int:
        raise StoreError("the store", "it is away", "Wait")

    async def main() -> None:
        async with running(tmp_path) as gateway:
            assert (await gateway.send("GET", "/v2/health/ready")).status == 200
            key = gateway.key("partner")
            assert (await gateway.ask("partner", ROW, key=key)).status == 200
            monkeypatch.setattr(gateway.worker.store, "version", away)
            await asyncio.sleep(1.2)
            assert (await gateway.send("GET", "/v2/health/ready")).status == 503
            assert (await gateway.ask("partner", ROW, key=key)).status == 503
            monkeypatch.undo()
            await asyncio.sleep(0.5)
            assert (await gateway.ask("partner", ROW, key=key)).status == 200  # by itself

    run(main())


def told_of(told: Heard) -> set[str]:
    return {one["name"] for one in told.json["outputs"]}


@pytest.mark.parametrize(
    ("contract", "names"),
    [
        (Contract(output="label"), {"label"}),
        (Contract(output="top_k", top_k=1), {"label", "scores"}),
        (Contract(output="scores"), {"label", "scores"}),
        (Contract(output="label", abstain=Abstain(confidence=0.5)), {"label", "answered"}),
    ],
)
def test_no_field_outside_the_contract(tmp_path: Path, contract: Contract, names: set[str]) -> None:
    async def main() -> None:
        async with running(tmp_path, roles={"partner": contract}) as gateway:
            assert told_of(await gateway.ask("partner", ROW)) == names
            headers = [(b"authorization", b"Bearer " + gateway.keys["partner"].encode())]
            shown = (await gateway.send("GET", "/v2/models/survey", headers=headers)).json
            assert {one["name"] for one in shown["outputs"]} == names

    run(main())

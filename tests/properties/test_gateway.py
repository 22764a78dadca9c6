"""Laws of every answer that leaves the gateway, whoever asks, how, and in what company."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.alive import Heard
from gateway.running import COLUMNS, Running, running
from reticent.contract import Abstain, Contract, Noise

NOISE = Noise(0.2)
ROLES = {
    "noisy": Contract(output="scores", marginalize=("affairs",), noise=NOISE),
    "other": Contract(output="scores", marginalize=("affairs",), noise=NOISE, rows_per_day=10**9),
    "label": Contract(output="label"),
    "clear": Contract(output="scores"),
    "dark": Contract(output="scores", noise=NOISE),
    "top": Contract(output="top_k", top_k=1, noise=NOISE, marginalize=("affairs",)),
    "bands": Contract(output="scores", bands=(0.2, 0.5, 0.8), marginalize=("affairs",)),
    "shy": Contract(output="scores", abstain=Abstain(confidence=0.7), marginalize=("affairs",)),
}
FIELDS = {"label": {"label"}, "top": {"label", "scores"}, "shy": {"label", "scores", "answered"}}
HALVES = st.integers(0, 160).map(lambda number: number / 2)  # alike in 32 and 64 bits
ROW = st.tuples(HALVES, HALVES.map(lambda number: number / 4), st.integers(0, 1))
LAWS = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


class Desk:
    """A gateway that lives as long as the module, in a loop of its own."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self._context = running(folder, roles=ROLES)
        self.gateway: Running = self.loop.run_until_complete(self._context.__aenter__())

    def close(self) -> None:
        self.loop.run_until_complete(self._context.__aexit__(None, None, None))
        self.loop.close()

    def ask(self, role: str, *rows: tuple[float | None, ...], owner: str = "") -> Heard:
        key = self.gateway.key(role, owner) if owner else ""
        return self.loop.run_until_complete(self.gateway.ask(role, *rows, key=key))

    def send(self, role: str, inputs: list[dict[str, Any]]) -> Heard:
        self.ask(role, (0.0, 0.0, 0))  # its key is made at the first question
        body = json.dumps({"inputs": inputs}).encode()
        key = self.gateway.keys[role]
        return self.loop.run_until_complete(self.gateway.post(body, key))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    made = Desk(tmp_path_factory.mktemp("laws"))
    yield made
    made.close()


@LAWS
@given(st.lists(ROW, min_size=1, max_size=4), st.sampled_from(["noisy", "top", "bands", "shy"]))
def test_a_marginalized_column_changes_no_byte(
    desk: Desk, rows: list[tuple[float, ...]], role: str
) -> None:
    told = [desk.ask(role, *[(*row[:2], value) for row in rows]) for value in (0, 1, None)]
    assert {one.status for one in told} == {200}
    assert len({one.body for one in told}) == 1
    assert len({tuple(one.headers.items()) for one in told}) == 1


@LAWS
@given(ROW, st.lists(ROW, max_size=3), st.integers(0, 3))
def test_noise_is_one_for_every_batch_encoding_caller_and_role(
    desk: Desk, row: tuple[float, ...], company: list[tuple[float, ...]], place: int
) -> None:
    wanted = desk.ask("noisy", row).output("scores")
    place = min(place, len(company))
    batch = [*company[:place], row, *company[place:]]
    found = desk.ask("other", *batch).output("scores")[2 * place : 2 * place + 2]
    assert found == wanted
    assert desk.ask("noisy", row, owner="a stranger").output("scores") == wanted
    for kind in ("FP32", "FP64"):
        matrix = {"name": "input", "shape": [1, 3], "datatype": kind, "data": list(row)}
        assert desk.send("noisy", [matrix]).output("scores") == wanted
        one_by_one = [
            {"name": name, "shape": [1, 1], "datatype": kind, "data": [cell]}
            for name, cell in zip(COLUMNS, row, strict=True)
        ]
        assert desk.send("noisy", one_by_one[::-1]).output("scores") == wanted


@LAWS
@given(st.lists(ROW, min_size=1, max_size=4))
def test_noise_changes_no_label(desk: Desk, rows: list[tuple[float, ...]]) -> None:
    told = [desk.ask(role, *rows).output("label") for role in ("dark", "clear", "label")]
    assert told[0] == told[1] == told[2]
    scores = np.reshape(desk.ask("dark", *rows).output("scores"), (-1, 2))
    assert [("good", "poor")[place] for place in scores.argmax(axis=1)] == told[0]


@LAWS
@given(ROW, st.sampled_from(list(ROLES)))
def test_no_reply_holds_a_field_outside_the_contract(
    desk: Desk, row: tuple[float, ...], role: str
) -> None:
    told = desk.ask(role, row)
    wanted = FIELDS.get(role, {"label", "scores"})
    assert {one["name"] for one in told.json["outputs"]} == wanted
    assert set(told.json) == {"model_name", "model_version", "outputs"}
    assert set(told.headers) == {"content-type", "content-length"}


@LAWS
@given(st.binary(max_size=80), st.sampled_from(list(ROLES)))
def test_whatever_is_sent_an_error_tells_only_that(desk: Desk, body: bytes, role: str) -> None:
    desk.ask(role, (0.0, 0.0, 0))
    key = desk.gateway.keys[role]
    told = desk.loop.run_until_complete(desk.gateway.post(body, key))
    assert told.status == 400
    assert set(told.json) == {"error"}
    sent = base64.b64encode(body).decode()
    assert len(body) < 8 or sent not in told.body.decode()

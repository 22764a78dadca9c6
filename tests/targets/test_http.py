"""The client of a live endpoint: what it asks, what it understands, and what it does not retry."""

from __future__ import annotations

import json
import select
import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import numpy as np
import pytest

from people import GUEST_SCHEMA, Toy, guests, same
from reticent.contract import Abstain, Contract, Noise
from reticent.dataset import Dataset
from reticent.errors import ConfigError, ModelError
from reticent.randomness import generator
from reticent.target import Answer, Reveals, Target
from reticent.targets.contracted import behind
from reticent.targets.gate import fit_gate
from reticent.targets.http import Http, http
from reticent.targets.line import Line, place_of
from served import HANGS_UP, Canned, Served, metadata, serving

ROWS = guests(40, seed=1)
KINDS = {"dose": "INT64", "city": "BYTES", "gene": "BYTES"}
COLUMNS = ["age", "dose", "city", "gene"]
LABELS = np.array(["u", "v", "w"], dtype=object)
KEY = b"n" * 32
HONEST = guests(200, seed=2).replaced("y", np.array(["u", "v"] * 100, dtype=object))
GATE = fit_gate(HONEST, ["age", "dose", "city"], "y", 0.7, generator(0, "gate"))


def seen(tells: str, contract: Contract) -> Target:
    return behind(Toy(tells), contract, GUEST_SCHEMA, key=KEY, gate=GATE)


def toys(rows: Dataset) -> Answer:
    """What the toy says, without its vector: the server tells none."""
    told = Toy().ask(rows)
    return Answer(told.label, told.scores)


class Waits:
    """Keeps what it was told to wait, and does not."""

    def __init__(self) -> None:
        self.told: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.told.append(seconds)


def reached(served: Served, waits: Waits | None = None, **given: Any) -> Http:
    line = Line(place_of(served.url, "toy"), given.pop("key", None), sleep=waits or Waits())
    return http(served.url, COLUMNS, LABELS, line=line, **given)


# What is asked and understood ------------------------------------------------------------------

VIEWS: list[tuple[str, Contract]] = [
    ("scores", Contract(output="scores")),
    ("scores", Contract(output="scores", decimals=2, marginalize=("gene",))),
    ("scores", Contract(output="scores", bands=(0.3, 0.6), abstain=Abstain(honest=0.7))),
    ("scores", Contract(output="label", abstain=Abstain(confidence=0.5))),
    ("scores", Contract(output="top_k", top_k=2, noise=Noise(0.05), abstain=Abstain(honest=0.7))),
    ("scores", Contract(output="top_k", top_k=3)),
    ("label", Contract(output="label")),
    ("value", Contract(output="scores", abstain=Abstain(honest=0.7))),
    ("value", Contract(output="label", decimals=1)),
]


@pytest.mark.parametrize(("tells", "contract"), VIEWS)
def test_an_endpoint_answers_as_its_target_does(tells: str, contract: Contract) -> None:
    target = seen(tells, contract)
    with serving(target, metadata(target, KINDS, contract.top_k), top=contract.top_k) as served:
        live = reached(served, rows_per_minute=16)
        assert isinstance(live, Target)
        assert same(live.ask(ROWS), target.ask(ROWS))
        assert served.asked == [16, 16, 8], "no request is larger than the contract allows"
        assert live.reveals == target.reveals
        assert (live.classes is None) == (target.classes is None)
        assert live.classes is None or live.classes.tolist() == ["u", "v", "w"]
        nothing = live.ask(ROWS.take(slice(0, 0)))
        assert len(nothing) == 0
        assert (nothing.value is None) == (target.classes is not None)


def test_a_marginalized_column_is_sent_all_the_same_where_the_server_takes_it() -> None:
    # An auditor believes an endpoint that a column is averaged over when changing it changes
    # nothing; who leaves it out has not tried.
    target = seen("scores", Contract(output="scores", marginalize=("gene",)))
    about = metadata(target, KINDS)
    about["inputs"].append({"name": "gene", "datatype": "BYTES", "shape": [-1]})
    with serving(Toy(), about) as served:
        live = reached(served)
        assert live.columns == COLUMNS
        assert not live.ignores
        assert same(live.ask(ROWS), toys(ROWS))
    with serving(target, metadata(target, KINDS)) as served:
        assert reached(served).ignores == {"gene"}


def test_a_role_that_is_told_nothing_is_not_even_asked() -> None:
    target = seen("scores", Contract(output="none"))
    with serving(target, metadata(target, KINDS)) as served:
        live = reached(served)
        told = live.ask(ROWS)
        assert live.reveals == Reveals.ANY_ROW
        assert not served.asked
    assert told.answered is not None
    assert not told.answered.any()


class Sums:
    """A model of three numbers, by matrix: what most servers hold."""

    columns = ["a", "b", "c"]  # noqa: RUF012
    ignores: frozenset[str] = frozenset()
    classes = np.array([3, 5])
    reveals = Reveals.LABEL | Reveals.SCORES | Reveals.TOP_K | Reveals.ANY_ROW

    def ask(self, rows: Dataset) -> Answer:
        first = 1 / (1 + np.exp(rows["a"] - rows["b"] + rows["c"]))
        scores = np.column_stack([first, 1 - first])
        return Answer(scores.argmax(axis=1), scores)


def test_another_server_is_understood_by_shapes_and_types() -> None:
    about = {
        "inputs": [{"name": "input", "datatype": "FP64", "shape": [-1, 3]}],
        "outputs": [{"name": "label", "datatype": "INT64", "shape": [-1]},
                    {"name": "probabilities", "datatype": "FP32", "shape": [-1, 2]}],
    }  # fmt: skip
    rows = Dataset({n: np.linspace(-1, 1, 7) * place for place, n in enumerate("abc", 1)})

    class Renamed(Served):
        def reply(self, path: str, key: str | None, body: bytes) -> Canned:
            status, headers, answer = Served.reply(self, path, key, body)
            return status, headers, answer.replace(b'"scores"', b'"probabilities"')

    with serving(Sums(), about) as served:
        served.__class__ = Renamed
        line = Line(place_of(served.url, "toy"))
        live = http(served.url, ["a", "b", "c"], np.array([3, 5, 5, 3]), line=line)
        assert same(live.ask(rows), Sums().ask(rows))
        assert live.reveals == Sums.reveals


STRANGE: list[tuple[Callable[[dict[str, Any]], None], str]] = [
    (lambda about: about["inputs"][0].update(name="height"), "it wants height"),
    (lambda about: about.update(inputs=[]), "name no inputs"),
    (lambda about: about.update(outputs=[], platform="other"), "no output that can be read"),
    (lambda about: about.update(inputs="none"), "not Open Inference Protocol"),
]


@pytest.mark.parametrize(("change", "found"), STRANGE)
def test_a_server_of_another_model_is_refused(
    change: Callable[[dict[str, Any]], None], found: str
) -> None:
    about = metadata(Toy(), KINDS)
    change(about)
    with serving(Toy(), about) as served, pytest.raises(ModelError, match=found):
        reached(served)


def answering(*tensors: tuple[str, str, list[int], list[Any]]) -> bytes:
    keys = ("name", "datatype", "shape", "data")
    return json.dumps({"outputs": [dict(zip(keys, one, strict=True)) for one in tensors]}).encode()


RIGHT = ("scores", "FP64", [1, 3], [0.2, 0.3, 0.5])
WRONG: list[tuple[bytes, str]] = [
    (b"<html>", "not Open Inference Protocol"),
    (answering(("label", "BYTES", [1], ["w"])), "no output 'scores'"),
    (answering(("label", "BYTES", [1], ["Zanzibar"]), RIGHT), "none of its own"),
    (answering(("label", "BYTES", [2], ["w", "w"]), RIGHT), "another number"),
    (answering(("label", "BYTES", [1], ["w"]), ("scores", "FP64", [1, 2], [0.1, 0.9])), "shape"),
    (answering(("label", "BYTES", [1], ["w"]), ("scores", "FP64", [1, 3], [0.1, None, 0.9])),
     "not finite"),
    (answering(("label", "BYTES", [1], ["w"]), ("scores", "BYTES", [1, 3], ["a", "b", "c"])),
     "text where"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "found"), WRONG)
def test_an_answer_out_of_shape_is_an_error_without_a_value(body: bytes, found: str) -> None:
    with serving(Toy(), metadata(Toy(), KINDS)) as served:
        about = metadata(Toy(), KINDS)
        assert about["outputs"]
        live = reached(served)
        served.canned.append((200, {}, body))
        with pytest.raises(ModelError, match=found) as raised:
            live.ask(ROWS.take(slice(0, 1)))
    assert "Zanzibar" not in str(raised.value)


def test_a_refused_row_tells_nothing_whatever_stands_beside_it() -> None:
    target = seen("scores", Contract(output="scores", abstain=Abstain(confidence=0.5)))
    with serving(target, metadata(target, KINDS)) as served:
        live = reached(served)
        told = (("label", "BYTES", [1], ["w"]), RIGHT, ("answered", "BOOL", [1], [False]))
        served.canned.append((200, {}, answering(*told)))
        answer = live.ask(ROWS.take(slice(0, 1)))
    assert answer.label is not None
    assert answer.scores is not None
    assert answer.label.tolist() == [-1]
    assert np.isnan(answer.scores).all()


@pytest.mark.parametrize("size", ["40", "4000"])
def test_an_answer_that_ends_too_early_is_no_answer(size: str) -> None:
    with serving(Toy(), metadata(Toy(), KINDS)) as served:
        live = reached(served)
        body = answering(("label", "BYTES", [1], ["w"]), RIGHT)
        cut_off = {"Content-Length": size, HANGS_UP: "yes"}
        served.canned.append((200, cut_off, body))
        with pytest.raises(ModelError, match=r"ends too early|not Open Inference Protocol"):
            live.ask(ROWS.take(slice(0, 1)))


def test_gaps_are_told_before_anything_is_sent() -> None:
    gaps = ROWS.replaced("age", np.where(np.arange(40) == 3, np.nan, ROWS["age"]))
    with serving(Toy(), metadata(Toy(), KINDS)) as served:
        with pytest.raises(ModelError, match="no gaps, and age"):
            reached(served).ask(gaps)
        assert not served.asked


# Refusals, and what is tried again --------------------------------------------------------------

LATER = {"Retry-After": "7"}


def test_a_spent_minute_is_waited_for() -> None:
    waits = Waits()
    with serving(Toy("label"), metadata(Toy("label"), KINDS)) as served:
        live = reached(served, waits)
        served.canned += [(429, LATER, b"{}")]
        assert same(live.ask(ROWS), Toy("label").ask(ROWS))
        served.canned += [(503, LATER, b"{}"), (503, LATER, b"{}")]
        assert same(live.ask(ROWS), Toy("label").ask(ROWS))
    assert waits.told == [7, 7, 7]


def test_a_batch_that_is_still_too_large_is_halved() -> None:
    waits = Waits()
    with serving(Toy("label"), metadata(Toy("label"), KINDS), most=11) as served:
        live = reached(served, waits)
        assert same(live.ask(ROWS), Toy("label").ask(ROWS))
        assert served.asked == [40, 20, 10, 10, 20, 10, 10]
        served.asked.clear()
        served.canned += [(429, LATER, b"{}"), (429, LATER, b"{}")]
        assert len(live.ask(ROWS.take(slice(0, 8)))) == 8
        assert served.asked == [4, 4]
    assert waits.told == [7]


def test_a_spent_day_is_told_with_the_time_it_opens() -> None:
    waits = Waits()
    with serving(Toy(), metadata(Toy(), KINDS)) as served:
        live = reached(served, waits)
        served.canned.append((429, {"Retry-After": "40000"}, b'{"error": "Xanthippe asked"}'))
        with pytest.raises(ModelError, match=r"budget is spent.*opens again at 20\d\d-") as raised:
            live.ask(ROWS)
        assert "Xanthippe" not in str(raised.value)
        served.canned += [(429, {}, b"{}")] * 2
        with pytest.raises(ModelError, match="budget is spent"):
            live.ask(ROWS.take(slice(0, 1)))
    assert not waits.told


@pytest.mark.parametrize(
    ("status", "found"),
    [(400, "does not take such rows"), (401, "does not know the key"), (403, "may not ask"),
     (404, "no model of that name"), (500, "it failed"), (302, "it sends elsewhere")],
)  # fmt: skip
def test_a_refusal_is_told_in_our_words_and_never_tried_again(status: int, found: str) -> None:
    with serving(Toy(), metadata(Toy(), KINDS)) as served:
        live = reached(served)
        served.canned.append((status, {"Location": "http://elsewhere"}, b"Xanthippe, 41"))
        before = len(served.seen)
        with pytest.raises(ModelError, match=found) as raised:
            live.ask(ROWS)
        assert len(served.seen) == before + 1
    assert "Xanthippe" not in str(raised.value)


def test_who_pays_for_the_rows_may_have_failures_tried_again() -> None:
    waits = Waits()
    with serving(Toy("label"), metadata(Toy("label"), KINDS)) as served:
        line = Line(place_of(served.url, "toy"), sleep=waits, repeats=3)
        live = http(served.url, COLUMNS, LABELS, line=line)
        served.canned += [(500, {}, b"{}"), (0, {}, b""), (429, {}, b"{}")]
        assert same(live.ask(ROWS), Toy("label").ask(ROWS))
        assert waits.told == [0.2, 0.4, 0.8]
        served.canned += [(500, {}, b"{}")] * 3 + [(502, {}, b"Xanthippe")]
        with pytest.raises(ModelError, match="it failed \\(status 502\\)"):
            live.ask(ROWS)


def test_a_date_may_say_when_to_come_back() -> None:
    waits = Waits()
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    with serving(Toy("label"), metadata(Toy("label"), KINDS)) as served:
        live = reached(served, waits)
        served.canned += [(503, {"Retry-After": soon}, b"{}"), (429, {"Retry-After": "soon"}, b"")]
        with pytest.raises(ModelError, match="budget is spent"):
            live.ask(ROWS.take(slice(0, 1)))
    assert len(waits.told) == 1
    assert 20 < waits.told[0] <= 30


def test_a_foreign_server_must_tell_probabilities() -> None:
    about = metadata(Toy(), KINDS)
    about["platform"] = "other"
    with serving(Toy(), about) as served:
        live = reached(served)
        wide = ("scores", "FP64", [1, 3], [2.5, -7.0, 0.1])
        served.canned.append((200, {}, answering(("label", "BYTES", [1], ["w"]), wide)))
        with pytest.raises(ModelError, match="scores that are no probabilities"):
            live.ask(ROWS.take(slice(0, 1)))
        assert same(live.ask(ROWS), toys(ROWS))


def test_an_exchange_that_broke_is_not_tried_again() -> None:
    # The rows may have been counted: only the caller can know whether to ask once more.
    with serving(Toy(), metadata(Toy(), KINDS)) as served:
        live = reached(served)
        served.canned.append((0, {}, b""))
        with pytest.raises(ModelError, match="the line broke"):
            live.ask(ROWS)
        assert len(served.seen) == 2
        assert same(live.ask(ROWS), toys(ROWS)), "the next one opens a new line"


def test_nobody_listening_is_tried_again_and_then_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    waits = Waits()
    line = Line(place_of(f"http://127.0.0.1:{port}", "toy"), sleep=waits)
    with pytest.raises(ModelError, match="nobody listens"):
        http("", COLUMNS, LABELS, line=line)
    assert waits.told == [0.2, 0.4, 0.8]


def test_answers_are_bounded_in_size_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Toy(), metadata(Toy(), KINDS)) as served:
        live = reached(served)
        monkeypatch.setattr("reticent.targets.line.MOST_BYTES", 100)
        with pytest.raises(ModelError, match="more than"):
            live.ask(ROWS)
        monkeypatch.undo()
        served.canned.append((200, {"Content-Length": "1000"}, b"{}"))
        slow = Line(live.line.place, timeout=0.05)
        with pytest.raises(ModelError, match=r"no answer within 0\.05 s"):
            slow.send()


def test_a_connection_is_kept_and_one_that_was_closed_is_opened_anew() -> None:
    with serving(Toy("label"), metadata(Toy("label"), KINDS)) as served:
        live = reached(served)
        live.ask(ROWS)
        first = live.line._open.kept
        assert first is not None
        live.ask(ROWS)
        assert live.line._open.kept is first
        once = answering(("label", "BYTES", [1], ["w"]))
        for header in ("Connection", HANGS_UP):
            served.canned.append((200, {header: "close"}, once))
            live.ask(ROWS.take(slice(0, 1)))
            kept = live.line._open.kept
            assert kept is not None
            if kept.connection.sock is not None:
                assert select.select([kept.connection.sock], [], [], 5)[0], "it was closed"
            live.ask(ROWS)


def test_each_thread_has_its_own_connection() -> None:
    target = Toy("label")
    with serving(target, metadata(target, KINDS)) as served:
        live = reached(served)
        wrong: list[int] = []

        def ask(place: int) -> None:
            some = ROWS.take(slice(place, None, 4))
            wrong.extend(place for _ in range(5) if not same(live.ask(some), target.ask(some)))
            live.line.close()

        threads = [threading.Thread(target=ask, args=(place,)) for place in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        live.line.close()
    assert not wrong


# Keys and addresses -----------------------------------------------------------------------------


def test_the_key_is_sent_and_never_shown() -> None:
    with serving(Toy(), metadata(Toy(), KINDS), key="rtc_abc_secret") as served:
        with pytest.raises(ModelError, match="does not know the key"):
            reached(served)
        live = reached(served, key="rtc_abc_secret")
        assert served.seen[-1][1] == "Bearer rtc_abc_secret"
    assert "secret" not in repr(live)


@pytest.mark.parametrize(
    ("url", "name", "path"),
    [
        ("http://h:81", "my model", "http://h:81/v2/models/my%20model"),
        ("https://h/", "m", "https://h/v2/models/m"),
        ("http://h/v2", "m", "http://h/v2/models/m"),
        ("http://h/proxy/v2/models/x", "m", "http://h/proxy/v2/models/x"),
        ("http://h/v2/models/x/versions/1/infer", None, "http://h/v2/models/x/versions/1"),
        ("http://[::1]:80", "m", "http://[::1]:80/v2/models/m"),
    ],
)
def test_addresses_of_servers_and_of_models(url: str, name: str | None, path: str) -> None:
    assert str(place_of(url, name)) == path


@pytest.mark.parametrize(
    ("url", "name", "found"),
    [
        ("ftp://h", "m", "neither http"), ("h:80", "m", "neither http"),
        ("http://h:port", "m", "cannot be read"), ("http://h", None, "none is named"),
        ("http://me:pass@h", "m", "a secret in an address"), ("http://h?key=k", "m", "a secret"),
    ],
)  # fmt: skip
def test_an_address_that_cannot_be_one(url: str, name: str | None, found: str) -> None:
    with pytest.raises(ConfigError, match=found) as raised:
        place_of(url, name)
    assert "pass" not in str(raised.value).replace("pass@", "")

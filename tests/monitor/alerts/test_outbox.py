"""What waits to be sent: nothing lost, in order, and never too much."""

from __future__ import annotations

import itertools
import threading
import time
from pathlib import Path

import msgspec
import pytest

from monitor.alerts.receivers import CALLER, Got, Web, alert, web
from monitor.alerts.waiting import FILE, NOW, Fake, down, names, put, refuse, route, run
from reticent.event import Alert
from reticent.monitor.alerts import opened
from reticent.monitor.alerts.outbox import (
    LONGEST,
    PATIENCE,
    Outbox,
    Route,
    merged,
    queue,
    waiting_for,
)
from reticent.monitor.alerts.sender import UndeliveredError
from reticent.monitor.alerts.settings import SUMMARY, Sink
from reticent.store import Note
from stored import MemoryStore


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def sink() -> Fake:
    return Fake()


@pytest.fixture
def box(store: MemoryStore, sink: Fake) -> Outbox:
    return Outbox(store, {"siem": sink})


# Where nothing goes wrong ---------------------------------------------------------------------


def test_alerts_wait_for_the_sinks_that_want_them() -> None:
    sinks = {"all": FILE, "grave": Sink(kind="file", path="x", severity="high"),
             "clinic": Sink(kind="file", path="x", roles=("clinic",))}  # fmt: skip
    kinds = [note.kind for note in queue(alert(detector="volume"), sinks)]
    assert kinds == ["outbox/all"]
    notes = queue(alert(), sinks)
    assert [note.kind for note in notes] == ["outbox/all", "outbox/grave"]
    assert {note.key for note in notes} == {alert().id.encode()}
    assert all(CALLER not in note.content for note in notes)  # erasing the alert is enough


def test_what_waits_is_sent_once_and_in_order(box: Outbox, store: MemoryStore, sink: Fake) -> None:
    put(store, *names(120))
    assert box.deliver("siem", NOW).sent == 120
    assert sink.told == names(120)
    assert store.notes(waiting_for("siem")) == []
    assert (route(store).sent, route(store).owner) == (120, b"")
    assert box.deliver("siem", NOW + 1).sent == 0
    put(store, "later")
    assert box.deliver("siem", NOW + 2).sent == 1
    assert sink.told[-1] == "later"


def test_an_alert_that_was_erased_is_sent_to_nobody(
    box: Outbox, store: MemoryStore, sink: Fake
) -> None:
    put(store, "a", "b", "c")
    store.drop("alert", [b"b"])
    assert box.deliver("siem", NOW).sent == 2
    assert sink.told == ["a", "c"]


def test_an_alert_that_was_counted_to_is_sent_as_it_is_now(
    box: Outbox, store: MemoryStore, sink: Fake
) -> None:
    put(store, "a")
    note = store.note("alert", b"a")
    assert note is not None
    more = merged(alert(id="a"), alert(id="b"))
    assert store.write([Note("alert", b"a", msgspec.msgpack.encode(more), note.version)])
    seen: list[float] = []
    sink.does = lambda one: seen.append(one.evidence["count"])
    box.deliver("siem", NOW)
    assert seen == [2]


def test_a_quiet_store_is_asked_little(box: Outbox, store: MemoryStore) -> None:
    store.asked.clear()
    for second in range(100):
        box.deliver("siem", NOW + second)
    assert len(store.asked) <= 200
    assert "write" not in store.asked


# A sink that fails ----------------------------------------------------------------------------


def test_a_sink_that_is_down_for_an_hour(box: Outbox, store: MemoryStore, sink: Fake) -> None:
    sink.does = down
    for minute in range(60):
        put(store, *names(5, 5 * minute), at=NOW + 60 * minute)
        assert run(box, NOW + 60 * minute, 60) == 0
    assert sink.told == []
    assert 10 < sink.asked < 30  # doubled from a second to ten minutes
    sink.does = lambda one: None
    run(box, NOW + 3_600, LONGEST + 1)
    assert sink.told == names(300)
    assert route(store) == Route(sent=300)


def test_it_is_tried_again_later_and_later(box: Outbox, store: MemoryStore, sink: Fake) -> None:
    put(store, "a")
    tried: list[float] = []
    sink.does = down
    for place in range(20_000):
        before = sink.asked
        box.deliver("siem", NOW + 0.5 * place)
        tried += [NOW + 0.5 * place] * (sink.asked - before)
    waits = [later - sooner for sooner, later in itertools.pairwise(tried)]
    assert all(1 <= wait <= LONGEST + 0.5 for wait in waits)
    for place, wait in enumerate(waits[:9]):
        assert 0.5 * 2**place <= wait <= 2**place + 0.5 or wait <= 1.5
    assert len(set(waits[10:])) > 1  # replicas that failed together do not come back together


def test_a_sink_may_ask_for_more_time(box: Outbox, store: MemoryStore, sink: Fake) -> None:
    def busy(one: Alert) -> None:
        raise UndeliveredError("it answers 429", wait=90)

    put(store, "a")
    sink.does = busy
    run(box, NOW, 80)
    assert sink.asked == 1
    run(box, NOW + 80, 15)
    assert sink.asked == 2


def test_one_alert_that_is_refused_lets_the_others_pass(
    box: Outbox, store: MemoryStore, sink: Fake
) -> None:
    put(store, "a", "bad", "b", "c")
    sink.does = refuse("bad")
    assert run(box, NOW, 86_400, 60) == 0
    assert sink.told == ["a", "b", "c"]
    assert 100 < sink.asked < 400
    assert run(box, NOW + PATIENCE, 3_600, 60) == 1
    assert store.notes(waiting_for("siem")) == []
    assert sink.told[3].startswith("outbox-")


def test_a_sink_that_refuses_everything_is_down(
    box: Outbox, store: MemoryStore, sink: Fake
) -> None:
    put(store, *names(50))
    sink.does = refuse(*names(50))
    run(box, NOW, 3_600)
    assert sink.asked < 80
    sink.does = lambda one: None
    run(box, NOW + 3_600, 2 * LONGEST)
    assert sorted(sink.told) == names(50)


def test_whatever_a_library_raises_the_alert_stays(
    box: Outbox, store: MemoryStore, sink: Fake
) -> None:
    def broken(one: Alert) -> None:
        raise ValueError("hunter2")

    put(store, "a")
    sink.does = broken
    found = box.deliver("siem", NOW).found
    assert "ValueError at test_outbox.py" in found
    assert "hunter2" not in found + repr(route(store))
    sink.does = lambda one: None
    run(box, NOW + 1, 2)
    assert sink.told == ["a"]


def test_one_slow_sink_holds_nobody_up(store: MemoryStore) -> None:
    slow, quick, done = Fake(), Fake(), threading.Event()
    sinks = {"slow": FILE, "quick": FILE}

    def wait(one: Alert) -> None:
        assert done.wait(5)

    slow.does = wait
    put(store, "a", sinks=sinks)
    box = Outbox(store, {"slow": slow, "quick": quick})
    assert {name: one.sent for name, one in box.deliver_due(NOW, 0.2).items()} == {"quick": 1}
    put(store, "b", sinks=sinks)
    assert {name: one.sent for name, one in box.deliver_due(NOW + 1, 0.2).items()} == {"quick": 1}
    assert (slow.asked, quick.told) == (1, ["a", "b"])
    done.set()
    assert box.deliver_due(NOW + 2, 5)["slow"].sent == 2
    assert slow.told == ["a", "b"]


def test_that_a_sink_fails_is_news_once(box: Outbox, store: MemoryStore, sink: Fake) -> None:
    put(store, "a", "b")
    sink.does = down
    told = [box.deliver("siem", NOW + second) for second in range(100)]
    assert [(one.found, one.turned) for one in told if one.turned] == [("it answers 500", True)]
    sink.does = lambda one: None
    told = [box.deliver("siem", NOW + 100 + second) for second in range(200)]
    assert [(one.sent, one.turned) for one in told if one.sent] == [(2, True)]


def test_a_turn_ends_before_its_lease(
    box: Outbox, store: MemoryStore, sink: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = iter(range(0, 10_000, 10))
    monkeypatch.setattr(time, "monotonic", lambda: next(passed))
    put(store, *names(20))
    assert box.deliver("siem", NOW).sent == 3
    assert run(box, NOW + 1, 6) == 0
    assert sink.told == names(20)


# What is given up -----------------------------------------------------------------------------


def test_after_a_week_an_alert_is_given_up_and_counted(
    box: Outbox, store: MemoryStore, sink: Fake
) -> None:
    sink.does = down
    put(store, *names(60))
    put(store, "young", at=NOW + 86_400)
    assert run(box, NOW, PATIENCE, LONGEST) == 0
    assert run(box, NOW + PATIENCE, 7_200, LONGEST) == 60
    assert [note.key for note in store.notes(waiting_for("siem"))] == [b"young"]
    said: list[Alert] = []
    sink.does = said.append
    run(box, NOW + PATIENCE + 7_200, 3_600, LONGEST)
    assert said[0].id == "young"
    assert (said[1].detector, said[1].evidence) == (SUMMARY, {"not_sent": 60.0})
    assert len(said) == 2
    assert route(store).missed == 0
    assert store.note("alert", names(1)[0].encode()) is not None  # it is in the store


def test_what_is_old_is_sent_where_the_sink_takes_it(
    box: Outbox, store: MemoryStore, sink: Fake
) -> None:
    put(store, "a")
    assert box.deliver("siem", NOW + 10 * PATIENCE).sent == 1


def test_no_more_than_so_many_wait(store: MemoryStore, sink: Fake) -> None:
    box = Outbox(store, {"siem": sink}, most=20)

    tried: list[str] = []

    def away(one: Alert) -> None:
        tried.append(one.detector)
        down(one)

    sink.does = away
    put(store, *names(50))
    assert run(box, NOW, 10) == 30
    assert route(store).found == "it answers 500"
    assert SUMMARY not in tried  # a sink that is away is not told what it misses
    assert len(store.notes(waiting_for("siem"))) == 20
    put(store, *names(7, 50))
    assert run(box, NOW + 10, 2 * LONGEST) == 7
    said: list[Alert] = []
    sink.does = said.append
    run(box, NOW + 2_000, 2 * LONGEST)
    assert [one.id for one in said][:20] == names(20)  # the oldest stay
    assert "37 alerts were not sent here" in said[20].reason
    assert len(said) == 21
    run(box, NOW + 9_000, 100)
    assert len(said) == 21


def test_a_sink_that_does_not_take_the_summary_is_told_later(
    store: MemoryStore, sink: Fake
) -> None:
    box = Outbox(store, {"siem": sink}, most=1)
    sink.does = down
    put(store, "a", "b")
    run(box, NOW, 2)

    def only_alerts(one: Alert) -> None:
        if one.detector == SUMMARY:
            down(one)

    sink.does = only_alerts
    run(box, NOW + 2, 30)
    assert sink.told == ["a"]
    assert route(store).missed == 1
    sink.does = lambda one: None
    run(box, NOW + 32, LONGEST + 1)
    assert len(sink.told) == 2
    assert route(store).missed == 0


# Over real connections ------------------------------------------------------------------------


def test_a_web_server_that_is_away_and_comes_back(store: MemoryStore, tmp_path: Path) -> None:
    order: list[str] = []

    def judge(got: Got) -> int:
        order.append(got.headers["webhook-id"])
        return 500 if len(order) % 3 == 0 else 204

    with web(Web(judge=judge)) as server:
        sink = Sink(kind="webhook", url=server.url)
        put(store, *names(20), sinks={"siem": sink})
        box = Outbox(store, {"siem": opened(sink, tmp_path)})
        for second in range(60):
            box.deliver("siem", NOW + second)
    assert list(dict.fromkeys(order)) == names(20)
    assert len(order) == 29  # each one that was answered 500 came again
    assert (
        "cannot be reached" in box_at(store, server.url, tmp_path).deliver("siem", NOW + 99).found
    )


def box_at(store: MemoryStore, url: str, folder: Path) -> Outbox:
    sink = Sink(kind="webhook", url=url)
    put(store, "last", sinks={"siem": sink})
    return Outbox(store, {"siem": opened(sink, folder)})

"""Several replicas, crashes, and clocks that jump: an alert is sent once, or again, never not."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.alerts.waiting import FILE, NOW, Fake, down, names, put, refuse, route, run
from reticent.errors import StoreError
from reticent.event import Alert
from reticent.monitor.alerts import opened as opened_sink
from reticent.monitor.alerts.outbox import (
    KIND,
    LEASE,
    LONGEST,
    PATIENCE,
    Outbox,
    Route,
    forget,
    waiting_for,
)
from reticent.monitor.alerts.settings import Sink
from reticent.store import Note, Store
from reticent.stores.sqlite import Sqlite
from stored import MemoryStore
from stores.conftest import opened, server

__all__ = ["opened", "server"]


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def sink() -> Fake:
    return Fake()


@pytest.fixture
def box(store: MemoryStore, sink: Fake) -> Outbox:
    return Outbox(store, {"siem": sink})


# Replicas, crashes and clocks -----------------------------------------------------------------


def test_of_several_replicas_one_sends(opened: Callable[[], Store]) -> None:
    sink, store = Fake(), opened()
    put(store, *names(60))
    boxes = [Outbox(opened(), {"siem": sink}) for _ in range(4)]
    sink.does = lambda one: time.sleep(0.001)
    threads = [threading.Thread(target=run, args=(box, NOW, 30)) for box in boxes]
    for thread in threads:
        thread.start()
    for place in range(10):
        put(store, *names(3, 60 + 3 * place))
    for thread in threads:
        thread.join()
    run(boxes[0], NOW + 30, 3)
    assert sink.told == names(90)
    assert route(store).sent == 90


def test_what_a_replica_left_behind_is_sent_by_another(store: MemoryStore, sink: Fake) -> None:
    class KilledError(BaseException):
        pass

    def kill(one: Alert) -> None:
        if one.id == "b":
            raise KilledError

    put(store, "a", "b", "c")
    first, second = (Outbox(store, {"siem": sink}) for _ in range(2))
    sink.does = kill
    with pytest.raises(KilledError):
        first.deliver("siem", NOW)
    sink.does = lambda one: None
    assert run(second, NOW + 1, LEASE - 2) == 0
    assert sink.told == ["a"]  # it may be at it still
    assert second.deliver("siem", NOW + LEASE).sent == 2
    assert sink.told == ["a", "b", "c"]


CHILD = """
import sys
from pathlib import Path
from reticent.monitor.alerts import opened
from reticent.monitor.alerts.outbox import Outbox
from reticent.monitor.alerts.settings import Sink
from reticent.stores.sqlite import Sqlite
folder, now = Path(sys.argv[1]), float(sys.argv[2])
sink = opened(Sink(kind="file", path="told"), folder)
Outbox(Sqlite(folder / "store.db"), {"siem": sink}).deliver("siem", now)
"""


def test_a_gateway_that_is_killed_loses_no_alert(tmp_path: Path) -> None:
    told = tmp_path / "told"
    with closing(Sqlite(tmp_path / "store.db")) as store:
        put(store, *names(300))
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path), str(NOW)])
        while not told.exists() or len(told.read_bytes().splitlines()) < 30:
            time.sleep(0.001)
            assert child.poll() is None
        child.kill()
        child.wait()
        before = len(told.read_bytes().splitlines())
        assert before < 300
        box = Outbox(store, {"siem": opened_sink(Sink(kind="file", path="told"), tmp_path)})
        assert box.deliver("siem", NOW + LEASE - 1).sent == 0
        sent = box.deliver("siem", NOW + LEASE).sent
    ids = [json.loads(line)["metadata"]["uid"] for line in told.read_bytes().splitlines()]
    assert list(dict.fromkeys(ids)) == names(300)
    assert len(ids) == before + sent <= 301  # one may come twice


def test_what_was_sent_when_the_store_went_away_is_sent_again(
    box: Outbox, store: MemoryStore, sink: Fake
) -> None:
    def last(one: Alert) -> None:
        store.down = one.id == "b"

    put(store, "a", "b", "c")
    sink.does = last
    with pytest.raises(StoreError):
        box.deliver("siem", NOW)
    with pytest.raises(StoreError):
        box.deliver_due(NOW + 1)
    store.down = False
    sink.does = lambda one: None
    run(box, NOW + 2, LEASE + 1)
    assert sink.told == ["a", "b", "b", "c"]


@pytest.mark.parametrize("back", [120.0, 86_400.0, 1e9])
def test_a_clock_that_jumps_back_stops_nothing(
    box: Outbox, store: MemoryStore, sink: Fake, back: float
) -> None:
    sink.does = down
    put(store, "a")
    run(box, NOW, 3_600)
    sink.does = lambda one: None
    run(box, NOW + 3_600 - back, LONGEST + 1)
    assert sink.told == ["a"]


def test_a_lease_of_a_clock_that_is_ahead_stops_nothing(
    box: Outbox, store: MemoryStore, sink: Fake
) -> None:
    ahead = msgspec.msgpack.encode(Route(owner=b"other", until=NOW + 86_400))
    assert store.write([Note(KIND, b"siem", ahead)])
    put(store, "a")
    assert box.deliver("siem", NOW).sent == 1


def test_a_sink_that_is_taken_out_and_put_back_goes_on(store: MemoryStore, sink: Fake) -> None:
    put(store, "a")
    assert Outbox(store, {}).deliver_due(NOW) == {}
    assert Outbox(store, {"siem": sink}).deliver_due(NOW)["siem"].sent == 1


def test_what_waits_for_a_sink_that_is_gone_is_dropped_after_a_week(store: MemoryStore) -> None:
    away = Fake()
    away.does = down
    put(store, "a", "b", sinks={"old": FILE, "siem": FILE})
    Outbox(store, {"old": away, "siem": away}).deliver_due(NOW)
    now = time.time()
    assert forget(store, ["siem"], now + PATIENCE - 60) == 0
    assert forget(store, ["siem"], now + PATIENCE + 60) == 2
    assert [note.key for note in store.notes(KIND)] == [b"siem"]
    assert len(store.notes(waiting_for("siem"))) == 2


DOINGS = st.lists(st.sampled_from(["put", "wait", "down", "up", "refuse", "kill"]), max_size=40)


@settings(max_examples=60, deadline=None)
@given(DOINGS)
def test_whatever_happens_every_alert_arrives_or_is_counted(doings: list[str]) -> None:
    store, sink, now, count = MemoryStore(), Fake(), NOW, 0
    box = Outbox(store, {"siem": sink}, most=5)
    for doing in doings:
        if doing == "put":
            put(store, *names(4, count), at=now)
            count += 4
        sink.does = {"down": down, "up": lambda one: None, "refuse": refuse(*names(2, count))}.get(
            doing, sink.does
        )
        if doing == "kill":  # in the middle of a turn: the lease stays
            stuck = Route(owner=b"dead", until=now + LEASE, missed=_missed(store))
            version = note.version if (note := store.note(KIND, b"siem")) else 0
            store.write([Note(KIND, b"siem", msgspec.msgpack.encode(stuck), version)])
            box = Outbox(store, {"siem": sink}, most=5)
        for _ in range(40 if doing == "wait" else 1):
            box.deliver("siem", now)
            now += 20
    sink.does = lambda one: None
    for _ in range(100):
        box.deliver("siem", now)
        now += 20
    arrived = [name for name in sink.told if not name.startswith("outbox-")]
    assert len(arrived) == len(set(arrived))
    assert len(arrived) + sink.missed == count
    assert store.notes(waiting_for("siem")) == []
    assert all(store.note("alert", name.encode()) for name in names(count))
    assert _missed(store) == 0


def _missed(store: MemoryStore) -> int:
    return route(store).missed if store.note(KIND, b"siem") else 0

"""Several processes on one store, and what is left when they are killed."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import pytest

from reticent.errors import StoreError
from reticent.store import Store, Want, Work
from reticent.stores.opened import open_store

from .conftest import Server
from .journal import journal

WORKER = Path(__file__).with_name("worker.py")
TELLER = Path(__file__).with_name("teller.py")


@dataclass
class Place:
    """Where the processes and the test meet."""

    folder: Path
    url: str | None

    def opened(self) -> Store:
        return open_store(self.url, self.folder)

    def worker(self, name: str, way: str, limit: int) -> subprocess.Popen[str]:
        return self._started(WORKER, name, way, str(limit))

    def teller(self, name: str, times: int) -> subprocess.Popen[str]:
        return self._started(TELLER, name, str(times))

    def _started(self, program: Path, *words: str) -> subprocess.Popen[str]:
        where = [str(self.folder), *([self.url] if self.url else [])]
        command = [sys.executable, str(program), *words, *where]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    url = None if request.param == "sqlite" else request.getfixturevalue("server").fresh()
    return Place(tmp_path / "state", url)


def told(lines: str) -> dict[str, int]:
    """What the processes said is done: the entry and the rows leased with it."""
    whole = lines[: lines.rfind("\n") + 1].splitlines()  # the last line may be cut
    return {entry: int(rows) for entry, rows in (line.split() for line in whole)}


def check(place: Place, done: dict[str, int], limit: int) -> None:
    """All that was told is there, nothing is there twice, and no limit was passed."""
    store = place.opened()
    entries = journal(store)
    assert len(set(entries)) == len(entries)
    assert {entry.encode() for entry in done} <= set(entries)
    assert sum(done.values()) <= store.used("all", 0) <= limit
    store.close()


def test_processes_share_a_budget_to_the_last_row(place: Place) -> None:
    limit = 700
    workers = [place.worker(f"w{i}", ("alone", "many")[i % 2], limit) for i in range(3)]
    lines = "".join(worker.communicate(timeout=60)[0] for worker in workers)
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    done = told(lines)
    assert sum(done.values()) == limit
    check(place, done, limit)
    store = place.opened()
    assert len(journal(store)) == len(done)
    store.close()


def killed(place: Place, rounds: int, limit: int) -> dict[str, int]:
    """What was told by pairs of processes that were killed at random moments."""
    chance, lines = random.Random(rounds), ""
    for i in range(rounds):
        pair = [place.worker(f"{way}{i}", way, limit) for way in ("alone", "many")]
        heard = [worker.stdout.readline() for worker in pair if worker.stdout]  # both are at it
        time.sleep(chance.uniform(0, 0.15))
        for worker in pair:
            worker.send_signal(signal.SIGKILL)
        lines += "".join(heard) + "".join(worker.communicate()[0] for worker in pair)
        lines = lines[: lines.rfind("\n") + 1]
        check(place, told(lines), limit)
    return told(lines)


def test_a_kill_loses_nothing_that_was_told(place: Place) -> None:
    assert len(killed(place, 5, 10**6)) > 50


@pytest.mark.bench
def test_fifty_kills(place: Place) -> None:
    assert len(killed(place, 50, 10**6)) > 500


def counted(place: Place) -> dict[bytes, int]:
    """What stands in the notes of the tellers."""
    with closing(place.opened()) as store:
        return {note.key: int(note.content) for note in store.notes("count")}


def test_processes_count_in_one_note_and_lose_none(place: Place) -> None:
    tellers = [place.teller(f"t{i}", 60) for i in range(3)]
    lines = [teller.communicate(timeout=60)[0].count("\n") for teller in tellers]
    assert [teller.returncode for teller in tellers] == [0, 0, 0]
    assert lines == [60, 60, 60]
    assert counted(place) == {b"total": 180, b"t0": 60, b"t1": 60, b"t2": 60}


def test_a_kill_leaves_no_note_half_written(place: Place) -> None:
    tellers = [place.teller(f"t{i}", 10**6) for i in range(2)]
    heard = [teller.stdout.readline() for teller in tellers if teller.stdout]  # both are at it
    time.sleep(0.3)
    for teller in tellers:
        teller.send_signal(signal.SIGKILL)
    told = [
        (first + teller.communicate()[0]).count("\n")
        for first, teller in zip(heard, tellers, strict=True)
    ]
    found = counted(place)
    own = [found[b"t0"], found[b"t1"]]
    assert found[b"total"] == sum(own)
    assert all(n in {said, said + 1} for n, said in zip(own, told, strict=True))  # one, unsaid


@pytest.fixture
def failing(server: Server) -> Iterator[Server]:
    yield server
    with suppress(subprocess.CalledProcessError):  # it is stopped already
        server.stop("immediate")
    server.start()


def test_a_server_that_crashes_keeps_what_it_told(failing: Server, tmp_path: Path) -> None:
    place = Place(tmp_path, failing.fresh())
    store, done = place.opened(), dict[str, int]()

    def spend() -> None:
        for i in range(10**6):
            try:
                rows = store.commit(Work([b"%d" % i], [Want("all", 0, 10**6, 1, 3)])).granted[0]
            except StoreError:
                return
            done[str(i)] = rows

    spender = Thread(target=spend)
    spender.start()
    for _ in range(200):  # a busy machine takes its time
        time.sleep(0.1)
        if len(done) > 5:
            break
    failing.stop("immediate")
    spender.join(20)
    assert not spender.is_alive()
    assert len(done) > 5
    with pytest.raises(StoreError):
        store.head()
    failing.start()
    check(place, done, 10**6)
    store.commit(Work([b"again"]))
    store.close()
    check(place, {**done, "again": 0}, 10**6)


def test_all_may_be_the_first(place: Place) -> None:
    def first(number: int) -> int:
        nearby = Place(place.folder / str(number // 8), place.url)
        with closing(nearby.opened()) as store:
            return store.version()

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(first, range(80))) == [0] * 80

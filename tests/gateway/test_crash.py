"""What is left when a gateway is killed under load, and what becomes of its workers."""

from __future__ import annotations

import os
import signal
import statistics
import threading
import time
from contextlib import suppress
from http.client import HTTPException
from importlib import import_module
from pathlib import Path

import pytest

from reticent.gateway.journal import read
from reticent.store import Erased

from .alive import Alive, Site, eventually


@pytest.mark.slow
def test_killed_at_random_moments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No budget is overspent, no answer is missing from the journal, the chain verifies."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2]))
    found = import_module("benchmarks.crash").killed(tmp_path / "site", 5)
    assert found.problems == []
    assert found.answered > 500
    assert statistics.median(found.starts[1:]) < 3


@pytest.mark.slow
def test_all_workers_killed_at_once(site: Site) -> None:
    site.swap("marginalize", "rows_per_day = 300\nmarginalize")
    key, seen = site.key("partner"), 0
    for _ in range(3):
        gateway = site.start("--workers", "2")
        seen += asked_until_killed(gateway, key)
    assert 100 < seen <= 300
    assert site.here("verify", str(site.toml))[0] == 0
    store = site.store()
    entries = [read(one) for block in store.blocks() for one in block.entries
               if not isinstance(one, Erased)]  # fmt: skip
    answered = sum(one.answered for one in entries if hasattr(one, "answered"))
    assert seen <= answered <= 300
    store.close()


def asked_until_killed(gateway: Alive, key: str) -> int:
    """Ask from several sides until the gateway is killed: how many rows were answered."""
    seen, over = [], threading.Event()

    def ask() -> None:
        with suppress(OSError, HTTPException):
            while not over.is_set():
                seen.append(gateway.ask(key).status)

    callers = [threading.Thread(target=ask) for _ in range(4)]
    for caller in callers:
        caller.start()
    time.sleep(0.4)
    gateway.kill()
    over.set()
    for caller in callers:
        caller.join()
    return seen.count(200)


def test_a_worker_that_dies_is_replaced(site: Site) -> None:
    key = site.key("clinic")
    with site.alive("--workers", "2") as gateway:
        for place in (0, 1):  # the first one has the local listener too
            eventually(lambda: gateway.heard("worker listens") == 2 + place)  # noqa: B023
            before = gateway.workers()
            os.kill(before[place], signal.SIGKILL)
            served = [answered(gateway, key) for _ in range(20)]
            assert served.count(200) >= 15  # but for what the dead one had in hand
            eventually(lambda: gateway.heard("worker listens") == 3 + place, 20)  # noqa: B023
            assert before[place] not in gateway.workers()
            assert {answered(gateway, key) for _ in range(10)} == {200}
            eventually(lambda: gateway.send("GET", "/metrics", admin=True).status == 200)
        died = [one for one in gateway.events() if one["event"] == "worker died"]
        assert [one["status"] for one in died] == [-9, -9]
        children = gateway.workers()
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)


def answered(gateway: Alive, key: str) -> int:
    try:
        return gateway.ask(key).status
    except (OSError, HTTPException):
        return 0


@pytest.mark.slow
def test_without_their_keeper_workers_stop(site: Site) -> None:
    key = site.key("clinic")
    gateway = site.start("--workers", "2")
    children = gateway.workers()
    gateway.process.kill()
    gateway.process.wait()
    eventually(lambda: not any(Path(f"/proc/{child}").exists() for child in children))
    gateway.stop()
    port = str(gateway.port)
    with site.alive("--port", port) as again:
        assert again.ask(key).status == 200


@pytest.mark.slow
def test_one_that_dies_at_once_is_given_up(site: Site) -> None:
    """Workers that die one after the other are not replaced for ever."""
    gateway = site.start("--workers", "2")
    eventually(lambda: len(gateway.workers()) == 2)
    status = list[int]()
    waiter = threading.Thread(target=lambda: status.append(gateway.process.wait()))
    waiter.start()
    until = time.monotonic() + 40
    while waiter.is_alive() and time.monotonic() < until:
        for child in gateway.workers() if gateway.process.poll() is None else []:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        time.sleep(0.2)
    waiter.join(5)
    assert status == [1]
    gateway.stop()

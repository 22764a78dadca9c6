"""No record, no reply: what a gateway does while its store is full or away, and afterwards."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from subprocess import CalledProcessError

import pytest

from reticent.gateway.guard import AWAY
from stores.conftest import Server, server

from .alive import TOML, Alive, Site, Sites, eventually

__all__ = ["server"]


def ready(gateway: Alive) -> bool:
    return gateway.send("GET", "/v2/health/ready").status == 200


def full(gateway: Alive, size: int) -> None:
    """Let no file of the gateway's grow beyond a size."""
    hard = resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(gateway.process.pid, resource.RLIMIT_FSIZE, (size, hard))


@pytest.mark.parametrize("durability", ["group", pytest.param("async", marks=pytest.mark.slow)])
def test_a_full_disk(sites: Sites, durability: str) -> None:
    site = sites(TOML + f'[gateway]\ndurability = "{durability}"\n')
    key = site.key("clinic")
    with site.alive() as gateway:
        assert gateway.ask(key).status == 200
        full(gateway, (site.state / "store.db-wal").stat().st_size)
        eventually(lambda: gateway.ask(key).status == 503, 3)
        assert not ready(gateway)
        for _ in range(5):
            told = gateway.ask(key)
            assert (told.status, told.error, told.headers["retry-after"]) == (503, AWAY, "1")
        assert "scores" not in told.body.decode()
        assert gateway.send("GET", "/v2/health/live").status == 200
        full(gateway, resource.RLIM_INFINITY)
        eventually(lambda: gateway.ask(key).status == 200, 3)  # by itself
        eventually(lambda: ready(gateway), 3)
    with closing(sqlite3.connect(site.state / "store.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    code, told_of = site.here("verify", str(site.toml))
    assert (code, told_of[0]["problems"]) == (0, [])


@pytest.mark.slow
def test_a_store_that_somebody_else_holds(site: Site) -> None:
    """A lock that is not let go is a store that is away."""
    key = site.key("clinic")
    with site.alive() as gateway:
        assert gateway.ask(key).status == 200
        with closing(sqlite3.connect(site.state / "store.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            began = time.monotonic()
            assert gateway.ask(key).status == 503
            assert time.monotonic() - began < 8
            other.execute("ROLLBACK")
        eventually(lambda: gateway.ask(key).status == 200)


@pytest.fixture
def failing(server: Server) -> Iterator[Server]:
    yield server
    with suppress(CalledProcessError):  # it is stopped already
        server.stop("immediate")
    server.start()


def test_a_server_that_goes_and_comes(sites: Sites, failing: Server) -> None:
    """Every answer while PostgreSQL is away is a refusal; then all is as before, by itself."""
    url = failing.fresh()
    site = sites(TOML.replace("marginalize", "rows_per_day = 60\nmarginalize")
                 + f'[store]\nurl = "{url}"\n')  # fmt: skip
    partner, clinic = site.key("partner", url=url), site.key("clinic", url=url)
    with site.alive() as gateway:
        seen = [gateway.ask(partner).status for _ in range(20)]
        assert gateway.ask(clinic).status == 200
        for how in ("fast", "immediate"):
            failing.stop(how)
            eventually(lambda: not ready(gateway), 3)
            told = [gateway.ask(key) for key in (partner, clinic, "rtc_aaaaaaaaaaaa_b")]
            assert {(one.status, one.error) for one in told} == {(503, AWAY)}
            keeper = gateway.send("GET", "/admin/status", key=clinic, admin=True)
            assert (keeper.status, keeper.error) == (503, AWAY)
            metadata = gateway.send("GET", "/v2/models/forest", key=clinic)
            assert (metadata.status, metadata.error) == (503, AWAY)
            failing.start()
            eventually(lambda: gateway.ask(clinic).status == 200, 5)
            eventually(lambda: ready(gateway), 5)
            seen += [gateway.ask(partner).status for _ in range(25)]
        assert {"store away: nobody is answered", "store is back"} <= {
            one["event"] for one in gateway.events()
        }
    assert 20 < seen.count(200) <= 60
    assert set(seen) == {200, 429}
    code, told_of = site.here("verify", str(site.toml))
    assert (code, told_of[0]["problems"]) == (0, [])


@pytest.mark.slow
def test_a_worker_that_dies_meanwhile_begins_when_the_server_is_back(
    sites: Sites, failing: Server
) -> None:
    url = failing.fresh()
    site = sites(TOML + f'[store]\nurl = "{url}"\n')
    key = site.key("clinic", url=url)
    with site.alive("--workers", "2") as gateway:
        eventually(lambda: gateway.heard("worker listens") == 2)
        failing.stop("immediate")
        os.kill(gateway.workers()[0], signal.SIGKILL)
        time.sleep(4)
        assert gateway.ask(key).status == 503  # the other one is still there
        failing.start()
        eventually(lambda: gateway.heard("worker listens") == 3, 20)
        eventually(lambda: gateway.send("GET", "/metrics", admin=True).status == 200)
        eventually(lambda: {gateway.ask(key).status for _ in range(8)} == {200})
        failing.stop("immediate")
        assert gateway.ask(key).status == 503
        assert gateway.stop() == 0  # a store that is away keeps nobody from stopping
    failing.start()
    code, told_of = site.here("verify", str(site.toml))
    assert (code, told_of[0]["problems"]) == (0, [])


def test_without_a_store_nothing_begins(sites: Sites) -> None:
    site = sites(TOML + '[store]\nurl = "postgresql://nobody@/none?host=/nowhere"\n')
    told = site.run("serve", "reticent.toml", "--port", "0", "--admin-port", "0")
    assert (told.returncode, told.stdout) == (2, "")
    assert told.stderr.startswith("reticent: the store in PostgreSQL")

"""What only a server can go through."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Iterator
from threading import Timer
from typing import Any

import pytest

from reticent.errors import MissingExtraError, StoreError
from reticent.store import KeyRecord, Note, Sighting, Want, Work
from reticent.stores import group, postgres
from reticent.stores.group import Grouped
from reticent.stores.postgres import Postgres

from .conftest import Server
from .journal import journal


@pytest.fixture
def url(server: Server) -> str:
    return server.fresh()


@pytest.fixture
def store(url: str) -> Iterator[Postgres]:
    store = Postgres(url)
    yield store
    store.close()


@pytest.fixture
def other(url: str) -> Iterator[Any]:
    import psycopg

    with psycopg.connect(url, autocommit=True) as db:
        yield db


def test_the_extra_is_named_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtraError, match=r'pip install "reticent\[postgres\]"'):
        Postgres("postgresql://host/db")


@pytest.mark.parametrize("url", [
    "postgresql://ann:sesame@127.0.0.1:1/db", "postgresql://ann:sesame@/db?host=/nowhere",
    "postgresql://ann:sesame@host/db?nonsense=1",
])  # fmt: skip
def test_no_server_is_told_without_the_password(url: str) -> None:
    pytest.importorskip("psycopg")
    store = Postgres(url)
    for _ in range(2):
        with pytest.raises(StoreError) as told:
            store.commit(Work([b"a"]))
        assert "sesame" not in str(told.value)
        assert "ann" not in str(told.value)
        assert told.value.__cause__ is None
        assert told.value.__suppress_context__


def test_it_comes_back_by_itself(server: Server, store: Postgres) -> None:
    store.commit(Work([b"a"], [Want("p", 0, 5, 1, 3)]))
    server.stop()
    try:
        for _ in range(2):
            with pytest.raises(StoreError, match="no answer"):
                store.commit(Work([b"b"]))
            with pytest.raises(StoreError, match="no answer"):
                store.version()
    finally:
        server.start()
    assert store.version() == 0
    assert store.commit(Work([b"c"], [Want("p", 0, 5, 1, 3)])).granted == (2,)
    assert journal(store) == [b"a", b"c"]


def test_a_restart_between_two_calls_goes_unnoticed(server: Server, store: Postgres) -> None:
    store.commit(Work([b"a"]))
    server.stop()
    server.start()
    store.commit(Work([b"b"]))
    assert journal(store) == [b"a", b"b"]


def test_a_loop_fails_closed_and_comes_back(
    server: Server, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group, "PROBE", 0.02)

    async def main() -> None:
        front = Grouped(Postgres(url), durable=True)
        first = front.record(b"a")
        assert first is not None
        await first
        server.stop()
        try:
            refused = front.record(b"b")
            assert refused is not None
            with pytest.raises(StoreError):
                await refused
            assert front.failed
        finally:
            server.start()
        async with asyncio.timeout(10):
            while front.failed:
                await asyncio.sleep(0.01)
        await front.commit(Work([b"c"]))
        await front.close()

    asyncio.run(main())
    store = Postgres(url)
    assert journal(store) == [b"a", b"c"]
    store.close()


def test_a_replica_that_stands_still_stops_the_others_for_a_while_only(
    store: Postgres, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(postgres.SETTINGS, "lock_timeout", "100ms")
    store.commit(Work([b"a"]))
    with other.transaction():
        other.execute(postgres.TURN)
        with pytest.raises(StoreError, match="LockNotAvailable"):
            store.commit(Work([b"b"]))  # an INSERT waits its turn,
        with pytest.raises(StoreError, match="LockNotAvailable"):
            store.commit(Work([], [Want("p", 0, 5, 1, 3)]))  # and so does a lease
        assert store.head().count == 1
    store.commit(Work([b"c"]))
    assert journal(store) == [b"a", b"c"]


def test_notes_wait_for_each_other_and_the_journal_for_nobody(
    store: Postgres, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(postgres.SETTINGS, "lock_timeout", "100ms")
    assert store.write([Note("a", b"k", b"1")])
    with other.transaction():
        other.execute(postgres.LAST)
        changes: list[Callable[[], object]] = [
            lambda: store.write([Note("a", b"l", b"")]),
            lambda: store.write([], [Sighting(b"r", b"v", b"p", 0, 1.0)]),
            lambda: store.drop("a", [b"k"]),
            lambda: store.forget_sightings(2.0),
        ]
        for change in changes:
            with pytest.raises(StoreError, match="LockNotAvailable"):
                change()
        store.commit(Work([b"a"], [Want("p", 0, 5, 1, 3)]))
        assert len(store.notes("a")) == 1
    assert store.drop("a", [b"k"]) == 1


def test_records_are_looked_up_whatever_the_planner_thinks(store: Postgres) -> None:
    """It knows nothing of a table that has just been filled, and would rather go through it."""
    seen = [Sighting(b"%d" % place, b"v", b"p", 0, 1.0) for place in range(3000)]
    notes = [Note("a", b"%d" % place, b"") for place in range(3000)]
    assert store.write(notes, seen)
    db = store._db
    assert db is not None
    some = [b"%d" % place for place in range(1000)]
    known = db.execute(f"EXPLAIN {postgres.KNOWN}", (some,)).fetchall()
    bears = db.execute(f"EXPLAIN {postgres.BEARS}", (["a"] * 1000, some)).fetchall()
    for plan in (known, bears):
        assert any("Index" in row[0] for row in plan), plan
        assert not any("Seq Scan" in row[0] for row in plan), plan


def test_a_long_vacuum_is_waited_for(
    store: Postgres, other: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(postgres.SETTINGS, "statement_timeout", "200ms")
    assert store.write([], [Sighting(b"r", b"v", b"p", 0, 1.0)])
    other.execute("BEGIN")
    other.execute("LOCK TABLE reticent.sightings IN SHARE UPDATE EXCLUSIVE MODE")
    ending = Timer(0.6, other.execute, ["COMMIT"])
    ending.start()
    started = time.monotonic()
    assert store.forget_sightings(2.0) == 1
    assert time.monotonic() - started > 0.3
    ending.join()
    assert store._db is not None
    assert store._db.execute("SHOW statement_timeout").fetchone() == ("200ms",)


def test_what_a_server_is_set_to_does_not_weaken_it(store: Postgres, other: Any) -> None:
    other.execute("ALTER DATABASE postgres SET synchronous_commit = off")
    other.execute("ALTER DATABASE postgres SET default_transaction_isolation = 'repeatable read'")
    try:
        store.commit(Work())
    finally:
        other.execute("ALTER DATABASE postgres RESET ALL")
    assert store._db is not None
    assert store._db.execute("SHOW synchronous_commit").fetchone() == ("on",)
    with store._writing() as db:
        assert db.execute("SHOW transaction_isolation").fetchone() == ("read committed",)


def test_another_format_is_refused(store: Postgres, other: Any) -> None:
    store.commit(Work())
    other.execute("UPDATE reticent.state SET format = 7")
    store.close()
    with pytest.raises(StoreError, match="format"):
        store.head()


def test_a_user_who_may_not(server: Server, store: Postgres, other: Any) -> None:
    other.execute("CREATE ROLE ann LOGIN")
    ann = Postgres(f"postgresql://ann@/postgres?host={server.folder}")
    with pytest.raises(StoreError, match="the user may not"):
        ann.head()
    store.save_key(KeyRecord(id="a", hash=b"h", role="r", principal="p", created=1.0))
    other.execute("GRANT USAGE ON SCHEMA reticent TO ann")
    other.execute("GRANT SELECT ON ALL TABLES IN SCHEMA reticent TO ann")
    assert len(ann.keys()) == 1
    with pytest.raises(StoreError, match="the user may not"):
        ann.commit(Work([b"a"]))
    ann.close()

"""A store that the version before made is taken over as it is, and a later one's is refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from reticent.errors import StoreError
from reticent.store import KeyRecord, Note, Sighting, Store, Want, Work
from reticent.stores import decided
from reticent.stores.opened import FILE, open_store

from .conftest import Server
from .journal import journal

# As format 1 was written, each table once.
SQLITE = """
CREATE TABLE journal (first INTEGER PRIMARY KEY, count INTEGER NOT NULL,
    head BLOB NOT NULL, at REAL NOT NULL, kept INTEGER NOT NULL, entries BLOB NOT NULL);
CREATE TABLE budgets (account TEXT, starts INTEGER, used INTEGER NOT NULL,
    PRIMARY KEY (account, starts)) WITHOUT ROWID;
CREATE TABLE tried (principal BLOB, record BLOB, value BLOB,
    PRIMARY KEY (principal, record, value)) WITHOUT ROWID;
CREATE TABLE access_keys (id TEXT PRIMARY KEY, created REAL NOT NULL,
    record BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX access_keys_by_age ON access_keys (created, id);
CREATE TABLE checkpoints (place INTEGER PRIMARY KEY, count INTEGER NOT NULL, signed BLOB NOT NULL);
CREATE TABLE state (version INTEGER NOT NULL, touched INTEGER NOT NULL);
INSERT INTO state VALUES (3, 0);
PRAGMA user_version = 1;
"""
POSTGRES = """
CREATE SCHEMA reticent;
CREATE TABLE reticent.journal (first bigint PRIMARY KEY, count integer NOT NULL,
    head bytea NOT NULL, at double precision NOT NULL, kept integer NOT NULL,
    entries bytea NOT NULL);
CREATE TABLE reticent.budgets (account text, starts bigint, used bigint NOT NULL,
    PRIMARY KEY (account, starts));
CREATE TABLE reticent.tried (principal bytea, record bytea, value bytea,
    PRIMARY KEY (principal, record, value));
CREATE TABLE reticent.access_keys (id text PRIMARY KEY,
    created double precision NOT NULL, record bytea NOT NULL);
CREATE INDEX access_keys_by_age ON reticent.access_keys (created, id);
CREATE TABLE reticent.checkpoints (place bigserial PRIMARY KEY,
    count bigint NOT NULL, signed bytea NOT NULL);
CREATE TABLE reticent.state (version bigint NOT NULL, touched bigint NOT NULL,
    format integer NOT NULL);
INSERT INTO reticent.state VALUES (3, 0, 1);
"""
KEY = KeyRecord(id="k", hash=b"h", role="r", principal="p", created=1.0)

Old = tuple[Callable[[], Store], Callable[[str], Any]]


@pytest.fixture(params=["sqlite", "postgres"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Old:
    """A store of format 1 with a key: how to open it, and how to change it by hand."""
    url = None if request.param == "sqlite" else request.getfixturevalue("server").fresh()

    def by_hand(script: str) -> Any:
        if url is None:
            with closing(sqlite3.connect(tmp_path / FILE, isolation_level=None)) as db:
                db.executescript(script)
                return db.execute("PRAGMA user_version").fetchone()[0]
        import psycopg

        with psycopg.connect(url, autocommit=True) as server:
            server.execute(script.encode())
            found = server.execute("SELECT format FROM reticent.state").fetchone()
            return found and found[0]

    assert by_hand(SQLITE if url is None else POSTGRES) == 1
    key = decided.packed(KEY).hex()
    by_hand(
        f"INSERT INTO access_keys VALUES ('k', 1.0, x'{key}')"
        if url is None
        else f"INSERT INTO reticent.access_keys VALUES ('k', 1.0, '\\x{key}')"
    )
    return lambda: open_store(url, tmp_path), by_hand


def test_what_was_there_stays_and_what_is_new_works(old: Old) -> None:
    opened, by_hand = old
    with closing(opened()) as store:
        assert (store.version(), store.keys()) == (3, [KEY])
        assert by_hand("") == 2
        store.commit(Work([b"a"], [Want("p", 0, 5, 1, 3)]))
        seen = Sighting(b"r", b"v", b"p", 0, 1.0)
        assert store.write([Note("a", b"k", b"x")], [seen])
    with closing(opened()) as store:
        assert (journal(store), store.used("p", 0), store.keys()) == ([b"a"], 3, [KEY])
        assert [note.content for note in store.notes("a")] == [b"x"]
        assert store.sightings([b"r"]) == [seen]


def test_all_may_be_the_first_to_open_it(old: Old) -> None:
    opened, by_hand = old

    def first(place: int) -> bool:
        with closing(opened()) as store:
            return store.write([Note("a", b"%d" % place, b"")])

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(first, range(16)))
    assert by_hand("") == 2


@pytest.mark.parametrize("form", [3, -1])
def test_what_another_version_wrote_is_refused_and_left_alone(old: Old, form: int) -> None:
    opened, by_hand = old
    sqlite, postgres = f"PRAGMA user_version = {form}", f"UPDATE reticent.state SET format = {form}"
    with closing(opened()) as store:
        by_hand(sqlite if type(store).__name__ == "Sqlite" else postgres)
        for _ in range(2):
            with pytest.raises(StoreError) as told:
                store.keys()
            says = f"its format is {form}, and up to 2 is known here. Use the reticent that wrote"
            assert says in str(told.value)
    assert by_hand("") == form


def test_a_counter_that_is_gone_is_no_reason_to_count_anew(server: Server) -> None:
    import psycopg

    url = server.fresh()
    with closing(open_store(url, Path("/nowhere"))) as store:
        assert store.write([Note("a", b"k", b"")])
        with psycopg.connect(url, autocommit=True) as db:
            db.execute("DELETE FROM reticent.noted")
        with pytest.raises(StoreError, match="damaged"):
            store.write([Note("a", b"l", b"")])
        assert len(store.notes("a")) == 1

"""What only the file can go through."""

from __future__ import annotations

import resource
import sqlite3
import stat
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from reticent.errors import ConfigError, StoreError
from reticent.store import KeyRecord, Note, Sighting, Trial, Want, Work
from reticent.stores import sqlite, tables
from reticent.stores.opened import open_store
from reticent.stores.sqlite import Sqlite

from .journal import journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[Sqlite]:
    store = Sqlite(path)
    yield store
    store.close()


def by_hand(path: Path, statement: str) -> None:
    db = sqlite3.connect(path, isolation_level=None)
    db.execute(statement)
    db.close()


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    store = open_store(None, tmp_path / "a/state")
    store.commit(Work([b"a"]))
    folder = tmp_path / "a/state"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {
        "store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600,
    }  # fmt: skip
    store.close()


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        open_store(None, tmp_path / "file/state")
    with pytest.raises(StoreError, match="FileNotFoundError"):
        Sqlite(tmp_path / "nowhere/store.db").head()


def test_only_known_addresses(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'mysql' is not a store") as told:
        open_store("mysql://user:sesame@host/db", tmp_path)
    assert "sesame" not in str(told.value)


def test_it_is_on_the_disk_before_it_is_told(store: Sqlite) -> None:
    store.commit(Work())
    assert store._db is not None
    settings = ("synchronous", "journal_mode", "secure_delete")
    found = [store._db.execute(f"PRAGMA {name}").fetchone()[0] for name in settings]
    assert found == [2, "wal", 1]  # 2: FULL


def everywhere(path: Path) -> bytes:
    return b"".join(part.read_bytes() for part in path.parent.iterdir())


def test_what_is_erased_is_nowhere_in_the_files(store: Sqlite, path: Path) -> None:
    marks = [b"Xanthippe-%d" % i for i in range(40)]
    for mark in marks:
        store.commit(Work([mark * 30, b"other"], [], [Trial(b"P" * 16, mark * 2, b"v", 5)]))
    assert all(mark in everywhere(path) for mark in marks)
    store.erase(lambda entry: entry.startswith(b"Xan"), time.time() + 1)
    store.forget_principal(b"P" * 16)
    assert not any(mark in everywhere(path) for mark in marks)
    assert len(journal(store)) == 80


def test_what_is_forgotten_is_nowhere_in_the_files(store: Sqlite, path: Path) -> None:
    noted = [b"Xanthippe-%02d" % i for i in range(40)]
    sighted = [b"Socrates-%02d" % i for i in range(40)]
    for place, (mark, record) in enumerate(zip(noted, sighted, strict=True)):
        seen = Sighting(record * 2, b"v", b"PQ"[place % 2 :][:1], 0, float(place))
        assert store.write([Note("standing", mark * 3, mark * 100)], [seen])

    def left(marks: list[bytes]) -> list[bytes]:
        return [mark for mark in marks if mark in everywhere(path)]

    assert left(noted + sighted) == noted + sighted
    store.drop("standing", [mark * 3 for mark in noted[:20]])  # one by one: on the disk for now
    store.forget_principal(b"P")
    assert left(noted + sighted) == noted[20:] + sighted[1::2]
    store.forget_sightings(20)
    assert left(sighted) == sighted[21::2]
    store.drop("standing", before=time.time() + 1)
    assert left(noted) == []


def test_what_is_read_often_is_looked_up(store: Sqlite) -> None:
    """Never by going through a table, nor by sorting: there may be millions."""
    store.head()
    assert store._db is not None
    statements = {name: getattr(tables, name) for name in vars(tables) if name.isupper()}
    statements |= {"BEARS": sqlite.BEARS, "KNOWN": f"{sqlite.KNOWN} (?, ?)"}
    for name in (
        "USED", "END", "BLOCKS", "KEY", "KEYS", "NOTE", "NOTES", "NEWEST", "DROP", "DROP_OLD",
        "FORGET_SEEN", "FORGET_TRIED", "SIGHTED", "FORGET_SIGHTED", "BEARS", "KNOWN",
    ):  # fmt: skip
        statement = f"EXPLAIN QUERY PLAN {statements[name]}"
        plan = [row[3] for row in store._db.execute(statement, [1] * statement.count("?"))]
        ordered = name == "END"  # through the whole journal, from its end, and only one of it
        assert not any("TEMP B-TREE" in step for step in plan), (name, plan)
        assert ordered or not any(step.startswith("SCAN") for step in plan), (name, plan)


@contextmanager
def small_files(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_refuses_and_leaves_nothing_half_written(store: Sqlite) -> None:
    done, refused = 0, 0
    with small_files(300_000):  # as a disk: the log takes a part of a write, then no more
        while refused < 3:
            work = Work([b"%d" % done * 1000], [Want("p", 0, 10**6, 1, 3)])
            try:
                done += store.commit(work).granted[0] // 3
            except StoreError as error:
                assert "SQLITE_" in error.found  # noqa: PT017 (it fails at some time, not at first)
                refused += 1
    assert done > 10
    assert store.used("p", 0) == 3 * done
    assert len(journal(store)) == done
    store.commit(Work([b"again"]))
    assert journal(store, done) == [b"again"]
    assert store._db is not None
    assert store._db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_full_database_says_so(store: Sqlite) -> None:
    store.commit(Work())
    assert store._db is not None
    store._db.execute("PRAGMA max_page_count = 30")
    with pytest.raises(StoreError, match="the disk is full"):
        store.commit(Work([b"x" * 300_000]))
    store.commit(Work([b"x" * 300_000]))  # the limit went with the connection
    assert len(journal(store)) == 1


def test_a_lock_held_too_long(store: Sqlite, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "PATIENCE", 0.05)
    store.commit(Work([b"a"]))
    store.close()
    store.commit(Work())
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for _ in range(2):
        with pytest.raises(StoreError, match="another process holds it"):
            store.commit(Work([b"b"]))
    assert store.head().count == 1  # reading goes on
    other.execute("ROLLBACK")
    other.close()
    store.commit(Work([b"c"]))
    assert journal(store) == [b"a", b"c"]


def test_several_may_be_the_first_to_open_it(
    store: Sqlite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite does not wait there; seen in one of a hundred openings by three at once."""
    tries: list[sqlite3.Connection] = []
    prepare = Sqlite._prepare

    def prepared(self: Sqlite, db: sqlite3.Connection) -> None:
        tries.append(db)
        if len(tries) < 3:
            error = sqlite3.OperationalError("database is locked")
            error.sqlite_errorname = "SQLITE_BUSY"
            raise error
        prepare(self, db)

    monkeypatch.setattr(Sqlite, "_prepare", prepared)
    assert store.version() == 0
    assert len(tries) == 3


def test_without_a_queue_too_nothing_is_overspent(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sqlite, "_turn", lambda _: nullcontext())
    stores = [Sqlite(path) for _ in range(3)]

    def spend(place: int) -> int:
        work = Work([b"%d" % place], [Want("p", 0, 200, 1, 3)])
        return stores[place % 3].commit(work).granted[0]

    with ThreadPoolExecutor(6) as threads:
        assert sum(threads.map(spend, range(150))) == 200
    assert len(journal(stores[0])) == 150
    for store in stores:
        store.close()


def test_other_files_are_refused(path: Path) -> None:
    path.write_bytes(b"no database, Xanthippe" * 100)
    store = Sqlite(path)
    for _ in range(2):
        with pytest.raises(StoreError, match="no SQLite file") as told:
            store.commit(Work([b"a"]))
        assert "Xanthippe" not in str(told.value)
    assert path.read_bytes().startswith(b"no database")


def test_a_damaged_page_is_refused(store: Sqlite, path: Path) -> None:
    store.commit(Work([b"x" * 50_000]))
    store.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    with pytest.raises(StoreError, match="damaged"):
        list(store.blocks())


def test_another_format_is_refused(store: Sqlite, path: Path) -> None:
    store.commit(Work())
    by_hand(path, "PRAGMA user_version = 7")
    store.close()
    with pytest.raises(StoreError, match="its format is 7"):
        store.head()


def test_rows_that_hold_something_else_are_damaged(store: Sqlite, path: Path) -> None:
    store.save_key(KeyRecord(id="a", hash=b"h", role="r", principal="p", created=1.0))
    store.commit(Work([b"a", b"b"]))
    by_hand(path, "UPDATE journal SET count = 3")
    with pytest.raises(StoreError, match="block 0 of the journal: it is damaged"):
        list(store.blocks())
    by_hand(path, "UPDATE journal SET count = 2, entries = x'c1'")
    with pytest.raises(StoreError, match="block 0 of the journal: it is damaged"):
        store.erase(lambda _: True, time.time() + 1)
    by_hand(path, "UPDATE access_keys SET record = x'80'")
    with pytest.raises(StoreError, match="a key: it is damaged"):
        store.keys()


def test_a_file_that_was_taken_away_is_noticed(store: Sqlite, path: Path) -> None:
    store.commit(Work([b"a"]))
    assert store.version() == 0
    for part in list(path.parent.iterdir()):
        part.unlink()
    with pytest.raises(StoreError, match="taken away"):
        store.version()
    assert store.version() == 0  # a new and empty one
    assert journal(store) == []
    path.rename(path.with_name("old.db"))
    other = Sqlite(path)
    other.commit(Work([b"b"]))
    other.close()
    with pytest.raises(StoreError, match="taken away"):
        store.version()
    assert journal(store) == [b"b"]

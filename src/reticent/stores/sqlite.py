"""State in one SQLite file (write-ahead log), shared by the processes of one machine.

A transaction is on the disk when it returns (``synchronous = FULL``): one fsync of the log. What
only appends to the journal is a single INSERT at the place where this process saw the journal
end; where another process has been there first, the place is taken and the end is read anew.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from reticent.errors import StoreError
from reticent.store import Done, Head, KeyRecord, Note, Sighting, Trial, Want, Work
from reticent.stores import decided
from reticent.stores.tables import END, USED, Tables, found_end, seen

PATIENCE = 5.0  # seconds to wait for another process's transaction
STEP = 0.0003  # seconds between two looks whether it is over
FORMAT = 2
TABLES = (
    "CREATE TABLE IF NOT EXISTS journal (first INTEGER PRIMARY KEY, count INTEGER NOT NULL,"
    " head BLOB NOT NULL, at REAL NOT NULL, kept INTEGER NOT NULL, entries BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS budgets (account TEXT, starts INTEGER, used INTEGER NOT NULL,"
    " PRIMARY KEY (account, starts)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS tried (principal BLOB, record BLOB, value BLOB,"
    " PRIMARY KEY (principal, record, value)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS access_keys (id TEXT PRIMARY KEY, created REAL NOT NULL,"
    " record BLOB NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS access_keys_by_age ON access_keys (created, id)",
    "CREATE TABLE IF NOT EXISTS checkpoints (place INTEGER PRIMARY KEY, count INTEGER NOT NULL,"
    " signed BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS notes (version INTEGER PRIMARY KEY, kind TEXT NOT NULL,"
    " key BLOB NOT NULL, at REAL NOT NULL, content BLOB NOT NULL, UNIQUE (kind, key))",
    "CREATE INDEX IF NOT EXISTS notes_by_version ON notes (kind, version)",
    "CREATE INDEX IF NOT EXISTS notes_by_age ON notes (kind, at)",
    "CREATE TABLE IF NOT EXISTS noted (version INTEGER NOT NULL)",
    "INSERT INTO noted SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM noted)",
    "CREATE TABLE IF NOT EXISTS sightings (record BLOB, value BLOB, principal BLOB NOT NULL,"
    " shared INTEGER NOT NULL, at REAL NOT NULL, PRIMARY KEY (record, value)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS sightings_by_age ON sightings (at)",
    "CREATE TABLE IF NOT EXISTS state (version INTEGER NOT NULL, touched INTEGER NOT NULL)",
    "INSERT INTO state SELECT 0, 0 WHERE NOT EXISTS (SELECT 1 FROM state)",
    f"PRAGMA user_version = {FORMAT}",
)
APPEND = "INSERT INTO journal VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (first) DO NOTHING"
ERASABLE = (
    "SELECT first, count, head, at, entries FROM journal"
    " WHERE first >= ? AND at < ? AND kept > 0 ORDER BY first LIMIT ?"
)
ERASE = "UPDATE journal SET entries = ?, kept = ? WHERE first = ?"
LAST = "SELECT version FROM noted"
BEARS = "SELECT version FROM notes WHERE kind = ? AND key = ?"
WRITE = "INSERT OR REPLACE INTO notes (version, kind, key, at, content) VALUES (?, ?, ?, ?, ?)"
SEEN = "INSERT OR REPLACE INTO sightings VALUES (?, ?, ?, ?, ?)"
KNOWN = "SELECT record, value, principal, shared, at FROM sightings WHERE record IN "
ASKED = 500  # records in one statement
FOUND = {
    "SQLITE_FULL": ("the disk is full", "Free some space; nothing was lost"),
    "SQLITE_BUSY": ("another process holds it", "Try again"),
    "SQLITE_CORRUPT": ("it is damaged", "Restore the file from a copy"),
    "SQLITE_NOTADB": ("it is no SQLite file", "Restore the file from a copy"),
    "SQLITE_CANTOPEN": ("it cannot be opened", "Check who may write there"),
    "SQLITE_READONLY": ("it cannot be written", "Check who may write there"),
}


class Sqlite(Tables):
    """A store in one file; any thread may call it, one at a time.

    Parameters
    ----------
    path : the file, made with mode 0600 at the first call where it is missing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._db: sqlite3.Connection | None = None
        self._inode = self._folder = 0
        self._end: Head | None = None  # where this process last saw the journal end

    def commit(self, work: Work) -> Done:
        """Append entries, lease rows and count values; without any of them, try to write."""
        with self._lock:
            if work.entries and not (work.wants or work.trials):
                with self._open() as db, self._turn():
                    if self._end is not None and self._append(db, self._end, work.entries):
                        return Done()
            with self._writing() as db:
                granted, allowed = _grant(db, work.wants), _allow(db, work.trials)
                end = found_end(db.execute(END).fetchall())
                if work.entries and not self._append(db, end, work.entries):
                    raise decided.damaged("the end of the journal")
                if not (work.entries or work.wants or work.trials):
                    db.execute("UPDATE state SET touched = touched + 1")
            if not work.entries:
                self._end = end
            return Done(granted, allowed)

    def _append(self, db: sqlite3.Connection, end: Head, entries: Sequence[bytes]) -> bool:
        """Write a block where the journal is thought to end: False where another one is there."""
        row, after = decided.appended(end, entries)
        if db.execute(APPEND, row).rowcount != 1:
            return False
        self._end = after
        return True

    def give_back(self, account: str, window: int, rows: int) -> None:
        """Return the unspent rest of a lease."""
        give = "UPDATE budgets SET used = max(0, used - ?) WHERE account = ? AND starts = ?"
        with self._writing() as db:
            db.execute(give, (rows, account, window))

    def erase(self, chosen: Callable[[bytes], bool], before: float) -> int:
        """Erase in portions, and the old bytes from the file: how many entries."""
        erased = decided.erase(self._writing, ERASABLE, ERASE, chosen, before)
        if erased:
            self._settle()
        return erased

    def _settle(self, *_: str) -> None:
        """Move the log into the file and empty it: it still held what was erased."""
        with self._open() as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def save_key(self, record: KeyRecord) -> None:
        """Add or replace a key by its id; the version rises."""
        row = (record.id, record.created, decided.packed(record))
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO access_keys VALUES (?, ?, ?)", row)
            db.execute("UPDATE state SET version = version + 1")

    def version(self) -> int:
        """A number that rises whenever a key changes; fails where the file was taken away."""
        with self._open() as db:
            if not self.path.exists() or self.path.stat().st_ino != self._inode:
                raise self._error("it was taken away or replaced", "Restore the file, or go on")
            return int(db.execute("SELECT version FROM state").fetchone()[0])

    def write(self, notes: Sequence[Note], sightings: Sequence[Sighting] = ()) -> bool:
        """Write notes that nobody wrote since they were read, and sightings: all or nothing.

        Raises
        ------
        StoreError : among others, a content above 64 KiB, a key above 1 KiB, one note twice.
        """
        decided.admit(notes)
        if not notes and not sightings:
            return True
        with self._writing() as db:
            names = [(note.kind, note.key) for note in notes]
            found = {name: db.execute(BEARS, name).fetchone() for name in names}
            stored = {name: row[0] for name, row in found.items() if row}
            rows = decided.note(notes, stored, decided.only(db.execute(LAST).fetchall()))
            if rows is None:
                return False
            db.executemany(WRITE, rows)
            db.executemany(SEEN, decided.latest(sightings))
            db.execute("UPDATE noted SET version = version + ?", (len(rows),))
        return True

    def sightings(self, records: Sequence[bytes]) -> list[Sighting]:
        """What the index knows of some records, in no order."""
        chosen, rows = list(dict.fromkeys(records)), []
        with self._open() as db:
            for start in range(0, len(chosen), ASKED):
                part = chosen[start : start + ASKED]
                rows += db.execute(f"{KNOWN}({', '.join('?' * len(part))})", part).fetchall()
        return seen(rows)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._drop()

    def _read(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._open() as db:
            return db.execute(statement, values).fetchall()

    def _change(self, statement: str, rows: Sequence[Sequence[Any]]) -> int:
        with self._writing() as db:
            return db.executemany(statement, rows).rowcount

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection, opened where there is none; after a failure there is none."""
        with self._lock:
            try:
                if self._db is None:
                    self._db = self._connected()
                yield self._db
            except (sqlite3.Error, OSError) as error:
                self._drop()
                name = getattr(error, "sqlite_errorname", type(error).__name__)
                known = next((known for known in FOUND if name.startswith(known)), None)
                found, do = FOUND[known] if known else ("it failed", "Check the disk")
                raise self._error(f"{found} ({name})", do) from None
            except BaseException:
                self._drop()
                raise

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction; dropping the connection rolls it back."""
        with self._open() as db, self._turn():
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Queue for SQLite's lock in short steps; its own grow to 100 ms. A courtesy, no more."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(STEP)
            else:
                break
        try:
            yield
        finally:
            fcntl.flock(self._folder, fcntl.LOCK_UN)

    def _connected(self) -> sqlite3.Connection:
        """Open the file; SQLite does not wait where several are the first to do so, so we do."""
        until = time.monotonic() + PATIENCE
        while True:
            with suppress(FileExistsError):  # never open an existing one: closing drops its locks
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            db = sqlite3.connect(
                self.path, timeout=PATIENCE, isolation_level=None, check_same_thread=False
            )
            try:
                self._prepare(db)
                self._folder = os.open(self.path.parent, os.O_RDONLY)
            except BaseException as error:
                db.close()
                busy = getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY")
                if not busy or time.monotonic() > until:
                    raise
                time.sleep(0.01)
            else:
                return db

    def _prepare(self, db: sqlite3.Connection) -> None:
        for setting in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
            db.execute(f"PRAGMA {setting}")
        self._inode = self.path.stat().st_ino
        if self._format(db) < FORMAT:  # made now, or by an earlier version
            db.execute("BEGIN IMMEDIATE")
            if self._format(db) < FORMAT:
                for statement in TABLES:
                    db.execute(statement)
            db.execute("COMMIT")

    def _format(self, db: sqlite3.Connection) -> int:
        form: int = db.execute("PRAGMA user_version").fetchone()[0]
        if not 0 <= form <= FORMAT:
            raise self._error(
                f"its format is {form}, and up to {FORMAT} is known here",
                "Use the reticent that wrote it, or a newer one",
            )
        return form

    def _drop(self) -> None:
        db, self._db, self._end = self._db, None, None
        if db is not None:
            os.close(self._folder)
            with suppress(sqlite3.Error):
                db.close()

    def _error(self, found: str, do: str) -> StoreError:
        return StoreError(f"the store {self.path}", found, do)


def _grant(db: sqlite3.Connection, wants: Sequence[Want]) -> tuple[int, ...]:
    accounts = {(want.account, want.window) for want in wants}
    found = {account: db.execute(USED, account).fetchone() for account in accounts}
    before = {account: row[0] for account, row in found.items() if row}
    after = before.copy()
    granted = decided.grant(wants, after)
    rows = [(*account, used) for account, used in after.items() if used != before.get(account)]
    db.executemany("INSERT OR REPLACE INTO budgets VALUES (?, ?, ?)", rows)
    return granted


def _allow(db: sqlite3.Connection, trials: Sequence[Trial]) -> tuple[bool, ...]:
    read = "SELECT value FROM tried WHERE principal = ? AND record = ?"
    tried = {
        of: {row[0] for row in db.execute(read, of)}
        for of in {(trial.principal, trial.record) for trial in trials}
    }
    before = {of: values.copy() for of, values in tried.items()}
    allowed = decided.allow(trials, tried)
    rows = [(*of, value) for of in tried for value in tried[of] - before[of]]
    db.executemany("INSERT INTO tried VALUES (?, ?, ?)", rows)
    return allowed

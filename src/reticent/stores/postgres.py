"""State in a PostgreSQL database, shared by replicas on several machines.

Everything is in the schema ``reticent``: one database holds one project. An advisory lock puts
commits in a row, and each takes one or two round trips: what only appends to the journal is a
single INSERT at the place where this process saw the journal end, and where another replica has
been there first, the place is taken and the end is read anew.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from reticent.errors import MissingExtraError, StoreError
from reticent.store import Block, Done, Head, KeyRecord, Work, linked
from reticent.stores import decided

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]

FORMAT = 1  # as TABLES writes it
TABLES = """
CREATE SCHEMA IF NOT EXISTS reticent;
CREATE TABLE IF NOT EXISTS reticent.journal (first bigint PRIMARY KEY, count integer NOT NULL,
    head bytea NOT NULL, at double precision NOT NULL, kept integer NOT NULL,
    entries bytea NOT NULL);
CREATE TABLE IF NOT EXISTS reticent.budgets (account text, starts bigint, used bigint NOT NULL,
    PRIMARY KEY (account, starts));
CREATE TABLE IF NOT EXISTS reticent.tried (principal bytea, record bytea, value bytea,
    PRIMARY KEY (principal, record, value));
CREATE TABLE IF NOT EXISTS reticent.access_keys (id text PRIMARY KEY,
    created double precision NOT NULL, record bytea NOT NULL);
CREATE INDEX IF NOT EXISTS access_keys_by_age ON reticent.access_keys (created, id);
CREATE TABLE IF NOT EXISTS reticent.checkpoints (place bigserial PRIMARY KEY,
    count bigint NOT NULL, signed bytea NOT NULL);
CREATE TABLE IF NOT EXISTS reticent.state (version bigint NOT NULL, touched bigint NOT NULL,
    format integer NOT NULL);
INSERT INTO reticent.state SELECT 0, 0, 1
    WHERE NOT EXISTS (SELECT 1 FROM reticent.state);
"""
KEYS = (
    "SELECT record FROM reticent.access_keys WHERE (created, id) > (%s, %s)"
    " ORDER BY created, id LIMIT %s"
)
MAKING = "SELECT pg_advisory_xact_lock(hashtext('reticent tables'))"
TURN = "SELECT pg_advisory_xact_lock('reticent.journal'::regclass::oid::bigint)"
OURS: dict[str, str | int] = {
    "connect_timeout": 5,
    "tcp_user_timeout": 10_000,
    "application_name": "reticent",
}
SETTINGS = {  # of each session: a replica that stands still must not stop the others for long
    "lock_timeout": "5s",
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "5s",
}
DURABLE = (  # a server or a user may be set to tell before the disk has it
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') = 'off'"
)
END = "SELECT first + count, head FROM reticent.journal ORDER BY first DESC LIMIT 1"
INSERT = "INSERT INTO reticent.journal SELECT %s, %s, %s, %s, %s, %s"
APPEND = f"{INSERT} FROM ({TURN}) AS turn ON CONFLICT (first) DO NOTHING"
BLOCKS = (
    "SELECT first, count, head, at, entries FROM reticent.journal WHERE first >="
    " (SELECT coalesce(max(first), 0) FROM reticent.journal WHERE first <= %s)"
    " ORDER BY first LIMIT %s"
)
ERASABLE = (
    "SELECT first, count, head, at, entries FROM reticent.journal"
    " WHERE first >= %s AND at < %s AND kept > 0 ORDER BY first LIMIT %s FOR UPDATE"
)
USED = (
    "SELECT b.account, b.starts, b.used FROM reticent.budgets AS b"
    " JOIN unnest(%s::text[], %s::bigint[]) AS w (account, starts) USING (account, starts)"
)
SPENT = (
    "INSERT INTO reticent.budgets SELECT * FROM unnest(%s::text[], %s::bigint[], %s::bigint[])"
    " ON CONFLICT (account, starts) DO UPDATE SET used = excluded.used"
)
TRIED = (
    "SELECT t.principal, t.record, t.value FROM reticent.tried AS t"
    " JOIN unnest(%s::bytea[], %s::bytea[]) AS w (principal, record) USING (principal, record)"
)
TOLD = "INSERT INTO reticent.tried SELECT * FROM unnest(%s::bytea[], %s::bytea[], %s::bytea[])"
SAVE_KEY = (
    "INSERT INTO reticent.access_keys VALUES (%s, %s, %s) ON CONFLICT (id)"
    " DO UPDATE SET created = excluded.created, record = excluded.record"
)


class Postgres:
    """A store in a database; any thread may call it, one at a time.

    Parameters
    ----------
    url : ``postgresql://user:password@host/database?options``, as libpq reads it.

    Raises
    ------
    MissingExtraError : psycopg is not installed.
    """

    def __init__(self, url: str) -> None:
        try:
            import psycopg
        except ImportError:
            raise MissingExtraError("the store in PostgreSQL", "psycopg", "postgres") from None
        self._psycopg = psycopg
        self._url = url
        self._lock = threading.Lock()
        self._db: Connection | None = None
        self._end: Head | None = None  # where this process last saw the journal end

    def commit(self, work: Work) -> Done:
        """Append entries, lease rows and count values; without any of them, try to write."""
        with self._lock:
            if work.entries and not (work.wants or work.trials):
                with self._open() as db:
                    if self._end is not None and self._append(db, self._end, work.entries):
                        return Done()
            with self._writing() as db:
                return self._carry_out(db, work)

    def _carry_out(self, db: Connection, work: Work) -> Done:
        """One round trip to take the turn and read, one to write."""
        accounts = sorted({(want.account, want.window) for want in work.wants})
        records = sorted({(trial.principal, trial.record) for trial in work.trials})
        db.execute(TURN)
        ends = db.execute(END)
        used = db.execute(USED, _arrays(accounts, 2)) if accounts else None
        told = db.execute(TRIED, _arrays(records, 2)) if records else None
        row = ends.fetchone()
        end = Head(row[0], row[1]) if row else Head()
        before = {(of, starts): n for of, starts, n in used} if used else {}
        tried: dict[decided.Tried, set[bytes]] = {}
        for principal, record, value in told or ():
            tried.setdefault((principal, record), set()).add(value)
        after, known = before.copy(), {of: values.copy() for of, values in tried.items()}
        done = Done(decided.grant(work.wants, after), decided.allow(work.trials, tried))
        spent = [(*of, n) for of, n in after.items() if n != before.get(of)]
        fresh = [(*of, v) for of in tried for v in tried[of] - known.get(of, set())]
        if spent:
            db.execute(SPENT, _arrays(spent, 3))
        if fresh:
            db.execute(TOLD, _arrays(fresh, 3))
        if work.entries:
            block, self._end = _block(end, work.entries)
            db.execute(INSERT, block, binary=True)
        if not (work.entries or work.wants or work.trials):
            db.execute("UPDATE reticent.state SET touched = touched + 1")
        return done

    def _append(self, db: Connection, end: Head, entries: Sequence[bytes]) -> bool:
        """Write a block where the journal is thought to end: False where another one is there."""
        block, self._end = _block(end, entries)
        return db.execute(APPEND, block, binary=True).rowcount == 1

    def used(self, account: str, window: int) -> int:
        """Rows of an account's window that are leased or spent."""
        read = "SELECT used FROM reticent.budgets WHERE account = %s AND starts = %s"
        rows = self._read(read, account, window)
        return int(rows[0][0]) if rows else 0

    def give_back(self, account: str, window: int, rows: int) -> None:
        """Return the unspent rest of a lease."""
        give = "UPDATE reticent.budgets SET used = greatest(0, used - %s)"
        with self._lock, self._writing() as db:
            db.execute(TURN)
            db.execute(f"{give} WHERE account = %s AND starts = %s", (rows, account, window))

    def head(self) -> Head:
        """The end of the journal's chain."""
        rows = self._read(END)
        return Head(*rows[0]) if rows else Head()

    def blocks(self, first: int = 0) -> Iterator[Block]:
        """The journal in order; what is appended meanwhile comes too."""
        while True:
            rows = self._read(BLOCKS, first, decided.PORTION)
            rows = [row for row in rows if row[0] + row[1] > first]
            if not rows:
                return
            yield from (decided.block(*row) for row in rows)
            first = rows[-1][0] + rows[-1][1]

    def erase(self, chosen: Callable[[bytes], bool], before: float) -> int:
        """Erase in portions, and the old bytes from the table: how many entries."""
        first, erased = 0, 0
        write = "UPDATE reticent.journal SET entries = %s, kept = %s WHERE first = %s"
        while True:
            with self._lock, self._writing() as db:
                rows = db.execute(ERASABLE, (first, before, decided.PORTION)).fetchall()
                for row in rows:
                    entries, gone, kept = decided.without(decided.block(*row), chosen)
                    if gone:
                        db.execute(write, (entries, kept, row[0]))
                    erased += gone
            if not rows:
                break
            first = rows[-1][0] + 1
        if erased:
            self._write("VACUUM reticent.journal")
        return erased

    def save_key(self, record: KeyRecord) -> None:
        """Add or replace a key by its id; the version rises."""
        row = (record.id, record.created, decided.packed(record))
        with self._lock, self._writing() as db:
            db.execute(SAVE_KEY, row)
            db.execute("UPDATE reticent.state SET version = version + 1")

    def key(self, id: str) -> KeyRecord | None:  # noqa: A002 (the word of the trade)
        """One key by its id."""
        rows = self._read("SELECT record FROM reticent.access_keys WHERE id = %s", id)
        return decided.key(rows[0][0]) if rows else None

    def keys(self, most: int | None = None, after: KeyRecord | None = None) -> list[KeyRecord]:
        """Keys, oldest first: all, or so many behind one of them."""
        start = (float("-inf"), "") if after is None else (after.created, after.id)
        return [decided.key(row[0]) for row in self._read(KEYS, *start, most)]

    def version(self) -> int:
        """A number that rises whenever a key changes."""
        return int(self._read("SELECT version FROM reticent.state")[0][0])

    def save_checkpoint(self, count: int, signed: bytes) -> None:
        """Keep a signed statement about the first ``count`` entries."""
        write = "INSERT INTO reticent.checkpoints (count, signed) VALUES (%s, %s)"
        self._write(write, count, signed)

    def checkpoints(self) -> list[bytes]:
        """The signed statements, oldest first."""
        return [
            row[0] for row in self._read("SELECT signed FROM reticent.checkpoints ORDER BY place")
        ]

    def forget(self, before: int) -> None:
        """Drop budgets' windows that began before a time."""
        self._write("DELETE FROM reticent.budgets WHERE starts < %s", before)

    def forget_principal(self, principal: bytes) -> None:
        """Drop the values that a principal tried, and the old bytes from the table."""
        self._write("DELETE FROM reticent.tried WHERE principal = %s", principal)
        self._write("VACUUM reticent.tried")

    def close(self) -> None:
        """Let go of the server."""
        with self._lock:
            self._drop()

    def _read(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock, self._open() as db:
            return db.execute(statement.encode(), values or None).fetchall()

    def _write(self, statement: str, *values: object) -> None:
        with self._lock, self._open() as db:
            db.execute(statement.encode(), values or None)

    @contextmanager
    def _open(self) -> Iterator[Connection]:
        """Lend the connection, opened where there is none; after a failure there is none."""
        try:
            yield self._connected()
        except self._psycopg.Error as error:
            self._drop()
            raise self._error(error) from None
        except BaseException:
            self._drop()
            raise

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """One transaction in as few round trips as it has answers to wait for."""
        with self._open() as db, db.pipeline(), db.transaction():
            yield db

    def _connected(self) -> Connection:
        if self._db is not None:
            try:
                for _ in range(2):  # has it hung up since? first comes its farewell, then the end
                    self._db.pgconn.consume_input()
            except self._psycopg.Error:
                self._drop()
        if self._db is None:
            self._db = self._connect()
        return self._db

    def _connect(self) -> Connection:
        given = self._psycopg.conninfo.conninfo_to_dict(self._url)
        ours = {name: value for name, value in OURS.items() if name not in given}
        address = self._psycopg.conninfo.make_conninfo(self._url, **ours)
        db = self._psycopg.connect(address, autocommit=True)
        # each statement sees what others wrote while it waited for the lock
        db.isolation_level = self._psycopg.IsolationLevel.READ_COMMITTED
        try:
            for name, value in SETTINGS.items():
                db.execute("SELECT set_config(%s, %s, false)", (name, value))
            db.execute(DURABLE)
            row = db.execute("SELECT to_regclass('reticent.state')").fetchone()
            if row == (None,):
                with db.transaction():
                    db.execute(MAKING)
                    db.execute(TABLES)
            form = db.execute("SELECT format FROM reticent.state").fetchone()
            if form != (FORMAT,):
                raise self._refusal("its format is another one", "Use the reticent that wrote it")
        except BaseException:
            db.close()
            raise
        return db

    def _drop(self) -> None:
        db, self._db, self._end = self._db, None, None
        if db is not None:
            db.close()

    def _error(self, error: psycopg.Error) -> StoreError:
        """Tell the kind alone: the text may quote the address, a user or a row."""
        kind = type(error).__name__
        if isinstance(error, self._psycopg.errors.DiskFull):
            return self._refusal("the disk is full", "Free some space; nothing was lost")
        if isinstance(error, self._psycopg.errors.InsufficientPrivilege):
            return self._refusal("the user may not", "Grant it CREATE on the database")
        if isinstance(error, self._psycopg.OperationalError) and (
            error.sqlstate is None or error.sqlstate.startswith(("08", "57P"))
        ):
            return self._refusal(f"no answer ({kind})", "Check that it runs and that url is right")
        return self._refusal(f"it failed ({kind})", "Check the server's log")

    def _refusal(self, found: str, do: str) -> StoreError:
        return StoreError("the store in PostgreSQL", found, do)


def _block(end: Head, entries: Sequence[bytes]) -> tuple[tuple[Any, ...], Head]:
    """One row of the journal, and where it ends then."""
    head, count = linked(end.hash, entries), len(entries)
    row = (end.count, count, head, time.time(), count, decided.packed(entries))
    return row, Head(end.count + count, head)


def _arrays(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Turn rows into the arrays that one statement takes."""
    return [[row[place] for row in rows] for place in range(width)]

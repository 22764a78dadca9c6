"""State in a PostgreSQL database, shared by replicas on several machines.

Everything is in the schema ``reticent``: one database holds one project. An advisory lock puts
commits in a row, and each takes one or two round trips: what only appends to the journal is a
single INSERT at the place where this process saw the journal end, and where another replica has
been there first, the place is taken and the end is read anew.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from reticent.errors import MissingExtraError, StoreError
from reticent.store import Done, Head, KeyRecord, Note, Sighting, Work
from reticent.stores import decided
from reticent.stores.tables import END, Tables, found_end, seen

if TYPE_CHECKING:
    import psycopg

    Connection = psycopg.Connection[tuple[Any, ...]]

FORMAT = 2  # as TABLES writes it
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
CREATE TABLE IF NOT EXISTS reticent.notes (version bigint PRIMARY KEY, kind text NOT NULL,
    key bytea NOT NULL, at double precision NOT NULL, content bytea NOT NULL, UNIQUE (kind, key));
CREATE INDEX IF NOT EXISTS notes_by_version ON reticent.notes (kind, version);
CREATE INDEX IF NOT EXISTS notes_by_age ON reticent.notes (kind, at);
CREATE TABLE IF NOT EXISTS reticent.noted (version bigint NOT NULL);
INSERT INTO reticent.noted SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM reticent.noted);
CREATE TABLE IF NOT EXISTS reticent.sightings (record bytea, value bytea, principal bytea NOT NULL,
    shared integer NOT NULL, at double precision NOT NULL, PRIMARY KEY (record, value));
CREATE INDEX IF NOT EXISTS sightings_by_age ON reticent.sightings (at);
CREATE TABLE IF NOT EXISTS reticent.state (version bigint NOT NULL, touched bigint NOT NULL,
    format integer NOT NULL);
INSERT INTO reticent.state SELECT 0, 0, 0
    WHERE NOT EXISTS (SELECT 1 FROM reticent.state);
UPDATE reticent.state SET format = 2;
"""
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
    "search_path": "reticent",
    "jit": "off",  # compiling takes longer than any statement here
    "idle_in_transaction_session_timeout": "5s",
}
SETTING = "SELECT set_config(%s, %s, false)"
DURABLE = (  # a server or a user may be set to tell before the disk has it
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') = 'off'"
)
INSERT = "INSERT INTO reticent.journal SELECT %s, %s, %s, %s, %s, %s"
APPEND = f"{INSERT} FROM ({TURN}) AS turn ON CONFLICT (first) DO NOTHING"
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
ERASE = "UPDATE reticent.journal SET entries = %s, kept = %s WHERE first = %s"
LAST = "SELECT version FROM reticent.noted FOR UPDATE"  # held to the commit: the turn of the notes
BEARS = (  # the fence (OFFSET) has each looked up by its key, whatever the planner thinks
    "SELECT n.kind, n.key, n.version FROM unnest(%b::text[], %b::bytea[]) AS w (kind, key),"
    " LATERAL (SELECT kind, key, version FROM reticent.notes"
    " WHERE kind = w.kind AND key = w.key OFFSET 0) AS n"
)
WRITE = (
    "INSERT INTO reticent.notes"
    " SELECT * FROM unnest(%s::bigint[], %s::text[], %s::bytea[], %s::float8[], %s::bytea[])"
    " ON CONFLICT (kind, key) DO UPDATE"
    " SET version = excluded.version, at = excluded.at, content = excluded.content"
)
SEEN = (
    "INSERT INTO reticent.sightings"
    " SELECT * FROM unnest(%s::bytea[], %s::bytea[], %s::bytea[], %s::integer[], %s::float8[])"
    " ON CONFLICT (record, value) DO UPDATE"
    " SET principal = excluded.principal, shared = excluded.shared, at = excluded.at"
)
KNOWN = (
    "SELECT s.* FROM unnest(%b::bytea[]) AS w (record),"
    " LATERAL (SELECT record, value, principal, shared, at FROM reticent.sightings AS of"
    " WHERE of.record = w.record OFFSET 0) AS s"
)
SAVE_KEY = (
    "INSERT INTO reticent.access_keys VALUES (%s, %s, %s) ON CONFLICT (id)"
    " DO UPDATE SET created = excluded.created, record = excluded.record"
)


class Postgres(Tables):
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
        self._lock = threading.RLock()
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
        end = found_end(ends.fetchall())
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
            block, self._end = decided.appended(end, work.entries)
            db.execute(INSERT, block, binary=True)
        if not (work.entries or work.wants or work.trials):
            db.execute("UPDATE reticent.state SET touched = touched + 1")
        return done

    def _append(self, db: Connection, end: Head, entries: Sequence[bytes]) -> bool:
        """Write a block where the journal is thought to end: False where another one is there."""
        block, self._end = decided.appended(end, entries)
        return db.execute(APPEND, block, binary=True).rowcount == 1

    def give_back(self, account: str, window: int, rows: int) -> None:
        """Return the unspent rest of a lease."""
        give = "UPDATE reticent.budgets SET used = greatest(0, used - %s)"
        with self._writing() as db:
            db.execute(TURN)
            db.execute(f"{give} WHERE account = %s AND starts = %s", (rows, account, window))

    def erase(self, chosen: Callable[[bytes], bool], before: float) -> int:
        """Erase in portions, and the old bytes from the table: how many entries."""
        erased = decided.erase(self._writing, ERASABLE, ERASE, chosen, before)
        if erased:
            self._settle("journal")
        return erased

    def save_key(self, record: KeyRecord) -> None:
        """Add or replace a key by its id; the version rises."""
        row = (record.id, record.created, decided.packed(record))
        with self._writing() as db:
            db.execute(SAVE_KEY, row)
            db.execute("UPDATE reticent.state SET version = version + 1")

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
            last = db.execute(LAST)
            names = [(note.kind, note.key) for note in notes]
            found = db.execute(BEARS, _arrays(names, 2))
            stored = {(kind, key): version for kind, key, version in found}
            rows = decided.note(notes, stored, decided.only(last.fetchall()))
            if rows is None:
                return False
            if rows:
                db.execute(WRITE, _arrays(rows, 5), binary=True)
                db.execute("UPDATE reticent.noted SET version = version + %s", (len(rows),))
            if sightings:
                db.execute(SEEN, _arrays(decided.latest(sightings), 5), binary=True)
        return True

    def sightings(self, records: Sequence[bytes]) -> list[Sighting]:
        """What the index knows of some records, in no order."""
        with self._open() as db:
            return seen(db.execute(KNOWN, (list(set(records)),), binary=True).fetchall())

    def close(self) -> None:
        """Let go of the server."""
        with self._lock:
            self._drop()

    def _read(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._open() as db:
            return db.execute(_said(statement), values or None).fetchall()

    def _change(self, statement: str, rows: Sequence[Sequence[object]]) -> int:
        with self._writing() as db:
            db.execute(LAST)
            done = [db.execute(_said(statement), row) for row in rows]
        return sum(one.rowcount for one in done)  # known when all of them are through

    def _settle(self, *tables: str) -> None:
        """Have the old rows overwritten: that takes as long as the tables are large."""
        with self._open() as db:
            db.execute("SET statement_timeout = 0")
            for table in tables:
                db.execute(f"VACUUM reticent.{table}".encode())
            db.execute(SETTING, ("statement_timeout", SETTINGS["statement_timeout"]))

    @contextmanager
    def _open(self) -> Iterator[Connection]:
        """Lend the connection, opened where there is none; after a failure there is none."""
        with self._lock:
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
                db.execute(SETTING, (name, value))
            db.execute(DURABLE)
            if self._format(db) < FORMAT:  # made now, or by an earlier version
                with db.transaction():
                    db.execute(MAKING)
                    if self._format(db) < FORMAT:
                        db.execute(TABLES)
        except BaseException:
            db.close()
            raise
        return db

    def _format(self, db: Connection) -> int:
        if db.execute("SELECT to_regclass('reticent.state')").fetchone() == (None,):
            return 0
        form: int = decided.only(db.execute("SELECT format FROM reticent.state").fetchall())
        if not 0 <= form <= FORMAT:
            found = f"its format is {form}, and up to {FORMAT} is known here"
            raise self._refusal(found, "Use the reticent that wrote it, or a newer one")
        return form

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


def _said(statement: str) -> bytes:
    return statement.replace("?", "%s").encode()


def _arrays(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Turn rows into the arrays that one statement takes."""
    return [[row[place] for row in rows] for place in range(width)]

"""Memory: flat over ten minutes of load, and bounded however many principals are known."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.guarded import (
    PATH,
    Running,
    bodies,
    gateway,
    keys,
    project,
    requests,
    workplace,
)
from benchmarks.load import CALLERS, Driven, clean, cores, drive, family, memory, prebuilt
from benchmarks.table import CannotRunError, Table
from reticent.access.keys import issue
from reticent.access.secret import root_secret
from reticent.stores import decided

MINUTES = 10
PRINCIPALS = 1_000_000
TOUCH_SECONDS = 3_600.0  # for all of them to ask once
MOST_MB = 500


def soak(minutes: int = MINUTES, seconds: float = 60.0) -> Table:
    """Load a gateway minute after minute and read its memory after each.

    Parameters
    ----------
    seconds : of one minute; shorter ones are for trying it out.
    """
    rows = []
    with workplace() as folder, cores() as (core, _):
        path = project(folder / "gateway", "group")
        texts = keys(path, [f"caller-{n}" for n in range(CALLERS)])
        running = gateway(path, core)
        try:
            rows.append(_sample("start", running, path, None))
            for minute in range(1, minutes + 1):
                print(f"minute {minute}", file=sys.stderr, flush=True)
                driven = drive([running.port], requests(texts), seconds)
                rows.append(_sample(str(minute), running, path, clean(driven, "reticent serve")))
        finally:
            running.stop()
    settled, last = (float(row[1]) for row in (rows[min(2, minutes)], rows[-1]))
    return Table(
        head=("minute", "memory, MB", "at most so far, MB", "requests", "p99, ms", "store, MB"),
        rows=rows,
        notes=(
            f"{CALLERS} callers in a closed loop, durability `group`, SQLite. Memory: resident, of "
            "the whole process tree. Grown from the end of minute 2 to the end of minute "
            f"{minutes}: {last - settled:+.1f} MB. *store*: the journal with its log grows with "
            "the requests until `[store].retention_days` erases.",
        ),
    )


def _sample(minute: str, running: Running, path: Path, driven: Driven | None) -> tuple[str, ...]:
    pids = family(running.process.pid)
    files = (path.parent / ".reticent").glob("store.db*")
    size = sum(file.stat().st_size for file in files) / 2**20
    now, most = (f"{memory(pids, what):.1f}" for what in ("VmRSS", "VmHWM"))
    if driven is None:
        return minute, now, most, "-", "-", f"{size:.0f}"
    p99 = f"{driven.quantile(0.99) * 1e3:.1f}"
    return minute, now, most, f"{driven.requests:,}", p99, f"{size:.0f}"


@dataclass(frozen=True, slots=True)
class Crowd:
    """Keys of many principals, without their texts in memory: they are made anew when needed."""

    path: Path
    count: int

    def asking(self, first: int) -> Iterator[bytes]:
        """The requests of every ``CALLERS``-th principal, each asking once."""
        with (self.path.parent / "keys.txt").open("rb") as file:
            for number, line in enumerate(file):
                if number % CALLERS == first:
                    body = bodies()[number % len(bodies())]
                    yield prebuilt(PATH, body, line.decode().strip())


def crowd(path: Path, count: int) -> Crowd:
    """Put keys of many principals into a project's SQLite store, all in one transaction."""
    keys(path, ["first"])  # makes the store and the secret
    secret, now = root_secret(path.parent / ".reticent"), time.time()

    def made() -> Iterator[tuple[str, float, bytes]]:
        for number in range(count):
            record, text = issue(secret, "partner", owner=f"owner {number}", now=now)
            texts.write(f"{text}\n")
            yield record.id, record.created, decided.packed(record)

    store = path.parent / ".reticent" / "store.db"
    with (path.parent / "keys.txt").open("w") as texts, closing(sqlite3.connect(store)) as db, db:
        db.executemany("INSERT INTO access_keys VALUES (?, ?, ?)", made())
        db.execute("UPDATE state SET version = version + 1")
    os.sync()
    return Crowd(path, count)


def principals(count: int = PRINCIPALS) -> Table:
    """Let each of a million principals ask once, and read the gateway's memory."""
    rows = []
    with workplace() as folder, cores() as (core, _):
        path = project(folder / "gateway", "group")
        print(f"{count:,} keys", file=sys.stderr, flush=True)
        known = crowd(path, count)
        running = gateway(path, core)
        try:
            rows.append(("known, none has asked", *_memory(running), "-"))
            print("every principal asks", file=sys.stderr, flush=True)
            asking = [known.asking(n) for n in range(CALLERS)]
            driven = drive([running.port], asking, TOUCH_SECONDS, repeat=False)
            clean(driven, "reticent serve")
            if driven.requests != count:
                raise CannotRunError(f"only {driven.requests:,} of {count:,} were answered")
            rate = f"{driven.requests / driven.seconds:,.0f}"
            rows.append(("every one has asked once", *_memory(running), rate))
        finally:
            running.stop()
    return Table(
        head=(f"{count:,} principals", "memory, MB", "at most so far, MB", "requests a second"),
        rows=rows,
        notes=(
            "Each with a key and an owner of its own in the SQLite store, with budgets a minute "
            f"and a day; the aim is {MOST_MB} MB. What a worker keeps of callers in memory is "
            "bounded; the rest is looked up. A principal who asks for the first time costs a look "
            "for its key and a durable lease, hence the rate.",
        ),
    )


def _memory(running: Running) -> tuple[str, str]:
    pids = family(running.process.pid)
    return f"{memory(pids):.0f}", f"{memory(pids, 'VmHWM'):.0f}"

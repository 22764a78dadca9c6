"""``kill -9`` under load, again and again: what is left must be whole.

``killed`` is one run; tests call it with few rounds. After each kill the journal's chain and its
checkpoints are verified, every answer that reached a caller is looked for in the journal by its
sketch, every account is compared with its limit, and the gateway is started again on what is left.
"""

from __future__ import annotations

import random
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.books import audited, sketches
from benchmarks.guarded import (
    PATH,
    PEOPLE,
    Limits,
    body,
    gateway,
    keys,
    people,
    project,
    workplace,
)
from benchmarks.load import drive, prebuilt
from benchmarks.table import Table

ROUNDS = 50
CALLERS = 16
EACH = 1_000  # requests that a caller has at hand for one round
SOONEST, LATEST = 0.1, 1.0  # seconds from the first request to the kill
LIMITS = Limits(minute=1_500, day=10**5, role_day=10**6, all_day=10**6)  # the first is met


@dataclass(slots=True)
class Survived:
    """What many kills left.

    Attributes
    ----------
    starts : seconds from the command to the first ready, each round. answered, refused, cut :
        requests with a 200, with another status, and without the whole answer.
    entries : of the journal at the end. problems : what must not be, in words.
    """

    starts: list[float] = field(default_factory=list)
    answered: int = 0
    refused: int = 0
    cut: int = 0
    entries: int = 0
    problems: list[str] = field(default_factory=list)


def killed(
    folder: Path, rounds: int, *, durability: str = "group", store: str | None = None, seed: int = 0
) -> Survived:
    """Load a gateway and kill it, round after round, on one store.

    Parameters
    ----------
    store : address of a PostgreSQL; SQLite by default. seed : of the moments of the kills.
    """
    path = project(folder, durability, LIMITS, store)
    owners = [f"caller-{n}" for n in range(CALLERS)]
    texts, chance = keys(path, owners), random.Random(seed)
    found, seen = Survived(), list[bytes]()
    for number in range(rounds):
        began = time.perf_counter()
        running = gateway(path)
        found.starts.append(time.perf_counter() - began)
        rows = _rows(number)
        shown = sketches(path, rows)
        asked = [
            [prebuilt(PATH, body(row), text) for row in rows[n * EACH : (n + 1) * EACH]]
            for n, text in enumerate(texts)
        ]
        kill = threading.Timer(chance.uniform(SOONEST, LATEST), running.process.kill)
        kill.start()

        def note(caller: int, place: int, shown: list[bytes] = shown) -> None:
            seen.append(shown[caller * EACH + place % EACH])

        driven = drive([running.port], asked, seconds=LATEST + 5, told=note)
        kill.join()
        running.stop(signal.SIGKILL)
        found.answered += driven.requests
        found.refused += sum(driven.refused.values())
        found.cut += driven.broken
        books = audited(path, LIMITS, seen if durability == "group" else ())
        found.entries = books.entries
        found.problems += [f"round {number + 1}: {problem}" for problem in books.problems]
    return found


def _rows(number: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Rows (CALLERS * EACH, 30) that no other round asks and no two callers share."""
    count = CALLERS * EACH
    rows = np.resize(people()[0][PEOPLE:], (count, 30)).copy()
    rows[:, 0] = (number * count + np.arange(count)) / 16_384  # exact in 32 bits
    return rows


def measure(rounds: int = ROUNDS) -> Table:
    """Kill a gateway many times."""
    rows = []
    for durability in ("group", "async"):
        print(f"{durability}: {rounds} kills", file=sys.stderr, flush=True)
        with workplace() as folder:
            found = killed(folder, rounds, durability=durability)
        starts = np.array(found.starts)
        rows.append((
            durability, str(rounds), f"{found.answered:,}", f"{found.refused:,}",
            f"{found.entries:,}", f"{np.median(starts):.2f} ({starts.min():.2f} to "
            f"{starts.max():.2f})", "; ".join(found.problems[:3]) or "none",
        ))  # fmt: skip
    return Table(
        head=("durability", "kills", "answered", "refused", "entries in the journal",
              "start, s", "problems"),
        rows=rows,
        notes=(
            f"`kill -9` at a random moment, {SOONEST:g} to {LATEST:g} s into a load of {CALLERS} "
            "callers, each with a key of its own, on one SQLite store; then a new start on it. "
            "After every kill: the chain and its checkpoints verify; no account (principal a "
            "minute and a day, role, all) has more rows answered than leased, or leased than "
            f"allowed ({LIMITS.minute:,} a minute are met: *refused*); in `group` every answer "
            "that reached a caller stands in the journal, found by its sketch. *start*: from the "
            "command to ready, the interpreter and the model included.",
        ),
    )  # fmt: skip

"""What the watch costs by itself: CPU time a query, memory a caller, and a crowd of strangers."""

from __future__ import annotations

import gc
import os
import sys
import time
import tracemalloc
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.guarded import COLUMNS, PEOPLE, people
from benchmarks.load import memory
from benchmarks.table import Table, spread
from reticent.dataset import Dataset
from reticent.event import QueryEvent
from reticent.monitor.memory import Rules
from reticent.monitor.reference import fit_reference
from reticent.monitor.settings import Monitor
from reticent.monitor.sketch import Sketcher
from reticent.monitor.watch import ACTIVE, IDLE, Watch
from reticent.randomness import generator, subkey
from reticent.target import Answer

ROLE, SENSITIVE = "partner", "x3"
EDGES = (-20.0, -1.0, 0.0, 1.0, 20.0)
CALLERS, QUERIES, ROUNDS = 64, 200, 9
STRANGERS = 1_000_000
BEGIN = 1_767_571_200.0

Rows = NDArray[np.float32]
Asked = list[tuple[QueryEvent, Dataset, Answer]]


class Bench:
    """The watch of the serving benchmark's project: 30 numbers, one of them watched."""

    def __init__(self) -> None:
        x, _ = people()
        self.columns, self.honest, self.people = tuple(COLUMNS), x[PEOPLE:], x[:PEOPLE]
        self.sketcher = Sketcher(subkey(bytes(32), "sketches"), COLUMNS, [[SENSITIVE]])
        self.reference = fit_reference(
            self.rows(self.honest), COLUMNS, [[SENSITIVE]], self.sketcher, generator(0),
            {SENSITIVE: EDGES},
        )  # fmt: skip

    def rows(self, x: Rows) -> Dataset:
        """Numbers (n, 30) as the gateway reads them."""
        return Dataset.of_matrix(x, self.columns)

    def watch(self) -> Watch:
        """All detectors that need no declared limit, and refusals."""
        rules = {ROLE: Rules(refusals=0.3)}
        return Watch(Monitor(), self.reference, 1, rules)

    def asked(self, x: Rows, caller: int) -> Asked:
        """One request of one row each, by one caller."""
        found, answer = [], Answer(scores=np.array([[0.3, 0.7]]), answered=np.array([True]))
        for place, row in enumerate(x):
            rows = self.rows(row[None])
            event = QueryEvent(
                BEGIN + place, 200, caller.to_bytes(16, "big"), b"", ROLE, "forest", "", 1, 1,
                self.sketcher.names, self.sketcher(rows),
            )  # fmt: skip
            found.append((event, rows, answer))
        return found

    def traffic(self) -> dict[str, list[Rows]]:
        """What each caller asks, by kind: rows (QUERIES, 30)."""
        rng = generator(0, "watching")
        return {
            "ordinary: other people each time": [
                self.people[rng.permutation(PEOPLE)[:QUERIES]] for _ in range(CALLERS)
            ],
            "what-if: a few people, a column or two changed": [
                _edited(self.people[rng.permutation(PEOPLE)[:4]], rng) for _ in range(CALLERS)
            ],
            "a sweep: four values of each record": [
                _swept(self.people[rng.permutation(PEOPLE)[: QUERIES // 4]]) for _ in range(CALLERS)
            ],
            "an optimizer: steps around one row": [
                self.people[rng.integers(PEOPLE)]
                + 0.05 * rng.standard_normal((QUERIES, len(COLUMNS))).astype(np.float32)
                for _ in range(CALLERS)
            ],
        }


def _edited(x: Rows, rng: np.random.Generator) -> Rows:
    rows = x[np.arange(QUERIES) * len(x) // QUERIES].copy()
    rows[np.arange(QUERIES), rng.integers(len(COLUMNS), size=QUERIES)] += 1.5
    return rows


def _swept(x: Rows) -> Rows:
    rows = np.repeat(x, 4, axis=0)
    rows[:, COLUMNS.index(SENSITIVE)] = np.tile([-5.0, -0.5, 0.5, 5.0], len(x))
    return rows


def cost() -> Table:
    """CPU time and memory of the watch alone."""
    bench = Bench()
    rows = [_cost(bench, name, each) for name, each in bench.traffic().items()]
    return Table(
        head=("traffic", "CPU µs a query", "alerts", "KB a caller"),
        rows=rows,
        notes=(
            f"`Watch.observe` by itself on one-row requests of 30 numbers, one of them watched, "
            f"all detectors but declared limits; {CALLERS} callers in turns, {QUERIES} queries "
            f"each. CPU time of the thread: median of {ROUNDS} rounds (range), each on a new "
            "watch. *KB a caller*: what Python allocated for one active caller after these "
            "queries, tokens of the request not counted.",
        ),
    )


def _cost(bench: Bench, name: str, each: Sequence[Rows]) -> tuple[str, ...]:
    print(name, file=sys.stderr, flush=True)
    asked = [bench.asked(x, caller) for caller, x in enumerate(each)]
    turns = [one for turn in zip(*asked, strict=True) for one in turn]
    micros, alerts = [], 0
    for _ in range(ROUNDS):
        watch, alerts = bench.watch(), 0
        gc.collect()
        began = time.thread_time()
        for event, rows, answer in turns:
            alerts += len(watch.observe(event, rows, answer))
        micros.append((time.thread_time() - began) / len(turns) * 1e6)
    return name, spread(micros, 1), str(alerts), f"{_kilobytes(bench, turns):.1f}"


def _kilobytes(bench: Bench, turns: Asked) -> float:
    watch = bench.watch()
    gc.collect()
    tracemalloc.start()
    for event, rows, answer in turns:
        watch.observe(event, rows, answer)
    gc.collect()
    found = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return found / len(watch.callers) / 1024


def strangers() -> Table:
    """A million callers of one query each: what is kept of them."""
    bench, rows = Bench(), []
    asked, watch = bench.asked(bench.people, 0), bench.watch()
    began = time.thread_time()
    for number in range(STRANGERS):
        event, row, answer = asked[number % len(asked)]
        now, principal = BEGIN + number / 1_000, number.to_bytes(16, "big")
        watch.observe(msgspec.structs.replace(event, at=now, principal=principal), row, answer)
        if number % 30_000 == 0:
            watch.gained(now)  # as the gateway does each 30 seconds
        if number in (0, ACTIVE, 10 * ACTIVE) or (number + 1) % (STRANGERS // 4) == 0:
            rows.append(
                (f"{number + 1:,}", f"{len(watch.callers):,}", f"{memory([os.getpid()]):.0f}")
            )
    micros = (time.thread_time() - began) / STRANGERS * 1e6
    watch.gained(now + 2 * IDLE)
    gc.collect()
    rows.append(
        ("all silent for an hour", f"{len(watch.callers):,}", f"{memory([os.getpid()]):.0f}")
    )
    return Table(
        head=("callers so far", "remembered", "memory, MB"),
        rows=rows,
        notes=(
            f"`Watch.observe` by itself, as above, {micros:.0f} µs of CPU time each; a thousand a "
            f"second, what changed is taken every 30 s. At most {ACTIVE:,} callers are remembered "
            "with their rows; of others and of silent ones only the evidence is, in the store.",
        ),
    )

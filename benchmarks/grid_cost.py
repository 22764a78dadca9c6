"""What a sweep costs beyond the model calls that it needs."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from benchmarks.attacked import case
from benchmarks.people import ADULT, AFFAIRS, People
from benchmarks.table import Table, plain
from reticent.attacks.grid import over_values, sweep
from reticent.attacks.known import Known, hide
from reticent.dataset import Dataset
from reticent.targets.local import BATCH, Local, batches, local

REPEATS = 7


def measure() -> Table:
    """Time sweeps and bare calls in turns."""
    return Table(
        head=("people", "rows asked", "bare calls, s", "sweep, s", "ratio"),
        rows=[_row(AFFAIRS), _row(ADULT)],
        notes=(
            "A default forest (100 trees; Adult behind one-hot columns in a pipeline), all "
            "members, every candidate value. *bare calls*: `predict_proba` alone on the same "
            f"rows, stacked beforehand, in the same batches of at most {BATCH:,}. CPU time, "
            f"median of {REPEATS} runs each, in turns.",
        ),
    )


def _row(people: People) -> tuple[str, ...]:
    target, known = _held(people)
    grid = over_values(known.rows.select(_inputs(target, people)), known.hidden)
    frames = [batch.frame() for batch in batches(grid.select(target.columns))]

    def bare() -> None:
        for frame in frames:
            target.predict(frame)

    def swept() -> None:
        sweep(target, known, np.random.default_rng(0))

    bare_seconds, sweep_seconds = _in_turns(bare, swept)
    return (
        people.name, f"{len(grid):,}", f"{bare_seconds:.3f}", f"{sweep_seconds:.3f}",
        plain(sweep_seconds / bare_seconds),
    )  # fmt: skip


def _inputs(target: Local, people: People) -> list[str]:
    return [name for name in target.columns if name != people.sensitive]


def _held(people: People) -> tuple[Local, Known]:
    """A forest of a third of the people, and what the attacker of these members holds."""
    given = case(people, seed=0)
    members, auxiliary = Dataset.of(given.members), Dataset.of(given.auxiliary)
    columns = [name for name in members.names if name != people.label]
    target = local(given.model, columns, members[people.label])
    hidden = hide(people.sensitive, given.domains[people.sensitive], auxiliary)
    nothing = np.zeros((len(members), len(hidden.values)))
    rows = members.without(people.sensitive)
    return target, Known(rows, hidden, people.label, True, auxiliary, nothing)


def _in_turns(*runs: Callable[[], None]) -> list[float]:
    """Median CPU seconds of each, run in turns so that a busy machine slows all alike."""
    times = np.zeros((REPEATS, len(runs)))
    for repeat in range(REPEATS):
        for place, run in enumerate(runs):
            started = time.process_time()
            run()
            times[repeat, place] = time.process_time() - started
    return [float(seconds) for seconds in np.median(times, axis=0)]

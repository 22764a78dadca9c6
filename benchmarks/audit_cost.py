"""Where the time of one audit goes: the affairs survey, all attacks, the canaries."""

from __future__ import annotations

import time
from itertools import pairwise

import reticent
from benchmarks.attacked import case
from benchmarks.people import AFFAIRS
from benchmarks.table import Table, plain


def measure() -> Table:
    """Audit once and read the clock at every step that the audit announces."""
    given = case(AFFAIRS, seed=0)
    clock: list[tuple[str, float]] = []

    def progress(done: int, total: int, what: str) -> None:
        del done, total
        clock.append((what, time.process_time()))

    started = time.process_time()
    reticent.audit(given, seed=0, progress=progress)
    clock.append(("", time.process_time()))
    whole = clock[-1][1] - started
    steps = [(what, then - begun) for (what, begun), (_, then) in pairwise(clock)]
    rows = [(what, f"{seconds:.1f}", plain(seconds / whole)) for what, seconds in steps]
    return Table(
        head=("step", "CPU seconds", "share"),
        rows=[*rows, ("all", f"{whole:.1f}", "1")],
        notes=(
            "2,122 members, as many others and auxiliary people, a default forest, scikit-learn's "
            "learners inside the attacks on one thread.",
        ),
    )

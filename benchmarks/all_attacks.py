"""Every attack of the list on three surveys, against the same default random forests."""

from __future__ import annotations

from collections import defaultdict

from benchmarks.attacked import attack
from benchmarks.forests import HEAD, READ, median_auc, summary
from benchmarks.people import AFFAIRS, GSS, STEAK, People
from benchmarks.table import Table
from reticent.finding import Finding

SPLITS = 3


def measure() -> Table:
    """Run all attacks that apply to a model in memory."""
    rows = [(people.name, *row) for people in (AFFAIRS, STEAK, GSS) for row in _rows(people)]
    applies = (
        "`observed` and `refusals` do not apply: no answers were recorded and nothing is refused."
    )
    return Table(("people", *HEAD), rows, (READ.format(SPLITS), applies))


def _rows(people: People) -> list[tuple[str, ...]]:
    found: dict[str, list[Finding]] = defaultdict(list)
    for seed in range(SPLITS):
        for name, finding in attack(people, seed).items():
            found[name].append(finding)
    best_first = sorted(found, key=lambda name: -median_auc(found[name]))
    return [summary(name, found[name]) for name in best_first]

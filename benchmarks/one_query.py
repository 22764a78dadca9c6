"""What a limit of one value per record leaves over: one query against a whole sweep."""

from __future__ import annotations

from benchmarks.attacked import attack
from benchmarks.forests import HEAD, READ, summary
from benchmarks.people import AFFAIRS
from benchmarks.table import Table

SPLITS = 10
ATTACKS = ("learned", "single_query")


def measure() -> Table:
    """Attack the affairs survey with a sweep and with one query per person."""
    runs = [attack(AFFAIRS, seed, ATTACKS) for seed in range(SPLITS)]
    rows = []
    for name in ATTACKS:
        queries = {run[name].queries / run[name].members.auc.n for run in runs}
        each = " or ".join(f"{count:g}" for count in sorted(queries))
        rows.append((*summary(name, [run[name] for run in runs]), each))
    return Table((*HEAD, "queries a person"), rows, (READ.format(SPLITS),))

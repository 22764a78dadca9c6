"""The demo on five seeds: what the default forest gives away, and what each defence leaves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.table import Table, spread
from reticent.audit.options import Options
from reticent.cli.demo import demonstrate, survey
from reticent.evidence import Evidence
from reticent.finding import Finding

SEEDS = 5
VIEWS = ("default forest", "leaf size advised", "marginalized", "both", "label only")


def measure() -> Table:
    """Run the whole demo once a seed and lay out the best attack of each configuration."""
    runs = [demonstrate(survey(seed), Options(seed=seed)) for seed in range(SEEDS)]
    rows = [row(place, name, runs) for place, name in enumerate(VIEWS)]
    leaves = ", ".join(f"{one.advice[0].value:g}" if one.advice else "none" for one in runs)
    return Table(
        head=("configuration", "accuracy, fresh", "best attack: AUC", "MCC", "imputation AUC",
              "advantage", "its high", "high ≤ .03", "memorization", "its high", "high ≤ .03",
              "canaries AUC"),
        rows=rows,
        notes=(
            f"Median (range) over {SEEDS} seeds of `reticent demo --seed N`. *best attack*: chosen "
            f"on shadow models. *high*: upper 95 % bound. Leaf sizes that were advised: {leaves}.",
        ),
    )  # fmt: skip


def row(place: int, name: str, runs: Sequence[Evidence]) -> tuple[str, ...]:
    """One configuration over all seeds."""
    names = [run.configurations[place].name for run in runs]
    each = [[f for f in run.findings if f.configuration == view]
            for run, view in zip(runs, names, strict=True)]  # fmt: skip
    best = [found[0] for found in each]
    coins = [next(f for f in found if f.attack == "canaries") for found in each]
    fresh = [number(run.configurations[place].utility.value) for run in runs]
    memory = [one.memorization for one in best]
    return (
        name,
        spread(fresh, 3),
        spread([number(one.members.auc.value) for one in best], 3),
        spread([number(one.members.mcc.value) for one in best]),
        spread([number(one.baseline_members.auc.value) for one in best], 3),
        spread([number(one.advantage.value) for one in best], 3),
        spread([number(one.advantage.high) for one in best], 3),
        kept([number(one.advantage.high) for one in best]),
        spread([number(one.value) for one in memory if one is not None], 3),
        spread([number(one.high) for one in memory if one is not None], 3),
        kept([number(one.high) for one in memory if one is not None]),
        spread([area(one) for one in coins]),
    )


def number(value: float | None) -> float:
    """A missing number is no number."""
    return np.nan if value is None else value


def area(finding: Finding) -> float:
    """The AUC on coins."""
    return number(finding.members.auc.value)


def kept(highs: Sequence[float], limit: float = 0.03) -> str:
    """In how many seeds the limit is kept."""
    return f"{sum(high <= limit for high in highs)} of {len(highs)}"

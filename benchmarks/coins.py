"""Attribute canaries: how much of a coin a model keeps, by the size of a forest's leaves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import reticent
from benchmarks.attacked import case, value
from benchmarks.people import AFFAIRS
from benchmarks.table import Table, plain, spread
from reticent.finding import Finding

SEEDS = 5
NULL_SEEDS = 20  # where nothing should be found, five splits would not show it
ATTACKS = ("imputation_likelihood", "learned")
LINEAR = "logistic regression"
EXPECTED = {"forest, leaf 1": ".95", "forest, leaf 5": ".72", "forest, leaf 20": ".55",
            "forest, leaf 50": ".50", LINEAR: ".47"}  # fmt: skip


def measure() -> Table:
    """Toss coins for a fifth of the members, train, and let each attack guess them alone."""
    rows = []
    for name, model in _models().items():
        for attack in ATTACKS:
            seeds = NULL_SEEDS if name == LINEAR else SEEDS
            found = [_coins(model, attack, seed) for seed in range(seeds)]
            rows.append((name, f"`{attack}`", EXPECTED[name], *_summary(found)))
    return Table(
        head=("model", "attack", "planned", "AUC on coins", "1/2 within the interval",
              "verdict leaks", "epsilon at least", "accuracy lost on others"),
        rows=rows,
        notes=(
            "Fair's affairs survey, a fifth of 2,122 members as canaries; median (range) over "
            f"{SEEDS} splits, {NULL_SEEDS} of the logistic regression. *planned*: what was "
            "measured when the project was planned, one split. The interval has 5 % on each side, "
            "so 1 in 10 misses 1/2 where nothing is kept; there, at most 1 run in 20 says `leaks`. "
            "*epsilon at least*: the attribute's lower bound at 95 %.",
        ),
    )  # fmt: skip


def _models() -> dict[str, Callable[[int], Any]]:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def leafy(leaf: int) -> Callable[[int], Any]:
        return lambda seed: RandomForestClassifier(min_samples_leaf=leaf, random_state=seed)

    return {
        "forest, leaf 1": leafy(1),
        "forest, leaf 5": leafy(5),
        "forest, leaf 20": leafy(20),
        "forest, leaf 50": leafy(50),
        LINEAR: lambda _: make_pipeline(StandardScaler(), LogisticRegression()),
    }


def _coins(model: Callable[[int], Any], attack: str, seed: int) -> Finding:
    evidence = reticent.audit(case(AFFAIRS, seed, model), seed=seed, attacks=[attack], advice=False)
    return next(one for one in evidence.findings if one.attack == "canaries")


def _summary(found: list[Finding]) -> tuple[str, ...]:
    aucs = [one.members.auc for one in found]
    within = sum(
        auc.low is not None and auc.high is not None and auc.low <= 0.5 <= auc.high for auc in aucs
    )
    leaks = sum(one.verdict == "leaks" for one in found)
    epsilon = [value(one.members.more.get("epsilon_lower_bound")) for one in found]
    cost = [value(one.members.more.get("utility_cost")) for one in found]
    return (
        spread([value(auc) for auc in aucs]),
        f"{within} of {len(found)}",
        f"{leaks} of {len(found)}",
        spread(epsilon),
        spread(cost, 3) if cost else plain(0.0),
    )

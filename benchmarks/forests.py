"""Default random forests: members, people never seen, and the attacker without the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.attacked import attack, forest, value
from benchmarks.people import ADULT, ADULT_MARRIED, GSS, STEAK, People
from benchmarks.table import Table, spread
from reticent.finding import Finding

ATTACKS = ("imputation_likelihood", "learned")
SPLITS = 20
ADULT_SPLITS = 2  # one takes two minutes of CPU time in each of the two forms
LEAF = 20
PUBLISHED = ("csmia", "fredrikson_confusion", "lomia", "yeom")
HEAD = (
    "attack", "members MCC", "AUC", "never seen MCC", "AUC", "imputation MCC", "AUC",
    "advantage (AUC)", "leaks",
)  # fmt: skip
READ = (
    "Thirds: members, auxiliary people, people never seen; one-hot columns; the attacker knows "
    "every other column and the label. Median (range) over {} random splits. *imputation*: the "
    "best of several learners from auxiliary people, without the model, on members. *leaks*: in "
    "how many splits the verdict was that."
)


def steak() -> Table:
    """The steak survey."""
    return _table(STEAK, SPLITS)


def gss() -> Table:
    """The General Social Survey."""
    return _table(GSS, SPLITS)


def adult() -> Table:
    """Adult: all columns, without two that tell too much, and a forest that generalizes."""
    tables = {
        ADULT.name: _table(ADULT, ADULT_SPLITS),
        ADULT_MARRIED.name: _table(ADULT_MARRIED, ADULT_SPLITS, (*ATTACKS, *PUBLISHED)),
        f"the same, leaf size {LEAF}": _table(ADULT_MARRIED, ADULT_SPLITS, model=_leafy),
    }
    rows = [(name, *row) for name, table in tables.items() for row in table.rows]
    weight = (
        "`fnlwgt`, a survey weight with 21,648 different values, is nearly a name, and a default "
        "forest keeps people by it; `relationship` says who is a husband. Without the two, the "
        "published attacks stay below imputation and this project's do not."
    )
    return Table(("people", *HEAD), rows, (READ.format(ADULT_SPLITS), weight))


def _leafy(seed: int) -> Any:
    """A forest that generalizes: no leaf speaks of fewer than ``LEAF`` people."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(min_samples_leaf=LEAF, random_state=seed)


def _table(
    people: People, splits: int, attacks: Sequence[str] = ATTACKS,
    model: Callable[[int], Any] = forest,
) -> Table:  # fmt: skip
    runs = [attack(people, seed, attacks, model) for seed in range(splits)]
    rows = [summary(name, [run[name] for run in runs]) for name in attacks]
    return Table(HEAD, rows, (READ.format(splits),))


def summary(name: str, findings: list[Finding]) -> tuple[str, ...]:
    """One row: an attack over several splits."""
    leaks = sum(one.verdict == "leaks" for one in findings)
    sides = [
        [score for one in findings if (score := getattr(one, side)) is not None]
        for side in ("members", "others", "baseline_members")
    ]
    rates = [
        spread([value(getattr(score, rate)) for score in side])
        for side in sides
        for rate in ("mcc", "auc")
    ]
    advantage = spread([value(one.advantage) for one in findings])
    return (f"`{name}`", *rates, advantage, f"{leaks} of {len(findings)}")


def median_auc(findings: list[Finding]) -> float:
    """The median AUC on members."""
    return float(np.nanmedian([value(one.members.auc) for one in findings]))

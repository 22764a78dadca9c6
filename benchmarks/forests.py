"""Default random forests: members, people never seen, and the attacker without the model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.attacked import attack, value
from benchmarks.people import ADULT, ADULT_MARRIED, GSS, STEAK, People
from benchmarks.table import Table, spread
from reticent.finding import Finding

ATTACKS = ("imputation_likelihood", "learned")
SPLITS = 20
ADULT_SPLITS = 3  # one takes two minutes of CPU time in each of the two forms
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
    """Adult in two forms: all seven values, and as the literature prepares it."""
    married = _table(ADULT_MARRIED, ADULT_SPLITS, (*ATTACKS, *PUBLISHED))
    rows = [
        (people.name, *row)
        for people, table in ((ADULT, _table(ADULT, ADULT_SPLITS)), (ADULT_MARRIED, married))
        for row in table.rows
    ]
    return Table(("people", *HEAD), rows, married.notes)


def _table(people: People, splits: int, attacks: Sequence[str] = ATTACKS) -> Table:
    runs = [attack(people, seed, attacks) for seed in range(splits)]
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

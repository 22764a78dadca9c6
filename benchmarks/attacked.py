"""One split of some people, a model trained on a third of them, and what attacks find."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

import reticent
from benchmarks.people import People
from reticent.finding import Rate

NONE = float("nan")


def forest(seed: int) -> Any:
    """Scikit-learn's default random forest."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(random_state=seed)


def pipeline(columns: pd.DataFrame, last: Any) -> Any:
    """Put an estimator behind indicators of the columns that are text; numbers stay as they are."""
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    text = [name for name in columns if not pd.api.types.is_numeric_dtype(columns[name])]
    if not text:
        return make_pipeline(last)
    indicators = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_pipeline(make_column_transformer((indicators, text), remainder="passthrough"), last)


def case(people: People, seed: int, model: Callable[[int], Any] = forest) -> reticent.Case:
    """Train a model on a third of the people; the attacker holds another third."""
    members, auxiliary, others = people.thirds(seed)
    inputs = members.drop(columns=people.label)
    fitted = pipeline(inputs, model(seed)).fit(inputs, members[people.label])
    domain = reticent.Domain(values=people.values(), public=True)
    return reticent.Case(
        model=fitted, members=members, others=others, auxiliary=auxiliary, label=people.label,
        sensitive=people.sensitive, domains={people.sensitive: domain},
    )  # fmt: skip


def attack(
    people: People, seed: int, attacks: Sequence[str] | None = None,
    model: Callable[[int], Any] = forest,
) -> dict[str, reticent.Finding]:  # fmt: skip
    """Audit one split: attack name to finding, without those that cannot be run here."""
    evidence = reticent.audit(
        case(people, seed, model), seed=seed, attacks=attacks, canaries=False, advice=False
    )
    return {one.attack: one for one in evidence.findings if one.verdict != "not_applicable"}


def value(rate: Rate | None) -> float:
    """A rate's value; NaN where there is none."""
    return NONE if rate is None or rate.value is None else rate.value

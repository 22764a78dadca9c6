"""The cheapest defence: found where there is one, honest where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from reticent.audit.advice import advise
from reticent.audit.case import Case
from reticent.audit.measure import subject
from reticent.audit.options import Options
from reticent.dataset import Dataset
from reticent.evidence import Advice
from reticent.finding import Risk


def people(seed: int, n: int = 500) -> Dataset:
    """A label that age explains in part, and a secret that explains a little more."""
    rng = np.random.default_rng(seed)
    age, secret = rng.normal(0, 1, n).round(1), rng.integers(2, size=n)
    label = (age + 0.3 * secret + rng.normal(0, 1, n) > 0).astype(int)
    return Dataset({"age": age, "other": rng.normal(0, 1, n).round(1), "secret": secret,
                    "label": label})  # fmt: skip


def advice(estimator: object, risk: Risk) -> Advice | None:
    members = people(1)
    fitted = estimator.fit(members.without("label").frame(), members["label"])  # type: ignore[attr-defined]
    case = Case(model=fitted, members=members, others=people(2), auxiliary=people(3),
                label="label", sensitive="secret").prepared()  # fmt: skip
    return advise(case, subject(case, "secret", 0), Options(risk=risk), lambda what: None)


def test_a_leaf_size_that_keeps_the_limit_is_advised() -> None:
    forest = make_pipeline(StandardScaler(), RandomForestClassifier(25, random_state=0))
    found = advice(forest, Risk(max_advantage=0.15, max_memorization=0.15))
    assert found is not None
    assert found.parameter == "randomforestclassifier__min_samples_leaf"
    assert found.before.advantage > 0.15
    assert found.value == found.tried[-1].value
    last = found.tried[-1]
    assert last.advantage + 2 * last.margin <= 0.15
    assert last.utility >= found.before.utility
    assert all(one.advantage + 2 * one.margin > 0.15 or one.utility < found.before.utility
               for one in found.tried[:-1])  # fmt: skip


def test_where_nothing_keeps_the_limit_the_least_is_named_and_said() -> None:
    found = advice(RandomForestClassifier(10, random_state=0), Risk(max_advantage=-1.0))
    assert found is not None
    assert "does not keep the limits" in found.reason or found.value is None


@pytest.mark.parametrize("estimator", [LogisticRegression()])
def test_no_knob_no_advice(estimator: object) -> None:
    assert advice(estimator, Risk()) is None

"""The no-model baseline: cross-fitted, chosen on auxiliary people, as strong as can be had."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from reticent.attacks.baseline.imputation import impute, learners
from reticent.attacks.known import hide
from reticent.dataset import Dataset


def table(n: int, seed: int, noise: float = 0.3) -> Dataset:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(0, 1, n), rng.normal(0, 1, n)
    secret = (x * y + rng.normal(0, noise, n) > 0).astype(int)
    color = np.array(["red", "blue"], dtype=object)[rng.integers(2, size=n)]
    return Dataset({"x": x, "y": y, "color": color, "secret": secret})


def test_it_learns_an_interaction_and_its_own_estimate_is_honest() -> None:
    auxiliary, fresh = table(800, 1), table(800, 2)
    hidden = hide("secret", None, auxiliary)
    found = impute(auxiliary, np.arange(800), hidden, ["x", "y", "color"], seed=0)
    on_fresh = roc_auc_score(fresh["secret"], found.log_probability(fresh)[:, 1])
    held_out = roc_auc_score(auxiliary["secret"], found.held_out[:, 1])
    assert on_fresh > 0.9
    assert held_out == pytest.approx(on_fresh, abs=0.04), (
        "cross-fitting must not see its own people"
    )
    assert found.learner != "logistic", "a line cannot see x * y"


def test_at_least_three_learners_are_tried_and_the_best_is_taken() -> None:
    auxiliary = table(800, 1)
    found = impute(auxiliary, np.arange(800), hide("secret", None, auxiliary), ["x", "y"], seed=0)
    assert len(learners(0)) >= 3
    assert set(learners(0)) < set(found.aucs)
    assert found.aucs[found.learner] == max(found.aucs.values())


def test_nothing_to_learn_is_one_half() -> None:
    rng = np.random.default_rng(3)
    auxiliary = table(800, 1).replaced("secret", rng.integers(2, size=800))
    found = impute(auxiliary, np.arange(800), hide("secret", None, auxiliary), ["x", "y"], seed=0)
    # n = 800, AUC under the null has standard error .0205; .10 is 4.9 of them, and with six
    # estimates the chance that the largest passes it is below one in a million.
    assert abs(found.aucs[found.learner] - 0.5) < 0.10


def test_rows_of_one_person_stay_in_one_fold() -> None:
    """Copies of a person in other folds would give their value away to the held-out estimate."""
    rng = np.random.default_rng(3)
    once = table(150, 1).replaced("secret", rng.integers(2, size=150))
    copies = once.repeated(5)
    hidden = hide("secret", None, once)
    whose = np.tile(np.arange(150), 5)
    together = impute(copies, whose, hidden, ["x", "y"], seed=0)
    astray = impute(copies, np.arange(750), hidden, ["x", "y"], seed=0)
    assert astray.aucs["forest"] > 0.9, "the control: folds that split people do leak"
    assert together.aucs["forest"] < 0.7


def test_missing_values_on_either_side() -> None:
    auxiliary = table(300, 1)
    holes = auxiliary["x"].copy()
    holes[::7] = np.nan
    secret = auxiliary["secret"].astype(float)
    secret[::11] = np.nan
    auxiliary = auxiliary.replaced("x", holes).replaced("secret", secret)
    found = impute(auxiliary, np.arange(300), hide("secret", None, auxiliary), ["x", "y"], seed=0)
    assert np.isfinite(found.held_out).all()
    assert np.isfinite(found.log_probability(auxiliary)).all()


def test_twenty_people_are_enough_to_run() -> None:
    auxiliary = table(20, 1)
    found = impute(auxiliary, np.arange(20), hide("secret", None, auxiliary), ["x", "y"], seed=0)
    assert found.held_out.shape == (20, 2)

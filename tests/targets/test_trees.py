"""The leaves of every tree library: where rows end, and how many training rows share the leaf."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from people import TRAITS, Rote, survey
from reticent.dataset import Dataset
from reticent.errors import ModelError
from reticent.target import Reveals, Transparent
from reticent.targets.local import Local, local

INPUTS = [*TRAITS, "s"]
PEOPLE = survey(150, seed=1)
ROWS = Dataset.of(PEOPLE)
FRAME, LABELS = PEOPLE[INPUTS], ROWS["y"]
COUNTS = np.searchsorted(["u", "v", "w", "x"], LABELS.astype(str))


def early() -> Any:
    """A booster that grew more trees than it uses."""
    model = xgboost.XGBClassifier(
        n_estimators=40, n_jobs=1, early_stopping_rounds=2, eval_metric="mlogloss"
    )
    return model.fit(FRAME[:75], COUNTS[:75], eval_set=[(FRAME[75:], COUNTS[75:])], verbose=False)


def trained(objective: str) -> Any:
    return xgboost.train(
        {"objective": objective, "num_class": 4, "nthread": 1},
        xgboost.DMatrix(FRAME, label=COUNTS),
        3,
    )


# name: model, trees, whether its leaves hold counts of training rows
MODELS: dict[str, tuple[Callable[[], Any], int, bool]] = {
    "tree": (lambda: DecisionTreeClassifier().fit(FRAME, LABELS), 1, True),
    "forest": (lambda: RandomForestClassifier(4, bootstrap=False).fit(FRAME, LABELS), 4, True),
    "extra": (lambda: ExtraTreesClassifier(4).fit(FRAME, LABELS), 4, True),
    "regressor": (lambda: RandomForestRegressor(4, bootstrap=False).fit(FRAME, COUNTS), 4, True),
    "boosting": (lambda: GradientBoostingClassifier(n_estimators=3).fit(FRAME, LABELS), 12, True),
    "pipeline": (
        lambda: make_pipeline(StandardScaler(), DecisionTreeClassifier()).fit(FRAME, LABELS),
        1, True,
    ),
    "search": (
        lambda: GridSearchCV(DecisionTreeClassifier(), {"max_depth": [3]}, cv=2).fit(FRAME, LABELS),
        1, True,
    ),
    "xgboost": (
        lambda: xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(FRAME, COUNTS), 12, False,
    ),
    "native xgboost": (lambda: trained("multi:softprob"), 12, False),
    "lightgbm": (
        lambda: lightgbm.LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1).fit(FRAME, LABELS),
        12, True,
    ),
    "native lightgbm": (
        lambda: lightgbm.train({"objective": "l2", "verbose": -1, "num_threads": 1},
                               lightgbm.Dataset(FRAME, label=COUNTS), 3), 3, True,
    ),
}  # fmt: skip


def opened(name: str) -> Local:
    labels = COUNTS if name in ("regressor", "native lightgbm") else LABELS
    return local(MODELS[name][0](), INPUTS, labels)


@pytest.mark.parametrize("name", MODELS)
def test_shares_sum_to_one_and_count_the_training_rows(name: str) -> None:
    target = opened(name)
    assert isinstance(target, Transparent)
    assert Reveals.STRUCTURE in target.reveals
    leaves = target.leaves(ROWS)
    trees, counted = MODELS[name][1:]
    assert leaves.at.shape == (150, trees)
    assert len(leaves.weight) == trees
    for at, weight in zip(leaves.at.T, leaves.weight, strict=True):
        assert weight.sum() == pytest.approx(1)
        assert (weight[at] > 0).all()
        if counted:
            there = np.bincount(at, minlength=len(weight)) / 150
            assert np.allclose(there, weight)


@pytest.mark.parametrize("name", ["tree", "forest", "extra", "pipeline", "search"])
def test_a_classifiers_leaves_say_what_the_model_says(name: str) -> None:
    target = opened(name)
    leaves, told = target.leaves(ROWS), target.ask(ROWS)
    each = [says[at] / says[at].sum(axis=1, keepdims=True)
            for at, says in zip(leaves.at.T, leaves.says, strict=True)]  # fmt: skip
    assert told.scores is not None
    assert np.allclose(np.mean(each, axis=0), told.scores)


@pytest.mark.parametrize("name", ["boosting", "xgboost", "lightgbm"])
def test_a_boosted_leaf_says_nothing_of_a_class(name: str) -> None:
    assert opened(name).leaves(ROWS).says == ()


def test_an_early_stop_leaves_as_many_leaves_as_trees() -> None:
    leaves = local(early(), INPUTS, LABELS).leaves(ROWS)
    assert leaves.at.shape[1] == len(leaves.weight)


@pytest.mark.parametrize("model", [LogisticRegression(), Rote()], ids=["logistic", "rote"])
def test_what_is_not_made_of_trees_has_no_leaves(model: Any) -> None:
    target = local(model.fit(FRAME, LABELS), INPUTS, LABELS)
    assert Reveals.STRUCTURE not in target.reveals
    with pytest.raises(ModelError, match="not made of trees"):
        target.leaves(ROWS)

"""What trains another model like the target: the same kind, the same classes, the same seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from desk import INPUTS, NAME, people, tree
from reticent.audit.train import in_classes, trainer
from reticent.dataset import Dataset
from reticent.errors import ConfigError, ModelError, kind_and_place
from reticent.schema import Schema
from reticent.target import Reveals
from reticent.targets.local import Local, local

SCHEMA = Schema.of([*INPUTS, "y"], {"y": "label", "s": "sensitive"})


def rows(seed: int = 3) -> Dataset:
    """People without their names."""
    return Dataset.of(people(seed)).without("name")


def target(model: Any) -> Local:
    """Wrap a model."""
    return local(model, INPUTS, rows(1)["y"])


def test_an_estimator_is_cloned_and_seeded_in_every_step() -> None:
    forest = make_pipeline(StandardScaler(), RandomForestClassifier(3)).fit(
        people(1)[INPUTS], people(1)["y"]
    )
    train = trainer(forest, None, target(forest), SCHEMA)
    assert not train.surrogate
    told = [train(rows(), seed).ask(rows(2)).scores for seed in (1, 1, 2)]
    assert all(one is not None for one in told)
    assert np.array_equal(told[0], told[1])  # type: ignore[arg-type]
    assert not np.array_equal(told[0], told[2])  # type: ignore[arg-type]


def test_the_knob_is_found_in_a_pipeline_and_turned() -> None:
    forest = make_pipeline(StandardScaler(), RandomForestClassifier(3, min_samples_leaf=20))
    forest.fit(people(1)[INPUTS], people(1)["y"])
    train = trainer(forest, None, target(forest), SCHEMA)
    assert train.knob == "randomforestclassifier__min_samples_leaf"
    assert train.settings() == [50, 100, 200]
    assert train.turned(50).blank.get_params()[train.knob] == 50
    assert trainer(lambda frame: frame, None, target(forest), SCHEMA).settings() == []


def test_what_cannot_be_cloned_is_replaced_by_a_forest() -> None:
    model = tree(people(1))
    for wrapped in (model.predict_proba, target(model)):
        train = trainer(wrapped, None, target(model), SCHEMA)
        assert train.surrogate
        assert train(rows(), 0).reveals & Reveals.SCORES
    grown = DecisionTreeRegressor().fit(people(1)[INPUTS], people(1)["y"])
    assert trainer(grown.predict, None, target(grown), SCHEMA)(rows(), 0).classes is None


def test_a_function_trains() -> None:
    seen = []

    def train(frame: Any, labels: Any, seed: int) -> Any:
        seen.append((list(frame.columns), len(labels), seed))
        return DecisionTreeClassifier(random_state=seed).fit(frame, labels)

    trainer(object(), train, target(tree(people(1))), SCHEMA)(rows(), 7)
    assert seen == [(INPUTS, 40, 7)]


def test_what_does_not_fit_is_refused() -> None:
    model = tree(people(1))
    with pytest.raises(ConfigError, match="cannot be cloned"):
        trainer(model, DecisionTreeClassifier, target(model), SCHEMA)
    grown = DecisionTreeRegressor().fit(people(1)[INPUTS], people(1)["y"])
    with pytest.raises(ConfigError, match="Give a regressor"):
        trainer(grown, model, target(grown), SCHEMA)


def test_an_estimator_that_raises_is_told_without_its_words() -> None:
    def train(frame: Any, labels: Any, seed: int) -> Any:
        raise ValueError(NAME)

    with pytest.raises(ModelError, match=r"raised ValueError at test_train.py:\d+") as told:
        trainer(object(), train, target(tree(people(1))), SCHEMA)(rows(), 0)
    assert NAME not in str(told.value)
    assert kind_and_place(KeyError(NAME)) == "KeyError"


def test_a_model_that_never_saw_a_class_answers_in_the_targets_classes() -> None:
    fewer = tree(people(1).assign(y=lambda frame: np.where(frame["y"] == 1, 5, 1)))
    model = in_classes(local(fewer, INPUTS, rows()["y"]), np.array([0, 1, 3, 5]))
    told = model.ask(rows(2))
    assert told.scores is not None
    own = fewer.predict_proba(people(2)[INPUTS])
    assert np.array_equal(told.scores[:, [1, 3]], own)
    assert not told.scores[:, [0, 2]].any()
    assert all(says.shape[1] == 4 for says in model.leaves(rows(2)).says)


def test_a_class_that_the_target_does_not_know_is_left_out() -> None:
    model = in_classes(target(tree(people(1))), np.array([1, 2]))
    assert model.ask(rows(2)).scores.shape == (40, 2)  # type: ignore[union-attr]


def test_labels_alone_are_told_in_the_targets_classes() -> None:
    fitted = LinearSVC().fit(people(2)[INPUTS], people(2)["y"])
    model = in_classes(local(fitted, INPUTS, rows()["y"]), np.array([-1, 0, 1]))
    expected = fitted.predict(people(2)[INPUTS]) + 1
    assert model.ask(rows(2)).label.tolist() == expected.tolist()  # type: ignore[union-attr]


def test_the_same_classes_change_nothing() -> None:
    model = target(tree(people(1)))
    assert in_classes(model, np.array([0, 1])) is model
    assert in_classes(model, None) is model

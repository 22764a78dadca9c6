"""A model in memory: whatever it is made of, one answer; whatever it raises, no record told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import polars as pl
import pytest
import xgboost
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier

from people import TRAITS, memorizing, survey
from reticent.column import unique
from reticent.dataset import Dataset
from reticent.errors import ModelError
from reticent.target import Reveals, Target
from reticent.targets import local as module
from reticent.targets.local import batches, callable_target, local, positions

INPUTS = [*TRAITS, "s"]
PEOPLE = survey(120, seed=1)
ROWS = Dataset.of(PEOPLE)
LABELS = ROWS["y"]
COUNTS = np.searchsorted(unique(LABELS), LABELS)
SECRET = "Qx7Zanzibar"


def grouped(kind: str) -> Any:
    """A pipeline that reads columns by name, fitted on pandas or polars."""
    frame = PEOPLE[INPUTS] if kind == "pandas" else pl.DataFrame(PEOPLE[INPUTS].to_dict("list"))
    names = ColumnTransformer([("cat", OneHotEncoder(), ["a", "b"])], remainder="passthrough")
    return make_pipeline(names, LogisticRegression(max_iter=500)).fit(frame, LABELS)


class Own(RandomForestClassifier):  # type: ignore[misc]
    """A subclass of somebody else's."""


CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "forest": lambda: memorizing(PEOPLE, 5),
    "subclass": lambda: Own(5, random_state=0).fit(PEOPLE[INPUTS], LABELS),
    "pipeline": lambda: grouped("pandas"),
    "search": lambda: GridSearchCV(DecisionTreeClassifier(), {"max_depth": [2, 3]}, cv=2).fit(
        PEOPLE[INPUTS], LABELS
    ),
    "xgboost": lambda: xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(PEOPLE[INPUTS], COUNTS),
    "lightgbm": lambda: lightgbm.LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=1).fit(
        PEOPLE[INPUTS], LABELS
    ),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_tells_its_probabilities(name: str) -> None:
    model = CLASSIFIERS[name]()
    target = local(model, INPUTS, LABELS)
    told = target.ask(ROWS)
    assert isinstance(target, Target)
    assert Reveals.SCORES | Reveals.LABEL | Reveals.TOP_K | Reveals.ANY_ROW in target.reveals
    assert target.ignores == frozenset()
    assert told.scores is not None
    assert told.scores.dtype == np.float64
    assert np.allclose(told.scores, model.predict_proba(PEOPLE[INPUTS]))
    assert told.label is not None
    assert target.classes is not None
    assert (target.classes[told.label] == model.predict(PEOPLE[INPUTS])).all()


def test_a_model_gets_the_kind_of_frame_it_was_trained_on() -> None:
    frame = pl.DataFrame(PEOPLE.to_dict("list"))
    target = local(grouped("polars"), INPUTS, LABELS)
    told = target.ask(Dataset.of(frame)).scores
    plain = local(grouped("pandas"), INPUTS, LABELS).ask(ROWS).scores
    assert told is not None
    assert plain is not None
    assert np.allclose(told, plain)


@pytest.mark.parametrize(
    "model",
    [LinearRegression(), RandomForestRegressor(5), xgboost.XGBRegressor(n_estimators=3, n_jobs=1)],
    ids=lambda model: type(model).__name__,
)
def test_a_regressor_tells_values(model: Any) -> None:
    model.fit(PEOPLE[INPUTS], COUNTS / 2)
    target = local(model, INPUTS, COUNTS / 2)
    told = target.ask(ROWS)
    assert target.classes is None
    assert Reveals.SCORES not in target.reveals
    assert told.label is None
    assert told.value is not None
    assert np.allclose(told.value, model.predict(PEOPLE[INPUTS]))


def test_a_classifier_without_probabilities_tells_labels() -> None:
    model = RidgeClassifier().fit(PEOPLE[INPUTS], LABELS)
    target = local(model, INPUTS, LABELS)
    told = target.ask(ROWS)
    assert target.reveals == Reveals.LABEL | Reveals.GRADIENT | Reveals.ANY_ROW
    assert told.scores is None
    assert told.label is not None
    assert (model.classes_[told.label] == model.predict(PEOPLE[INPUTS])).all()


class Says:
    """A model that predicts what it is given, with no ``classes_``."""

    def __init__(self, told: Any) -> None:
        self.told = told

    def predict(self, frame: pd.DataFrame) -> Any:
        return self.told


def test_a_model_that_predicts_text_is_a_classifier() -> None:
    target = local(Says(LABELS[::-1]), INPUTS, LABELS)
    told = target.ask(ROWS)
    assert told.label is not None
    assert target.classes is not None
    assert target.classes[told.label].tolist() == LABELS[::-1].tolist()


def native(kind: str, labels: Any, **settings: Any) -> Any:
    if kind == "xgboost":
        table = xgboost.DMatrix(PEOPLE[INPUTS], label=labels)
        return xgboost.train({**settings, "nthread": 1}, table, 3)
    quiet = {"verbose": -1, "min_data_in_leaf": 5, "num_threads": 1}
    return lightgbm.train({**settings, **quiet}, lightgbm.Dataset(PEOPLE[INPUTS], label=labels), 3)


NATIVE = [
    ("xgboost", "binary:logistic", 2), ("xgboost", "multi:softprob", 4),
    ("lightgbm", "binary", 2), ("lightgbm", "multiclass", 4),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "objective", "k"), NATIVE)
def test_a_native_booster_numbers_the_sorted_labels(kind: str, objective: str, k: int) -> None:
    labels = COUNTS % k
    classes = {"num_class": k} if k > 2 else {}
    target = local(native(kind, labels, objective=objective, **classes), INPUTS,
                   np.array(["u", "v", "w", "x"], dtype=object)[labels])  # fmt: skip
    told = target.ask(ROWS)
    assert target.classes is not None
    assert target.classes.tolist() == ["u", "v", "w", "x"][:k]
    assert told.scores is not None
    assert told.scores.shape == (120, k)
    assert np.allclose(told.scores.sum(axis=1), 1, atol=1e-6)
    assert np.mean(told.label == labels) > 1.2 / k  # it learned its own rows, not their mirror


@pytest.mark.parametrize(
    ("kind", "objective"), [("xgboost", "reg:squarederror"), ("lightgbm", "l2")]
)
def test_a_native_regressor_tells_values(kind: str, objective: str) -> None:
    target = local(native(kind, COUNTS / 2, objective=objective), INPUTS, COUNTS / 2)
    assert target.classes is None
    assert target.ask(ROWS).value is not None


def test_a_booster_of_bare_labels_is_refused() -> None:
    model = native("xgboost", COUNTS, objective="multi:softmax", num_class=4)
    with pytest.raises(ModelError, match="multi:softmax"):
        local(model, INPUTS, LABELS)


def test_a_model_of_several_labels_is_refused() -> None:
    for second in (COUNTS % 2, COUNTS):
        both = np.column_stack([COUNTS % 2, second])
        with pytest.raises(ModelError, match="one label"):
            local(RandomForestClassifier(2).fit(PEOPLE[INPUTS], both), INPUTS, LABELS)


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(ModelError, match="neither predict_proba nor predict"):
        local(object(), INPUTS, LABELS)


# Callables ------------------------------------------------------------------------------------


def test_a_callable_of_a_matrix_is_a_classifier() -> None:
    target = callable_target(lambda frame: np.full((len(frame), 4), 0.25), ROWS, INPUTS, LABELS)
    assert Reveals.SCORES in target.reveals
    assert target.ask(ROWS).scores is not None


def test_a_callable_of_known_labels_is_a_classifier() -> None:
    target = callable_target(lambda frame: ["v"] * len(frame), ROWS, INPUTS, LABELS)
    assert Reveals.SCORES not in target.reveals
    assert np.all(target.ask(ROWS).label == 1)


@pytest.mark.parametrize("shape", [lambda v: v, lambda v: v[:, None]], ids=["flat", "column"])
def test_a_callable_of_other_numbers_is_a_regressor(shape: Callable[[Any], Any]) -> None:
    target = callable_target(lambda frame: shape(frame["a"].to_numpy() + 0.5), ROWS, INPUTS, COUNTS)
    assert target.classes is None
    told = target.ask(ROWS).value
    assert told is not None
    assert (told == ROWS["a"] + 0.5).all()


# What a model may not do ----------------------------------------------------------------------


def leaking(frame: pd.DataFrame) -> Any:
    raise ValueError(f"bad value {SECRET} in {frame.iloc[0].tolist()}")


@pytest.mark.parametrize(
    "ask",
    [
        lambda: local(leaking, INPUTS, LABELS).ask(ROWS),
        lambda: callable_target(leaking, ROWS, INPUTS, LABELS),
    ],
    ids=["ask", "probe"],
)
def test_an_error_tells_where_and_never_what(ask: Callable[[], object]) -> None:
    with pytest.raises(ModelError) as caught:
        ask()
    assert "ValueError at test_local.py" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__


WRONG: list[tuple[Any, str]] = [
    (lambda frame: np.full((len(frame), 3), 1 / 3), "shape"),
    (lambda frame: np.full((len(frame) + 1, 4), 0.25), "shape"),
    (lambda frame: np.full(4, 0.25), "shape"),
    (lambda frame: np.full((len(frame), 4), np.nan), "finite"),
    (lambda frame: np.full((len(frame), 4), np.inf), "finite"),
    (lambda frame: np.full((len(frame), 4), SECRET, dtype=object), "text"),
]


@pytest.mark.parametrize(("function", "found"), WRONG)
def test_an_answer_out_of_shape_is_refused(function: Any, found: str) -> None:
    with pytest.raises(ModelError, match=found) as caught:
        local(function, INPUTS, LABELS).ask(ROWS)
    assert SECRET not in str(caught.value)


def test_a_regressor_that_says_text_is_refused_without_telling_it() -> None:
    with pytest.raises(ModelError) as caught:
        local(Says(np.full(120, SECRET)), INPUTS, COUNTS).ask(ROWS)
    assert SECRET not in str(caught.value)


# Batches --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 119, 120, 121])
def test_batches_change_no_answer(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    target = local(memorizing(PEOPLE, 5), INPUTS, LABELS)
    whole, leaves = target.ask(ROWS).scores, target.leaves(ROWS).at
    sizes: list[int] = []

    def cut(rows: Dataset) -> Any:
        for batch in batches(rows, size):
            sizes.append(len(batch))
            yield batch

    monkeypatch.setattr(module, "batches", cut)
    assert np.all(target.ask(ROWS).scores == whole)
    assert sum(sizes) == 120
    assert max(sizes) <= size
    assert (target.leaves(ROWS).at == leaves).all()


def test_no_rows_get_no_answers() -> None:
    told = local(memorizing(PEOPLE, 5), INPUTS, LABELS).ask(ROWS.take(slice(0, 0)))
    assert told.scores is not None
    assert told.scores.shape == (0, 4)
    assert len(told) == 0


def test_positions_and_unique_labels() -> None:
    assert unique(np.array(["b", "a", "b"], object)).tolist() == ["a", "b"]
    assert unique(np.array([2.0, 1.0, 2.0])).tolist() == [1.0, 2.0]
    assert positions(np.array([1.0, 3.0, 2.0]), np.array([1, 2])).tolist() == [0, -1, 1]
    assert positions(np.array(["a", "z"]), np.array(["z", "a"], object)).tolist() == [1, 0]

"""Solving for the one row that is missing: exact where the parameters are exact."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from reticent.attacks.record.informed import Informed
from reticent.attacks.record.recipe import Recipe, recipe_of
from reticent.contract import Contract
from reticent.dataset import Dataset
from reticent.schema import Schema
from reticent.target import Target
from reticent.targets.contracted import behind
from reticent.targets.local import local

N, COLUMNS = 80, ["age", "income", "region"]
EXACT = {"tol": 1e-12, "max_iter": 5_000}


def rows(classes: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    frame = pd.DataFrame({
        "age": rng.normal(45, 12, N).round(), "income": rng.normal(30, 9, N).round(1),
        "region": rng.integers(0, 4, N).astype(float),
    })  # fmt: skip
    score = frame["age"] / 12 + rng.normal(0, 1, N)
    return frame.assign(
        label=np.digitize(score, np.quantile(score, np.arange(1, classes) / classes))
    )


def solved(model: Any, frame: pd.DataFrame, target: Target | None = None) -> Dataset:
    columns = [name for name in frame.columns if name != "label"]
    bare = local(model, columns, frame["label"].to_numpy())
    known, attack = Dataset.of(frame), Informed()
    recipe = attack.recipe(bare, target or bare, known)
    assert isinstance(recipe, Recipe), recipe
    return attack.rebuild(recipe, known, "label", np.arange(len(frame)), columns)


MODELS = {
    "ridge": Ridge(alpha=2.0), "least squares": LinearRegression(),
    "scaled ridge": make_pipeline(StandardScaler(), Ridge()),
    "logistic": make_pipeline(StandardScaler(), LogisticRegression(C=0.7, **EXACT)),
    "naive Bayes": GaussianNB(),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_every_missing_row_is_found(name: str) -> None:
    frame = rows()
    found = solved(MODELS[name].fit(frame[COLUMNS], frame["label"]), frame)
    for column in COLUMNS:
        assert found[column] == pytest.approx(frame[column].to_numpy(), abs=0.02), column


def test_with_three_classes_too() -> None:
    frame = rows(3)
    model = make_pipeline(StandardScaler(), LogisticRegression(**EXACT))
    found = solved(model.fit(frame[COLUMNS], frame["label"]), frame)
    assert found["age"] == pytest.approx(frame["age"].to_numpy(), abs=0.1)


def test_text_is_read_off_its_indicators() -> None:
    frame = rows()
    frame["town"] = np.array(["Bath", "York", "Ely"])[frame["region"].astype(int) % 3]
    frame = frame[["age", "town", "income", "label"]]
    before = make_column_transformer(
        (OneHotEncoder(sparse_output=False), ["town"]), (StandardScaler(), ["age", "income"])
    )
    model = make_pipeline(before, LogisticRegression(**EXACT))
    found = solved(model.fit(frame.drop(columns="label"), frame["label"]), frame)
    assert found["town"].tolist() == frame["town"].tolist()
    assert found["age"] == pytest.approx(frame["age"].to_numpy(), abs=0.05)


def test_unrounded_scores_are_as_good_as_the_parameters_and_rounded_ones_are_not() -> None:
    frame = rows()
    model = make_pipeline(StandardScaler(), LogisticRegression(**EXACT))
    model.fit(frame[COLUMNS], frame["label"])
    bare = local(model, COLUMNS, frame["label"].to_numpy())
    schema = Schema.of(frame.columns.tolist(), {"label": "label"})

    def missed(**contract: Any) -> float:
        view = behind(bare, Contract(output="scores", **contract), schema, key=b"k" * 32)
        found = solved(model, frame, view)["age"]
        return float(np.median(np.abs(found - frame["age"].to_numpy())))

    assert missed() < 0.1
    assert missed(decimals=1) > 5


def test_a_person_who_was_never_in_it_is_not_found() -> None:
    frame, n = rows(), N // 2
    model = GaussianNB().fit(frame[COLUMNS][:n], frame["label"][:n])
    known, attack = Dataset.of(frame[:n]), Informed()
    recipe = attack.recipe(
        local(model, COLUMNS, known["label"]), local(model, COLUMNS, known["label"]), known
    )
    assert isinstance(recipe, Recipe)
    nobody = attack.rebuild(recipe, known, "label", np.full(5, -1), COLUMNS)
    assert np.abs(nobody["age"]).max() < 1e-6, "nothing is left over where nobody is missing"


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (RandomForestClassifier(3), "no logistic"),
        (LogisticRegression(class_weight="balanced"), "class weights"),
        (LogisticRegression(fit_intercept=False), "without an intercept"),
        (Ridge(positive=True), "constraints"),
        (LogisticRegression(solver="liblinear"), "shrinks the intercept"),
    ],
)
def test_what_cannot_be_solved_says_why(model: Any, reason: str) -> None:
    frame = rows()
    bare = local(model.fit(frame[COLUMNS], frame["label"]), COLUMNS, frame["label"].to_numpy())
    found = recipe_of(bare)
    assert isinstance(found, str)
    assert reason in found


def test_labels_alone_fix_no_parameters() -> None:
    frame = rows()
    bare = local(LogisticRegression().fit(frame[COLUMNS], frame["label"]), COLUMNS,
                 frame["label"].to_numpy())  # fmt: skip
    schema = Schema.of(frame.columns.tolist(), {"label": "label"})
    view = behind(bare, Contract(output="label"), schema, key=b"k" * 32)
    found = Informed().recipe(bare, view, Dataset.of(frame))
    assert isinstance(found, str)
    assert "does not reveal SCORES" in found

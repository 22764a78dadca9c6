"""The Python interface, word for word as it is promised."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import reticent
from desk import INPUTS, NAME, people, tree
from reticent.errors import ReticentError

QUICK: dict[str, Any] = {"attacks": ["imputation_likelihood"], "canaries": False, "advice": False}


def case(**given: Any) -> reticent.Case:
    """The plain case, with something replaced."""
    plain: dict[str, Any] = {
        "model": tree(people(1)), "members": people(1), "others": people(2),
        "auxiliary": people(3), "label": "y", "sensitive": "s", "identifiers": ["name"],
    }  # fmt: skip
    return reticent.Case(**{**plain, **given})


def test_everything_that_is_public_is_there() -> None:
    assert reticent.__all__ == sorted(reticent.__all__)
    assert all(getattr(reticent, name) for name in reticent.__all__)
    assert set(reticent.__all__) <= set(dir(reticent))
    with pytest.raises(AttributeError, match="no attribute 'Cas'"):
        reticent.Cas  # noqa: B018


def test_the_promised_session() -> None:
    members, others, public = (people(seed).drop(columns="name") for seed in (1, 2, 3))
    clf = tree(people(1))
    case = reticent.Case(model=clf, members=members, others=others, auxiliary=public,
                         label="y", sensitive="s")  # fmt: skip
    evidence = reticent.audit(case, seed=0, **QUICK)
    f = evidence.findings[0]
    assert f.members.auc.value is not None
    assert f.baseline_members.auc.value is not None
    assert f.advantage.low is not None
    assert f.verdict in ("leaks", "no_leak_found", "underpowered")
    assert evidence.notes == reticent.audit(case, seed=0, **QUICK).notes


def test_a_contract_by_its_promised_words() -> None:
    domains = {"s": reticent.Domain(values=(0, 1), public=True)}
    contract = reticent.Contract(output="label", marginalize=["s"])  # type: ignore[arg-type]
    evidence = reticent.audit(case(domains=domains), contract=contract, **QUICK)
    assert [one.configuration for one in evidence.findings] == ["contract"]
    assert evidence.findings[0].contract == contract.digest
    with pytest.raises(TypeError, match="output"):
        reticent.Contract()  # type: ignore[call-arg]


@pytest.mark.parametrize("kind", ["polars", "arrow"])
def test_other_frames_reach_the_model_as_they_are(kind: str) -> None:
    seen = set()

    class Taking(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        def fit(self, rows: Any, labels: Any) -> Taking:
            self.classes_ = np.unique(labels)
            return self

        def predict_proba(self, rows: Any) -> np.ndarray:
            seen.add(type(rows))
            assert list(rows.columns if kind == "polars" else rows.column_names) == INPUTS
            return np.full((len(rows), 2), 0.5)

    turn: Any = pl.from_pandas if kind == "polars" else pa.Table.from_pandas
    tables = {
        name: turn(people(seed)) for name, seed in (("members", 1), ("others", 2), ("auxiliary", 3))
    }
    model = Taking().fit(people(1)[INPUTS], people(1)["y"])
    reticent.audit(case(model=model, **tables), **QUICK)
    assert seen == {pl.DataFrame if kind == "polars" else pa.Table}


def test_a_regressor_and_a_function() -> None:
    rows = people(1)
    grown = DecisionTreeRegressor(random_state=0).fit(rows[INPUTS], rows["y"])
    assert reticent.audit(case(model=grown), **QUICK).configurations[0].measure == "r2"
    clf = tree(rows)
    evidence = reticent.audit(case(model=clf.predict_proba), **QUICK)
    assert "cannot be trained again" in evidence.notes[0]


class Wrong(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A model that does what it should not."""

    classes_ = np.array([0, 1])

    def __init__(self, how: str = "raise") -> None:
        self.how = how

    def fit(self, rows: Any, labels: Any) -> Wrong:
        if self.how == "fit":
            raise ValueError(NAME)
        return self

    def predict_proba(self, rows: Any) -> Any:
        return {
            "wide": np.full((len(rows), 3), 1 / 3),
            "short": np.full((1, 2), 0.5),
            "flat": np.full(len(rows), 0.5),
            "nan": np.full((len(rows), 2), np.nan),
            "text": np.full((len(rows), 2), NAME),
            "fit": np.full((len(rows), 2), 0.5),
        }[self.how]


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a model that raises": ({"model": Wrong()}, "the model raised KeyError at test_python.py"),
    "too many classes": ({"model": Wrong("wide")}, r"the model answered \(2, 3\)"),
    "too few rows": ({"model": Wrong("short")}, r"the model answered \(1, 2\)"),
    "one number": ({"model": Wrong("flat")}, "one number"),
    "answers that are none": ({"model": Wrong("nan")}, "finite answers: 4 are not"),
    "answers of text": ({"model": Wrong("text")}, "some are text"),
    "a model that cannot be fitted": ({"model": Wrong("fit")}, "its estimator raised ValueError"),
    "an unfitted model": ({"model": DecisionTreeClassifier()}, "NotFittedError"),
    "no model": ({"model": 3}, "neither predict_proba nor predict"),
    "no frame": ({"members": [[1, 2]]}, "a list is not a frame"),
    "no rows": ({"members": people(1)[:0]}, "the table members: it has no rows"),
    "double columns": (
        {"members": pd.concat([people(1), people(1)["s"]], axis=1)}, "own"
    ),
    "columns without names": ({"others": people(2).T.T.set_axis(range(5), axis=1)}, "Name them"),
    "the same table twice": ({"others": (same := people(2)), "auxiliary": same}, "same table"),
    "the label hidden": ({"sensitive": "y"}, "it is the label"),
    "nothing hidden": ({"sensitive": []}, "ask for attacks without one"),
    "two roles": ({"identifiers": ["s", "name"]}, "column 's': it has two roles"),
    "an unknown column": ({"sensitive": "sx"}, "did you mean 's'"),
    "an unknown known": ({"known": "agee"}, "did you mean 'age'"),
    "a class to train": ({"train": DecisionTreeClassifier}, "Give an unfitted estimator"),
    "a classifier for a regressor": (
        {"model": DecisionTreeRegressor().fit(people(1)[INPUTS], people(1)["y"]),
         "train": DecisionTreeClassifier()},
        "Give a regressor",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_told_in_three_parts(name: str) -> None:
    given, words = BAD[name]
    with pytest.raises(ReticentError, match=words) as told:
        reticent.audit(case(**given), **QUICK)
    assert told.value.asked
    assert told.value.found
    assert told.value.do
    assert NAME not in str(told.value)


def test_an_unknown_attack_is_told() -> None:
    with pytest.raises(ReticentError, match="did you mean 'learned'"):
        reticent.audit(case(), attacks=["lerned"])


def test_strange_values_and_negative_numbers_are_no_error() -> None:
    members = people(1).assign(educ=-5)
    members.loc[2, "educ"] = 99
    evidence = reticent.audit(case(members=members), **QUICK)
    assert evidence.findings[0].members.auc.n == len(members)


def test_a_model_of_other_order_gets_its_order() -> None:
    model = tree(people(1), ["s", "educ", "age"])
    straight = reticent.audit(case(), **QUICK)
    turned = reticent.audit(case(model=model), **QUICK)
    assert turned.configurations[0].utility.n == straight.configurations[0].utility.n

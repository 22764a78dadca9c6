"""Conversions: a graph is served only where it says what the model says, at thresholds too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
from numpy.typing import NDArray
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from people import TRAITS, survey
from reticent.dataset import Dataset
from reticent.target import Answer, Reveals
from reticent.targets import convert
from reticent.targets.convert import converted, difference, graphs, questions
from reticent.targets.native import native
from reticent.targets.onnx import Onnx, opened

RNG = np.random.default_rng(5)
PEOPLE = survey(150, seed=1).assign(z=RNG.normal(1_000, 50, size=150))
PEOPLE["city"] = np.where(PEOPLE["a"] > 3, "Rome", "Oslo")
INPUTS = [*TRAITS, "s", "z"]
WORDS = ColumnTransformer(
    [("city", OneHotEncoder(handle_unknown="ignore"), ["city"]), ("rest", StandardScaler(), INPUTS)]
)
FOREST = RandomForestClassifier(5, random_state=0)


def outcome(
    model: Any, columns: list[str] = INPUTS, labels: Any = PEOPLE["y"]
) -> tuple[convert.Conversion, Any]:
    fitted = model.fit(PEOPLE[columns], labels)
    like = PEOPLE[columns][:0]
    known = native(fitted, columns, like, np.asarray(labels))
    return converted(fitted, known, Dataset.of(PEOPLE[columns])), known


@pytest.mark.parametrize(
    "model",
    [
        FOREST,
        GradientBoostingClassifier(n_estimators=4),
        make_pipeline(StandardScaler(), FOREST),
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
        BaggingClassifier(n_estimators=3, random_state=0),
    ],
    ids=["forest", "boosting", "scaled forest", "linear", "bagged"],
)
def test_what_agrees_is_converted_and_says_the_same(model: Any) -> None:
    found, known = outcome(model)
    assert found.how.startswith("converted to ONNX, which agrees with the model on ")
    assert found.graph is not None
    target = opened(found.graph, Path("m"), INPUTS, PEOPLE["y"].to_numpy(), 1)
    rows = Dataset.of(PEOPLE[INPUTS])
    told, said = known.ask(rows).scores, target.ask(rows).scores
    assert np.abs(told - said).max() < 1e-5


def test_words_go_in_column_by_column_those_unheard_of_too() -> None:
    columns = [*INPUTS, "city"]
    found, known = outcome(make_pipeline(WORDS, FOREST), columns)
    assert found.graph is not None
    target = opened(found.graph, Path("m"), columns, PEOPLE["y"].to_numpy(), 1)
    strange = Dataset.of(PEOPLE[columns].assign(city="Atlantis"))
    assert np.allclose(target.ask(strange).scores, known.ask(strange).scores, atol=1e-5)  # type: ignore[arg-type]


def test_values_are_converted_too() -> None:
    found, _ = outcome(RandomForestRegressor(4, random_state=0), labels=PEOPLE["z"] * 1e6)
    assert found.graph is not None


def test_what_does_not_convert_is_native_and_says_so() -> None:
    found, _ = outcome(HistGradientBoostingClassifier(max_iter=2))
    assert found == convert.Conversion(None, "native because skl2onnx does not convert it")


def test_labels_alone_stay_labels_alone() -> None:
    """The graph of a model without probabilities tells its margins, and must not."""
    model = RidgeClassifier().fit(PEOPLE[INPUTS], PEOPLE["y"])
    for content in graphs(model, Dataset.of(PEOPLE[INPUTS]), scores=False):
        graph = opened(content, Path("m"), INPUTS, PEOPLE["y"].to_numpy())
        assert Reveals.SCORES not in graph.reveals
        assert graph.ask(Dataset.of(PEOPLE[INPUTS])).scores is None


def test_classes_with_other_names_are_another_model() -> None:
    found, _ = outcome(FOREST, labels=PEOPLE["s"] == 1)
    assert found.graph is None
    assert "other names" in found.how


def test_a_table_full_of_gaps_leaves_nothing_to_compare() -> None:
    model = make_pipeline(StandardScaler(), FOREST).fit(PEOPLE[INPUTS], PEOPLE["y"])
    known = native(model, INPUTS, PEOPLE[INPUTS][:0], PEOPLE["y"].to_numpy())
    gaps = Dataset.of(PEOPLE[INPUTS].assign(z=np.nan))
    assert "complete" in converted(model, known, gaps).how


# Graphs that are nearly the model -----------------------------------------------------------------


def without_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the graphs of 64 bits as skl2onnx makes them: its trees do not round what goes in."""
    monkeypatch.setattr(convert, "_round_before_trees", lambda graph: None)


def test_a_scaled_forest_in_other_bits_is_told_apart_at_its_jumps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_rounding(monkeypatch)
    found, _ = outcome(make_pipeline(StandardScaler(), FOREST))
    assert found.graph is None
    assert "does not agree" in found.how


def nudged(graph: bytes, ulps: int) -> bytes:
    """Move every threshold of a graph's trees by some steps of 32 bits."""
    model = onnx.load_model_from_string(graph)
    for node in model.graph.node:
        for one in node.attribute:
            if one.name == "nodes_values":
                moved = np.array(one.floats, dtype=np.float32)
                for _ in range(abs(ulps)):
                    moved = np.nextafter(moved, np.float32(np.copysign(np.inf, ulps)))
                del one.floats[:]
                one.floats.extend(moved.tolist())
    return bytes(model.SerializeToString())


@pytest.mark.parametrize("ulps", [-1, 1])
@pytest.mark.parametrize("whole", [True, False], ids=["whole", "fractions"])
def test_a_threshold_that_is_off_by_one_bit_is_found(
    monkeypatch: pytest.MonkeyPatch, ulps: int, whole: bool
) -> None:
    real = convert.graphs

    def off(*args: Any, **named: Any) -> Iterator[bytes]:
        for graph in real(*args, **named):
            yield nudged(graph, ulps)

    monkeypatch.setattr(convert, "graphs", off)
    columns = [*TRAITS, "s"] if whole else ["z"]
    found, _ = outcome(DecisionTreeClassifier(random_state=0, max_depth=3), columns)
    assert found.graph is None
    assert "answered otherwise" in found.how


# Differences -----------------------------------------------------------------------------------

SCORES = np.array([[0.7, 0.3], [0.5, 0.5], [0.2, 0.8]])


@pytest.fixture(scope="module")
def pair() -> tuple[Any, Onnx, Dataset]:
    labels = np.where(PEOPLE["s"] > 0, "no", "yes").astype(object)
    found, known = outcome(FOREST, labels=labels)
    assert found.graph is not None
    return known, opened(found.graph, Path("m"), INPUTS, labels), Dataset.of(PEOPLE[INPUTS][:3])


def told(scores: NDArray[Any]) -> Answer:
    return Answer(scores.argmax(axis=1), scores)


@pytest.mark.parametrize(
    ("said", "same"),
    [
        (SCORES, True),
        (SCORES + np.array([0.9e-5, -0.9e-5]), True),
        (SCORES + np.array([-4e-6, 4e-6]), True),  # the even row has the other label
        (SCORES + np.array([[0, 0], [-2e-5, 2e-5], [0, 0]]), False),
        (SCORES + np.array([[0, 0], [0, 0], [0.1, -0.1]]), False),
    ],
)
def test_scores_may_differ_a_little_and_labels_where_they_are_even(
    pair: tuple[Any, Onnx, Dataset], said: NDArray[Any], same: bool
) -> None:
    known, graph, rows = pair

    class Saying:
        classes = graph.classes

        def ask(self, rows: Dataset) -> Answer:
            return told(said)

    assert (difference(told(SCORES), known, Saying(), rows) is None) is same  # type: ignore[arg-type]


def test_another_label_of_the_same_scores_is_a_difference(
    pair: tuple[Any, Onnx, Dataset],
) -> None:
    known, graph, rows = pair
    answer = graph.ask(rows)
    assert answer.label is not None
    assert difference(answer, known, graph, rows) is None
    other = replace(answer, label=1 - answer.label)
    assert difference(other, known, graph, rows) is not None
    assert difference(Answer(answer.label), known, graph, rows) == "it tells something else"


def test_questions_stand_on_both_sides_of_every_threshold() -> None:
    tree = DecisionTreeClassifier(random_state=0).fit(PEOPLE[["z"]], PEOPLE["y"])
    known = native(tree, ["z"], PEOPLE[["z"]][:0], PEOPLE["y"].to_numpy())
    asked = set(questions(tree, known, Dataset.of(PEOPLE[["z"]]))["z"].astype(np.float32).tolist())
    splits = tree.tree_.threshold[tree.tree_.children_left >= 0].astype(np.float32)
    assert len(splits) > 50
    for way in (-np.inf, np.inf):
        assert set(np.nextafter(splits, np.float32(way)).tolist()) <= asked
    assert set(splits.tolist()) <= asked


def test_a_model_that_fails_beside_its_rows_is_native() -> None:
    class Picky(DecisionTreeClassifier):  # type: ignore[misc]
        def predict_proba(self, x: Any) -> Any:
            if (pd.DataFrame(x)["z"] != np.round(pd.DataFrame(x)["z"])).any():
                raise ValueError
            return super().predict_proba(x)

    people = PEOPLE.assign(z=np.round(PEOPLE["z"]))
    model = Picky().fit(people[["z"]], people["y"])
    known = native(model, ["z"], people[["z"]][:0], people["y"].to_numpy())
    found = converted(model, known, Dataset.of(people[["z"]]))
    assert found.graph is None
    assert "fails beside its rows" in found.how

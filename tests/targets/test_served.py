"""A model file made ready: which form answers, why, and what a later start finds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pytest
import xgboost
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from skops import io

from people import TRAITS, memorizing, survey
from reticent.dataset import Dataset
from reticent.errors import ConfigError, ModelError, UntrustedModelError
from reticent.target import Target
from reticent.targets import child
from reticent.targets import served as module
from reticent.targets.child import Order, Report
from reticent.targets.load import digest
from reticent.targets.native import named
from reticent.targets.served import Served, served

INPUTS = [*TRAITS, "s"]
PEOPLE = survey(120, seed=1)
MEMBERS = Dataset.of(PEOPLE)
MATRIX = PEOPLE[INPUTS].to_numpy(dtype=np.float32)
ROW = Dataset.of_matrix(MATRIX[:5].astype(float), INPUTS)


def ready(path: Path, members: Dataset | None = MEMBERS, **others: Any) -> Served:
    given: dict[str, Any] = {"name": "m", "label": "y", "columns": INPUTS, **others}
    return served(path, path.parent / "state", members=members, **given)


def dumped(folder: Path, model: Any) -> Path:
    io.dump(model, folder / "model.skops")
    return folder / "model.skops"


@pytest.fixture(autouse=True)
def here(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do here what a child would: its limits have their own tests, and take seconds."""

    def look(path: Path, content: bytes, columns: list[str], rows: Dataset, labels: Any) -> Report:
        cells = {name: rows[name] for name in columns}
        return child._report(Order(content, path.name, tuple(columns), cells, labels, 0, 0))

    if "in_a_child" not in request.node.name:
        monkeypatch.setattr(module, "looked_at", look)


def no_child(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let every look into a file fail, and note it."""
    looks: list[str] = []

    def refuse(path: Path, *args: Any, **named: Any) -> Report:
        looks.append(path.name)
        raise UntrustedModelError("the model", "there is no child in this test", "Go on")

    monkeypatch.setattr(module, "looked_at", refuse)
    return looks


def test_a_forest_is_converted_once_in_a_child_and_served_from_its_graph_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = memorizing(PEOPLE, 3)
    path = dumped(tmp_path, model)
    first = ready(path)
    assert isinstance(first.target, Target)
    assert not first.costly
    assert first.how.startswith("converted to ONNX, which agrees")
    assert first.card.columns == tuple(INPUTS)
    assert first.card.kinds == ("integer",) * 4
    assert first.card.classes == ("u", "v", "w", "x")
    assert np.allclose(first.target.ask(ROW).scores, model.predict_proba(PEOPLE[INPUTS][:5]))  # type: ignore[arg-type]
    looks = no_child(monkeypatch)
    again, alone = ready(path), ready(path, None, name="other")
    assert not looks
    assert again.how == alone.how == first.how
    assert alone.card.name == "other"
    for one in (again, alone):
        assert np.array_equal(one.target.ask(ROW).scores, first.target.ask(ROW).scores)  # type: ignore[arg-type]


def test_a_kept_graph_is_not_used_where_anything_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = dumped(tmp_path, memorizing(PEOPLE, 2))
    ready(path)
    looks = no_child(monkeypatch)
    wider = Dataset.of(PEOPLE.astype({"a": float}))
    with pytest.raises(UntrustedModelError):
        ready(path, wider)
    with monkeypatch.context() as other:
        other.setattr(module, "_packages", lambda: {"numpy": "0"})
        with pytest.raises(UntrustedModelError):
            ready(path)
    graph = next((tmp_path / "state" / "models").glob("*.onnx"))
    graph.write_bytes(graph.read_bytes()[:-1] + b"\x00")
    with pytest.raises(UntrustedModelError):
        ready(path)
    assert len(looks) == 3


def test_what_does_not_convert_is_native_in_its_own_frame_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = PEOPLE.assign(city=np.where(PEOPLE["a"] > 3, "Rome", "Oslo"))
    columns = [*INPUTS, "city"]
    words = ColumnTransformer([("city", OneHotEncoder(), ["city"])], remainder="passthrough")
    model = make_pipeline(words, HistGradientBoostingClassifier(max_iter=2))
    model.fit(people[columns], people["y"])
    found = ready(dumped(tmp_path, model), Dataset.of(people), columns=columns)
    no_child(monkeypatch)
    alone = ready(tmp_path / "model.skops", None)
    rows = Dataset({name: people[name].to_numpy()[:5] for name in columns})
    for one in (found, alone):
        assert one.costly
        assert one.how == "native because skl2onnx does not convert it"
        assert one.card.kinds[-1] == "text"
        told = one.target.ask(rows).scores
        assert np.array_equal(told, model.predict_proba(people[columns][:5]))  # type: ignore[arg-type]


def test_the_columns_stand_in_the_schemas_order_and_go_in_in_the_models(tmp_path: Path) -> None:
    backwards = INPUTS[::-1]
    model = LogisticRegression(max_iter=900).fit(PEOPLE[backwards], PEOPLE["y"])
    found = ready(dumped(tmp_path, model), columns=[*INPUTS, "y"])
    assert found.card.columns == tuple(INPUTS)
    assert found.target.columns == backwards
    told = found.target.ask(ROW).scores
    assert np.allclose(told, model.predict_proba(PEOPLE[backwards][:5]), atol=1e-5)  # type: ignore[arg-type]


def test_a_model_of_other_columns_is_refused(tmp_path: Path) -> None:
    model = LogisticRegression(max_iter=900).fit(PEOPLE[[*INPUTS]], PEOPLE["y"])
    with pytest.raises(ModelError, match="the data lacks its columns s"):
        ready(dumped(tmp_path, model), columns=TRAITS)


def test_a_pickle_is_served_only_to_who_vouches_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where an earlier start kept its graph; and one that breaks the child stays native."""
    path, model = tmp_path / "model.joblib", memorizing(PEOPLE, 3)
    joblib.dump(model, path)
    looks = no_child(monkeypatch)
    found = ready(path, trust_pickle=digest(path))
    assert found.costly
    assert "no child in this test" in found.how
    assert np.array_equal(found.target.ask(ROW).scores, model.predict_proba(PEOPLE[INPUTS][:5]))  # type: ignore[arg-type]
    assert len(looks) == 1
    for trust in (None, "0" * 64):
        with pytest.raises(UntrustedModelError, match="--trust-pickle"):
            ready(path, trust_pickle=trust)
    with pytest.raises(UntrustedModelError, match="--trust-pickle"):
        ready(path, None)


def onnx_file(folder: Path, model: Any, kinds: list[tuple[str, Any]]) -> Path:
    (folder / "model.onnx").write_bytes(to_onnx(model, initial_types=kinds).SerializeToString())
    return folder / "model.onnx"


def test_a_graph_is_served_as_given(tmp_path: Path) -> None:
    model = RandomForestClassifier(3, random_state=0).fit(MATRIX, PEOPLE["y"])
    path = onnx_file(tmp_path, model, [("rows", FloatTensorType([None, 4]))])
    for found in (ready(path), ready(path, None)):
        assert found.how == "ONNX, as given"
        assert not found.costly
        assert found.card.model == digest(path)
        assert np.allclose(found.target.ask(ROW).scores, model.predict_proba(MATRIX[:5]))  # type: ignore[arg-type]


def test_a_graph_that_names_its_inputs_takes_no_others(tmp_path: Path) -> None:
    people = PEOPLE.assign(city=np.where(PEOPLE["a"] > 3, "Rome", "Oslo"))
    words = ColumnTransformer([("city", OneHotEncoder(), ["city"])], remainder="passthrough")
    model = make_pipeline(words, LogisticRegression()).fit(people[["city", "b"]], people["y"])
    kinds = [("city", StringTensorType([None, 1])), ("b", FloatTensorType([None, 1]))]
    path = onnx_file(tmp_path, model, kinds)
    found = ready(path, Dataset.of(people), columns=[*INPUTS, "city"])
    assert found.card.columns == ("b", "city")
    assert found.card.kinds == ("integer", "text")
    with pytest.raises(ModelError, match="lacks its columns city"):
        ready(path)


def test_a_changed_model_without_its_data_is_refused(tmp_path: Path) -> None:
    for depth in (2, 3):
        model = RandomForestClassifier(2, max_depth=depth, random_state=0).fit(MATRIX, PEOPLE["y"])
        path = onnx_file(tmp_path, model, [("rows", FloatTensorType([None, 4]))])
        with pytest.raises(ConfigError, match="the card"):
            ready(path, None)
        ready(path)
    assert ready(path, None).card.name == "m"


def test_boosters_answer_with_their_own_library(tmp_path: Path) -> None:
    people = PEOPLE.rename(columns={"a": "first trait"})
    columns = ["first trait", *INPUTS[1:]]
    frame, labels = people[columns], (people["y"] > "v").to_numpy().astype(int)
    members = Dataset.of(people.assign(y=labels))
    first = xgboost.train(
        {"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(frame, label=labels), 2
    )
    first.save_model(tmp_path / "m.ubj")
    second = lightgbm.train(
        {"objective": "binary", "verbose": -1, "num_threads": 1, "min_data_in_leaf": 2},
        lightgbm.Dataset(frame, label=labels), 2,
    )  # fmt: skip
    second.save_model(tmp_path / "m.txt")
    wanted = {"m.ubj": first.predict(xgboost.DMatrix(frame)), "m.txt": second.predict(frame)}
    for name, values in wanted.items():
        for rows in (members, None):
            found = ready(tmp_path / name, rows, columns=columns)
            assert found.costly
            assert found.how.startswith("native because")
            assert found.card.classes == (0, 1)
            told = found.target.ask(Dataset.of_matrix(frame.to_numpy(float), columns)).scores
            assert told is not None
            assert np.allclose(told[:, 1], np.asarray(values))


def test_boosters_without_names_take_the_datas() -> None:
    labels = np.arange(120) % 2
    second = lightgbm.train(
        {"objective": "binary", "verbose": -1, "num_threads": 1},
        lightgbm.Dataset(MATRIX, label=labels), 1,
    )  # fmt: skip
    assert named(second, INPUTS) is None
    first = xgboost.train({"nthread": 1}, xgboost.DMatrix(MATRIX, label=labels), 1)
    assert named(first, INPUTS) is None

"""ONNX files: read as data, asked in their own dtypes, refused where they reach outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import BaggingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from people import TRAITS, survey
from reticent.dataset import Dataset
from reticent.errors import DataError, ModelError, UntrustedModelError
from reticent.target import Reveals, Target
from reticent.targets.onnx import Onnx, load_onnx

INPUTS = [*TRAITS, "s"]
PEOPLE = survey(120, seed=1)
ROWS = Dataset.of(PEOPLE)
LABELS = ROWS["y"]
MATRIX = PEOPLE[INPUTS].to_numpy(dtype=np.float32)
BROAD = [("rows", FloatTensorType([None, 4]))]


def saved(folder: Path, graph: Any) -> Path:
    path = folder / "model.onnx"
    path.write_bytes(graph if isinstance(graph, bytes) else graph.SerializeToString())
    return path


def loaded(folder: Path, graph: Any, labels: Any = LABELS) -> Onnx:
    return load_onnx(saved(folder, graph), INPUTS, labels)


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("numbers", [True, False], ids=["numbers", "words"])
def test_a_classifier_tells_what_scikit_learn_tells(
    tmp_path: Path, zipmap: bool, numbers: bool
) -> None:
    labels = np.searchsorted(["u", "v", "w", "x"], LABELS.astype(str)) + 3 if numbers else LABELS
    model = RandomForestClassifier(5, random_state=0).fit(MATRIX, labels)
    graph = to_onnx(model, initial_types=BROAD, options={id(model): {"zipmap": zipmap}})
    target = loaded(tmp_path, graph, labels)
    told = target.ask(ROWS)
    assert isinstance(target, Target)
    assert Reveals.SCORES | Reveals.ANY_ROW in target.reveals
    assert target.classes is not None
    assert target.classes.tolist() == model.classes_.tolist()
    assert told.scores is not None
    assert told.scores.dtype == np.float64
    assert np.allclose(told.scores, model.predict_proba(MATRIX), atol=1e-5)
    assert (told.label == told.scores.argmax(axis=1)).all()


@pytest.mark.parametrize("kind", ["f4", "f8", "i8"])
def test_a_matrix_is_answered_as_its_columns_are(tmp_path: Path, kind: str) -> None:
    model = RandomForestClassifier(5, random_state=0).fit(MATRIX, LABELS)
    path = saved(tmp_path, to_onnx(model, initial_types=BROAD))
    # With one thread an answer does not depend on its place among others, to the last bit.
    target = load_onnx(path, INPUTS, LABELS, threads=1)
    x = (PEOPLE[INPUTS].to_numpy(float) + 0.25).astype(kind)
    told = target.ask(Dataset.of_matrix(x, tuple(INPUTS))).scores
    turned = Dataset.of_matrix(x[:, ::-1], INPUTS[::-1])
    apart = Dataset({name: x[:, place] for place, name in enumerate(INPUTS)})
    for rows in (turned, apart):
        assert np.array_equal(told, target.ask(rows).scores)  # type: ignore[arg-type]
    each = [target.ask(apart.take(slice(n, n + 1))).scores for n in range(len(x))]
    assert np.array_equal(told, np.concatenate(each))  # type: ignore[arg-type]


def test_many_rows_are_asked_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = loaded(tmp_path, graph_of(SUM, initializer=[AXIS]))
    whole = target.ask(ROWS).value
    monkeypatch.setattr("reticent.targets.onnx.BATCH", 50)
    assert np.array_equal(target.ask(ROWS).value, whole)  # type: ignore[arg-type]


def test_a_graph_that_ends_in_dicts_ends_in_numbers_and_keeps_its_names(tmp_path: Path) -> None:
    model = BaggingClassifier(n_estimators=2, random_state=0).fit(MATRIX, LABELS)
    target = loaded(tmp_path, to_onnx(model, initial_types=BROAD))
    assert [one.type for one in target.session.get_outputs()][1] == "tensor(float)"
    assert target.classes is not None
    assert target.classes.tolist() == model.classes_.tolist()  # its trees number them


def test_a_missing_column_is_named_and_not_the_graph_blamed(tmp_path: Path) -> None:
    target = loaded(tmp_path, graph_of(SUM, initializer=[AXIS]))
    with pytest.raises(DataError, match="no such column"):
        target.ask(ROWS.without("a"))


def test_one_input_a_column_in_each_columns_own_type(tmp_path: Path) -> None:
    people = PEOPLE.assign(city=np.where(PEOPLE["a"] > 3, "Rome", "Oslo"))[["city", "b", "c"]]
    words = ColumnTransformer([("city", OneHotEncoder(), ["city"])], remainder="passthrough")
    model = make_pipeline(words, LogisticRegression(max_iter=500)).fit(people, LABELS)
    kinds = [("city", StringTensorType([None, 1])), ("b", Int64TensorType([None, 1])),
             ("c", FloatTensorType([None, 1]))]  # fmt: skip
    graph = to_onnx(model, initial_types=kinds, options={id(model): {"zipmap": False}})
    target = load_onnx(saved(tmp_path, graph), ["c", "city", "b"], LABELS)
    told = target.ask(Dataset.of(people)).scores
    assert told is not None
    assert np.allclose(told, model.predict_proba(people), atol=1e-5)


def test_a_regressor_tells_values(tmp_path: Path) -> None:
    model = RandomForestRegressor(5, random_state=0).fit(MATRIX, MATRIX[:, 0] / 2)
    target = loaded(tmp_path, to_onnx(model, initial_types=BROAD))
    told = target.ask(ROWS)
    assert target.classes is None
    assert target.reveals == Reveals.LABEL | Reveals.ANY_ROW
    assert told.value is not None
    assert np.allclose(told.value, model.predict(MATRIX), atol=1e-4)


def graph_of(*nodes: Any, inputs: int = 4, output: Any = None, **parts: Any) -> Any:
    """A small graph around some nodes."""
    given = helper.make_tensor_value_info("rows", TensorProto.FLOAT, [None, inputs])
    told = output or helper.make_tensor_value_info("said", TensorProto.FLOAT, [None, 1])
    body = helper.make_graph(list(nodes), "g", [given], [told], **parts)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3),
              helper.make_opsetid("evil.ops", 1)]  # fmt: skip
    return helper.make_model(body, opset_imports=opsets, ir_version=9)


SUM = helper.make_node("ReduceSum", ["rows", "axis"], ["said"], keepdims=1)
AXIS = helper.make_tensor("axis", TensorProto.INT64, [1], [1])


def test_a_single_column_may_have_any_input_name(tmp_path: Path) -> None:
    graph = graph_of(SUM, inputs=1, initializer=[AXIS])
    told = load_onnx(saved(tmp_path, graph), ["a"], LABELS).ask(ROWS).value
    assert told is not None
    assert told.tolist() == ROWS["a"].tolist()


def test_labels_alone_are_told_by_name(tmp_path: Path) -> None:
    output = helper.make_tensor_value_info("said", TensorProto.INT64, [None])
    first = helper.make_node("ArgMax", ["rows"], ["said"], axis=1, keepdims=0)
    target = loaded(tmp_path, graph_of(first, output=output), np.array([3, 0, 1, 2]))
    told = target.ask(ROWS).label
    assert Reveals.SCORES not in target.reveals
    assert (told == MATRIX.argmax(axis=1)).all()


def external(tensor: Any) -> Any:
    """Point a tensor at another file."""
    tensor.raw_data = b""
    tensor.ClearField("int64_data")
    onnx.external_data_helper.set_external_data(tensor, "/etc/passwd")
    return tensor


def inside(node: Any) -> Any:
    """Hide a node in a branch of an If."""
    out = helper.make_tensor_value_info("deep", TensorProto.FLOAT, None)
    branch = helper.make_graph([node], "branch", [], [out])
    true = helper.make_node("Constant", [], ["yes"], value=helper.make_tensor("t", 9, [], [True]))
    fork = helper.make_node("If", ["yes"], ["said"], then_branch=branch, else_branch=branch)
    return graph_of(true, fork)


def far_axis() -> Any:
    return external(helper.make_tensor("axis", TensorProto.INT64, [1], [1]))


FOREIGN = helper.make_node("Read", ["rows"], ["said"], domain="evil.ops")
DEEP = helper.make_node("Read", ["rows"], ["deep"], domain="evil.ops")
CONSTANT = helper.make_node("Constant", [], ["deep"], value=far_axis())
OUTSIDE = {
    "foreign": (graph_of(FOREIGN), "evil.ops"),
    "foreign in a branch": (inside(DEEP), "evil.ops"),
    "external": (graph_of(SUM, initializer=[far_axis()]), "other files"),
    "external constant": (graph_of(CONSTANT, SUM, initializer=[AXIS]), "other files"),
    "external in a branch": (inside(CONSTANT), "other files"),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_graph_that_reaches_outside_is_refused(tmp_path: Path, name: str) -> None:
    graph, found = OUTSIDE[name]
    with pytest.raises(UntrustedModelError, match=found):
        loaded(tmp_path, graph)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x00" * 50, graph_of(SUM)])
def test_what_is_no_graph_is_refused(tmp_path: Path, content: Any) -> None:
    with pytest.raises(ModelError):
        loaded(tmp_path, content)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no such file"):
        load_onnx(tmp_path / "none.onnx", INPUTS, LABELS)


def test_a_file_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reticent.targets.onnx.LARGEST", 10)
    with pytest.raises(UntrustedModelError, match="GiB"):
        loaded(tmp_path, graph_of(SUM, initializer=[AXIS]))


def test_a_graph_of_other_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="3 columns, the data has 4"):
        loaded(tmp_path, graph_of(SUM, inputs=3, initializer=[AXIS]))
    two = graph_of(SUM, initializer=[AXIS])
    two.graph.input.append(helper.make_tensor_value_info("weight", TensorProto.FLOAT, [None, 1]))
    with pytest.raises(ModelError, match="lacks its inputs rows, weight"):
        loaded(tmp_path, two)


def test_a_cell_that_is_no_number_is_refused_without_telling_it(tmp_path: Path) -> None:
    target = loaded(tmp_path, graph_of(SUM, initializer=[AXIS]))
    rows = ROWS.replaced("a", np.full(120, "Qx7Zanzibar", dtype=object))
    with pytest.raises(ModelError) as caught:
        target.ask(rows)
    assert "Qx7Zanzibar" not in str(caught.value)


def test_an_answer_out_of_shape_or_not_finite_is_refused(tmp_path: Path) -> None:
    whole = helper.make_node("ReduceSum", ["rows"], ["said"], keepdims=1)
    with pytest.raises(ModelError, match="shape"):
        loaded(tmp_path, graph_of(whole)).ask(ROWS)
    root = helper.make_node("Log", ["sum"], ["said"])
    total = helper.make_node("ReduceSum", ["rows", "axis"], ["sum"], keepdims=1)
    target = loaded(tmp_path, graph_of(total, root, initializer=[AXIS]))
    with pytest.raises(ModelError, match="finite"):
        target.ask(ROWS.replaced("a", np.full(120, -50)))

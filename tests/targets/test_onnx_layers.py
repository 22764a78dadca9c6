"""ONNX graphs that are one chain: read, and believed only where they answer alike."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from reticent.errors import ConfigError, ModelError
from reticent.target import Reveals
from reticent.targets.decoder import load_decoder
from reticent.targets.onnx import Onnx, load_onnx

X, Y = load_digits(return_X_y=True)
X, Y = (X[:200] / 16).astype(np.float32), Y[:200]
NAMES = [f"x{pixel}" for pixel in range(64)]


def perceptron(**given: Any) -> MLPClassifier:
    return MLPClassifier(hidden_layer_sizes=(12,), max_iter=10, random_state=0, **given)


def converted(model: Any, labels: Any, path: Path) -> Onnx:
    from skl2onnx import to_onnx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, labels)
        path.write_bytes(to_onnx(model, X[:1]).SerializeToString())
    return load_onnx(path, NAMES, labels)


def follows(found: Onnx) -> bool:
    """Whether its gradient is what differences of its own logits say."""
    x, way = X[:4].astype(float), np.random.default_rng(0).standard_normal((4, 64))

    def first(logits: Any) -> Any:
        return np.eye(logits.shape[1])[np.zeros(len(logits), dtype=int)]

    _, gradient = found.backward(x, first)
    ahead, behind = (found.backward(x + step * way, first)[0][:, 0] for step in (1e-6, -1e-6))
    return np.allclose((ahead - behind) / 2e-6, (gradient * way).sum(axis=1), atol=1e-5)


@pytest.mark.parametrize("two", [False, True], ids=["ten", "two"])
@pytest.mark.parametrize("model", [
    LogisticRegression(max_iter=40), perceptron(), perceptron(activation="tanh"),
    make_pipeline(StandardScaler(), PCA(9), perceptron(activation="logistic")),
    make_pipeline(MinMaxScaler(), LogisticRegression(max_iter=40)),
], ids=lambda model: str(model)[:40])  # fmt: skip
def test_a_converted_model_can_be_followed(model: Any, two: bool, tmp_path: Path) -> None:
    found = converted(model, (Y > 4).astype(int) if two else Y, tmp_path / "m.onnx")
    assert Reveals.GRADIENT in found.reveals
    assert follows(found)


def test_a_converted_regressor_can_be_followed(tmp_path: Path) -> None:
    found = converted(LinearRegression(), Y * 1.5, tmp_path / "m.onnx")
    assert Reveals.GRADIENT in found.reveals
    assert follows(found)


def test_a_forest_is_a_black_box(tmp_path: Path) -> None:
    found = converted(RandomForestClassifier(3, random_state=0), Y, tmp_path / "m.onnx")
    assert Reveals.GRADIENT not in found.reveals
    with pytest.raises(ModelError, match="no chain of known operators"):
        found.backward(X[:2].astype(float), np.ones_like)


def graph(nodes: list[Any], path: Path, width: int = 64, made: int = 3, **constants: Any) -> Path:
    """Write a graph of one input x and one output y."""
    held = [
        helper.make_tensor(name, TensorProto.FLOAT, value.shape, value.ravel().tolist())
        for name, value in constants.items()
    ]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", width])
    told = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", made])
    model = helper.make_model(
        helper.make_graph(nodes, "g", [given], [told], held), ir_version=8,
        opset_imports=[helper.make_opsetid("", 13)],
    )  # fmt: skip
    path.write_bytes(model.SerializeToString())
    return path


RNG = np.random.default_rng(0)
W, B = RNG.standard_normal((3, 64)).astype(np.float32), RNG.standard_normal(3).astype(np.float32)
NODE = helper.make_node


def test_a_gemm_as_torch_writes_it(tmp_path: Path) -> None:
    nodes = [NODE("Gemm", ["x", "w", "b"], ["z"], transB=1, alpha=0.5),
             NODE("Div", ["z", "c"], ["q"]), NODE("Softmax", ["q"], ["y"], axis=1)]  # fmt: skip
    path = graph(nodes, tmp_path / "m.onnx", w=W, b=B, c=np.array([2.0], np.float32))
    found = load_onnx(path, NAMES, np.arange(3))
    assert Reveals.GRADIENT in found.reveals
    assert follows(found)


def test_a_gemm_as_it_stands(tmp_path: Path) -> None:
    nodes = [NODE("Gemm", ["x", "w", "b"], ["z"]), NODE("Softmax", ["z"], ["y"], axis=1)]
    found = load_onnx(graph(nodes, tmp_path / "m.onnx", w=W.T, b=B), NAMES, np.arange(3))
    assert Reveals.GRADIENT in found.reveals
    assert follows(found)


@pytest.mark.parametrize("nodes", [
    [NODE("Gemm", ["x", "w", "b"], ["z"], transB=1), NODE("Softmax", ["z"], ["y"], axis=0)],
    [NODE("Gemm", ["x", "w", "b"], ["z"], transB=1), NODE("Sin", ["z"], ["q"]),
     NODE("Softmax", ["q"], ["y"], axis=1)],
    [NODE("Gemm", ["x", "w", "b"], ["z"], transB=1), NODE("Add", ["z", "z"], ["q"]),
     NODE("Softmax", ["q"], ["y"], axis=1)],
    [NODE("Gemm", ["x", "w", "b"], ["z"], transB=1), NODE("Div", ["one", "z"], ["q"]),
     NODE("Softmax", ["q"], ["y"], axis=1)],
], ids=["other axis", "other operator", "two ways", "divides by it"])  # fmt: skip
def test_a_graph_that_is_no_such_chain_is_asked_and_not_followed(
    nodes: list[Any], tmp_path: Path
) -> None:
    path = graph(nodes, tmp_path / "m.onnx", w=W, b=B, one=np.ones(1, np.float32))
    assert Reveals.GRADIENT not in load_onnx(path, NAMES, np.arange(3)).reveals


# Decoders -------------------------------------------------------------------------------------


def test_a_decoder_makes_pictures_and_takes_gradients_back(tmp_path: Path) -> None:
    nodes = [NODE("MatMul", ["x", "w"], ["z"]), NODE("Sigmoid", ["z"], ["y"])]
    weight = RNG.standard_normal((5, 64)).astype(np.float32)
    model, width = load_decoder(graph(nodes, tmp_path / "d.onnx", 5, 64, w=weight))
    assert width == 5
    z, way = np.zeros((2, 5)), RNG.standard_normal((2, 64))
    assert np.allclose(model.forward(z), 0.5)
    assert np.allclose(model.backward(z, lambda _: way)[1], 0.25 * way @ weight.T, atol=1e-5)


def test_a_decoder_of_another_kind_says_so(tmp_path: Path) -> None:
    nodes = [NODE("MatMul", ["x", "w"], ["z"]), NODE("Sin", ["z"], ["y"])]
    weight = RNG.standard_normal((5, 64)).astype(np.float32)
    model, _ = load_decoder(graph(nodes, tmp_path / "d.onnx", 5, 64, w=weight))
    assert model.forward(np.zeros((2, 5))).shape == (2, 64)
    with pytest.raises(ModelError, match="the decoder's gradient"):
        model.backward(np.zeros((2, 5)), np.ones_like)


def test_a_decoder_that_is_no_onnx_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Export it with torch"):
        load_decoder(tmp_path / "decoder.pt")

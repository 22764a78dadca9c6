"""Models that can be followed back: each reverse pass beside differences of the answers."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, MinMaxScaler, PolynomialFeatures, StandardScaler

from reticent.dataset import Dataset
from reticent.errors import ModelError
from reticent.target import Differentiable, Reveals
from reticent.targets.contracted import abstain
from reticent.targets.local import local
from reticent.targets.network import Layer, Linear, Network, softmax
from reticent.targets.wrap import Metered, Remembered

X, Y = load_digits(return_X_y=True)
X, Y = X[:300] / 16, Y[:300]
NAMES = [f"x{pixel}" for pixel in range(64)]
ROWS = Dataset.of_matrix(X[:5], NAMES)


def perceptron(**given: Any) -> MLPClassifier:
    return MLPClassifier(hidden_layer_sizes=(12, 7), max_iter=15, random_state=0, **given)


CLASSIFIERS = [
    LogisticRegression(max_iter=40),
    LinearDiscriminantAnalysis(),
    perceptron(),
    perceptron(activation="tanh"),
    perceptron(activation="identity"),
    make_pipeline(StandardScaler(), PCA(9, whiten=True), perceptron(activation="logistic")),
    make_pipeline(MinMaxScaler(), TruncatedSVD(9), "passthrough", LogisticRegression(max_iter=40)),
    make_pipeline(MaxAbsScaler(), LogisticRegression(max_iter=40)),
]


def fitted(model: Any, labels: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # none of these has to converge
        return model.fit(X, labels)


@pytest.mark.parametrize("two", [False, True], ids=["ten", "two"])
@pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda model: str(model)[:40])
def test_a_gradient_is_what_differences_say(model: Any, two: bool) -> None:
    labels = Y > 4 if two else Y
    target = local(fitted(model, labels), NAMES, labels)
    assert isinstance(target, Differentiable)
    assert Reveals.GRADIENT in target.reveals

    weights = np.random.default_rng(0).standard_normal(2 if two else 10)

    def loss(logits: Any) -> Any:
        return np.tanh(logits / 5) @ weights

    def upstream(logits: Any) -> Any:
        return (1 - np.tanh(logits / 5) ** 2) / 5 * weights

    logits, gradient = target.backward(X[:5], upstream)
    told = target.ask(ROWS).scores
    assert told is not None
    assert np.allclose(softmax(logits), told, atol=1e-9)
    way = np.random.default_rng(1).standard_normal((5, 64))
    ahead, behind = (target.backward(X[:5] + step * way, upstream)[0] for step in (1e-6, -1e-6))
    assert np.allclose((loss(ahead) - loss(behind)) / 2e-6, (gradient * way).sum(axis=1), atol=1e-6)


@pytest.mark.parametrize("model", [LinearRegression(), MLPRegressor(max_iter=15, random_state=0)])
def test_a_regressor_has_one_logit_its_value(model: Any) -> None:
    target = local(fitted(model, Y * 1.5), NAMES, Y * 1.5)
    logits, gradient = target.backward(X[:5], np.ones_like)
    told = target.ask(ROWS).value
    assert told is not None
    assert np.allclose(logits[:, 0], told)
    assert gradient.shape == (5, 64)


@pytest.mark.parametrize("model", [
    RandomForestClassifier(3, random_state=0),
    make_pipeline(PolynomialFeatures(1), LogisticRegression(max_iter=40)),
    make_pipeline(MinMaxScaler(clip=True), LogisticRegression(max_iter=40)),
])  # fmt: skip
def test_a_model_of_another_kind_shows_no_gradient(model: Any) -> None:
    target = local(fitted(model, Y), NAMES, Y)
    assert Reveals.GRADIENT not in target.reveals
    with pytest.raises(ModelError, match="its kind is not read here"):
        target.backward(X[:5], np.ones_like)


class Bent(LogisticRegression):  # type: ignore[misc]
    """A model of somebody's own that has coefficients and another answer."""

    def predict_proba(self, rows: Any) -> Any:
        return super().predict_proba(rows) ** 2


def test_a_model_derived_from_a_known_kind_is_not_believed() -> None:
    assert Reveals.GRADIENT not in local(fitted(Bent(max_iter=40), Y), NAMES, Y).reveals


def test_no_contract_lets_a_gradient_through() -> None:
    target = local(fitted(LogisticRegression(max_iter=40), Y), NAMES, Y)
    assert Reveals.GRADIENT not in abstain(target, 0.5, None).reveals


def test_a_meter_counts_what_is_followed() -> None:
    target = Metered(Remembered(local(fitted(LogisticRegression(max_iter=40), Y), NAMES, Y)))
    assert isinstance(target, Differentiable)
    target.backward(X[:5], np.ones_like)
    assert target.queries == 5


def test_neighbors_become_one_layer_where_that_is_less_work() -> None:
    wide, narrow = np.ones((6, 2)), np.ones((2, 6))
    scaled = Linear(np.full(6, 2.0), np.ones(6))
    network = Network.of([scaled, Linear(wide, np.zeros(2))])
    assert network is not None
    assert len(network.layers) == 1
    assert np.allclose(network.forward(np.ones((1, 6))), 18)
    bottleneck = Network.of([Linear(wide, np.zeros(2)), Linear(narrow, np.zeros(6))])
    assert bottleneck is not None
    assert len(bottleneck.layers) == 2


def test_layers_that_do_not_fit_are_no_network() -> None:
    assert (
        Network.of([Linear(np.ones((3, 2)), np.zeros(2)), Linear(np.ones((3, 1)), np.ones(1))])
        is None
    )
    assert Network.of(["relu"]) is None


def test_one_number_stands_for_all_columns() -> None:
    halved = Linear(np.array([0.5]), np.array([1.0]))
    wide = Linear(np.ones((3, 2)), np.zeros(2))
    chains: list[list[Layer]] = [[halved, wide, "tanh"], [wide, halved, "tanh"]]
    for layers in chains:
        network = Network.of(layers)
        assert network is not None
        assert network.width == 3
        assert network.forward(np.ones((4, 3))).shape == (4, 2)

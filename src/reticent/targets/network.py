"""Models whose answers can be followed back to their input: chains of sums and curves.

A linear model, a multilayer perceptron and the ONNX graph of either are the same chain; its
reverse pass is written here once, in numpy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.target import Upstream

Floats = NDArray[np.float64]


def _sigmoid(x: Floats) -> Floats:
    return np.asarray(0.5 * (np.tanh(0.5 * x) + 1))


def softmax(x: Floats) -> Floats:
    """Turn logits (n, k) into scores (n, k)."""
    grown = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(grown / grown.sum(axis=1, keepdims=True))


# What a curve makes of its input, and its slope times a gradient, from that output.
CURVES: dict[str, tuple[Callable[[Floats], Floats], Callable[[Floats, Floats], Floats]]] = {
    "relu": (lambda x: np.maximum(x, 0), lambda y, g: g * (y > 0)),
    "sigmoid": (_sigmoid, lambda y, g: g * y * (1 - y)),
    "tanh": (np.tanh, lambda y, g: g * (1 - y * y)),
    "softmax": (softmax, lambda y, g: y * (g - (g * y).sum(axis=1, keepdims=True))),
}


@dataclass(frozen=True, slots=True)
class Linear:
    """``x @ weight + bias``; a weight of one dimension multiplies column by column.

    Attributes
    ----------
    weight : (d, h), or (h,). bias : (h,).
    """

    weight: Floats
    bias: Floats

    @property
    def diagonal(self) -> bool:
        """Whether it keeps the columns apart."""
        return self.weight.ndim == 1

    def __call__(self, x: Floats) -> Floats:
        """Take inputs (n, d) to (n, h)."""
        return x * self.weight + self.bias if self.diagonal else x @ self.weight + self.bias

    def back(self, gradient: Floats) -> Floats:
        """Take a gradient (n, h) back to (n, d)."""
        return gradient * self.weight if self.diagonal else gradient @ self.weight.T

    def widened(self, width: int) -> Linear:
        """The same for so many columns, where one number stands for all."""
        if not self.diagonal or len(self.weight) == width:
            return self
        return Linear(np.broadcast_to(self.weight, width), np.broadcast_to(self.bias, width))

    def then(self, after: Linear) -> Linear | None:
        """Both in one step, where that is no more work than one after the other."""
        if self.diagonal:
            first = self.widened(after.weight.shape[0])
            wide = first.weight if after.diagonal else first.weight[:, None]
            return Linear(wide * after.weight, after(first.bias))
        (d, h), k = self.weight.shape, after.weight.shape[-1]
        if not after.diagonal and d * k > h * (d + k):
            return None
        weight = self.weight * after.weight if after.diagonal else self.weight @ after.weight
        return Linear(weight, after(self.bias))


Layer = Linear | str  # a curve by its name


@dataclass(frozen=True, slots=True)
class Network:
    """A chain of layers from (n, d) inputs to (n, k) logits."""

    layers: tuple[Layer, ...]

    @classmethod
    def of(cls, layers: Sequence[Layer]) -> Network | None:
        """Chain layers, neighbors in one where they can be; None where two do not fit."""
        chain: list[Layer] = []
        width = None
        for given in layers:
            layer = given
            if isinstance(layer, Linear):
                layer = layer if width is None else layer.widened(width)
                if width not in (None, 1, layer.weight.shape[0]):
                    return None
                width = layer.weight.shape[-1]
                last = chain[-1] if chain else None
                both = last.then(layer) if isinstance(last, Linear) else None
                if both is not None:
                    chain[-1] = both
                    continue
            chain.append(layer)
        return cls(tuple(chain)) if any(isinstance(one, Linear) for one in chain) else None

    @property
    def width(self) -> int:
        """How many columns it takes."""
        first = next(layer for layer in self.layers if isinstance(layer, Linear))
        return int(first.weight.shape[0])

    def forward(self, x: Floats) -> Floats:
        """Return the logits (n, k) of inputs (n, d)."""
        for layer in self.layers:
            x = layer(x) if isinstance(layer, Linear) else CURVES[layer][0](x)
        return x

    def backward(self, x: Floats, upstream: Upstream) -> tuple[Floats, Floats]:
        """Return the logits (n, k), and a loss's gradient (n, d) by the inputs."""
        reached = []
        for layer in self.layers:
            x = layer(x) if isinstance(layer, Linear) else CURVES[layer][0](x)
            reached.append(x)
        gradient = upstream(x)
        for layer, y in zip(reversed(self.layers), reversed(reached), strict=True):
            if isinstance(layer, Linear):
                gradient = layer.back(gradient)
            else:
                gradient = CURVES[layer][1](y, gradient)
        return x, gradient


# scikit-learn ---------------------------------------------------------------------------------

LINEAR = {
    "LogisticRegression", "LogisticRegressionCV", "LinearDiscriminantAnalysis", "RidgeClassifier",
    "RidgeClassifierCV", "LinearSVC", "Perceptron", "LinearRegression", "Ridge", "RidgeCV",
    "Lasso", "ElasticNet", "SGDRegressor",
}  # fmt: skip
PERCEPTRONS = {"MLPClassifier", "MLPRegressor"}
ACTIVATIONS = {"relu": "relu", "logistic": "sigmoid", "tanh": "tanh"}


def network_of(model: Any) -> Network | None:
    """Read the chain off a scikit-learn linear model, perceptron or pipeline of scalers and one."""
    layers = _layers(model)
    return None if layers is None else Network.of(layers)


def _layers(model: Any) -> list[Layer] | None:
    if not type(model).__module__.startswith("sklearn."):
        return None
    name = type(model).__name__
    if name == "Pipeline":
        parts = [_before(step) for _, step in model.steps[:-1]] + [_layers(model.steps[-1][1])]
        return None if None in parts else [layer for part in parts for layer in part or ()]
    if name in LINEAR and hasattr(model, "coef_"):
        weight = np.atleast_2d(np.asarray(model.coef_, dtype=float)).T
        bias = np.broadcast_to(np.asarray(model.intercept_, dtype=float), weight.shape[1:])
        return [_two_sided(Linear(weight, bias), hasattr(model, "classes_"))]
    if name in PERCEPTRONS and hasattr(model, "coefs_"):
        return _perceptron(model)
    return None


def _perceptron(model: Any) -> list[Layer] | None:
    chain: list[Layer] = []
    pairs = list(zip(model.coefs_, model.intercepts_, strict=True))
    for weight, bias in pairs[:-1]:
        chain.append(Linear(np.asarray(weight, dtype=float), np.asarray(bias, dtype=float)))
        if model.activation != "identity":
            chain.append(ACTIVATIONS[model.activation])
    last = Linear(*(np.asarray(part, dtype=float) for part in pairs[-1]))
    if model.out_activation_ == "logistic" and last.weight.shape[1] > 1:
        return None  # several labels at once
    return [*chain, _two_sided(last, hasattr(model, "classes_"))]


def _two_sided(last: Linear, classes: bool) -> Linear:
    """Write the one logit of two classes as two, of which the scores are the softmax."""
    if not classes or last.weight.shape[1] > 1:
        return last
    return Linear(np.c_[np.zeros(len(last.weight)), last.weight], np.array([0.0, last.bias[0]]))


def _before(step: Any) -> list[Layer] | None:
    """Read a step that comes before the model: a scaler or a projection."""
    name = "" if step is None else type(step).__name__
    if step is None or (isinstance(step, str) and step == "passthrough"):
        return []
    if not type(step).__module__.startswith("sklearn."):
        return None
    if name == "StandardScaler" and step.n_features_in_:
        factor = np.ones(step.n_features_in_) if step.scale_ is None else 1 / step.scale_
        mean = np.zeros(len(factor)) if step.mean_ is None else step.mean_
        return [Linear(factor, -factor * mean)]
    if name == "MinMaxScaler" and not step.clip:
        return [Linear(step.scale_, step.min_)]
    if name == "MaxAbsScaler":
        return [Linear(1 / step.scale_, np.zeros(len(step.scale_)))]
    if name == "PCA":
        weight = step.components_.T
        weight = weight / np.sqrt(step.explained_variance_) if step.whiten else weight
        return [Linear(weight, -step.mean_ @ weight)]
    if name == "TruncatedSVD":
        return [Linear(step.components_.T, np.zeros(len(step.components_)))]
    return None

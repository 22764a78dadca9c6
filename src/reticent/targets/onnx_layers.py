"""The layers of an ONNX graph that is one chain of sums and curves, for its reverse pass.

Gemm, MatMul, Add, Sub, Mul, Div, Relu, Sigmoid, Tanh and Softmax are read, and the converters'
LinearClassifier, LinearRegressor and Scaler. Any other operator on the way leaves a graph that
can be asked and not followed back: an attacker treats it as a black box.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.targets.network import Layer, Linear, Network

PASSED = {"Identity", "Cast", "Flatten", "Dropout", "ZipMap"}  # change nothing that counts here
CURVED = {"Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh"}
Floats = NDArray[np.float64]


def network_of_graph(model: Any, output: str, *, logits: bool = True) -> Network | None:
    """Read the chain from the graph's one input to an output of scores or values.

    Parameters
    ----------
    model : a parsed ``ModelProto``. logits : whether to stop before the softmax or sigmoid that
        makes scores of them.

    Returns
    -------
    None where the graph is not such a chain.
    """
    try:
        layers = _Reader(model).chain(output, logits)
    except (_UnreadableError, KeyError, ValueError, TypeError, IndexError):
        return None  # a crafted or unusual graph: asked, not followed
    return Network.of(layers)


class _UnreadableError(Exception):
    """The graph is no chain of what is read here."""


class _Reader:
    """Walks a graph from an output back to its input."""

    def __init__(self, model: Any) -> None:
        from onnx import numpy_helper

        graph = model.graph
        self._constants: dict[str, Floats] = {
            one.name: numpy_helper.to_array(one) for one in graph.initializer
        }
        self._producers = {}
        for node in graph.node:
            if node.op_type == "Constant":
                held = _attributes(node)["value"]
                self._constants[node.output[0]] = numpy_helper.to_array(held)
            for place, name in enumerate(node.output):
                self._producers[name] = (node, place)
        names = [one.name for one in graph.input if one.name not in self._constants]
        if len(names) != 1:
            raise _UnreadableError
        self._input = names[0]

    def chain(self, output: str, logits: bool) -> list[Layer]:
        """The layers up to an output, or up to its logits."""
        return self._ended(output) if logits else self._before(output)

    def _ended(self, name: str) -> list[Layer]:
        """Take the end of a chain apart: what makes scores of logits."""
        node, place = self._producers[name]
        kind, inputs = node.op_type, list(node.input)
        if kind in PASSED or kind == "Normalizer":
            return self._ended(inputs[0])
        if kind == "Softmax":
            return self._before(inputs[0])
        if kind == "Sigmoid":
            return _two_sided(self._before(inputs[0]))
        if kind == "Concat" and len(inputs) == 2:
            less, _ = self._producers[inputs[0]]
            if less.op_type == "Sub" and less.input[1] == inputs[1]:  # 1 - p beside p
                return self._ended(inputs[1])
            raise _UnreadableError
        if kind == "LinearClassifier" and place == 1:
            return _two_sided([*self._before(inputs[0]), _classifier(node)])
        return self._before(name)

    def _before(self, name: str) -> list[Layer]:
        """The layers that make a tensor of the input, first to last."""
        behind: list[Layer] = []
        while name != self._input:
            node, _ = self._producers[name]
            layer, name = self._step(node)
            behind += [] if layer is None else [layer]
        return behind[::-1]

    def _step(self, node: Any) -> tuple[Layer | None, str]:
        """One node as a layer, and the tensor that it reads."""
        kind, inputs = node.op_type, list(node.input)
        if kind in PASSED:
            return None, inputs[0]
        if kind in CURVED:
            return CURVED[kind], inputs[0]
        if kind == "Softmax":
            return "softmax", inputs[0]
        if kind == "Gemm":
            return self._gemm(node), inputs[0]
        if kind == "MatMul":
            weight = self._constants[inputs[1]].astype(float)
            return Linear(weight, np.zeros(weight.shape[1])), inputs[0]
        if kind in ("Scaler", "LinearRegressor"):
            return (_scaler if kind == "Scaler" else _classifier)(node), inputs[0]
        return self._elementwise(kind, inputs)

    def _gemm(self, node: Any) -> Linear:
        given = _attributes(node)
        weight = self._constants[node.input[1]].astype(float) * given.get("alpha", 1.0)
        weight = weight.T if given.get("transB") else weight
        if given.get("transA"):
            raise _UnreadableError
        bias = np.zeros(weight.shape[1])
        if len(node.input) > 2:
            bias = bias + given.get("beta", 1.0) * self._constants[node.input[2]].ravel()
        return Linear(weight, bias)

    def _elementwise(self, kind: str, inputs: list[str]) -> tuple[Linear, str]:
        """Add, Sub, Mul or Div with a constant on either side."""
        makes: dict[str, Callable[[Floats, bool], tuple[Floats, Floats]]] = {
            "Add": lambda c, _: (np.ones_like(c), c),
            "Sub": lambda c, first: (-np.ones_like(c), c) if first else (np.ones_like(c), -c),
            "Mul": lambda c, _: (c, np.zeros_like(c)),
            "Div": lambda c, _: (1 / c, np.zeros_like(c)),
        }
        if kind not in makes or len(inputs) != 2:
            raise _UnreadableError
        first = inputs[0] in self._constants
        constant = self._constants[inputs[0 if first else 1]].astype(float).ravel()
        if kind == "Div" and first:
            raise _UnreadableError
        return Linear(*makes[kind](constant, first)), inputs[1 if first else 0]


def _attributes(node: Any) -> dict[str, Any]:
    from onnx import helper

    return {one.name: helper.get_attribute_value(one) for one in node.attribute}


def _classifier(node: Any) -> Linear:
    """LinearClassifier or LinearRegressor: one row of coefficients a class."""
    given = _attributes(node)
    intercepts = np.array(given["intercepts"], dtype=float)
    weight = np.array(given["coefficients"], dtype=float).reshape(len(intercepts), -1)
    logistic = given.get("post_transform", b"NONE") == b"LOGISTIC"
    if logistic and len(intercepts) == 2:  # each class's own sigmoid: z and -z
        return Linear(weight[1:].T, intercepts[1:])
    return Linear(weight.T, intercepts)


def _scaler(node: Any) -> Linear:
    given = _attributes(node)
    factor = np.array(given["scale"], dtype=float)
    return Linear(factor, -factor * np.array(given["offset"], dtype=float))


def _two_sided(layers: list[Layer]) -> list[Layer]:
    """Write the one logit of two classes as two, of which the scores are the softmax."""
    last = layers[-1]
    if not isinstance(last, Linear):
        raise _UnreadableError
    if len(last.bias) > 1:
        return layers
    return [*layers, Linear(np.array([[0.0, 1.0]]), np.zeros(2))]

"""A PyTorch module as a target, its gradient open; torch itself is an extra."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.dataset import Dataset
from reticent.errors import MissingExtraError, ModelError, kind_and_place
from reticent.target import Answer, Reveals, Upstream
from reticent.targets.local import batches, checked
from reticent.targets.network import Layer, Linear, Network, softmax

SUMS = ("Linear", "Conv2d", "AvgPool2d", "BatchNorm1d", "BatchNorm2d")  # as they stand in eval()
CURVED = {"ReLU": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh"}
LARGEST = 1 << 20  # numbers in a matrix that a layer is written as
SMALLEST = 1e-12  # a probability of 0, before its logarithm is taken
Floats = NDArray[np.float64]


def is_module(model: Any) -> bool:
    """Say whether a model is a PyTorch module, without importing torch."""
    return any(kind.__module__.startswith("torch.nn") for kind in type(model).__mro__)


@dataclass(frozen=True, slots=True)
class Module:
    """A PyTorch module from (n, d) numbers to (n, ...) numbers, and back.

    Attributes
    ----------
    shape : of one row, such as (1, 28, 28). moved : whether the last axis, the channels, shall
        come first. told : whether it tells probabilities, and not logits.
    """

    module: Any
    shape: tuple[int, ...]
    moved: bool = False
    told: bool = False

    def forward(self, x: Floats) -> Floats:
        """What it makes of n rows: (n, k)."""
        with _torch().no_grad():
            return self._numbers(self._made(x)[1])

    def backward(self, x: Floats, upstream: Upstream) -> tuple[Floats, Floats]:
        """What it makes of n rows (n, k), and a loss's gradient (n, d) by the rows."""
        torch = _torch()
        given, made = self._made(x, follow=True)
        logits = self._numbers(made)
        back = torch.as_tensor(upstream(logits), dtype=made.dtype)
        (gradient,) = torch.autograd.grad(made, given, back)
        return logits, gradient.detach().numpy().reshape(len(x), -1).astype(float)

    def _made(self, x: Floats, follow: bool = False) -> tuple[Any, Any]:
        torch = _torch()
        first = next(iter(self.module.parameters()), None)
        kind = torch.float32 if first is None else first.dtype
        given = torch.as_tensor(x.reshape(len(x), *self.shape), dtype=kind).requires_grad_(follow)
        made = self.module(given.movedim(-1, 1) if self.moved else given).reshape(len(x), -1)
        return given, made.clamp_min(SMALLEST).log() if self.told else made

    @staticmethod
    def _numbers(made: Any) -> Floats:
        found: Floats = made.detach().numpy().astype(float)
        return found


@dataclass(frozen=True, slots=True)
class Torch:
    """A PyTorch classifier as a target.

    Attributes
    ----------
    network : it, or the matrices that it was written as.
    classes : (k,) the names of its outputs, in order.
    """

    network: Module | Network
    columns: list[str]
    classes: NDArray[Any]

    @property
    def reveals(self) -> Reveals:
        """Any row may be asked, and followed back."""
        told = Reveals.LABEL | Reveals.TOP_K | Reveals.SCORES
        return told | Reveals.GRADIENT | Reveals.ANY_ROW

    @property
    def ignores(self) -> frozenset[str]:
        """Nothing: a bare model looks at every column."""
        return frozenset()

    def ask(self, rows: Dataset) -> Answer:
        """Answer n rows, in batches.

        Raises
        ------
        ModelError : the module raised, or answered out of shape.
        """
        parts = [self._scores(batch) for batch in batches(rows.select(self.columns), 4_096)]
        scores = np.concatenate(parts)
        return Answer(scores.argmax(axis=1), scores)

    def backward(self, x: Floats, upstream: Upstream) -> tuple[Floats, Floats]:
        """Follow the answers to (n, d) inputs back to them (GRADIENT)."""
        return self.network.backward(x, upstream)

    def _scores(self, rows: Dataset) -> Floats:
        if not len(rows):
            return np.empty((0, len(self.classes)))
        x = rows.matrix(self.columns)
        if x is None:
            x = np.column_stack([rows[name].astype(float) for name in self.columns])
        try:
            logits = self.network.forward(x)
        except Exception as error:  # noqa: BLE001 (a module can raise anything)
            raise ModelError(
                f"an answer to {len(rows)} rows", f"the module raised {kind_and_place(error)}",
                "Check that it takes one row per person",
            ) from None  # fmt: skip
        return softmax(checked(logits, len(rows), len(self.classes), numbers=True))


def torch_target(
    module: Any, columns: list[str], classes: NDArray[Any], shape: tuple[int, ...] | None = None
) -> Torch:
    """Wrap a PyTorch classifier of logits or probabilities.

    Parameters
    ----------
    shape : of one input where it is a picture: (height, width), or with channels last. Modules
        take channels first: (1, height, width).

    Raises
    ------
    ModelError : it takes rows in none of the usual shapes, or has another number of classes.
    MissingExtraError : torch is not installed.
    """
    module.eval()
    rows = np.zeros((2, len(columns)))
    for one in _forms(module, len(columns), shape or ()):
        try:
            made = one.forward(rows)
        except (RuntimeError, ValueError, IndexError, TypeError):
            continue
        if made.shape != (2, len(classes)):
            raise ModelError(
                "the module's classes", f"it tells {made.shape[1]}, the members have "
                f"{len(classes)}", "Name the class of each output, in order",
            )  # fmt: skip
        told = bool((made >= 0).all()) and np.allclose(made.sum(axis=1), 1)
        return Torch(_unrolled(one) or replace(one, told=told), columns, classes)
    raise ModelError(
        "the module", f"it takes one row neither as {len(columns)} numbers nor as a picture",
        "Wrap it in a module that does, and give the picture's shape: Case(shape=...)",
    )  # fmt: skip


def _forms(module: Any, width: int, shape: tuple[int, ...]) -> list[Module]:
    """The ways in which a module may take one row, pictures first."""
    flat = Module(module, (width,))
    if len(shape) < 2:
        return [flat]
    first = Module(module, (1, *shape)) if len(shape) == 2 else Module(module, shape, moved=True)
    return [first, Module(module, shape), flat]


def _unrolled(form: Module) -> Network | None:
    """Write a small chain of sums and curves as matrices, or leave it as it is.

    A convolution of few pixels is a matrix, and a product with it takes less time than torch
    takes to begin. What was written is believed only where it answers as the module does.
    """
    torch = _torch()
    if type(form.module) is not torch.nn.Sequential or form.moved:
        return None
    layers: list[Layer] = []
    shape = form.shape
    with torch.no_grad():
        for part in form.module:
            kind = type(part).__name__
            if kind in SUMS:
                unrolled, shape = _matrix(part, shape)
                if unrolled is None:
                    return None
                layers.append(unrolled)
            elif kind in CURVED:
                layers.append(CURVED[kind])
            elif kind == "Flatten":
                shape = (int(np.prod(shape)),)
            elif kind not in ("Dropout", "Identity"):
                return None
    network = Network.of(layers)
    x = np.random.default_rng(0).uniform(-1, 1, (8, int(np.prod(form.shape))))
    alike = network is not None and np.allclose(network.forward(x), form.forward(x), 1e-3, 1e-4)
    return network if alike else None


def _matrix(part: Any, shape: tuple[int, ...]) -> tuple[Linear | None, tuple[int, ...]]:
    """What a layer of sums does to each input alone, and the shape that it makes."""
    torch = _torch()
    kind = next(iter(part.parameters()), torch.zeros(1)).dtype
    width = int(np.prod(shape))
    bias = part(torch.zeros((1, *shape), dtype=kind))
    if width * bias.numel() > LARGEST:
        return None, shape
    each = part(torch.eye(width, dtype=kind).reshape(width, *shape)) - bias
    weight = each.reshape(width, -1).numpy().astype(float)
    return Linear(weight, bias.reshape(-1).numpy().astype(float)), tuple(bias.shape[1:])


def _torch() -> Any:
    try:
        return importlib.import_module("torch")
    except ImportError:
        raise MissingExtraError("a PyTorch module", "torch", "torch") from None

"""What can be asked, what it says, and how much that reveals.

A guarded model is a model: an estimator in memory, an ONNX file, a file of answers, an endpoint
and any of these behind a contract are all a ``Target``. An attack states what it needs, a target
what it reveals, and ``needs in reveals`` is the whole matching.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Flag, auto
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from reticent.dataset import Dataset


class Reveals(Flag):
    """What an answer, or the model itself, gives away."""

    NOTHING = 0
    LABEL = auto()  #: the predicted class, or the value of a regressor
    TOP_K = auto()  #: the scores of the few highest classes
    SCORES = auto()  #: the scores of all classes
    VECTOR = auto()  #: an internal representation
    GRADIENT = auto()  #: derivatives of the answer by the input
    STRUCTURE = auto()  #: tree leaves and how many training rows reached them
    ABSTAIN = auto()  #: whether it answered at all
    ANY_ROW = auto()  #: answers rows of the attacker's choosing, not recorded ones only


@dataclass(frozen=True, slots=True)
class Answer:
    """The answers to n rows. What is not revealed is None.

    Attributes
    ----------
    label : (n,) position of the predicted class in the target's classes; -1 where refused.
    scores : (n, k) class probabilities; 0 where withheld, NaN where refused.
    value : (n,) prediction of a regressor; NaN where refused.
    vector : (n, d) internal representation.
    answered : (n,) False where the target refused; None where it never refuses.
    """

    label: NDArray[np.intp] | None = None
    scores: NDArray[np.float64] | None = None
    value: NDArray[np.float64] | None = None
    vector: NDArray[np.float64] | None = None
    answered: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        for part in (self.label, self.scores, self.value, self.vector, self.answered):
            if part is not None:
                return len(part)
        return 0

    def take(self, rows: NDArray[np.intp] | slice) -> Answer:
        """Keep the answers at the given positions."""
        return Answer(*(None if part is None else part[rows] for part in self._parts()))

    def _parts(self) -> tuple[NDArray[Any] | None, ...]:
        return (self.label, self.scores, self.value, self.vector, self.answered)


@runtime_checkable
class Target(Protocol):
    """Anything that answers rows.

    Attributes
    ----------
    reveals : what the answers give away.
    columns : the columns it wants, in its order.
    classes : (k,) class names of a classifier, None for a regressor.
    ignores : columns that never change an answer because a contract averages over them.
    """

    @property
    def reveals(self) -> Reveals:
        """What the answers give away."""
        ...

    @property
    def columns(self) -> list[str]:
        """The columns it wants, in its order."""
        ...

    @property
    def classes(self) -> NDArray[Any] | None:
        """The class names (k,) of a classifier, None for a regressor."""
        ...

    @property
    def ignores(self) -> frozenset[str]:
        """The columns that never change an answer."""
        ...

    def ask(self, rows: Dataset) -> Answer:
        """Answer n rows. Columns beyond ``columns`` are left aside."""
        ...


@dataclass(frozen=True, slots=True)
class Leaves:
    """Where rows end up in a model made of trees.

    Attributes
    ----------
    at : (n, t) the leaf of each row in each of t trees.
    weight : t arrays; ``weight[j][leaf]`` is the share of training rows in that leaf.
    says : t arrays (leaves,) or (leaves, k): what each leaf predicts, where it is known.
    """

    at: NDArray[np.intp]
    weight: tuple[NDArray[np.float64], ...]
    says: tuple[NDArray[np.float64], ...] = ()


@runtime_checkable
class Transparent(Target, Protocol):
    """A target whose STRUCTURE is open: a white-box attacker has the model file."""

    def leaves(self, rows: Dataset) -> Leaves:
        """Send n rows down every tree."""
        ...


# From the logits (n, k) to a loss's gradient by them (n, k).
Upstream = Callable[[NDArray[np.float64]], NDArray[np.float64]]


@runtime_checkable
class Differentiable(Target, Protocol):
    """A target whose GRADIENT is open: a white-box attacker can follow an answer back to its input.

    Only a bare model is one; no contract lets derivatives through.
    """

    def backward(
        self, x: NDArray[np.float64], upstream: Upstream
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Answer n rows, and pull a loss's gradient back to them.

        Parameters
        ----------
        x : (n, d) inputs, one column each of ``columns``. upstream : from the logits (n, k), of
            which a classifier's scores are the softmax, to the loss's gradient by them (n, k); a
            regressor has one, its value.

        Returns
        -------
        The logits (n, k), and the gradient (n, d) of the loss by the inputs.
        """
        ...

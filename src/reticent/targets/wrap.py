"""Wrappers of targets: one that says nothing, one that counts, one that remembers.

A target that counts what one principal tries is met ``fresh`` by whoever comes next.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from reticent.dataset import Dataset
from reticent.target import (
    Answer,
    Differentiable,
    Leaves,
    Reveals,
    Target,
    Transparent,
    Upstream,
)

Floats = NDArray[np.float64]
REMEMBERED = 8  # answers kept: one sweep of each attack, not a log


@dataclass(frozen=True, slots=True)
class Silent:
    """A model that says the same to everybody: what an attacker knows without it."""

    columns: list[str]
    classes: NDArray[Any] | None
    reveals: Reveals = Reveals.ANY_ROW | Reveals.LABEL | Reveals.TOP_K | Reveals.SCORES
    ignores: frozenset[str] = frozenset()

    def ask(self, rows: Dataset) -> Answer:
        """Answer n rows alike: even scores, the first class, the value 0."""
        if self.classes is None:
            return Answer(value=np.zeros(len(rows)))
        k = len(self.classes)
        return Answer(np.zeros(len(rows), np.intp), np.full((len(rows), k), 1 / k))


class Around:
    """A target around a target: it tells what the inner one tells, and changes how it is asked."""

    __slots__ = ("inner",)
    inner: Target

    @property
    def reveals(self) -> Reveals:
        """What the inner target gives away."""
        return self.inner.reveals

    @property
    def columns(self) -> list[str]:
        """The columns that the inner target wants."""
        return self.inner.columns

    @property
    def classes(self) -> NDArray[Any] | None:
        """The inner target's class names."""
        return self.inner.classes

    @property
    def ignores(self) -> frozenset[str]:
        """The columns that never change the inner target's answer."""
        return self.inner.ignores

    def leaves(self, rows: Dataset) -> Leaves:
        """Send n rows down every tree of the inner target."""
        assert isinstance(self.inner, Transparent)
        return self.inner.leaves(rows)

    def backward(self, x: Floats, upstream: Upstream) -> tuple[Floats, Floats]:
        """Follow the inner target's answers to (n, d) inputs back to them."""
        assert isinstance(self.inner, Differentiable)
        return self.inner.backward(x, upstream)


class Metered(Around):
    """A target that counts the rows it is asked; an opened model counts one query a row."""

    __slots__ = ("queries",)

    def __init__(self, inner: Target) -> None:
        self.inner, self.queries = inner, 0

    def ask(self, rows: Dataset) -> Answer:
        """Answer n rows, at the price of n queries."""
        self.queries += len(rows)
        return self.inner.ask(rows)

    def leaves(self, rows: Dataset) -> Leaves:
        """Send n rows down every tree, at the price of n queries."""
        self.queries += len(rows)
        return super().leaves(rows)

    def backward(self, x: Floats, upstream: Upstream) -> tuple[Floats, Floats]:
        """Follow n answers back, at the price of n queries."""
        self.queries += len(x)
        return super().backward(x, upstream)


class Remembered(Around):
    """A target that is asked the same rows once, however many attacks ask them.

    Answers are deterministic by contract, so this changes the cost and nothing else. It stands
    inside a meter: an attack pays for every query that it would have sent alone.
    """

    __slots__ = ("_answers",)

    def __init__(self, inner: Target) -> None:
        self.inner = inner
        self._answers: OrderedDict[str, Answer] = OrderedDict()

    def ask(self, rows: Dataset) -> Answer:
        """Answer n rows, from memory where exactly these were asked before."""
        key = rows.select(self.columns).digest()
        if key not in self._answers:
            self._answers[key] = self.inner.ask(rows)
        self._answers.move_to_end(key)
        if len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)
        return self._answers[key]


@runtime_checkable
class Counting(Target, Protocol):
    """A target whose answers depend on what the same principal asked before."""

    def anew(self) -> Target:
        """The same target as a new principal meets it."""
        ...


def fresh(target: Target) -> Target:
    """Meet a target as a new principal; one that does not count is met as it is.

    What one principal was told is not remembered for the next.
    """
    if isinstance(target, Remembered):
        inner = fresh(target.inner)
        return target if inner is target.inner else Remembered(inner)
    return target.anew() if isinstance(target, Counting) else target

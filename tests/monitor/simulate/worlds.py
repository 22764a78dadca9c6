"""Worlds to simulate in: a form of words and numbers, a matrix, an image, and no model at all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from people import GUEST_SCHEMA, Toy, guests
from reticent.dataset import Dataset
from reticent.monitor.simulate.world import World
from reticent.schema import Domain, Schema
from reticent.target import Answer, Reveals

PIXELS = 144


@cache
def form(tells: str = "scores") -> World:
    """Guests of mixed columns, with a sensitive word of three candidates."""
    return World.of(guests(300, 1), guests(400, 2), GUEST_SCHEMA, Toy(tells), guests(200, 3))


@cache
def register() -> World:
    """Very many guests, no two of whom are alike but for their genes."""

    def people(n: int, seed: int) -> Dataset:
        rows = guests(n, seed)
        return rows.replaced("age", rows["age"] + np.arange(n) / 1e6 + seed / 1e2)

    return World.of(people(3000, 1), people(4000, 2), GUEST_SCHEMA, Toy(), people(2000, 3))


@cache
def silent() -> World:
    """The same people, and no model."""
    return World.of(guests(300, 1), guests(400, 2), GUEST_SCHEMA)


@dataclass(frozen=True, slots=True)
class Hill:
    """Three classes around three corners of a space of numbers: easy to climb."""

    columns: list[str]
    ignores: frozenset[str] = frozenset()
    reveals: Reveals = Reveals.LABEL | Reveals.TOP_K | Reveals.SCORES | Reveals.ANY_ROW

    @property
    def classes(self) -> NDArray[Any]:
        return np.array([10, 20, 30])

    def ask(self, rows: Dataset) -> Answer:
        x = np.column_stack([rows[name] for name in self.columns]).astype(float)
        corners = np.zeros((3, x.shape[1]))
        for place in range(3):
            corners[place, place::3] = 2.0
        far = ((x[:, None, :] - corners) ** 2).sum(axis=2) / np.sqrt(x.shape[1])
        scores = np.exp(far.min(axis=1, keepdims=True) - far)
        scores /= scores.sum(axis=1, keepdims=True)
        return Answer(scores.argmax(axis=1), scores)


@cache
def numbers(width: int = 6) -> World:
    """People of numbers alone, nothing sensitive; an image where the width is large."""
    names = [f"x{place}" for place in range(width)]
    schema = Schema.of([*names, "y"], {"y": "label"})

    def people(n: int, seed: int) -> Dataset:
        rng = np.random.default_rng([seed, width])
        return Dataset.of_matrix(rng.normal(1.0, 1.0, (n, width)), names)

    return World.of(people(300, 1), people(300, 2), schema, Hill(names))


@cache
def survey() -> World:
    """Whole numbers with two sensitive columns, one of them a number in bands."""
    rng = np.random.default_rng(5)

    def people(n: int) -> Dataset:
        return Dataset({
            "income": rng.integers(10, 90, n), "ill": rng.integers(2, size=n),
            "age": rng.integers(18, 90, n), "smokes": rng.integers(2, size=n).astype(bool),
        })  # fmt: skip

    schema = Schema.of(
        ["income", "ill", "age", "smokes", "y"],
        {"y": "label", "income": "sensitive", "ill": "sensitive"},
        {"income": Domain(bins=(10.0, 30.0, 50.0, 70.0, 90.0), public=True)},
    )
    return World.of(people(300), people(300), schema, Hill(["income", "age"]))

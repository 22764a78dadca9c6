"""Made-up candidates: a target and references whose answers are written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.membership.candidates import Candidates, Reference
from reticent.dataset import Dataset
from reticent.target import Answer, Reveals

ALL = Reveals.ANY_ROW | Reveals.LABEL | Reveals.TOP_K | Reveals.SCORES


@dataclass(slots=True)
class Says:
    """A classifier of two classes that gives each row's label a written score."""

    own: NDArray[np.float64]
    reveals: Reveals = ALL
    asked: list[int] = field(default_factory=list)
    columns: list[str] = field(default_factory=lambda: ["at"])
    ignores: frozenset[str] = frozenset()

    @property
    def classes(self) -> NDArray[Any] | None:
        return np.array([0, 1])

    def ask(self, rows: Dataset) -> Answer:
        self.asked.append(len(rows))
        share = self.own[rows["at"].astype(int)]
        label = (share >= 0.5).astype(np.intp)  # every true label is 1
        if not self.reveals & (Reveals.SCORES | Reveals.TOP_K):
            return Answer(label)
        return Answer(label, np.column_stack([1 - share, share]))


def halves(n: int, k: int, seed: int = 0) -> NDArray[np.bool_]:
    """Pairs of halves that share nobody (k, n)."""
    rng = np.random.default_rng([seed, 3])
    first = [rng.permutation(n) < n // 2 for _ in range(k // 2)]
    return np.array([side for one in first for side in (one, ~one)])


def planted(
    n: int = 400, k: int = 4, lift: float = 0.3, seed: int = 0, reveals: Reveals = ALL
) -> tuple[Says, Candidates, NDArray[np.bool_]]:
    """People of whom some are easy; being trained on lifts the score of the label by ``lift``."""
    rng = np.random.default_rng([seed, 5])
    easy, member = rng.uniform(0.2, 0.6, n), rng.permutation(n) < n // 2

    def says(inside: NDArray[np.bool_]) -> Says:
        told = easy + lift * inside + rng.normal(0, 0.05, n)
        return Says(np.clip(told, 0.01, 0.99), reveals)

    inside = halves(n, k, seed)
    references = [Reference(says(one), one) for one in inside]
    rows = Dataset({"at": np.arange(n), "y": np.ones(n, dtype=np.intp)})
    return says(member), Candidates(rows, "y", references, rows), member

"""What an attacker holds in the tests: small people, small models, shadows on demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.known import Known, Shadow, hide
from reticent.dataset import Dataset
from reticent.target import Answer, Reveals, Target
from reticent.targets.local import local

N = 60


def people(seed: int, n: int = N, values: int = 2) -> Dataset:
    """Two numbers, a hidden column of a few values, and a label that leans on all of them."""
    rng = np.random.default_rng(seed)
    age, income = rng.normal(0, 1, n), rng.normal(0, 1, n)
    hidden = rng.integers(values, size=n)
    label = (age + hidden + rng.normal(0, 0.5, n) > 0.5).astype(int)
    return Dataset({"age": age, "income": income, "hidden": hidden, "label": label})


def forest(rows: Dataset, seed: int = 0, **parameters: Any) -> Target:
    """A small forest on the rows."""
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(10, random_state=seed, **parameters)
    model.fit(rows.without("label").frame(), rows["label"])
    return local(model, ["age", "income", "hidden"], rows["label"])


def known(
    rows: Dataset,
    auxiliary: Dataset,
    *,
    shadows: Sequence[Shadow] = (),
    knows_label: bool = True,
    columns: Sequence[str] = ("age", "income"),
    **more: Any,
) -> Known:
    """Hold the rows without the hidden column."""
    hidden = hide("hidden", None, auxiliary)
    kept = [*columns, "label"] if knows_label else list(columns)
    even = np.zeros((len(rows), len(hidden.values)))
    imputed = more.pop("imputed", even)
    return Known(
        rows.select(kept), hidden, "label", knows_label, auxiliary, imputed, shadows, **more
    )


def shadow(seed: int, n: int = N, **parameters: Any) -> Shadow:
    """A forest of the attacker's own with everything they know of it."""
    rows, rest = people(seed, n), people(seed + 1000, n)
    target = forest(rows, seed, **parameters)
    truth = rows["hidden"].astype(np.intp)
    even = np.zeros((n, 2))
    return Shadow(target, rows, np.arange(n), truth, even, target.ask(rows), rest)


@dataclass
class Scripted:
    """A target whose score of class 1 is a function of the rows."""

    score: Any
    columns: list[str] = field(default_factory=lambda: ["age", "income", "hidden"])
    reveals: Reveals = Reveals.ANY_ROW | Reveals.LABEL | Reveals.TOP_K | Reveals.SCORES
    ignores: frozenset[str] = frozenset()
    asked: int = 0

    @property
    def classes(self) -> NDArray[Any]:
        return np.array([0, 1])

    def ask(self, rows: Dataset) -> Answer:
        """Answer with the script."""
        self.asked += len(rows)
        one = np.clip(np.asarray(self.score(rows), dtype=float), 0, 1)
        scores = np.column_stack([1 - one, one])
        return Answer(scores.argmax(axis=1), scores)

"""Made-up people and small models that the tests share."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline

from reticent.dataset import Dataset
from reticent.schema import Domain, Schema
from reticent.target import Answer, Reveals

TRAITS = ["a", "b", "c"]

SECRET = "Qx7Zanzibar"
DAYS = [dt.datetime(2020, 1, 1, 3, 4, 5, 678), dt.datetime(1960, 5, 1), dt.datetime(2022, 1, 1)]
WHOLE: dict[str, list[Any]] = {
    "whole": [1, 2, 3],
    "part": [0.5, 1.5, 2.5],
    "text": ["a", "b", "c"],
    "truth": [True, False, True],
    "day": DAYS,
}
GAPS: dict[str, list[Any]] = {name: [v[0], None, v[2]] for name, v in WHOLE.items()}


def survey(n: int, seed: int = 0) -> pd.DataFrame:
    """Three traits of eight steps, a coin ``s``, and an answer ``y`` of four that nothing explains.

    Nothing can be imputed and nothing generalizes: what is told of ``s`` was memorized.
    """
    rng = np.random.default_rng([seed, 7])
    frame = pd.DataFrame({name: rng.integers(8, size=n) for name in TRAITS})
    frame["s"] = rng.integers(2, size=n)
    frame["y"] = np.array(["u", "v", "w", "x"], dtype=object)[rng.integers(4, size=n)]
    return frame


def memorizing(rows: pd.DataFrame, trees: int = 30) -> RandomForestClassifier:
    """Grow a forest that knows its members by heart."""
    forest = RandomForestClassifier(trees, random_state=0, n_jobs=1)
    return forest.fit(rows[[*TRAITS, "s"]], rows["y"])


def blind(rows: pd.DataFrame) -> Pipeline:
    """Grow a memorizing forest that never receives ``s``."""
    traits = ColumnTransformer([("traits", "passthrough", TRAITS)])
    forest = RandomForestClassifier(30, random_state=0, n_jobs=1)
    return Pipeline([("pick", traits), ("grow", forest)]).fit(rows[[*TRAITS, "s"]], rows["y"])


class Rote(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Sure of the rows that it was trained on, and of nothing else."""

    def fit(self, frame: pd.DataFrame, labels: Any) -> Rote:
        self.classes_ = np.unique(labels)
        rows = map(tuple, frame.to_numpy().tolist())
        self.seen_ = dict(zip(rows, np.searchsorted(self.classes_, labels), strict=True))
        return self

    def predict_proba(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        k = len(self.classes_)
        told = [self.seen_.get(tuple(row), -1) for row in frame.to_numpy().tolist()]
        known = np.array(told)[:, None] == np.arange(k)
        return np.where(known.any(axis=1, keepdims=True), known, 1 / k)


def guests(n: int, seed: int = 0) -> Dataset:
    """Rows of a number, a whole number, a text and a sensitive text, for ``Toy``."""
    rng = np.random.default_rng([seed, 11])
    return Dataset(
        {
            "age": rng.normal(40, 10, size=n).round(1),
            "dose": rng.integers(5, size=n),
            "city": rng.choice(np.array(["Rome", "Oslo", "Lima"], dtype=object), size=n),
            "gene": rng.choice(np.array(["aa", "ab", "bb"], dtype=object), size=n),
        }
    )


GUEST_SCHEMA = Schema.of(
    ["age", "dose", "city", "gene", "y"],
    {"y": "label", "gene": "sensitive"},
    {
        "gene": Domain(values=("aa", "ab", "bb"), public=True),
        "dose": Domain(values=(0, 1, 2, 3, 4), public=True),
        "age": Domain(precision=0.1),
    },
)


@dataclass(frozen=True, slots=True)
class Toy:
    """A target whose answer depends on every column of ``guests``, and on nothing else.

    Attributes
    ----------
    tells : ``scores`` of three classes with a vector, the ``label`` alone, or a ``value``.
    """

    tells: str = "scores"
    columns: list[str] = field(default_factory=lambda: ["age", "dose", "city", "gene"])
    ignores: frozenset[str] = frozenset()

    @property
    def classes(self) -> NDArray[Any] | None:
        return None if self.tells == "value" else np.array(["u", "v", "w"], dtype=object)

    @property
    def reveals(self) -> Reveals:
        told = {
            "scores": Reveals.LABEL | Reveals.TOP_K | Reveals.SCORES | Reveals.VECTOR,
            "label": Reveals.LABEL,
            "value": Reveals.LABEL,
        }
        return told[self.tells] | Reveals.ANY_ROW

    def ask(self, rows: Dataset) -> Answer:
        age, dose = rows["age"].astype(float), rows["dose"].astype(float)
        city = np.array([len(str(name)) + ord(str(name)[0]) for name in rows["city"]], float)
        gene = np.array([{"aa": 0.0, "ab": 1.0, "bb": 2.5}[name] for name in rows["gene"]])
        vector = np.column_stack([age, dose, city, gene])
        if self.tells == "value":
            return Answer(value=age / 10 + dose * gene + np.sin(city))
        logits = np.column_stack(
            [np.sin(age + gene), np.cos(city) + gene / 2, 1.5 * np.sin(dose * gene + age)]
        )
        scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        label = scores.argmax(axis=1)
        if self.tells == "label":
            return Answer(label)
        return Answer(label, scores, vector=vector)


def same(first: Answer, second: Answer) -> bool:
    """Say whether two answers are alike to the last bit."""
    parts = ("label", "scores", "value", "vector", "answered")
    pairs = [(getattr(first, name), getattr(second, name)) for name in parts]
    return all((a is None and b is None) or _bits(a) == _bits(b) for a, b in pairs)


def _bits(part: NDArray[Any] | None) -> tuple[str, bytes] | None:
    return None if part is None else (str(part.dtype), part.tobytes())

"""The no-model baseline: the best of several imputation learners, chosen on auxiliary people.

An attack that does not beat this tells the attacker nothing new, however accurate it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent import stats
from reticent.attacks.known import Hidden
from reticent.attacks.learner import probability
from reticent.dataset import Dataset
from reticent.encoding import Encoding, fit_encoding
from reticent.randomness import subseed

FOLDS = 5
RAREST = 1e-4  # no imputed probability is taken as certain

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Imputation:
    """A fitted baseline.

    Attributes
    ----------
    learner : the name of the one that was best on auxiliary people it had not seen.
    aucs : each learner's macro AUC there.
    held_out : (n, k) log-probability of each auxiliary person's value, imputed from the others.
    """

    learner: str
    aucs: dict[str, float]
    held_out: Floats
    _models: tuple[Any, ...]
    _encode: Encoding
    _seen: tuple[Floats, NDArray[np.intp]]
    _k: int

    def log_probability(self, rows: Dataset) -> Floats:
        """Impute the hidden column of n people: (n, k) log-probabilities."""
        asked = self._encode(rows)
        found = [probability(model, *self._seen, asked, self._k) for model in self._models]
        return _log(np.mean(found, axis=0))


def learners(seed: int) -> dict[str, Callable[[], Any]]:
    """Return the imputation learners by name, each as a maker of an unfitted estimator."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    return {
        "boosting": lambda: HistGradientBoostingClassifier(
            max_iter=60, learning_rate=0.1, max_leaf_nodes=15, random_state=seed
        ),
        "forest": lambda: RandomForestClassifier(
            n_estimators=60, min_samples_leaf=5, random_state=seed
        ),
        "logistic": lambda: LogisticRegression(C=0.5, max_iter=500),
        "neighbors": lambda: KNeighborsClassifier(n_neighbors=25, weights="distance"),
    }


def impute(
    auxiliary: Dataset, people: NDArray[np.intp], hidden: Hidden, columns: list[str], seed: int
) -> Imputation:
    """Fit every learner on auxiliary people, choose the best by cross-fitted macro AUC.

    Parameters
    ----------
    auxiliary : (n) complete rows. people : (n,) whose they are; one person stays in one fold.
    columns : what the attacker knows, with the label if they know it.
    """
    truth = hidden.codes(auxiliary[hidden.column])
    there = np.flatnonzero(truth >= 0)
    encode = fit_encoding(auxiliary, columns)
    matrix, k = encode(auxiliary), len(hidden.values)
    fold = np.random.default_rng(seed).permutation(int(people.max()) + 1)[people] % FOLDS
    makers = {name: make for name, make in learners(subseed(seed, "imputation")).items()
              if name != "neighbors" or len(there) > 2 * 25 * FOLDS}  # fmt: skip
    apart = {name: _cross_fit(make, matrix, truth, fold, k) for name, make in makers.items()}
    apart["all"] = np.mean(list(apart.values()), axis=0)
    once = stats.Resamples(np.ones((len(there), 1), dtype=np.int16))
    aucs = {
        name: float(stats.macro_auc(once, _log(found[there]), truth[there])[0])
        for name, found in apart.items()
    }
    best = max(aucs, key=lambda name: -1.0 if np.isnan(aucs[name]) else aucs[name])
    chosen = list(makers) if best == "all" else [best]
    seen = (matrix[there], truth[there])
    models = tuple(makers[name]() for name in chosen)
    return Imputation(best, aucs, _log(apart[best]), models, encode, seen, k)


def _cross_fit(
    make: Callable[[], Any], matrix: Floats, truth: NDArray[np.intp], fold: NDArray[np.intp], k: int
) -> Floats:
    """Predict each fold from the others: (n, k)."""
    found = np.full((len(matrix), k), 1.0 / k)
    for one in range(FOLDS):
        held = np.flatnonzero(fold == one)
        fitted = np.flatnonzero((fold != one) & (truth >= 0))
        if len(held) and len(fitted):
            found[held] = probability(make(), matrix[fitted], truth[fitted], matrix[held], k)
    return found


def _log(found: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(found, RAREST)))

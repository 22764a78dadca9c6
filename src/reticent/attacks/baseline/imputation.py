"""The no-model baseline: the best of several imputation learners, chosen on auxiliary people.

An attack that does not beat this tells the attacker nothing new, however accurate it is. The
baseline therefore has everything that the strongest attack has but the model's answers: one of
its learners is the learned attack's own ensemble.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent import stats
from reticent.attacks.known import Hidden
from reticent.attacks.learner import Predict, fit, fit_ensemble
from reticent.dataset import Dataset
from reticent.encoding import Encoding, fit_encoding
from reticent.randomness import subseed

FOLDS = 5
RAREST = 1e-4  # no imputed probability is taken as certain
NEIGHBORS = 25

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
Fit = Callable[[Floats, Codes, int], Predict]


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
    _impute: Predict
    _encode: Encoding

    def log_probability(self, rows: Dataset) -> Floats:
        """Impute the hidden column of n people: (n, k) log-probabilities."""
        return _log(self._impute(self._encode(rows)))


def learners(seed: int) -> dict[str, Callable[[], Any]]:
    """Return the imputation learners by name, each as a maker of an unfitted estimator."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    return {
        "boosting": lambda: HistGradientBoostingClassifier(
            max_iter=60, max_leaf_nodes=15, random_state=seed
        ),
        "forest": lambda: RandomForestClassifier(
            n_estimators=60, min_samples_leaf=5, random_state=seed
        ),
        "logistic": lambda: LogisticRegression(C=0.5, max_iter=500),
        "neighbors": lambda: KNeighborsClassifier(n_neighbors=NEIGHBORS, weights="distance"),
    }


def impute(
    auxiliary: Dataset, people: Codes, hidden: Hidden, columns: list[str], seed: int
) -> Imputation:
    """Fit every learner on auxiliary people, choose the best by cross-fitted macro AUC.

    Parameters
    ----------
    auxiliary : (n) complete rows. people : (n,) whose they are; one person stays in one fold.
    columns : what the attacker knows, with the label if they know it.
    """
    truth, k = hidden.codes(auxiliary[hidden.column]), len(hidden.values)
    there = np.flatnonzero(truth >= 0)
    encode = fit_encoding(auxiliary, columns)
    matrix = encode(auxiliary)
    fold = np.random.default_rng(seed).permutation(int(people.max()) + 1)[people] % FOLDS
    fits = _fits(len(there), seed)
    apart = {name: _cross_fit(one, matrix, truth, fold, k) for name, one in fits.items()}
    apart["all"] = np.mean(list(apart.values()), axis=0)
    aucs = {name: _macro(found[there], truth[there]) for name, found in apart.items()}
    best = max(aucs, key=lambda name: aucs[name])
    chosen = list(fits.values()) if best == "all" else [fits[best]]
    fitted = [one(matrix[there], truth[there], k) for one in chosen]

    def mean(asked: Floats) -> Floats:
        return np.asarray(np.mean([predict(asked) for predict in fitted], axis=0))

    return Imputation(best, aucs, _log(apart[best]), mean, encode)


def _fits(n: int, seed: int) -> dict[str, Fit]:
    """The learners as functions from what is seen to what predicts."""

    def fit_of(make: Callable[[], Any]) -> Fit:
        return lambda seen, truth, k: fit(make(), seen, truth, k)

    makers = learners(subseed(seed, "imputation"))
    if n <= 2 * NEIGHBORS * FOLDS:
        del makers["neighbors"]
    rng = np.random.default_rng(subseed(seed, "ensemble"))
    fits = {name: fit_of(make) for name, make in makers.items()}
    return {**fits, "ensemble": lambda seen, truth, k: fit_ensemble(seen, truth, k, rng)}


def _cross_fit(fits: Fit, matrix: Floats, truth: Codes, fold: Codes, k: int) -> Floats:
    """Predict each fold from the others: (n, k)."""
    found = np.full((len(matrix), k), 1.0 / k)
    for one in range(FOLDS):
        held = np.flatnonzero(fold == one)
        fitted = np.flatnonzero((fold != one) & (truth >= 0))
        if len(held) and len(fitted):
            found[held] = fits(matrix[fitted], truth[fitted], k)(matrix[held])
    return found


def _macro(found: Floats, truth: Codes) -> float:
    """Macro AUC on auxiliary people; below every other where it cannot be computed."""
    once = stats.Resamples(np.ones((len(truth), 1), dtype=np.int16))
    area = float(stats.macro_auc(once, _log(found), truth)[0])
    return 0.0 if np.isnan(area) else area


def _log(found: Floats) -> Floats:
    return np.asarray(np.log(np.maximum(found, RAREST)))

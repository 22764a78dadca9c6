"""Learning from shadow models: from what a model says about a person to the value they have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.attack import Guess
from reticent.attacks.calibrate import log_softmax
from reticent.attacks.grid import as_known
from reticent.attacks.known import Known
from reticent.encoding import fit_encoding
from reticent.randomness import subseed
from reticent.target import Target

Floats = NDArray[np.float64]
Features = Callable[[Target, Known], Floats]
Predict = Callable[[Floats], Floats]
RAREST = 1e-4  # no learned probability is taken as certain


def learned_guess(
    name: str, features: Features, target: Target, known: Known, rng: np.random.Generator
) -> Guess:
    """Learn features -> value on the shadows' members, and answer for the target's.

    Beside the features the learner sees imputation's log-odds and the known columns, so that it
    can tell for whom the model's answer is worth more. Without shadows: imputation alone.

    Parameters
    ----------
    name : the attack's, under which what was learned is noted.
    """
    if not known.shadows:
        return Guess(known.imputed)
    columns = [column for column in known.rows.columns if column in known.auxiliary.columns]
    encode = fit_encoding(known.auxiliary, columns)

    def everything(asked: Target, view: Known) -> Floats:
        said = features(asked, view)
        return np.concatenate([said, log_softmax(view.imputed), encode(view.rows)], axis=1)

    if name not in known.notebook:
        views = [(shadow, as_known(shadow, known)) for shadow in known.shadows]
        seen = np.concatenate([everything(shadow.target, view) for shadow, view in views])
        truth = np.concatenate([shadow.truth for shadow, _ in views])
        known.notebook[name] = fit_ensemble(seen, truth, len(known.hidden.values), rng)
    learned: Predict = known.notebook[name]
    return Guess(np.log(np.maximum(learned(everything(target, known)), RAREST)))


def fit_ensemble(
    seen: Floats, truth: NDArray[np.intp], k: int, rng: np.random.Generator
) -> Predict:
    """Fit three ordinary learners; return their mean probability (n, k) of each value.

    Parameters
    ----------
    seen : (m, d) features. truth : (m,) codes 0..k-1.
    """
    fitted = [fit(one, seen, truth, k) for one in _learners(int(rng.integers(2**31 - 1)))]
    return lambda asked: np.asarray(np.mean([predict(asked) for predict in fitted], axis=0))


def fit(learner: Any, seen: Floats, truth: NDArray[np.intp], k: int) -> Predict:
    """Fit one learner; its probabilities (n, k) are 0 for values it was shown nobody with."""
    classes = np.unique(truth)
    if len(classes) > 1:
        learner.fit(seen, truth)

    def predict(asked: Floats) -> Floats:
        found = np.zeros((len(asked), k))
        found[:, classes] = learner.predict_proba(asked) if len(classes) > 1 else 1.0
        return found

    return predict


def _learners(seed: int) -> list[Any]:
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return [
        HistGradientBoostingClassifier(
            max_leaf_nodes=15, max_iter=80, min_samples_leaf=40, random_state=subseed(seed, "hgb")
        ),
        RandomForestClassifier(
            n_estimators=30, min_samples_leaf=20, max_features=0.5, random_state=seed
        ),
        make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300)),
    ]

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
RAREST = 1e-4  # no learned probability is taken as certain


def learned_guess(
    features: Features, target: Target, known: Known, rng: np.random.Generator
) -> Guess:
    """Learn features -> value on the shadows' members, and answer for the target's.

    Beside the features the learner sees imputation's log-odds and the known columns, so that it
    can tell for whom the model's answer is worth more. Without shadows: imputation alone.
    """
    if not known.shadows:
        return Guess(known.imputed)
    columns = [name for name in known.rows.columns if name in known.auxiliary.columns]
    encode = fit_encoding(known.auxiliary, columns)

    def everything(asked: Target, view: Known) -> Floats:
        said = features(asked, view)
        return np.concatenate([said, log_softmax(view.imputed), encode(view.rows)], axis=1)

    views = [(shadow, as_known(shadow, known)) for shadow in known.shadows]
    seen = np.concatenate([everything(shadow.target, view) for shadow, view in views])
    truth = np.concatenate([shadow.truth for shadow, _ in views])
    asked = everything(target, known)
    k = len(known.hidden.values)
    found = [probability(one, seen, truth, asked, k) for one in _learners(rng)]
    return Guess(np.log(np.maximum(np.mean(found, axis=0), RAREST)))


def _learners(rng: np.random.Generator) -> list[Any]:
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    seed = int(rng.integers(2**31 - 1))
    return [
        HistGradientBoostingClassifier(
            max_leaf_nodes=15, max_iter=80, min_samples_leaf=40, random_state=subseed(seed, "hgb")
        ),
        RandomForestClassifier(
            n_estimators=60, min_samples_leaf=20, max_features=0.5, random_state=seed
        ),
        make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300)),
    ]


def probability(learner: Any, seen: Floats, truth: NDArray[np.intp], asked: Floats,
                k: int) -> Floats:  # fmt: skip
    """Fit one learner and return (n, k) probabilities, 0 for values it was shown nobody with."""
    found = np.zeros((len(asked), k))
    if len(np.unique(truth)) < 2:
        found[:, truth[0]] = 1
        return found
    learner.fit(seen, truth)
    found[:, learner.classes_] = learner.predict_proba(asked)
    return found

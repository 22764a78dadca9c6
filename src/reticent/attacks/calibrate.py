"""What shadow models teach an attacker: how much weight a model's likelihood deserves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.grid import as_known
from reticent.attacks.known import Known
from reticent.target import Target

# Far enough that the best weight lies inside: memory of a hundred people deserves about 16.
WEIGHTS = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0)

Floats = NDArray[np.float64]
Likelihood = Callable[[Target, Known], Floats]


def weighted(name: str, likelihood: Likelihood, target: Target, known: Known) -> Floats:
    """Imputation log-odds plus the log-likelihood at its best weight on the shadows: (n, k).

    Parameters
    ----------
    name : the attack's, under which the weight is noted.
    """
    if name not in known.notebook:
        known.notebook[name] = calibrated_weight(likelihood, known)
    weight: float = known.notebook[name]
    return known.imputed + weight * likelihood(target, known)


def calibrated_weight(likelihood: Likelihood, known: Known) -> float:
    """Return the weight of a log-likelihood that loses least on the shadows' own members.

    Loss is the mean log-loss of imputation log-odds plus weight times log-likelihood, so a
    model that says nothing gets the weight 0. Without shadows the weight is 1 (Bayes' rule).
    """
    if not known.shadows:
        return 1.0
    found = [likelihood(shadow.target, as_known(shadow, known)) for shadow in known.shadows]
    told = np.concatenate(found)
    imputed = np.concatenate([shadow.imputed for shadow in known.shadows])
    truth = np.concatenate([shadow.truth for shadow in known.shadows])
    losses = [log_loss(imputed + weight * told, truth) for weight in WEIGHTS]
    return WEIGHTS[int(np.argmin(losses))]


def log_loss(scores: Floats, truth: NDArray[np.intp]) -> float:
    """Mean negative log-probability of the truth (n,) under unnormalised log-scores (n, k)."""
    return -float(log_softmax(scores)[np.arange(len(truth)), truth].mean())


def log_softmax(scores: Floats) -> Floats:
    """Normalise log-scores (n, k) so that each row's probabilities sum to 1."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    normal: Floats = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return normal

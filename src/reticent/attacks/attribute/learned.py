"""The learned, contract-aware attack: whatever a contract leaves over, shadows show its use."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.attack import Guess
from reticent.attacks.grid import Sweep, log_likelihood, sweep
from reticent.attacks.known import Known
from reticent.attacks.learner import learned_guess
from reticent.target import Reveals, Target

MOST_FEATURES = 64  # of raw scores; beyond that, the true label's scores and a summary


class Learned:
    """Train shadow models, answer through the contract in force, and learn answer -> value."""

    name = "learned"
    title = "shadow models behind the same contract, answers to hidden value"
    paper = "This project; shadow models after Shokri et al. 2017, IEEE S&P, doi:10.1109/SP.2017.41"
    threat_model = (
        "Asks one row per candidate value and person and reads whatever the contract tells. "
        "Holds the other columns (or some), complete rows of auxiliary people, the learning "
        "algorithm and the contract."
    )
    cost = "one row per candidate value and person"
    null_result = (
        "A few shadow models and three ordinary learners; an attacker with more of either, or "
        "with auxiliary people closer to the members, may find more."
    )
    needs = Reveals.LABEL | Reveals.ANY_ROW
    needs_label = False
    needs_classes = False
    needs_records = False

    def guess(self, target: Target, known: Known, rng: np.random.Generator) -> Guess:
        """Guess from (k * n) rows asked."""

        def features(asked: Target, view: Known) -> NDArray[np.float64]:
            told = sweep(asked, view, rng)
            return describe(told, log_likelihood(asked, view, told))

        return learned_guess(self.name, features, target, known, rng)


def describe(told: Sweep, likelihood: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lay out what a sweep told: (n, f) likelihoods, their contrasts, scores and refusals."""
    n = len(likelihood)
    blocks = [likelihood, likelihood - likelihood.mean(axis=1, keepdims=True), told.answered]
    if told.value is not None:
        blocks.append(told.value)
    scores = told.scores if told.scores is not None else told.votes
    if scores is not None:
        raw = scores.reshape(n, -1)
        blocks.append(raw if raw.shape[1] <= MOST_FEATURES else scores.max(axis=2))
    return np.concatenate(blocks, axis=1)

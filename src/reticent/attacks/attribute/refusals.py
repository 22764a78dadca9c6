"""The attacker who sees only whether the model refused."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.attack import Guess
from reticent.attacks.grid import sweep
from reticent.attacks.known import Known
from reticent.attacks.learner import learned_guess
from reticent.target import Reveals, Target


class Refusals:
    """A refusal is an answer: learn from shadows which values it goes with."""

    name = "refusals"
    title = "which values are refused, and nothing else"
    paper = (
        "This project; a gate fitted on training rows gave true values away by its refusals alone"
    )
    threat_model = (
        "Asks one row per candidate value and person and sees only whether it was answered. Holds "
        "the other columns (or some), auxiliary people, the learning algorithm and the contract."
    )
    cost = "one row per candidate value and person"
    null_result = "The answers themselves were not read."
    needs = Reveals.ABSTAIN | Reveals.ANY_ROW
    needs_label = False
    needs_classes = False
    needs_records = False

    def guess(self, target: Target, known: Known, rng: np.random.Generator) -> Guess:
        """Guess from (k * n) rows asked."""

        def features(asked: Target, view: Known) -> NDArray[np.float64]:
            return sweep(asked, view, rng).answered

        return learned_guess(self.name, features, target, known, rng)

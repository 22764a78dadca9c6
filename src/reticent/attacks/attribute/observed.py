"""The attacker who asks nothing and saw the answer that was given about each person."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.attack import Guess
from reticent.attacks.attribute.single_query import describe_answer
from reticent.attacks.known import Known
from reticent.attacks.learner import learned_guess
from reticent.target import Reveals, Target


class Observed:
    """Learn from shadows what the answer to a person's true record says of the hidden column."""

    name = "observed"
    title = "the recorded answer about each person, and no question"
    paper = "This project; the setting of released scores, where the model itself stays closed"
    threat_model = (
        "Asks nothing. Saw the answer to each person's true record (a log, a release, a letter) "
        "and holds the other columns (or some), auxiliary people and the learning algorithm."
    )
    cost = "none: the answers were given before"
    null_result = "One answer per person; somebody who may ask can compare values."
    needs = Reveals.LABEL
    needs_label = False
    needs_classes = False
    needs_records = True

    def guess(self, target: Target, known: Known, rng: np.random.Generator) -> Guess:
        """Guess from the answers in ``known.observed``; nothing is asked."""

        def features(asked: Target, view: Known) -> NDArray[np.float64]:
            assert view.observed is not None
            return describe_answer(view.observed, asked, view, view.rows)

        return learned_guess(self.name, features, target, known, rng)

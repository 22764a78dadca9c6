"""Confidence-score model inversion (Mehnaz 2022)."""

from __future__ import annotations

import numpy as np

from reticent.attacks.attack import Guess
from reticent.attacks.grid import label_places, sweep
from reticent.attacks.known import Known
from reticent.target import Reveals, Target


class Csmia:
    """Trust the value under which the model is right; several: the surest; none: the least sure."""

    name = "csmia"
    title = "the value under which the model predicts right, ties by confidence"
    paper = (
        "Mehnaz et al. 2022, USENIX Security, "
        "https://www.usenix.org/conference/usenixsecurity22/presentation/mehnaz"
    )
    threat_model = (
        "Asks one row per candidate value and person and reads label and confidence. Holds the "
        "other columns and the true label; no auxiliary people."
    )
    cost = "one row per candidate value and person"
    null_result = (
        "It ignores what people of their kind usually have; an attacker with a census knows."
    )
    needs = Reveals.SCORES | Reveals.ANY_ROW
    needs_label = True
    needs_classes = True
    needs_records = False

    def guess(self, target: Target, known: Known, rng: np.random.Generator) -> Guess:
        """Guess from (k * n) rows asked.

        A right prediction scores its confidence, a wrong one minus its confidence: the highest
        is the paper's choice in each of its three cases.
        """
        told = sweep(target, known, rng)
        assert told.scores is not None
        right = told.scores.argmax(axis=2) == label_places(target, known.rows[known.label])[:, None]
        confidence = told.scores.max(axis=2)
        return Guess(np.where(right, confidence, -confidence))

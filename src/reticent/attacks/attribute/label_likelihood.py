"""Imputation times likelihood from labels alone: is the prediction right under this value?"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.attack import Guess
from reticent.attacks.calibrate import weighted
from reticent.attacks.grid import log_likelihood, sweep
from reticent.attacks.known import Known
from reticent.target import Reveals, Target


class LabelLikelihood:
    """The label-only form of ``imputation_likelihood``: a right prediction speaks for a value."""

    name = "label_likelihood"
    title = "imputation log-odds plus whether the predicted label is right under each value"
    paper = (
        "This project; label-only answers after Choquette-Choo et al. 2021, ICML, "
        "https://proceedings.mlr.press/v139/choquette-choo21a.html"
    )
    threat_model = (
        "Asks one row per candidate value and person and reads the label only. Holds the other "
        "columns (or some), the true label, auxiliary people and the learning algorithm."
    )
    cost = "one row per candidate value and person"
    null_result = (
        "One bit per question: a model whose labels are alike under every value may still tell "
        "them apart in its scores."
    )
    needs = Reveals.LABEL | Reveals.ANY_ROW
    needs_label = True
    needs_classes = True
    needs_records = False

    def guess(self, target: Target, known: Known, rng: np.random.Generator) -> Guess:
        """Guess from (k * n) rows asked."""

        def likelihood(asked: Target, view: Known) -> NDArray[np.float64]:
            told = replace(sweep(asked, view, rng), scores=None)
            return log_likelihood(asked, view, told)

        return Guess(weighted(self.name, likelihood, target, known))

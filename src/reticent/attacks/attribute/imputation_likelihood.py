"""Imputation times likelihood: what people like them have, and what the model then says."""

from __future__ import annotations

import numpy as np

from reticent.attacks.attack import Guess
from reticent.attacks.calibrate import weighted
from reticent.attacks.grid import log_likelihood, sweep
from reticent.attacks.known import Known
from reticent.target import Reveals, Target


class ImputationLikelihood:
    """Add the model's weighted log-likelihood ratio to the log-odds of imputation.

    The weight is the one under which shadow models give their own members away best; where
    shadows give nothing away it is 0 and the attack is imputation.
    """

    name = "imputation_likelihood"
    title = "imputation log-odds plus the model's weighted log-likelihood ratio"
    paper = (
        "This project; a calibrated form of Fredrikson et al. 2014, USENIX Security, "
        "https://www.usenix.org/conference/usenixsecurity14/technical-sessions/presentation/fredrikson_matthew"
    )
    threat_model = (
        "Asks one row per candidate value and person and reads the scores. Holds the other "
        "columns (or some), complete rows of auxiliary people, and the learning algorithm."
    )
    cost = "one row per candidate value and person"
    null_result = (
        "It reads the answer only through the score of the true label, so what a contract leaves "
        "in the other scores, or in averaged answers, escapes it: see `learned`."
    )
    needs = Reveals.SCORES | Reveals.ANY_ROW
    needs_label = False
    needs_classes = False
    needs_records = False

    def guess(self, target: Target, known: Known, rng: np.random.Generator) -> Guess:
        """Guess from (k * n) rows asked."""
        return Guess(
            weighted(self.name, lambda t, k: log_likelihood(t, k, sweep(t, k, rng)), target, known)
        )

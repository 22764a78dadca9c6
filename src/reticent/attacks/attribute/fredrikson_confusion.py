"""Black-box inversion with a published confusion matrix (Fredrikson 2014, 2015)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.attack import Guess
from reticent.attacks.grid import Sweep, label_places, log_likelihood, sweep
from reticent.attacks.known import Known
from reticent.target import Reveals, Target


class FredriksonConfusion:
    """Weigh a value by its frequency and how often its prediction goes with the true label."""

    name = "fredrikson_confusion"
    title = "prior of the value times the confusion of its prediction with the true label"
    paper = (
        "Fredrikson et al. 2014, USENIX Security; Fredrikson, Jha and Ristenpart 2015, ACM CCS, "
        "doi:10.1145/2810103.2813677"
    )
    threat_model = (
        "Asks one row per candidate value and person and reads the label or the value. Holds the "
        "other columns, the true label, how common each value is, and the training confusion "
        "matrix (a regressor: the standard deviation of its training error), as published."
    )
    cost = "one row per candidate value and person"
    null_result = (
        "The matrix is one for all: a model that memorizes single records may hide from it."
    )
    needs = Reveals.LABEL | Reveals.ANY_ROW
    needs_label = True
    needs_classes = False
    needs_records = False

    def guess(self, target: Target, known: Known, rng: np.random.Generator) -> Guess:
        """Guess from (k * n) rows asked."""
        told = sweep(target, known, rng)
        prior = np.log(known.prior)
        if told.votes is None:
            return Guess(prior + log_likelihood(target, known, told))
        return Guess(prior + np.log(np.maximum(self._confused(target, known, told), 1e-12)))

    def _confused(self, target: Target, known: Known, told: Sweep) -> NDArray[np.float64]:
        """How often each value's prediction goes with the true label: (n, k)."""
        assert told.votes is not None
        assert target.classes is not None
        classes = len(target.classes)
        counts = np.eye(classes) if known.errors is None else known.errors
        row = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        mine = row[label_places(target, known.rows[known.label])]
        confused: NDArray[np.float64] = np.einsum("nkc,nc->nk", told.votes, mine)
        return confused

"""Label-only model inversion (Mehnaz 2022)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.attack import Guess
from reticent.attacks.grid import label_places, sweep
from reticent.attacks.known import Known
from reticent.encoding import fit_encoding
from reticent.target import Reveals, Target

FEWEST = 10  # records that a model can be learned from
SURE = 2.0  # above any log-probability ratio that the learned model would contradict it with


class Lomia:
    """Where one value alone makes the prediction right, believe it; learn the rest from those."""

    name = "lomia"
    title = "records with one value that predicts right teach a model for the others"
    paper = (
        "Mehnaz et al. 2022, USENIX Security, "
        "https://www.usenix.org/conference/usenixsecurity22/presentation/mehnaz"
    )
    threat_model = (
        "Asks one row per candidate value and person and reads the label only. Holds the other "
        "columns and the true label; no auxiliary people."
    )
    cost = "one row per candidate value and person"
    null_result = (
        "It learns from records on which the value decides the prediction; a model that leans on "
        "the hidden column less than that may still show it in its scores."
    )
    needs = Reveals.LABEL | Reveals.ANY_ROW
    needs_label = True
    needs_classes = True
    needs_records = False

    def guess(self, target: Target, known: Known, rng: np.random.Generator) -> Guess:
        """Guess from (k * n) rows asked."""
        told = sweep(target, known, rng)
        assert told.votes is not None
        predicted = told.votes.argmax(axis=2)
        right = predicted == label_places(target, known.rows[known.label])[:, None]
        decided = right.sum(axis=1) == 1
        values = right.argmax(axis=1)
        scores = self._learned(known, decided, values, rng)
        scores[decided, values[decided]] += SURE
        return Guess(scores)

    def _learned(
        self, known: Known, decided: NDArray[np.bool_], values: NDArray[np.intp],
        rng: np.random.Generator,
    ) -> NDArray[np.float64]:  # fmt: skip
        """Return (n, k) log-probabilities of a model of the decided records."""
        from sklearn.ensemble import RandomForestClassifier

        n, k = len(known.rows), len(known.hidden.values)
        if decided.sum() < FEWEST or len(np.unique(values[decided])) < 2:
            return np.zeros((n, k))
        encode = fit_encoding(known.rows, known.rows.names)
        model = RandomForestClassifier(
            min_samples_leaf=5, random_state=int(rng.integers(2**31 - 1))
        ).fit(encode(known.rows.take(np.flatnonzero(decided))), values[decided])
        found = np.full((n, k), 0.5 / n)
        found[:, model.classes_] = np.maximum(model.predict_proba(encode(known.rows)), 0.5 / n)
        return np.asarray(np.log(found))

"""Attribute inference through a membership test (Yeom 2018)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.attack import Guess
from reticent.attacks.grid import label_places, log_likelihood, score_of, sweep
from reticent.attacks.known import Known, Shadow
from reticent.target import Reveals, Target

BINS = 20


class Yeom:
    """Which value gives this record a loss that a training record would have?"""

    name = "yeom"
    title = "the value whose loss looks most like a training record's, times its prior"
    paper = "Yeom et al. 2018, IEEE CSF, doi:10.1109/CSF.2018.00027"
    threat_model = (
        "Asks one row per candidate value and person and reads the score of the true label. Holds "
        "the other columns, the true label, the values' frequencies and the distribution of the "
        "loss on training records (here: on the shadows' own)."
    )
    cost = "one row per candidate value and person"
    null_result = (
        "It knows how common values are, not who has them: imputation from the other columns may "
        "do better with no model at all."
    )
    needs = Reveals.SCORES | Reveals.ANY_ROW
    needs_label = True
    needs_classes = False
    needs_records = False

    def guess(self, target: Target, known: Known, rng: np.random.Generator) -> Guess:
        """Guess from (k * n) rows asked."""
        told = sweep(target, known, rng)
        prior = np.log(known.prior)
        if told.scores is None:
            return Guess(prior + log_likelihood(target, known, told))
        places = label_places(target, known.rows[known.label])
        return Guess(prior + _log_density(known, 1 - score_of(told.scores, places)))


def _log_density(known: Known, loss: NDArray[np.float64]) -> NDArray[np.float64]:
    """How common such a loss (n, k) is on training records: a histogram over the shadows' own."""
    seen = [_own_loss(shadow, known.label) for shadow in known.shadows]
    if not seen:
        return -loss
    counts, _ = np.histogram(np.concatenate(seen), bins=BINS, range=(0, 1))
    density = (counts + 0.5) / (counts + 0.5).sum()
    return np.asarray(np.log(density[np.clip((loss * BINS).astype(int), 0, BINS - 1)]))


def _own_loss(shadow: Shadow, label: str) -> NDArray[np.float64]:
    """The loss (m,) of a shadow's members on their own records."""
    scores = shadow.observed.scores
    assert scores is not None
    own = score_of(scores[:, None, :], label_places(shadow.target, shadow.rows[label]))
    return 1 - np.nan_to_num(own[:, 0])

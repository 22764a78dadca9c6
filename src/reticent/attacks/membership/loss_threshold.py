"""The loss threshold (Yeom 2018): members have the smaller loss."""

from __future__ import annotations

import numpy as np

from reticent.attacks.membership.candidates import Candidates, Floats, confidences
from reticent.target import Reveals, Target


class LossThreshold:
    """Is the target sure of this record's true label?"""

    name = "loss_threshold"
    title = "the target's confidence in the record's true label, one threshold for all"
    paper = "Yeom et al. 2018, IEEE CSF, doi:10.1109/CSF.2018.00027"
    threat_model = "Holds the candidates' complete records and labels, and asks one row each."
    cost = "one row per person"
    null_result = (
        "It takes an easy record for a member: without references, who is memorized and who is "
        "typical look alike."
    )
    needs = Reveals.LABEL
    needs_classes = False
    needs_references = 0

    def score(self, target: Target, people: Candidates, rng: np.random.Generator) -> Floats:
        """Score n people from n rows asked."""
        del rng
        alone = Candidates(people.rows, people.label, (), people.auxiliary)
        return confidences(target, alone)[0]

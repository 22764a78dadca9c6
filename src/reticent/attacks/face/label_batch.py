"""One batch of pictures that look like people, averaged by the label they are given."""

from __future__ import annotations

import numpy as np

from reticent.attacks.faces import Floats, Held, first_look, labels, means_by_label
from reticent.target import Reveals, Target

SIZE = 300  # pictures shown, in all


class LabelBatch:
    """What do the pictures have in common that are given a class's label?"""

    name = "label_batch"
    title = "one batch of pictures of the public kind, averaged by the label given"
    paper = "This project; class averages as in a linear classifier's images, Ng and Jordan 2001"
    threat_model = (
        "Shows one batch of pictures, once, and reads labels only. Holds public pictures of other "
        "people, without names."
    )
    cost = "300 rows in all, in one batch"
    null_result = "300 labels in all; who asks more sees more: see `label_sphere`."
    needs = Reveals.LABEL | Reveals.ANY_ROW

    def reconstruct(self, target: Target, held: Held, rng: np.random.Generator) -> Floats:
        """Average the points of each label; the center stands for a label never given."""
        points, told = first_look(target, held, rng, SIZE)
        given = labels(told)
        found, _ = means_by_label(points, given, held.classes)
        return held.decoded(found)

"""Few pairs: vectors are aligned to a space that the attacker learned from public inputs alone."""

from __future__ import annotations

import numpy as np

from reticent.attacks.embedding.inverter import Floats, Pairs, fit_scale
from reticent.attacks.embedding.ridge_inversion import ridge
from reticent.target import Reveals

WIDEST = 64  # directions of the attacker's own space


class AlignedInversion:
    """Where in my own space does this vector lie?"""

    name = "aligned_inversion"
    title = "vectors aligned by few pairs to the attacker's own space of public inputs"
    paper = "Chen, Xu and Bjerva 2025, arXiv:2502.11308 (its alignment step, without a generator)"
    threat_model = (
        "Holds the vectors (or scores) of the people under attack, many public rows, and the "
        "vectors of only some of those. Needs no access to the model itself."
    )
    cost = "one row per public pair (at most 1,000) and one per person"
    null_result = (
        "The attacker's space is made of the public rows' principal directions. One made by a "
        "large model of their own, with a generator behind it, says more about texts."
    )
    needs = Reveals.NOTHING

    def invert(self, pairs: Pairs, vectors: Floats, rng: np.random.Generator) -> Floats:  # noqa: ARG002
        """Map vectors to the principal directions of all public inputs, and back from there."""
        scale, center = fit_scale(pairs.vectors), pairs.public.mean(axis=0)
        _, spread, axes = np.linalg.svd(pairs.public - center, full_matrices=False)
        widest = min(WIDEST, max(1, len(pairs.vectors) - 1), int((spread > 1e-9).sum()) or 1)
        axes = axes[:widest]
        own = (pairs.inputs - center) @ axes.T
        middle = own.mean(axis=0)
        placed = middle + ridge(scale(pairs.vectors), own - middle, scale(vectors))
        return np.asarray(center + placed @ axes)

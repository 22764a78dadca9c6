"""The public rows whose vectors are nearest."""

from __future__ import annotations

import numpy as np

from reticent.attacks.embedding.inverter import Floats, Pairs, fit_scale
from reticent.target import Reveals

NEIGHBORS = 5
MANY = 50  # pairs, below which the nearest alone is taken


class RetrievalInversion:
    """Whose known vector is most like this one?"""

    name = "retrieval_inversion"
    title = "the public inputs whose vectors are nearest, weighted by likeness"
    paper = "Song and Raghunathan 2020, ACM CCS, doi:10.1145/3372297.3417270 (its nearest input)"
    threat_model = (
        "Holds the vectors (or scores) of the people under attack, and public rows whose vectors "
        "it may ask for: a dictionary. Learns nothing."
    )
    cost = "one row per public pair (at most 1,000) and one per person"
    null_result = "It only finds what public rows resemble; a larger dictionary finds more."
    needs = Reveals.NOTHING

    def invert(self, pairs: Pairs, vectors: Floats, rng: np.random.Generator) -> Floats:  # noqa: ARG002
        """Average the nearest inputs; what lies at no distance counts alone."""
        scale = fit_scale(pairs.vectors)
        seen, asked = scale(pairs.vectors), scale(vectors)
        count = NEIGHBORS if len(seen) >= MANY else 1
        apart = (asked**2).sum(1)[:, None] + (seen**2).sum(1) - 2 * asked @ seen.T
        near = np.argsort(apart, axis=1, kind="stable")[:, :count]
        far = np.sqrt(np.maximum(np.take_along_axis(apart, near, axis=1), 0.0))
        weight = 1 / (far + 1e-3 * max(float(np.median(far)), 1e-9))
        weight /= weight.sum(axis=1, keepdims=True)
        return np.asarray(np.einsum("nk,nkp->np", weight, pairs.inputs[near]))

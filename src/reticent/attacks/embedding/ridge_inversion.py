"""A linear way back from vectors, by penalized least squares."""

from __future__ import annotations

import numpy as np

from reticent.attacks.embedding.inverter import Floats, Pairs, fit_scale
from reticent.target import Reveals

PENALTIES = np.logspace(-4, 4, 17)  # times the number of pairs


class RidgeInversion:
    """Which input lies behind a vector, if the way back is linear?"""

    name = "ridge_inversion"
    title = "a linear map from vectors to inputs, learned from public pairs"
    paper = "Song and Raghunathan 2020, ACM CCS, doi:10.1145/3372297.3417270 (its linear inverter)"
    threat_model = (
        "Holds the vectors (or scores) of the people under attack, and public rows whose vectors "
        "it may ask for. Needs no access to the model itself."
    )
    cost = "one row per public pair (at most 1,000) and one per person"
    null_result = "What stands in a vector in no linear form is not seen: see mlp_inversion."
    needs = Reveals.NOTHING

    def invert(self, pairs: Pairs, vectors: Floats, rng: np.random.Generator) -> Floats:  # noqa: ARG002
        """Solve for all penalties at once; the one that predicts each pair from the rest wins."""
        scale = fit_scale(pairs.vectors)
        seen, asked = scale(pairs.vectors), scale(vectors)
        center = pairs.inputs.mean(axis=0)
        return np.asarray(center + ridge(seen, pairs.inputs - center, asked))


def ridge(seen: Floats, wanted: Floats, asked: Floats) -> Floats:
    """Ridge regression (n, p) at the penalty with the least leave-one-out error.

    Parameters
    ----------
    seen : (m, d) centered. wanted : (m, p) centered. asked : (n, d).
    """
    left, values, right = np.linalg.svd(seen, full_matrices=False)
    turned = left.T @ wanted
    best, shrunk = np.inf, np.zeros_like(values)
    for penalty in PENALTIES * len(seen):
        share = values**2 / (values**2 + penalty)
        # The mean takes one degree of freedom, so a row's own weight is 1/m larger.
        own = (left**2) @ share + 1 / len(seen)
        rest = wanted - left @ (share[:, None] * turned)
        error = float(((rest / np.maximum(1 - own, 1e-3)[:, None]) ** 2).mean())
        if error < best:
            best, shrunk = error, values / (values**2 + penalty)
    return np.asarray(asked @ right.T @ (shrunk[:, None] * turned))

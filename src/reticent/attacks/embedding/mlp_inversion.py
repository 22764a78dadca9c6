"""A small neural network from vectors back to inputs."""

from __future__ import annotations

import warnings

import numpy as np

from reticent.attacks.embedding.inverter import Floats, Pairs, fit_scale
from reticent.target import Reveals

HIDDEN = 128
EPOCHS = 300
FEWEST = 20  # pairs, from which a part is held back to stop at


class MlpInversion:
    """Which input lies behind a vector, if the way back bends?"""

    name = "mlp_inversion"
    title = "a neural network from vectors to inputs, learned from public pairs"
    paper = (
        "Dosovitskiy and Brox 2016, CVPR, doi:10.1109/CVPR.2016.522; from scores: Yang et al. "
        "2019, ACM CCS, doi:10.1145/3319535.3354261"
    )
    threat_model = (
        "Holds the vectors (or scores) of the people under attack, and public rows whose vectors "
        "it may ask for. Needs no access to the model itself."
    )
    cost = "one row per public pair (at most 1,000) and one per person"
    null_result = (
        "One hidden layer and few pairs: a larger decoder with more public data may recover what "
        "this one does not."
    )
    needs = Reveals.NOTHING

    def invert(self, pairs: Pairs, vectors: Floats, rng: np.random.Generator) -> Floats:
        """Train with early stopping where there are pairs enough to hold some back."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPRegressor

        scale = fit_scale(pairs.vectors)
        network = MLPRegressor(
            hidden_layer_sizes=(HIDDEN,), alpha=1e-3, learning_rate_init=3e-3, max_iter=EPOCHS,
            early_stopping=len(pairs.vectors) >= FEWEST, n_iter_no_change=15,
            random_state=int(rng.integers(2**31 - 1)),
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            network.fit(scale(pairs.vectors), pairs.inputs)
        return np.asarray(network.predict(scale(vectors)).reshape(len(vectors), -1), dtype=float)

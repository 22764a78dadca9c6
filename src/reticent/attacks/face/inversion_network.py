"""A second model that learns to turn answers back into pictures (Yang 2019)."""

from __future__ import annotations

import warnings

import numpy as np

from reticent.attacks.faces import Floats, Held, first_look, log_scores
from reticent.target import Reveals, Target

SIZE = 3_000  # pictures whose answers it learns from
HIDDEN = 64
ROUNDS = 60
SEEDS = 2**31 - 1


class InversionNetwork:
    """Which picture do answers like this one come from?"""

    name = "inversion_network"
    title = "a network that learned to turn answers back into pictures of the public kind"
    paper = "Yang et al. 2019, ACM CCS, doi:10.1145/3319535.3354261"
    threat_model = (
        "Asks rows of its choosing and reads scores, also the highest few only. Holds public "
        "pictures of other people, without names. Then works offline."
    )
    cost = "3,000 rows in all, in one batch"
    null_result = (
        "It answers with what such answers usually come from; a search for one class goes "
        "further: see `latent_evolution`."
    )
    needs = Reveals.TOP_K | Reveals.ANY_ROW

    def reconstruct(self, target: Target, held: Held, rng: np.random.Generator) -> Floats:
        """Learn from a batch of answers, then ask for a sure answer of each class."""
        assert target.classes is not None
        k = len(target.classes)
        points, told = first_look(target, held, rng, SIZE)
        logs = log_scores(told, k)
        center, scale = logs.mean(axis=0), logs.std() + 1e-9
        wanted = np.full((len(held.classes), k), logs.min())
        wanted[np.arange(len(held.classes)), held.classes] = 0.0
        features, asked = (logs - center) / scale, (wanted - center) / scale
        return held.decoded(_learned(features, points, asked, int(rng.integers(SEEDS))))


def _learned(features: Floats, points: Floats, asked: Floats, seed: int) -> Floats:
    """Points (c, q) by a ridge regression and what a perceptron adds to it."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import Ridge
    from sklearn.neural_network import MLPRegressor

    plain = Ridge(alpha=1.0).fit(features, points)
    rest = points - plain.predict(features)
    network = MLPRegressor(
        hidden_layer_sizes=(HIDDEN,), max_iter=ROUNDS, early_stopping=True, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        network.fit(features, rest)
    found: Floats = plain.predict(asked) + network.predict(asked).reshape(len(asked), -1)
    return found

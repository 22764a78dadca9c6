"""An evolution strategy among pictures that look like people, from scores however rounded."""

from __future__ import annotations

import numpy as np

from reticent.attacks.faces import Floats, Held, first_look, log_score_of, log_scores, shown
from reticent.target import Reveals, Target

POOL = 300  # pictures shown once for all classes
LITTER = 30  # and then in each generation for each class
GENERATIONS = 80
STEP, SHORTEST, LONGEST = 0.6, 0.2, 1.5
SURE, UNSURE = float(np.log(0.9)), float(np.log(0.3))


class LatentEvolution:
    """Which picture of the public kind has the highest score?"""

    name = "latent_evolution"
    title = "pictures of the public kind, bred for the class's score"
    paper = (
        "This project; natural evolution strategies by Wierstra et al. 2014, JMLR 15, in a latent "
        "space as An et al. 2022, NDSS, doi:10.14722/ndss.2022.24335"
    )
    threat_model = (
        "Asks rows of its choosing and reads scores, also rounded ones or the highest few. Holds "
        "public pictures of other people, without names."
    )
    cost = "2,400 rows a class, and 300 for all"
    null_result = (
        "It sees what the public pictures' main axes can show, and stops after a fixed number of "
        "queries; patience buys more."
    )
    needs = Reveals.TOP_K | Reveals.ANY_ROW

    def reconstruct(self, target: Target, held: Held, rng: np.random.Generator) -> Floats:
        """Begin where a common first look scored, and follow the litter's better half.

        A step is as wide as the score still changes within it, so that rounding does not hide
        the slope: where all of a litter score alike, the next one spreads further.
        """
        assert target.classes is not None
        k, c, q = len(target.classes), len(held.classes), held.decoder.width
        mean, step = _begin(target, held, rng, k), np.full(c, STEP)
        for _ in range(GENERATIONS):
            half = rng.standard_normal((c, LITTER // 2, q))
            young = np.concatenate([half, -half], axis=1)
            x = held.decoded(mean[:, None] + step[:, None, None] * young)
            value = log_score_of(shown(target, held, x.reshape(c * LITTER, -1)), held.classes, k)
            spread = value.std(axis=1)
            weight = (value - value.mean(axis=1, keepdims=True)) / np.maximum(spread, 1e-9)[:, None]
            mean = mean + step[:, None] * np.einsum("cp,cpq->cq", weight, young) / LITTER
            middle = value.mean(axis=1)
            wider = (spread < 1e-9) | (middle > SURE)
            step = step * np.where(wider, 1.05, np.where(middle < UNSURE, 0.98, 1.0))
            step = np.clip(step, SHORTEST, LONGEST)
        return held.decoded(mean)


def _begin(target: Target, held: Held, rng: np.random.Generator, k: int) -> Floats:
    """The first look's points, averaged by how much higher each class's score was there."""
    points, told = first_look(target, held, rng, POOL)
    logs = log_scores(told, k)[:, held.classes]
    weight = np.maximum(logs - logs.mean(axis=0), 0)
    weight = weight / np.maximum(weight.sum(axis=0), 1e-9)
    return np.asarray(weight.T @ points)

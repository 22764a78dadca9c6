"""Growing spheres that keep a label (Kahla 2022)."""

from __future__ import annotations

import numpy as np

from reticent.attacks.faces import Codes, Floats, Held, first_look, labels, means_by_label, shown
from reticent.target import Reveals, Target

POOL = 2_000  # pictures shown once for all classes
AROUND = 32  # pictures on a sphere
SPHERES = 230
RADIUS, SMALLEST, LARGEST = 0.3, 0.05, 2.0


class LabelSphere:
    """In the middle of which pictures does the label stay, however far one goes?"""

    name = "label_sphere"
    title = "the middle of ever larger spheres on which the label stays"
    paper = "Kahla et al. 2022, CVPR (BREP-MI), arXiv:2203.05152"
    threat_model = (
        "Asks rows of its choosing and reads labels only. Holds public pictures of other people, "
        "without names."
    )
    cost = "7,360 rows a class, and 2,000 for all"
    null_result = (
        "A label that no public picture is given is not looked for; scores would show the way."
    )
    needs = Reveals.LABEL | Reveals.ANY_ROW

    def reconstruct(self, target: Target, held: Held, rng: np.random.Generator) -> Floats:
        """Go where the sphere keeps the label, all classes in one batch a step."""
        points, told = first_look(target, held, rng, POOL)
        given = labels(told)
        mean, there = means_by_label(points, given, held.classes)
        able = np.flatnonzero(there)
        if len(able):
            mean[able] = _grow(target, held, mean[able], held.classes[able], rng)
        return held.decoded(mean)


def _grow(target: Target, held: Held, mean: Floats, own: Codes, rng: np.random.Generator) -> Floats:
    c, q = mean.shape
    radius = np.full(c, RADIUS)
    for _ in range(SPHERES):
        aim = rng.standard_normal((c, AROUND, q))
        aim *= np.sqrt(q) / np.linalg.norm(aim, axis=2, keepdims=True)
        x = held.decoded(mean[:, None] + radius[:, None, None] * aim)
        given = labels(shown(target, held, x.reshape(c * AROUND, -1))).reshape(c, AROUND)
        hit = (given == own[:, None]).astype(float)
        share, spread = hit.mean(axis=1), hit.std(axis=1)
        weight = (hit - share[:, None]) / np.maximum(spread, 1e-9)[:, None]
        mean = mean + radius[:, None] * np.einsum("cp,cpq->cq", weight, aim) / AROUND
        radius = radius * np.where(share > 0.8, 1.05, np.where(share < 0.3, 0.97, 1.0))
        radius = np.clip(radius, SMALLEST, LARGEST)
    return mean

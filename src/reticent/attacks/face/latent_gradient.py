"""Gradient descent among pictures that look like people, from many starts."""

from __future__ import annotations

import numpy as np

from reticent.attacks.faces import Codes, Floats, Held, followed, roughness, shifted
from reticent.target import Reveals, Target, Upstream

STARTS = 8
STEPS = 60
RATE = 0.15
MARGIN = 12.0  # by which the class shall lead: beyond it only the prior counts
PRIOR = 0.1  # weight of the distance from the center
SMOOTH = 0.02  # weight of roughness, of pixels between 0 and 1


class LatentGradient:
    """Which picture of the public kind leads furthest for a class?"""

    name = "latent_gradient"
    title = "the picture of the public kind whose class leads by most, from many starts"
    paper = (
        "This project; the latent space after Zhang et al. 2020, CVPR, arXiv:1911.07135, the "
        "margin after Yuan et al. 2023, AAAI, arXiv:2302.09814"
    )
    threat_model = (
        "White-box: holds the model and follows its gradient. Holds public pictures of other "
        "people, without names."
    )
    cost = "480 passes through an open model a class"
    null_result = (
        "It sees what the public pictures' main axes can show; a generator trained on many more "
        "may show finer things: [model].decoder."
    )
    needs = Reveals.GRADIENT

    def reconstruct(self, target: Target, held: Held, rng: np.random.Generator) -> Floats:
        """Climb from several starts in one pass, and keep what survives small changes."""
        c, q = len(held.classes), held.decoder.width
        own = np.repeat(held.classes, STARTS)
        z = 0.3 * rng.standard_normal((c * STARTS, q))
        mean, square = np.zeros_like(z), np.zeros_like(z)
        for step in range(1, STEPS + 1):
            x = held.decoder.decode(z)
            _, slope = followed(target, held, x, _margin(own))
            slope = slope + SMOOTH / held.span**2 * roughness(x, held.shape)
            down = held.decoder.pull(z, slope) + PRIOR * z
            mean, square = 0.9 * mean + 0.1 * down, 0.99 * square + 0.01 * down**2
            size = np.sqrt(square / (1 - 0.99**step)) + 1e-8
            z = z - RATE * (mean / (1 - 0.9**step)) / size
        x = held.clipped(held.decoder.decode(z))
        kept = _steadiest(target, held, x, own).reshape(c, STARTS).argmax(axis=1)
        best: Floats = x.reshape(c, STARTS, -1)[np.arange(c), kept]
        return best


def lead(logits: Floats, own: Codes) -> tuple[Floats, Codes]:
    """By how much the own class's logit leads the best other one (n,), and which that is (n,)."""
    each = np.arange(len(own))
    rest = logits.copy()
    rest[each, own] = -np.inf
    rival = rest.argmax(axis=1)
    ahead: Floats = logits[each, own] - rest[each, rival]
    return ahead, rival


def _margin(own: Codes) -> Upstream:
    def upstream(logits: Floats) -> Floats:
        ahead, rival = lead(logits, own)
        open_ = (ahead < MARGIN).astype(float)
        each, gradient = np.arange(len(own)), np.zeros_like(logits)
        gradient[each, own] = -open_
        gradient[each, rival] = open_
        return gradient

    return upstream


def _steadiest(target: Target, held: Held, x: Floats, own: Codes) -> Floats:
    """The mean lead (n,) of each picture over small changes of it."""
    variants = shifted(x, held.shape)
    flat = variants.reshape(-1, x.shape[1])
    logits, _ = followed(target, held, flat, np.zeros_like)
    ahead, _ = lead(logits, np.tile(own, len(variants)))
    return np.asarray(ahead.reshape(len(variants), -1).mean(axis=0))

"""Gradient descent among pixels (Fredrikson 2015)."""

from __future__ import annotations

import numpy as np

from reticent.attacks.faces import Codes, Floats, Held, followed
from reticent.target import Reveals, Target
from reticent.targets.network import softmax

STEPS = 500
RATE = 0.1
ENOUGH = 0.99  # confidence
WINDOW = 100  # steps without an improvement


class MiFace:
    """Which picture makes the model most sure of a class?"""

    name = "mi_face"
    title = "the picture that makes the model surest of a class, by descent among pixels"
    paper = "Fredrikson, Jha and Ristenpart 2015, ACM CCS, doi:10.1145/2810103.2813677"
    threat_model = (
        "White-box: holds the model and follows its gradient. No pictures, public or other."
    )
    cost = "up to 500 passes through an open model a class"
    null_result = (
        "It finds some picture that the model is sure of, often noise; who looks among pictures "
        "of people finds more: see `latent_gradient`."
    )
    needs = Reveals.GRADIENT

    def reconstruct(
        self,
        target: Target,
        held: Held,
        rng: np.random.Generator,  # noqa: ARG002 (the others draw)
    ) -> Floats:
        """Descend from black, all classes in one pass, each until it is sure."""
        return descend(target, held)


def descend(
    target: Target, held: Held, steps: int = STEPS, rate: float = RATE, enough: float = ENOUGH
) -> Floats:
    """Descend on ``1 - score``: (c, d), each class's surest picture on the way."""
    c = len(held.classes)
    x, best = np.full((c, held.images.shape[1]), held.low), np.full(c, -np.inf)
    found, since, active = x.copy(), np.zeros(c, dtype=int), np.arange(c)
    for _ in range(steps):
        doubt = Doubt(held.classes[active])
        _, slope = followed(target, held, x[active], doubt)
        better = doubt.sure > best[active]
        since[active] = np.where(better, 0, since[active] + 1)
        best[active] = np.where(better, doubt.sure, best[active])
        found[active[better]] = x[active[better]]
        goes_on = (doubt.sure < enough) & (since[active] < WINDOW)
        active, slope = active[goes_on], slope[goes_on]
        if not len(active):
            break
        x[active] = held.clipped(x[active] - rate * held.span**2 * slope)
    return found


class Doubt:
    """The loss ``1 - score`` of each row's own class: called, its gradient by the logits.

    Attributes
    ----------
    own : (n,) the classes. sure : (n,) their scores in the last pass.
    """

    __slots__ = ("own", "sure")

    def __init__(self, own: Codes) -> None:
        self.own, self.sure = own, np.zeros(len(own))

    def __call__(self, logits: Floats) -> Floats:
        """From logits (n, k) to the gradient (n, k)."""
        scores, each = softmax(logits), np.arange(len(self.own))
        self.sure = scores[each, self.own]
        gradient = scores * self.sure[:, None]
        gradient[each, self.own] -= self.sure
        return gradient

"""Gradient descent among pixels, the gradient from differences of scores (Fredrikson 2015)."""

from __future__ import annotations

import numpy as np

from reticent.attacks.faces import Codes, Floats, Held, log_score_of, shown
from reticent.target import Reveals, Target

STEPS = 20
NUDGE = 0.02  # of the span from black to white
STRIDE = 2.0  # length of a step, of the span
ENOUGH = float(np.log(0.99))
ROWS = 50_000  # asked for one class at most, whatever the pictures' size


class MiFaceBlackBox:
    """The same descent for who has no gradient: one row a pixel and step."""

    name = "mi_face_black_box"
    title = "the same descent by differences of the score, one pixel at a time"
    paper = "Fredrikson, Jha and Ristenpart 2015, ACM CCS, doi:10.1145/2810103.2813677"
    threat_model = (
        "Asks rows of its choosing and reads the score of the class. Holds one average public "
        "picture to begin with."
    )
    cost = "one row a pixel and step for each class, 20 steps, at most 50,000 rows"
    null_result = (
        "A small change of one pixel does not show in a rounded score: that stops this attack and "
        "no other one; see `latent_evolution`."
    )
    needs = Reveals.SCORES | Reveals.ANY_ROW

    def reconstruct(
        self,
        target: Target,
        held: Held,
        rng: np.random.Generator,  # noqa: ARG002 (the others draw)
    ) -> Floats:
        """Descend from the average public picture."""
        assert target.classes is not None
        k, d = len(target.classes), held.images.shape[1]
        begin = (
            held.images.mean(axis=0) if len(held.images) else np.full(d, (held.low + held.high) / 2)
        )
        return np.array(
            [_descend(target, held, begin.copy(), held.classes[c : c + 1], k)
             for c in range(len(held.classes))]
        )  # fmt: skip


def _descend(target: Target, held: Held, x: Floats, own: Codes, k: int) -> Floats:
    d = len(x)
    nudge = NUDGE * held.span
    for _ in range(max(1, min(STEPS, ROWS // (d + 1)))):
        tries = np.concatenate([x[None], x + np.eye(d) * nudge])
        value = log_score_of(shown(target, held, tries), own, k)[0]
        slope = value[1:] - value[0]
        length = float(np.linalg.norm(slope))
        if length == 0 or value[0] >= ENOUGH:
            break
        x = held.clipped(x + STRIDE * held.span * slope / length)
    return x

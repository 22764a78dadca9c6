"""Who is on a picture, judged by somebody who never saw the model.

An evaluator learns people from pictures that the target never saw. The model's own confidence in
a reconstruction says nothing: a picture can be noise to everybody else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.faces import shifted

COMPONENTS = 150  # main axes of the pictures it learns from
SHRINKAGE = 0.3  # of the pictures' spread within a person, known from a few each

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Tells c people apart by linear discriminants.

    Fisher 1936, doi:10.1111/j.1469-1809.1936.tb02137.x.

    Attributes
    ----------
    center : (d,). axes : (d, q) on which pictures are seen. model : fitted on those.
    """

    center: Floats
    axes: Floats
    model: Any

    def scores(self, x: Floats) -> Floats:
        """How much each of n pictures (n, d) looks like each person: (n, c)."""
        found: Floats = self.model.decision_function(self._seen(x))
        return np.c_[-found, found] if found.ndim == 1 else found

    def rank(self, x: Floats, who: Codes) -> Codes:
        """How many people each picture (n,) looks like more than like whom it should show.

        A tie counts against the picture: one that looks like nobody is not identified.
        """
        scores = self.scores(x)
        own = np.take_along_axis(scores, who[:, None], axis=1)
        return np.asarray((scores >= own).sum(axis=1) - 1)

    def _seen(self, x: Floats) -> Floats:
        return (_lit_alike(x) - self.center) @ self.axes


def trained(x: Floats, who: Codes, shape: tuple[int, ...]) -> Evaluator:
    """Learn c people from pictures (n, d) of them, each also moved by a pixel and mirrored.

    Parameters
    ----------
    who : (n,) codes 0..c-1, each there.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    variants = shifted(x, shape)
    seen = _lit_alike(variants.reshape(-1, x.shape[1]))
    center = seen.mean(axis=0)
    few = seen[: len(x)] - center  # the pictures themselves: their variants lie close
    axes = np.linalg.svd(few, full_matrices=False)[2][:COMPONENTS].T
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=SHRINKAGE)
    model.fit((seen - center) @ axes, np.tile(who, len(variants)))
    return Evaluator(center, axes, model)


def _lit_alike(x: Floats) -> Floats:
    """Bring pictures to one brightness and one contrast."""
    found = x - x.mean(axis=1, keepdims=True)
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9))


def nearest(x: Floats, pictures: Floats) -> tuple[Floats, Codes]:
    """Root mean squared distance (n,) to the nearest of m pictures, and which that is (n,)."""
    square = (x**2).sum(1)[:, None] - 2 * x @ pictures.T + (pictures**2).sum(1)[None, :]
    at = square.argmin(axis=1)
    least = np.maximum(square[np.arange(len(x)), at], 0)
    return np.sqrt(least / x.shape[1]), at

"""What every inverter of vectors shares: public pairs in, inputs as numbers out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.attack import About

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pairs:
    """What an attacker holds to learn from.

    Attributes
    ----------
    vectors : (m, d) of public rows. inputs : (m, p) the same rows as numbers.
    public : (q, p) public rows as numbers, with and without a vector.
    """

    vectors: Floats
    inputs: Floats
    public: Floats


class Inverter(About, Protocol):
    """One way back from a vector."""

    def invert(self, pairs: Pairs, vectors: Floats, rng: np.random.Generator) -> Floats:
        """Return the inputs (n, p) behind vectors (n, d)."""
        ...


@dataclass(frozen=True, slots=True)
class Scale:
    """Vectors about their public mean, in units of one common spread."""

    center: Floats
    spread: float

    def __call__(self, vectors: Floats) -> Floats:
        """Return the scaled vectors (n, d)."""
        return np.asarray((vectors - self.center) / self.spread)


def fit_scale(vectors: Floats) -> Scale:
    """Learn the mean and the spread of some vectors (m, d)."""
    spread = float(np.sqrt(vectors.var(axis=0).mean()))
    return Scale(vectors.mean(axis=0), spread if spread > 0 else 1.0)

"""Made-up faces: smooth patterns, each person's own, in changing light."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from reticent.attacks.latent import waves

SHAPE = (8, 8)
NAMES = [f"x{pixel}" for pixel in range(64)]
PEOPLE = 12

Floats = NDArray[np.float64]


def faces(people: int, each: int, seed: int, who: int = 0) -> tuple[Floats, NDArray[np.intp]]:
    """Pictures (n, 64) between 0 and 1 of as many people, and whose they are.

    Parameters
    ----------
    seed : of the pictures. who : of the people: the same again show the same ones.
    """
    axes = waves(SHAPE, 0.5, 0.15, most=20).axes
    own = np.random.default_rng([who, 1]).standard_normal((people, len(axes)))
    rng = np.random.default_rng([seed, 2])
    whose = np.repeat(np.arange(people), each)
    light = rng.standard_normal((len(whose), len(axes))) * np.linspace(1.0, 0.3, len(axes))
    x = 0.5 + (own[whose] + 0.5 * light) @ axes + 0.02 * rng.standard_normal((len(whose), 64))
    return np.clip(x, 0, 1), whose


def frame(x: Floats, whose: NDArray[np.intp]) -> pd.DataFrame:
    """A frame of pixels and the name ``y``."""
    return pd.DataFrame(x, columns=NAMES).assign(y=whose)


def learned(x: Floats, whose: NDArray[np.intp]) -> LogisticRegression:
    """A softmax regression on pictures."""
    return LogisticRegression(C=10, max_iter=300).fit(x, whose)


@dataclass(frozen=True)
class Album:
    """Pictures of the same people for the model and for judging, and of other people in public."""

    members: tuple[Floats, NDArray[np.intp]]
    others: tuple[Floats, NDArray[np.intp]]
    public: tuple[Floats, NDArray[np.intp]]


def album(people: int = PEOPLE) -> Album:
    """An album of made-up people."""
    return Album(faces(people, 6, 1), faces(people, 4, 2), faces(15, 4, 3, who=9))

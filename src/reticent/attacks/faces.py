"""What an attacker who wants to see a class holds, and how pictures are shown to a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.attack import About
from reticent.attacks.latent import Decoder
from reticent.dataset import Dataset
from reticent.target import Answer, Differentiable, Reveals, Target, Upstream

CAUTIOUS = (0.05, 0.1, 0.2, 0.4, 1.0)  # parts of the reach, tried where a target refuses
LEAST = 1e-3  # what a score of 0 counts as: behind a contract it may be a rounded one

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Held:
    """What the attacker holds: never a picture of whom they look for.

    Attributes
    ----------
    classes : (c,) places, among the target's classes, of those to be seen.
    images : (m, d) public pictures, without names; m may be 0. decoder : the space they span.
    shape : of a picture. columns : names of its d pixels, in order. low, high : of a pixel.
    like : an empty frame of the kind that the model wants; None for a plain matrix.
    """

    classes: Codes
    images: Floats
    decoder: Decoder
    shape: tuple[int, ...]
    columns: tuple[str, ...]
    low: float = 0.0
    high: float = 1.0
    like: Any = None

    @property
    def span(self) -> float:
        """From black to white."""
        return self.high - self.low

    def clipped(self, x: Floats) -> Floats:
        """Keep every pixel between black and white."""
        return np.clip(x, self.low, self.high)

    def decoded(self, z: Floats) -> Floats:
        """Make pictures (..., d) of points (..., q)."""
        flat = self.decoder.decode(z.reshape(-1, z.shape[-1]))
        return self.clipped(flat).reshape(*z.shape[:-1], -1)


class FaceAttack(About, Protocol):
    """One attack on what classes look like."""

    def reconstruct(self, target: Target, held: Held, rng: np.random.Generator) -> Floats:
        """Make one picture (c, d) of each class."""
        ...


# Asking ---------------------------------------------------------------------------------------


def shown(target: Target, held: Held, x: Floats) -> Answer:
    """Show n pictures (n, d) to a target."""
    return target.ask(Dataset.of_matrix(x, held.columns, held.like))


def followed(
    target: Target, held: Held, x: Floats, upstream: Upstream
) -> tuple[Floats, Floats]:  # fmt: skip
    """Follow answers to n pictures back to them: logits (n, k) and a gradient (n, d)."""
    assert isinstance(target, Differentiable)
    if target.columns == list(held.columns):
        return target.backward(x, upstream)
    places = [held.columns.index(name) for name in target.columns]
    logits, found = target.backward(x[:, places], upstream)
    gradient = np.zeros_like(x)
    gradient[:, places] = found
    return logits, gradient


def log_scores(told: Answer, k: int) -> Floats:
    """Logarithm (n, k) of the scores, whatever is told of them; a refusal is the least of all.

    Where only labels are told, the label's class counts 1 and the others nothing.
    """
    if told.scores is None:
        assert told.label is not None
        scores = (told.label[:, None] == np.arange(k)).astype(float)
    else:
        scores = np.nan_to_num(told.scores, nan=0.0)
    return np.asarray(np.log(np.maximum(scores, LEAST)))


def log_score_of(told: Answer, classes: Codes, k: int) -> Floats:
    """Logarithm (c, p) of the own class's score, of p pictures in a row for each class."""
    logs = log_scores(told, k).reshape(len(classes), -1, k)
    return np.take_along_axis(logs, classes[:, None, None], axis=2)[:, :, 0]


def labels(told: Answer) -> Codes:
    """The label (n,) of each picture; -1 where it was refused."""
    assert told.label is not None
    return told.label


# Starting -------------------------------------------------------------------------------------


def first_look(
    target: Target, held: Held, rng: np.random.Generator, size: int
) -> tuple[Floats, Answer]:
    """Points (size, q) in pairs, opposite each other, and the answers, once for all classes.

    Where the target refuses, a few cautious points first find out how far from the center most
    are answered.
    """
    reach = held.decoder.reach
    if Reveals.ABSTAIN in target.reveals:
        reach *= _passing(target, held, rng)
    points = _pairs(held, rng, size) * reach
    return points, shown(target, held, held.decoded(points))


def _pairs(held: Held, rng: np.random.Generator, size: int) -> Floats:
    half = rng.standard_normal((-(-size // 2), held.decoder.width))
    return np.concatenate([half, -half])[:size]


def _passing(target: Target, held: Held, rng: np.random.Generator) -> float:
    """The largest part of the reach at which most of a few points are answered."""
    found = CAUTIOUS[0]
    for part in CAUTIOUS:
        told = shown(target, held, held.decoded(_pairs(held, rng, 16) * held.decoder.reach * part))
        if told.answered is not None and told.answered.mean() < 0.5:
            break
        found = part
    return found


def means_by_label(
    points: Floats, label: Codes, classes: Codes
) -> tuple[Floats, NDArray[np.bool_]]:
    """Average the points (n, q) of each class's label: (c, q), and for whom there were any (c,)."""
    own = (label[None, :] == classes[:, None]).astype(float)
    count = own.sum(axis=1, keepdims=True)
    return own @ points / np.maximum(count, 1), count[:, 0] > 0


def shifted(x: Floats, shape: tuple[int, ...]) -> Floats:
    """Each picture (n, d) as it is, moved one pixel each way, and mirrored: (6, n, d)."""
    pictures = x.reshape(len(x), *shape)
    moves = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
    moved = [np.roll(pictures, move, (1, 2)) for move in moves] + [pictures[:, :, ::-1]]
    return np.stack(moved).reshape(6, len(x), -1)


def roughness(x: Floats, shape: tuple[int, ...]) -> Floats:
    """Gradient (n, d) of half the summed squared differences of neighboring pixels."""
    pictures = x.reshape(len(x), *shape)
    found = np.zeros_like(pictures)
    down, along = np.diff(pictures, axis=1), np.diff(pictures, axis=2)
    found[:, 1:] += down
    found[:, :-1] -= down
    found[:, :, 1:] += along
    found[:, :, :-1] -= along
    return found.reshape(len(x), -1)

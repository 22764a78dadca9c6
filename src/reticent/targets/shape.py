"""The last steps of a contract: noise and cut, which need an answer and no model.

``shaper`` prepares both for one contract. The gateway shapes what it has asked and recorded; a
target behind a contract shapes what its steps answered: it is the same function.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.canonical import row_bytes
from reticent.contract import Contract
from reticent.dataset import Dataset
from reticent.errors import ConfigError
from reticent.randomness import keyed_uniforms
from reticent.schema import Schema
from reticent.target import Answer, Reveals, Target

MARGIN = 1e-9  # by which the highest class leads at least, under noise

Floats = NDArray[np.float64]
Truly = NDArray[np.bool_] | None


@dataclass(frozen=True, slots=True)
class Step:
    """A target whose answers were changed by one step of a contract."""

    columns: list[str]
    classes: NDArray[Any] | None
    reveals: Reveals
    ignores: frozenset[str]
    answer: Callable[[Dataset], Answer]

    def ask(self, rows: Dataset) -> Answer:
        """Answer n rows through the step."""
        return self.answer(rows)


@dataclass(frozen=True, slots=True)
class Shape:
    """Noise and cut of one contract, prepared for one model.

    Attributes
    ----------
    reveals : what a shaped answer gives away.
    noise : what is drawn on which columns; None adds none, and then the rows are never read.
    edges : (b,) the bands' edges, None without bands.
    """

    contract: Contract
    reveals: Reveals
    noise: Draw | None
    edges: Floats | None

    def __call__(self, rows: Dataset, told: Answer, truly: Truly = None) -> Answer:
        """Shape the answers to n rows.

        Parameters
        ----------
        truly : (n,) which rows were answered with their marginalized columns, within
            ``values_per_record``; None: the columns are what the contract says.
        """
        contract = self.contract
        if contract.output == "none":
            return Answer(answered=np.zeros(len(rows), dtype=bool))
        if self.noise is not None:
            told = self.noise(rows, told, truly)
        value = None if told.value is None else _coarse(told.value, contract.decimals, None)
        if contract.output == "label" or told.scores is None:
            return Answer(told.label, None, value, None, told.answered)
        scores = _coarse(told.scores, contract.decimals, self.edges)
        if contract.top_k is not None:
            lowest = np.argsort(-told.scores, axis=1, kind="stable")[:, contract.top_k :]
            withheld = np.where(np.isnan(scores[:, :1]), np.nan, 0.0)  # a refusal stays one
            np.put_along_axis(scores, lowest, withheld, axis=1)
        vector = told.vector if told.vector is not None and self.reveals & Reveals.VECTOR else None
        return Answer(told.label, scores, value, vector, told.answered)


def shaper(
    face: Target, contract: Contract, schema: Schema, key: bytes, whole: Sequence[str] | None = None
) -> Shape:
    """Prepare what a contract does to the answers of an asked model.

    Parameters
    ----------
    face : the model as ``asked`` returns it; only its columns, classes and reveals are read.
    key : the model's noise key, one for all roles and callers.
    whole : the columns of a question that was answered truly; by default the face's.

    Raises
    ------
    ConfigError : the model does not tell what the contract wants to shape.
    """
    draw, reveals = None, face.reveals
    if contract.noise is not None:
        draw = drawn(face, contract.noise.scale, key, schema.precisions, whole)
        reveals &= ~CLOSED
    return _shape(contract, _cut_reveals(face, reveals, contract), draw)


def _shape(contract: Contract, reveals: Reveals, draw: Draw | None) -> Shape:
    edges = None if contract.bands is None else np.array(contract.bands)
    return Shape(contract, reveals, draw, edges)


# Noise ----------------------------------------------------------------------------------------

CLOSED = Reveals.VECTOR | Reveals.GRADIENT | Reveals.STRUCTURE  # what does not pass noise


@dataclass(frozen=True, slots=True)
class Draw:
    """Laplace noise that is a keyed function of the question, and how to read a question.

    Attributes
    ----------
    columns : of a question; ``whole`` where it was answered with its marginalized columns.
    steps : column to the precision it is recorded at, so that a jittered question is the same one.
    """

    scale: float
    key: bytes
    columns: Sequence[str]
    whole: Sequence[str]
    steps: Mapping[str, float]

    def __call__(self, rows: Dataset, told: Answer, truly: Truly = None) -> Answer:
        """Add noise to the answers about n rows."""
        width = 1 if told.scores is None else told.scores.shape[1]
        draws = _laplace(keyed_uniforms(self.key, self._questions(rows, truly), width)) * self.scale
        if told.scores is None:
            assert told.value is not None
            return replace(told, value=told.value + draws[:, 0], vector=None)
        return replace(told, scores=_noisy(told.scores, draws), vector=None)

    def _questions(self, rows: Dataset, truly: Truly) -> list[bytes]:
        if truly is None or not truly.any():
            return self._tokens(rows, self.columns)
        if truly.all():
            return self._tokens(rows, self.whole)
        averaged, asked = self._tokens(rows, self.columns), self._tokens(rows, self.whole)
        return [asked[at] if true else averaged[at] for at, true in enumerate(truly.tolist())]

    def _tokens(self, rows: Dataset, columns: Sequence[str]) -> list[bytes]:
        return row_bytes(rows, columns, self.steps)


def drawn(
    face: Target, scale: float, key: bytes, steps: Mapping[str, float],
    whole: Sequence[str] | None = None,
) -> Draw:  # fmt: skip
    """Prepare the noise for a model's answers.

    Raises
    ------
    ConfigError : a classifier that tells no scores.
    """
    if face.classes is not None and not face.reveals & Reveals.SCORES:
        raise ConfigError("noise", "the model tells no scores to add it to", "Leave it out")
    columns = list(face.columns)
    return Draw(scale, key, columns, columns if whole is None else list(whole), steps)


def noise(
    target: Target, scale: float, key: bytes, steps: Mapping[str, float] | None = None
) -> Target:
    """Add noise to every answer of a target; the highest class stays highest."""
    draw = drawn(target, scale, key, steps or {})
    return Step(target.columns, target.classes, target.reveals & ~CLOSED, target.ignores,
                lambda rows: draw(rows, target.ask(rows)))  # fmt: skip


def _laplace(uniforms: Floats) -> Floats:
    centered = uniforms - 0.5
    drawn: Floats = -np.sign(centered) * np.log1p(-2 * np.abs(centered))
    return drawn


def _noisy(scores: Floats, draws: Floats) -> Floats:
    """Add the noise within 0..1, swap the highest class back to the top, and normalize.

    The margin keeps it alone at the top where several ended at 1, or all at 0.
    """
    noisy = np.clip(scores + draws, 0.0, 1.0)
    each = np.arange(len(scores))
    was, now = scores.argmax(axis=1), noisy.argmax(axis=1)
    noisy[each, was], noisy[each, now] = noisy[each, now], noisy[each, was]
    noisy[each, was] += MARGIN
    even: Floats = noisy / noisy.sum(axis=1, keepdims=True)
    return even


# Cut ------------------------------------------------------------------------------------------


def cut(target: Target, contract: Contract) -> Target:
    """Tell no more of an answer than the contract's output, digits, bands or top classes."""
    shape = _shape(contract, _cut_reveals(target, target.reveals, contract), None)

    def answer(rows: Dataset) -> Answer:
        return shape(rows, Answer() if contract.output == "none" else target.ask(rows))

    return Step(target.columns, target.classes, shape.reveals, target.ignores, answer)


def _cut_reveals(face: Target, reveals: Reveals, contract: Contract) -> Reveals:
    if contract.output == "top_k" and face.classes is None:
        raise ConfigError('output = "top_k"', "a regressor has no classes", 'Use "scores"')
    if contract.bands is not None and face.classes is None:
        raise ConfigError("bands", "a regressor tells no scores", "Use decimals")
    told = {
        "none": Reveals.NOTHING,
        "label": Reveals.LABEL,
        "top_k": Reveals.LABEL | Reveals.TOP_K,
        "scores": Reveals.LABEL | Reveals.TOP_K | Reveals.SCORES,
        "vector": Reveals.LABEL | Reveals.TOP_K | Reveals.SCORES | Reveals.VECTOR,
    }[contract.output]
    return reveals & (told | Reveals.ABSTAIN | Reveals.ANY_ROW)


def _coarse(numbers: Floats, decimals: int | None, edges: Floats | None) -> Floats:
    if decimals is not None:
        return numbers.round(decimals)
    if edges is None:
        return numbers.copy()
    lower = np.append(0.0, edges)[np.searchsorted(edges, numbers, side="right")]
    return np.where(np.isnan(numbers), np.nan, lower)

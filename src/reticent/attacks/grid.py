"""Asking a model about every candidate value of a hidden column, in one stacked call."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.known import Hidden, Known, Shadow
from reticent.column import Column, places, plain
from reticent.dataset import Dataset
from reticent.encoding import fit_encoding
from reticent.target import Answer, Target

DONORS = 4  # auxiliary people whose values stand in for columns that the attacker does not know
FLOOR = 1e-2  # a forest that gives a class no vote does not mean "never"

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sweep:
    """What a target said of n people under each of k candidate values.

    Attributes
    ----------
    scores : (n, k, classes) class scores, None where only labels are told.
    votes : (n, k, classes) 1 where that class was predicted (a share, over several donors).
    value : (n, k) a regressor's prediction.
    answered : (n, k) the share of answers that were not refused.
    """

    scores: Floats | None
    votes: Floats | None
    value: Floats | None
    answered: Floats


def sweep(target: Target, known: Known, rng: np.random.Generator) -> Sweep:
    """Ask about every candidate value for each person, all other columns as known.

    Where a contract averages over the hidden column all values get one answer, so it is asked once.
    """
    rows, k = complete(target, known, rng), len(known.hidden.values)
    if known.hidden.column in target.ignores:
        once = _fold(target.ask(rows), len(known.rows), 1, target)
        parts = (once.scores, once.votes, once.value, once.answered)
        scores, votes, value, answered = (
            None if part is None else np.repeat(part, k, axis=1) for part in parts
        )
        assert answered is not None
        return Sweep(scores, votes, value, answered)
    return _fold(target.ask(over_values(rows, known.hidden)), len(known.rows), k, target)


def over_values(rows: Dataset, hidden: Hidden) -> Dataset:
    """Lay rows out once per candidate value: (k * n) rows, value by value."""
    grid = rows.repeated(len(hidden.values))
    return grid.replaced(hidden.column, np.repeat(hidden.values, len(rows)))


def complete(target: Target, known: Known, rng: np.random.Generator) -> Dataset:
    """Fill the columns that the target wants and the attacker does not know.

    Each person gets the values of ``DONORS`` auxiliary people among those who are nearest in what
    is known (hot deck imputation): (donors * n) rows, donor by donor. Nothing missing: (n) rows.
    """
    wanted = [name for name in target.columns if name != known.hidden.column]
    there = [name for name in wanted if name in known.rows.columns]
    lacking = [name for name in wanted if name not in known.rows.columns]
    if not lacking:
        return known.rows.select(there)
    donors = _donors(known, [*there, *([known.label] if known.knows_label else [])], rng)
    filled = known.rows.select(there).repeated(DONORS)
    given = known.auxiliary.take(donors.ravel())
    for name in lacking:
        filled = filled.replaced(name, given[name])
    return filled


def _donors(known: Known, columns: list[str], rng: np.random.Generator) -> NDArray[np.intp]:
    """Choose auxiliary rows (donors, n), at random among the nearest in the known columns."""
    from sklearn.neighbors import NearestNeighbors

    many = min(4 * DONORS, len(known.auxiliary))
    if not columns:
        return rng.integers(len(known.auxiliary), size=(DONORS, len(known.rows)))
    encode = fit_encoding(known.auxiliary, columns)
    search = NearestNeighbors(n_neighbors=many).fit(encode(known.auxiliary))
    near = search.kneighbors(encode(known.rows), return_distance=False)
    chosen = rng.integers(many, size=(DONORS, len(near)))
    return np.asarray(near[np.arange(len(near)), chosen])


def _fold(told: Answer, n: int, k: int, target: Target) -> Sweep:
    def mean(part: Floats) -> Floats:
        folded: Floats = part.reshape(k, -1, n, *part.shape[1:]).mean(axis=1)
        return np.moveaxis(folded, 1, 0)

    answered = (
        np.ones(k * (len(told) // k)) if told.answered is None else told.answered.astype(float)
    )
    classes = 0 if target.classes is None else len(target.classes)
    votes = None
    if told.label is not None:
        votes = mean((told.label[:, None] == np.arange(classes)).astype(float))
    scores = None if told.scores is None else mean(np.nan_to_num(told.scores))
    value = None if told.value is None else mean(np.nan_to_num(told.value))
    return Sweep(scores, votes, value, mean(answered))


def label_places(target: Target, labels: Column) -> NDArray[np.intp]:
    """Return the place (n,) of each true label among the target's classes; -1 if it has none."""
    assert target.classes is not None
    return places(labels, plain(target.classes))


def score_of(scores: Floats, own: NDArray[np.intp]) -> Floats:
    """Pick the score (n, k) of each person's own class out of (n, k, classes)."""
    return np.take_along_axis(scores, np.maximum(own, 0)[:, None, None], axis=2)[:, :, 0]


def log_likelihood(target: Target, known: Known, told: Sweep) -> Floats:
    """How well each candidate value explains the true label: (n, k) log-likelihood.

    Without the label, how sure the model is under each value: it is surest on rows it has seen.
    From labels alone, a right prediction counts as 1 and a wrong one as the floor.
    """
    if told.value is not None:
        return _gaussian(known, told.value)
    scores = told.scores if told.scores is not None else told.votes
    assert scores is not None
    if not known.knows_label:
        return np.asarray(np.log(np.maximum(scores.max(axis=2), FLOOR)))
    own = label_places(target, known.rows[known.label])
    right = score_of(scores, own)
    return np.where(own[:, None] >= 0, np.log(np.maximum(right, FLOOR)), 0.0)


def _gaussian(known: Known, value: Floats) -> Floats:
    if not known.knows_label:
        return np.zeros_like(value)
    error = known.rows[known.label].astype(float)[:, None] - value
    width = 1.0 if known.errors is None else max(float(known.errors[0, 0]), 1e-9)
    return np.asarray(np.maximum(-0.5 * (error / width) ** 2, np.log(FLOOR) * 2))


def as_known(shadow: Shadow, known: Known) -> Known:
    """See a shadow model's members as the attacker sees the target's."""
    rows = shadow.rows.select(known.rows.names)
    return Known(
        rows, known.hidden, known.label, known.knows_label, shadow.rest, shadow.imputed,
        observed=shadow.observed, errors=known.errors,
    )  # fmt: skip

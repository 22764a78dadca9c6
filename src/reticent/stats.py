"""The statistics of a finding: rank and count measures over people, with bootstrap intervals.

All replicates of one measure come from one call, and two attacks on the same people use the same
resamples, so their difference is paired. Column 0 of every array of replicates is the sample
itself; the rest are bootstrap draws.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

DRAWS = 1_000
POWER = 0.8
FEW = 5  # people with each value, below which a subgroup is not measured

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Resamples:
    """How often each row counts in each bootstrap draw over people.

    Attributes
    ----------
    weights : (n, draws + 1) counts; column 0 is all ones.
    """

    weights: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.weights)

    def take(self, rows: NDArray[np.intp]) -> Resamples:
        """Keep some rows: the same draws, seen on a part of the people."""
        return Resamples(self.weights[rows])


def resample(people: Codes, rng: np.random.Generator, draws: int = DRAWS) -> Resamples:
    """Draw people with replacement; all rows of one person come or stay away together.

    Parameters
    ----------
    people : (n,) whose row it is, as codes 0..p-1.
    """
    p = int(people.max()) + 1 if len(people) else 0
    counts = np.ones((p, draws + 1), dtype=np.int16)
    for draw in range(1, draws + 1):
        counts[:, draw] = np.bincount(rng.integers(p, size=p), minlength=p)
    return Resamples(counts[people])


def auc(sample: Resamples, scores: Floats, positive: NDArray[np.bool_]) -> Floats:
    """Area under the ROC curve, ties counting one half: (draws + 1,), NaN without both classes.

    Parameters
    ----------
    scores : (n,) higher means positive. positive : (n,) the truth.
    """
    order = np.argsort(scores, kind="stable")
    weights = sample.weights[order].astype(np.float32)
    starts, truth = _ties(scores[order]), positive[order][:, None]
    right, wrong = _grouped(weights * truth, starts), _grouped(weights * ~truth, starts)
    # Single precision holds whole and half counts exactly up to 2**23 people.
    exact: type[np.floating] = np.float32 if len(order) < 2**23 else np.float64
    below = np.cumsum(wrong.astype(exact, copy=False), axis=0) - wrong / 2
    pairs = right.sum(axis=0, dtype=np.float64) * wrong.sum(axis=0, dtype=np.float64)
    area = np.multiply(right, below, dtype=np.float64).sum(axis=0)
    return _ratio(area, pairs, np.nan)


def _ties(ranked: Floats) -> Codes:
    """Where each run of equal scores begins."""
    return np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))


def _grouped(counts: NDArray[np.float32], starts: Codes) -> NDArray[np.float32]:
    """Add up the counts of each run of equal scores; most scores have no equal."""
    if len(starts) == len(counts):
        return counts
    return np.asarray(np.add.reduceat(counts, starts, axis=0))


def macro_auc(sample: Resamples, scores: Floats, truth: Codes) -> Floats:
    """One-vs-rest AUC averaged over the classes that occur: (draws + 1,).

    Parameters
    ----------
    scores : (n, k) log-probabilities. truth : (n,) codes 0..k-1.
    """
    k = scores.shape[1]
    classes = [1] if k == 2 else [c for c in range(k) if (truth == c).any()]
    areas = [auc(sample, scores[:, c], truth == c) for c in classes]
    return _mean_without_nan(np.array(areas))


def accuracy(sample: Resamples, guess: Codes, truth: Codes) -> Floats:
    """Share of right guesses: (draws + 1,)."""
    return _share(sample, (guess == truth).astype(np.float32))


def mcc(sample: Resamples, guess: Codes, truth: Codes, k: int) -> Floats:
    """Matthews correlation of guess and truth over k classes, 0 where one of them is constant.

    Gorodkin 2004, doi:10.1016/j.compbiolchem.2004.09.006.
    """
    cells = np.zeros((len(guess), k * k), dtype=np.float32)
    cells[np.arange(len(guess)), truth * k + guess] = 1
    table = (cells.T @ sample.weights.astype(np.float32)).reshape(k, k, -1).astype(float)
    total, hits = table.sum(axis=(0, 1)), np.einsum("iib->b", table)
    true, said = table.sum(axis=1), table.sum(axis=0)
    over = hits * total - (true * said).sum(axis=0)
    spread = (total**2 - (said**2).sum(axis=0)) * (total**2 - (true**2).sum(axis=0))
    return _ratio(over, np.sqrt(np.maximum(spread, 0)), 0.0)


def precision_at(sample: Resamples, scores: Floats, positive: NDArray[np.bool_],
                 share: float = 0.05) -> Floats:  # fmt: skip
    """Share of positives among the most confident ``share`` of the people: (draws + 1,).

    Where the last places fall among ties, each of those tied takes the same part of them: an
    attack that says the same of everybody scores the prevalence, in whatever order people stand.
    """
    order = np.argsort(-scores, kind="stable")
    taken = np.ceil(share * sample.weights.sum(axis=0, dtype=np.float64))
    order = _top(order, scores, sample, taken)
    weights, starts = sample.weights[order].astype(np.float32), _ties(scores[order])
    tied = _grouped(weights, starts).astype(np.float64)
    right = _grouped(weights * positive[order][:, None], starts)
    inside = np.clip(taken - (np.cumsum(tied, axis=0) - tied), 0, tied)
    hits = np.divide(inside * right, tied, out=np.zeros_like(tied), where=tied > 0)
    return np.asarray(hits.sum(axis=0) / np.maximum(taken, 1))


def _top(order: Codes, scores: Floats, sample: Resamples, taken: Floats) -> Codes:
    """Keep the first people of an order, enough for every draw, with all who tie with the last."""
    first = min(2 * int(taken[0]) + 50, len(order)) - 1
    last = int(np.searchsorted(-scores[order], -scores[order[first]], side="right"))
    rows = order[:last]
    enough = bool((sample.weights[rows].sum(axis=0, dtype=np.int64) >= taken).all())
    return rows if enough else order


def macro_precision_at(sample: Resamples, scores: Floats, truth: Codes, rarest: int) -> Floats:
    """``precision_at`` of the rarest of two classes, or averaged over more classes."""
    k = scores.shape[1]
    classes = [rarest] if k == 2 else [c for c in range(k) if (truth == c).any()]
    each = [precision_at(sample, scores[:, c], truth == c) for c in classes]
    return np.asarray(np.mean(each, axis=0))


def r2(sample: Resamples, guess: Floats, truth: Floats) -> Floats:
    """Coefficient of determination: (draws + 1,), NaN where the truth is constant."""
    centered = truth - truth.mean()  # or the digits of a large mean would drown the spread
    scale = float(np.abs(centered).max()) or 1.0
    parts = (((guess - truth) / scale) ** 2, centered / scale, (centered / scale) ** 2)
    error, mean, square = (_share(sample, part) for part in parts)
    spread = square - mean**2
    return np.where(spread > 1e-12, 1 - error / np.where(spread > 1e-12, spread, 1), np.nan)


def mae(sample: Resamples, guess: Floats, truth: Floats) -> Floats:
    """Mean absolute error: (draws + 1,)."""
    return _share(sample, np.abs(guess - truth))


def _share(sample: Resamples, each: NDArray[np.floating]) -> Floats:
    total = sample.weights.sum(axis=0, dtype=np.int64)
    return np.asarray(each @ sample.weights.astype(np.float64) / np.maximum(total, 1))


def _mean_without_nan(replicates: Floats) -> Floats:
    there = ~np.isnan(replicates)
    count = there.sum(axis=0)
    total = np.where(there, replicates, 0).sum(axis=0)
    return _ratio(total, count, np.nan)


def _ratio(over: Floats, under: NDArray[Any], empty: float) -> Floats:
    """Divide, and say ``empty`` where there is nothing to divide by."""
    found: Floats = np.divide(over, under, out=np.full(len(over), empty), where=under > 0)
    return found


# Intervals ------------------------------------------------------------------------------------


def spread(replicates: Floats) -> float:
    """Bootstrap standard error of a measure; infinite where it could rarely be computed."""
    draws = replicates[1:][~np.isnan(replicates[1:])]
    return float(draws.std(ddof=1)) if len(draws) > len(replicates) / 2 else math.inf


def percentile(replicates: Floats, level: float = 0.05) -> tuple[float, float]:
    """Bootstrap percentile bounds, each one-sided at ``1 - level``."""
    low, high = np.nanquantile(replicates[1:], [level, 1 - level])
    return float(low), float(high)


def share_bounds(replicates: Floats, people: int, level: float = 0.05) -> tuple[float, float]:
    """Bounds of a measure between 0 and 1, each one-sided at ``1 - level``.

    Student's t on the log-odds: near 1 the bootstrap's own percentiles miss a true AUC twice as
    often as they say. A measure of exactly 0 or 1 has no spread, and the rule of three bounds it.

    Parameters
    ----------
    people : how many people of the rarer kind it rests on.
    """
    value = float(replicates[0])
    if not 0 < value < 1:
        open_ = min(unseen(level, people), 1.0)
        return (0.0, open_) if value <= 0 else (1.0 - open_, 1.0)
    width = critical(level, people) * spread(replicates) / (value * (1 - value))
    odds = math.log(value / (1 - value))
    if not math.isfinite(width) or width > 500:
        return 0.0, 1.0
    return 1 / (1 + math.exp(width - odds)), 1 / (1 + math.exp(-width - odds))


def critical(level: float, people: int) -> float:
    """Student's quantile for a one-sided test at ``level`` with ``people`` in the rarer class.

    The bootstrap understates the spread when one class has few people; Student's t with
    ``people - 1`` degrees of freedom widens the test accordingly.
    """
    from scipy.stats import t

    return float(t.isf(level, max(people - 1, 1)))


def unseen(level: float, people: int) -> float:
    """The largest share of people that can be given away while none of ``people`` was seen to be.

    The rule of three (Hanley and Lippman-Hand 1983, doi:10.1001/jama.1983.03330370053031): a
    difference without any spread still leaves this much open.
    """
    return -math.log(level) / people if people else math.inf


def p_value(value: float, error: float, people: int) -> float:
    """One-sided p-value of a measure that is 0 or less without an effect."""
    from scipy.stats import t

    if error == 0 or not math.isfinite(error):
        return 0.0 if error == 0 and value > 0 else 1.0
    return float(t.sf(value / error, max(people - 1, 1)))


def smallest_effect(
    error: float, level: float, people: int, averaged: int = 1, power: float = POWER
) -> float:
    """The smallest AUC difference that a one-sided test at ``level`` sees with ``power``.

    Parameters
    ----------
    error : the difference's standard error. people : who have the rarest value.
    averaged : over how many values the AUC is averaged.

    Two bounds, the larger counts. An effect spread evenly must exceed the quantiles' sum times
    the standard error. An effect that gives c of the rarer class's people away outright and
    leaves the rest moves AUC by at most c / people with a standard error of sqrt(c) / people,
    so c must reach the squared sum: the error that was seen without an effect does not show it.
    """
    from scipy.stats import t

    if people < 2 or not math.isfinite(error):
        return math.inf
    quantiles = critical(level, people) + float(t.isf(1 - power, people - 1))
    return max(quantiles * error, quantiles**2 / (people * averaged))


# Exact tests ----------------------------------------------------------------------------------


def binomial_critical(n: int, rate: float, false_alarm: float = 1e-6) -> int:
    """The largest count that n trials at ``rate`` exceed with at most ``false_alarm``."""
    from scipy.stats import binom

    return int(binom.isf(false_alarm, n, rate))


def binomial_p(right: int, n: int, rate: float = 0.5) -> float:
    """Exact one-sided p-value of at least ``right`` successes in n trials at ``rate``."""
    from scipy.stats import binom

    return float(binom.sf(right - 1, n, rate))


def clopper_pearson(right: int, n: int, level: float = 0.05) -> tuple[float, float]:
    """Exact one-sided bounds of a rate at ``1 - level`` (1934, doi:10.1093/biomet/26.4.404)."""
    from scipy.stats import beta

    low = float(beta.ppf(level, right, n - right + 1)) if right else 0.0
    high = float(beta.isf(level, right + 1, n - right)) if right < n else 1.0
    return low, high


def epsilon_lower_bound(right: int, n: int, level: float = 0.05) -> float:
    """The largest epsilon that the right guesses of n coins rule out, at confidence ``1 - level``.

    Under pure epsilon-DP for one coin, each guess is right with probability at most
    ``1 / (1 + exp(-epsilon))`` (Steinke, Nasr and Jagielski 2023, theorem 5.2 with delta 0,
    arXiv:2305.08846). The Clopper-Pearson bound on the rate therefore bounds epsilon from below.
    """
    low = clopper_pearson(right, n, level)[0]
    return math.log(low / (1 - low)) if 0.5 < low < 1 else 0.0

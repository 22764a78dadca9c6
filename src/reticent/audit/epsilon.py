"""What membership guesses prove of epsilon, from below: a claim must not lie under it.

One run (Steinke, Nasr and Jagielski 2023, arXiv:2305.08846): a fair coin decides of each of m
people whether they are trained on; the attacker guesses the coins they are surest of. Under
(epsilon, delta)-differential privacy of adding or removing one person, more than a certain number
of right guesses is unlikely. Many runs: one person is put in and left out again and again, and
Clopper-Pearson bounds the two error rates (Jagielski, Ullman and Oprea 2020, arXiv:2006.07709).

A bound of 0 shows nothing. No bound is a guarantee of anything: the truth may be larger.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reticent import stats

Floats = NDArray[np.float64]
LEVEL = 0.05
SHARES = (1.0, 0.2, 0.02)  # of the coins that are guessed, fixed beforehand
STEP = 1e-3  # in which epsilon is told
MOST = 64.0


@dataclass(frozen=True, slots=True)
class Bound:
    """A lower bound on epsilon for adding or removing one person.

    Attributes
    ----------
    epsilon : the bound, at confidence ``1 - level``. delta : that it holds for.
    right, guesses : what proved it. n : coins, or runs.
    """

    epsilon: float
    delta: float
    level: float
    right: int
    guesses: int
    n: int

    def contradicts(self, epsilon: float, delta: float = 0.0) -> bool:
        """Say whether a claim of (epsilon, delta) is refuted; one of a larger delta is not."""
        return delta <= self.delta and epsilon < self.epsilon


def one_run(scores: Floats, included: NDArray[np.bool_], *, delta: float = 0.0,
            level: float = LEVEL, shares: tuple[float, ...] = SHARES) -> Bound:  # fmt: skip
    """Bound epsilon from one training run.

    Parameters
    ----------
    scores : (m,) how much each person looks included. included : (m,) the coins: fair, independent
        and unknown to whoever made the scores.
    shares : of the people who are guessed, half as included and half as not; each share is tried
        at ``level / len(shares)``, so that the best may be taken.
    """
    m = len(scores)
    order = np.argsort(-scores, kind="stable")
    best = Bound(0.0, delta, level, 0, 0, m)
    for share in shares:
        half = max(int(share * m) // 2, 1)
        if m < 2 * half:
            continue
        right = int(included[order[:half]].sum() + (~included[order[m - half :]]).sum())
        found = lowest_epsilon(right, 2 * half, m, delta, level / len(shares))
        if found > best.epsilon:
            best = Bound(found, delta, level, right, 2 * half, m)
    return best


def lowest_epsilon(right: int, guesses: int, m: int, delta: float, level: float) -> float:
    """The largest epsilon, in thousandths, under which so many right guesses are too unlikely."""
    if delta == 0:
        return _floor(stats.epsilon_lower_bound(right, guesses, level))
    low, high = 0, int(MOST / STEP)
    if chance(right, guesses, m, 0.0, delta) > level:
        return 0.0
    while high - low > 1:
        middle = (low + high) // 2
        rejected = chance(right, guesses, m, middle * STEP, delta) <= level
        low, high = (middle, high) if rejected else (low, middle)
    return low * STEP


def chance(right: int, guesses: int, m: int, epsilon: float, delta: float) -> float:
    """How likely at least so many right guesses of m coins are, at most (theorem 5.2)."""
    from scipy.stats import binom

    share = 1 / (1 + math.exp(-epsilon))
    tail = float(binom.sf(right - 1, guesses, share))
    if delta == 0 or right == 0:
        return tail
    # P[right - i <= W < right] / i, at its worst i: what failures of the pure bound can add.
    at = np.arange(1, right + 1)
    below = np.cumsum(binom.pmf(right - at, guesses, share))
    return min(1.0, tail + 2 * m * delta * float((below / at).max()))


def many_runs(inside: Floats, outside: Floats, threshold: float, *, delta: float = 0.0,
              level: float = LEVEL) -> Bound:  # fmt: skip
    """Bound epsilon from the scores of one person over many training runs.

    Parameters
    ----------
    inside, outside : scores (r,) of runs with and without the person, each run independent.
    threshold : above which "inside" is guessed; chosen on other runs.
    """
    runs = len(inside) + len(outside)
    hits, alarms = int((inside > threshold).sum()), int((outside > threshold).sum())
    best = Bound(0.0, delta, level, 0, runs, runs)
    sides = (
        (hits, len(inside), alarms, len(outside)),
        (len(outside) - alarms, len(outside), len(inside) - hits, len(inside)),
    )
    for yes, of, no, off in sides:
        # Two directions and two rates each: a quarter of the level for every one.
        power = stats.clopper_pearson(yes, of, level / 4)[0] - delta
        error = stats.clopper_pearson(no, off, level / 4)[1]
        found = _floor(math.log(power / error)) if power > error else 0.0
        if found > best.epsilon:
            best = Bound(found, delta, level, yes + off - no, runs, runs)
    return best


def threshold_of(inside: Floats, outside: Floats) -> float:
    """A threshold for ``many_runs``, chosen on runs that it does not count."""
    places = np.unique(np.concatenate([inside, outside]))
    gains = [(inside > one).mean() - (outside > one).mean() for one in places]
    return float(places[int(np.argmax(np.abs(gains)))])


def coins_of(member: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.intp]:
    """Choose people (m,) of a random split whose membership is m independent fair coins.

    A split of fixed sizes is not made of coins: who knows all but one knows the last. But where
    it was drawn at random, a binomial number of members beside the others that are missing to m is
    distributed as coins are; m leaves room for eight standard deviations.
    """
    inside, outside = np.flatnonzero(member), np.flatnonzero(~member)
    least = min(len(inside), len(outside))
    m = max(int(2 * least - 8 * math.sqrt(least)), 0)
    heads = min(max(int(rng.binomial(m, 0.5)), m - len(outside)), len(inside))
    taken = [rng.permutation(inside)[:heads], rng.permutation(outside)[: m - heads]]
    return rng.permutation(np.concatenate(taken))  # in no order that would tell equal scores apart


def retrained(
    score: Callable[[NDArray[np.bool_]], Floats], n: int, rng: np.random.Generator,
    *, delta: float = 0.0, level: float = LEVEL,
) -> Bound:  # fmt: skip
    """Audit a training procedure with coins of our own, in one run.

    Parameters
    ----------
    score : trains on the people (n,) that it is told to include, attacks what was trained, and
        returns the scores (n,) of all; the attack must not know the coins.
    """
    included = rng.integers(2, size=n).astype(bool)
    return one_run(score(included), included, delta=delta, level=level)


def _floor(epsilon: float) -> float:
    return min(math.floor(epsilon / STEP) * STEP, MOST)

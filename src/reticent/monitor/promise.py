"""How often an alarm is wrong, and the mathematics that keeps the word.

Two kinds of promise. A *contract* promise needs no calibration: it bounds how often a caller who
keeps to a written allowance is ever alarmed, by betting against the allowance (an e-process, and
Ville's inequality; Shafer 2021, doi:10.1111/rssa.12647, and Ramdas et al. 2023,
doi:10.1214/23-STS894). A *session* promise is split-conformal on one statistic of a whole session
(Vovk et al. 2005, doi:10.1007/b106715; with confidence: Vovk 2012).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

FINE = 10_000  # steps that an allowance is rounded up to
FULL = 300.0  # nats, either way, that wealth is kept within: an honest past, and a long attack
LEAST, MOST = math.exp(-FULL), math.exp(FULL)
CONFIDENCE = 0.95


class Bets:
    """Wealth of bets that a hit comes more often than a caller is allowed.

    Under the null (given the past, a query is a hit with probability at most what is allowed) each
    stake's wealth is a supermartingale from 1, and so is their mean: it ever reaches 1 / alpha
    with probability at most alpha. ``since`` is the Shiryaev-Roberts sum of the same bets begun
    anew at every query: under the null it takes at least T queries on average to reach T
    (Shin, Ramdas and Rinaldo 2024, doi:10.51387/23-NEJSDS51).

    Attributes
    ----------
    stakes : shares of hits that are bet on. hits : so far.
    """

    __slots__ = ("_allowed", "_misses", "_since", "_wealth", "hits", "stakes")

    def __init__(self, stakes: tuple[float, ...]) -> None:
        self.stakes = stakes
        self._wealth = [1.0] * len(stakes)
        self._since = [0.0] * len(stakes)
        self._misses = self._allowed = self.hits = 0

    def resume(self, wealth: Sequence[float]) -> None:
        """Go on with the wealth from earlier bets."""
        self._settle()
        self._wealth[:] = [min(MOST, max(LEAST, each)) for each in wealth]

    def bet(self, hit: bool, allowed: float) -> None:
        """Bet on one query; ``allowed`` may depend on the past only."""
        steps = math.ceil(allowed * FINE)
        if hit:
            self._settle()
            self.hits += 1
            self._multiply(_factors(self.stakes, True, steps), 1)
        elif steps == self._allowed:
            self._misses += 1  # alike: they are settled together
        else:
            self._settle()
            self._allowed, self._misses = steps, 1

    @property
    def wealth(self) -> list[float]:
        """The wealth of each stake."""
        self._settle()
        return list(self._wealth)

    @property
    def since(self) -> list[float]:
        """The sum of each stake."""
        self._settle()
        return list(self._since)

    @property
    def value(self) -> float:
        """The e-value: the mean wealth."""
        self._settle()
        return sum(self._wealth) / len(self._wealth)

    @property
    def lately(self) -> float:
        """The e-detector's value: the mean sum."""
        self._settle()
        return sum(self._since) / len(self._since)

    def _settle(self) -> None:
        if self._misses:
            times, self._misses = self._misses, 0
            self._multiply(_factors(self.stakes, False, self._allowed), times)

    def _multiply(self, factors: tuple[float, ...], times: int) -> None:
        """Apply the same outcome so many times; the sums grow as a geometric series."""
        wealth, since = self._wealth, self._since
        for place, factor in enumerate(factors):
            power = factor**times
            added = times if factor == 1.0 else factor * (power - 1.0) / (factor - 1.0)
            wealth[place] = min(MOST, max(LEAST, wealth[place] * power))
            since[place] = min(MOST, since[place] * power + added)


@cache
def _factors(stakes: tuple[float, ...], hit: bool, allowed: int) -> tuple[float, ...]:
    """What each stake's wealth is multiplied by; who is allowed more is bet against less."""
    share = allowed / FINE
    if hit:
        return tuple(stake / share if stake > share else 1.0 for stake in stakes)
    return tuple((1 - stake) / (1 - share) if stake > share else 1.0 for stake in stakes)


class Drift:
    """Evidence for a changed share of hits, begun anew whenever there is none (Page 1954).

    A score for sessions, in nats; its error rate is what calibration finds.
    """

    __slots__ = ("best", "level")

    def __init__(self) -> None:
        self.level = self.best = 0.0

    def begin(self) -> None:
        """Begin a new session."""
        self.level = self.best = 0.0

    def add(self, nats: float) -> None:
        """Add the log-likelihood ratio of one query."""
        level = self.level + nats
        self.level = level if level > 0.0 else 0.0
        self.best = max(self.best, level)


def ratios(usual: float, suspicious: float) -> tuple[float, float]:
    """The log-likelihood ratios of a miss and of a hit, in nats."""
    return math.log((1 - suspicious) / (1 - usual)), math.log(suspicious / usual)


@dataclass(frozen=True, slots=True)
class Calibrated:
    """When the evidence of a session is enough, and what that promises.

    Attributes
    ----------
    scales : (k,) the evidence of each detector is measured in these. threshold : an alarm is
        raised where the largest of them passes it; infinite while sessions are missing.
    promise : in words. sessions : that it was calibrated on. missing : how many more it takes.
    """

    scales: tuple[float, ...]
    threshold: float
    promise: str
    sessions: int
    missing: int = 0


def calibrate(peaks: NDArray[np.float64], alpha: float) -> Calibrated:
    """Choose the threshold from honest sessions, one of each principal.

    The statistic of a session is the largest of its detectors' peaks, each in units of the
    largest that another session had, and at least of 1. For calibration sessions that other one
    is looked for among the rest, so that they and a new one are exchangeable: a new session can
    only make the others' statistics smaller, and the rank of its own is conservative.

    Parameters
    ----------
    peaks : (n, k) the largest evidence of each of k detectors in each of n sessions; at 1 it is
        enough by itself.

    Returns
    -------
    The promise holds on average over calibrations; with 95 % confidence for this one where the
    sessions are enough and no detector needs another scale than its own.
    """
    n, share = len(peaks), f"{100 * alpha:g} %"
    place = math.ceil((1 - alpha) * (n + 1))
    if place > n:
        needed = math.ceil(1 / alpha) - 1
        words = f"none yet: {needed - n} honest sessions are missing"
        return Calibrated((1.0,) * peaks.shape[1], math.inf, words, n, needed - n)
    scales, others = _largest(peaks)
    statistics = np.sort((peaks / others).max(axis=1, initial=0.0))
    threshold = max(1.0, float(statistics[place - 1]))
    confident = _confident(n, alpha)
    plain = np.sort(peaks.max(axis=1, initial=0.0))
    if confident is not None and plain[confident - 1] <= 1.0 and threshold == 1.0:
        words = f"at most {share} of exchangeable honest sessions, with 95 % confidence"
    else:
        words = f"on average over calibrations at most {share} of exchangeable honest sessions"
    return Calibrated(tuple(scales.tolist()), threshold, f"{words} ({n} sessions)", n)


def _largest(peaks: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The largest peak of each detector (k,), and for each session the largest of others (n, k)."""
    ordered = np.sort(peaks, axis=0)
    first, second = ordered[-1], ordered[-2]
    top = peaks.argmax(axis=0)
    others = np.tile(first, (len(peaks), 1))
    others[top, np.arange(peaks.shape[1])] = second
    return np.maximum(first, 1.0), np.maximum(others, 1.0)


def _confident(n: int, alpha: float) -> int | None:
    """The smallest place in the order whose exceedance is at most alpha with 95 % confidence."""
    from scipy.stats import binom

    place = int(binom.ppf(CONFIDENCE, n, 1 - alpha)) + 1
    return place if place <= n else None


def chosen(values: Sequence[float] | NDArray[np.float64], alpha: float) -> NDArray[np.intp]:
    """e-BH: the principals whose current e-values stand out (Wang and Ramdas 2022).

    Of those chosen at any one stopping time at most a share alpha is wrong, on average,
    whatever the dependence (doi:10.1111/rssb.12489). It holds for current values and not for
    running maxima.

    Returns
    -------
    Positions (k,), the largest value first.
    """
    given = np.asarray(values, dtype=float)
    order = np.argsort(-given, kind="stable")
    enough = given[order] * np.arange(1, len(given) + 1) >= len(given) / alpha
    return order[: int(np.flatnonzero(enough)[-1]) + 1] if enough.any() else order[:0]

"""How often an alarm is wrong, and the mathematics that keeps the word.

Two kinds of promise. A *contract* promise needs no calibration: it bounds how often a caller who
keeps to a written allowance is ever alarmed, by betting against the allowance (an e-process, and
Ville's inequality; Shafer 2021, doi:10.1111/rssa.12647, and Ramdas et al. 2023,
doi:10.1214/23-STS894). A *session* promise is split-conformal on one statistic of a whole session
(Vovk et al. 2005, doi:10.1007/b106715; with confidence: Vovk 2012).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST = 1e-280  # wealth is kept above it: a caller's past costs at most so much of a future alarm
CONFIDENCE = 0.95
ONE_AVERAGE = 99  # honest sessions needed at alpha = 1 %
ONE_CONFIDENT = 299


class Bets:
    """Wealth of bets that a hit comes more often than a caller is allowed.

    Under the null (given the past, a query is a hit with probability at most what is allowed) each
    stake's wealth is a supermartingale from 1, and so is their mean: it ever reaches 1 / alpha
    with probability at most alpha. ``since`` is the Shiryaev-Roberts sum of the same bets begun
    anew at every query: under the null it takes at least T queries on average to reach T
    (Shin, Ramdas and Rinaldo 2024, doi:10.51387/23-NEJSDS51).

    Attributes
    ----------
    stakes : shares of hits that are bet on. wealth, since : one number for each of them.
    """

    __slots__ = ("since", "stakes", "wealth")

    def __init__(self, stakes: tuple[float, ...], wealth: Iterable[float] = ()) -> None:
        self.stakes = stakes
        self.wealth = list(wealth) or [1.0] * len(stakes)
        self.since = [0.0] * len(stakes)

    def bet(self, hit: bool, allowed: float) -> None:
        """Bet on one query; ``allowed`` may depend on the past only."""
        wealth, since, place = self.wealth, self.since, 0
        for stake in self.stakes:
            if stake > allowed:
                factor = stake / allowed if hit else (1.0 - stake) / (1.0 - allowed)
                grown = wealth[place] * factor
                wealth[place] = grown if grown > LEAST else LEAST
                since[place] = (since[place] + 1.0) * factor
            else:
                since[place] += 1.0
            place += 1

    @property
    def value(self) -> float:
        """The e-value: the mean wealth."""
        return sum(self.wealth) / len(self.wealth)

    @property
    def lately(self) -> float:
        """The e-detector's value."""
        return sum(self.since) / len(self.since)


class Drift:
    """Evidence for a changed share of hits, begun anew whenever there is none (Page 1954).

    A score for sessions, in nats; its error rate is what calibration finds.
    """

    __slots__ = ("best", "level")

    def __init__(self) -> None:
        self.level = self.best = 0.0

    def add(self, nats: float) -> None:
        """Add the log-likelihood ratio of one query."""
        level = self.level + nats
        self.level = level if level > 0.0 else 0.0
        if level > self.best:
            self.best = level


def ratios(usual: float, suspicious: float) -> tuple[float, float]:
    """The log-likelihood ratios of a miss and of a hit, in nats."""
    return math.log((1 - suspicious) / (1 - usual)), math.log(suspicious / usual)


@dataclass(frozen=True, slots=True)
class Calibrated:
    """A threshold on the session statistic, and what it promises.

    Attributes
    ----------
    threshold : an alarm is raised above it; infinite while sessions are missing.
    promise : in words. sessions : that it was calibrated on. missing : how many more it takes.
    """

    threshold: float
    promise: str
    sessions: int
    missing: int = 0


def calibrate(statistics: Sequence[float] | NDArray[np.float64], alpha: float) -> Calibrated:
    """Choose the threshold from the statistics of honest sessions, one of each principal.

    With enough of them the promise holds with 95 % confidence for this calibration, else on
    average over calibrations; with too few there is no threshold.
    """
    ordered, share = np.sort(np.asarray(statistics, dtype=float)), f"{100 * alpha:g} %"
    n = len(ordered)
    average = math.ceil((1 - alpha) * (n + 1))
    if average > n:
        needed = math.ceil(1 / alpha) - 1
        return Calibrated(math.inf, f"none yet: {needed - n} honest sessions are missing", n,
                          needed - n)  # fmt: skip
    confident = _confident(n, alpha)
    if confident is not None:
        words = f"at most {share} of exchangeable honest sessions, with 95 % confidence"
        return Calibrated(float(ordered[confident - 1]), f"{words} ({n} sessions)", n)
    words = f"on average over calibrations at most {share} of exchangeable honest sessions"
    return Calibrated(float(ordered[average - 1]), f"{words} ({n} sessions)", n)


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

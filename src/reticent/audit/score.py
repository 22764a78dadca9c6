"""The one place where a guess meets the truth.

Attack and baseline are judged on the same people with the same resamples (paired); members and
others are different people (unpaired). What is measured here becomes a ``Finding`` only once the
whole run is known, because the significance of each depends on how many there are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reticent import stats
from reticent.attacks.attack import Guess
from reticent.attacks.calibrate import log_softmax
from reticent.attacks.known import Hidden
from reticent.finding import Finding, Rate, Risk, Score, Verdict

FAMILY = 0.05  # chance that a run without any leak calls one
FEWEST = 2  # people with each value, below which nothing is measured

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Judged:
    """The truth about some people, and the resamples they are judged with.

    Attributes
    ----------
    truth : (n,) codes of the hidden value, of its quintile for a number; -1 where there is none.
    numbers : (n,) the value itself, for a number. rarest : the rarer of two values.
    """

    truth: NDArray[np.intp]
    numbers: Floats | None
    sample: stats.Resamples
    k: int
    rarest: int
    hidden: Hidden

    @property
    def there(self) -> NDArray[np.intp]:
        """The rows that can be judged."""
        return np.flatnonzero(self.truth >= 0)

    def take(self, rows: NDArray[np.intp]) -> Judged:
        """Keep some of the people."""
        numbers = None if self.numbers is None else self.numbers[rows]
        return Judged(self.truth[rows], numbers, self.sample.take(rows), self.k, self.rarest,
                      self.hidden)  # fmt: skip

    @property
    def fewest(self) -> int:
        """How many people have the rarest value that occurs."""
        counts = np.bincount(self.truth[self.there], minlength=self.k)
        occurring = counts[counts > 0]
        return int(occurring.min()) if len(occurring) > 1 else 0


def judged(
    hidden: Hidden, column: NDArray[np.generic], sample: stats.Resamples, prior: Floats
) -> Judged:
    """Pair people's true values with their resamples."""
    if hidden.quintiles is None:
        k = len(hidden.values)
        return Judged(hidden.codes(column), None, sample, k, int(prior.argmin()), hidden)
    numbers = column.astype(float)
    codes = np.searchsorted(hidden.quintiles, numbers, side="right")
    codes = np.where(np.isnan(numbers), -1, codes)
    return Judged(codes, numbers, sample, len(hidden.quintiles) + 1, 0, hidden)


@dataclass(frozen=True, slots=True)
class Scored:
    """A score with the replicates of its AUC, for differences."""

    score: Score
    auc: Floats


def scored(guess: Guess, people: Judged) -> Scored:
    """Score a guess about people."""
    there = people.there
    seen = people.take(there)
    n = len(there)
    if seen.fewest < FEWEST:
        reason = f"fewer than {FEWEST} of {n} people have each value"
        return Scored(Score.none(n, reason), np.full(2, np.nan))
    scores = on_quintiles(guess.scores[there], people.hidden)
    said, truth, sample = scores.argmax(axis=1), seen.truth, seen.sample
    areas = stats.macro_auc(sample, scores, truth)
    more = {}
    if seen.numbers is not None:
        value = _value(guess, people.hidden)[there]
        more = {"r2": rate(stats.r2(sample, value, seen.numbers), n),
                "mae": rate(stats.mae(sample, value, seen.numbers), n)}  # fmt: skip
    surest = stats.macro_precision_at(sample, scores, truth, seen.rarest)
    score = Score(
        accuracy=rate(stats.accuracy(sample, said, truth), n, n),
        auc=rate(areas, n, seen.fewest),
        mcc=rate(stats.mcc(sample, said, truth, people.k), n),
        precision_at_5pct=rate(surest, n, math.ceil(0.05 * n)),
        more=more,
    )
    return Scored(score, areas)


def on_quintiles(scores: Floats, hidden: Hidden) -> Floats:
    """Normalise scores (n, k) and, for a number, add candidates up to quintiles (n, q)."""
    log = log_softmax(scores)
    if hidden.quintiles is None:
        return log
    places = np.searchsorted(hidden.quintiles, hidden.values.astype(float), side="right")
    parts = np.zeros((len(places), len(hidden.quintiles) + 1))
    parts[np.arange(len(places)), places] = 1
    return np.asarray(np.log(np.maximum(np.exp(log) @ parts, 1e-12)))


def _value(guess: Guess, hidden: Hidden) -> Floats:
    if guess.value is not None:
        return guess.value
    return np.asarray(np.exp(log_softmax(guess.scores)) @ hidden.values.astype(float))


def rate(replicates: Floats, n: int, people: int | None = None) -> Rate:
    """A measure with its bootstrap bounds, each one-sided at 95 %.

    Parameters
    ----------
    people : how many a measure between 0 and 1 rests on; None for any other measure.
    """
    if np.isnan(replicates[0]):
        return Rate.none(n, "it could not be computed")
    bounds = stats.percentile(replicates)
    if people is not None:
        bounds = stats.share_bounds(replicates, people)
    return Rate(float(replicates[0]), *bounds, n)


@dataclass(frozen=True, slots=True)
class Contrast:
    """One attack measured, before the run is over.

    Attributes
    ----------
    finding : everything but the verdict, which waits for the number of tests.
    advantage, memorization : replicates of the two differences; None where there is none.
    fewest : people with the rarest value, among members and where needed among others.
    averaged : over how many values the AUC is averaged.
    exact : the p-value of an exact test, where there is one; else it comes from the bootstrap.
    """

    finding: Finding
    advantage: Floats | None
    memorization: Floats | None
    fewest: int
    averaged: int = 1
    exact: float | None = None


def conclude(contrasts: list[Contrast], risk: Risk) -> list[Finding]:
    """Turn measured contrasts into findings: each at .05 over twice the number of findings."""
    tests = 2 * max(sum(one.advantage is not None for one in contrasts), 1)
    return [_verdict(one, tests, risk) for one in contrasts]


def _verdict(one: Contrast, tests: int, risk: Risk) -> Finding:
    from msgspec.structs import replace

    found = one.finding
    if one.advantage is None:
        return found
    level = FAMILY / tests
    parts = [("advantage", one.advantage, found.members.auc.n)]
    if one.memorization is not None:
        n = found.members.auc.n + (found.others.auc.n if found.others else 0)
        parts.append(("memorization", one.memorization, n))
    rates = {name: _difference(reps, level, one.fewest, n) for name, reps, n in parts}
    errors = {name: stats.spread(reps) for name, reps, _ in parts}
    p = one.exact
    if p is None:
        p = min(stats.p_value(float(reps[0]), errors[name], one.fewest)
                for name, reps, _ in parts)  # fmt: skip
    smallest = max(
        stats.smallest_effect(error, level, one.fewest, one.averaged) for error in errors.values()
    )
    verdict, reason = _say(rates, smallest, risk, found.unit)
    if one.exact is not None:
        reason += f"; coins guessed by {found.reason}"
    return replace(
        found, advantage=rates["advantage"], memorization=rates.get("memorization"),
        p_adjusted=min(1.0, p * tests),
        smallest_detectable=smallest if math.isfinite(smallest) else None,
        verdict=verdict, reason=reason,
    )  # fmt: skip


def _difference(replicates: Floats, level: float, fewest: int, n: int) -> Rate:
    """Adjusted lower bound, unadjusted upper bound: every limit must hold at once."""
    error, value = stats.spread(replicates), float(replicates[0])
    if math.isnan(value) or not math.isfinite(error):
        return Rate.none(n, "it could not be computed")
    low = value - stats.critical(level, fewest) * error
    beyond = max(stats.critical(FAMILY, fewest) * error, stats.unseen(FAMILY, fewest))
    return Rate(value, low, min(1.0, value + beyond), n)  # no difference of shares is more


def _say(rates: dict[str, Rate], smallest: float, risk: Risk, unit: str) -> tuple[Verdict, str]:
    """A leak that is seen; else nothing found, if the limits are excluded or would be seen."""
    positive = [name for name, one in rates.items() if one.low is not None and one.low > 0]
    if positive:
        return "leaks", " and ".join(positive)
    limits = {"advantage": risk.max_advantage, "memorization": risk.max_memorization}
    excluded = all(one.high is not None and one.high <= limits[n] for n, one in rates.items())
    seen = f"effects from {smallest:.3f} {unit}" if smallest < 1 else "nothing at all"
    only = "only " if smallest < 1 else ""
    limit = min(limits.values())
    if smallest <= limit:
        return "no_leak_found", f"{seen} would have been seen"
    if excluded:
        return "no_leak_found", "the intervals exclude effects as large as the limits"
    return "underpowered", f"this test could have seen {only}{seen}, the limit is {limit:g}"

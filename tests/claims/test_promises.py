"""What the monitor promises of its alarms, counted.

Every test states n, the statistic, the critical value and the false-alarm rate: at most one in a
million that a correct implementation fails. Each has a twin that must fail.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from reticent.monitor.detectors import coverage, jitter, refusals, sweep
from reticent.monitor.promise import Bets, calibrate, chosen
from reticent.stats import binomial_critical

RARE = float(norm.isf(1e-6))  # standard errors
STAKES = {
    "sweep": (sweep.STAKES, 0.01), "jitter": (jitter.STAKES, 0.06),
    "coverage": (coverage.STAKES, 0.005), "refusals": (refusals.STAKES, 0.6),
    "near": ((0.25, 0.3), 0.2),
}  # fmt: skip


# Ville ------------------------------------------------------------------------------------------


def ever(
    rng: np.random.Generator, stakes: tuple[float, ...], allowed: float, factor: float,
    callers: int, queries: int, alpha: float,
) -> int:  # fmt: skip
    """How many callers are ever alarmed, hit with ``factor`` times the chance that they may be.

    The allowance of a query depends on the past: it grows by a half after every hit.
    """
    found = 0
    for _ in range(callers):
        bets, last = Bets(stakes), False
        for draw in rng.random(queries).tolist():
            now = 1.5 * allowed if last else allowed
            last = draw < factor * now
            bets.bet(last, now)
            if bets.value >= 1 / alpha:
                found += 1
                break
    return found


@pytest.mark.parametrize("name", STAKES)
def test_who_keeps_to_the_allowance_is_ever_alarmed_at_most_at_the_stated_rate(name: str) -> None:
    """600 callers of 300 queries, alarmed at 1 / .05; the count is binomial with at most .05, so
    at most 58 of 600 (one in a million)."""
    stakes, allowed = STAKES[name]
    rng = np.random.default_rng([1, *name.encode()])
    most = binomial_critical(600, 0.05)
    assert most == 58
    assert ever(rng, stakes, allowed, 1.0, 600, 300, 0.05) <= most


def test_a_quarter_more_than_is_allowed_is_found() -> None:
    """The twin: 100 callers of 1,500 queries, hit a quarter more often than they may be; the same
    count passes its critical value (18 of 100, one in a million)."""
    stakes, allowed = STAKES["near"]
    most = binomial_critical(100, 0.05)
    assert most == 18
    assert ever(np.random.default_rng(2), stakes, allowed, 1.25, 100, 1_500, 0.05) > most


def run_lengths(
    rng: np.random.Generator, factor: float, times: int, enough: float
) -> NDArray[np.float64]:
    """Queries until an alarm of the e-detector, whatever came before."""
    found = []
    for _ in range(times):
        bets, count = Bets((0.07, 0.1)), 0
        while bets.lately < enough:
            bets.bet(bool(rng.random() < factor * 0.05), 0.05)
            count += 1
        found.append(count)
    return np.array(found, dtype=float)


def test_between_two_false_alarms_for_a_stolen_key_lie_at_least_so_many_queries() -> None:
    """400 runs to an alarm at T = 300. Statistic: their mean; critical value: T less 4.75 standard
    errors (one in a million)."""
    found = run_lengths(np.random.default_rng(3), 1.0, 400, 300.0)
    print(f"a mean run of {found.mean():.0f} queries, {found.std() / 20:.1f}")  # noqa: T201
    assert found.mean() >= 300 - RARE * found.std() / math.sqrt(len(found))


def test_the_test_of_run_lengths_can_fail() -> None:
    """The twin: the null is broken, hits come twice as often as they may."""
    found = run_lengths(np.random.default_rng(4), 2.0, 400, 300.0)
    assert found.mean() < 300 - RARE * found.std() / math.sqrt(len(found))


# Sessions ---------------------------------------------------------------------------------------

Sessions = Callable[[np.random.Generator, int], NDArray[np.float64]]


def heavy(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Peaks of four detectors, independent and without a mean."""
    return 2 * rng.pareto(0.8, (n, 4))


def correlated(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Peaks of four detectors of very different size that mostly rise together."""
    common = rng.normal(size=(n, 1))
    return np.exp(2 * (0.9 * common + 0.4 * rng.normal(size=(n, 4)))) * [1, 5, 30, 0.1]


def tied(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Peaks that take few values, as short sessions' do."""
    return np.floor(rng.pareto(1.0, (n, 3)))


def mixed(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Most sessions are silent, and one in thirty is loud in one detector."""
    peaks = 0.4 * rng.random((n, 4))
    loud = rng.random(n) < 1 / 30
    peaks[loud, rng.integers(4, size=int(loud.sum()))] = 3 * rng.pareto(1.0, int(loud.sum())) + 1
    return peaks


ALL: dict[str, Sessions] = {"heavy": heavy, "correlated": correlated, "tied": tied, "mixed": mixed}
Threshold = Callable[[NDArray[np.float64]], tuple[Sequence[float], float]]


def ours(peaks: NDArray[np.float64]) -> tuple[Sequence[float], float]:
    found = calibrate(peaks, 0.01)
    return found.scales, found.threshold


def a_rank_lower(peaks: NDArray[np.float64]) -> tuple[Sequence[float], float]:
    """The twin whose threshold is the next lower statistic."""
    scales, threshold = ours(peaks)
    top = np.sort(peaks, axis=0)
    others = np.where(peaks == top[-1], top[-2], top[-1])
    found = np.sort((peaks / np.maximum(others, 1)).max(axis=1))
    below = found[found < threshold]
    return scales, max(1.0, float(below[-1]))


def own_scales(peaks: NDArray[np.float64]) -> tuple[Sequence[float], float]:
    """The twin that scales calibration sessions by themselves too: none of them stands out."""
    scales = np.maximum(peaks.max(axis=0), 1.0)
    return scales.tolist(), float(np.sort((peaks / scales).max(axis=1))[-1])


def too_often(sessions: Sessions, threshold: Threshold, n: int) -> bool:
    """Whether false alarms are more frequent than 1 % on average over 1,000 calibrations.

    Each is tried on 300 fresh sessions. Statistic: the mean share that is alarmed; critical
    value: .01 and 4.75 standard errors over the calibrations (one in a million).
    """
    rng, found = np.random.default_rng([n, 5]), []
    for _ in range(1_000):
        scales, enough = threshold(sessions(rng, n))
        fresh = sessions(rng, 300)
        found.append(float(((fresh / np.array(scales)).max(axis=1) > enough).mean()))
    shares = np.array(found)
    return bool(shares.mean() > 0.01 + RARE * shares.std() / math.sqrt(len(shares)))


@pytest.mark.parametrize("n", [99, 299])
@pytest.mark.parametrize("name", ALL)
def test_honest_sessions_are_alarmed_at_most_at_the_stated_rate(name: str, n: int) -> None:
    assert not too_often(ALL[name], ours, n)


def test_sessions_that_nobody_can_tell_yet_are_never_alarmed() -> None:
    scales, enough = ours(heavy(np.random.default_rng(0), 98))
    assert math.isinf(enough)
    assert not ((heavy(np.random.default_rng(1), 10_000) / scales).max(axis=1) > enough).any()


def test_a_threshold_one_rank_lower_is_found() -> None:
    """The twin: 2 % instead of 1 %."""
    assert too_often(heavy, a_rank_lower, 99)


def test_scales_that_a_session_set_itself_are_found() -> None:
    """The twin: four detectors, each of which has its own 1 %."""
    assert too_often(heavy, own_scales, 99)


def confident(n: int, q: float, seed: int, times: int = 2_000) -> int:
    """How many of so many calibrations promise with confidence where a share q is alarmed."""
    rng, found = np.random.default_rng(seed), 0
    for _ in range(times):
        peaks = np.where(rng.random((n, 1)) < q, 1.0 + rng.random((n, 1)), 0.5)
        found += "95 % confidence" in calibrate(peaks, 0.01).promise
    return found


def test_what_is_promised_with_confidence_is_wrong_at_most_as_often() -> None:
    """2,000 calibrations on 299 sessions of a detector that alarms 1.01 % of sessions: whoever
    promises 1 % with confidence is wrong. That may happen with .05: 149 times (one in a million).
    """
    most = binomial_critical(2_000, 0.05)
    assert most == 149
    found = confident(299, 0.0101, 6)
    print(f"{found} of 2,000 calibrations were too sure, at most {most} may be")  # noqa: T201
    assert 0 < found <= most


def test_confidence_from_fewer_sessions_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: 200 sessions are taken for enough; 13 % of calibrations are too sure."""
    from reticent.monitor import promise

    monkeypatch.setattr(promise, "_confident", lambda n, alpha: n)
    assert confident(200, 0.0101, 7) > binomial_critical(2_000, 0.05)


# e-BH -------------------------------------------------------------------------------------------


def wrong_share(rng: np.random.Generator, kind: str, factor: float, times: int) -> float:
    """The share of wrongly chosen among the chosen, on average: 15 nulls and 5 true ones.

    A null's e-value is factor / p with chance p and else 0: its expectation is the factor.
    """
    total = 0.0
    for _ in range(times):
        if kind == "all null, all one":
            values, nulls = np.repeat(20.0 * factor * (rng.random() < 1 / 20), 20), 20
        elif kind == "nulls are one, beside true ones":
            low = np.repeat(25.0 * factor * (rng.random() < 1 / 25), 15)
            values, nulls = np.concatenate([low, np.full(5, 1e6)]), 15
        else:
            low = 80.0 * factor * (rng.random(15) < 1 / 80)
            values, nulls = np.concatenate([low, np.full(5, 1e6)]), 15
        found = chosen(values, 0.05 * factor if factor < 1 else 0.05)
        total += float((found < nulls).sum()) / max(1, len(found))
    return total / times


@pytest.mark.parametrize(
    "kind", ["all null, all one", "nulls are one, beside true ones", "independent"]
)
def test_of_the_chosen_at_most_a_share_is_wrong(kind: str) -> None:
    """20,000 times. Statistic: the mean share of wrongly chosen; critical value: .05 and 4.75
    standard errors of a share that is 0 or 1, .0573 (one in a million)."""
    critical = 0.05 + RARE * math.sqrt(0.05 * 0.95 / 20_000)
    assert critical == pytest.approx(0.0573, abs=1e-4)
    assert wrong_share(np.random.default_rng(8), kind, 1.0, 20_000) <= critical


def test_values_that_are_no_e_values_are_found() -> None:
    """The twin: the nulls' expectation is a quarter more than 1."""
    rng, wrong = np.random.default_rng(9), 0
    for _ in range(20_000):
        wrong += len(chosen(np.repeat(20.0 * (rng.random() < 1.25 / 20), 20), 0.05)) > 0
    assert wrong / 20_000 > 0.0573

"""The mathematics of promises, exactly: small cases counted out, and laws."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from reticent.monitor.promise import Bets, Calibrated, Drift, calibrate, chosen, ratios

STAKES = (0.03, 0.08, 0.2, 0.5)
LONG = 9  # queries whose every course is counted out
Past = tuple[bool, ...]
POLICIES: dict[str, Callable[[Past], float]] = {
    "constant": lambda past: 0.01,
    "above some stakes": lambda past: 0.1,
    "above all stakes": lambda past: 0.6,
    "grows with hits": lambda past: min(0.9, 0.01 + 0.12 * sum(past)),
    "falls with hits": lambda past: 0.5 / (1 + sum(past)),
    "by turns": lambda past: (0.02, 0.25)[len(past) % 2],
    "after a hit": lambda past: 0.25 if past[-1:] == (True,) else 0.05,
}
COURSES = st.lists(st.tuples(st.booleans(), st.sampled_from([0.01, 0.05, 0.2, 0.4])), max_size=40)


def shown(course: Sequence[tuple[bool, float]], stakes: tuple[float, ...] = STAKES) -> Bets:
    bets = Bets(stakes)
    for hit, allowed in course:
        bets.bet(hit, allowed)
    return bets


def expected(policy: Callable[[Past], float], share: float) -> tuple[float, float]:
    """The expectation of both values after ``LONG`` queries, over all courses.

    Parameters
    ----------
    share : of what is allowed, the chance of a hit.
    """
    value = lately = 0.0
    for past in itertools.product([False, True], repeat=LONG):
        allowed = [policy(past[:place]) for place in range(LONG)]
        chance = math.prod(
            share * own if hit else 1 - share * own for hit, own in zip(past, allowed, strict=True)
        )
        bets = shown(list(zip(past, allowed, strict=True)))
        value += chance * bets.value
        lately += chance * bets.lately
    return value, lately


@pytest.mark.parametrize("name", POLICIES)
def test_who_uses_the_allowance_up_gains_nothing_on_average(name: str) -> None:
    """The wealth is fair: its expectation is 1, and that of the e-detector the queries."""
    value, lately = expected(POLICIES[name], 1.0)
    assert 0.99 < value <= 1 + 1e-9
    assert LONG - 0.1 < lately <= LONG + 1e-9


@pytest.mark.parametrize("name", POLICIES)
def test_who_stays_below_the_allowance_loses(name: str) -> None:
    value, lately = expected(POLICIES[name], 0.5)
    assert value <= 1 + 1e-9
    assert lately <= LONG + 1e-9
    if name != "above all stakes":
        assert value < 0.99


def test_an_allowance_above_all_stakes_is_no_bet() -> None:
    assert shown([(True, 0.5)] * 30).wealth == [1.0] * 4
    assert shown([(True, 0.49)] * 30).wealth[3] > 1


@settings(deadline=None)
@given(COURSES, st.data())
def test_a_hit_speaks_against_a_caller_and_a_miss_for_them(
    course: list[tuple[bool, float]], data: st.DataObject
) -> None:
    if not course:
        return
    place = data.draw(st.integers(0, len(course) - 1))
    more, less = list(course), list(course)
    more[place], less[place] = (True, course[place][1]), (False, course[place][1])
    assert shown(more).value >= shown(less).value
    assert shown(more).lately >= shown(less).lately


@settings(deadline=None)
@given(COURSES, st.floats(0.005, 0.4), st.floats(0.005, 0.4))
def test_who_is_allowed_more_is_suspected_less(
    course: list[tuple[bool, float]], one: float, other: float
) -> None:
    low, high = sorted([one, other])
    hits = [hit for hit, _ in course if hit]
    strict, mild = shown([(hit, low) for hit in hits]), shown([(hit, high) for hit in hits])
    assert mild.value <= strict.value * (1 + 1e-9)


@settings(deadline=None)
@given(COURSES, st.integers(0, 40))
def test_bets_on_disjoint_queries_multiply(course: list[tuple[bool, float]], cut: int) -> None:
    first, second = shown(course[:cut]), shown(course[cut:])
    assert shown(course).wealth == pytest.approx(
        [a * b for a, b in zip(first.wealth, second.wealth, strict=True)]
    )
    resumed = Bets(STAKES)
    resumed.resume(first.wealth)
    assert resumed.value == pytest.approx(first.value)
    for hit, allowed in course[cut:]:
        resumed.bet(hit, allowed)
    assert resumed.wealth == pytest.approx(shown(course).wealth)
    assert resumed.value == pytest.approx(sum(resumed.wealth) / 4)


def test_a_long_honest_past_leaves_an_alarm_within_reach() -> None:
    """A key that was honest for 100,000 queries and is then stolen: the wealth has a floor, and
    the e-detector, which begins anew at every query, has forgotten it all."""
    bets = shown([(False, 0.01)] * 100_000)
    assert min(bets.wealth) > 0
    for _ in range(300):
        bets.bet(True, 0.01)
    assert bets.lately > 1e6
    for _ in range(1_000):
        bets.bet(True, 0.01)
    assert bets.value > 100


@settings(deadline=None)
@given(st.lists(st.floats(-3, 3)))
def test_drift_is_the_steepest_rise(nats: list[float]) -> None:
    drift = Drift()
    for one in nats:
        drift.add(one)
    sums = [0.0, *itertools.accumulate(nats)]
    rises = [high - low for place, low in enumerate(sums) for high in sums[place:]]
    assert drift.best == pytest.approx(max(rises), abs=1e-9)
    assert 0 <= drift.level <= drift.best
    drift.begin()
    assert drift.level == drift.best == 0


@pytest.mark.parametrize(("usual", "suspicious"), [(0.25, 0.8), (0.5, 0.95)])
def test_ratios_are_those_of_the_two_shares(usual: float, suspicious: float) -> None:
    miss, hit = ratios(usual, suspicious)
    assert miss < 0 < hit
    assert (1 - usual) * math.exp(miss) + usual * math.exp(hit) == pytest.approx(1)


# Calibration ------------------------------------------------------------------------------------


def quiet(n: int, k: int = 3) -> NDArray[np.float64]:
    return np.random.default_rng(n).random((n, k))


@pytest.mark.parametrize(("n", "missing"), [(0, 99), (1, 98), (50, 49), (98, 1), (99, 0), (298, 0)])
def test_how_many_sessions_are_missing(n: int, missing: int) -> None:
    found = calibrate(quiet(n), 0.01)
    assert (found.missing, found.sessions) == (missing, n)
    assert math.isinf(found.threshold) is (missing > 0)
    if missing:
        assert f"{missing} honest sessions are missing" in found.promise
    else:
        assert (
            f"on average over calibrations at most 1 % of exchangeable honest sessions ({n} "
            in (found.promise)
        )


def test_what_is_missing_is_what_it_takes() -> None:
    """For every alpha in thousandths: one session less than it takes and none is missing."""
    for thousandths in range(1, 500):
        alpha = thousandths / 1000
        needed = math.ceil(1 / Fraction(thousandths, 1000)) - 1
        for n in (needed - 1, needed, needed + 1):
            found = calibrate(np.zeros((n, 1)), alpha)
            assert found.missing == max(0, needed - n), (alpha, n)


def test_confidence_takes_299_quiet_sessions() -> None:
    words = "with 95 % confidence"
    assert words not in calibrate(quiet(298), 0.01).promise
    assert words in calibrate(quiet(299), 0.01).promise
    loud = quiet(299)
    loud[7, 1] = 1.5
    assert words not in calibrate(loud, 0.01).promise


def test_no_detector_of_sessions_is_no_error() -> None:
    """A role that is permitted to sweep, or a gateway without honest people, has none."""
    for n in (0, 5, 99, 299):
        found = calibrate(np.zeros((n, 0)), 0.01)
        assert found.scales == ()


def test_ties_are_no_alarm() -> None:
    found = calibrate(np.full((120, 2), 7.0), 0.01)
    assert not alarmed(found, np.array([[7.0, 7.0]])).any()
    assert alarmed(found, np.array([[7.1, 7.0]])).all()


PEAKS = arrays.arrays(
    np.float64, st.tuples(st.integers(20, 40), st.integers(1, 3)),
    elements=st.sampled_from([0.0, 0.3, 1.0, 1.5, 2.0, 8.0, 9.0]),
)  # fmt: skip


def alarmed(found: Calibrated, peaks: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which sessions are, as the watch decides."""
    return np.asarray((peaks / np.array(found.scales)).max(axis=1) > found.threshold)


@settings(deadline=None, max_examples=100)
@given(PEAKS)
def test_left_out_in_turn_no_more_sessions_are_alarmed_than_promised(
    peaks: NDArray[np.float64],
) -> None:
    """Exchangeability itself: each of n + 1 sessions in turn is the new one. Exactly, with ties
    and whatever depends on what: no more than a share alpha of them is alarmed."""
    alpha, n = 0.1, len(peaks)
    wrong = sum(
        bool(alarmed(calibrate(np.delete(peaks, new, axis=0), alpha), peaks[new : new + 1])[0])
        for new in range(n)
    )
    assert wrong <= alpha * n


@settings(deadline=None)
@given(PEAKS, st.randoms(use_true_random=False))
def test_the_order_of_sessions_does_not_matter(peaks: NDArray[np.float64], random: object) -> None:
    turned = peaks[::-1]
    assert calibrate(peaks, 0.1) == calibrate(turned, 0.1)


# e-BH -------------------------------------------------------------------------------------------


def by_definition(values: Sequence[float], alpha: float) -> set[int]:
    """The largest k so that k values are at least n / (alpha k): these k."""
    n = len(values)
    order = sorted(range(n), key=lambda place: -values[place])
    most = max((k for k in range(1, n + 1) if values[order[k - 1]] * k * alpha >= n), default=0)
    return set(order[:most])


@settings(deadline=None)
@given(
    st.lists(st.floats(0, 1e4) | st.sampled_from([0.0, 1.0, 20.0, 100.0]), max_size=30),
    st.sampled_from([0.5, 0.25, 0.125]),
)
def test_e_bh_is_its_definition(values: list[float], alpha: float) -> None:
    found = chosen(values, alpha).tolist()
    assert [values[place] for place in found] == sorted([values[p] for p in found], reverse=True)
    assert len(found) == len(by_definition(values, alpha))
    assert set(found) == by_definition(values, alpha)


def test_e_bh_by_hand() -> None:
    assert chosen([], 0.05).tolist() == []
    assert chosen([19.0], 0.05).tolist() == []
    assert chosen([20.0], 0.05).tolist() == [0]
    assert chosen([1.0, 20.0, 20.0], 0.05).tolist() == []
    assert chosen([1.0, 30.0, 30.0], 0.05).tolist() == [1, 2]  # each alone would need 60

"""What the gateway's counters did of late."""

from __future__ import annotations

import numpy as np
import pytest

from reticent.console.pulse import BEATS, Pulse, quantile
from reticent.gateway.counters import SECONDS, Counters


class Clock:
    now = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def counters() -> Counters:
    return Counters(["clinic", "partner"])


@pytest.fixture
def clock() -> Clock:
    return Clock()


def ask(counters: Counters, times: int, role: str = "clinic", status: int = 200) -> None:
    """So many requests of three rows, two of which were answered."""
    for _ in range(times):
        counters.replied(role, status, 0.003, 3, 2 if status == 200 else 0)


def test_rates_are_those_of_the_last_minute(counters: Counters, clock: Clock) -> None:
    pulse = Pulse(counters, ["clinic", "partner"], clock)
    ask(counters, 100)
    for _ in range(12):
        clock.now += 5
        pulse.beat()
    assert pulse.lately().requests == pytest.approx(100)
    ask(counters, 10, status=429)
    clock.now += 5
    pulse.beat()  # the first hundred are older than a minute
    clock.now += 55
    flow = pulse.lately()
    assert flow.requests == pytest.approx(10)
    assert flow.rows == pytest.approx(30)
    assert (flow.refused, flow.withheld) == (1.0, 1.0)


def test_shares_and_times_are_of_what_was_asked(counters: Counters, clock: Clock) -> None:
    pulse = Pulse(counters, ["clinic", "partner"], clock)
    ask(counters, 3)
    ask(counters, 1, "nobody's role", 401)
    clock.now += 10
    flow = pulse.lately()
    assert flow.refused == 0.25
    assert flow.withheld == pytest.approx((3 * 1 + 3) / 12)
    assert flow.median is not None
    assert 0.0025 < flow.median <= 0.005
    assert flow.slow is not None
    assert flow.median < flow.slow <= 0.005


def test_nothing_asked_is_nothing_and_no_division(counters: Counters, clock: Clock) -> None:
    pulse = Pulse(counters, ["clinic"], clock)
    flow = pulse.lately()
    assert (flow.requests, flow.rows, flow.refused, flow.withheld) == (0, 0, 0, 0)
    assert flow.median is flow.slow is None
    assert pulse.past() == []
    assert pulse.by_role()["clinic"] == []


def test_the_past_is_ten_minutes_and_roles_are_told_apart(counters: Counters, clock: Clock) -> None:
    pulse = Pulse(counters, ["clinic", "partner"], clock)
    for _ in range(BEATS + 50):
        clock.now += 5
        ask(counters, 1, "clinic")
        ask(counters, 2, "partner")
        pulse.beat()
    assert len(pulse.past()) == BEATS
    assert {round(one.requests) for one in pulse.past()} == {36}
    roles = pulse.by_role()
    assert {round(rows) for rows in roles["clinic"]} == {36}
    assert {round(rows) for rows in roles["partner"]} == {72}
    assert len(roles["partner"]) == BEATS
    assert pulse.since_start("partner") == (2 * 170, 0, 6 * 170)


def test_a_worker_that_died_takes_its_numbers_with_it_and_no_rate_is_negative(
    clock: Clock,
) -> None:
    counters = Counters(["clinic"], workers=2)
    pulse = Pulse(counters, ["clinic"], clock)
    ask(counters, 50)
    clock.now += 5
    pulse.beat()
    counters.worker(0)
    clock.now += 5
    pulse.beat()
    assert [one.requests >= 0 for one in pulse.past()] == [True, True]
    assert min(pulse.by_role()["clinic"]) == 0


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_a_quantile_of_a_histogram_is_in_the_bin_of_the_true_one(share: float) -> None:
    rng = np.random.default_rng(5)
    times = rng.lognormal(-5, 1, 10_000)
    counts = np.histogram(times, [0.0, *SECONDS, np.inf])[0].astype(float)
    found = quantile(counts, share)
    assert found is not None
    true = float(np.quantile(times, share))
    place = int(np.searchsorted(SECONDS, true))
    assert SECONDS[place - 1] <= found <= SECONDS[place]


def test_quantiles_at_the_ends() -> None:
    none = np.zeros(len(SECONDS) + 1)
    assert quantile(none, 0.5) is None
    none[-1] = 3  # slower than any bin
    assert quantile(none, 0.5) == SECONDS[-1]

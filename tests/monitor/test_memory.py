"""What one caller is allowed, and what of their memory is saved."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent.contract import Abstain, Contract
from reticent.errors import ConfigError
from reticent.monitor.memory import Gain, Memory, Rules
from reticent.monitor.settings import Monitor
from reticent.monitor.standing import Standing

from .asking import GENES, ROLE, clinic, refused, swept, token, world

ANN = token("ann")


def test_what_a_contract_allows_to_be_refused() -> None:
    own = Monitor()
    assert Rules.of(Contract(output="label"), own).refusals is None  # it never refuses
    honest = Rules.of(Contract(output="label", abstain=Abstain(honest=0.9)), own).refusals
    unsure = Rules.of(Contract(output="label", abstain=Abstain(confidence=0.6)), own).refusals
    assert honest is not None
    assert unsure is not None
    assert 0.1 < honest < 1
    assert 0.1 < unsure < 1
    measured = Rules.of(Contract(output="label", abstain=Abstain(honest=0.9)), own, 0.3).refusals
    assert measured is not None
    assert honest < measured < 1
    fixed = Monitor(refusals=0.2)
    assert Rules.of(Contract(output="label", abstain=Abstain(honest=0.9)), fixed).refusals == 0.2
    assert Rules.of(None, own).refusals is None
    assert Rules.of(None, own, 0.1).refusals == pytest.approx(honest)


def test_a_permitted_role_is_not_watched_for_sweeps() -> None:
    permitted = Contract(output="label", permit=("audit",), rows_per_day=100)
    rules = Rules.of(permitted, Monitor())
    assert rules.permitted
    made = world("clinic")
    watch = made.watch(Monitor(rows_per_hour=10), {ROLE: rules})
    assert {one.name for one in watch.memory(ANN, ROLE).all} == {"volume"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("refusals", 0.0), ("refusals", 1.0), ("edits", -0.1), ("edits", 1.0), ("run_length", 0),
     ("shadow", 0), ("rows_per_second", -0.1), ("rows_per_hour", 0), ("networks_per_day", 0),
     ("burst", -1), ("alpha", 0.0), ("alpha", 0.5), ("revisits", 0.0), ("coverages", 0.9),
     ("rows_per_second", math.inf), ("rows_per_second", math.nan)],
)  # fmt: skip
def test_what_no_detector_can_work_with_is_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"\[monitor\] {name}"):
        Monitor(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "settings", [Monitor(refusals=0.001), Monitor(edits=0.0), Monitor(alpha=0.499),
                 Monitor(revisits=0.49, coverages=0.49, edits=0.99), Monitor(run_length=1)]
)  # fmt: skip
def test_whatever_settings_are_accepted_work(settings: Monitor) -> None:
    made = world("clinic")
    allowed = Rules.of(Contract(output="label", abstain=Abstain(honest=0.9)), settings)
    watch = made.watch(settings, {ROLE: allowed})
    rows = swept(clinic(10, 3), "gene", GENES)
    made.ask(watch, rows, answer=refused(np.arange(40) % 2 == 0))
    memory = watch.memory(ANN, ROLE)
    assert all(math.isfinite(one.evidence) for one in memory.all)


def test_an_endless_sweep_stays_within_what_a_number_holds() -> None:
    memory = world("clinic").alone(swept(clinic(400, 3), "gene", GENES))
    assert math.isfinite(memory.contract)
    assert math.isfinite(memory.lately)
    gain = memory.gained(ANN, ROLE)
    assert gain is not None
    assert all(map(math.isfinite, gain.evidence))


# Saved and resumed ------------------------------------------------------------------------------

NATS = st.floats(-400, 400)
GAINS = st.lists(st.tuples(*[NATS] * 16), min_size=1, max_size=5)


def gain(evidence: tuple[float, ...], queries: int = 3) -> Gain:
    return Gain(ANN, ROLE, queries, 1, evidence, 0.5, 7.0)


@settings(deadline=None)
@given(GAINS)
def test_gains_add_up_in_a_standing(gains: list[tuple[float, ...]]) -> None:
    standing = Standing(ANN)
    for evidence in gains:
        standing = gain(evidence).added(standing)
    assert standing.queries == 3 * len(gains)
    assert standing.refused == len(gains)
    assert (standing.role, standing.last, standing.score) == (ROLE, 7.0, 0.5)
    assert all(abs(each) <= 400 for each in standing.evidence)
    if len(gains) == 1:
        assert standing.evidence == tuple(min(300.0, max(-300.0, e)) for e in gains[0])


@given(st.tuples(*[st.floats(-50, 50)] * 16), st.tuples(*[st.floats(-50, 50)] * 16))
def test_two_gains_together_are_one_after_the_other(
    one: tuple[float, ...], two: tuple[float, ...]
) -> None:
    both = gain(one).plus(gain(two, 4)).added(Standing(ANN))
    apart = gain(two, 4).added(gain(one).added(Standing(ANN)))
    assert both.evidence == pytest.approx(apart.evidence)
    assert (both.queries, both.refused) == (apart.queries, apart.refused)


def resumed(evidence: tuple[float, ...]) -> Memory:
    made = world("clinic")
    watch = made.watch(None, {ROLE: Rules(refusals=0.3)})
    watch.known = lambda _: evidence
    return watch.memory(ANN, ROLE)


def test_a_caller_goes_on_where_they_were() -> None:
    made = world("clinic")
    rows = swept(clinic(4, 3), "gene", GENES)
    watch = made.watch(None, {ROLE: Rules(refusals=0.3)})
    made.ask(watch, rows)
    before = watch.memory(ANN, ROLE)
    gained = before.gained(ANN, ROLE)
    assert gained is not None
    again = resumed(gained.added(Standing(ANN)).evidence)
    assert again.contract == pytest.approx(before.contract)
    assert again.gained(ANN, ROLE) is None
    assert resumed((1.0, 2.0)).contract == 1, "of another version: begun anew"


@pytest.mark.parametrize("share", [0.5, 0.9, 0.999])
def test_whoever_rests_just_below_the_alarm_needs_no_more_afterwards(share: float) -> None:
    """Else an attacker would rest whenever it is nearly enough, for ever."""
    made, rows = world("clinic"), swept(clinic(30, 3), "gene", GENES)
    wealth = math.log(share / Monitor().alpha)
    watch = made.watch()
    watch.known = lambda _: (wealth,) * 16
    alerts = made.ask(watch, rows)
    assert alerts[0].query == 1, "the first person's second value is enough"


def test_whoever_was_alarmed_is_not_alarmed_anew_by_a_restart() -> None:
    made = world("clinic")
    watch = made.watch()
    watch.known = lambda _: (math.log(5 / Monitor().alpha),) * 16
    assert made.ask(watch, clinic(50, 3)) == []
    assert made.ask(watch, swept(clinic(30, 4), "gene", GENES))


@pytest.mark.parametrize("rounds", [[400, 400, 10, 10], [300, 5, 300, 5], [1, 400, 400]])
def test_a_long_honest_past_on_replicas_is_no_evidence(rounds: list[int]) -> None:
    """Replicas that save and merge after so many honest queries: whatever the order and the
    floor of wealth, what they know together never speaks against the caller."""
    made = world("survey")
    hidden = made.people(400, 3)
    replicas = [made.watch() for _ in range(3)]
    standing = Standing(ANN)
    for queries in rounds:
        gains = []
        for watch in replicas:
            some = hidden.take(slice(0, queries))
            made.ask(watch, some, at_once=True)
            gains += watch.gained(0.0)
        totals = []
        for one in gains:
            standing = one.added(standing)
            totals.append(standing.evidence)
        for watch, one, total in zip(replicas, gains, totals, strict=True):
            watch.merged(one, total)
        assert max(standing.evidence, default=0.0) <= 1e-9
    for watch in replicas:
        assert watch.memory(ANN, ROLE).contract <= 1

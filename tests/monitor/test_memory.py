"""What one caller is allowed, and what of their memory is saved."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent.contract import Abstain, Contract
from reticent.dataset import Dataset
from reticent.errors import ConfigError
from reticent.monitor.memory import Gain, Memory, Rules, harder
from reticent.monitor.settings import Monitor
from reticent.monitor.standing import Standing
from reticent.monitor.watch import Watch

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


def knowing(
    evidence: tuple[float, ...], alarmed: float = 0.0, refusals: float | None = None
) -> Watch:
    """A watch that begins with what was saved of a caller."""
    watch = world("clinic").watch(None, {ROLE: Rules(refusals)})
    watch.known = lambda who: Standing(who, evidence=evidence, alarmed=alarmed)
    return watch


def resumed(evidence: tuple[float, ...]) -> Memory:
    return knowing(evidence, refusals=0.3).memory(ANN, ROLE)


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
    alerts = made.ask(knowing((wealth,) * 16), rows)
    assert alerts[0].query == 1, "the first person's second value is enough"


def test_whoever_was_alarmed_is_not_alarmed_anew_by_a_restart() -> None:
    made = world("clinic")
    watch = knowing((math.log(5 / Monitor().alpha),) * 16, alarmed=5.0)
    assert made.ask(watch, clinic(50, 3)) == []
    (first, *_) = made.ask(watch, swept(clinic(30, 4), "gene", GENES))
    assert first.evidence["evidence"] >= 25


def test_evidence_that_nobody_told_of_is_told_at_the_next_look() -> None:
    """It was over the alarm where it was added up, and no replica held the caller then."""
    made = world("clinic")
    watch = knowing((math.log(5 / Monitor().alpha),) * 16)
    (alert,) = made.ask(watch, clinic(50, 3))
    assert alert.query == 0
    assert alert.evidence["evidence"] == pytest.approx(5)
    assert "counted earlier or elsewhere" in alert.reason
    assert watch.memory(ANN, ROLE).alarmed == alert.evidence["evidence"]


def test_what_another_replica_told_of_is_not_told_again() -> None:
    made, over = world("clinic"), (math.log(5 / Monitor().alpha),) * 16
    told, quiet = made.watch(), made.watch()
    for watch in (told, quiet):
        made.ask(watch, clinic(3, 3))
        watch.memory(ANN, ROLE).merge(over)
    quiet.memory(ANN, ROLE).heard(6.0)
    assert len(made.ask(told, clinic(1, 5))) == 1, "at the very next query"
    assert made.ask(quiet, clinic(30, 5)) == []
    needed = dict(quiet.memory(ANN, ROLE).raised)
    quiet.memory(ANN, ROLE).heard(5.0)
    assert quiet.memory(ANN, ROLE).raised == needed, "what was told before moves nothing"


def test_a_reason_names_other_evidence_only_where_there_is_some() -> None:
    made, rows = world("clinic"), swept(clinic(30, 3), "gene", GENES)
    watch = made.watch()
    first = rows.take(slice(0, 3))
    assert made.ask(watch, first) == []
    (gain,) = watch.gained(0.0)
    watch.merged(gain, gain.added(Standing(ANN)).evidence)
    alerts = made.ask(watch, rows.take(slice(3, 120)))
    assert alerts
    assert not any("elsewhere" in one.reason for one in alerts)


# Both promises ----------------------------------------------------------------------------------


def course(watch: Watch, rows: Dataset) -> list[tuple[float, float]]:
    """The evidence for both promises at each alert."""
    found, own = list[tuple[float, float]](), watch.settings
    for place in range(len(rows)):
        if world("clinic").ask(watch, rows.take(slice(place, place + 1))):
            memory = watch.memory(ANN, ROLE)
            found.append((memory.contract * own.alpha, memory.lately / own.run_length))
    return found


@pytest.mark.parametrize("honest", [0, 30, 100, 300, 1_000, 3_000])
def test_one_sweep_is_alarmed_once_for_the_same_evidence(honest: int) -> None:
    """Whatever was before it, and whichever promise says so first."""
    made = world("clinic")
    watch = made.watch()
    if honest:
        assert made.ask(watch, clinic(honest, 40), at_once=True) == []
    found = course(watch, swept(clinic(60, 3), "gene", GENES))
    assert len(found) >= 3
    for before, after in pairwise(found):
        grown = max(b / a for a, b in zip(before, after, strict=True))
        most = max(before)
        assert grown >= max(10.0, most * most) / most * (1 - 1e-9)
    assert len(found) <= 9


def test_a_key_that_was_alarmed_once_and_stolen_years_later_is_alarmed() -> None:
    """The first alarm moves the bar of the e-detector no further than it has come itself."""
    made = world("clinic")
    watch = made.watch()
    rows = swept(clinic(60, 3), "gene", GENES)
    first = course(watch, rows.take(slice(0, 8)))
    assert len(first) == 1
    for seed in range(10):
        assert made.ask(watch, clinic(300, 40 + seed), at_once=True) == []
    again = made.ask(watch, rows.take(slice(100, 240)))
    assert "stolen key" in again[0].promise
    assert again[0].evidence["evidence"] < 10


def test_both_promises_move_together() -> None:
    assert harder(2.0, 0.0) == {"contract": 20 / 2, "lately": 1.0}
    assert harder(100.0, 0.5) == {"contract": 1e4, "lately": 50.0}
    assert harder(1e-30, 4.0) == {"contract": 1.0, "lately": 16.0}


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

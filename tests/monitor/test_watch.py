"""All detectors over all callers."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from reticent.contract import Contract
from reticent.dataset import Dataset, stack
from reticent.monitor import watch as module
from reticent.monitor.memory import Rules
from reticent.monitor.promise import Calibrated
from reticent.monitor.settings import Monitor
from reticent.monitor.watch import LIMIT, Watch, watched
from reticent.schema import Schema

from .asking import (
    GENES,
    NOON,
    ROLE,
    clinic,
    jittered,
    numbers_of,
    refused,
    swept,
    token,
    wide,
    world,
)

ANN = token("ann")
DAY = 86_400.0
QUIET = Monitor()


def sweep(people: int = 40, seed: int = 3) -> Dataset:
    return swept(clinic(people, seed), "gene", GENES)


def optimizer(n: int = 200) -> Dataset:
    """All numbers of one person change a little, again and again."""
    rows = clinic(1, 3).take(np.zeros(n, dtype=int))
    draws = np.random.default_rng(0)
    for name in numbers_of(rows):
        rows = rows.replaced(name, rows[name] + draws.normal(size=n))
    return rows


# What is watched --------------------------------------------------------------------------------


def test_sensitive_columns_and_those_averaged_over_are_watched() -> None:
    schema = Schema.of(["a", "b", "c", "y"], {"y": "label", "b": "sensitive"}, {})
    roles = [Contract(output="label"), Contract(output="label", marginalize=("c",))]
    assert watched(schema.inputs, schema, roles) == [["b"], ["c"]]
    assert watched(schema.inputs, schema, roles[:1]) == [["b"]]
    assert watched(["a"], schema, roles) == []


# Alerts -----------------------------------------------------------------------------------------


def test_an_alert_says_who_when_where_and_how_sure() -> None:
    made = world("clinic")
    first, *_ = made.ask(made.watch(), sweep())
    assert (first.caller, first.at, first.role) == (ANN, NOON, ROLE)
    assert (first.model, first.contract, first.source) == ("model", "digest", b"n" * 16)
    assert first.detector in ("sweep", "coverage")
    assert "1 %" in first.promise
    assert "people" in first.reason
    assert first.evidence["evidence"] >= 1
    assert first.evidence["queries"] == first.query + 1
    assert not first.others
    assert not first.auditor
    assert len(first.id) == 32


def test_the_query_is_the_position_in_the_callers_own_sequence() -> None:
    made = world("clinic")
    alone, among = made.watch(), made.watch()
    (first, *_), rows = made.ask(alone, sweep()), sweep()
    found = []
    for place in range(len(rows)):
        row = rows.take(slice(place, place + 1))
        made.ask(among, clinic(2, 500 + place), caller="bob")
        found += made.ask(among, row)
    assert found[0].query == first.query < 40


def test_each_further_alert_needs_ten_times_the_evidence() -> None:
    made = world("clinic")
    found = made.ask(made.watch(), sweep(200))
    sizes = [one.evidence["evidence"] for one in found]
    assert len(sizes) >= 2
    assert all(later >= 10 * sooner for sooner, later in pairwise(sizes))
    assert len(found) < 15, "800 queries of an attack are no 800 alerts"


def test_a_stolen_key_is_found_after_a_long_honest_past() -> None:
    made = world("clinic")
    watch = made.watch()
    for seed in range(10):
        assert made.ask(watch, clinic(300, 40 + seed), at_once=True) == []
    first, *_ = made.ask(watch, sweep(60))
    assert first.query < 3_000 + 120
    assert "stolen key" in first.promise
    assert str(QUIET.run_length) in first.promise


@pytest.mark.parametrize("at_once", [False, True])
def test_an_alert_names_the_very_row_of_a_batch(at_once: bool) -> None:
    made = world("clinic")
    first, *_ = made.ask(made.watch(), sweep(), at_once=at_once)
    assert first.query == made.ask(made.watch(), sweep())[0].query


def test_an_auditors_alerts_are_marked() -> None:
    made = world("clinic")
    assert all(one.auditor for one in made.ask(made.watch(), sweep(), auditor=True))


def test_a_permitted_role_may_sweep_and_keeps_its_limits() -> None:
    made = world("clinic")
    rules = {ROLE: Rules(), "study": Rules(permitted=True)}
    watch = made.watch(Monitor(rows_per_hour=100), rules, calibrated=True)
    found = made.ask(watch, stack(sweep(), optimizer()), role="study")
    assert {one.detector for one in found} == {"volume"}
    assert {one.promise for one in found} == {LIMIT}
    assert made.ask(watch, sweep(), caller="bob")


def test_a_role_without_rules_is_watched_all_the_same() -> None:
    made = world("clinic")
    assert made.ask(made.watch(), sweep(), role="unheard of")
    assert made.ask(made.watch(rules={}), sweep())


def test_refusals_are_watched_without_a_reference() -> None:
    watch = Watch(QUIET, None, 0, {ROLE: Rules(refusals=0.3)})
    made, rows = world("clinic"), clinic(60, 3)
    found = made.ask(watch, rows, answer=refused(np.ones(60, dtype=bool)))
    assert {one.detector for one in found} == {"refusals"}
    other = Watch(QUIET, None, 0, {ROLE: Rules(refusals=0.3)})
    assert made.ask(other, rows, answer=refused(np.zeros(60, dtype=bool))) == []


def test_nobody_and_nothing_is_no_caller() -> None:
    made, watch, rows = world("clinic"), world("clinic").watch(), sweep()
    import msgspec

    nobody = msgspec.structs.replace(made.event(rows), principal=b"")
    assert watch.observe(nobody, rows, None) == []
    assert watch.observe(made.event(rows), None, None) == []
    empty = rows.take(slice(0, 0))
    assert watch.observe(made.event(empty), empty, None) == []
    assert not watch.callers


# Sessions ---------------------------------------------------------------------------------------


def test_session_detectors_are_silent_until_they_are_calibrated() -> None:
    made = world("wide")
    steps = np.random.default_rng(0).normal(size=(200, 400)) * 0.05
    x = np.asarray(wide(1, 3).matrix(wide(1, 3).names)) + np.cumsum(0.3 * steps, axis=0) + steps
    rows = Dataset.of_matrix(x, tuple(wide(1, 3).names))
    assert made.ask(made.watch(), rows) == []
    waiting = made.watch()
    names = waiting.names(ROLE)
    waiting.sessions[ROLE] = Calibrated((1.0,) * len(names), float("inf"), "none yet", 98, 1)
    assert made.ask(waiting, rows) == []
    found = made.ask(made.watch(calibrated=True), rows)
    assert {one.detector for one in found} <= set(names)
    assert found[0].promise == "a promise"
    assert len(found) < 15


def test_a_session_alert_names_the_detector_that_is_over_its_own_scale() -> None:
    made = world("clinic")
    loud = made.watch()
    made.ask(loud, optimizer(), at_once=True)
    peaks = dict(zip(loud.names(ROLE), loud.memory(ANN, ROLE).peaks, strict=True))
    top = max(peaks, key=lambda name: peaks[name])
    other = sorted(name for name in peaks if name != top and peaks[name] > 0)
    watch = made.watch()
    scales = tuple(
        1e6 if name == top else max(peaks[name] / 1.5, 0.001) for name in watch.names(ROLE)
    )
    watch.sessions[ROLE] = Calibrated(scales, 1.0, "a promise", 299)
    found = made.ask(watch, optimizer())
    assert other
    assert found[0].detector in other


def test_a_session_ends_with_the_day() -> None:
    made = world("clinic")
    watch = made.watch()
    made.ask(watch, optimizer(), at=NOON, at_once=True)
    watch.gained(NOON + 1)
    assert watch.ended() == []
    made.ask(watch, clinic(5, 7), at=NOON + DAY / 2 + 10)
    watch.gained(NOON + DAY / 2 + 20)  # past midnight
    ((role, principal, peaks),) = watch.ended()
    assert (role, principal) == (ROLE, ANN)
    assert list(peaks) == watch.names(ROLE)
    assert max(peaks.values()) > 1
    assert max(watch.memory(ANN, ROLE).peaks) < 1, "the next one begins at nothing"
    assert watch.ended() == []


def test_a_session_alarm_is_raised_again_the_next_day_and_is_no_honest_session() -> None:
    made = world("clinic")
    watch = made.watch()
    watch.sessions[ROLE] = Calibrated((1.0,) * len(watch.names(ROLE)), 1.0, "a promise", 299)
    midnight = NOON + DAY / 2
    rows = optimizer(400)
    first = made.ask(watch, rows.take(np.arange(200)), at=midnight - 60, at_once=True)
    watch.gained(midnight - 30)
    watch.gained(midnight + 30)
    again = made.ask(watch, rows.take(np.arange(200, 400)), at=midnight + 60, at_once=True)
    assert first
    assert again, "the promise is made for each session anew"
    assert watch.ended() == []


def test_the_session_of_a_caller_who_went_silent_is_over() -> None:
    made = world("clinic")
    watch = made.watch()
    made.ask(watch, clinic(30, 7), at=NOON, at_once=True)
    watch.gained(NOON + module.IDLE + 60)
    assert not watch.callers
    assert [one[:2] for one in watch.ended()] == [(ROLE, ANN)]


def test_the_session_of_an_alarmed_caller_is_no_honest_one() -> None:
    made = world("clinic")
    watch = made.watch()
    assert made.ask(watch, sweep())
    watch.gained(NOON)
    watch.gained(NOON + DAY)
    assert watch.ended() == []


@pytest.mark.parametrize("back", [60.0, 7_200.0, 10 * DAY])
def test_a_clock_that_jumps_back_is_no_error(back: float) -> None:
    made = world("clinic")
    watch = made.watch(Monitor(rows_per_hour=1_000, rows_per_second=100, networks_per_day=3))
    made.ask(watch, clinic(20, 7))
    watch.gained(NOON)
    made.ask(watch, clinic(20, 8), at=NOON - back)
    watch.gained(NOON - back)
    assert watch.callers, "nobody is dropped by it"
    assert made.ask(watch, sweep(), at=NOON - back)


# Many callers -----------------------------------------------------------------------------------


def test_memory_stays_flat_however_many_callers_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ACTIVE", 20)
    monkeypatch.setattr(module, "CROWDED", 50)
    made, rows = world("survey"), world("survey").people(1, 3)
    watch = made.watch(None, {ROLE: Rules(refusals=0.3)})
    for place in range(300):
        made.ask(watch, rows, caller=f"caller {place}")
        assert len(watch.callers) <= 20
        assert len(watch._left) <= 50
        assert len(watch._over) <= 50
    assert [key[0] for key in watch.callers] == [token(f"caller {p}") for p in range(280, 300)]
    gains = watch.gained(NOON)
    assert len(gains) == 70
    assert watch.gained(NOON) == []


def test_who_asks_is_not_pushed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ACTIVE", 20)
    made, rows = world("clinic"), sweep()
    watch, found = made.watch(), []
    for place in range(len(rows)):
        found += made.ask(watch, rows.take(slice(place, place + 1)))
        for other in range(10):
            made.ask(watch, clinic(1, other), caller=f"caller {place} {other}")
    assert found


def test_a_pushed_out_callers_evidence_is_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ACTIVE", 5)
    made = world("clinic")
    watch = made.watch()
    made.ask(watch, sweep(8), at_once=True)
    for place in range(10):
        made.ask(watch, clinic(1, place), caller=f"caller {place}")
    gains = {one.principal: one for one in watch.gained(NOON)}
    assert max(gains[ANN].evidence) > 3
    assert gains[ANN].queries == 32


def test_an_idle_callers_evidence_is_saved_once() -> None:
    made = world("clinic")
    watch = made.watch()
    made.ask(watch, sweep(8), at_once=True)
    (gain,) = watch.gained(NOON + module.IDLE + 1)
    assert gain.queries == 32
    assert not watch.callers
    assert watch.gained(NOON + 2 * module.IDLE) == []


# Saving -----------------------------------------------------------------------------------------


def test_what_could_not_be_saved_comes_with_the_next() -> None:
    made = world("clinic")
    watch, rows = made.watch(), sweep(16)
    made.ask(watch, rows.take(slice(0, 32)), at_once=True)
    first = watch.gained(NOON)
    watch.lost(first)
    made.ask(watch, rows.take(slice(32, 64)), at_once=True)
    (whole,) = watch.gained(NOON)
    other = made.watch()
    made.ask(other, rows, at_once=True)
    (expected,) = other.gained(NOON)
    assert whole.queries == expected.queries == 64
    assert whole.evidence == pytest.approx(expected.evidence)


def test_what_could_not_be_saved_of_a_caller_who_went_silent_comes_too() -> None:
    made = world("clinic")
    watch = made.watch()
    made.ask(watch, sweep(8), at_once=True)
    watch.lost(watch.gained(NOON))
    made.ask(watch, sweep(3, 9), at_once=True)
    (gain,) = watch.gained(NOON + module.IDLE + 1)
    assert not watch.callers
    assert gain.queries == 44


def test_lost_twice_is_lost_once() -> None:
    made = world("clinic")
    watch = made.watch()
    made.ask(watch, sweep(8), at_once=True)
    for _ in range(3):
        watch.lost(watch.gained(NOON))
    (gain,) = watch.gained(NOON)
    assert gain.queries == 32
    assert watch.gained(NOON) == []


def test_whoever_is_forgotten_begins_anew() -> None:
    made = world("clinic")
    watch, rows = made.watch(), sweep()
    (first, *_) = made.ask(watch, rows)
    watch.lost(watch.gained(NOON))
    watch.forget(ANN)
    assert watch.gained(NOON) == [], "nothing of before is saved afterwards"
    assert made.ask(watch, rows)[0].query == first.query
    assert made.ask(watch, clinic(1, 1), caller="bob") == []


def test_roles_of_one_principal_are_watched_apart() -> None:
    made = world("clinic")
    rules = {ROLE: Rules(), "study": Rules(permitted=True)}
    watch = made.watch(rules=rules)
    assert made.ask(watch, sweep(), role="study") == []
    assert made.ask(watch, clinic(5, 1)) == []
    assert len(watch.callers) == 2
    watch.forget(ANN)
    assert not watch.callers


def test_jitter_does_not_help_against_the_watch() -> None:
    made, rows = world("clinic"), sweep()
    rows = jittered(rows, numbers_of(rows), 0.03, np.random.default_rng(0))
    assert made.ask(made.watch(), rows)

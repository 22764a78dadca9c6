"""Detectors over recorded queries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reticent.dataset import Dataset, stack
from reticent.monitor.detect import Detection, detect, event
from reticent.monitor.memory import Rules
from reticent.monitor.settings import Monitor
from reticent.monitor.trace import Session
from reticent.monitor.watch import LIMIT
from reticent.target import Answer, Reveals

from .asking import GENES, NOON, ROLE, clinic, numbers_of, swept, token, world


def session(caller: str, rows: Dataset, **more: Any) -> Session:
    return Session(caller, rows, **more)


def found(
    *sessions: Session, honest: list[Session] | None = None, settings: Monitor | None = None,
    rules: Rules | None = None, **more: Any,
) -> Detection:  # fmt: skip
    made = world("clinic")
    watch = made.watch(settings, {ROLE: rules or Rules(refusals=0.3)})
    return detect(sessions, watch, made.sketcher, role=ROLE, honest=honest or [], **more)


def sweep(people: int = 20, seed: int = 3) -> Dataset:
    return swept(clinic(people, seed), "gene", GENES)


def calm(n: int) -> list[Session]:
    return [session(f"honest {seed}", clinic(12, 1_000 + seed)) for seed in range(n)]


def optimizer(n: int = 300) -> Dataset:
    rows, draws = clinic(1, 3).take(np.zeros(n, dtype=int)), np.random.default_rng(0)
    for name in numbers_of(rows):
        rows = rows.replaced(name, rows[name] + draws.normal(size=n))
    return rows


def test_each_alert_has_its_callers_name_in_the_order_of_the_trace() -> None:
    told = found(
        session("ann", sweep()), session("bob", clinic(60, 4)), session("cy", sweep(20, 9))
    )
    names = [name for name, _ in told.alerts]
    assert list(dict.fromkeys(names)) == ["ann", "cy"]
    assert {alert.caller for name, alert in told.alerts if name == "cy"} == {token("cy")}
    assert told.calibrated is None


def test_of_many_callers_those_are_chosen_whose_evidence_is_enough_for_all() -> None:
    """One of 400 callers with just enough for an alarm of their own is not chosen; alone they are,
    and so is a whole sweep among many. Whose evidence has faded by the end is not, either."""
    crowd = [session(f"bob {seed}", clinic(2, 600 + seed)) for seed in range(400)]
    rows = sweep(4)
    cuts = (rows.take(slice(0, place)) for place in range(1, len(rows)))
    enough = next(cut for cut in cuts if found(session("ann", cut)).alerts)
    little, much = session("ann", enough), session("cy", sweep(20, 9))
    faded = session("dee", stack(enough, clinic(300, 77)))
    assert found(little).chosen == ["ann"]
    assert found(faded).alerts
    assert found(faded).chosen == []
    told = found(little, much, *crowd)
    assert {name for name, _ in told.alerts} == {"ann", "cy"}
    assert told.chosen == ["cy"]
    assert found().chosen == []


def test_callers_do_not_disturb_each_other() -> None:
    """The same session raises the same alerts, whoever asks before and behind it."""
    alone = found(session("ann", sweep()))
    among = found(session("x", clinic(99, 5)), session("ann", sweep()), session("y", sweep(9, 8)))

    def hers(told: Detection) -> list[tuple[int, str, str]]:
        return [(a.query, a.detector, a.reason) for name, a in told.alerts if name == "ann"]

    assert hers(alone) == hers(among)
    assert hers(alone)


def test_an_empty_trace_and_empty_sessions_raise_nothing() -> None:
    assert found().alerts == []
    assert found(session("ann", clinic(0, 1)), session("bob", clinic(1, 1))).alerts == []


@pytest.mark.parametrize(("n", "missing"), [(98, 1), (99, 0)])
def test_sessions_are_judged_when_enough_honest_ones_are_there(n: int, missing: int) -> None:
    rows = optimizer()
    silent = found(session("ann", rows))
    assert silent.alerts == []
    told = found(session("ann", rows), honest=calm(n))
    assert told.calibrated is not None
    assert told.calibrated.missing == missing
    assert bool(told.alerts) is (missing == 0)


def test_a_permitted_role_can_be_calibrated() -> None:
    told = found(session("ann", sweep()), honest=calm(99), rules=Rules(permitted=True))
    assert told.alerts == []


def test_honest_callers_who_were_calibrated_on_may_ask_again() -> None:
    honest = calm(99)
    assert found(*honest[:20], honest=honest).alerts == []


# Answers ----------------------------------------------------------------------------------------


class Told:
    """A model that refuses every probe whose m0 is above a mark."""

    reveals = Reveals.LABEL | Reveals.SCORES | Reveals.ANY_ROW
    ignores: frozenset[str] = frozenset()
    classes = None

    def __init__(self) -> None:
        self.columns = clinic(1, 1).names
        self.asked = 0

    def ask(self, rows: Dataset) -> Answer:
        self.asked += len(rows)
        return Answer(scores=np.full((len(rows), 2), 0.5), answered=rows["m0"] < 1e5)


def probes(n: int = 60) -> Dataset:
    rows = clinic(n, 41)
    return rows.replaced("m0", np.full(n, 1e6))


def test_answers_that_were_not_recorded_are_asked_of_the_model() -> None:
    model = Told()
    told = found(session("ann", probes()), session("bob", clinic(60, 42)), target=model)
    assert {(name, a.detector) for name, a in told.alerts if a.detector == "refusals"} == {
        ("ann", "refusals")
    }
    assert model.asked == 120


def test_answers_that_were_recorded_are_not_asked() -> None:
    model = Told()
    answered = np.ones(60, dtype=bool)
    more = {"answered": answered, "confidence": np.full(60, 0.7)}
    told = found(session("ann", probes(), **more), target=model)
    assert model.asked == 0
    assert not [a for _, a in told.alerts if a.detector == "refusals"]
    told = found(session("ann", clinic(60, 42), **(more | {"answered": ~answered})), target=model)
    assert {a.detector for _, a in told.alerts} == {"refusals"}


def test_confidence_that_was_not_always_recorded_is_no_error() -> None:
    told = np.where(np.arange(60) % 2 == 0, 0.9, np.nan)
    assert found(session("ann", clinic(60, 42), confidence=told)).alerts == []


# Times and places -------------------------------------------------------------------------------

TIGHT = Monitor(rows_per_hour=20, rows_per_second=3.0, networks_per_day=3)


def test_limits_are_watched_at_the_times_that_were_recorded() -> None:
    rows = clinic(60, 43)
    slow = session("slow", rows, at=NOON + 600.0 * np.arange(60))
    fast = session("fast", rows, at=NOON + 0.01 * np.arange(60))
    places = tuple(f"10.0.{place}.1" for place in range(60))
    many = session("many", rows, at=NOON + 600.0 * np.arange(60), source=places)
    told = found(slow, fast, many, settings=TIGHT)
    names = {(name, alert.detector) for name, alert in told.alerts}
    assert names == {("fast", "volume"), ("fast", "frequency"), ("many", "source")}
    assert {alert.promise for _, alert in told.alerts} == {LIMIT}


def test_without_times_no_limit_is_passed() -> None:
    assert found(session("ann", clinic(300, 43)), settings=TIGHT).alerts == []
    gone = np.full(300, np.nan)
    assert found(session("ann", clinic(300, 43), at=gone), settings=TIGHT).alerts == []
    some = np.where(np.arange(300) % 100 == 0, NOON, np.nan)
    assert found(session("ann", clinic(300, 43), at=some), settings=TIGHT).alerts == []


def test_times_out_of_order_are_no_error() -> None:
    at = NOON + 3_600.0 * np.random.default_rng(0).permutation(60)
    told = found(session("ann", clinic(60, 43), at=at), settings=TIGHT)
    assert {a.detector for _, a in told.alerts} <= {"volume"}
    swept_back = found(session("ann", sweep(), at=NOON - 86_400.0 * np.arange(80)))
    assert swept_back.alerts


# Across callers ---------------------------------------------------------------------------------


def test_accounts_that_complete_each_other_are_told_one_by_one() -> None:
    """Twenty accounts share a sweep: each asks about a record once."""
    people = clinic(100, 44)
    rows = swept(people, "gene", GENES)
    deal = np.random.default_rng(0).permutation(np.arange(len(rows)) % 20)
    accounts = [
        session(f"account {place}", rows.take(np.flatnonzero(deal == place))) for place in range(20)
    ]
    honest = [session(f"honest {place}", clinic(20, 2_000 + place)) for place in range(40)]
    told = found(*accounts, *honest)
    linked = [(name, alert) for name, alert in told.alerts if alert.detector == "linked"]
    assert len(linked) >= 16
    assert len({name for name, _ in linked}) == len(linked), "one line for each"
    assert all(name.startswith("account") for name, _ in linked)
    lengths = {one.caller: len(one) for one in accounts}
    for name, alert in linked:
        assert alert.query == lengths[name] - 1, "its last position"
        assert alert.caller == token(name)
        assert token(name) not in alert.others
        assert len(alert.others) == len(linked) - 1


def test_an_event_is_written_as_the_gateway_would() -> None:
    made, rows = world("clinic"), clinic(3, 1)
    one = event(session("ann", rows, at=np.array([NOON, 1.0, 2.0])), made.sketcher, ROLE)
    assert (one.at, one.rows, one.answered, one.role) == (NOON, 3, 3, ROLE)
    assert one.principal == token("ann")
    assert one.records("gene") == made.event(rows).records("gene")
    for at in (None, np.array([np.nan, 1.0, 2.0]), np.array([])):
        made_of = rows if at is None or len(at) else clinic(0, 1)
        assert event(session("ann", made_of, at=at), made.sketcher, ROLE).at == 0

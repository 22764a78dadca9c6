"""The ladder: what each further alarm changes, and what it never changes."""

from __future__ import annotations

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from msgspec.structs import replace

from reticent.errors import ConfigError
from reticent.event import Act, Alert
from reticent.monitor.ladder import (
    FUSE,
    act_of,
    burnt,
    climbed,
    coarse,
    coarser,
    drawn,
    wait,
)
from reticent.monitor.settings import RUNGS, Monitor, Rung
from reticent.monitor.standing import LONGEST, STATES, Standing
from reticent.target import Answer

ANN = b"a" * 16
ALERT = Alert(caller=ANN, query=4, detector="sweep", reason="two values", promise="1 %", at=7.0,
              role="partner")  # fmt: skip


def climb(times: int, respond: tuple[str, ...] = RUNGS, alert: Alert = ALERT) -> list[Standing]:
    ladder = Monitor(respond=respond).respond  # type: ignore[arg-type]
    found = [Standing(ANN)]
    for place in range(times):
        found.append(climbed(found[-1], replace(alert, at=alert.at + place), ladder, 9))
    return found


def test_each_alarm_is_one_rung() -> None:
    found = climb(6)
    assert [one.state for one in found] == [
        "free",
        "free",
        "coarse",
        "slow",
        "slow",
        "slow",
        "slow",
    ]
    assert [one.fuse for one in found] == [None] * 4 + [9] * 3
    assert [(one.rung, one.alerts) for one in found] == [(n, n) for n in range(7)]
    assert [one.since for one in found] == [0.0, 0.0, 8.0, 9.0, 10.0, 10.0, 10.0]
    assert found[2].reason == "sweep: two values"
    assert (found[1].role, found[1].last) == ("partner", 7.0)


@pytest.mark.parametrize(("respond", "states"), [
    (("alert",), ["free", "free", "free"]),
    (("coarsen",), ["coarse", "coarse", "coarse"]),
    (("alert", "delay"), ["free", "slow", "slow"]),
    (("coarsen", "delay"), ["coarse", "slow", "slow"]),
])  # fmt: skip
def test_the_ladder_is_as_it_was_written(respond: tuple[str, ...], states: list[str]) -> None:
    assert [one.state for one in climb(3, respond)][1:] == states


@pytest.mark.parametrize(
    "alert", [replace(ALERT, auditor=True), replace(ALERT, others=(b"b" * 16,))]
)
@pytest.mark.parametrize("before", [Standing(ANN), Standing(ANN, state="coarse", rung=2)])
def test_auditors_and_linked_accounts_never_climb(alert: Alert, before: Standing) -> None:
    after = before
    for _ in range(5):
        after = climbed(after, alert, ("freeze",), 3)
    assert after == replace(before, alerts=5, role="partner", last=7.0)


def test_an_alert_about_nobody_changes_nobody() -> None:
    assert climbed(Standing(b""), replace(ALERT, caller=b""), RUNGS, 3) == Standing(b"")


def test_a_shorter_ladder_takes_nothing_back() -> None:
    for state in STATES:
        before = Standing(ANN, state=state, rung=3, reason="before")
        assert climbed(before, ALERT, ("alert",), 3).state == state
        after = climbed(replace(before, fuse=2), ALERT, ("alert", "coarsen"), 9)
        assert after.fuse == 2
        assert STATES.index(after.state) >= STATES.index(state)


def test_a_reason_is_bounded() -> None:
    long = replace(ALERT, reason="x" * 10_000)
    assert len(climbed(Standing(ANN), long, ("coarsen",), 1).reason) == LONGEST


def test_a_fuse_is_one_to_thirty_rows_and_each_is_as_likely() -> None:
    """n = 30,000 draws; chi-square with 29 degrees of freedom: above 88 once in ten million."""
    counts = Counter(drawn() for _ in range(30_000))
    assert set(counts) == set(range(1, FUSE + 1))
    assert sum((count - 1_000) ** 2 / 1_000 for count in counts.values()) < 88


def test_a_fuse_burns_down_and_then_the_freeze_holds() -> None:
    lit = Standing(ANN, state="slow", fuse=5, reason="why")
    assert burnt(lit, 3, 1.0) == replace(lit, fuse=2)
    for rows in (5, 6, 64):
        assert burnt(lit, rows, 1.0) == replace(lit, state="frozen", fuse=None, since=1.0)
    free = Standing(ANN, queries=3)
    assert burnt(free, 5, 1.0) == free  # released meanwhile


def test_what_the_gateway_does_is_an_act_of_its_own() -> None:
    done = [act_of(*two, at=3.0) for two in pairwise(climb(4))]
    assert [None if one is None else one.done for one in done] == [None, "coarsen", "delay", None]
    lit = climb(4)[-1]
    assert act_of(lit, burnt(lit, 9, 3.0), 3.0) == Act(3.0, b"", ANN, "freeze", "sweep: two values")
    assert act_of(Standing(ANN, state="slow"), Standing(ANN), 3.0) is None


def test_replies_wait_longer_with_each_further_alarm_up_to_the_longest() -> None:
    ladder: tuple[Rung, ...] = ("alert", "coarsen", "delay")
    waits = [wait(one, ladder, 5.0) for one in climb(9, ladder)]
    assert waits == [0, 0, 0, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    assert wait(Standing(ANN, state="slow", rung=10**6), ladder, 5.0) == 5.0
    assert wait(Standing(ANN, state="slow", rung=3), ("alert",), 5.0) == 0.5  # it was shortened
    assert wait(Standing(ANN, state="slow", rung=3), ladder, 0.1) == 0.1


def test_who_climbed_past_coarsen_stays_coarse() -> None:
    assert coarse(Standing(ANN, state="coarse"), ("alert",))
    assert coarse(Standing(ANN, state="slow"), ("coarsen", "delay"))
    assert not coarse(Standing(ANN, state="slow"), ("delay",))
    assert not coarse(Standing(ANN, fuse=4), RUNGS)


def test_scores_become_halves_and_labels_stay() -> None:
    scores = np.array([[0.2, 0.7, 0.1], [0.4, 0.3, 0.3], [0.5, 0.5, 0.0], [np.nan] * 3])
    told = Answer(np.array([1, 0, 1, -1]), scores, answered=np.array([True, True, True, False]))
    left = coarser(told)
    assert left.scores is not None
    halves = np.array([[0.0, 0.5, 0.0], [0.0, 0.0, 0.0], [0.0, 0.5, 0.0], [np.nan] * 3])
    assert np.array_equal(left.scores, halves, equal_nan=True)
    assert left.label is told.label
    assert left.answered is told.answered
    assert scores[0, 1] == 0.7  # it was not changed in place


def test_numbers_keep_their_first_digit_and_vectors_their_length() -> None:
    value = np.array([123.4, -0.0567, 0.0, 0.3, 1e-320, np.nan, np.inf, 9.7])
    left = coarser(Answer(value=value, vector=np.ones((8, 5))))
    assert left.value is not None
    assert left.value.tolist()[:4] == [100.0, -0.06, 0.0, 0.3]
    assert left.value[4] == 1e-320
    assert np.isnan(left.value[5])
    assert left.value.tolist()[6:] == [math.inf, 10.0]
    assert left.vector is not None
    assert left.vector.shape == (8, 5)
    assert np.isnan(left.vector).all()
    assert left.scores is None


@pytest.mark.parametrize(("given", "found"), [
    ({"respond": ("alert", "freez")}, r"'freez' is no rung \(did you mean 'freeze'\?\)"),
    ({"respond": ("freeze", "alert")}, "do not rise"),
    ({"respond": ("alert", "alert")}, "do not rise"),
    ({"respond": ()}, "do not rise"),
    ({"max_delay": 0.0}, "out of range"), ({"max_delay": 60.0}, "out of range"),
    ({"max_delay": math.nan}, "out of range"),
])  # fmt: skip
def test_a_ladder_that_makes_no_sense_is_refused(given: dict[str, object], found: str) -> None:
    with pytest.raises(ConfigError, match=found):
        Monitor(**given)  # type: ignore[arg-type]

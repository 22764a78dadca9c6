"""Findings: rates with and without a number, and the limits they must keep."""

from __future__ import annotations

import msgspec
import pytest

from reticent.finding import Finding, Rate, Risk, Score, Verdict

NONE = Score.none(0, "nobody")


def finding(
    high: float | None, memorized: float | None = None, verdict: Verdict = "no_leak_found"
) -> Finding:
    return Finding(
        configuration="bare", contract="", attack="yeom", hidden="s", members=NONE, others=None,
        baseline_members=NONE, baseline_others=None, advantage=Rate(0.01, -0.01, high, 90),
        memorization=None if memorized is None else Rate(0.0, -0.1, memorized, 90),
        p_adjusted=1.0, smallest_detectable=0.02, queries=10, verdict=verdict, reason="",
    )  # fmt: skip


def test_a_rate_that_is_none_says_why() -> None:
    rate = Rate.none(3, "too few")
    assert (rate.value, rate.low, rate.high, rate.n, rate.reason) == (
        None,
        None,
        None,
        3,
        "too few",
    )
    assert Score.none(3, "too few").auc == rate


@pytest.mark.parametrize(
    ("found", "allowed"),
    [
        (finding(0.03), True),
        (finding(0.031), False),
        (finding(None), False),
        (finding(0.02, memorized=0.03), True),
        (finding(0.02, memorized=0.04), False),
        (finding(0.02, verdict="underpowered"), False),
        (finding(0.5, verdict="leaks"), False),
        (finding(None, verdict="not_applicable"), True),
    ],
)
def test_every_high_must_keep_its_limit(found: Finding, allowed: bool) -> None:
    assert Risk().allows(found) is allowed


def test_limits_are_the_readers_own() -> None:
    assert Risk(max_advantage=0.1).allows(finding(0.09))
    assert not Risk(max_memorization=0.01).allows(finding(0.02, memorized=0.02))


def test_an_unknown_limit_is_an_error() -> None:
    with pytest.raises(msgspec.ValidationError, match="max_advantge"):
        msgspec.json.decode(b'{"max_advantge": 1}', type=Risk)


def test_a_finding_survives_json_with_null_where_there_is_no_number() -> None:
    found = finding(None, memorized=0.1)
    text = msgspec.json.encode(found)
    assert msgspec.json.decode(text, type=Finding) == found
    assert b'"high":null' in text
    assert b'"others":null' in text

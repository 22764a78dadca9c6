"""What the console says, in words."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reticent.console import words
from reticent.contract import OUTPUTS, PERMISSIONS, Abstain, Contract, Noise
from reticent.monitor.standing import STATES


@pytest.mark.parametrize(("number", "said"), [
    (0, "0"), (7, "7"), (1234, "1,234"), (99_999, "99,999"), (123_456, "123 k"),
    (1_234_567, "1.23 M"),
    (0.4, "0.4"), (12.7, "13"), (5e9, "5 G"), (math.nan, "–"), (math.inf, "–"),
])  # fmt: skip
def test_counts(number: float, said: str) -> None:
    assert words.count(number) == said


@pytest.mark.parametrize(("number", "said"), [
    (7.0, "7"), (5.2138, "5.21"), (-0.25, "−0.25"), (1e-12, "1 · 10⁻¹²"), (math.inf, "∞"),
    (-math.inf, "–"), (math.nan, "–"), (12_345.6, "12,346"), (1e10, "1 · 10¹⁰"),
    (2.426e90, "2.43 · 10⁹⁰"), (-3e12, "−3 · 10¹²"), (9.9999e-18, "1 · 10⁻¹⁷"),
])  # fmt: skip
def test_measures(number: float, said: str) -> None:
    assert words.measure(number) == said


@pytest.mark.parametrize(("evidence", "said"), [
    (0, "0.00"), (1.004, "1.00"), (412.7, "413"), (99_999, "99,999"), (9.99e5, "≥ 10⁵"),
    (4.86e127, "≥ 10¹²⁷"), (math.inf, "∞"), (-math.inf, "–"), (math.nan, "–"),
])  # fmt: skip
def test_evidence_never_takes_more_room_than_its_bar_leaves(evidence: float, said: str) -> None:
    assert words.score(evidence) == said
    assert len(said) <= 7


@pytest.mark.parametrize(("share", "said"), [
    (0, "0 %"), (0.0004, "< 0.1 %"), (0.0123, "1.2 %"), (0.0997, "10 %"),
    (0.5, "50 %"), (1, "100 %"),
])  # fmt: skip
def test_percentages(share: float, said: str) -> None:
    assert words.percent(share) == said


@pytest.mark.parametrize(("time", "said"), [
    (None, "–"), (0.000_43, "0.43 ms"), (0.0123, "12 ms"), (0.432, "432 ms"),
    (0.0997, "100 ms"), (1.25, "1.2 s"),
])  # fmt: skip
def test_times_to_a_reply(time: float | None, said: str) -> None:
    assert words.seconds(time) == said


@pytest.mark.parametrize(("past", "said"), [
    (-50, "now"), (0, "now"), (20, "20 s ago"), (600, "10 min ago"), (7200, "2 h ago"),
    (3 * 86_400, "3 days ago"),
])  # fmt: skip
def test_how_long_ago(past: float, said: str) -> None:
    assert words.ago(1_000_000.0 - past, 1_000_000.0) == said


def test_a_time_is_told_in_utc() -> None:
    assert words.stamp(1_700_000_000.0) == "2023-11-14 22:13:20 UTC"


@given(st.floats())
def test_no_time_breaks_a_page(at: float) -> None:
    assert isinstance(words.stamp(at), str)
    assert isinstance(words.ago(at, 0.0), str)


def test_a_token_is_shortened_and_nobody_has_none() -> None:
    assert words.short(bytes.fromhex("3fa901bc" + "00" * 12)) == "3fa9 01bc"
    assert words.short(b"") == "nobody"


def test_every_state_and_every_output_has_its_words() -> None:
    assert set(words.STATES) == set(STATES)
    assert set(words.OUTPUTS) == set(OUTPUTS)
    assert set(words.PERMITS) == set(PERMISSIONS)


def test_a_contract_is_told_step_by_step_in_its_order() -> None:
    contract = Contract(
        output="top_k", top_k=2, marginalize=("age", "sex"), values_per_record=2,
        abstain=Abstain(honest=0.9), noise=Noise(0.05), decimals=1,
    )  # fmt: skip
    assert list(words.sees(contract)) == [
        "Averaged over age, sex beyond 2 values of one record: what is sent there changes nothing.",
        "Refused for rows unlike 90 % of honest people.",
        "With keyed noise of scale 0.05, the same for the same row.",
        "The 2 highest scores, with their classes.",
        "Scores are rounded to 1 decimal.",
    ]
    bands = Contract(output="scores", abstain=Abstain(confidence=0.6), bands=(0.2, 0.5))
    assert list(words.sees(bands)) == [
        "Refused below a confidence of 0.6.",
        "A score for every class.",
        "Scores are told as bands from 0.2, 0.5.",
    ]


def test_bounds_are_told_and_a_contract_without_them_has_none() -> None:
    bound = Contract(output="label", rows_per_minute=60, rows_per_day=5000, role_rows_per_day=9000,
                     internal_only=True, cidr=("10.0.0.0/8",), permit=("audit",))  # fmt: skip
    assert list(words.limits(bound)) == [
        "60 rows a minute, each caller", "5,000 rows a day, each caller",
        "9,000 rows a day, all callers together", "only from the internal network",
        "only from 10.0.0.0/8", "may flip sensitive columns, as a fairness audit does",
    ]  # fmt: skip
    assert list(words.limits(Contract(output="label"))) == []


@pytest.mark.parametrize(("ready", "alerts", "frozen", "said"), [
    (True, 0, 0, "Quiet: no alert in the last 24 hours."),
    (True, 0, 2, "Quiet: no alert in the last 24 hours, and 2 callers are frozen."),
    (True, 1, 0, "1 alert in the last 24 hours."),
    (True, 3, 1, "3 alerts in the last 24 hours; 1 caller is frozen."),
    (False, 3, 1, "The store is away, so nobody is answered."),
])  # fmt: skip
def test_the_headline_says_how_things_stand(
    ready: bool, alerts: int, frozen: int, said: str
) -> None:
    assert words.headline(ready, alerts, frozen) == said

"""Alerts of one caller and detector are counted together for ten minutes."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.alerts.receivers import alert
from reticent.monitor.alerts.outbox import MOST_OTHERS, SAME, merged


def test_what_one_caller_does_within_ten_minutes_is_one_alert() -> None:
    first = alert(id="a", evidence={"records": 2.0})
    second = merged(first, alert(id="b", at=first.at + 30, evidence={"records": 9.0}))
    assert second is not None
    third = merged(second, alert(id="c", at=first.at + SAME, query=99, others=(b"x",)))
    assert third is not None
    assert (third.id, third.at, third.query) == ("a", first.at, first.query)
    assert third.evidence == {"records": 4.0, "count": 3.0}
    assert third.others == (b"x",)
    assert merged(first, alert(at=first.at + SAME + 0.1)) is None


@pytest.mark.parametrize(
    "changed", [{"caller": b"y" * 16}, {"detector": "spread"}, {"auditor": True}, {"at": 0.0}]
)
def test_what_is_something_else_stands_alone(changed: dict[str, Any]) -> None:
    assert merged(alert(), alert(id="b", **changed)) is None
    assert merged(None, alert()) is None


def test_a_clock_that_jumps_back_a_little_changes_nothing() -> None:
    assert merged(alert(), alert(id="b", at=alert().at - 5)) is not None


def test_accounts_are_joined_and_bounded() -> None:
    many = [place.to_bytes(16) for place in range(MOST_OTHERS)]
    both = merged(alert(others=tuple(many[:600])), alert(others=(*many[400:], b"z")))
    assert both is not None
    assert both.others == tuple(many)

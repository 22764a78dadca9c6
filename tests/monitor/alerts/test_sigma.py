"""The Sigma rules in deploy/ are sound, and find in our events what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sigma.collection import SigmaCollection
from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
)
from sigma.correlations import SigmaCorrelationRule
from sigma.rule import SigmaRule
from sigma.types import SigmaBool, SigmaCompareExpression, SigmaNumber, SigmaString
from sigma.validation import SigmaValidator
from sigma.validators.core import validators

from monitor.alerts.receivers import alert
from reticent.monitor.alerts.ocsf import encoded
from reticent.monitor.alerts.outbox import not_sent
from reticent.monitor.alerts.settings import TEST

FOLDER = Path(__file__).parents[3] / "deploy" / "sigma"
FILES = sorted(FOLDER.glob("*.yml"))
OTHERS = (b"o" * 16, b"p" * 16)
EVENTS = {
    "inversion": alert(), "linked": alert(detector="linked", others=OTHERS),
    "volume": alert(detector="volume"),
    "source": alert(detector="source"), "outbox": not_sent(7, 1_800_000_000.0),
    "test": alert(detector=TEST), "auditor": alert(auditor=True),
    "auditor's volume": alert(detector="volume", auditor=True),
}  # fmt: skip
FETCHED = {"attacktag", "d3_fendtag"}  # these fetch a list from elsewhere
FINDS = {
    "reticent_model_inversion": {"inversion"},
    "reticent_colluding_accounts": {"linked"},
    "reticent_unusual_use": {"volume", "source"},
    "reticent_alerts_not_sent": {"outbox"},
}


def rules() -> SigmaCollection:
    return SigmaCollection.load_ruleset([FOLDER])


def reached(event: Any, path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    for step in path.split("."):
        event = event.get(step) if isinstance(event, dict) else None
    return event


def holds(condition: Any, event: Any) -> bool:
    """Whether a parsed condition holds for an event."""
    match condition:
        case ConditionAND():
            return all(holds(one, event) for one in condition.args)
        case ConditionOR():
            return any(holds(one, event) for one in condition.args)
        case ConditionNOT():
            return not holds(condition.args[0], event)
        case ConditionFieldEqualsValueExpression(field=field, value=value):
            return equal(value, reached(event, field))
    raise AssertionError(f"a condition that is not read here: {condition}")


def equal(value: Any, found: Any) -> bool:
    match value:
        case SigmaString():
            assert not value.contains_special()
            return bool(found == str(value))
        case SigmaNumber():
            return bool(found == value.number)
        case SigmaBool():
            return found is value.boolean
        case SigmaCompareExpression(number=number, op=op):
            assert op.name == "GTE"
            return found is not None and bool(found >= number.number)
    raise AssertionError(f"a value that is not read here: {value}")


def test_the_rules_are_those_that_are_tested() -> None:
    assert {path.stem for path in FILES} == {*FINDS, "reticent_many_accounts"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_rule_is_sound(path: Path) -> None:
    every = SigmaCollection.load_ruleset([FOLDER], collect_errors=True)
    assert every.errors == []
    (rule,) = [one for one in every.rules if one.name == path.stem]
    assert rule.errors == []
    assert not {"\t", "\r"} & set(path.read_text("utf-8"))


def test_the_validators_of_sigma_find_nothing() -> None:
    chosen = [one for name, one in validators.items() if name not in FETCHED]
    every: Any = rules().rules  # of both kinds, which validators take
    found = SigmaValidator(set(chosen)).validate_rules(iter(every))
    assert [(type(issue).__name__, issue.rules) for issue in found] == []


@pytest.mark.parametrize("name", FINDS)
def test_a_rule_finds_what_it_says_and_nothing_else(name: str) -> None:
    (rule,) = [one for one in rules().rules if one.name == name]
    assert isinstance(rule, SigmaRule)
    (condition,) = [one.parsed for one in rule.detection.parsed_condition]
    found = {what for what, one in EVENTS.items() if holds(condition, json.loads(encoded(one)))}
    assert found == FINDS[name]


def test_the_rule_about_many_counts_the_callers_of_another() -> None:
    (rule,) = [one for one in rules().rules if isinstance(one, SigmaCorrelationRule)]
    assert [one.reference for one in rule.rules or []] == ["reticent_model_inversion"]
    event = json.loads(encoded(alert()))
    for path in ("unmapped.caller", *(rule.group_by or [])):
        assert reached(event, path)

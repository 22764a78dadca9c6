"""An alert in OCSF, held against the schema that a registry package carries."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

from monitor.alerts.receivers import CALLER, SOURCE, alert
from reticent.event import Alert
from reticent.monitor.alerts.ocsf import MOST_OTHERS, VERSION, encoded, finding, title
from reticent.monitor.alerts.settings import SUMMARY, TEST

NUMBERS = st.floats(allow_nan=True, allow_infinity=True)
ALERTS = st.builds(
    Alert, id=st.text(max_size=20), at=st.floats(0, 4e9), caller=st.binary(max_size=16),
    query=st.integers(0, 10**9), detector=st.text(max_size=20), reason=st.text(max_size=50),
    promise=st.text(max_size=20),
    evidence=st.dictionaries(st.text(max_size=9), NUMBERS, max_size=3),
    role=st.text(max_size=9), model=st.text(max_size=9), source=st.binary(max_size=16),
    others=st.lists(st.binary(min_size=16, max_size=16), max_size=3).map(tuple),
    auditor=st.booleans(),
)  # fmt: skip


@cache
def schema() -> Draft202012Validator:
    """The class as released, and beside it the one attribute that its profile brings."""
    whole = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=VERSION))
    found = whole.get_class_schema("detection_finding")
    model = whole.get_object_schema("ai_model")
    assert "ai_model" not in found["properties"]  # else the docstring of ocsf.py is out of date
    found["properties"]["ai_model"] = {"$ref": "#/$defs/ai_model"}
    found["$defs"]["ai_model"] = {name: part for name, part in model.items() if name[0] != "$"}
    return Draft202012Validator(found)


def problems(said: Any) -> list[str]:
    return [error.message for error in schema().iter_errors(said)]


def test_a_finding_is_one_of_the_schema() -> None:
    for one in (alert(), alert(others=(b"o" * 16,) * 3), alert(caller=b"", source=b"", model=""),
                alert(detector=TEST), alert(detector="volume", auditor=True)):  # fmt: skip
        assert problems(json.loads(encoded(one))) == []


@settings(max_examples=40, deadline=None)
@given(ALERTS)
def test_whatever_an_alert_says_it_is_one_of_the_schema(one: Alert) -> None:
    assert b"\n" not in encoded(one)
    assert problems(json.loads(encoded(one))) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("class_uid", 2005), ("severity_id", 12), ("time", "now"), ("caller", "x"), ("metadata", {}),
     ("evidences", [{"name": "x"}]), ("ai_model", {"name": "forest"})],
)  # fmt: skip
def test_the_schema_sees_what_is_wrong(name: str, value: Any) -> None:
    assert problems({**json.loads(encoded(alert())), name: value})


def test_what_it_says() -> None:
    said = json.loads(encoded(alert(evidence={"records": 4.0, "count": 3.0})))
    assert (said["class_uid"], said["category_uid"], said["type_uid"]) == (2004, 2, 200401)
    assert (said["time"], said["count"], said["severity"]) == (1_800_000_000_250, 3, "High")
    assert said["metadata"]["uid"] == said["finding_info"]["uid"] == "0123456789abcdef"
    (first,) = said["evidences"]
    assert first["actor"]["user"]["uid"] == CALLER.hex()
    assert first["src_endpoint"]["uid"] == SOURCE.hex()
    assert first["data"] == {"records": 4.0, "count": 3.0}
    (attack,) = said["finding_info"]["attacks"]
    assert attack["sub_technique"] == {"name": "Invert AI Model", "uid": "AML.T0024.001"}
    assert said["ai_model"]["name"] == "forest"
    assert said["unmapped"]["query"] == 7
    assert said["unmapped"]["promise"] == alert().promise


def test_what_else_it_may_be() -> None:
    def techniques(detector: str) -> list[str]:
        said = json.loads(encoded(alert(detector=detector)))
        return [one.get("sub_technique", one["technique"])["uid"]
                for one in said["finding_info"]["attacks"]]  # fmt: skip

    assert techniques("sweep") == techniques("linked") == ["AML.T0024.001"]
    assert techniques("jitter") == ["AML.T0024.001", "AML.T0024.000"]
    assert techniques("volume") == ["AML.T0024"]
    assert finding(alert(detector="volume")).severity == "Low"


def test_what_is_no_detection_says_so() -> None:
    said = json.loads(encoded(alert(detector=TEST, auditor=True)))
    assert (said["severity"], said["metadata"]["labels"]) == ("Informational", ["auditor", "test"])
    assert "attacks" not in said["finding_info"]
    assert title(alert(detector=TEST)) == "A test of the alerts"
    assert title(alert(detector=SUMMARY)) == "Alerts that were not sent"
    assert title(alert()) == "Model inversion of forest by one account: sweep"
    assert "by an auditor" in title(alert(auditor=True))


def test_of_many_accounts_some_are_shown_and_all_are_counted() -> None:
    many = tuple(place.to_bytes(16) for place in range(300))
    said = finding(alert(others=many))
    assert len(said.evidences) == MOST_OTHERS + 1
    assert said.unmapped.accounts == 301
    assert "several accounts" in said.finding_info.title

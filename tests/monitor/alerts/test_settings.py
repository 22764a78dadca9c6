"""[alerts.NAME]: what fits together, and which alerts go there."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from monitor.alerts.receivers import alert
from reticent.errors import ConfigError
from reticent.monitor.alerts import SINKS
from reticent.monitor.alerts.ocsf import AROUND
from reticent.monitor.alerts.settings import (
    COUNTS,
    PLACES,
    SEVERITIES,
    SUMMARY,
    TEST,
    Kind,
    Severity,
    Sink,
    check,
    severity,
    wants,
)
from reticent.monitor.detectors import DETECTORS

WEB = "https://siem.example.org"


def test_the_list_and_the_words_agree() -> None:
    assert set(SINKS) == set(get_args(Kind)) == {*PLACES, "apprise"}
    assert get_args(Severity) == SEVERITIES
    assert {*COUNTS, *AROUND} < set(DETECTORS)
    assert not {TEST, SUMMARY} & set(DETECTORS)


@pytest.mark.parametrize(
    "given",
    [
        {"kind": "webhook", "url": WEB},
        {"kind": "webhook", "url": "http://localhost:9/x?a=b", "token_env": "T"},
        {"kind": "alertmanager", "url": "http://alertmanager:9093"},
        {"kind": "splunk", "url": f"{WEB}:8088", "token_file": "t"},
        {"kind": "syslog", "address": "udp://10.0.0.1"},
        {"kind": "cef", "address": "tls://[::1]:6514", "ca": "ca.pem"},
        {"kind": "file", "path": "alerts.jsonl"},
        {"kind": "apprise", "token_env": "T"},
    ],
)
def test_what_is_allowed(given: dict[str, Any]) -> None:
    Sink(**given)


@pytest.mark.parametrize(
    ("given", "asked", "found"),
    [
        ({"kind": "webhook"}, "url", "webhook needs it"),
        ({"kind": "webhook", "url": WEB, "path": "x"}, "path", "does not use it"),
        ({"kind": "file", "path": "x", "token_env": "T"}, "token_env", "does not use it"),
        ({"kind": "splunk", "url": WEB}, "token_file", "needs a secret"),
        ({"kind": "apprise"}, "token_file", "needs a secret"),
        ({"kind": "splunk", "url": WEB, "token_env": "T", "token_file": "t"},
         "token_file and token_env", "both"),
        ({"kind": "webhook", "url": "http://siem.example.org"}, "url", "read on its way"),
        ({"kind": "splunk", "url": "http://splunk:8088", "token_env": "T"}, "url", "read on its"),
        ({"kind": "alertmanager", "url": "http://am:9093", "token_env": "T"}, "url", "read on its"),
        ({"kind": "webhook", "url": "ftp://x"}, "url", "no web address"),
        ({"kind": "webhook", "url": "hook"}, "url", "no address"),
        ({"kind": "webhook", "url": "https://[::1"}, "url", "no address"),
        ({"kind": "webhook", "url": "https://x:99999"}, "url", "no address"),
        ({"kind": "webhook", "url": "https://x/a b"}, "url", "no address"),
        ({"kind": "webhook", "url": "https://x/\r\nHost: y"}, "url", "no address"),
        ({"kind": "webhook", "url": "https://ann:hunter2@x/"}, "url", "user name or a password"),
        ({"kind": "syslog", "address": "siem:514"}, "address", "no address"),
        ({"kind": "syslog", "address": "http://siem"}, "address", "does not begin with"),
        ({"kind": "cef", "address": "tcp://siem:514/x"}, "address", "goes on behind"),
    ],
)  # fmt: skip
def test_what_is_refused(given: dict[str, Any], asked: str, found: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Sink(**given)
    assert caught.value.asked == asked
    assert found in caught.value.found
    assert "hunter2" not in str(caught.value)


def test_names_and_roles_are_checked() -> None:
    file = Sink(kind="file", path="x")
    check({"siem-1": file}, [])
    for name in ("", "a/b", "a b", "x" * 65, "ü"):
        with pytest.raises(ConfigError, match="not plain"):
            check({name: file}, [])
    with pytest.raises(ConfigError, match="did you mean 'partner'"):
        check({"siem": Sink(kind="file", path="x", roles=("prtner",))}, ["partner"])


def test_an_alert_is_as_grave_as_what_it_saw() -> None:
    assert severity(alert()) == "high"
    assert severity(alert(detector="volume")) == "low"
    assert severity(alert(detector=SUMMARY)) == "medium"
    assert severity(alert(auditor=True)) == severity(alert(detector=TEST)) == "informational"


def test_a_sink_gets_what_it_wants() -> None:
    def goes(one: dict[str, Any], **given: Any) -> bool:
        return wants(Sink(kind="file", path="x", **given), alert(**one))

    assert goes({})
    assert goes({"detector": "volume"})
    assert not goes({"detector": "volume"}, severity="medium")
    assert not goes({"auditor": True})
    assert goes({"auditor": True}, severity="informational")
    assert goes({}, severity="high", roles=("clinic", "partner"))
    assert not goes({}, roles=("clinic",))
    assert goes({"role": ""}, roles=("clinic",))

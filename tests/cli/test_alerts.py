"""Alerts at the command line: do they arrive, and what was there."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from typing import Any

import msgspec
import pytest

from desk import Desk
from monitor.alerts.receivers import CALLER, Web, alert, unused, web
from reticent.event import Alert
from reticent.store import Note
from reticent.stores.opened import open_store

FILE = '[alerts.here]\nkind = "file"\npath = "alerts.jsonl"\n'
ROLES = '[roles.partner]\noutput = "label"\n'


def hook(url: str, more: str = "") -> str:
    return f'[alerts.siem]\nkind = "webhook"\nurl = "{url}"\n{more}'


def store(desk: Desk, *alerts: Alert) -> None:
    with closing(open_store(None, desk.folder / ".reticent")) as found:
        for one in alerts:
            note = Note("alert", one.id.encode(), msgspec.msgpack.encode(one))
            assert found.write([note])


# test -----------------------------------------------------------------------------------------


def test_a_test_goes_through_every_sink(desk: Desk) -> None:
    with web(Web()) as server:
        desk.add(hook(server.url, 'severity = "high"\n') + FILE)  # a test is graver than any filter
        told = desk.run("alerts", "test", "reticent.toml")
        (got,) = server.got
    assert (told.code, told.err) == (0, "")
    first, second = told.out.splitlines()
    assert first.startswith("siem (webhook): delivered, ")
    assert second.startswith("here (file): delivered, ")
    said = got.json
    assert said["metadata"]["labels"] == ["test"]
    assert "This is a test" in said["message"]
    assert said == json.loads((desk.folder / "alerts.jsonl").read_text()) | {
        name: said[name] for name in ("time", "metadata", "finding_info")
    }
    assert not (desk.folder / ".reticent").exists()  # nothing of it is kept


def test_a_sink_that_fails_is_named_and_the_others_go_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIEM", "hunter2")
    with unused() as port:
        desk.add(hook(f"http://localhost:{port}/hunter3", 'token_env = "SIEM"\n') + FILE)
        told = desk.run("alerts", "test", "reticent.toml")
        assert told.code == 1
        assert "siem (webhook): FAILED: it cannot be reached: Connection refused" in told.out
        assert "here (file): delivered" in told.out
        assert "hunter" not in told.out + told.err
        assert desk.run("alerts", "test", "reticent.toml", "--sink", "here").code == 0
        quiet = desk.run("alerts", "test", "reticent.toml", "--quiet")
        assert (quiet.code, quiet.out) == (1, "")
        lines = desk.run("alerts", "test", "reticent.toml", "--json").out.splitlines()
    first, second = (json.loads(line) for line in lines)
    assert (first["sink"], first["kind"], first["delivered"]) == ("siem", "webhook", False)
    assert (second["delivered"], second["found"]) == (True, "")


def test_an_extra_that_is_missing_is_named(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    desk.add('[alerts.chat]\nkind = "apprise"\ntoken_env = "CHAT"\n')
    told = desk.run("alerts", "test", "reticent.toml")
    assert told.code == 1
    assert 'pip install "reticent[notify]"' in told.out


def test_what_cannot_be_tested(desk: Desk) -> None:
    assert "Add: [alerts.siem]" in desk.refused("alerts", "test", "reticent.toml")
    desk.add(FILE)
    told = desk.refused("alerts", "test", "reticent.toml", "--sink", "hree")
    assert "did you mean 'here'?" in told


# list -----------------------------------------------------------------------------------------


def test_the_newest_alerts_are_listed(desk: Desk) -> None:
    assert desk.run("alerts", "list", "reticent.toml").out == "no alerts.\n"
    assert desk.run("alerts", "list", "reticent.toml", "--json").out == ""
    one = alert(id="a", evidence={"records": 4.0, "count": 3.0})
    other = alert(id="b", role="[bold]x", auditor=True, others=(b"o" * 16,))
    store(desk, one, other)
    told = desk.run("alerts", "list", "reticent.toml")
    assert told.code == 0
    first, reason, second, _ = told.out.splitlines()
    token = CALLER.hex()[:12]
    assert first.split("  ")[:4] == [
        "2027-01-15 08:00",
        "informational",
        "sweep",
        "[bold]x (auditor)",
    ]
    assert first.endswith(f"{token} +1")
    assert second.split() == ["2027-01-15", "08:00", "high", "sweep", "partner", token, "x3"]
    assert reason.strip() == alert().reason
    assert CALLER.hex()[:13] not in told.out
    assert desk.run("alerts", "list", "reticent.toml", "--quiet").out == ""


def test_the_list_as_json_is_whole(desk: Desk) -> None:
    store(desk, *(alert(id=f"{place:03}") for place in range(9)))
    lines = desk.run("alerts", "list", "reticent.toml", "--json", "--most", "4").out.splitlines()
    said: list[dict[str, Any]] = [json.loads(line) for line in lines]
    assert [one["id"] for one in said] == ["008", "007", "006", "005"]
    assert said[0]["caller"] == CALLER.hex()
    assert said[0]["severity"] == "high"
    assert said[0]["promise"] == alert().promise
    assert {"caller", "query", "detector", "reason", "promise"} <= set(said[0])


# The table ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[alerts.siem]\nkind = "webhok"\nurl = "https://x"\n', "did you mean 'webhook'?"),
        (hook("https://x", 'token = "hunter2"\n'), "did you mean 'token_env'?"),
        (hook("http://siem.example.org"), "[alerts.siem] url"),
        (hook("https://ann:hunter2@x/"), "a secret goes to token_file"),
        (hook("https://x", 'severity = "hihg"\n'), "did you mean 'high'?"),
        (hook("https://x", 'roles = ["prtner"]\n'), "did you mean 'partner'?"),
        ('[alerts."a b"]\nkind = "file"\npath = "x"\n', "the name is not plain"),
        ('[alerts.siem]\nurl = "https://x"\n', "it has no kind"),
        ("[alerts]\nsiem = 1\n", "it is a whole number"),
    ],
)
def test_a_table_that_makes_no_sense(desk: Desk, text: str, words: str) -> None:
    desk.add(ROLES + text)
    told = desk.refused("alerts", "list", "reticent.toml")
    assert words in told
    assert "hunter2" not in told

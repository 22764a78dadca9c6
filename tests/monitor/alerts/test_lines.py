"""Syslog and CEF: what arrives, and that no name can end a line, a field or a value."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.alerts.receivers import CALLER, alert, datagrams, secured, stream, unused
from reticent.monitor.alerts import opened, reach
from reticent.monitor.alerts.ocsf import OURS
from reticent.monitor.alerts.sender import Sender, UndeliveredError
from reticent.monitor.alerts.settings import Sink
from reticent.monitor.alerts.sinks import syslog
from reticent.monitor.alerts.sinks.cef import event
from reticent.monitor.alerts.sinks.syslog import MOST_BYTES, line, structured

HEADER = re.compile(
    r"<(\d{1,3})>1 (\S+) ([!-~]{1,255}) reticent (\d+) ([!-~]{1,32}) (.*)", re.DOTALL
)
PAIR = re.compile(r' ([^ ="\]]{1,32})="((?:[^"\\\]]|\\["\\\]])*)"')
ENDS = "\n\r\0\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029\u202e\x1b\x7f"
NASTY = st.text(alphabet=st.sampled_from('ab|=\\"] ' + ENDS) | st.characters(), max_size=30)


def to(address: str, folder: Path, kind: Any = "syslog", **given: Any) -> Sender:
    return opened(Sink(kind=kind, address=address, **given), folder)


def failing(one: Sender) -> str:
    with pytest.raises(UndeliveredError) as caught:
        one.send(alert())
    return caught.value.found


def data_of(text: str) -> tuple[dict[str, str], str]:
    """Read the structured data at the beginning of a text, as RFC 5424 says, and what follows."""
    assert text.startswith("[reticent@32473")
    at, pairs = len("[reticent@32473"), {}
    while found := PAIR.match(text, at):
        pairs[found[1]] = re.sub(r"\\(.)", r"\1", found[2])
        at = found.end()
    assert text[at : at + 2] == "] "
    return pairs, text[at + 2 :]


def cef_of(text: str) -> tuple[list[str], dict[str, str]]:
    """Read CEF: fields between bars that no backslash stands before, then names and values."""
    assert text.startswith("CEF:0|")
    *fields, rest = re.split(r"(?<!\\)(?:\\\\)*\|", text, maxsplit=7)[1:]
    marks = [found for found in re.finditer(r"(?:^| )(\w+)=", rest)
             if rest[found.end() - 2] != "\\"]  # fmt: skip
    ends = [found.start() for found in marks[1:]] + [len(rest)]
    values = {
        found[1]: re.sub(r"\\(.)", r"\1", rest[found.end() : end])
        for found, end in zip(marks, ends, strict=True)
    }
    return fields, values


# What is said ---------------------------------------------------------------------------------


def test_a_line_of_syslog() -> None:
    text = line(alert(), structured(alert()), alert().reason).decode()
    found = HEADER.fullmatch(text)
    assert found is not None
    assert (found[1], found[2], found[5]) == ("83", "2027-01-15T08:00:00.250Z", "sweep")
    pairs, message = data_of(found[6])
    assert pairs["caller"] == CALLER.hex()
    assert (pairs["records"], pairs["query"], pairs["role"]) == ("4", "7", "partner")
    assert message == alert().reason


def test_an_event_of_cef() -> None:
    fields, values = cef_of(event(alert(role="a=b")))
    assert fields == ["reticent", "reticent", OURS, "sweep",
                      "Model inversion of forest by one account: sweep", "8"]  # fmt: skip
    assert values["suid"] == CALLER.hex()
    assert (values["cs1Label"], values["cs1"]) == ("role", "a=b")
    assert values["msg"] == alert().reason
    assert (values["rt"], values["cn1"], values["cnt"]) == ("1800000000250", "7", "1")
    assert "cs1Label" not in cef_of(event(alert(role="")))[1]


@given(NASTY, NASTY, NASTY, NASTY)
@example('r] [forged@1 x="y"', "m\n<0>1 - - - - - - forged", "\\", "a\\")
def test_no_name_forges_a_line_of_syslog(role: str, model: str, detector: str, reason: str) -> None:
    one = alert(role=role, model=model, detector=detector, reason=reason, evidence={detector: 1.0})
    text = line(one, structured(one), one.reason).decode()
    assert len(text.splitlines()) == 1
    found = HEADER.fullmatch(text)
    assert found is not None
    pairs, message = data_of(found[6])
    assert pairs["caller"] == CALLER.hex()
    assert pairs["query"] == "7"
    assert pairs.get("role", "") == syslog.flat(role)
    assert message == syslog.flat(reason)
    assert not set(text) & set(ENDS)


@given(NASTY, NASTY, NASTY, NASTY)
@example("x suid=0", "m|10|", "d\\", "r\\")
@example("x\nCEF:0|a|b|c|d|e|0|", "", "", " suid=")
def test_no_name_forges_an_event_of_cef(role: str, model: str, detector: str, reason: str) -> None:
    one = alert(role=role, model=model, detector=detector, reason=reason)
    text = line(one, "-", event(one)).decode()
    assert len(text.splitlines()) == 1
    assert not set(text) & set(ENDS)
    found = HEADER.fullmatch(text)
    assert found is not None
    fields, values = cef_of(found[6].removeprefix("- "))
    assert len(fields) == 6
    assert fields[5] in ("3", "5", "8", "1")
    assert values["suid"] == CALLER.hex()
    assert values.get("cs1", "") == syslog.flat(role)
    assert values.get("cs2", "") == syslog.flat(model)
    assert values.get("msg", "") == syslog.flat(reason)


def test_a_line_is_cut_between_two_letters() -> None:
    one = alert(reason="ü" * MOST_BYTES)
    text = line(one, "-", one.reason)
    assert MOST_BYTES - 1 <= len(text) <= MOST_BYTES
    text.decode()


# How it travels -------------------------------------------------------------------------------


def test_datagrams(tmp_path: Path) -> None:
    with datagrams() as server:
        to(server.address, tmp_path).send(alert())
        to(server.address, tmp_path, "cef").send(alert(reason="ü" * 5_000))
        first, second = server.wait(2)
        assert HEADER.fullmatch(first.decode())
        assert "CEF:0|reticent|" in second.decode()
        assert 2_047 <= len(second) <= 2_048


def test_a_stream_says_how_long_each_line_is(tmp_path: Path) -> None:
    with stream() as server:
        syslog_to, cef_to = to(server.address, tmp_path), to(server.address, tmp_path, "cef")
        for one in (syslog_to, cef_to, syslog_to):
            one.send(alert())
        for got in server.wait(3):
            size, _, text = got.partition(b" ")
            assert int(size) == len(text)
            assert HEADER.fullmatch(text.decode())
        assert len(server.got) == 3


def test_a_stream_through_tls(tmp_path: Path) -> None:
    with stream(secured(tmp_path)) as server:
        began = time.monotonic()
        to(server.address, tmp_path, ca="ca.pem").send(alert())
        assert time.monotonic() - began < 1  # a server that says goodbye is not waited for
        assert server.wait(1)[0].endswith(alert().reason.encode())
        found = failing(to(server.address, tmp_path))
        assert found == "its certificate is not trusted: self-signed certificate"
    with stream(secured(tmp_path, "elsewhere.example")) as server:
        assert "Hostname mismatch" in failing(to(server.address, tmp_path, ca="ca.pem"))
        assert server.got == []


def test_a_server_that_hangs_up_has_not_taken_it(tmp_path: Path) -> None:
    with stream(reset=True) as server:
        assert "cannot be reached" in failing(to(server.address, tmp_path))
    with unused() as port:
        assert "Connection refused" in failing(to(f"tcp://127.0.0.1:{port}", tmp_path))
    assert failing(to("udp://no.such.host.invalid", tmp_path)) == "its name is not known"


def test_a_server_that_keeps_the_line_open_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    monkeypatch.setattr(reach, "CLOSED", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as own:
        began = time.monotonic()
        to(f"tcp://127.0.0.1:{own.getsockname()[1]}", tmp_path).send(alert())
        assert time.monotonic() - began < 1

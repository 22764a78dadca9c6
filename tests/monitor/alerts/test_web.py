"""Webhooks, Splunk and Alertmanager, against web servers of every kind of manners."""

from __future__ import annotations

import hmac
import json
import re
import ssl
import time
from base64 import b64decode, b64encode
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from monitor.alerts.receivers import CALLER, Web, alert, secured, unused, web
from reticent.monitor.alerts import ocsf, opened, reach
from reticent.monitor.alerts.sender import Sender, UndeliveredError
from reticent.monitor.alerts.settings import Sink
from reticent.monitor.alerts.sinks.alertmanager import STANDS, told

TOKEN = "0a1b2c-hunter2"
PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "alerts.md"


@pytest.fixture
def server() -> Iterator[Web]:
    with web(Web()) as found:
        yield found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project's folder with a secret."""
    (tmp_path / "siem.token").write_text(f" {TOKEN}\n")
    (tmp_path / "siem.token").chmod(0o600)
    return tmp_path


def to(url: str, folder: Path, kind: Any = "webhook", **given: Any) -> Sender:
    return opened(Sink(kind=kind, url=url, **given), folder)


def failing(one: Sender) -> UndeliveredError:
    """An alert that does not arrive; neither the secret nor the answer is told."""
    with pytest.raises(UndeliveredError) as caught:
        one.send(alert())
    assert "hunter2" not in str(caught.value)
    assert "echo" not in str(caught.value)
    assert caught.value.__cause__ is None
    return caught.value


# What arrives ---------------------------------------------------------------------------------


@pytest.mark.parametrize("encoded", [False, True])
def test_a_webhook_is_signed_as_the_standard_says(
    server: Web, folder: Path, encoded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = f"whsec_{b64encode(TOKEN.encode()).decode()}" if encoded else TOKEN
    monkeypatch.setenv("SIEM", secret)
    to(server.url, folder, token_env="SIEM").send(alert())
    (got,) = server.got
    assert (got.path, got.body) == ("/hook", ocsf.encoded(alert()))
    at = got.headers["webhook-timestamp"]
    assert abs(int(at) - time.time()) < 60
    signed = f"{alert().id}.{at}.".encode() + got.body
    version, _, signature = got.headers["webhook-signature"].partition(",")
    assert version == "v1"
    assert b64decode(signature) == hmac.digest(TOKEN.encode(), signed, "sha256")
    assert got.headers["webhook-id"] == alert().id
    assert got.headers["Content-Type"] == "application/json"


def test_a_receiver_checks_it_as_the_page_says(server: Web, folder: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    given: dict[str, Any] = {}
    exec(code, given)
    to(server.url, folder, token_file="siem.token").send(alert())
    (got,) = server.got
    assert given["genuine"](TOKEN.encode(), got.headers, got.body)
    assert not given["genuine"](b"another", got.headers, got.body)
    assert not given["genuine"](TOKEN.encode(), got.headers, got.body + b" ")


def test_a_webhook_without_a_secret_is_not_signed(server: Web, folder: Path) -> None:
    to(server.url, folder).send(alert())
    assert "webhook-signature" not in server.got[0].headers


def test_a_secret_that_changed_counts_at_once(server: Web, folder: Path) -> None:
    splunk = to(server.url, folder, "splunk", token_file="siem.token")
    splunk.send(alert())
    (folder / "siem.token").write_text("newer")
    splunk.send(alert())
    assert [got.headers["Authorization"] for got in server.got] == [
        f"Splunk {TOKEN}", "Splunk newer",
    ]  # fmt: skip


def test_splunk_gets_an_event(server: Web, folder: Path) -> None:
    address = server.url.removesuffix("/hook")
    for url in (address, f"{address}/services/collector/event/1.0"):
        to(url, folder, "splunk", token_file="siem.token").send(alert())
    first, second = server.got
    assert (first.path, second.path) == ("/services/collector/event",
                                         "/services/collector/event/1.0")  # fmt: skip
    assert first.json["time"] == alert().at
    assert first.json["event"] == json.loads(ocsf.encoded(alert()))


def test_alertmanager_gets_an_alert_whose_labels_name_no_caller(server: Web, folder: Path) -> None:
    address = server.url.removesuffix("/hook")
    to(address, folder, "alertmanager").send(alert())
    to(f"{address}/prometheus/", folder, "alertmanager", token_file="siem.token").send(alert())
    first, second = server.got
    assert (first.path, second.path) == ("/api/v2/alerts", "/prometheus/api/v2/alerts")
    assert (first.headers["Authorization"], second.headers["Authorization"]) == (
        None, f"Bearer {TOKEN}",
    )  # fmt: skip
    (said,) = first.json
    assert said["labels"] == {"alertname": "ReticentAlert", "detector": "sweep",
                              "role": "partner", "model": "forest", "severity": "high"}  # fmt: skip
    assert said["annotations"]["caller"] == CALLER.hex()
    assert CALLER.hex()[:8] not in json.dumps(said["labels"])


def test_an_alert_that_comes_late_still_stands_for_an_hour() -> None:
    now = alert().at + 7 * 86_400
    said: dict[str, Any] = told(alert(), now)
    assert datetime.fromisoformat(said["startsAt"]).timestamp() == alert().at
    assert datetime.fromisoformat(said["endsAt"]).timestamp() == now + STANDS
    ahead: dict[str, Any] = told(alert(), alert().at - 86_400)
    assert ahead["startsAt"] < ahead["endsAt"]


# What does not --------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_an_alert_that_is_refused_is_told_apart(server: Web, folder: Path, status: int) -> None:
    server.status = status
    error = failing(to(server.url, folder))
    assert (error.found, error.refused) == (f"it answers {status}", True)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_a_sink_that_answers_no(server: Web, folder: Path, status: int) -> None:
    server.status, server.body = status, f"echo {TOKEN}".encode()
    error = failing(to(server.url, folder, token_file="siem.token"))
    assert (error.found, error.refused, error.wait) == (f"it answers {status}", False, 0)


@pytest.mark.parametrize(("given", "wait"), [("120", 120), ("soon", 0), ("9" * 20, 0), ("-1", 0)])
def test_a_sink_that_asks_to_be_left_alone(
    server: Web, folder: Path, given: str, wait: float
) -> None:
    server.status, server.headers = 429, {"Retry-After": given}
    assert failing(to(server.url, folder)).wait == wait


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(server: Web, folder: Path, status: int) -> None:
    with web(Web()) as elsewhere:
        server.status, server.headers = status, {"Location": elsewhere.url}
        error = failing(to(server.url, folder, token_file="siem.token"))
        assert error.found == f"it answers {status}, a redirect, which is not followed"
        assert elsewhere.got == []


def test_a_body_without_end_is_not_read(server: Web, folder: Path) -> None:
    sent: list[int] = []

    def answer(request: Any) -> None:
        request.send_response(200)
        request.end_headers()
        try:
            for _ in range(10_000):
                request.wfile.write(bytes(65_536))
                sent.append(1)
        except OSError:
            pass

    server.answer = answer
    to(server.url, folder).send(alert())
    time.sleep(0.2)
    assert len(sent) < 1_000


def test_headers_without_end_are_an_error(server: Web, folder: Path) -> None:
    def answer(request: Any) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 1_000)

    server.answer = answer
    assert failing(to(server.url, folder)).found == "what it answers is no HTTP"


@pytest.mark.parametrize("drips", [False, True])
def test_a_sink_that_takes_its_time_is_left(
    server: Web, folder: Path, monkeypatch: pytest.MonkeyPatch, drips: bool
) -> None:
    monkeypatch.setattr(reach, "SECONDS", 0.3)

    def answer(request: Any) -> None:
        for _ in range(20):
            time.sleep(0.1)
            if drips:
                request.wfile.write(b"H")

    server.answer = answer
    began = time.monotonic()
    assert failing(to(server.url, folder)).found == "it did not answer within 0.3 s"
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 abc\r\n\r\n", b""])
def test_what_is_no_web_server(server: Web, folder: Path, said: bytes) -> None:
    server.answer = lambda request: request.wfile.write(said)
    assert failing(to(server.url, folder)).found in (
        "what it answers is no HTTP",
        "it cannot be reached: RemoteDisconnected",
    )


def test_nobody_listens(folder: Path) -> None:
    with unused() as port:
        assert "Connection refused" in failing(to(f"http://127.0.0.1:{port}", folder)).found
    assert failing(to("http://localhost:1", folder)).found.startswith("it cannot be reached")
    assert failing(to("https://no.such.host.invalid", folder)).found == "its name is not known"


# TLS ------------------------------------------------------------------------------------------


def test_a_certificate_has_to_be_trusted(folder: Path) -> None:
    with web(Web(), secured(folder)) as server:
        to(server.url, folder, ca="ca.pem", token_file="siem.token").send(alert())
        assert len(server.got) == 1
        found = failing(to(server.url, folder, token_file="siem.token")).found
        assert found == "its certificate is not trusted: self-signed certificate"
        assert len(server.got) == 1


def test_a_certificate_has_to_be_of_this_server(folder: Path) -> None:
    with web(Web(), secured(folder, "elsewhere.example")) as server:
        found = failing(to(server.url, folder, ca="ca.pem")).found
        assert "Hostname mismatch" in found
        assert server.got == []


def test_tls_is_asked_for_and_not_spoken(server: Web, folder: Path) -> None:
    url = server.url.replace("http:", "https:")
    assert failing(to(url, folder)).found == "it does not speak TLS as expected"


def test_a_missing_file_of_certificates(folder: Path) -> None:
    with web(Web(), secured(folder)) as server:
        found = failing(to(server.url, folder, ca="gone.pem")).found
        assert found == "it cannot be reached: No such file or directory"
        (folder / "empty.pem").write_text("nothing")
        with pytest.raises(UndeliveredError):
            to(server.url, folder, ca="empty.pem").send(alert())
    assert ssl.create_default_context().verify_mode == ssl.CERT_REQUIRED


# Secrets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "mode", "found"),
    [
        (TOKEN, 0o640, "others may read siem.token (mode 0640): chmod 600"),
        (TOKEN, 0o604, "others may read siem.token (mode 0604): chmod 600"),
        ("", 0o600, "siem.token holds no secret"),
        (" \n", 0o600, "siem.token holds no secret"),
        (f"{TOKEN}\x00", 0o600, "the secret in siem.token is no plain text"),
        ("hunter2\xfc", 0o600, "the secret in siem.token is no plain text"),
        (None, 0, "siem.token cannot be read: No such file or directory"),
    ],
)
def test_a_secret_that_is_none(
    server: Web, folder: Path, content: str | None, mode: int, found: str
) -> None:
    path = folder / "siem.token"
    path.unlink()
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    assert failing(to(server.url, folder, token_file="siem.token")).found == found
    assert server.got == []


def test_a_secret_never_leads_to_a_second_header(server: Web, folder: Path) -> None:
    (folder / "siem.token").write_text("hunter2\r\nX-Admin: yes")
    splunk = to(server.url, folder, "splunk", token_file="siem.token")
    assert failing(splunk).found == "the secret in siem.token is no plain text"
    assert server.got == []


def test_a_secret_in_no_variable_and_no_file(
    server: Web, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOWHERE", raising=False)
    assert failing(to(server.url, folder, token_env="NOWHERE")).found == (
        "the variable NOWHERE holds no secret"
    )
    assert "no plain file" in failing(to(server.url, folder, token_file=".")).found
    monkeypatch.setenv("NOWHERE", "whsec_hunter2!")
    assert "is no base64" in failing(to(server.url, folder, token_env="NOWHERE")).found

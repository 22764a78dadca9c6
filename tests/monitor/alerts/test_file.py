"""Alerts in a file, and through Apprise."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from monitor.alerts.receivers import Web, alert, unused, web
from reticent.errors import MissingExtraError
from reticent.monitor.alerts import ocsf, opened
from reticent.monitor.alerts.sender import Sender, UndeliveredError
from reticent.monitor.alerts.settings import Sink


def to(folder: Path, path: str = "alerts.jsonl") -> Sender:
    return opened(Sink(kind="file", path=path), folder)


def failing(one: Sender) -> str:
    with pytest.raises(UndeliveredError) as caught:
        one.send(alert())
    assert "hunter2" not in caught.value.found
    return caught.value.found


def test_one_line_an_alert_that_nobody_else_reads(tmp_path: Path) -> None:
    one, path = to(tmp_path), tmp_path / "alerts.jsonl"
    before = os.umask(0)
    try:
        one.send(alert())
    finally:
        os.umask(before)
    one.send(alert(reason="two\nlines"))
    assert path.stat().st_mode & 0o777 == 0o600
    first, second = path.read_bytes().splitlines()
    assert first == ocsf.encoded(alert())
    assert json.loads(second)["message"] == "two\nlines"


def test_a_file_that_was_rotated_is_made_anew(tmp_path: Path) -> None:
    one, path = to(tmp_path), tmp_path / "alerts.jsonl"
    one.send(alert())
    path.rename(tmp_path / "alerts.1")
    one.send(alert())
    assert len(path.read_bytes().splitlines()) == 1


def test_half_a_line_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, path, write = to(tmp_path), tmp_path / "alerts.jsonl", os.write
    one.send(alert())
    whole = path.read_bytes()
    monkeypatch.setattr(os, "write", lambda opened, text: write(opened, text[:100]))
    assert failing(one) == "it cannot be written: the disk is full"
    assert path.read_bytes() == whole


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    assert failing(to(tmp_path, "gone/x")) == "it cannot be written: No such file or directory"
    assert failing(to(tmp_path, ".")) == "it cannot be written: Is a directory"
    os.mkfifo(tmp_path / "pipe")
    assert os.strerror(errno.ENXIO) in failing(to(tmp_path, "pipe"))  # and does not wait
    with (tmp_path / "alerts.jsonl").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert os.strerror(errno.EAGAIN) in failing(to(tmp_path))


def test_a_pipe_that_somebody_reads(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        to(tmp_path, "pipe").send(alert())
        assert os.read(reader, 65_536) == ocsf.encoded(alert()) + b"\n"
    finally:
        os.close(reader)


# Apprise --------------------------------------------------------------------------------------


@pytest.fixture
def chat(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A sink for addresses that are set as a test goes on."""
    pytest.importorskip("apprise", reason="apprise is not installed")

    def told(addresses: str) -> Sender:
        monkeypatch.setenv("CHAT", addresses)
        return opened(Sink(kind="apprise", token_env="CHAT"), tmp_path)

    return told


@pytest.mark.filterwarnings("ignore::DeprecationWarning:apprise", "ignore:'imghdr'")
def test_apprise_tells_every_address(chat: Any) -> None:
    with web(Web()) as first, web(Web()) as second:
        addresses = "\n".join(one.url.replace("http", "json") for one in (first, second))
        chat(addresses).send(alert())
        for server in (first, second):
            (got,) = server.got
            assert got.json["title"] == ocsf.title(alert())
            assert alert().reason in got.json["message"]
            assert "Caller abababababab, role partner, at its query 7." in got.json["message"]
            assert got.json["type"] == "failure"
        second.status = 500
        assert failing(chat(addresses)) == "Apprise could not deliver it"


@pytest.mark.filterwarnings("ignore::DeprecationWarning:apprise", "ignore:'imghdr'")
def test_apprise_tells_no_address(chat: Any, capfd: pytest.CaptureFixture[str]) -> None:
    with unused() as port:
        assert failing(chat(f"json://ann:hunter2@127.0.0.1:{port}/")).startswith("Apprise could")
    assert failing(chat("nothing://hunter2")) == "an address is none that Apprise knows"
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("apprise").propagate is False


def test_apprise_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(MissingExtraError, match=r'pip install "reticent\[notify\]"'):
        opened(Sink(kind="apprise", token_env="CHAT"), tmp_path)

"""The demo's last step: what it says, what it leaves, and that its child ends with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from gateway.alive import Sites, built, sites
from reticent.cli import demo, held, status
from reticent.cli.demo import LABEL, SENSITIVE, case_of, show_live, survey
from reticent.cli.live import staged
from reticent.cli.sample import live_project, write_project
from reticent.errors import ConfigError

__all__ = ["built", "sites"]

# Where tests run in the background of a shell Ctrl-C is ignored, and children inherit that.
TYPED = """\
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from reticent.cli import main
main()
"""
STAYS = "The gateway and its console are up until Ctrl-C."
ANY_PORT = '[gateway]\nlisten = "127.0.0.1:0"\nadmin_listen = "127.0.0.1:0"\n'
HOLD = """\
import sys, time
from pathlib import Path
from reticent.cli.held import gateway
with gateway(Path(sys.argv[1])) as listening:
    print(listening().url, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("missing", ["uvicorn", "skops"])
def test_without_serve_it_says_what_is_missing(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "lacking", lambda: missing)
    path = None if missing == "skops" else Path("reticent.toml")
    nobody: Any = None
    show_live(path, nobody, nobody, Path(), 0, stay=True, exhibits=())
    told = capsys.readouterr().out
    assert told == f"\nNot attacked live: {missing} is missing, which [serve] installs.\n"


def test_the_served_project_has_no_past(tmp_path: Path) -> None:
    project = tmp_path / "reticent.toml"
    project.write_text('[data]\nmembers = "train.csv"\n[model]\npath = "forest.skops"\n')
    path = live_project(project)
    (path.parent / ".reticent").mkdir()
    (path.parent / ".reticent" / "store.db").write_text("of an earlier run")
    assert live_project(project) == path
    assert not (path.parent / ".reticent").exists()
    text = path.read_text()
    assert '"../train.csv"' in text
    assert '"../forest.skops"' in text
    assert 'durability = "async"' in text
    assert "../" not in project.read_text()


def test_a_gateway_ends_with_its_context_and_with_its_parent(sites: Sites) -> None:
    """Whether it is left in order, by an error, or its parent is killed."""
    site = sites()
    site.add(ANY_PORT)
    parent = subprocess.Popen([sys.executable, "-c", HOLD, str(site.toml)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    with parent.stdout:
        assert parent.stdout.readline().startswith(b"http://127.0.0.1:")
        (child,) = children(parent.pid)
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    assert gone(child)
    found: list[int] = []
    with suppress(ZeroDivisionError), held.gateway(site.toml) as listening:
        listening()
        found += children(os.getpid())
        _ = 1 / 0
    assert len(found) == 1
    assert gone(found[0])


def test_a_gateway_that_cannot_begin_says_why(sites: Sites) -> None:
    site = sites()
    site.add('[gateway]\nlisten = "256.0.0.1:0"\n')
    with held.gateway(site.toml) as listening, pytest.raises(ConfigError, match="not begin") as bad:
        listening()
    assert "listen" in str(bad.value)


def children(parent: int) -> list[int]:
    text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    return [int(one) for one in text.split() if b"reticent.cli.held" in command(int(one))]


def command(process: int) -> bytes:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes()
    except OSError:
        return b""


def gone(process: int, seconds: float = 20.0) -> bool:
    until = time.monotonic() + seconds
    while b"reticent" in command(process) and time.monotonic() < until:
        time.sleep(0.05)
    return b"reticent" not in command(process)


@pytest.mark.slow
def test_the_demo_sees_the_attacker_long_before_it_is_over(tmp_path: Path) -> None:
    """Alarmed within 15 queries; what it would have recovered is far beyond imputation."""
    from reticent.audit.measure import subject

    parts = survey(1)
    case = case_of(parts, 1)
    left = write_project(parts, case.model, LABEL, SENSITIVE, tmp_path / "project")
    assert left is not None
    prepared = case.prepared()
    with staged(live_project(left), prepared, subject(prepared, SENSITIVE, 1), 1) as stage:
        found = stage.attacked()
    assert found.first is not None
    assert found.first.detector == "sweep"
    assert found.first.query < 15
    assert found.false == 0
    assert found.right.mean() > found.imputed.mean() + 0.1
    assert not children(os.getpid())


@pytest.mark.slow
def test_the_whole_demo_tells_the_attack_also_in_its_report_and_stays(tmp_path: Path) -> None:
    """As somebody has it who types it: a terminal's Ctrl-C reaches the gateway as well."""
    typed = [sys.executable, "-c", TYPED, "demo", "--stay"]
    with subprocess.Popen(typed, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True, start_new_session=True) as running:  # fmt: skip
        assert running.stdout is not None
        said = list(takewhile(lambda line: line != f"{STAYS}\n", running.stdout))
        address = one(said, "Watch it: ")
        with urlopen(address, timeout=10) as page:
            assert b"Access key" in page.read()
        (child,) = children(running.pid)
        os.killpg(running.pid, signal.SIGINT)
        rest = running.stdout.read()
    assert running.returncode == 0
    assert "Next:" in rest
    assert gone(child)
    assert one(said, "Alert “sweep” at query ").split()[0] in ("5", "6", "7", "8")
    report = (tmp_path / "reticent-out" / "report.html").read_text("utf-8")
    assert "Attacked while it was watched" in report
    key = one(said, "Log in with: ")
    assert key.startswith("rtc_")
    assert key not in report


def one(said: list[str], begins: str) -> str:
    """The rest of the line that begins so."""
    (line,) = [line for line in said if line.startswith(begins)]
    return line.removeprefix(begins).rstrip()


def test_who_wants_to_stay_wants_to_see_something(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["demo", "--stay", "--quiet"]) == 2
    assert "Leave one of them away" in capsys.readouterr().err

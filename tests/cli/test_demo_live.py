"""The demo's last step: what it says, what it leaves, and that its child ends with it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gateway.alive import Sites, built, sites
from reticent.cli import demo, held
from reticent.cli.demo import LABEL, SENSITIVE, case_of, seen_live, survey
from reticent.cli.live import Caught, attacked
from reticent.cli.sample import live_project, write_project
from reticent.errors import ConfigError
from reticent.event import Alert

__all__ = ["built", "sites"]

ANY_PORT = '[gateway]\nlisten = "127.0.0.1:0"\nadmin_listen = "127.0.0.1:0"\n'
HOLD = """\
import sys, time
from pathlib import Path
from reticent.cli.held import gateway
with gateway(Path(sys.argv[1])) as listening:
    print(listening().url, flush=True)
    time.sleep(600)
"""


def caught(query: int | None) -> Caught:
    first = None
    if query is not None:
        first = Alert(caller=b"a", query=query, detector="sweep", reason="", promise="")
    right = np.array([True, False, True, True])
    return Caught(first, 0, right, np.array([True, False, False, False]), 2)


def test_only_members_whose_values_were_all_asked_count_as_attacked() -> None:
    told = caught(5).text("affairs").splitlines()
    assert len(told) == 3
    assert "query 6 of 8: 3 members attacked, 2 guessed right; 1 without" in told[1]
    assert "query 5 of 8: 2 members attacked, 1 guessed right; 1 without" in caught(4).text("a")
    assert "3 of 4 members (75%); 1 (25%) without the model" in told[2]


def test_silence_and_false_alarms_are_told() -> None:
    assert "No alert within" in caught(None).text("affairs")
    assert "no alert" not in replace(caught(5), false=1).text("affairs").splitlines()[0]


@pytest.mark.parametrize("missing", ["uvicorn", "skops"])
def test_without_serve_it_says_what_is_missing(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "lacking", lambda: missing)
    path = None if missing == "skops" else Path("reticent.toml")
    nobody: Any = None
    told = seen_live(path, nobody, nobody, 0)
    assert told == f"Not attacked live: {missing} is missing, which [serve] installs."


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
    found = attacked(live_project(left), prepared, subject(prepared, SENSITIVE, 1), 1)
    assert found.first is not None
    assert found.first.detector == "sweep"
    assert found.first.query < 15
    assert found.false == 0
    assert found.right.mean() > found.imputed.mean() + 0.1
    assert not children(os.getpid())

"""The help of every command is as it was recorded, and costs nothing.

To record it anew: ``RECORD=1 pytest tests/cli/test_help.py``, or ``python tests/cli/test_help.py``.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

import click
import pytest

from reticent import __version__
from reticent.cli import COMMANDS, group, status

GOLDEN = Path(__file__).parents[1] / "golden"
SECONDS = 0.3  # of CPU time, for the whole process
HEAVY = {"numpy", "sklearn", "scipy", "pandas", "duckdb", "rich", "msgspec.json", "narwhals"}


def pages() -> list[list[str]]:
    """Name every command, the group first."""
    found: list[list[str]] = [[]]
    for name in COMMANDS:
        found.append([name])
        command = group.get_command(click.Context(group), name)
        if isinstance(command, click.Group):
            found += [[name, below] for below in command.commands]
    return found


@pytest.mark.parametrize("command", pages(), ids=" ".join)
def test_help_is_as_recorded(
    command: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert status([*command, "--help"]) == 0
    told = capsys.readouterr().out
    path = GOLDEN / f"{'-'.join(['help', *command])}.txt"
    if os.environ.get("RECORD"):
        path.write_text(told)
    assert told == path.read_text(), "RECORD=1 pytest tests/cli/test_help.py records it anew"


def test_no_page_is_left_over() -> None:
    wanted = {f"{'-'.join(['help', *command])}.txt" for command in pages()}
    assert {path.name for path in GOLDEN.glob("help*.txt")} == wanted


def test_help_imports_nothing_heavy_and_takes_no_time() -> None:
    spent = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        told = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "reticent", "--help"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    imported = {line.rpartition("|")[2].strip() for line in told.stderr.splitlines()}
    assert "click" in imported
    assert not HEAVY & {name.partition(".")[0] for name in imported}
    assert statistics.median(spent) < SECONDS


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["--version"]) == 0
    assert capsys.readouterr().out == f"reticent, version {__version__}\n"


if __name__ == "__main__":
    os.environ["RECORD"] = "1"
    sys.exit(pytest.main([__file__, "-k", "recorded"]))

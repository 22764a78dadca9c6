"""The commands that need no audit, and what all of them share."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import click
import pytest

from desk import AGE, NAME, Desk, people
from reticent.attacks import ATTACKS
from reticent.cli import TRACE, doctor, group, status
from reticent.cli.loaded import domain_line
from reticent.cli.project import key, load_project, quoted
from reticent.cli.shown import progress, writable
from reticent.dataset import Dataset
from reticent.errors import ConfigError, DataError
from reticent.evidence import Check, SelfTest
from reticent.files import read_people


def test_every_attack_is_listed_and_explained(desk: Desk) -> None:
    told = desk.run("attacks", "list", "--json")
    assert [json.loads(line)["name"] for line in told.out.splitlines()] == list(ATTACKS)
    told = desk.run("attacks", "list")
    assert all(name in told.out for name in ATTACKS)
    assert (told.code, told.err) == (0, "")
    for name in ATTACKS:
        told = desk.run("attacks", "show", name)
        assert told.out.startswith(f"{name}: ")
        assert "What finding nothing does not prove" in told.out
        about = json.loads(desk.run("attacks", "show", name, "--json").out)
        assert all(about.values())


def test_the_doctor_looks_and_advises(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    told = desk.run("doctor", "--json")
    assert told.code == 0
    assert {"Python", "numpy", "[serve]", "this folder", "machine"} <= {
        json.loads(line)["what"] for line in told.out.splitlines()
    }
    assert desk.run("doctor", "--quiet").out == ""
    secret = desk.folder / ".reticent" / "secret"
    secret.parent.mkdir()
    secret.write_text("x" * 32)
    secret.chmod(0o644)
    told = desk.run("doctor")
    assert told.code == 1
    assert f"chmod 600 {secret}" in told.out
    monkeypatch.setattr(doctor, "version", missing)
    lacking = {one.what: one for one in doctor.packages()[2:]}
    assert lacking["numpy"].do == "pip install numpy"
    assert lacking["[serve]"].do == 'pip install "reticent[serve]"'
    assert not lacking["[serve]"].required


def missing(name: str) -> str:
    """Find reticent only."""
    if name != "reticent":
        raise PackageNotFoundError(name)
    return "0"


def test_a_short_secret_is_refused(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETICENT_SECRET", "short")
    assert "it has 5 bytes. Use 32 or more" in desk.refused("audit", "reticent.toml")


def test_tables_of_other_commands_are_read(desk: Desk) -> None:
    desk.add(
        "[gateway]\nlisten = '0.0.0.0:1'\ntrusted_proxies = ['10.0.0.1']\nrows_per_day = 5\n"
        "durability = 'async'\n[store]\nurl = 'postgresql://x'\n[risk]\nmax_advantage = 0.5\n"
        "[roles.a]\noutput = 'top_k'\ntop_k = 2\nmarginalize = ['s']\nrows_per_minute = 6\n"
        "cidr = ['10.0.0.0/8']\nabstain = {honest = 0.9}\nnoise = {scale = 0.05}\n"
    )
    project = load_project(desk.folder / "reticent.toml")
    assert project.tables.gateway.trusted_proxies == ("10.0.0.1",)
    assert project.policy.roles["a"].marginalize == ("s",)
    desk.swap("listen = ", "listem = ")
    assert "did you mean 'listen'?" in desk.refused("audit", "reticent.toml")


@pytest.mark.parametrize("error", [ValueError(NAME), KeyError(AGE), RecursionError()])
def test_what_nobody_foresaw_is_told_without_its_words(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def raising(path: Path) -> None:
        raise error

    monkeypatch.setattr("reticent.cli.audit.load_project", raising)
    told = desk.run("audit", "reticent.toml")
    assert told.code == 2
    assert type(error).__name__ in told.err
    assert "test_commands.py:" in told.err
    assert NAME not in told.err
    assert str(AGE) not in told.err
    monkeypatch.setenv(TRACE, "1")
    with pytest.raises(type(error)):
        status(["audit", "reticent.toml"])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied", "x.csv"), "x.csv: Permission denied"),
        (MemoryError(), "there was too little"),
        (KeyboardInterrupt(), "Stopped."),
        (click.exceptions.Abort(), "Stopped."),
    ],
)
def test_what_the_machine_refuses_is_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, error: BaseException, words: str
) -> None:
    def raising(path: Path) -> None:
        raise error

    monkeypatch.setattr("reticent.cli.audit.load_project", raising)
    assert words in desk.refused("audit", "reticent.toml")


def test_the_self_test_is_told_on_standard_output(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for passed in (True, False):
        found = SelfTest(passed, (Check("a case", "leaks", "a leak", passed),))
        monkeypatch.setattr("reticent.cli.audit.self_test", lambda options, found=found: found)
        told = desk.run("audit", "--self-test", "--json")
        assert (told.code, told.err) == (0 if passed else 1, "")
        assert json.loads(told.out)["passed"] is passed
        told = desk.run("audit", "--self-test")
        assert ("can be trusted" in told.out, "can NOT be trusted" in told.out) == (
            passed, not passed
        )  # fmt: skip
        assert desk.run("audit", "--self-test", "--quiet").out == ""


def test_what_a_model_prints_is_no_result(capsys: pytest.CaptureFixture[str]) -> None:
    for quiet, heard in ((False, "noise\n"), (True, "")):
        with progress(quiet):
            print("noise")  # noqa: T201
        assert capsys.readouterr() == ("", heard)


def on_a_terminal(typed: list[str], **more: str) -> str:
    """Run a command whose three streams are a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "reticent", *typed], stdin=theirs, stdout=theirs, stderr=theirs,
        env={"TERM": "xterm-256color", "COLUMNS": "90", "PATH": os.environ["PATH"], **more},
    ) as run:  # fmt: skip
        os.close(theirs)
        told = b""
        try:
            while part := os.read(ours, 65536):
                told += part
        except OSError:  # how a terminal ends
            pass
        os.close(ours)
    assert run.returncode == 0
    return told.decode()


def test_no_color_is_honoured_on_a_terminal() -> None:
    assert "\x1b[" in on_a_terminal(["attacks", "list"])
    assert "\x1b" not in on_a_terminal(["attacks", "list"], NO_COLOR="1")


def test_an_output_folder_is_tried_and_left_alone(tmp_path: Path) -> None:
    writable(tmp_path / "new" / "deep", "report.html")
    assert not list(tmp_path.iterdir())
    (tmp_path / "report.html").mkdir()
    with pytest.raises(ConfigError, match="is a folder"):
        writable(tmp_path, "report.html")


def test_words_are_written_as_toml_reads_them() -> None:
    import tomllib

    for name in ("plain", "two words", 'a "quote"', "ünï", "a.b", "line\nbreak", "\x7f", "\\"):
        assert tomllib.loads(f"{key(name)} = {quoted(name)}") == {name: name}


def test_the_line_for_a_domain_names_no_value() -> None:
    rows = Dataset.of(people(1))
    assert domain_line("name", rows) == 'name = {values = ["ONE", "OTHER"], public = true}'
    assert domain_line("age", rows) == "age = {bins = [LOWEST, ..., HIGHEST], public = true}"
    assert domain_line("s", rows) == "s = {values = [ONE, OTHER], public = true}"


@pytest.mark.parametrize(
    ("head", "passes"),
    [
        ("a,b,c", True), ("0,1,2", True), ("1;2;3", True), ("x1,2", False), ("0,2,1", False),
        ("a,A", False), ('"a,b",c', True), ("a,b,", False), ("3.5,a", False), ("inf,nan", True),
    ],
)  # fmt: skip
def test_headers(tmp_path: Path, head: str, passes: bool) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"{head}\n" + head.replace(",", "x,").replace(";", "x;") + "x\n")
    if passes:
        assert len(read_people(path)) == 1
    else:
        with pytest.raises(DataError, match="the header of"):
            read_people(path)


def test_every_command_has_its_file() -> None:
    context = click.Context(group, help_option_names=["-h", "--help"])
    for name in group.list_commands(context):
        assert isinstance(group.get_command(context, name), click.Command)
    assert group.get_command(context, "nothing") is None

"""A desk for tests of the command line: a folder with people, a model and a project file.

Two marks stand for what must never be told: every name, and the age of one member.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier

from reticent.cli import status
from reticent.evidence import Evidence, load

NAME, AGE = "Xanthippe", 87654321
INPUTS = ["age", "educ", "s"]
QUICK = ("--attacks", "imputation_likelihood", "--no-canaries")
TOML = """\
[data]
members = "members.csv"
others = "others.csv"
auxiliary = "public.csv"
[columns]
name = "identifier"
y = "label"
s = "sensitive"
[domains]
s = {values = [0, 1], public = true}
[model]
path = "model.skops"
"""


def people(seed: int, n: int = 40) -> pd.DataFrame:
    """Two traits, a secret, and an answer that age and the secret explain."""
    rng = np.random.default_rng([seed, 5])
    frame = pd.DataFrame({"name": [f"{NAME}{place}" for place in range(n)]})
    frame["age"] = rng.integers(18, 90, n)
    frame["educ"] = rng.integers(1, 6, n)
    frame["s"] = rng.integers(2, size=n)
    frame["y"] = ((frame["age"] > 50) ^ (frame["s"] == 1)).astype(int)
    if seed == 1:
        frame.loc[0, "age"] = AGE
    return frame


def tree(rows: pd.DataFrame, columns: list[str] | None = None) -> DecisionTreeClassifier:
    """Grow a tree on the members."""
    return DecisionTreeClassifier(random_state=0).fit(rows[columns or INPUTS], rows["y"])


@functools.cache
def saved_tree() -> bytes:
    """The tree as a skops file; it has all its columns' names."""
    from skops import io

    return bytes(io.dumps(tree(people(1))))


@dataclass(frozen=True, slots=True)
class Told:
    """What a command said: its exit status, standard output and standard error."""

    code: int
    out: str
    err: str


class Desk:
    """The folder that commands run in."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capture = folder, capture
        for name, seed in (("members", 1), ("others", 2), ("public", 3)):
            self.table(name, people(seed))
        (folder / "model.skops").write_bytes(saved_tree())
        self.toml(TOML)

    def table(self, name: str, frame: pd.DataFrame) -> None:
        """Write one of the tables."""
        frame.to_csv(self.folder / f"{name}.csv", index=False)

    def tables(self, **columns: Any) -> None:
        """Write all tables with columns added or replaced."""
        for name, seed in (("members", 1), ("others", 2), ("public", 3)):
            self.table(name, people(seed).assign(**columns))

    def toml(self, text: str) -> None:
        """Write the project file."""
        (self.folder / "reticent.toml").write_text(text)

    def swap(self, old: str, new: str) -> None:
        """Change a part of the project file."""
        path = self.folder / "reticent.toml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    def add(self, text: str) -> None:
        """Add lines at the end of the project file."""
        self.toml((self.folder / "reticent.toml").read_text() + text)

    def run(self, *typed: str) -> Told:
        """Run a command in this process."""
        self._capture.readouterr()
        code = status(list(typed))
        return Told(code, *self._capture.readouterr())

    def audit(self, *typed: str) -> Told:
        """Run a quick audit that must come to an end; nobody is named in what it says."""
        told = self.run("audit", "reticent.toml", *QUICK, *typed)
        assert told.code in (0, 1), told.err
        discreet(told)
        assert not self.left_over()
        return told

    def evidence(self) -> Evidence:
        """Read what the audit left."""
        return load(self.folder / "reticent-out" / "evidence.json")

    def refused(self, *typed: str) -> str:
        """Run a command that must be refused, leaving nothing behind; return its message."""
        before = self.listing()
        told = self.run(*typed)
        assert (told.code, told.out) == (2, ""), told
        assert told.err.lstrip("\n").startswith("reticent: ")
        assert "that it does not know" not in told.err
        discreet(told)
        assert self.listing() == before
        return told.err

    def listing(self) -> list[Path]:
        """Name everything in the folder."""
        return sorted(self.folder.rglob("*"))

    def left_over(self) -> list[Path]:
        """Name the temporary files."""
        return [path for path in self.listing() if path.name.startswith(".")]


def discreet(told: Told) -> None:
    """Check that no mark was told."""
    for mark in (NAME, str(AGE), f"{AGE:,}"):
        assert mark not in told.out + told.err


@pytest.fixture
def desk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desk:
    """A folder to run commands in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    return Desk(tmp_path, capsys)

"""A measured table: as markdown with its origin, written between two marks of a page."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
ALWAYS = ("reticent", "numpy", "scikit-learn")


class CannotRunError(Exception):
    """A benchmark lacks what it needs; the message says what, and how to get it."""


@dataclass(frozen=True, slots=True)
class Table:
    """What one benchmark measured.

    Attributes
    ----------
    head : the columns' names. rows : the cells, as text. notes : sentences below the table.
    versions : of other software that took part, such as ``"art 1.20.1"``.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    versions: Sequence[str] = ()

    def markdown(self) -> str:
        """Lay the table out, its notes below."""
        lines = [_line(self.head), _line(["---"] * len(self.head)), *map(_line, self.rows)]
        for note in self.notes:
            lines += ["", note]
        return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def origin(name: str, table: Table, minutes: float) -> str:
    """Say when, where, with what and by which command a table was made."""
    software = [f"Python {platform.python_version()}"]
    software += [f"{one} {version(one)}" for one in ALWAYS] + list(table.versions)
    day = datetime.now(UTC).date().isoformat()
    machine = f"{os.cpu_count()} cores, {platform.machine()}"
    took = f"{minutes:.1f} min of CPU time"
    command = f"`python -m benchmarks.run {name}`"
    return f"*{' · '.join([command, day, machine, ', '.join(software), took])}*"


def write(page: Path, name: str, text: str) -> None:
    """Put a benchmark's text between its marks; the rest of the page stays as it is.

    Raises
    ------
    CannotRunError : the page has no marks of that name.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    before = page.read_text(encoding="utf-8")
    marked = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not marked.search(before):
        raise CannotRunError(f"{page.name} has no lines {begin} and {end}: add both")
    after = marked.sub(lambda _: f"{begin}\n{text}\n{end}", before)
    page.write_text(after, encoding="utf-8")


def spread(values: Sequence[float], digits: int = 2) -> str:
    """The median of some repetitions, with the lowest and the highest behind it."""
    found = np.array([value for value in values if not np.isnan(value)])
    if not len(found):
        return "-"
    middle, low, high = (plain(float(f(found)), digits) for f in (np.median, np.min, np.max))
    return middle if len(found) == 1 else f"{middle} ({low} to {high})"


def plain(value: float, digits: int = 2) -> str:
    """A number without the zero before its point; no minus before a zero."""
    text = f"{value:.{digits}f}".replace("-0.", "-.").removeprefix("0")
    return text[1:] if text.startswith("-.") and not text.strip("-.0") else text

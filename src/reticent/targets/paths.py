"""Where in a JSON answer something stands: ``predictions[].scores``, ``[0]["a.b"].label``.

Names are joined by dots, or stand in quotes inside brackets; ``[2]`` is a place in a list. The
first ``[]`` is the list that has one entry a row; a later one takes all entries of a list.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reticent.errors import ConfigError

STEP = re.compile(r'\.?(?P<name>[^.\[\]"\s]+)|\[(?P<place>-?\d*)\]|\["(?P<quoted>[^"]+)"\]')
EACH = None  # the step of ``[]``
Step = str | int | None


class LostError(Exception):
    """Something that is not where a path says; its text holds no value of the answer."""


@dataclass(frozen=True, slots=True)
class Path:
    """A way through a JSON document.

    Attributes
    ----------
    steps : a name, a place, or ``EACH``.
    """

    text: str
    steps: tuple[Step, ...]

    @property
    def of_rows(self) -> bool:
        """Whether it tells where the rows are."""
        return EACH in self.steps

    def find(self, document: Any, n: int) -> list[Any]:
        """Find what an answer to n rows tells of each: n entries, lists where ``[]`` comes again.

        Raises
        ------
        LostError : there is nothing, something of another kind, or another number of rows.
        """
        if not self.of_rows:
            if n != 1:
                raise LostError(f"{self.text} names one answer where {n} rows were asked")
            return [_walked(document, self.steps, "")]
        cut = self.steps.index(EACH)
        at = written(self.steps[:cut])
        rows = _walked(document, self.steps[:cut], "")
        if not isinstance(rows, list):
            raise LostError(f"{_place(at)} is {_kind(rows)}, not a list of rows")
        if len(rows) != n:
            raise LostError(f"{_place(at)} has {len(rows)} entries for {n} rows")
        rest = self.steps[cut + 1 :]
        return [_walked(one, rest, f"{at}[{place}]") for place, one in enumerate(rows)]


def parse(text: str, where: str) -> Path:
    """Read a path.

    Raises
    ------
    ConfigError : it cannot be read.
    """
    steps: list[Step] = []
    at = 0
    while at < len(text):
        step = STEP.match(text, at)
        if step is None:
            raise ConfigError(
                f"{where} = {text!r}", f"it cannot be read from character {at + 1} on",
                "Write it like: predictions[].probabilities",
            )  # fmt: skip
        name = step["name"] or step["quoted"]
        steps.append(name if name else int(step["place"]) if step["place"] else EACH)
        at = step.end()
    return Path(text, tuple(steps))


def written(steps: Sequence[Step]) -> str:
    """Write steps as a path."""
    text = ""
    for step in steps:
        if isinstance(step, str):
            plain = STEP.fullmatch(step)
            bare = plain is not None and plain["name"] == step
            text += f'["{step}"]' if not bare else f".{step}" if text else step
        else:
            text += "[]" if step is EACH else f"[{step}]"
    return text


def _walked(found: Any, steps: Sequence[Step], at: str) -> Any:
    for place, step in enumerate(steps):
        if step is EACH:
            if not isinstance(found, list):
                raise LostError(f"{_place(at)} is {_kind(found)}, not a list")
            rest = steps[place + 1 :]
            return [_walked(one, rest, f"{at}[{n}]") for n, one in enumerate(found)]
        if isinstance(step, int):
            if not isinstance(found, list) or not -len(found) <= step < len(found):
                raise LostError(f"{_place(at)} is {_kind(found)}, which has no entry {step}")
        elif not isinstance(found, dict) or step not in found:
            raise LostError(f"{_place(at)} is {_kind(found)}, which has no {step!r}")
        found = found[step]
        at += f"[{step}]" if isinstance(step, int) else f".{step}" if at else step
    return found


def _place(at: str) -> str:
    return at or "the answer"


def _kind(found: Any) -> str:
    """Name a kind of JSON value; names of objects may be somebody's and are not told."""
    if isinstance(found, dict):
        return f"an object of {len(found)} name{'s' * (len(found) != 1)}"
    if isinstance(found, list):
        return f"a list of {len(found)}"
    kinds = {str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(found), "a number")

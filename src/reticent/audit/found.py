"""What a family of attacks found in a case."""

from __future__ import annotations

from dataclasses import dataclass

from reticent.audit.score import Contrast
from reticent.evidence import NotRun


@dataclass(frozen=True, slots=True)
class Found:
    """The result of one family.

    Attributes
    ----------
    contrasts : one of each attack in each view, not yet judged. not_run : what could not be run
    anywhere, and why. notes : what the reader must know.
    """

    contrasts: list[Contrast]
    not_run: tuple[NotRun, ...] = ()
    notes: tuple[str, ...] = ()

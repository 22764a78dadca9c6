"""Who looks at every query on its way: detectors behind one protocol."""

from __future__ import annotations

from collections import OrderedDict
from typing import Protocol

from reticent.dataset import Dataset
from reticent.event import Alert, QueryEvent

CALLERS = 100_000  # remembered at most; the longest silent one is dropped


class Detector(Protocol):
    """Looks at one query after the other.

    Attributes
    ----------
    name : as in alerts.
    """

    name: str

    def observe(self, event: QueryEvent, rows: Dataset | None) -> Alert | None:
        """Look at one event; the rows, where there were any, are in memory only and not kept."""
        ...


class Counting:
    """Counts each caller's queries and refusals, and raises no alert.

    A count alone tells little of an attack: budgets limit it, and detectors that look at what is
    asked see more.
    """

    name = "counting"

    def __init__(self) -> None:
        self.asked: OrderedDict[bytes, list[int]] = OrderedDict()

    def observe(self, event: QueryEvent, rows: Dataset | None) -> Alert | None:  # noqa: ARG002
        """Count one event."""
        counts = self.asked.get(event.principal)
        if counts is None:
            counts = self.asked[event.principal] = [0, 0]
            if len(self.asked) > CALLERS:
                self.asked.popitem(last=False)
        else:
            self.asked.move_to_end(event.principal)
        counts[0] += event.rows
        counts[1] += event.rows - event.answered
        return None

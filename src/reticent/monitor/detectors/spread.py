"""Rows in a narrow place: steps of a gradient, an evolution strategy or a walk along a label."""

from __future__ import annotations

from typing import ClassVar

from reticent.monitor.detectors.detector import Promise, Query
from reticent.monitor.promise import Drift, ratios
from reticent.monitor.reference import SEVERAL

USUAL, SUSPICIOUS = 0.25, 0.8  # shares of rows in a crowd
ENOUGH = 10.0  # nats
MISS, HIT = ratios(USUAL, SUSPICIOUS)


class Spread:
    """Evidence that a caller's rows crowd in one place, as an optimizer's do.

    Optimizers change all numbers a little at once, or one by next to nothing; people who explore
    change a few columns by what matters.
    """

    name: ClassVar[str] = "spread"
    promise: ClassVar[Promise] = "session"
    source: ClassVar[str] = "stateful detection: Chen et al. 2020 (doi:10.1145/3385003.3410925)"
    sees: ClassVar[str] = "reconstruction by gradients, evolution strategies and label walks"
    blind: ClassVar[str] = "steps as large as the distance between people"

    __slots__ = ("drift", "hits", "rows")

    def __init__(self) -> None:
        self.drift = Drift()
        self.hits = self.rows = 0

    def observe(self, query: Query) -> None:
        """Add one row that is no exact repeat."""
        if query.sight.repeat:
            return
        hit = query.sight.close >= SEVERAL
        self.rows += 1
        self.hits += hit
        self.drift.add(HIT if hit else MISS)

    @property
    def evidence(self) -> float:
        """In units of what is enough."""
        return self.drift.level / ENOUGH

    @property
    def peak(self) -> float:
        """The largest evidence so far."""
        return self.drift.best / ENOUGH

    def reason(self) -> str:
        """What was seen, in words."""
        return f"{self.hits} of {self.rows} different rows crowd in places narrower than people are"

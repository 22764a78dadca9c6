"""Values that no form offers: an age of 31.47 where everybody else's is whole."""

from __future__ import annotations

from typing import ClassVar

from reticent.monitor.detectors.detector import Promise, Query
from reticent.monitor.promise import Drift, ratios

USUAL, SUSPICIOUS = 0.3, 0.9
ENOUGH = 9.0  # nats
MISS, HIT = ratios(USUAL, SUSPICIOUS)


class Grid:
    """Evidence that columns of few values take ever new ones.

    As many new values as the column has are free: a population that has moved has no more.
    """

    name: ClassVar[str] = "grid"
    promise: ClassVar[Promise] = "session"
    source: ClassVar[str] = "reticent"
    sees: ClassVar[str] = "optimized or noisy rows in tables whose numbers take few values"
    blind: ClassVar[str] = "rows rounded to what occurs; tables of continuous numbers"

    __slots__ = ("drift", "hits", "rows")

    def __init__(self) -> None:
        self.drift = Drift()
        self.hits = self.rows = 0

    def observe(self, query: Query) -> None:
        """Add one row that is no exact repeat."""
        if query.sight.repeat:
            return
        hit = query.sight.offgrid
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
        return f"{self.hits} of {self.rows} different rows hold values that no honest person has"

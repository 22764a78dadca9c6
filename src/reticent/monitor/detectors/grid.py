"""Values that no form offers: an age of 31.47 where everybody else's is whole."""

from __future__ import annotations

from typing import ClassVar

from reticent.monitor.detectors.detector import Drifting, Query
from reticent.monitor.promise import ratios

USUAL, SUSPICIOUS = 0.3, 0.9
MISS, HIT = ratios(USUAL, SUSPICIOUS)


class Grid(Drifting):
    """Evidence that columns of few values take ever new ones.

    As many new values as the column has are free: a population that has moved has no more.
    """

    name: ClassVar[str] = "grid"
    enough: ClassVar[float] = 9.0
    source: ClassVar[str] = "reticent"
    sees: ClassVar[str] = "optimized or noisy rows in tables whose numbers take few values"
    blind: ClassVar[str] = "rows rounded to what occurs; tables of continuous numbers"

    __slots__ = ()

    def observe(self, query: Query) -> None:
        """Add one row that is no exact repeat."""
        if query.sight.repeat:
            return
        hit = query.sight.offgrid
        self.add(hit, HIT if hit else MISS)

    def reason(self) -> str:
        """What was seen, in words."""
        return f"{self.hits} of {self.rows} different rows hold values that no honest person has"

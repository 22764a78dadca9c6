"""Rows in a narrow place: steps of a gradient, an evolution strategy or a walk along a label."""

from __future__ import annotations

from typing import ClassVar

from reticent.monitor.detectors.detector import Drifting, Query
from reticent.monitor.promise import ratios
from reticent.monitor.reference import SEVERAL

USUAL, SUSPICIOUS = 0.25, 0.8  # shares of rows in a crowd
MISS, HIT = ratios(USUAL, SUSPICIOUS)


class Spread(Drifting):
    """Evidence that a caller's rows crowd in one place, as an optimizer's do.

    Optimizers change all numbers a little at once, or one by next to nothing; people who explore
    change a few columns by what matters.
    """

    name: ClassVar[str] = "spread"
    source: ClassVar[str] = "stateful detection: Chen et al. 2020 (doi:10.1145/3385003.3410925)"
    sees: ClassVar[str] = "reconstruction by gradients, evolution strategies and label walks"
    blind: ClassVar[str] = "steps as large as the distance between people"

    __slots__ = ()

    def observe(self, query: Query) -> None:
        """Add one row that is no exact repeat."""
        if query.sight.repeat:
            return
        hit = query.sight.close >= SEVERAL
        self.add(hit, HIT if hit else MISS)

    def reason(self) -> str:
        """What was seen, in words."""
        return f"{self.hits} of {self.rows} different rows crowd in places narrower than people are"

"""Rows that no honest person has: noise, averages, and what an optimizer makes of them."""

from __future__ import annotations

from typing import ClassVar

from reticent.monitor.detectors.detector import Drifting, Query
from reticent.monitor.promise import ratios

USUAL, SUSPICIOUS = 0.5, 0.95
MISS, HIT = ratios(USUAL, SUSPICIOUS)


class Manifold(Drifting):
    """Evidence that most rows of a caller lie farther out, or nearer the middle, than people do.

    The null leaves half of the rows to populations that have drifted.
    """

    name: ClassVar[str] = "manifold"
    source: ClassVar[str] = (
        "Mahalanobis 1936; Ledoit and Wolf 2004 (doi:10.1016/S0047-259X(03)00096-4)"
    )
    sees: ClassVar[str] = "synthetic inputs: noise, averages, optimized rows"
    blind: ClassVar[str] = "inputs drawn from real people; tables with fewer than eight numbers"

    __slots__ = ()

    def observe(self, query: Query) -> None:
        """Add one row that is no earlier one with some cells changed."""
        if query.sight.repeat or query.sight.kin:
            return
        hit = query.outside
        self.add(hit, HIT if hit else MISS)

    def reason(self) -> str:
        """What was seen, in words."""
        return f"{self.hits} of {self.rows} different rows lie where hardly any honest person does"

"""Rows that no honest person has: noise, averages, and what an optimizer makes of them."""

from __future__ import annotations

from typing import ClassVar

from reticent.monitor.detectors.detector import Promise, Query
from reticent.monitor.promise import Drift, ratios

USUAL, SUSPICIOUS = 0.5, 0.95
ENOUGH = 10.0  # nats
MISS, HIT = ratios(USUAL, SUSPICIOUS)


class Manifold:
    """Evidence that most rows of a caller lie farther out, or nearer the middle, than people do.

    The null leaves a third of the rows to populations that have drifted.
    """

    name: ClassVar[str] = "manifold"
    promise: ClassVar[Promise] = "session"
    source: ClassVar[str] = (
        "Mahalanobis 1936; Ledoit and Wolf 2004 (doi:10.1016/S0047-259X(03)00096-4)"
    )
    sees: ClassVar[str] = "synthetic inputs: noise, averages, optimized rows"
    blind: ClassVar[str] = "inputs drawn from real people; tables with fewer than eight numbers"

    __slots__ = ("drift", "hits", "rows")

    def __init__(self) -> None:
        self.drift = Drift()
        self.hits = self.rows = 0

    def observe(self, query: Query) -> None:
        """Add one row that is no earlier one with some cells changed."""
        if query.sight.repeat or query.sight.kin:
            return
        hit = query.outside
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
        return f"{self.hits} of {self.rows} different rows lie where hardly any honest person does"

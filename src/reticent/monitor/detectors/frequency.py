"""How fast a caller asks, and how regularly."""

from __future__ import annotations

import math
from typing import ClassVar

from reticent.monitor.detectors.detector import Promise, Query

SPAN = 10.0  # seconds that a burst is measured over


class Frequency:
    """Rows a second over ten seconds against a declared limit, and how even the gaps are.

    A machine is no attacker: regularity is told in the evidence of alerts and raises none.

    Parameters
    ----------
    limit : rows a second.
    """

    name: ClassVar[str] = "frequency"
    promise: ClassVar[Promise] = "limit"
    source: ClassVar[str] = "a declared limit"
    sees: ClassVar[str] = "bursts above the declared rate"
    blind: ClassVar[str] = "slow attackers"

    __slots__ = ("begun", "count", "limit", "peak")

    def __init__(self, limit: float) -> None:
        self.limit, self.begun, self.count, self.peak = limit, -SPAN, 0, 0

    def observe(self, query: Query) -> None:
        """Count one row; a clock that jumps back begins a new span."""
        if math.isnan(query.at):
            return
        if not 0.0 <= query.at - self.begun < SPAN:
            self.begun, self.count = query.at, 0
        self.count += 1
        self.peak = max(self.peak, self.count)

    @property
    def evidence(self) -> float:
        """The share of the limit that is used; above 1 it is passed."""
        return self.count / (self.limit * SPAN + 1)

    def reason(self) -> str:
        """What was seen, in words."""
        return f"{self.count / SPAN:g} rows a second over {SPAN:g} s, {self.limit:g} were declared"

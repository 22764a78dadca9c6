"""Confidence that rises from step to step: somebody is looking for what the model is sure of."""

from __future__ import annotations

import math
from typing import ClassVar

from reticent.monitor.detectors.detector import Drifting, Query

SUSPICIOUS = 0.3  # share of steps that set a record
FEWEST = 2  # rows about the same person before it


class Climb(Drifting):
    """Evidence that rows about one person set records of confidence more often than by chance.

    Of k + 1 rows in no particular order the last is the most confident with probability at most
    1 / (k + 1), whatever the model is (Renyi 1962).
    """

    name: ClassVar[str] = "climb"
    source: ClassVar[str] = "records in exchangeable sequences (Renyi 1962)"
    sees: ClassVar[str] = "hill climbing on a score"
    blind: ClassVar[str] = "roles that see labels only; strategies that rarely improve"

    __slots__ = ()

    def observe(self, query: Query) -> None:
        """Add one row about a person asked several times before."""
        sight = query.sight
        if sight.repeat or sight.around < FEWEST:
            return
        usual = 1.0 / (sight.around + 1)
        suspicious = max(SUSPICIOUS, usual)
        hit, miss = suspicious / usual, (1 - suspicious) / (1 - usual)
        self.add(sight.climbs, math.log(hit if sight.climbs else miss))

    def reason(self) -> str:
        """What was seen, in words."""
        return f"{self.hits} of {self.rows} steps about the same people raised the confidence"

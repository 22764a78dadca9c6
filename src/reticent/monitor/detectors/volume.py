"""How much a caller asks. A budget, and called so: it knows nothing of intent."""

from __future__ import annotations

import math
from typing import ClassVar

from reticent.monitor.detectors.detector import Promise, Query

HOUR = 3600.0


class Volume:
    """Rows in the current hour against a declared limit.

    Parameters
    ----------
    limit : rows an hour.
    """

    name: ClassVar[str] = "volume"
    promise: ClassVar[Promise] = "limit"
    source: ClassVar[str] = "a budget"
    sees: ClassVar[str] = "more rows in an hour than were declared"
    blind: ClassVar[str] = "everything below the limit, attack or not"

    __slots__ = ("count", "hour", "limit")

    def __init__(self, limit: int) -> None:
        self.limit, self.hour, self.count = limit, -1, 0

    def observe(self, query: Query) -> None:
        """Count one row; a clock that jumps back counts into the hour that runs."""
        if math.isnan(query.at):
            return
        hour = int(query.at // HOUR)
        if hour > self.hour:
            self.hour, self.count = hour, 0
        self.count += 1

    @property
    def evidence(self) -> float:
        """The share of the limit that is used; above 1 it is passed."""
        return self.count / (self.limit + 1)

    def reason(self) -> str:
        """What was seen, in words."""
        return f"{self.count} rows in one hour, {self.limit} were declared"

"""From where a caller asks: one key used from many networks has been passed on."""

from __future__ import annotations

from typing import ClassVar

from reticent.monitor.detectors.detector import Promise, Query

DAY = 86_400.0


class Source:
    """Networks of the current day against a declared limit; networks are keyed prefixes.

    Parameters
    ----------
    limit : networks a day.
    """

    name: ClassVar[str] = "source"
    promise: ClassVar[Promise] = "limit"
    source: ClassVar[str] = "a declared limit"
    sees: ClassVar[str] = "one key from more networks than were declared"
    blind: ClassVar[str] = "a stolen key used from the owner's own network"

    __slots__ = ("day", "limit", "seen")

    def __init__(self, limit: int) -> None:
        self.limit, self.day = limit, -1
        self.seen: set[bytes] = set()

    def observe(self, query: Query) -> None:
        """Count one network."""
        day = int(query.at // DAY)
        if day > self.day:
            self.day, self.seen = day, set()
        if query.source and len(self.seen) <= self.limit:
            self.seen.add(query.source)

    @property
    def evidence(self) -> float:
        """The share of the limit that is used; above 1 it is passed."""
        return len(self.seen) / (self.limit + 1)

    def reason(self) -> str:
        """What was seen, in words."""
        return f"more than {self.limit} networks in one day, {self.limit} were declared"

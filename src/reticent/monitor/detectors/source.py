"""From where callers ask: one key from many networks, or many keys from one network."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import ClassVar

from reticent.monitor.detectors.detector import Promise, Query

DAY = 86_400.0
NETWORKS = 10_000  # whose callers are counted; the longest silent one is dropped


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
        if math.isnan(query.at):
            return
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


class Crowd:
    """Callers of one network in the current day against a declared limit: a farm of accounts.

    Parameters
    ----------
    limit : callers a day.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._seen: OrderedDict[bytes, tuple[int, set[bytes]]] = OrderedDict()

    def passed(self, network: bytes, caller: bytes, at: float) -> bool:
        """Count a caller: whether this one is the first beyond the limit."""
        day = int(at // DAY)
        known, callers = self._seen.pop(network, (day, set[bytes]()))
        if day > known:
            known, callers = day, set()
        before = len(callers)
        if before <= self.limit:
            callers.add(caller)
        self._seen[network] = known, callers
        if len(self._seen) > NETWORKS:
            self._seen.popitem(last=False)
        return before <= self.limit < len(callers)

    def reason(self) -> str:
        """What was seen, in words."""
        return f"more than {self.limit} callers from one network in a day, so many were declared"

"""Refused more often than honest callers are: the sign of probing a model that abstains."""

from __future__ import annotations

from typing import ClassVar

from reticent.monitor.detectors.detector import Promise, Query
from reticent.monitor.promise import Bets

STAKES = (0.7, 0.8, 0.9, 0.97)


class Refusals:
    """Bets that a caller is refused more often than allowed.

    Only refusals by the contract count (it abstained), and the same row asked again counts once.

    Parameters
    ----------
    allowed : share of an honest caller's queries that may be refused. burst : so many besides.
    """

    name: ClassVar[str] = "refusals"
    promise: ClassVar[Promise] = "contract"
    source: ClassVar[str] = "reticent; probes of a face model are refused 94-99 % of the time"
    sees: ClassVar[str] = "inputs that look like nothing the model was made for"
    blind: ClassVar[str] = "inputs that pass the gate; roles whose contract does not abstain"

    __slots__ = ("allowed", "bets", "burst", "hits", "rows")

    def __init__(self, allowed: float, burst: int) -> None:
        self.allowed, self.burst, self.bets = allowed, burst, Bets(STAKES)
        self.hits = self.rows = 0

    def observe(self, query: Query) -> None:
        """Bet on one query that is no exact repeat."""
        if query.sight.repeat:
            return
        self.rows += 1
        self.hits += query.refused
        if not query.refused or self.hits > self.burst:
            self.bets.bet(query.refused, self.allowed)

    @property
    def evidence(self) -> float:
        """The e-value."""
        return self.bets.value

    def reason(self) -> str:
        """What was seen, in words."""
        return f"{self.hits} of {self.rows} different queries were refused by the contract"

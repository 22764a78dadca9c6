"""Refused more often than honest callers are: the sign of probing a model that abstains."""

from __future__ import annotations

from typing import ClassVar

from reticent.monitor.detectors.detector import Betting, Query

STAKES = (0.7, 0.8, 0.9, 0.97)


class Refusals(Betting):
    """Bets that a caller is refused more often than allowed.

    Only refusals by the contract count (it abstained), and the same row asked again counts once.

    Parameters
    ----------
    allowed : share of an honest caller's queries that may be refused. burst : so many besides.
    """

    name: ClassVar[str] = "refusals"
    source: ClassVar[str] = "reticent; probes of a face model are refused 94-99 % of the time"
    sees: ClassVar[str] = "inputs that look like nothing the model was made for"
    blind: ClassVar[str] = "inputs that pass the gate; roles whose contract does not abstain"

    __slots__ = ("allowed", "burst")

    def __init__(self, allowed: float, burst: int) -> None:
        super().__init__(STAKES)
        self.allowed, self.burst = allowed, burst

    def observe(self, query: Query) -> None:
        """Bet on one query that is no exact repeat."""
        if query.sight.repeat:
            return
        if query.refused and self.hits < self.burst:
            self.hits, self.rows = self.hits + 1, self.rows + 1
        else:
            self.bet(query.refused, self.allowed)

    def reason(self) -> str:
        """What was seen, in words."""
        return f"{self.hits} of {self.rows} different queries were refused by the contract"

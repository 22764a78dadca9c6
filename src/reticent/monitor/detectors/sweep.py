"""The exact sign of an attribute attack: one record asked with a second sensitive value."""

from __future__ import annotations

from typing import ClassVar

from reticent.monitor.detectors.detector import Betting, Query
from reticent.monitor.settings import Monitor

STAKES = (0.03, 0.08, 0.2, 0.5)


class Sweep(Betting):
    """Bets that a caller revisits records with another sensitive value more often than allowed.

    A person counts once, however many values are tried: depth on one record is curiosity, breadth
    over records is an attack.
    """

    name: ClassVar[str] = "sweep"
    source: ClassVar[str] = "Fredrikson et al. 2014 and 2015 (doi:10.1145/2810103.2813677)"
    sees: ClassVar[str] = "a record asked again with another sensitive value, over many records"
    blind: ClassVar[str] = "one query per record; rows that differ a little each time"

    __slots__ = ("settings",)

    def __init__(self, settings: Monitor) -> None:
        super().__init__(STAKES)
        self.settings = settings

    def observe(self, query: Query) -> None:
        """Bet on one query that is no exact repeat."""
        sight, own = query.sight, self.settings
        if sight.repeat:
            return
        hit = sight.fresh == 2 and sight.exact > 1
        allowed = own.revisits + own.edits * sight.edited + min(0.5, sight.exact_by_chance)
        self.bet(hit, allowed)

    def reason(self) -> str:
        """What was seen, in words."""
        return (f"{self.hits} people were asked about with a second sensitive value, "
                f"in {self.rows} different queries")  # fmt: skip

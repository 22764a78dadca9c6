"""Breadth against depth: the sensitive column's values covered for one person after another."""

from __future__ import annotations

from typing import ClassVar

from reticent.monitor.detectors.detector import Betting, Query
from reticent.monitor.settings import Monitor

STAKES = (0.015, 0.05, 0.12, 0.3)


class Coverage(Betting):
    """Bets that a caller tries a third sensitive value about people more often than allowed.

    A correction tries a second value and no third; who explores one person tries many, and that
    counts once. Exact and jittered rows count alike.
    """

    name: ClassVar[str] = "coverage"
    source: ClassVar[str] = "reticent; the attack: Mehnaz et al. 2022, USENIX Security"
    sees: ClassVar[str] = "three and more sensitive values tried about one person after another"
    blind: ClassVar[str] = "two candidates only (see sweep); one person in depth"

    __slots__ = ("settings",)

    def __init__(self, settings: Monitor) -> None:
        super().__init__(STAKES)
        self.settings = settings

    def observe(self, query: Query) -> None:
        """Bet on one query that is no exact repeat."""
        sight, own = query.sight, self.settings
        if sight.repeat:
            return
        hit = sight.fresh == 3
        chance = min(0.5, sight.exact_by_chance) ** 2 + sight.near_by_chance**2
        self.bet(hit, own.coverages + own.edits * sight.edited + chance)

    def reason(self) -> str:
        """What was seen, in words."""
        return (f"three or more sensitive values were tried about each of {self.hits} people, "
                f"in {self.rows} different queries")  # fmt: skip

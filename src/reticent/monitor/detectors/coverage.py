"""Breadth against depth: the sensitive column's values covered for one person after another."""

from __future__ import annotations

from typing import ClassVar

from reticent.monitor.detectors.detector import Promise, Query
from reticent.monitor.promise import Bets
from reticent.monitor.settings import Monitor

STAKES = (0.015, 0.05, 0.12, 0.3)


class Coverage:
    """Bets that a caller tries a third sensitive value about people more often than allowed.

    A correction tries a second value and no third; who explores one person tries many, and that
    counts once. Exact and jittered rows count alike.
    """

    name: ClassVar[str] = "coverage"
    promise: ClassVar[Promise] = "contract"
    source: ClassVar[str] = "reticent; the attack: Mehnaz et al. 2022, USENIX Security"
    sees: ClassVar[str] = "three and more sensitive values tried about one person after another"
    blind: ClassVar[str] = "two candidates only (see sweep); one person in depth"

    __slots__ = ("bets", "hits", "rows", "settings")

    def __init__(self, settings: Monitor) -> None:
        self.settings, self.bets = settings, Bets(STAKES)
        self.hits = self.rows = 0

    def observe(self, query: Query) -> None:
        """Bet on one query that is no exact repeat."""
        sight, own = query.sight, self.settings
        if sight.repeat:
            return
        hit = sight.fresh == 3
        self.rows += 1
        self.hits += hit
        chance = min(0.5, sight.exact_by_chance) ** 2 + sight.near_by_chance**2
        self.bets.bet(hit, min(own.coverages + own.edits * sight.edited + chance, 0.9))

    @property
    def evidence(self) -> float:
        """The e-value."""
        return self.bets.value

    def reason(self) -> str:
        """What was seen, in words."""
        return (f"three or more sensitive values were tried about each of {self.hits} people, "
                f"in {self.rows} different queries")  # fmt: skip

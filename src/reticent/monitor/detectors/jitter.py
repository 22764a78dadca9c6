"""A sweep in disguise: the other columns change a little with each sensitive value."""

from __future__ import annotations

from typing import ClassVar

from reticent.monitor.detectors.detector import Promise, Query
from reticent.monitor.promise import Bets
from reticent.monitor.settings import Monitor

STAKES = (0.03, 0.08, 0.2, 0.5)


class Jitter:
    """Bets that a caller comes back to nearly the same record with another sensitive value.

    Near means nearer than all but two in a hundred honest people have a neighbor among the last
    ``WINDOW`` rows; what chance makes of it is measured on honest people and allowed.
    """

    name: ClassVar[str] = "jitter"
    promise: ClassVar[Promise] = "contract"
    source: ClassVar[str] = "distances: Juuti et al. 2019 (doi:10.1109/EuroSP.2019.00044)"
    sees: ClassVar[str] = "sweeps whose other columns are jittered"
    blind: ClassVar[str] = "jitter as large as people differ; rests longer than the window"

    __slots__ = ("bets", "hits", "rows", "settings")

    def __init__(self, settings: Monitor) -> None:
        self.settings, self.bets = settings, Bets(STAKES)
        self.hits = self.rows = 0

    def observe(self, query: Query) -> None:
        """Bet on one query that is no exact repeat."""
        sight, own = query.sight, self.settings
        if sight.repeat:
            return
        hit = sight.fresh == 2 and sight.exact < 2
        self.rows += 1
        self.hits += hit
        allowed = own.revisits + own.edits * sight.edited + sight.came + sight.near_by_chance
        self.bets.bet(hit, min(allowed, 0.9))

    @property
    def evidence(self) -> float:
        """The e-value."""
        return self.bets.value

    def reason(self) -> str:
        """What was seen, in words."""
        return (f"nearly the same record came back with another sensitive value for {self.hits} "
                f"people, in {self.rows} different queries")  # fmt: skip

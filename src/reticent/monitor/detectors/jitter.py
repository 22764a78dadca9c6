"""A sweep in disguise: the other columns change a little with each sensitive value."""

from __future__ import annotations

from typing import ClassVar

from reticent.monitor.detectors.detector import Betting, Query
from reticent.monitor.settings import Monitor

STAKES = (0.03, 0.08, 0.2, 0.5)


class Jitter(Betting):
    """Bets that a caller comes back to nearly the same record with another sensitive value.

    Near means nearer than hardly any honest person lies to one of ``WINDOW`` others that differs
    there; what chance makes of it is measured on honest people and allowed.
    """

    name: ClassVar[str] = "jitter"
    source: ClassVar[str] = "distances: Juuti et al. 2019 (doi:10.1109/EuroSP.2019.00044)"
    sees: ClassVar[str] = "sweeps whose other columns are jittered"
    blind: ClassVar[str] = "jitter as large as people differ; rests longer than the window"

    __slots__ = ("settings",)

    def __init__(self, settings: Monitor) -> None:
        super().__init__(STAKES)
        self.settings = settings

    def observe(self, query: Query) -> None:
        """Bet on one query that is no exact repeat."""
        sight, own = query.sight, self.settings
        if sight.repeat:
            return
        hit = sight.fresh == 2 and sight.exact < 2
        allowed = own.revisits + own.edits * sight.edited + sight.came + sight.near_by_chance
        self.bet(hit, allowed)

    def reason(self) -> str:
        """What was seen, in words."""
        return (f"nearly the same record came back with another sensitive value for {self.hits} "
                f"people, in {self.rows} different queries")  # fmt: skip

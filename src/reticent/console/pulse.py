"""What the gateway's counters did of late: a look every few seconds, kept for ten minutes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reticent.gateway.counters import NOBODY, OTHER, SECONDS, STATUSES, Counters

STEP = 5.0  # seconds between two looks
BEATS = 120  # looks that are kept: ten minutes
MINUTE = 60.0
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Flow:
    """What happened in some seconds.

    Attributes
    ----------
    requests, rows : a minute. refused : of the requests, as a share. withheld : of the rows.
    median, slow : seconds to a reply, of half of the requests and of 95 in 100; None: of none.
    """

    requests: float
    rows: float
    refused: float
    withheld: float
    median: float | None
    slow: float | None


class Pulse:
    """The counters' recent past.

    Parameters
    ----------
    counters : of all workers. roles : names that they know. clock : in seconds.
    """

    def __init__(
        self, counters: Counters, roles: Sequence[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._counters, self._clock = counters, clock
        places = counters.places()
        self.roles = tuple(dict.fromkeys((*roles, NOBODY)))
        self._asked = {
            role: [places[f"requests/{role}/{status}"] for status in (*STATUSES, OTHER)]
            for role in self.roles
        }
        self._fine = {role: places[f"requests/{role}/200"] for role in self.roles}
        self._rows = {role: places[f"rows/{role}"] for role in self.roles}
        self._every = [place for each in self._asked.values() for place in each]
        self._every_fine = list(self._fine.values())
        self._all_rows, self._withheld = places["rows_asked"], places["rows_refused"]
        first = places["seconds/0"]
        self._seconds = slice(first, first + len(SECONDS) + 1)
        self._beats: deque[tuple[float, Numbers]] = deque(maxlen=BEATS + 1)
        self._past: deque[Flow] = deque(maxlen=BEATS)
        self.beat()

    def beat(self) -> None:
        """Look once."""
        now, totals = self._clock(), self._counters.totals()
        if self._beats:
            then, before = self._beats[-1]
            self._past.append(self._flow(before, totals, now - then))
        self._beats.append((now, totals))

    def lately(self, seconds: float = MINUTE) -> Flow:
        """What happened in the last minute, or since the first look."""
        beats, now, totals = list(self._beats), self._clock(), self._counters.totals()
        since = next((one for one in reversed(beats) if now - one[0] >= seconds), beats[0])
        return self._flow(since[1], totals, now - since[0])

    def past(self) -> list[Flow]:
        """What happened between each two looks, oldest first."""
        return list(self._past)

    def by_role(self) -> dict[str, list[float]]:
        """Rows a minute of each role between each two looks, oldest first."""
        beats = list(self._beats)
        if len(beats) < 2:
            return {role: [] for role in self.roles}
        at = np.array([one for one, _ in beats])
        places = [self._rows[role] for role in self.roles]
        rows = np.array([totals[places] for _, totals in beats])
        rates = np.diff(rows, axis=0).clip(0) / np.maximum(np.diff(at), 1e-3)[:, None] * MINUTE
        return dict(zip(self.roles, rates.T.tolist(), strict=True))

    def since_start(self, role: str) -> tuple[int, int, int]:
        """Requests, refused requests and rows of a role since the gateway began."""
        totals = self._counters.totals()
        asked = int(totals[self._asked[role]].sum())
        return asked, asked - int(totals[self._fine[role]]), int(totals[self._rows[role]])

    def _flow(self, then: Numbers, now: Numbers, seconds: float) -> Flow:
        """The difference of two looks; a worker that died begins anew, and its numbers fall."""
        grown = (now - then).clip(0)
        asked, fine = float(grown[self._every].sum()), float(grown[self._every_fine].sum())
        rows, times = float(grown[self._all_rows]), grown[self._seconds]
        a_minute = MINUTE / max(seconds, 1.0)
        return Flow(
            asked * a_minute, rows * a_minute,
            max(0.0, asked - fine) / asked if asked else 0.0,
            float(grown[self._withheld]) / rows if rows else 0.0,
            quantile(times, 0.5), quantile(times, 0.95),
        )  # fmt: skip


def quantile(counts: Numbers, share: float) -> float | None:
    """Estimate a quantile in seconds from a histogram's counts (len(SECONDS) + 1,)."""
    total = counts.sum()
    if not total:
        return None
    edges = np.array([0.0, *SECONDS, SECONDS[-1]])
    rising = np.cumsum(counts)
    place = int(np.searchsorted(rising, share * total))
    before = rising[place - 1] if place else 0.0
    within = (share * total - before) / counts[place]
    return float(edges[place] + within * (edges[place + 1] - edges[place]))

"""How often anybody may try to log in."""

from __future__ import annotations

import time
from collections.abc import Callable

MINUTE = 60.0
EACH, ALL = 10, 120  # attempts a minute: from one address, and from all together


class Pace:
    """Counts attempts in minutes. No more addresses are remembered than attempts are allowed.

    Parameters
    ----------
    each, together : attempts a minute from one address, and from all. clock : in seconds.
    """

    def __init__(
        self, each: int = EACH, together: int = ALL, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._each, self._together, self._clock = each, together, clock
        self._began = float("-inf")
        self._tried: dict[str, int] = {}
        self._all = 0

    def wait(self, address: str) -> int:
        """Count an attempt: 0 where it may go on, else the seconds to wait for."""
        now = self._clock()
        if not 0 <= now - self._began < MINUTE:
            self._began, self._all = now, 0
            self._tried.clear()
        tried = self._tried.get(address, 0)
        if tried >= self._each or self._all >= self._together:
            return max(1, int(self._began + MINUTE - now) + 1)
        self._tried[address] = tried + 1
        self._all += 1
        return 0

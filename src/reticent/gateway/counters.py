"""What a gateway counts of itself: numbers in memory that all its workers share.

A number is a place in an anonymous memory map, so counting costs a tenth of a microsecond and no
lock: each worker writes its own stripe, and whoever is asked for the metrics adds the stripes up.
No label names a caller.
"""

from __future__ import annotations

import mmap
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
STATUSES = (200, 400, 401, 403, 404, 405, 408, 413, 415, 429, 431, 500, 502, 503)
OTHER = "other"  # a status that is not listed
NOBODY = ""  # the role of who is not known
PLAIN = ("rows_asked", "rows_answered", "rows_refused", "alerts", "in_flight", "store_failed",
         "alerts_lost", "alerts_sent", "alerts_given_up", "delayed")  # fmt: skip
HELP = {
    "rows_asked": "Rows of requests that could be read.",
    "rows_answered": "Rows that were answered.",
    "rows_refused": "Rows that were refused, by the contract or a budget.",
    "alerts": "Alerts raised by detectors.",
    "in_flight": "Requests that are being answered.",
    "store_failed": "Workers whose store cannot be reached.",
    "alerts_lost": "Alerts that could not wait for the store any longer.",
    "alerts_sent": "Alerts that arrived, once for each place that took one.",
    "alerts_given_up": "Alerts that are not sent any more to one of the places.",
    "delayed": "Replies that wait, because their caller raised alarms.",
}
GAUGES = ("in_flight", "store_failed", "delayed")


class Counters:
    """One worker's view of the shared numbers.

    Parameters
    ----------
    roles : names that requests are told apart by. workers : stripes to keep.
    """

    def __init__(self, roles: Sequence[str], workers: int = 1) -> None:
        self._roles = tuple(dict.fromkeys((*roles, NOBODY)))
        names = [*PLAIN]
        names += [f"requests/{role}/{status}" for role in self._roles for status in
                  (*STATUSES, OTHER)]  # fmt: skip
        names += [f"rows/{role}" for role in self._roles]
        names += [f"seconds/{place}" for place in range(len(SECONDS) + 1)] + ["seconds/sum"]
        self._at = {name: place for place, name in enumerate(names)}
        self._rows = {role: self._at[f"rows/{role}"] for role in self._roles}
        self._workers = workers
        self._shared = memoryview(mmap.mmap(-1, 8 * len(names) * workers)).cast("d")
        self.worker(0)

    def worker(self, place: int) -> None:
        """Count on this worker's own stripe from now on."""
        size = len(self._at)
        self._own = self._shared[place * size : (place + 1) * size]
        self._own[:] = memoryview(bytes(8 * size)).cast("d")
        self._answers = {
            (role, status): self._at[f"requests/{role}/{status}"]
            for role in self._roles
            for status in STATUSES
        }
        self._first, self._nobody = self._at["seconds/0"], self._at[f"rows/{NOBODY}"]

    def add(self, name: str, number: float = 1) -> None:
        """Add to one of the plain numbers."""
        self._own[self._at[name]] += number

    def put(self, name: str, number: float) -> None:
        """Set one of the gauges."""
        self._own[self._at[name]] = number

    def own(self, name: str) -> float:
        """Read this worker's part of a number."""
        return self._own[self._at[name]]

    def replied(self, role: str, status: int, seconds: float, rows: int, answered: int) -> None:
        """Count one reply."""
        own = self._own
        place = self._answers.get((role, status))
        if place is None:
            role = role if role in self._roles else NOBODY
            place = self._at[f"requests/{role}/{status if status in STATUSES else OTHER}"]
        own[place] += 1
        own[self._rows.get(role, self._nobody)] += rows
        own[self._first + bisect_left(SECONDS, seconds)] += 1
        own[self._first + len(SECONDS) + 1] += seconds
        own[0] += rows
        own[1] += answered
        own[2] += rows - answered

    def total(self, name: str) -> float:
        """Add one number up over all workers."""
        size, place = len(self._at), self._at[name]
        return sum(self._shared[place + size * worker] for worker in range(self._workers))

    def totals(self) -> NDArray[np.float64]:
        """Add all numbers up over all workers: (n,), in the order of ``places``."""
        every = np.frombuffer(self._shared.cast("B"), dtype=np.float64).reshape(self._workers, -1)
        return np.asarray(every.sum(axis=0))

    def places(self) -> dict[str, int]:
        """Where each number stands among the totals."""
        return dict(self._at)

    def collect(self) -> Iterator[Any]:
        """Yield the metric families, as a collector of prometheus-client."""
        from prometheus_client import core

        for name in PLAIN:
            if name in GAUGES:
                yield core.GaugeMetricFamily(f"reticent_{name}", HELP[name], self.total(name))
            else:
                yield core.CounterMetricFamily(f"reticent_{name}", HELP[name], self.total(name))
        replies = core.CounterMetricFamily(
            "reticent_requests", "Requests by role and status.", labels=["role", "status"]
        )
        for role in self._roles:
            for status in (*STATUSES, OTHER):
                if count := self.total(f"requests/{role}/{status}"):
                    replies.add_metric([role, str(status)], count)
        yield replies
        rows = core.CounterMetricFamily(
            "reticent_role_rows", "Rows of requests by role.", labels=["role"]
        )
        for role in self._roles:
            rows.add_metric([role], self.total(f"rows/{role}"))
        yield rows
        yield self._histogram(core)

    def _histogram(self, core: Any) -> Any:
        counts = [self.total(f"seconds/{place}") for place in range(len(SECONDS) + 1)]
        edges = [*map(str, SECONDS), "+Inf"]
        rising = [sum(counts[: place + 1]) for place in range(len(counts))]
        return core.HistogramMetricFamily(
            "reticent_request_duration_seconds", "From a request's last byte to its reply.",
            buckets=list(zip(edges, rising, strict=True)), sum_value=self.total("seconds/sum"),
        )  # fmt: skip


def exposed(counters: Counters) -> bytes:
    """Write the metrics as Prometheus reads them."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import generate_latest

    registry = CollectorRegistry()
    registry.register(_Collected(counters.collect()))
    return generate_latest(registry)


class _Collected:
    """Metric families that were collected once."""

    def __init__(self, families: Iterable[Any]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Any]:
        return self._families

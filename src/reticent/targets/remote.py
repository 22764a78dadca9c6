"""A target far away: its answers come request by request, and each request may be the last."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from reticent.dataset import Dataset
from reticent.target import Answer, Target
from reticent.targets.line import Reply
from reticent.targets.local import batches

TOO_MANY = (413, 429)


@runtime_checkable
class Remote(Target, Protocol):
    """A target whose answers come in parts.

    Attributes
    ----------
    batch : rows a request, at most.
    """

    @property
    def batch(self) -> int:
        """Rows a request, at most."""
        ...

    def each(self, rows: Dataset) -> Iterator[Answer]:
        """Answer n rows in their order, one request after the other.

        Raises
        ------
        ModelError : a request was not answered; what was yielded before counts.
        """
        ...


def exchanged(
    rows: Dataset, size: int, send: Callable[[Dataset], Reply]
) -> Iterator[tuple[Dataset, Reply]]:
    """Ask rows in requests of at most ``size``; one that is too large is sent in halves."""
    waiting = [some for some in batches(rows, size) if len(some)][::-1]
    while waiting:
        some = waiting.pop()
        reply = send(some)
        if reply.status in TOO_MANY and len(some) > 1:
            half = len(some) // 2
            waiting += [some.take(slice(half, None)), some.take(slice(0, half))]
            continue
        yield some, reply


def joined(parts: Sequence[Answer]) -> Answer:
    """Put answers one below the other."""

    def join(name: str) -> Any:
        found = [getattr(part, name) for part in parts]
        return None if any(one is None for one in found) else np.concatenate(found)

    return Answer(*(join(name) for name in ("label", "scores", "value", "vector", "answered")))

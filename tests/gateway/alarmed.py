"""A watch that raises alarms when a test says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import closing

from reticent.dataset import Dataset
from reticent.event import Act, Alert, QueryEvent
from reticent.gateway.journal import read
from reticent.monitor.standing import Standing, standing
from reticent.store import Erased, Store
from reticent.target import Answer

from .running import SECRET, Running

ALL = ("alert", "coarsen", "delay", "freeze")


class Trigger:
    """Raises so many alarms at the next query of somebody.

    Attributes
    ----------
    at_next : how many. linked, auditor : of what kind. seen : the events.
    """

    def __init__(self, gateway: Running) -> None:
        self.at_next, self.linked, self.auditor = 0, False, False
        self.seen: list[QueryEvent] = []
        gateway.worker.guard._watch = self

    def observe(
        self, event: QueryEvent, rows: Dataset | None, answer: Answer | None
    ) -> Sequence[Alert]:
        self.seen.append(event)
        count, self.at_next = self.at_next, 0
        others = (b"x" * 16,) if self.linked else ()
        return [alert(event, others, self.auditor) for _ in range(count)]


def alert(event: QueryEvent, others: tuple[bytes, ...] = (), auditor: bool = False) -> Alert:
    return Alert(
        caller=event.principal, query=0, detector="sweep", reason="two values of a record",
        promise="1 %", role=event.role, model=event.model, source=event.source, others=others,
        auditor=auditor,
    )  # fmt: skip


def token(gateway: Running, owner: str = "partner") -> bytes:
    """The principal of an owner's keys."""
    records = gateway.worker.store.keys()
    name = next(one.principal for one in records if one.owner == owner)
    return gateway.worker.guard.identity.token(name)


def stands(gateway: Running, owner: str = "partner") -> Standing:
    """How somebody stands in the store."""
    with closing(gateway.worker.plan.store()) as store:
        return standing(store, token(gateway, owner))


def acts(store: Store) -> list[Act]:
    """What was done to callers, as the journal has it."""
    found = [read(one) for block in store.blocks() for one in block.entries
             if not isinstance(one, Erased)]  # fmt: skip
    return [one for one in found if isinstance(one, Act)]


async def until(true: Callable[[], object], seconds: float = 1.0) -> None:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come true in time"
        await asyncio.sleep(0.01)


__all__ = ["ALL", "SECRET", "Trigger", "acts", "alert", "stands", "token", "until"]

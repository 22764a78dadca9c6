"""What tests of the outbox share: a sink in memory, and alerts that wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from monitor.alerts.receivers import alert
from reticent.event import Alert
from reticent.monitor.alerts.outbox import KIND, Outbox, Route, queue
from reticent.monitor.alerts.sender import UndeliveredError
from reticent.monitor.alerts.settings import Sink
from reticent.store import Note, Store

NOW = 1_800_000_000.0
FILE = Sink(kind="file", path="x")


class Fake:
    """A sink in memory: what it was told, and what it does next."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.asked = 0
        self.missed = 0.0  # as summaries say
        self.does: Callable[[Alert], None] = lambda one: None

    def send(self, alert: Alert) -> None:
        """Do what it does, and remember what it was told."""
        self.asked += 1
        self.does(alert)
        self.told.append(alert.id)
        self.missed += alert.evidence.get("not_sent", 0.0)


def down(one: Alert) -> None:
    """Fail as a sink does that is away."""
    raise UndeliveredError("it answers 500")


def refuse(*ids: str) -> Callable[[Alert], None]:
    """Refuse some alerts and take the others."""

    def does(one: Alert) -> None:
        if one.id in ids:
            raise UndeliveredError("it answers 400", refused=True)

    return does


def put(store: Store, *ids: str, sinks: Any = None, at: float = NOW) -> None:
    """Write alerts as the gateway does, each with what waits of it."""
    for name in ids:
        one = alert(id=name, at=at)
        own = Note("alert", name.encode(), msgspec.msgpack.encode(one))
        assert store.write([own, *queue(one, {"siem": FILE} if sinks is None else sinks, at)])


def names(count: int, first: int = 0) -> list[str]:
    """So many ids, in order."""
    return [f"{place:06}" for place in range(first, first + count)]


def route(store: Store, name: str = "siem") -> Route:
    """How it stands with a sink."""
    note = store.note(KIND, name.encode())
    assert note is not None
    return msgspec.msgpack.decode(note.content, type=Route)


def run(box: Outbox, start: float, seconds: float, step: float = 1.0) -> int:
    """Look again and again: how many alerts were given up."""
    rounds = round(seconds / step)
    return sum(box.deliver("siem", start + step * place).given_up for place in range(rounds))

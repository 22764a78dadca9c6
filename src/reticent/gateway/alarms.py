"""Alerts on their way into the store: beside the answers, and never in front of one.

What an alarm changes for its caller is in force here at once. A task of its own, on a connection
of its own, then writes the alert, what waits to be sent of it and how the caller stands now, all in
one transaction; where the store is away it goes on trying, in order.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from reticent.errors import StoreError, kind_and_place
from reticent.event import Act, Alert
from reticent.gateway.counters import Counters
from reticent.gateway.log import log
from reticent.monitor.alerts.outbox import merged, queue
from reticent.monitor.alerts.settings import Sink
from reticent.monitor.ladder import act_of, burnt, climbed, drawn
from reticent.monitor.settings import Monitor
from reticent.monitor.standing import KIND, Standing, Standings, Step, changed, standing, tried
from reticent.store import Note, Store
from reticent.stores.group import Grouped

MOST = 10_000  # changes that may wait for the store
LATELY = 10_000  # callers and detectors whose last alert is remembered, to count the next to it
RETRY = 1.0  # seconds until a store that failed is tried again
OTHERS, WORDS = 1_000, 2_000  # accounts and letters of an alert that are kept
ALERT = "alert"

Job = Callable[[Store], Standing]
packed = msgspec.msgpack.Encoder().encode


class Alarms:
    """Takes alerts and burning fuses, and has them written down.

    Parameters
    ----------
    standings : how callers stand, as this process knows it. monitor : the ladder.
    sinks : to which alerts are sent, by name. clock : seconds since 1970.
    """

    def __init__(
        self, standings: Standings, monitor: Monitor, sinks: Mapping[str, Sink],
        counters: Counters, clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self.standings, self.monitor = standings, monitor
        self._sinks, self._counters, self._clock = sinks, counters, clock
        self._jobs: deque[tuple[bytes, Job]] = deque()
        self._some = asyncio.Event()
        self._lately: OrderedDict[tuple[bytes, str], Alert] = OrderedDict()
        self._turning: asyncio.Task[bool] | None = None
        self._full = False

    def raised(self, alert: Alert) -> None:
        """Take an alert, whoever raised it; its caller is treated accordingly from now on."""
        self._counters.add("alerts")
        alert = self._named(alert)
        fuse = drawn()
        now = climbed(self.standings.latest(alert.caller), alert, self.monitor.respond, fuse)
        self._wait_for(now, lambda store: self._save(store, alert, fuse))

    def save(self, store: Store, alert: Alert, notes: Sequence[Note]) -> bool:
        """Write an alert that another thread raised, with all that follows from it and some notes.

        Returns
        -------
        False where another replica wrote any of it in between: nothing was done.
        """
        alert, fuse = self._named(alert), drawn()

        def along(before: Standing, after: Standing) -> Sequence[Note]:  # noqa: ARG001
            return [*self._new(alert), *notes]

        found = tried(store, alert.caller, self._step(alert, fuse), along, self._act(alert))
        return found is not None

    def burn(self, lit: Standing, rows: int) -> bool:
        """Let a caller's fuse burn down by some rows: whether these may still be asked."""
        now, principal = self._clock(), lit.principal

        def act(before: Standing, after: Standing) -> Act | None:
            return act_of(before, after, now)

        def job(store: Store) -> Standing:
            return changed(store, principal, lambda one: burnt(one, rows, now), act=act)

        self._wait_for(burnt(lit, rows, now), job)
        return rows <= (lit.fuse or 0)

    async def run(self, beside: Grouped, store: Store) -> None:
        """Write down what comes, for ever.

        Parameters
        ----------
        beside : whose thread calls the store; no answer waits for it.
        """
        while True:
            await self._some.wait()
            while self._jobs:
                if not await self._turn(beside, store):
                    await asyncio.sleep(RETRY)
            self._some.clear()

    async def finish(self, beside: Grouped, store: Store) -> None:
        """Write down what still waits, at the end; say how much could not be."""
        while self._jobs and await self._turn(beside, store):
            pass
        if self._jobs:
            log("alerts lost", waiting=len(self._jobs))

    def _named(self, alert: Alert) -> Alert:
        return replace(
            alert, id=alert.id or secrets.token_hex(16), at=alert.at or self._clock(),
            reason=alert.reason[:WORDS], others=alert.others[:OTHERS],
        )  # fmt: skip

    def _wait_for(self, presumed: Standing, job: Job) -> None:
        if len(self._jobs) >= MOST:
            self._counters.add("alerts_lost")
            if not self._full:
                self._full = True
                log("alerts lost", waiting=len(self._jobs))
            return
        self._full = False
        self.standings.presume(presumed)
        self._jobs.append((presumed.principal, job))
        self._some.set()

    async def _turn(self, beside: Grouped, store: Store) -> bool:
        """Carry out the first job, once, though whoever waits for it may be stopped meanwhile."""
        if self._turning is None:
            self._turning = asyncio.create_task(self._carry_out(beside, store))
        done = await asyncio.shield(self._turning)
        self._turning = None
        return done

    async def _carry_out(self, beside: Grouped, store: Store) -> bool:
        """Carry out the first job: False where it has to be tried again."""
        principal, job = self._jobs[0]
        try:
            found, version = await beside.call(_numbered, store, principal, job)
        except StoreError as error:
            log("alerts wait", waiting=len(self._jobs), found=error.found)
            return False
        except Exception as error:  # noqa: BLE001 (the next alert shall still be written)
            log("error", where=kind_and_place(error))
            found, version = self.standings.latest(principal), 0
        self._jobs.popleft()
        self.standings.settle(found, version)
        return True

    def _save(self, store: Store, alert: Alert, fuse: int) -> Standing:
        """Write an alert with all that follows from it, in the thread of the store."""
        earlier = self._lately.get((alert.caller, alert.detector))
        known = None if earlier is None else store.note(ALERT, earlier.id.encode())
        whole = None if known is None else merged(earlier, alert)
        last = alert if whole is None else replace(whole, others=whole.others[:OTHERS])
        written = store.note(ALERT, last.id.encode())
        if written is not None and written.content == packed(last):
            return standing(store, alert.caller)  # its answer was lost, and it is tried again

        def along(before: Standing, after: Standing) -> Sequence[Note]:  # noqa: ARG001
            if known is None or whole is None:
                return self._new(alert)
            return [replace(known, content=packed(last))]

        found = changed(store, alert.caller, self._step(alert, fuse), along, self._act(alert))
        self._lately[alert.caller, alert.detector] = last
        self._lately.move_to_end((alert.caller, alert.detector))
        if len(self._lately) > LATELY:
            self._lately.popitem(last=False)
        return found

    def _new(self, alert: Alert) -> list[Note]:
        """An alert of its own, and what waits to be sent of it."""
        note = Note(ALERT, alert.id.encode(), packed(alert))
        return [note, *queue(alert, self._sinks, alert.at)]

    def _step(self, alert: Alert, fuse: int) -> Step:
        return lambda before: climbed(before, alert, self.monitor.respond, fuse)

    def _act(self, alert: Alert) -> Callable[[Standing, Standing], Act | None]:
        return lambda before, after: act_of(before, after, alert.at)


def _numbered(store: Store, principal: bytes, job: Job) -> tuple[Standing, int]:
    """Carry out a job: how its caller stands then, and the version of that note."""
    found = job(store)
    note = store.note(KIND, principal)
    return found, 0 if note is None else note.version

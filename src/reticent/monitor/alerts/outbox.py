"""What waits to be sent, kept where the alerts are, so that neither a crash nor a sink loses one.

An alert and what waits of it are written in one transaction: kind ``alert``, and for each sink
``outbox/NAME``, which holds the alert's name alone; an alert that was erased meanwhile is sent to
nobody. Kind ``outbox`` says how it stands with each sink. Whoever delivers claims the sink by
compare-and-set for a minute: an alert is sent once, in order, and after a crash perhaps twice.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import partial
from random import SystemRandom

import msgspec

from reticent.errors import kind_and_place
from reticent.event import Alert
from reticent.monitor.alerts.sender import Sender, UndeliveredError
from reticent.monitor.alerts.settings import SUMMARY, Sink, wants
from reticent.store import Note, Store

KIND = "outbox"
SAME = 600.0  # seconds in which a caller's alerts of one detector are one
LEASE = 60.0  # seconds for which one replica has a sink to itself
BATCH = 50  # alerts read at once
FIRST, LONGEST = 1.0, 600.0  # seconds between two tries
PATIENCE = 7 * 86_400.0  # seconds after which an alert that cannot be sent is given up
MOST = 10_000  # alerts that may wait for one sink
MOST_OTHERS = 1_000  # accounts named in one alert
COUNTING = 30.0  # seconds between two looks at how many wait
REFUSALS = 3  # alerts refused one after the other: it is not the alerts
TRIES = 20  # at a compare-and-set that others are at as well
ALERT = msgspec.msgpack.Decoder(Alert)


class Waiting(msgspec.Struct, frozen=True, array_like=True):
    """One alert that waits for one sink.

    Attributes
    ----------
    alert : its id. since : when it was queued.
    refused : how often the sink refused it. due : when it is tried again.
    """

    alert: str
    since: float
    refused: int = 0
    due: float = 0.0


class Route(msgspec.Struct, frozen=True, array_like=True):
    """How it stands with one sink.

    Attributes
    ----------
    owner, until : who delivers to it, and for how long. sent : alerts that arrived.
    tries : failures in a row. due : when it is tried again. found : what failed last.
    missed : alerts that are not sent any more, of which the sink was not told yet.
    """

    owner: bytes = b""
    until: float = 0.0
    sent: int = 0
    tries: int = 0
    due: float = 0.0
    found: str = ""
    missed: int = 0

    def free(self, now: float) -> bool:
        """Whether anybody may deliver; what lies too far ahead was written by a wrong clock."""
        return not (now < self.until <= now + LEASE or now < self.due <= now + LONGEST)


class Delivered(msgspec.Struct, frozen=True):
    """What came of one turn at one sink.

    Attributes
    ----------
    sent : alerts that arrived. given_up : alerts that are not sent any more.
    found : what failed, in words; empty: nothing did.
    turned : whether the sink began to fail, or came back.
    """

    sent: int = 0
    given_up: int = 0
    found: str = ""
    turned: bool = False


def merged(earlier: Alert | None, alert: Alert) -> Alert | None:
    """Count an alert to an earlier one of the same caller and detector, within ten minutes.

    Returns
    -------
    The earlier alert, which now stands for one more: to be written over it, and not queued again.
    None where the new one is an alert of its own. ``evidence["count"]`` says for how many an alert
    stands; the other numbers are the newest.
    """
    if earlier is None or (earlier.caller, earlier.detector) != (alert.caller, alert.detector):
        return None
    if abs(alert.at - earlier.at) > SAME or earlier.auditor != alert.auditor:
        return None
    count = earlier.evidence.get("count", 1.0) + alert.evidence.get("count", 1.0)
    others = tuple(dict.fromkeys((*earlier.others, *alert.others)))[:MOST_OTHERS]
    evidence = {**earlier.evidence, **alert.evidence, "count": count}
    return msgspec.structs.replace(earlier, evidence=evidence, others=others)


def queue(alert: Alert, sinks: Mapping[str, Sink], now: float | None = None) -> list[Note]:
    """What waits of a new alert: notes to be written in the same transaction as the alert's own.

    Parameters
    ----------
    sinks : by name, as in ``[alerts.NAME]``. now : seconds since 1970.
    """
    since = time.time() if now is None else now
    content = msgspec.msgpack.encode(Waiting(alert.id, since))
    return [
        Note(waiting_for(name), alert.id.encode(), content)
        for name, sink in sinks.items()
        if wants(sink, alert)
    ]


def waiting_for(name: str) -> str:
    """The kind of the notes that wait for one sink."""
    return f"{KIND}/{name}"


def forget(store: Store, sinks: Collection[str], now: float) -> int:
    """Drop what waits for sinks that were taken out a week ago: how much it was.

    Raises
    ------
    StoreError : the store cannot be reached.
    """
    count = 0
    for note in store.notes(KIND):
        name = note.key.decode()
        if name not in sinks and note.at < now - PATIENCE:
            count += store.drop(waiting_for(name), before=now)
            store.drop(KIND, [note.key])
    return count


class Turn(threading.Thread):
    """One turn at one sink, in a thread that no exit waits for.

    Attributes
    ----------
    told : what came of it. error : what else came of it.
    """

    def __init__(self, deliver: Callable[[], Delivered]) -> None:
        super().__init__(name="reticent-alerts", daemon=True)
        self._deliver, self.told = deliver, Delivered()
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        """Take it."""
        try:
            self.told = self._deliver()
        except Exception as error:  # noqa: BLE001 (it is raised where it is waited for)
            self.error = error


class Outbox:
    """Delivers what waits; several replicas may each have one.

    Parameters
    ----------
    store : called from several threads. senders : by the sink's name.
    most : how many may wait for one sink.
    """

    def __init__(self, store: Store, senders: Mapping[str, Sender], most: int = MOST) -> None:
        self._store, self._senders, self._most = store, dict(senders), most
        self._owner = os.urandom(8)
        self._chance = SystemRandom()
        self._counted: dict[str, float] = {}
        self._turns: dict[str, Turn] = {}

    def deliver_due(self, now: float, patience: float = 1.0) -> dict[str, Delivered]:
        """Take a turn at every sink, side by side; a slow one goes on behind the others' backs.

        Parameters
        ----------
        patience : seconds to wait; what comes of a turn that takes longer, a later call says.

        Returns
        -------
        What came of the turns that are over, by the sink's name.

        Raises
        ------
        StoreError : the store cannot be reached; what was sent meanwhile may be sent again.
        """
        for name in self._senders:
            if name not in self._turns:
                self._turns[name] = Turn(partial(self.deliver, name, now))
        until = time.monotonic() + patience
        for turn in self._turns.values():
            turn.join(max(0.0, until - time.monotonic()))
        over = {name: turn for name, turn in self._turns.items() if not turn.is_alive()}
        for name, turn in over.items():
            if turn.error is not None:
                del self._turns[name]
                raise turn.error
        for name in over:
            del self._turns[name]
        return {name: turn.told for name, turn in over.items()}

    def deliver(self, name: str, now: float) -> Delivered:
        """Send what is due at one sink, unless another replica is at it.

        Raises
        ------
        StoreError : the store cannot be reached.
        """
        if not self._store.notes(waiting_for(name), 0, 1) and not self._route(name)[1].missed:
            return Delivered()

        def claim(route: Route) -> Route | None:
            claimed = msgspec.structs.replace(route, owner=self._owner, until=now + LEASE)
            return claimed if route.free(now) else None

        claimed = self._change(name, claim)
        if claimed is None:
            return Delivered()
        sent, lost, error = self._send(name, now)
        if error is not None:
            lost += self._too_old(name, now) + self._too_many(name, now)
        route = self._change(name, lambda route: self._after(route, sent, lost, error, now))
        done = error is None and not self._store.notes(waiting_for(name), 0, 1)
        if done and route is not None and route.missed:
            self._tell_missed(name, route.missed, now)
        turned = claimed.tries == 0 if error is not None else claimed.tries > 0 and sent > 0
        return Delivered(sent, lost, "" if error is None else error.found, turned)

    def _send(self, name: str, now: float) -> tuple[int, int, UndeliveredError | None]:
        """Send in order until the sink fails, all is sent, or half the lease is over.

        Returns
        -------
        How many arrived, how many were refused for a week and are given up, and what failed.
        """
        sent = lost = refusals = 0
        began = time.monotonic()
        for note, waiting in self._due(name, now):
            if time.monotonic() - began > LEASE / 2:
                break
            alert = self._store.note("alert", waiting.alert.encode())
            error = None if alert is None else self._try(name, ALERT.decode(alert.content))
            if error is None:
                sent, refusals = sent + (alert is not None), 0
                self._store.drop(note.kind, [note.key])
            elif error.refused and refusals + 1 < REFUSALS:
                refusals += 1
                lost += self._postpone(note, waiting, now)
            else:
                return sent, lost, error
        return sent, lost, None

    def _try(self, name: str, alert: Alert) -> UndeliveredError | None:
        try:
            self._senders[name].send(alert)
        except UndeliveredError as error:
            return error
        except Exception as error:  # noqa: BLE001 (whatever a library raises, the alert stays)
            return UndeliveredError(f"it failed ({kind_and_place(error)})")
        return None

    def _due(self, name: str, now: float) -> Iterator[tuple[Note, Waiting]]:
        """What waits, in order, without what was refused a moment ago."""
        last = 0
        while some := self._store.notes(waiting_for(name), last, BATCH):
            for note in some:
                waiting = msgspec.msgpack.decode(note.content, type=Waiting)
                if not now < waiting.due <= now + LONGEST:
                    yield note, waiting
            last = some[-1].version

    def _postpone(self, note: Note, waiting: Waiting, now: float) -> int:
        """Let the others pass an alert that the sink does not take; after a week it is given up."""
        if waiting.since < now - PATIENCE:
            return self._store.drop(note.kind, [note.key])
        due = now + self._pause(waiting.refused)
        later = msgspec.structs.replace(waiting, refused=waiting.refused + 1, due=due)
        content = msgspec.msgpack.encode(later)
        self._store.write([Note(note.kind, note.key, content, note.version)])
        return 0

    def _pause(self, tries: int) -> float:
        """Seconds until the next try: doubled each time, and never the same for two replicas."""
        longest = min(LONGEST, FIRST * 2.0 ** min(tries, 30))
        return max(FIRST, longest * self._chance.uniform(0.5, 1.0))

    def _after(
        self, route: Route, sent: int, lost: int, error: UndeliveredError | None, now: float
    ) -> Route:
        """Let go of the sink."""
        owner, until = route.owner, route.until
        if owner == self._owner:
            owner, until = b"", 0.0
        sent, missed = route.sent + sent, route.missed + lost
        if error is None:
            return Route(owner, until, sent, missed=missed)
        tries = route.tries + 1 if sent == route.sent else 1
        due = now + min(LONGEST, max(self._pause(tries - 1), error.wait))
        return Route(owner, until, sent, tries, due, error.found, missed)

    def _too_old(self, name: str, now: float) -> int:
        """Give up what has waited for a week at a sink that fails."""
        count = 0
        while some := self._store.notes(waiting_for(name), 0, BATCH):
            old = [
                note.key
                for note in some
                if msgspec.msgpack.decode(note.content, type=Waiting).since < now - PATIENCE
            ]
            count += self._store.drop(waiting_for(name), old) if old else 0
            if len(old) < len(some):
                break
        return count

    def _too_many(self, name: str, now: float) -> int:
        """Give up the newest of more than may wait."""
        if abs(now - self._counted.get(name, -COUNTING)) < COUNTING:
            return 0
        self._counted[name] = now
        kept = self._store.notes(waiting_for(name), 0, self._most)
        if len(kept) < self._most:
            return 0
        beyond = self._store.notes(waiting_for(name), kept[-1].version)
        return self._store.drop(waiting_for(name), [note.key for note in beyond]) if beyond else 0

    def _tell_missed(self, name: str, missed: int, now: float) -> None:
        """Tell a sink that is back how many alerts stand in the store alone."""
        if self._try(name, not_sent(missed, now)) is None:
            self._change(name, lambda route: _told(route, missed))

    def _route(self, name: str) -> tuple[int, Route]:
        note = self._store.note(KIND, name.encode())
        if note is None:
            return 0, Route()
        return note.version, msgspec.msgpack.decode(note.content, type=Route)

    def _change(self, name: str, change: Callable[[Route], Route | None]) -> Route | None:
        """Change what is known of a sink, however many do; None: nothing is to change."""
        for _ in range(TRIES):
            version, route = self._route(name)
            new = change(route)
            if new is None:
                return None
            content = msgspec.msgpack.encode(new)
            if self._store.write([Note(KIND, name.encode(), content, version)]):
                return new
        return None


def _told(route: Route, missed: int) -> Route:
    return msgspec.structs.replace(route, missed=max(0, route.missed - missed))


def not_sent(missed: int, now: float) -> Alert:
    """An alert about alerts: how many were not sent to a sink."""
    return Alert(
        id=f"outbox-{os.urandom(8).hex()}", at=now, caller=b"", query=0, detector=SUMMARY,
        reason=f"{missed} alerts were not sent here: too many waited, or for too long. They are "
        "in the store alone: reticent alerts list",
        promise="It counts what was given up.", evidence={"not_sent": float(missed)},
    )  # fmt: skip

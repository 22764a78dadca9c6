"""A guarded prediction: who, may, spend, ask, record, watch, shape, reply.

One function and one direction. No role, no answer; no record, no reply. Bytes come in and bytes
go out: the web server around it knows nothing of models, and this knows nothing of web servers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import NamedTuple, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from reticent.access.identity import Identity, Principal
from reticent.access.policy import Doors, network
from reticent.contract import Contract
from reticent.dataset import Dataset
from reticent.errors import ModelError, StoreError, kind_and_place
from reticent.event import TOKEN_BYTES, Alert, QueryEvent
from reticent.gateway.alarms import Alarms
from reticent.gateway.budget import Budget
from reticent.gateway.counters import Counters
from reticent.gateway.freshness import Freshness
from reticent.gateway.journal import entry
from reticent.gateway.log import log
from reticent.gateway.protocol import Asked, BadRequest, read_rows, write_answer
from reticent.gateway.together import Together
from reticent.monitor import ladder
from reticent.monitor.sketch import Sketcher
from reticent.monitor.standing import Standing
from reticent.store import Trial, Work
from reticent.stores.group import Grouped
from reticent.target import Answer, Target
from reticent.targets.card import Card
from reticent.targets.limited import Limited
from reticent.targets.shape import Shape

JSON = (b"content-type", b"application/json")
NOBODY = "this key is not known: it may be wrong, expired or revoked"
AWAY = "the gateway cannot keep a record at the moment, so it does not answer"
FROZEN = "this caller is suspended: whoever runs the gateway can say why, and undo it"
CROWDED = "too many requests at once"
BROKEN = "the model could not answer"
UPSTREAM = "the server behind the gateway could not answer"
RETRY_AWAY = 1  # seconds
ALLOWED = 100_000  # values told that are remembered; the store knows the others
WAITING = 1_000  # delayed replies that may wait at once
AT_ONCE = 64  # rows that are asked in the loop itself: a thread would cost more than they do
Headers = list[tuple[bytes, bytes]]


class Call(NamedTuple):
    """One request: header names in lower case, the address that it came from."""

    method: str
    path: str
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes
    peer: str


class Reply(NamedTuple):
    """One reply."""

    status: int
    headers: Headers
    body: bytes


class RefusedError(Exception):
    """A station refused; the words are safe to show."""

    def __init__(self, status: int, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.retry_after = status, message, retry_after


@dataclass(frozen=True, slots=True)
class View:
    """One role's view of the model.

    Attributes
    ----------
    asked : the model as it is asked for this role (marginalize, abstain). shape : noise and cut.
    together : asks it once a turn. limited : where a few values of a record are answered truly.
    coarse, wait : for a caller who raised alarms: less is told, and so many seconds later.
    """

    role: str
    contract: Contract
    digest: str
    asked: Target
    shape: Shape
    together: Together
    limited: Limited | None = None
    coarse: bool = False
    wait: float = 0.0


class Watching(Protocol):
    """Who looks at every query."""

    def observe(
        self, event: QueryEvent, rows: Dataset | None, answer: Answer | None
    ) -> Sequence[Alert]:
        """Look at one request; rows and answer are in memory only and not kept."""
        ...


class Guard:
    """The stations of one gateway, as one worker has them.

    Parameters
    ----------
    views : role to its view. costly : ask in a thread, because an answer takes long.
    keys : whether a key could have been revoked unseen. source_key : for the token of an address.
    alarms : takes alerts, and knows how callers stand.
    """

    def __init__(
        self, *, card: Card, views: Mapping[str, View], costly: bool, identity: Identity,
        doors: Doors, budget: Budget, sketcher: Sketcher, watch: Watching,
        alarms: Alarms, keys: Freshness, group: Grouped, counters: Counters, source_key: bytes,
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self.card, self.views, self.costly = card, views, costly
        self.identity, self.doors, self.budget = identity, doors, budget
        self.sketcher, self.group, self._watch = sketcher, group, watch
        self.counters, self._clock = counters, clock
        self.keys, self.alarms, self.standings = keys, alarms, alarms.standings
        behind = card.model.startswith(("http://", "https://"))
        self._failed = RefusedError(502, UPSTREAM) if behind else RefusedError(500, BROKEN)
        self._source = blake2b(key=source_key, digest_size=TOKEN_BYTES)
        self._sources: dict[str, bytes] = {}
        self._allowed: set[Trial] = set()  # once a value was told, it may be told again
        self._waiting = 0  # delayed replies

    async def infer(self, call: Call) -> Reply:
        """Answer one request for predictions, or refuse it; both are recorded."""
        began, address = time.perf_counter(), self.doors.address(call.peer, call.headers)
        who, view, asked, answer, truly, refusal = None, None, None, None, None, None
        try:
            who = await self.who(call)
            view = self.may(who, address, "infer")
            asked = read_rows(call.body, header_length(call), self.card, view.contract)
            await self.spend(who, asked.n)
            truly = await self.within(who, view, asked.rows)
            answer = await self.ask(view, asked.rows, truly)
        except (RefusedError, BadRequest) as error:
            refusal = error
        except StoreError:
            refusal = RefusedError(503, AWAY, RETRY_AWAY)
        except Exception as error:  # noqa: BLE001 (whatever a model raises is refused and recorded)
            if not isinstance(error, ModelError):
                log("error", where=kind_and_place(error))
            refusal = self._failed
        event = self.event(refusal.status if refusal else 200, who, address, asked, answer)
        try:
            if who is not None and (kept := self.group.record(entry(event))) is not None:
                await kept
        except StoreError:
            refusal = refusal or RefusedError(503, AWAY, RETRY_AWAY)
        self.watch(event, None if asked is None else asked.rows, answer)
        if refusal is None:
            assert view is not None
            assert asked is not None
            assert answer is not None
            reply = self.reply(view, asked, answer, truly)
        else:
            reply = refused(refusal)
        if view is not None and view.wait:
            reply = await self.later(reply, view.wait)
        seconds = time.perf_counter() - began
        self.counters.replied(event.role, reply.status, seconds, event.rows, event.answered)
        return reply

    async def who(self, call: Call) -> Principal:
        """Find the principal behind the Authorization header."""
        if not self.keys.fresh:
            await self.keys.look()
        given = [value for name, value in call.headers if name == b"authorization"]
        if len(given) != 1:
            raise RefusedError(401, NOBODY)
        now = self._clock()
        who = self.identity.known(given[0], now) or await self.identity.who(given[0], now)
        if who is None:
            raise RefusedError(401, NOBODY)
        return who

    def may(self, who: Principal, address: str, action: str) -> View:
        """Let the role in at this address, or refuse it; and whoever is frozen."""
        if reason := self.doors.may(who.role, action, address):
            raise RefusedError(403, reason)
        view = self.views.get(who.role)
        if view is None:
            raise RefusedError(403, "this role has no view of the model")
        standing = self.standings.of(who.token)
        return view if standing is None else self.treated(view, standing)

    def treated(self, view: View, standing: Standing) -> View:
        """The view of a caller who is not simply free."""
        if standing.state == "frozen":
            raise RefusedError(403, FROZEN)
        monitor = self.alarms.monitor
        wait = ladder.wait(standing, monitor.respond, monitor.max_delay)
        if wait and self._waiting >= WAITING:
            raise crowded(wait)
        return replace(view, coarse=ladder.coarse(standing, monitor.respond), wait=wait)

    async def spend(self, who: Principal, rows: int) -> None:
        """Debit the rows from every budget that they fall under, before anything is asked.

        They also burn a fuse that is lit: a freeze takes hold some rows after its alarm.
        """
        standing = self.standings.of(who.token)
        if standing is not None and standing.fuse and not self.alarms.burn(standing, rows):
            raise RefusedError(403, FROZEN)
        if not self.budget.spend(who.token, who.role, rows):
            spent = await self.budget.lease(who.token, who.role, rows)
            if spent is not None:
                raise RefusedError(429, spent.reason, spent.retry_after)

    async def within(self, who: Principal, view: View, rows: Dataset) -> NDArray[np.bool_] | None:
        """Count the values tried of each record: which rows (n,) may be answered truly."""
        if view.limited is None:
            return None
        limit = view.contract.values_per_record
        assert limit is not None
        tried = [
            None if one is None else Trial(who.token, *self._tokens(*one), limit)
            for one in view.limited.trials(rows)
        ]
        told = {one for one in tried if one is not None and one in self._allowed}
        fresh = [one for one in tried if one is not None and one not in told]
        if fresh:
            done = await self.group.commit(Work(trials=fresh))
            allowed = {one for one, fine in zip(fresh, done.allowed, strict=True) if fine}
            if len(self._allowed) > ALLOWED:
                self._allowed.clear()
            self._allowed |= allowed
            told |= allowed
        return np.array([one in told for one in tried], dtype=bool)

    def _tokens(self, record: bytes, value: bytes) -> tuple[bytes, bytes]:
        return self.sketcher.pair(b"values_per_record", record, value)

    async def ask(self, view: View, rows: Dataset, truly: NDArray[np.bool_] | None) -> Answer:
        """Ask the model as the contract asks it."""
        if not self.costly and len(rows) <= AT_ONCE:
            return await view.together.ask(rows) if truly is None else _told(view, rows, truly)
        return await asyncio.get_running_loop().run_in_executor(None, _told, view, rows, truly)

    def event(
        self, status: int, who: Principal | None, address: str, asked: Asked | None,
        answer: Answer | None,
    ) -> QueryEvent:  # fmt: skip
        """Write down what happened, without a value."""
        rows = 0 if asked is None else asked.n
        told = 0 if answer is None else rows
        if answer is not None and answer.answered is not None:
            told = int(answer.answered.sum())
        role = "" if who is None else who.role
        view = self.views.get(role)
        return QueryEvent(
            self._clock(), status, b"" if who is None else who.token, self._place(address), role,
            self.card.name, "" if view is None else view.digest, rows, told, self.sketcher.names,
            b"" if asked is None else self.sketcher(asked.rows),
            False if who is None else who.auditor,
        )  # fmt: skip

    def reply(
        self, view: View, asked: Asked, answer: Answer, truly: NDArray[np.bool_] | None
    ) -> Reply:
        """Shape the answer and write it out."""
        try:
            shaped = view.shape(asked.rows, answer, truly)
            if view.coarse:
                shaped = ladder.coarser(shaped)
            return Reply(200, *write_answer(shaped, asked, self.card, view.contract))
        except ModelError:
            return refused(self._failed)

    def _place(self, address: str) -> bytes:
        token = self._sources.get(address)
        if token is None:
            if len(self._sources) > 10_000:
                self._sources.clear()
            keyed = self._source.copy()
            keyed.update(network(address).encode())
            token = self._sources[address] = keyed.digest()
        return token

    def watch(self, event: QueryEvent, rows: Dataset | None, answer: Answer | None) -> None:
        """Look for an attack; an alarm changes nothing about this answer."""
        for alert in self._watch.observe(event, rows, answer):
            self.alarms.raised(alert)

    async def later(self, reply: Reply, seconds: float) -> Reply:
        """Let a reply wait; so many may at once, and it holds no thread."""
        if self._waiting >= WAITING:
            return refused(crowded(seconds))
        self._waiting += 1
        self.counters.add("delayed")
        try:
            await asyncio.sleep(seconds)
        finally:
            self._waiting -= 1
            self.counters.add("delayed", -1)
        return reply


def _told(view: View, rows: Dataset, truly: NDArray[np.bool_] | None) -> Answer:
    if view.limited is None or truly is None:
        return view.asked.ask(rows)
    return view.limited.answer(rows, truly)


def header_length(call: Call) -> int | None:
    """The JSON part's length where binary tensors follow it."""
    given = [value for name, value in call.headers if name == b"inference-header-content-length"]
    if not given:
        return None
    if len(given) > 1 or not given[0].isdigit() or len(given[0]) > 12:
        raise BadRequest("Inference-Header-Content-Length is not one whole number")
    return int(given[0])


def crowded(seconds: float) -> RefusedError:
    """Refuse where too many replies wait already."""
    return RefusedError(429, CROWDED, max(1, int(seconds)))


def refused(refusal: RefusedError | BadRequest) -> Reply:
    """Write a refusal."""
    headers = [JSON]
    after = getattr(refusal, "retry_after", None)
    if after is not None:
        headers.append((b"retry-after", str(after).encode()))
    if refusal.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return Reply(refusal.status, headers, msgspec.json.encode({"error": refusal.message}))

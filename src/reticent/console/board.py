"""The reading side: what stands in the store and the counters, as the pages show it.

Everything here runs in the console's own thread, one call at a time. What it returns holds plain
records and drawings; the templates choose no fact.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from markupsafe import Markup

from reticent.access.keys import state as key_state
from reticent.console import draw, words
from reticent.console.followed import Followed
from reticent.console.pulse import BEATS, Pulse
from reticent.console.tiles import Tile, tiles
from reticent.contract import RESERVED_ROLES, Contract
from reticent.event import Alert
from reticent.gateway.budget import ALL, DAY, MINUTE, of_principal, of_role
from reticent.gateway.journal import read_checkpoint
from reticent.gateway.worker import Worker
from reticent.monitor import standing
from reticent.monitor.memory import BETTING, STAKES
from reticent.monitor.standing import Standing
from reticent.store import KeyRecord, Note, Store

MOST_ALERTS: Final = 5_000
MOST_CALLERS: Final = 10_000
MOST_KEYS: Final = 10_000
SHOWN: Final = 50  # rows of one page
FAR: Final = 700.0  # nats, either way: beyond it there is no such number
LATEST: Final = 6  # alerts on the overview
Progress = Callable[[], Mapping[str, tuple[int, int]]]
_alert = msgspec.msgpack.Decoder(Alert).decode


@dataclass(frozen=True, slots=True)
class Purse:
    """A budget: what it is for, and how much of it is spent or leased in its window."""

    title: str
    used: int
    limit: int
    drawing: Markup


@dataclass(frozen=True, slots=True)
class RoleRow:
    """A role on the overview and on its own page.

    Attributes
    ----------
    requests, refused, rows : since the gateway began. learned : sessions seen and needed of the
    shadow period, None where there is none.
    """

    name: str
    contract: Contract
    requests: int
    refused: int
    rows: int
    drawing: Markup
    purses: Sequence[Purse]
    learned: tuple[int, int, Markup] | None
    keys: Sequence[KeyRecord]


@dataclass(frozen=True, slots=True)
class Page:
    """Some of many.

    Attributes
    ----------
    rows : of this page. number, pages : from 1. total : of all pages. full : whether there may be
    more in the store than are read.
    """

    rows: Sequence[Any]
    number: int
    pages: int
    total: int
    full: bool


class Board:
    """What the console knows.

    Parameters
    ----------
    worker : of the gateway, whose counters are those of all its workers.
    progress : of each role's shadow period: sessions seen, and sessions needed; None: the worker's.
    """

    def __init__(
        self, worker: Worker, progress: Progress | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        self.worker, self.clock = worker, clock
        self._progress = worker.remembering.progress if progress is None else progress
        self.pulse = Pulse(worker.counters, list(worker.guard.views))
        self.alerts = Followed("alert", _read_alert, MOST_ALERTS)
        self.standings = Followed(standing.KIND, standing.read, MOST_CALLERS, _settled)
        self._named: tuple[int, dict[bytes, str]] = (-1, {})
        self.began = clock()

    def follow(self, store: Store) -> None:
        """Read what was written since."""
        now = time.monotonic()
        self.alerts.follow(store, now)
        self.standings.follow(store, now)

    # Pages ------------------------------------------------------------------------------------

    def overview(self, store: Store) -> dict[str, Any]:
        """How the gateway is, in one page."""
        self.follow(store)
        now, guard = self.clock(), self.worker.guard
        callers = list(self.standings.found.values())
        states = {name: sum(one.state == name for one in callers) for name in standing.STATES}
        recent = [one for one in self.alerts.found.values() if now - one.at < DAY]
        everybody = self.worker.plan.rows_per_day
        return {
            "headline": words.headline(self.worker.ready, len(recent), states["frozen"]),
            "alarming": bool(recent or states["frozen"] or not self.worker.ready),
            "card": guard.card, "served": self.worker.plan.served.how,
            "durable": self.worker.plan.durable, "began": self.began,
            "tiles": self.tiles(), "states": states, "callers": len(callers),
            "alerts": self.newest()[:LATEST], "alerts_total": len(self.alerts.found),
            "roles": self.roles(store), "strangers": self.pulse.since_start("")[0],
            "purses": [self._purse(store, "rows today, all roles", ALL, DAY, everybody, now)]
            if everybody else [],
            "journal": self.journal(store), "now": now,
        }  # fmt: skip

    def tiles(self) -> list[Tile]:
        """The numbers on top, of the last minute; their lines are of the last ten."""
        return tiles(self.pulse.lately(), self.pulse.past())

    def callers(
        self, store: Store, role: str = "", state: str = "", token: str = "", order: str = "",
        number: int = 1,
    ) -> dict[str, Any]:  # fmt: skip
        """Callers that fit, those with the most evidence first unless told.

        Parameters
        ----------
        role, state, token : what to look for, the last as the first digits; empty: whatever.
        order : ``last`` for who asked last, ``queries`` for who asked most.
        """
        self.follow(store)
        wanted = "".join(token.lower().split())
        keys: dict[str, Callable[[Standing], Any]] = {
            "last": lambda one: one.last, "queries": lambda one: one.queries,
        }  # fmt: skip
        key = keys.get(order) or (lambda one: (standing.STATES.index(one.state), one.score))
        found = [
            one
            for one in self.standings.found.values()
            if role in ("", one.role)
            and state in ("", one.state)
            and one.principal.hex().startswith(wanted)
        ]
        found.sort(key=key, reverse=True)
        return {
            "page": _page(found, number, self.standings.full), "now": self.clock(),
            "raised": {one.caller: one.at for one in reversed(self.newest())},
            "roles": sorted({one.role for one in self.standings.found.values()}),
            "role": role, "state_wanted": state, "token": token, "order": order,
            "query": _query(role=role, state=state, token=token, order=order),
        }  # fmt: skip

    def caller(self, store: Store, principal: bytes, admin: bool) -> dict[str, Any] | None:
        """One caller; None where nothing is known of them."""
        self.follow(store)
        now = self.clock()
        found = self.standings.one(store, principal)
        own = [one for one in self.newest() if principal in (one.caller, *one.others)]
        if found is None and not own:
            return None
        caller = found or Standing(principal, role=own[0].role)
        marks = [(one.at, f"{one.detector}, {words.stamp(one.at)}") for one in own]
        return {
            "caller": caller, "alerts": own[:SHOWN], "alerts_total": len(own), "now": now,
            "bets": bets(caller.evidence), "purses": self._own_purses(store, caller, now),
            "names": self.names(store).get(principal, "") if admin else "",
            "timeline": draw.timeline(marks, now, f"When alerts were raised: {len(marks)}")
            if marks else None,
        }  # fmt: skip

    def alert_list(self, store: Store, detector: str = "", role: str = "",
                   number: int = 1) -> dict[str, Any]:  # fmt: skip
        """Alerts, the newest first."""
        self.follow(store)
        found = [one for one in self.newest()
                 if detector in ("", one.detector) and role in ("", one.role)]  # fmt: skip
        every = self.alerts.found.values()
        return {
            "page": _page(found, number, self.alerts.full), "now": self.clock(),
            "detectors": sorted({one.detector for one in every}),
            "roles": sorted({one.role for one in every if one.role}),
            "detector": detector, "role": role, "query": _query(detector=detector, role=role),
        }  # fmt: skip

    def alert(self, store: Store, name: bytes, admin: bool) -> dict[str, Any] | None:
        """One alert; None where there is none of that name."""
        found = self.alerts.one(store, name)
        if found is None:
            return None
        caller = self.standings.one(store, found.caller) or Standing(found.caller)
        names = self.names(store) if admin else {}
        return {
            "alert": found, "caller": caller, "now": self.clock(),
            "names": {one: names.get(one, "") for one in (found.caller, *found.others)},
        }  # fmt: skip

    def roles_page(self, store: Store, admin: bool) -> dict[str, Any]:
        """What each role can see, and, for an admin, whose keys open it."""
        keys = store.keys(MOST_KEYS)
        now = self.clock()
        reserved = [(role, [one for one in keys if one.role == role]) for role in RESERVED_ROLES]
        return {"roles": self.roles(store, keys), "reserved": reserved, "admin": admin, "now": now,
                "state_of": lambda key: key_state(key, now)}  # fmt: skip

    # Parts ------------------------------------------------------------------------------------

    def newest(self) -> list[Alert]:
        """Alerts that are known, the newest first."""
        return sorted(self.alerts.found.values(), key=lambda one: one.at, reverse=True)

    def roles(self, store: Store, keys: Sequence[KeyRecord] = ()) -> list[RoleRow]:
        """Each role with its numbers."""
        now, past, learned = self.clock(), self.pulse.by_role(), self._progress()
        rows = []
        for name, view in self.worker.guard.views.items():
            requests, refused, asked = self.pulse.since_start(name)
            limit, of = view.contract.role_rows_per_day, learned.get(name)
            told = f"Rows a minute of {name} in the last ten minutes"
            rows.append(RoleRow(
                name, view.contract, requests, refused, asked,
                draw.spark(past[name], BEATS, told),
                [self._purse(store, "of the role's rows today", of_role(name), DAY, limit, now)]
                if limit else [],
                None if of is None else (*of, draw.meter(*of, _progressed(*of), "learning")),
                [one for one in keys if one.role == name],
            ))  # fmt: skip
        return rows

    def journal(self, store: Store) -> dict[str, Any]:
        """How long the journal is, and how much of it is signed."""
        head, signed = store.head(), self.worker.checkpoint
        last = read_checkpoint(signed) if signed else None
        return {"head": head, "checkpoint": last, "ready": self.worker.ready}

    def names(self, store: Store) -> dict[bytes, str]:
        """Whose keys they are, by principal's token; anew whenever a key changed."""
        version = store.version()
        if version != self._named[0]:
            token = self.worker.guard.identity.token
            found = {token(one.principal): one.owner or f"key {one.id}"
                     for one in store.keys(MOST_KEYS)}  # fmt: skip
            self._named = (version, found)
        return self._named[1]

    def _own_purses(self, store: Store, caller: Standing, now: float) -> list[Purse]:
        view = self.worker.guard.views.get(caller.role)
        if view is None:
            return []
        limits = [("rows this minute", MINUTE, view.contract.rows_per_minute),
                  ("rows today", DAY, view.contract.rows_per_day)]  # fmt: skip
        return [
            self._purse(store, title, of_principal(caller.principal, span), span, limit, now)
            for title, span, limit in limits
            if limit is not None
        ]

    def _purse(
        self, store: Store, title: str, account: str, span: int, limit: int, now: float
    ) -> Purse:
        used = store.used(account, int(now) // span * span)
        told = f"{used:,} of {limit:,} {title}"
        return Purse(title, used, limit, draw.meter(used, limit, told, "budget"))


def bets(evidence: Sequence[float]) -> list[tuple[str, float]]:
    """The wealth of each detector that bets, from a standing's logarithms: their stakes' mean.

    None where another version of the program kept other numbers.
    """
    if len(evidence) != STAKES * len(BETTING):
        return []
    logs = [max(-FAR, min(FAR, one)) for one in evidence]
    wealth = [sum(map(math.exp, logs[place : place + STAKES])) / STAKES
              for place in range(0, len(logs), STAKES)]  # fmt: skip
    return list(zip(BETTING, wealth, strict=True))


def _read_alert(note: Note) -> Alert | None:
    """An alert; None where another version of the program wrote it in another form."""
    try:
        found = _alert(note.content)
    except msgspec.MsgspecError:
        return None
    return found if found.id else msgspec.structs.replace(found, id=note.key.decode("latin-1"))


def _query(**wanted: str) -> str:
    """What stands before the page's number in a link to another page of a list."""
    given = {name: text for name, text in wanted.items() if text}
    return urlencode(given) + "&" * bool(given)


def _settled(one: Standing) -> bool:
    return not one.treated


def _page(found: Sequence[Any], number: int, full: bool) -> Page:
    pages = max(1, -(-len(found) // SHOWN))
    number = min(max(number, 1), pages)
    rows = found[SHOWN * (number - 1) : SHOWN * number]
    return Page(rows, number, pages, len(found), full)


def _progressed(have: int, need: int) -> str:
    return f"{have} of {need} sessions of the shadow period"

"""``[monitor]``: what honest callers are allowed, how sure an alarm is, and what follows it."""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from reticent.errors import ConfigError, nearest

Rung = Literal["alert", "coarsen", "delay", "freeze"]
RUNGS: tuple[Rung, ...] = ("alert", "coarsen", "delay", "freeze")
LONGEST = 10.0  # seconds that a reply may wait: a gateway that stops waits as long for it


class Monitor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What honest callers are allowed, and how often an alarm may be wrong.

    Attributes
    ----------
    alpha : how often an honest caller may be alarmed: ever, for what is allowed; in a session, for
        what is usual.
    revisits : share of queries that may try a second sensitive value about a person.
    coverages : the same for a third one.
    edits : the allowance grows by this for each query that changed another column: who explores
        a person column by column comes by the sensitive one too.
    refusals : share of queries that may be refused; default: three times what the contract is
        made for, and a fifth, at most 0.6.
    burst : queries that may be refused besides, at any time: a bad batch, a test.
    run_length : queries, on average at least, before a false alarm for a stolen key.
    shadow : honest sessions (a caller's day) that thresholds of sessions are set from.
    rows_per_hour, rows_per_second, networks_per_day : an alert where one caller asks more rows in
        an hour; more rows a second, over ten seconds; from more networks in a day.
    callers_per_network : callers that may ask from one network in a day; None: any number.
    respond : the ladder, a rung at each alarm of the same caller and in this order: alert,
        coarsen (scores become halves), delay, freeze.
    max_delay : seconds that a delayed reply waits at most.
    """

    alpha: float = 0.01
    revisits: float = 0.01
    coverages: float = 0.0005
    edits: float = 0.12
    refusals: float | None = None
    burst: int = 4
    run_length: int = 1_000_000
    shadow: int = 299
    rows_per_hour: int | None = None
    rows_per_second: float | None = None
    networks_per_day: int | None = None
    callers_per_network: int | None = None
    respond: tuple[Rung, ...] = ("alert",)
    max_delay: float = 5.0

    def __post_init__(self) -> None:
        shares = {"alpha": self.alpha, "revisits": self.revisits, "coverages": self.coverages}
        for name, share in shares.items():
            if not 0 < share < 0.5:
                raise ConfigError(f"[monitor] {name}", f"{share} is not between 0 and 0.5",
                                  "Give a share such as 0.01")  # fmt: skip
        _check_rest(self)
        _check_ladder(self.respond)
        if not 0 < self.max_delay <= LONGEST:
            raise ConfigError("[monitor] max_delay", f"{self.max_delay:g} s is out of range",
                              f"Give more than 0 and at most {LONGEST:g} s")  # fmt: skip


def _check_rest(own: Monitor) -> None:
    """Refuse numbers with which a detector could not be asked."""
    if not 0 <= own.edits < 1:
        raise ConfigError("[monitor] edits", f"{own.edits:g} is not between 0 and 1",
                          "Give a share such as 0.1")  # fmt: skip
    if own.refusals is not None and not 0 < own.refusals < 1:
        raise ConfigError("[monitor] refusals", f"{own.refusals:g} is not between 0 and 1",
                          "Give a share such as 0.3")  # fmt: skip
    positive = ("run_length", "shadow", "rows_per_hour", "rows_per_second", "networks_per_day",
                "callers_per_network")  # fmt: skip
    for name in positive:
        number = getattr(own, name)
        if number is not None and not 0 < number < math.inf:
            raise ConfigError(f"[monitor] {name}", f"{number:g} is out of range",
                              "Give a number above 0")  # fmt: skip
    if own.burst < 0:
        raise ConfigError("[monitor] burst", f"{own.burst} is out of range", "Give 0 or more")


def _check_ladder(rungs: tuple[Rung, ...]) -> None:
    """Refuse rungs that are unknown, twice or out of order."""
    asked = "[monitor] respond"
    for word in rungs:
        if word not in RUNGS:
            close = nearest(str(word), list(RUNGS))
            raise ConfigError(asked, f"{word!r} is no rung{close}",
                              f"Use some of: {', '.join(RUNGS)}")  # fmt: skip
    places = [RUNGS.index(word) for word in rungs]
    if not places or places != sorted(set(places)):
        raise ConfigError(asked, "the rungs do not rise", f"Keep this order: {', '.join(RUNGS)}")

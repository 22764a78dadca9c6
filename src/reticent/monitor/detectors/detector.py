"""What every detector is: the memory of one caller, shown one query after the other."""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple, Protocol

from reticent.monitor.promise import Bets, Drift
from reticent.monitor.trail import Sight

Promise = Literal["contract", "session", "limit"]
MOST = 0.9  # that may be allowed: who is allowed everything is not bet against


class Query(NamedTuple):
    """One row of one request, as detectors see it; in memory only.

    Attributes
    ----------
    at : seconds since 1970; NaN: unknown. source : a token.
    position : in the caller's own sequence, from 0.
    sight : how the row relates to earlier ones. refused : by the contract.
    outside : of the manifold of honest people.
    """

    at: float
    position: int
    source: bytes
    sight: Sight
    refused: bool
    outside: bool


class Detector(Protocol):
    """The memory of one caller.

    Attributes
    ----------
    name : as in alerts. promise : which kind keeps its alarms in check. source : paper.
    sees, blind : what it finds, and what it cannot.
    """

    name: ClassVar[str]
    promise: ClassVar[Promise]
    source: ClassVar[str]
    sees: ClassVar[str]
    blind: ClassVar[str]

    def observe(self, query: Query) -> None:
        """Look at one query."""
        ...

    @property
    def evidence(self) -> float:
        """How much speaks against the caller by now; at 1 it is enough (not for contracts)."""
        ...

    def reason(self) -> str:
        """What was seen, in words and without a value."""
        ...


class Betting:
    """What detectors with a contract promise have in common: they bet against what is allowed.

    Attributes
    ----------
    rows : different ones so far. hits : of them.
    """

    promise: ClassVar[Promise] = "contract"
    __slots__ = ("bets", "hits", "rows")

    def __init__(self, stakes: tuple[float, ...]) -> None:
        self.bets = Bets(stakes)
        self.hits = self.rows = 0

    def bet(self, hit: bool, allowed: float) -> None:
        """Count one row and bet on it."""
        self.rows += 1
        self.hits += hit
        self.bets.bet(hit, min(allowed, MOST))

    @property
    def evidence(self) -> float:
        """The e-value."""
        return self.bets.value


class Drifting:
    """What detectors with a session promise have in common: evidence that has to be enough.

    Attributes
    ----------
    rows : that were looked at so far. hits : of them. enough : evidence, in nats.
    """

    promise: ClassVar[Promise] = "session"
    enough: ClassVar[float] = 10.0
    __slots__ = ("drift", "hits", "rows")

    def __init__(self) -> None:
        self.drift = Drift()
        self.hits = self.rows = 0

    def add(self, hit: bool, nats: float) -> None:
        """Count one row and its log-likelihood ratio."""
        self.rows += 1
        self.hits += hit
        self.drift.add(nats)

    @property
    def evidence(self) -> float:
        """In units of what is enough."""
        return self.drift.level / self.enough

    @property
    def peak(self) -> float:
        """The largest evidence of the session."""
        return self.drift.best / self.enough

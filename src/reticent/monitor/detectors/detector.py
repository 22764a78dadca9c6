"""What every detector is: the memory of one caller, shown one query after the other."""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple, Protocol

from reticent.monitor.promise import Bets
from reticent.monitor.trail import Sight

Promise = Literal["contract", "session", "limit"]


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


class Betting(Protocol):
    """A detector with a contract promise: it bets against what is allowed."""

    bets: Bets

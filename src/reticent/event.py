"""One query as it is remembered: who asked how much and about what, never a value.

What is stored of a row is two keyed tokens per watched column (``monitor/sketch.py`` makes them):
the *record*, the row without that column, and the *value*, bound to that record. Two queries about
one person share the record; without the key nobody can tell whom it is about. They are
pseudonymous personal data all the same, and retention and erasure apply.
"""

from __future__ import annotations

import msgspec

TOKEN_BYTES = 16
WHOLE = "*"  # the column of a project that hides none: the whole row is the record


class QueryEvent(msgspec.Struct, frozen=True, array_like=True, tag="query"):
    """One answered or refused request; each of its rows is a query.

    Attributes
    ----------
    at : seconds since 1970, UTC. status : of the reply, as in HTTP.
    principal, source : tokens of who asked and from which network; empty where nobody was known.
    role, model, contract : the role's name, the model's name, the contract's digest.
    rows : how many were asked. answered : how many of them were answered.
    columns : watched columns. sketches : for each row and column a record and a value token.
    auditor : asked with an auditor's key: alerts are marked, nothing is frozen.
    """

    at: float
    status: int
    principal: bytes
    source: bytes
    role: str
    model: str
    contract: str
    rows: int
    answered: int
    columns: tuple[str, ...]
    sketches: bytes
    auditor: bool = False

    def records(self, column: str) -> list[tuple[bytes, bytes]]:
        """The (record, value) tokens of one watched column, row by row."""
        place, step = self.columns.index(column), 2 * TOKEN_BYTES * len(self.columns)
        starts = range(2 * TOKEN_BYTES * place, len(self.sketches), step)
        return [
            (
                self.sketches[s : s + TOKEN_BYTES],
                self.sketches[s + TOKEN_BYTES : s + 2 * TOKEN_BYTES],
            )
            for s in starts
        ]


class Erasure(msgspec.Struct, frozen=True, array_like=True, tag="erasure"):
    """Entries of the journal were erased: how many, from before when, and by which rule."""

    at: float
    entries: int
    before: float
    rule: str


class Act(msgspec.Struct, frozen=True, array_like=True, tag="act"):
    """A person or the gateway itself changed how a caller is treated.

    Attributes
    ----------
    by : who did it, as a token; empty for the gateway. subject : whom it is about.
    done : what, in one word: freeze, release, coarsen, delay. reason : in words, as given.
    """

    at: float
    by: bytes
    subject: bytes
    done: str
    reason: str


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """One detection. No value of a query stands in it.

    Attributes
    ----------
    id : of the alert, random. at : when, seconds since 1970, UTC.
    caller : token of the principal. query : 0-based position in that caller's own sequence.
    detector, reason : which one, and why in words. promise : how often it is wrong.
    evidence : the numbers that the reason is made of.
    role, model, contract : as in the event. source : token of the network.
    others : tokens of the accounts that completed each other's sweeps, where there are any.
    auditor : raised by an auditor's key: nothing is frozen for it.
    limit : a declared limit was passed, which tells nothing of intent: nothing is frozen for it.
    """

    id: str = ""
    at: float = 0.0
    caller: bytes
    query: int
    detector: str
    reason: str
    promise: str
    evidence: dict[str, float] = {}
    role: str = ""
    model: str = ""
    contract: str = ""
    source: bytes = b""
    others: tuple[bytes, ...] = ()
    auditor: bool = False
    limit: bool = False

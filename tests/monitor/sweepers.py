"""Accounts that look people up, and accounts that share a sweep, as events in tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from reticent.event import QueryEvent

Row = tuple[str, int, int]  # who, about whom, with which value


def token(*parts: object) -> bytes:
    return blake2b(repr(parts).encode(), digest_size=16).digest()


def event(
    who: str, pairs: Iterable[tuple[int, int]], at: float = 1.0, column: str = "s", **more: object
) -> QueryEvent:
    """One request: (record, value) for each row."""
    tokens = [(token(column, record), token(column, record, value)) for record, value in pairs]
    made = QueryEvent(
        at, 200, token(who), token("place", who), "partner", "survey", "c", len(tokens),
        len(tokens), (column,), b"".join(record + value for record, value in tokens),
    )  # fmt: skip
    for name, value in more.items():
        made = with_part(made, name, value)
    return made


def with_part(made: QueryEvent, name: str, value: object) -> QueryEvent:
    import msgspec

    return msgspec.structs.replace(made, **{name: value})


def events(rows: Iterable[Row]) -> list[QueryEvent]:
    """Rows in order, one request each."""
    return [
        event(who, [(record, value)], float(at)) for at, (who, record, value) in enumerate(rows)
    ]


def colluding(
    rng: np.random.Generator, people: NDArray[np.intp], accounts: int, values: int, each: int,
    *, in_turn: bool = False, cover: float = 0.0, truth: NDArray[np.intp] | None = None,
) -> list[Row]:  # fmt: skip
    """Split the sweep of some people over accounts, so many queries of it for each.

    Parameters
    ----------
    in_turn : each query by the next account; else dealt out. cover : share of honest queries.
    truth : (n,) the true value of each record that honest queries are about.
    """
    swept = rng.choice(people, max(1, accounts * each // values), replace=False)
    deck = np.arange(accounts * (each + 2)) % accounts
    turns = deck if in_turn else rng.permutation(deck)
    rows = [
        (f"attacker-{turns[place % len(turns)]}", int(person), value)
        for place, (person, value) in enumerate((p, v) for p in swept for v in range(values))
    ]
    if cover:
        assert truth is not None
        for account in range(accounts):
            about = rng.choice(people, round(each * cover / (1 - cover)))
            rows += [(f"attacker-{account}", int(person), int(truth[person])) for person in about]
    return rows


def honest(
    rng: np.random.Generator, people: NDArray[np.intp], accounts: int, truth: NDArray[np.intp],
    wrong: float = 0.02,
) -> Iterator[Row]:  # fmt: skip
    """Look people up with their true value, or now and then with a slip, often at that."""
    values = int(truth.max()) + 1
    for account in range(accounts):
        for person in rng.choice(people, int(4 + rng.exponential(14))):
            slip = int(rng.integers(1, values)) if rng.random() < wrong else 0
            yield f"honest-{account}", int(person), (int(truth[person]) + slip) % values


def shuffled(rng: np.random.Generator, rows: Sequence[Row]) -> list[Row]:
    return [rows[place] for place in rng.permutation(len(rows))]


def within(
    rng: np.random.Generator, sweep: Sequence[Row], rest: Sequence[Row], share: float
) -> list[Row]:
    """A sweep, in any order, during some share of the time in which others ask."""
    at = np.concatenate([(1 - share) / 2 + share * rng.random(len(sweep)), rng.random(len(rest))])
    rows = [*sweep, *rest]
    return [rows[place] for place in np.argsort(at)]

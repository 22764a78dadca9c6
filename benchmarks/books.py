"""A gateway's books held against what callers saw: every answer entered, no budget overspent."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.guarded import COLUMNS, Limits
from reticent.access.identity import Identity
from reticent.access.secret import public_key, root_secret
from reticent.dataset import Dataset
from reticent.event import QueryEvent
from reticent.gateway.budget import DAY, MINUTE
from reticent.gateway.journal import read, verify
from reticent.monitor.sketch import Sketcher
from reticent.randomness import subkey
from reticent.store import Erased, Store
from reticent.stores.opened import open_store

SLOW = 2.0  # seconds from a debit to its entry: so long after a window began, its rows are its own


@dataclass(frozen=True, slots=True)
class Books:
    """What the store holds after a load.

    Attributes
    ----------
    entries : of the journal. answered : rows answered, by principal.
    problems : what must not be, in words; none is what is promised.
    """

    entries: int
    answered: Counter[bytes]
    problems: tuple[str, ...]


def opened(path: Path) -> Store:
    """Open the store of a project."""
    url = tomllib.loads(path.read_text("utf-8")).get("store", {}).get("url")
    return open_store(url, path.parent / ".reticent")


def sketches(path: Path, rows: NDArray[np.float32]) -> list[bytes]:
    """What the journal keeps of rows (n, 30), asked one by one."""
    secret = root_secret(path.parent / ".reticent")
    sketched = Sketcher(subkey(secret, "sketches"), COLUMNS, [["x3"]])
    whole = sketched(Dataset.of_matrix(rows.astype(float), tuple(COLUMNS)))
    return [whole[at : at + 32] for at in range(0, len(whole), 32)]


def audited(
    path: Path, limits: Limits, seen: Iterable[bytes] = (), told: Counter[str] | None = None
) -> Books:
    """Hold the books of a project against its limits and against what callers saw.

    Parameters
    ----------
    seen : sketches of the rows whose answer reached a caller.
    told : owner of a key to how many answers reached the key's callers.
    """
    with closing(opened(path)) as store:
        identity = Identity(store, root_secret(path.parent / ".reticent"))
        pinned = public_key(path.parent / ".reticent")
        found = verify(store.blocks(), store.head(), store.checkpoints(), pinned)
        events = list(_events(store))
        problems = [*found.problems, *_overspent(store, events, limits)]
    answers = [event for event in events if event.status == 200]
    missing = Counter(seen) - Counter(event.sketches for event in answers)
    if missing:
        problems.append(f"{missing.total()} answered queries are not in the journal")
    answered = Counter[bytes]()
    for event in answers:
        answered[event.principal] += event.answered
    for owner, count in (told or {}).items():
        if count > answered[identity.token(f"owner:{owner}")]:
            problems.append(f"{owner} saw {count} answers, the journal has fewer")
    return Books(found.entries, answered, tuple(problems))


def _events(store: Store) -> Iterator[QueryEvent]:
    for block in store.blocks():
        for entry in block.entries:
            event = None if isinstance(entry, Erased) else read(entry)
            if isinstance(event, QueryEvent):
                yield event


def _overspent(store: Store, events: list[QueryEvent], limits: Limits) -> Iterator[str]:
    """Compare rows debited with each account's limit, and with what the store says was leased."""
    spent = Counter[tuple[str, int, int]]()
    for event in events:
        if event.status != 200:
            continue
        principal = f"principal/{event.principal.hex()}"
        for account, span, limit in (
            (f"{principal}/{MINUTE}", MINUTE, limits.minute),
            (f"{principal}/{DAY}", DAY, limits.day),
            (f"role/{event.role}", DAY, limits.role_day),
            ("all", DAY, limits.all_day),
        ):
            window = int(event.at) // span * span
            if event.at - window >= SLOW:  # before that it may be of the window before
                spent[account, window, limit] += event.rows
    for (account, window, limit), rows in spent.items():
        leased = store.used(account, window)
        if not rows <= leased <= limit:
            yield f"{account}: {rows} rows answered, {leased} leased, {limit} allowed"

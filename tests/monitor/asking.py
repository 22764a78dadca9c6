"""Small tables of people, what is known of honest ones, and callers who ask about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.dataset import Dataset, stack
from reticent.event import Alert, QueryEvent
from reticent.monitor.memory import Memory, Rules
from reticent.monitor.promise import Calibrated
from reticent.monitor.reference import Reference, fit_reference
from reticent.monitor.settings import Monitor
from reticent.monitor.sketch import Sketcher
from reticent.monitor.watch import Watch
from reticent.target import Answer

KEY = bytes(range(32))
GENES = ("aa", "ab", "bb", "cc")
TOWNS = ("Ayr", "Bonn", "Cork")
STEPS = (5, 6, 8, 12, 4, 9, 7, 6)
NOON = 1_700_000_000 - 1_700_000_000 % 86_400 + 43_200.0  # of some day
ROLE = "partner"


def clinic(n: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> Dataset:
    """Ten correlated measurements, a town and a gene (sensitive)."""
    rng = np.random.default_rng([seed, 3])
    loadings = np.random.default_rng(0).normal(size=(4, 10))
    numbers = rng.normal(size=(n, 4)) @ loadings + 0.6 * rng.normal(size=(n, 10))
    columns: dict[str, Any] = {
        f"m{place}": 100 * place + 10 * (shift + scale * numbers[:, place]) for place in range(10)
    }
    columns["town"] = rng.choice(np.array(TOWNS, dtype=object), n)
    columns["gene"] = rng.choice(np.array(GENES, dtype=object), n)
    return Dataset(columns)


def survey(n: int, seed: int) -> Dataset:
    """Eight numbers of few values and a sensitive one, as a matrix."""
    rng = np.random.default_rng([seed, 4])
    x = np.column_stack(
        [*(rng.integers(steps, size=n) for steps in STEPS), rng.integers(4, size=n)]
    )
    return Dataset.of_matrix(x.astype(float), (*(f"q{p}" for p in range(len(STEPS))), "s"))


def wide(n: int, seed: int, d: int = 400) -> Dataset:
    """Many numbers, none of them sensitive: an image or a signal."""
    rng = np.random.default_rng([seed, 6])
    loadings = np.random.default_rng(1).normal(size=(12, d))
    x = rng.normal(size=(n, 12)) @ loadings + 0.1 * rng.normal(size=(n, d))
    return Dataset.of_matrix(x, tuple(f"p{place}" for place in range(d)))


TABLES: dict[str, tuple[Callable[[int, int], Dataset], tuple[str, ...]]] = {
    "clinic": (clinic, ("gene",)), "survey": (survey, ("s",)), "wide": (wide, ()),
}  # fmt: skip


@dataclass(frozen=True)
class World:
    """A kind of people: those whom the reference was fitted on, and others to ask about."""

    people: Callable[[int, int], Dataset]
    sketcher: Sketcher
    reference: Reference
    groups: list[list[str]]

    def watch(
        self, settings: Monitor | None = None, rules: Mapping[str, Rules] | None = None,
        *, calibrated: bool = False,
    ) -> Watch:  # fmt: skip
        """A new watch; calibrated: what is enough for a session detector by itself is enough."""
        rules = {ROLE: Rules()} if rules is None else rules
        watch = Watch(settings or Monitor(), self.reference, len(self.groups), rules)
        for role in rules if calibrated else ():
            names = watch.names(role)
            if names:
                watch.sessions[role] = Calibrated((1.0,) * len(names), 1.0, "a promise", 299)
        return watch

    def event(self, rows: Dataset, caller: str = "ann", role: str = ROLE, at: float = NOON,
              **more: Any) -> QueryEvent:  # fmt: skip
        """One request for some rows."""
        return QueryEvent(at, 200, token(caller), b"n" * 16, role, "model", "digest", len(rows),
                          len(rows), self.sketcher.names, self.sketcher(rows), **more)  # fmt: skip

    def ask(
        self, watch: Watch, rows: Dataset, caller: str = "ann", role: str = ROLE,
        at: float = NOON, answer: Answer | None = None, *, at_once: bool = False, **more: Any,
    ) -> list[Alert]:  # fmt: skip
        """Ask row after row, or all at once."""
        cuts = [slice(0, len(rows))] if at_once else [slice(p, p + 1) for p in range(len(rows))]
        found: list[Alert] = []
        for cut in cuts:
            some = rows.take(cut)
            told = None if answer is None else answer.take(cut)
            found += watch.observe(self.event(some, caller, role, at, **more), some, told)
        return found

    def alone(self, rows: Dataset, answer: Answer | None = None, **settings: Any) -> Memory:
        """What is remembered of one caller who asked these rows and nothing else."""
        watch = self.watch(Monitor(**settings))
        self.ask(watch, rows, answer=answer, at_once=True)
        return watch.memory(token("ann"), ROLE)


@cache
def world(name: str, n: int = 600) -> World:
    """A kind of people, with what was learned of ``n`` honest ones."""
    people, hidden = TABLES[name]
    honest = people(n, 1)
    groups = [[one] for one in hidden]
    sketcher = Sketcher(KEY, honest.names, groups)
    rng = np.random.default_rng(0)
    return World(people, sketcher, fit_reference(honest, honest.names, groups, sketcher, rng),
                 groups)  # fmt: skip


def token(caller: str) -> bytes:
    return blake2b(caller.encode(), digest_size=16).digest()


# What callers ask -------------------------------------------------------------------------------


def swept(people: Dataset, column: str, values: Sequence[Any]) -> Dataset:
    """Every person with every value of a column, one person after the other."""
    kind = np.dtype(object) if isinstance(values[0], str) else np.dtype(float)
    rows = people.take(np.repeat(np.arange(len(people)), len(values)))
    return rows.replaced(column, np.tile(np.array(values, dtype=kind), len(people)))


def jittered(
    rows: Dataset, names: Sequence[str], by: float, rng: np.random.Generator
) -> Dataset:  # fmt: skip
    """Move numbers by normal noise, in standard deviations of what is in the rows."""
    for name in names:
        column = rows[name].astype(float)
        rows = rows.replaced(name, column + by * column.std() * rng.normal(size=len(rows)))
    return rows


def mixed(rng: np.random.Generator, *parts: Dataset) -> Dataset:
    """Several parts' rows in any order."""
    rows = stack(*parts)
    return rows.take(rng.permutation(len(rows)))


def numbers_of(rows: Dataset) -> list[str]:
    """The columns of numbers that are not sensitive."""
    return [name for name in rows.names if name[0] in "mqp" and name[1:].isdigit()]


def scored(confidence: NDArray[np.float64]) -> Answer:
    """Answers of two classes with a given confidence."""
    return Answer(scores=np.column_stack([confidence, 1 - confidence]))


def refused(which: NDArray[np.bool_]) -> Answer:
    """Answers of which some were refused by the contract."""
    return Answer(answered=~which)

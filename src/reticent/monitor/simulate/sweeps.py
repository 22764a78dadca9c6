"""Attackers who have a table of people and want a column of it: they try its values."""

from __future__ import annotations

import numpy as np

from reticent.column import Column
from reticent.dataset import Dataset, stack
from reticent.monitor.simulate.play import (
    DAY,
    HOUR,
    Behavior,
    Play,
    Rng,
    another,
    attack,
    changed,
    crossed,
    human,
    machine,
    pick,
    size,
    uploads,
    woven,
)
from reticent.monitor.simulate.world import World

MOST = 600  # queries of one sweep, as a rule


def swept(world: World, rng: Rng, records: int, values: int | None = None) -> Dataset:
    """Members with each candidate of a sensitive column, or of each of several in turn.

    Parameters
    ----------
    values : how many of the candidates to try: the most common ones; None: all.
    """
    names = list(world.candidates)
    if len(names) > 1 and rng.random() < 0.5:
        names = [names[int(rng.integers(len(names)))]]
    tried = {name: _likely(world, name, values) for name in names}
    width = sum(map(len, tried.values()))
    people = pick(world.members, rng, min(max(2, MOST // width), records, len(world.members)))
    parts = [crossed(people, name, tried[name]) for name in names]
    owner = np.concatenate([np.repeat(np.arange(len(people)), len(tried[name])) for name in names])
    return stack(*parts).take(np.argsort(owner, kind="stable"))


def _likely(world: World, name: str, count: int | None) -> Column:
    """The candidates of a column that most people have, in their order."""
    found = world.candidates[name]
    if count is None or len(found) <= count:
        return found
    seen = world.public[name]
    if world.looks[name].numeric:
        near = np.abs(seen.astype(float)[:, None] - found.astype(float)).argmin(axis=1)
        counts = np.bincount(near, minlength=len(found))
    else:
        counts = np.array([(seen == value).sum() for value in found])
    return found[np.sort(np.argsort(-counts, kind="stable")[:count])]


def sweep(world: World, rng: Rng) -> list[Play]:
    """Try every candidate of the sensitive column on one member after the other."""
    return attack(swept(world, rng, size(rng, 50, 200, least=10)), rng)


def sweep_shuffled(world: World, rng: Rng) -> list[Play]:
    """Try every candidate on every member, in no order."""
    rows = swept(world, rng, size(rng, 60, 150, least=25))
    return attack(rows.take(rng.permutation(len(rows))), rng)


def sweep_by_value(world: World, rng: Rng) -> list[Play]:
    """Ask a whole list of members with one value, the next day with the next one."""
    column = str(rng.choice(list(world.candidates)))
    tried = world.candidates[column]
    people = pick(world.members, rng, min(size(rng, 50, 150, least=15), max(5, MOST // len(tried))))
    lists = [people.replaced(column, np.repeat(tried[place : place + 1], len(people)))
             for place in rng.permutation(len(tried))]  # fmt: skip
    at = uploads(rng, [len(people)] * len(lists), float(rng.choice([HOUR, DAY])))
    return [Play(stack(*lists), at, begins=0)]


def map_two(world: World, rng: Rng) -> list[Play]:
    """Try the two most common values on one member after the other."""
    return attack(swept(world, rng, size(rng, 60, 200, least=15), 2), rng)


def sweep_few(world: World, rng: Rng) -> list[Play]:
    """Try every candidate on a handful of chosen members, by hand."""
    rows = swept(world, rng, int(rng.integers(6, 13)))
    return [Play(rows, human(rng, len(rows)), begins=0)]


def sweep_slow(world: World, rng: Rng) -> list[Play]:
    """Try every candidate, a query every few hours."""
    rows = swept(world, rng, size(rng, 20, 60, least=8))
    return [Play(rows, machine(rng, len(rows), rng.uniform(1, 6) * HOUR, 0.5), begins=0)]


def sweep_human(world: World, rng: Rng) -> list[Play]:
    """Try every candidate by hand, at the pace of a person at a desk."""
    rows = swept(world, rng, size(rng, 30, 80, least=10))
    return [Play(rows, human(rng, len(rows)), begins=0)]


def sweep_roaming(world: World, rng: Rng) -> list[Play]:
    """Try every candidate with one key from many networks."""
    rows = swept(world, rng, size(rng, 40, 100, least=10))
    at = machine(rng, len(rows), 3.0, 0.5)
    return [Play(rows, at, begins=0, networks=int(rng.integers(5, 40)))]


def sweep_jittered(world: World, rng: Rng) -> list[Play]:
    """Try every candidate, changing numbers a little each time so that no record comes twice."""
    rows = swept(world, rng, size(rng, 50, 200, least=10))
    return attack(_jittered(world, rows, rng, rng.uniform(0.005, 0.03), 0.0), rng)


def sweep_jittered_far(world: World, rng: Rng) -> list[Play]:
    """Try every candidate, changing numbers more and a word now and then."""
    rows = swept(world, rng, size(rng, 50, 200, least=10))
    return attack(_jittered(world, rows, rng, rng.uniform(0.03, 0.1), 0.15), rng)


def _jittered(world: World, rows: Dataset, rng: Rng, share: float, words: float) -> Dataset:
    """Move each row's other columns a little.

    Parameters
    ----------
    share : of a column's spread. words : how often a word is replaced.
    """
    free = [name for name in world.columns if name not in world.candidates]
    whole = rng.random() < 0.5  # whether whole numbers stay whole
    numbers = [name for name in free if name in world.numeric]
    for name in numbers:
        look = world.looks[name]
        moved = share * look.spread * rng.standard_normal(len(rows))
        if look.whole and whole:
            nudged = rng.random(len(rows)) < max(0.1, 2.0 / len(numbers))
            moved = np.round(moved) + nudged * rng.choice([-1, 1], len(rows))
            cells = (rows[name] + moved).astype(rows[name].dtype)
        else:
            cells = rows[name].astype(float) + moved
        rows = rows.replaced(name, cells)
    for name in [name for name in free if name not in numbers and words]:
        some = np.flatnonzero(rng.random(len(rows)) < words)
        rows = changed(rows, some, name, another(world.looks[name], rows[name][some], rng))
    return rows


# Hiding among honest queries ------------------------------------------------------------------


def _covered(world: World, rng: Rng, records: int, share: float) -> list[Play]:
    rows = swept(world, rng, records)
    cover = pick(world.patients, rng, round(len(rows) * share / (1 - share)))
    mixed, begins = woven(rows, cover, rng)
    return [Play(mixed, human(rng, len(mixed), 5.0), begins)]


def sweep_half_covered(world: World, rng: Rng) -> list[Play]:
    """Try every candidate, and ask about somebody else every other time."""
    return _covered(world, rng, size(rng, 50, 100, least=15), 0.5)


def sweep_covered(world: World, rng: Rng) -> list[Play]:
    """Try every candidate among nine times as many honest queries."""
    return _covered(world, rng, size(rng, 30, 50, least=15), 0.9)


def sweep_buried(world: World, rng: Rng) -> list[Play]:
    """Try every candidate among 49 times as many honest queries."""
    return _covered(world, rng, size(rng, 6, 10, least=4), 0.98)


# Many accounts --------------------------------------------------------------------------------


def _colluding(
    world: World, rng: Rng, accounts: int, *, in_turn: bool = False, cover: float = 0.0
) -> list[Play]:
    """Split the candidates of each record over accounts; as a rule none sees two of one record.

    Parameters
    ----------
    in_turn : each query by the next account. cover : honest queries for each of the attack's.
    """
    column = str(rng.choice(list(world.candidates)))
    tried, each = world.candidates[column], int(rng.integers(8, 25))
    k = len(tried)
    records = max(2, min(accounts * each // k, 2 * len(world.members)))
    rows = crossed(pick(world.members, rng, records), column, tried)
    who = np.arange(len(rows)) % accounts
    if not in_turn:
        turns = [rng.permutation(accounts)[np.arange(k) % accounts] for _ in range(records)]
        who = np.concatenate(turns)
    one_room, plays = rng.random() < 0.5, []
    for account in np.unique(who).tolist():
        mine, begins = rows.take(rng.permutation(np.flatnonzero(who == account))), 0
        if cover:
            mine, begins = woven(mine, pick(world.patients, rng, round(cover * len(mine)) + 1), rng)
        at = rng.uniform(0, HOUR) + human(rng, len(mine))
        plays.append(Play(mine, at, begins, desk=0 if one_room else account))
    return plays


def collude_10(world: World, rng: Rng) -> list[Play]:
    """Ten accounts share a sweep; none of them tries two values of one record."""
    return _colluding(world, rng, 10)


def collude_in_turn(world: World, rng: Rng) -> list[Play]:
    """Ten accounts share a sweep, each query by the next of them."""
    return _colluding(world, rng, 10, in_turn=True)


def collude_covered(world: World, rng: Rng) -> list[Play]:
    """Ten accounts share a sweep, and every other query of each is honest."""
    return _colluding(world, rng, 10, cover=1.0)


def collude_100(world: World, rng: Rng) -> list[Play]:
    """A hundred accounts share a sweep; none of them tries two values of one record."""
    return _colluding(world, rng, 100)


SWEEPS: dict[str, Behavior] = {
    "sweep": Behavior(sweep, attack=True, sensitive=True),
    "sweep_shuffled": Behavior(sweep_shuffled, attack=True, sensitive=True),
    "sweep_by_value": Behavior(sweep_by_value, attack=True, sensitive=True),
    "map_two": Behavior(map_two, attack=True, sensitive=True),
    "sweep_few": Behavior(sweep_few, attack=True, sensitive=True),
    "sweep_slow": Behavior(sweep_slow, attack=True, sensitive=True),
    "sweep_human": Behavior(sweep_human, attack=True, sensitive=True),
    "sweep_roaming": Behavior(sweep_roaming, attack=True, sensitive=True),
    "sweep_jittered": Behavior(sweep_jittered, attack=True, sensitive=True),
    "sweep_jittered_far": Behavior(sweep_jittered_far, attack=True, sensitive=True),
    "sweep_half_covered": Behavior(sweep_half_covered, attack=True, sensitive=True),
    "sweep_covered": Behavior(sweep_covered, attack=True, sensitive=True),
    "sweep_buried": Behavior(
        sweep_buried, attack=True, sensitive=True, hides="98 of 100 queries are honest"
    ),
    "collude_10": Behavior(collude_10, attack=True, sensitive=True),
    "collude_in_turn": Behavior(collude_in_turn, attack=True, sensitive=True),
    "collude_covered": Behavior(collude_covered, attack=True, sensitive=True),
    "collude_100": Behavior(collude_100, attack=True, sensitive=True),
}

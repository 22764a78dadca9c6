"""Other attackers: with a stolen key, after one person, after membership, or after the model."""

from __future__ import annotations

import numpy as np

from reticent.dataset import Dataset, stack
from reticent.monitor.simulate.play import (
    DAY,
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
)
from reticent.monitor.simulate.reconstructions import RECONSTRUCTIONS, evolution
from reticent.monitor.simulate.sweeps import MOST, SWEEPS, swept
from reticent.monitor.simulate.world import World
from reticent.target import Reveals


def stolen_key(world: World, rng: Rng) -> list[Play]:
    """Work honestly for days; then somebody else has the key, and sweeps from another network."""
    return _stolen(world, swept(world, rng, size(rng, 50, 100, least=15)), rng)


def stolen_key_climb(world: World, rng: Rng) -> list[Play]:
    """Work honestly for days; then somebody else has the key, and climbs the model's scores."""
    return _stolen(world, evolution(world, rng)[0].rows, rng)


def _stolen(world: World, rows: Dataset, rng: Rng) -> list[Play]:
    before = pick(world.patients, rng, size(rng, 60, 200, least=20))
    desk = human(rng, len(before), 600.0)
    later = desk[-1] + DAY * rng.uniform(0.3, 3) + machine(rng, len(rows), 1.0, 0.3)
    at = np.concatenate([desk, later])
    return [Play(stack(before, rows), at, begins=len(before), moved=len(before))]


def deep_dive(world: World, rng: Rng) -> list[Play]:
    """Learn everything about one member: all candidates, with other columns varied as well."""
    column = str(rng.choice(list(world.candidates)))
    row = pick(world.members, rng, 1)
    parts = [crossed(row, column, world.candidates[column])]
    free = [str(name) for name in rng.permutation(world.columns) if name != column]
    for name in free[: int(rng.integers(1, 5))]:
        grid = crossed(row, name, world.looks[name].values[:6])
        parts.append(crossed(grid, column, world.candidates[column]))
    return attack(stack(*parts).take(slice(0, MOST)), rng)


def noise(world: World, rng: Rng) -> list[Play]:
    """Ask rows drawn at random from all that could be written, likely or not."""
    n = size(rng, 150, 500, least=40)
    rows = pick(world.public, rng, n)
    for name, look in world.looks.items():
        if look.numeric:
            cells = rng.uniform(look.low, look.high, n)
            cells = np.round(cells) if look.whole else cells
            rows = rows.replaced(name, cells.astype(rows[name].dtype))
        else:
            rows = rows.replaced(name, rng.choice(look.values, n))
    return attack(rows, rng, 0.2)


def neighbors(world: World, rng: Rng) -> list[Play]:
    """Ask about many near neighbors of each person, to tell members by how steady the label is."""
    people, each = size(rng, 10, 30, least=4), int(rng.integers(10, 31))
    rows = pick(world.members, rng, people).take(np.repeat(np.arange(people), each))
    share = rng.uniform(0.05, 0.3)
    for name, look in world.looks.items():
        if look.numeric:
            cells = rows[name].astype(float) + share * look.spread * rng.standard_normal(len(rows))
            rows = rows.replaced(name, np.round(cells) if look.whole else cells)
        else:
            some = np.flatnonzero(rng.random(len(rows)) < share / 2)
            rows = changed(rows, some, name, another(look, rows[name][some], rng))
    return attack(rows, rng, 0.3)


def membership(world: World, rng: Rng) -> list[Play]:
    """Ask once about each of some people, to tell from the confidence who was a member."""
    n = size(rng, 60, 200, least=10)
    rows = stack(pick(world.members, rng, n), pick(world.public, rng, n))
    return attack(rows.take(rng.permutation(len(rows))), rng)


def inversion_network(world: World, rng: Rng) -> list[Play]:
    """Ask about ordinary people, to train a network that turns answers back into people."""
    return attack(pick(world.public, rng, size(rng, 300, 1000, least=50)), rng, 0.2)


OTHERS: dict[str, Behavior] = {
    "stolen_key": Behavior(stolen_key, attack=True, sensitive=True),
    "stolen_key_climb": Behavior(stolen_key_climb, attack=True, needs=Reveals.TOP_K),
    "noise": Behavior(noise, attack=True),
    "neighbors": Behavior(neighbors, attack=True),
    "deep_dive": Behavior(
        deep_dive, attack=True, sensitive=True, hides="one record, as an analyst does"
    ),
    "membership": Behavior(membership, attack=True, hides="one ordinary query per record"),
    "inversion_network": Behavior(
        inversion_network, attack=True, hides="ordinary records, each once"
    ),
}
ATTACKS: dict[str, Behavior] = {**SWEEPS, **RECONSTRUCTIONS, **OTHERS}

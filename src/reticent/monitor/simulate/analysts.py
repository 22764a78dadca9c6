"""Honest callers whose work looks like an attack: they change records to see what that does."""

from __future__ import annotations

import numpy as np

from reticent.column import Column
from reticent.dataset import Dataset, stack
from reticent.monitor.simulate.play import (
    Behavior,
    Play,
    Rng,
    changed,
    crossed,
    human,
    machine,
    pick,
    size,
)
from reticent.monitor.simulate.world import World


def what_if_one(world: World, rng: Rng) -> list[Play]:
    """Take one patient and try other values in several columns, also in a sensitive one."""
    return [_what_if(world, rng, 1)]


def what_if_few(world: World, rng: Rng) -> list[Play]:
    """Take a few patients and try other values in several columns, also in a sensitive one."""
    return [_what_if(world, rng, int(rng.integers(2, 9)))]


def _what_if(world: World, rng: Rng, patients: int) -> Play:
    rows = []
    for _ in range(patients):
        row = pick(world.patients, rng, 1)
        rows.append(row)
        for name in varied_columns(world, rng, int(rng.integers(2, 6))):
            tried = crossed(row, name, values(world, name, rng))
            rows.append(tried)
            if rng.random() < 0.3:  # go on from one of them
                row = tried.take(slice(0, 1))
    asked = stack(*rows)
    return Play(asked, human(rng, len(asked), 12.0))


def what_if_grid(world: World, rng: Rng) -> list[Play]:
    """Take one to three patients and try all pairs of values of two columns."""
    grids = []
    for _ in range(int(rng.integers(1, 4))):
        grid = pick(world.patients, rng, 1)
        for name in varied_columns(world, rng, 2):
            grid = crossed(grid, name, values(world, name, rng))
        grids.append(grid)
    asked = stack(*grids)
    return [Play(asked, machine(rng, len(asked), 1.0, 0.3))]


def varied_columns(world: World, rng: Rng, count: int) -> list[str]:
    """Choose columns to vary; a sensitive one is among them more often than not."""
    names = list(rng.permutation(world.columns)[:count])
    sensitive = list(world.candidates)
    if sensitive and rng.random() < 0.6 and not set(names) & set(sensitive):
        names[int(rng.integers(len(names)))] = sensitive[int(rng.integers(len(sensitive)))]
    return [str(name) for name in dict.fromkeys(names)]


def values(world: World, column: str, rng: Rng) -> Column:
    """Choose two to six values to try in a column, in their order."""
    found = world.looks[column].values
    count = min(len(found), int(rng.integers(2, 7)))
    return found[np.sort(rng.choice(len(found), count, replace=False))]


def live_form(world: World, rng: Rng) -> list[Play]:
    """Fill in a form that asks anew after each field: from the form's defaults to the patient."""
    blank, asked = pick(world.people, rng, 1), []
    order = list(rng.permutation(world.columns))
    for _ in range(size(rng, 10, 40)):
        patient, row = pick(world.patients, rng, 1), blank
        for name in order:
            if patient[name][0] != row[name][0]:
                row = row.replaced(name, patient[name])
                asked.append(row)
    rows = stack(*asked) if asked else blank
    return [Play(rows, human(rng, len(rows), 4.0))]


def permutation(world: World, rng: Rng) -> list[Play]:
    """Explain by permuting: each column of some records takes other people's values."""
    rows = pick(world.patients, rng, int(rng.integers(10, 40)))
    parts = [rows]
    for name in world.columns[:30]:
        orders = [rng.permutation(len(rows)) for _ in range(rng.integers(1, 4))]
        parts += [rows.replaced(name, rows[name][order]) for order in orders]
    asked = stack(*parts)
    return [Play(asked, machine(rng, len(asked), 0.05, 0.3))]


def perturbation(world: World, rng: Rng) -> list[Play]:
    """Explain like LIME: noise around a record in all columns at once."""
    parts = []
    for _ in range(int(rng.integers(1, 4))):
        n = int(rng.integers(50, 300))
        rows = pick(world.patients, rng, 1).repeated(n)
        for name, look in world.looks.items():
            if look.numeric:
                noise = rows[name].astype(float) + look.spread * rng.standard_normal(n)
                rows = rows.replaced(name, np.round(noise) if look.whole else noise)
            else:
                some = np.flatnonzero(rng.random(n) < 0.5)
                rows = changed(rows, some, name, rng.choice(world.public[name], len(some)))
        parts.append(rows)
    asked = stack(*parts)
    return [Play(asked, machine(rng, len(asked), 0.02, 0.3))]


def coalitions(world: World, rng: Rng) -> list[Play]:
    """Explain like SHAP: a record with some of its columns taken from other people."""
    parts = []
    for _ in range(int(rng.integers(1, 6))):
        n = int(rng.integers(40, 150))
        parts.append(
            _mixed(pick(world.patients, rng, 1).repeated(n), pick(world.public, rng, n), rng)
        )
    asked = stack(*parts)
    return [Play(asked, machine(rng, len(asked), 0.02, 0.3))]


def _mixed(rows: Dataset, others: Dataset, rng: Rng) -> Dataset:
    share = rng.random(len(rows))
    for name in rows.names:
        some = np.flatnonzero(rng.random(len(rows)) < share)
        rows = changed(rows, some, name, others[name][some])
    return rows


def fairness(world: World, rng: Rng) -> list[Play]:
    """Ask about many people with each value of a sensitive column, to see whether it matters."""
    column = str(rng.choice(list(world.candidates)))
    rows = pick(world.patients, rng, size(rng, 80, 200, least=20))
    asked = crossed(rows, column, world.candidates[column])
    return [Play(asked, machine(rng, len(asked), 0.1, 0.3))]


ANALYSTS: dict[str, Behavior] = {
    "what_if_one": Behavior(what_if_one, share=0.5, shape="form"),
    "what_if_few": Behavior(what_if_few, share=0.5, shape="form"),
    "what_if_grid": Behavior(what_if_grid, share=0.3, shape="form"),
    "live_form": Behavior(live_form, permission="what_if", shape="form"),
    "permutation": Behavior(permutation, permission="explain", shape="form"),
    "perturbation": Behavior(perturbation, permission="explain"),
    "coalitions": Behavior(coalitions, permission="explain", shape="form"),
    "fairness": Behavior(fairness, permission="audit", sensitive=True),
}

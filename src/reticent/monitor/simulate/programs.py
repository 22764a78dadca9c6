"""Honest programs: they ask because they were told to, evenly, in bursts, and again."""

from __future__ import annotations

import numpy as np

from reticent.dataset import stack
from reticent.monitor.simulate.play import (
    DAY,
    HOUR,
    Behavior,
    Play,
    Rng,
    machine,
    mistyped,
    pick,
    size,
    uploads,
)
from reticent.monitor.simulate.world import World


def retries(world: World, rng: Rng) -> list[Play]:
    """Ask again, with the very same row, where an answer was lost on the way."""
    rows = pick(world.patients, rng, size(rng, 40, 300))
    lost = rng.random(len(rows)) < rng.uniform(0.1, 0.5)
    order = np.repeat(np.arange(len(rows)), 1 + rng.geometric(0.6, len(rows)) * lost)
    return [Play(rows.take(order), machine(rng, len(order), 5.0, 0.8))]


def probes(world: World, rng: Rng) -> list[Play]:
    """Ask the same row every half minute, to see whether the service lives."""
    n = size(rng, 200, 800, least=20)
    row = pick(world.patients, rng, 1)
    return [Play(row.repeated(n), machine(rng, n, float(rng.choice([10, 30, 60])), 0.01))]


def nightly(world: World, rng: Rng) -> list[Play]:
    """Score a whole list every night; a few entries were brought up to date in between."""
    rows = pick(world.patients, rng, size(rng, 150, 500, least=20))
    nights, rate = [], rng.uniform(0, 0.03)
    for _ in range(int(rng.integers(1, 5))):
        nights.append(rows)
        rows = mistyped(world, rows, np.flatnonzero(rng.random(len(rows)) < rate), rng)
    at = 14 * HOUR + uploads(rng, [len(rows)] * len(nights), DAY)
    return [Play(stack(*nights), at)]


def export(world: World, rng: Rng) -> list[Play]:
    """Score a register once, sorted by one of its columns, so that neighbors are alike."""
    rows = pick(world.patients, rng, size(rng, 400, 1500, least=50))
    cells = rows[str(rng.choice(world.columns))]
    order = np.argsort(cells if cells.dtype.kind != "O" else cells.astype(str), kind="stable")
    return [Play(rows.take(order), machine(rng, len(rows), 0.05, 0.3))]


def load_test(world: World, rng: Rng) -> list[Play]:
    """Send a handful of rows over and over, as fast as it goes."""
    rows, n = pick(world.patients, rng, int(rng.integers(1, 8))), size(rng, 400, 1500, least=50)
    return [Play(rows.take(rng.integers(len(rows), size=n)), machine(rng, n, 0.02, 0.5))]


def frames(world: World, rng: Rng) -> list[Play]:
    """Look at a few subjects with a camera or a sensor: reading after reading, hardly different."""
    subjects, each = int(rng.integers(1, 6)), size(rng, 40, 200, least=5)
    rows = pick(world.patients, rng, subjects)
    rows = rows.take(np.repeat(np.arange(subjects), each))
    shake = rng.uniform(0.01, 0.05)
    for name in world.numeric:
        look = world.looks[name]
        cells = rows[name].astype(float) + shake * look.spread * rng.standard_normal(len(rows))
        cells = np.clip(np.round(cells) if look.whole else cells, look.low, look.high)
        rows = rows.replaced(name, cells.astype(rows[name].dtype))
    return [Play(rows, machine(rng, len(rows), 0.2, 0.1))]


def bedside(world: World, rng: Rng) -> list[Play]:
    """Watch one patient: a measurement or two wander, and the model is asked every few minutes."""
    n = size(rng, 100, 400, least=20)
    rows = pick(world.patients, rng, 1).repeated(n)
    free = [name for name in world.numeric if name not in world.candidates]
    for name in free[:: max(1, len(free) // 2)][:2]:
        look = world.looks[name]
        walk = np.cumsum(0.08 * look.spread * rng.standard_normal(n))
        cells = rows[name].astype(float) + walk
        cells = np.round(cells) if look.whole else np.round(cells, 3)
        kind = rows[name].dtype
        rows = rows.replaced(name, np.clip(cells, look.low, look.high).astype(kind))
    return [Play(rows, machine(rng, n, float(rng.choice([60, 300, 900])), 0.05))]


PROGRAMS: dict[str, Behavior] = {
    "retries": Behavior(retries),
    "probes": Behavior(probes, share=0.3),
    "nightly": Behavior(nightly, share=0.5, shape="form"),
    "export": Behavior(export, share=0.3),
    "load_test": Behavior(load_test, share=0.2),
    "frames": Behavior(frames, share=3.0, shape="signal"),
    "bedside": Behavior(bedside, share=0.3, shape="form"),
}

"""Attackers who have nobody's record, and climb the model's answers to make one."""

from __future__ import annotations

import numpy as np

from reticent.monitor.simulate.play import Behavior, Play, Rng, attack, pick, size
from reticent.monitor.simulate.space import Climb, Points
from reticent.monitor.simulate.world import World
from reticent.target import Reveals

AXES = 40  # that are tried in one step, where there are more


def _begin(world: World, climb: Climb, rng: Rng) -> Points:
    """Somewhere to begin: the average of public people, or one of them."""
    if rng.random() < 0.5:
        points = climb.space.points(pick(world.public, rng, min(200, len(world.public))))
        average: Points = points.mean(axis=0)
        return average
    one: Points = climb.space.points(pick(world.public, rng, 1))[0]
    return one


def finite_difference(world: World, rng: Rng) -> list[Play]:
    """Change one column at a time a little, and go where the score rises (Fredrikson 2015)."""
    climb = Climb(world, rng, size(rng, 250, 500, least=80))
    point, width = _begin(world, climb, rng), climb.space.width
    nudge = float(np.exp(rng.uniform(np.log(0.05), 0)))
    stride = rng.uniform(0.3, 1.5) * max(1.0, np.sqrt(width) / 4)
    while not climb.over:
        axes = rng.permutation(width)[: min(width, AXES)]
        tries = np.repeat(point[None, :], len(axes) + 1, axis=0)
        tries[np.arange(1, len(tries)), axes] += nudge
        values = climb.value(tries)
        rise = np.zeros(width)
        rise[axes] = np.nan_to_num((values[1:] - values[0]) / nudge, posinf=0, neginf=0)
        length = np.linalg.norm(rise)
        step = rise / length if length else rng.standard_normal(width) / np.sqrt(width)
        point = point + stride * step
    return attack(climb.rows(), rng, 0.3)


def evolution(world: World, rng: Rng) -> list[Play]:
    """Breed rows whose score is higher and higher."""
    climb = Climb(world, rng, size(rng, 300, 600, least=100))
    start = _begin(world, climb, rng)
    return _bred(climb, start, np.eye(climb.space.width), rng)


def evolution_rounded(world: World, rng: Rng) -> list[Play]:
    """Breed rows whose score is higher, where scores come with one decimal only."""
    climb = Climb(world, rng, size(rng, 300, 600, least=100), rounded=1)
    start = _begin(world, climb, rng)
    return _bred(climb, start, np.eye(climb.space.width), rng)


def evolution_latent(world: World, rng: Rng) -> list[Play]:
    """Breed rows that look like people: along the main axes of public data."""
    climb = Climb(world, rng, size(rng, 300, 600, least=100))
    start, axes = _latent(world, climb, rng)
    return _bred(climb, start, axes, rng)


def _latent(world: World, climb: Climb, rng: Rng) -> tuple[Points, Points]:
    """The average (d,) and the main axes (q, d) of public people, as long as they spread."""
    points = climb.space.points(pick(world.public, rng, min(500, len(world.public))))
    center: Points = points.mean(axis=0)
    _, spread, axes = np.linalg.svd(points - center, full_matrices=False)
    q = min(len(axes), int(rng.integers(4, 17)))
    return center, spread[:q, None] / np.sqrt(len(points)) * axes[:q]


def _bred(climb: Climb, start: Points, axes: Points, rng: Rng) -> list[Play]:
    """An evolution strategy with recombination (Hansen 2016): the best quarter's mean goes on."""
    litter, step = int(rng.integers(8, 21)), rng.uniform(0.4, 1.0)
    mean, best = np.zeros(len(axes)), -np.inf
    while not climb.over:
        young = mean + step * rng.standard_normal((litter, len(axes)))
        values = climb.value(start + young @ axes)
        mean = young[np.argsort(-values, kind="stable")[: max(2, litter // 4)]].mean(axis=0)
        step *= 1.05 if values.max() > best else 0.88
        best = max(best, float(values.max()))
    return attack(climb.rows(), rng, 0.3)


def label_walk(world: World, rng: Rng) -> list[Play]:
    """Wander as far as the label stays, to find the middle of a class from labels alone."""
    climb = Climb(world, rng, size(rng, 250, 500, least=100))
    point = climb.start(world, rng)
    step = rng.uniform(0.1, 0.6)
    while not climb.over:
        tries = point + step * rng.standard_normal((int(rng.integers(4, 13)), climb.space.width))
        kept = climb.reached(tries)
        if kept.any():
            point = 0.5 * (point + tries[kept].mean(axis=0))
        step *= 1.1 if kept.mean() > 0.5 else 0.9
    return attack(climb.rows(), rng, 0.3)


def boundary_walk(world: World, rng: Rng) -> list[Play]:
    """Go along the border of a class, from labels alone (Chen 2020, HopSkipJump)."""
    climb = Climb(world, rng, size(rng, 250, 500, least=100))
    inside = climb.start(world, rng)
    somebody = climb.start(world, rng, inside=False)
    nudge = rng.uniform(0.05, 0.2)
    while not climb.over:
        outside = somebody
        for _ in range(8):  # halve the way to the border
            middle = 0.5 * (inside + outside)
            kept = climb.reached(middle[None])[0]
            inside, outside = (middle, outside) if kept else (inside, middle)
        around = rng.standard_normal((24, climb.space.width)) * nudge
        signs = np.where(climb.reached(inside + around), 1.0, -1.0)
        rise = ((signs - signs.mean())[:, None] * around).mean(axis=0)
        rise /= max(float(np.linalg.norm(rise)), 1e-9)
        for stride in (1.0, 0.5, 0.25, 0.1):  # and along it, as far as the label stays
            if climb.reached((inside + stride * rise)[None])[0]:
                inside = inside + stride * rise
                break
    return attack(climb.rows(), rng, 0.3)


def growing_sphere(world: World, rng: Rng) -> list[Play]:
    """Keep the label on larger and larger spheres of rows that look like people (Kahla 2022)."""
    climb = Climb(world, rng, size(rng, 300, 600, least=100))
    _, axes = _latent(world, climb, rng)
    center, point = climb.start(world, rng), np.zeros(len(axes))
    radius = rng.uniform(0.2, 0.6)
    around = int(rng.integers(12, 33))
    while not climb.over:
        aims = rng.standard_normal((around, len(axes)))
        aims /= np.linalg.norm(aims, axis=1, keepdims=True)
        hits = climb.reached(center + (point + radius * aims) @ axes)
        if hits.all():
            radius *= 1.3
        else:
            point = point - 0.5 * radius * aims[~hits].mean(axis=0)
    return attack(climb.rows(), rng, 0.3)


RECONSTRUCTIONS: dict[str, Behavior] = {
    "finite_difference": Behavior(finite_difference, attack=True, needs=Reveals.TOP_K),
    "evolution": Behavior(evolution, attack=True, needs=Reveals.TOP_K),
    "evolution_rounded": Behavior(evolution_rounded, attack=True, needs=Reveals.TOP_K),
    "evolution_latent": Behavior(evolution_latent, attack=True, needs=Reveals.TOP_K),
    "label_walk": Behavior(label_walk, attack=True, needs=Reveals.LABEL),
    "boundary_walk": Behavior(boundary_walk, attack=True, needs=Reveals.LABEL),
    "growing_sphere": Behavior(growing_sphere, attack=True, needs=Reveals.LABEL),
}

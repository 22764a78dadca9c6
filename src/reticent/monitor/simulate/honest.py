"""Honest people at a desk: they ask about patients because they want the answer."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from reticent.column import is_missing
from reticent.dataset import Dataset, stack
from reticent.monitor.simulate.play import (
    DAY,
    HOUR,
    MINUTE,
    Behavior,
    Play,
    Rng,
    changed,
    crossed,
    human,
    mistyped,
    pick,
    size,
    uploads,
)
from reticent.monitor.simulate.world import World

SHIFT = 8 * HOUR + 30 * MINUTE  # from one colleague's first query to the next one's


def lookups(world: World, rng: Rng) -> list[Play]:
    """Look up one patient after the other, now and then one of them again."""
    n = size(rng, 30, 400)
    rows = pick(world.patients, rng, n)
    order = np.arange(n)
    again = np.flatnonzero(rng.random(n) < 0.03)
    order[again] = np.maximum(again - rng.integers(1, 6, len(again)), 0)
    return [Play(rows.take(order), human(rng, n))]


def clinic_days(world: World, rng: Rng) -> list[Play]:
    """Upload each day's list of patients; some of them come again the next day."""
    count = int(rng.integers(2, 7))
    days = [pick(world.patients, rng, size(rng, 25, 120, least=3)) for _ in range(count)]
    lists = [days[0]]
    for before, today in pairwise(days):
        lists.append(stack(pick(before, rng, max(1, len(before) // 10)), today))
    sizes = [len(one) for one in lists]
    return [Play(stack(*lists), uploads(rng, sizes, DAY))]


def corrections(world: World, rng: Rng) -> list[Play]:
    """Look patients up, see a typing error and ask again; any column can be mistyped."""
    rows = pick(world.patients, rng, size(rng, 35, 250, least=5))
    tries = _corrected(world, rows, rng.uniform(0.05, 0.3), rng)
    return [Play(tries, human(rng, len(tries), 30.0))]


def _corrected(world: World, rows: Dataset, rate: float, rng: Rng) -> Dataset:
    """Put mistyped rows before some of the right ones; some people need a third go."""
    n, clumsy = len(rows), rng.random() < 0.5
    wrong = np.flatnonzero(rng.random(n) < rate)
    twice = wrong[rng.random(len(wrong)) < 0.15 * clumsy]
    owner = np.sort(np.concatenate([np.arange(n), wrong, twice]))
    last = np.append(owner[1:] != owner[:-1], True)
    return mistyped(world, rows.take(owner), np.flatnonzero(~last), rng)


def follow_ups(world: World, rng: Rng) -> list[Play]:
    """See the same patients again and again, with measurements that changed meanwhile."""
    patients, visits = size(rng, 10, 40, least=2), int(rng.integers(2, 7))
    rows, rounds = pick(world.patients, rng, patients), []
    free = [name for name in world.numeric if name not in world.candidates or rng.random() < 0.2]
    measured = [name for name in free if rng.random() < 0.4] or free[:1]
    for _ in range(visits):
        rounds.append(rows.take(rng.permutation(patients)))
        for name in measured:
            look, noise = world.looks[name], rng.standard_normal(patients)
            moved = rows[name].astype(float) + 0.3 * look.spread * noise
            moved = np.round(moved) if look.whole else np.round(moved, 2)
            kind = rows[name].dtype
            rows = rows.replaced(name, np.clip(moved, look.low, look.high).astype(kind))
    times = [visit * 7 * DAY + human(rng, patients) for visit in range(visits)]
    return [Play(stack(*rounds), np.concatenate(times))]


def heavy_tailed(world: World, rng: Rng) -> list[Play]:
    """Ask about few patients as a rule, and about very many once in a while."""
    n = int(min(1 + rng.pareto(0.8) * 3, 1500))
    return [Play(pick(world.patients, rng, n), human(rng, n, 20.0))]


def front_desk(world: World, rng: Rng) -> list[Play]:
    """Share one key among many clerks, in many rooms, each with typing errors of their own."""
    rows = pick(world.patients, rng, size(rng, 300, 1200, least=80))
    tries = _corrected(world, rows, rng.uniform(0.01, 0.1), rng)
    at = human(rng, len(tries), 10.0)
    return [Play(tries, at, networks=int(rng.integers(3, 13)))]


def gaps(world: World, rng: Rng) -> list[Play]:
    """Leave cells empty that are not known yet, and send some of the rows again when they are."""
    rows = pick(world.patients, rng, size(rng, 30, 200, least=3))
    n, blank = len(rows), rows
    for name in world.columns:
        blank = _emptied(blank, name, rng.random(n) < rng.uniform(0, 0.12))
    torn = np.any([is_missing(blank[name]) for name in world.columns], axis=0)
    again = np.flatnonzero(torn & (rng.random(n) < 0.5))
    order = np.argsort(np.concatenate([np.arange(n), again]), kind="stable")
    return [Play(stack(blank, rows.take(again)).take(order), human(rng, len(order)))]


def _emptied(rows: Dataset, column: str, where: NDArray[np.bool_]) -> Dataset:
    if not where.any():
        return rows
    cells = rows[column]
    if cells.dtype.kind in "iuf":
        return rows.replaced(column, np.where(where, np.nan, cells.astype(float)))
    blank = cells.astype(object)
    blank[where] = None
    return rows.replaced(column, blank)


def defaults(world: World, rng: Rng) -> list[Play]:
    """Fill in a few fields of a form; the others stay as the form proposes them."""
    n = size(rng, 35, 250, least=5)
    rows, blank = pick(world.patients, rng, n), pick(world.people, rng, 1)
    kept = rng.choice(world.columns, max(1, len(world.columns) // 2), replace=False)
    for name in map(str, kept):
        lazy = np.flatnonzero(rng.random(n) < rng.uniform(0.5, 1.0))
        rows = changed(rows, lazy, name, np.repeat(blank[name], len(lazy)))
    return [Play(rows, human(rng, n))]


def handover(world: World, rng: Rng) -> list[Play]:
    """Two or three colleagues look up the same patients; a record or two is corrected between."""
    shared, plays = pick(world.patients, rng, size(rng, 12, 60, least=3)), []
    for turn in range(int(rng.integers(2, 4))):
        rows = stack(shared, pick(world.patients, rng, size(rng, 12, 100)))
        plays.append(Play(rows, turn * SHIFT + human(rng, len(rows)), desk=turn % 2))
        wrong = rng.choice(len(shared), int(rng.integers(0, 3)), replace=False)
        shared = mistyped(world, shared, wrong, rng)
    return plays


def celebrity(world: World, rng: Rng) -> list[Play]:
    """Many callers look up one and the same patient, not all with the same entries."""
    famous, plays = pick(world.patients, rng, 1), []
    for desk in range(int(rng.integers(4, 13))):
        rows = pick(world.patients, rng, size(rng, 20, 100, least=3))
        seen = famous
        if rng.random() < 0.4:
            seen = mistyped(world, famous, np.zeros(1, dtype=np.intp), rng)
        at = int(rng.integers(len(rows)))
        rows = stack(rows.take(slice(0, at)), seen, rows.take(slice(at, None)))
        start = rng.uniform(0, 2 * HOUR)
        plays.append(Play(rows, start + human(rng, len(rows)), desk=desk))
    return plays


def classroom(world: World, rng: Rng) -> list[Play]:
    """A class tries values on the same few teaching cases, each student on an account."""
    cases = pick(world.people, rng, int(rng.integers(2, 6)))
    columns = [str(name) for name in rng.choice(world.columns, min(3, len(world.columns)))]
    plays = []
    for _ in range(int(rng.integers(8, 26))):
        tried = [cases]
        for name in columns:
            found = world.looks[name].values
            some = found[rng.choice(len(found), min(len(found), 2), replace=False)]
            tried.append(crossed(pick(cases, rng, 1), name, some))
        rows = stack(*tried)
        plays.append(Play(rows, rng.uniform(0, 10 * MINUTE) + human(rng, len(rows), 30.0)))
    return plays


# Other people than those whom the model was made for ------------------------------------------


def drift_mean(world: World, rng: Rng) -> list[Play]:
    """Ask about people whose measurements lie elsewhere."""
    return _drifted(world, rng, rng.uniform(0.4, 1.5) * rng.choice([-1, 1]), 1.0)


def drift_scale(world: World, rng: Rng) -> list[Play]:
    """Ask about people who differ less, or more, than those the model knows."""
    return _drifted(world, rng, 0.0, float(rng.choice([0.4, 0.6, 1.5, 2.0])))


def _drifted(world: World, rng: Rng, shift: float, scale: float) -> list[Play]:
    rows = pick(world.patients, rng, size(rng, 40, 300))
    for name in world.numeric:
        look = world.looks[name]
        if name in world.candidates or rng.random() < 0.3:
            continue
        off = rows[name].astype(float) - look.center
        moved = look.center + look.spread * shift + scale * off
        moved = np.round(moved) if look.whole else moved
        moved = np.maximum(moved, 0) if look.low >= 0 else moved
        rows = rows.replaced(name, moved.astype(rows[name].dtype))
    return [Play(rows, human(rng, len(rows)))]


def subgroup(world: World, rng: Rng) -> list[Play]:
    """Ask about one kind of people only: those alike in one or two columns."""
    kept = np.ones(len(world.patients), dtype=bool)
    for name in rng.choice(world.columns, min(2, len(world.columns)), replace=False):
        cells, look = world.patients[str(name)], world.looks[str(name)]
        if look.numeric:
            edge = np.quantile(cells.astype(float), rng.uniform(0.4, 0.6))
            few = cells >= edge if rng.random() < 0.5 else cells <= edge
        else:
            few = np.asarray(cells == cells[rng.integers(len(cells))])
        kept = kept & few if (kept & few).sum() > 10 else kept
    rows = pick(world.patients.take(np.flatnonzero(kept)), rng, size(rng, 30, 200))
    return [Play(rows, human(rng, len(rows)))]


HONEST: dict[str, Behavior] = {
    "lookups": Behavior(lookups, share=4.0),
    "clinic_days": Behavior(clinic_days, share=2.0),
    "corrections": Behavior(corrections, share=2.0, shape="form"),
    "follow_ups": Behavior(follow_ups, share=1.5, shape="form"),
    "heavy_tailed": Behavior(heavy_tailed, share=1.5),
    "front_desk": Behavior(front_desk, share=0.5, shape="form"),
    "gaps": Behavior(gaps, shape="form"),
    "defaults": Behavior(defaults, share=0.7, shape="form"),
    "handover": Behavior(handover, share=0.3, shape="form"),
    "celebrity": Behavior(celebrity, share=0.1, shape="form"),
    "classroom": Behavior(classroom, share=0.05, shape="form"),
    "drift_mean": Behavior(drift_mean, share=0.5),
    "drift_scale": Behavior(drift_scale, share=0.5),
    "subgroup": Behavior(subgroup),
}

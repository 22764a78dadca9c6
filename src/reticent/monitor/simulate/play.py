"""What one account does: its rows, when it sends them, and how rows are changed on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from reticent.column import Column
from reticent.dataset import Dataset, stack
from reticent.monitor.simulate.world import Look, World
from reticent.target import Reveals

DAY, HOUR, MINUTE = 86_400.0, 3_600.0, 60.0
OFFICE = 8 * HOUR  # a working day
TYPED = 100  # columns, beyond which a row is no form but a picture or a signal

Rng = np.random.Generator


@dataclass(frozen=True, slots=True)
class Play:
    """The queries of one account.

    Attributes
    ----------
    rows : n of them, in order. at : (n,) seconds after the account began, not falling.
    begins : place of the first row of an attack; None for honest work.
    desk : accounts that act together and have the same number here sit in one network.
    moved : place of the first row that comes from another network, where there is one.
    networks : how many networks the rows come from, at random.
    """

    rows: Dataset
    at: NDArray[np.float64]
    begins: int | None = None
    desk: int = 0
    moved: int | None = None
    networks: int = 1


@dataclass(frozen=True, slots=True)
class Behavior:
    """One way to use a model.

    Attributes
    ----------
    play : what the accounts that act together do; one account as a rule.
    attack : whether it is one. share : how common it is among honest callers.
    permission : what a role that works like this should be permitted: it looks like an attack.
    shape : of the rows it fits: a form that people type, a signal such as an image, or any.
    sensitive : it needs a sensitive column. needs : what it needs to be told.
    hides : why nobody who watches queries can tell it from honest work, where that is so.
    """

    play: Callable[[World, Rng], list[Play]]
    attack: bool = False
    share: float = 1.0
    permission: str = ""
    shape: Literal["any", "form", "signal"] = "any"
    sensitive: bool = False
    needs: Reveals = Reveals.NOTHING
    hides: str = ""

    @property
    def says(self) -> str:
        """What it does, in a line."""
        return (self.play.__doc__ or "").partition("\n")[0]

    def lacks(self, world: World) -> str:
        """Why it cannot be played in a world; empty where it can."""
        if self.sensitive and not world.candidates:
            return "no column is sensitive"
        if self.shape == "form" and len(world.columns) > TYPED:
            return f"nobody types {len(world.columns)} columns"
        if self.shape == "signal" and len(world.numeric) <= TYPED:
            return "a row is no image or signal"
        if self.needs not in world.reveals:
            return "no model answers" if world.target is None else "the answers tell too little"
        return ""


# How long and how fast ------------------------------------------------------------------------


def size(rng: Rng, median: float, most: int, sigma: float = 0.7, least: int = 1) -> int:
    """Draw how many of something there are: log-normal, within bounds."""
    return int(np.clip(rng.lognormal(np.log(median), sigma), least, most))


def human(rng: Rng, n: int, pause: float = 40.0) -> NDArray[np.float64]:
    """Times (n,) of somebody at a desk: uneven gaps, some breaks, and nights."""
    gaps = rng.lognormal(np.log(pause), 0.9, n)
    gaps[rng.random(n) < 0.06] += rng.lognormal(np.log(15 * MINUTE), 0.6)
    worked = np.cumsum(gaps) - gaps[0]
    days = worked // OFFICE
    nights: NDArray[np.float64] = days * DAY + worked % OFFICE
    return nights


def machine(rng: Rng, n: int, every: float, wobble: float = 0.05) -> NDArray[np.float64]:
    """Times (n,) of a program: even gaps but for a little."""
    gaps = every * np.maximum(1 + wobble * rng.standard_normal(n), 0.05)
    times: NDArray[np.float64] = np.cumsum(gaps) - gaps[0]
    return times


def uploads(rng: Rng, sizes: Sequence[int], apart: float) -> NDArray[np.float64]:
    """Times of batches: each sent within a second or two, the next after a while."""
    starts = np.cumsum([0.0, *(apart * (1 + 0.1 * rng.random(len(sizes) - 1)))])
    parts = [
        start + np.sort(rng.random(count)) * 2 for start, count in zip(starts, sizes, strict=True)
    ]
    return np.concatenate(parts)


def attack(rows: Dataset, rng: Rng, every: float = 1.0) -> list[Play]:
    """One account of an attacker's program, which does nothing else."""
    return [Play(rows, machine(rng, len(rows), every, 0.3), begins=0)]


# Rows -----------------------------------------------------------------------------------------


def pick(rows: Dataset, rng: Rng, n: int) -> Dataset:
    """Draw n people, each once as long as there are enough."""
    return rows.take(rng.choice(len(rows), n, replace=n > len(rows)))


def crossed(rows: Dataset, column: str, values: Column) -> Dataset:
    """Each of m rows with each of k values in one column, row after row: m * k rows."""
    grid = rows.take(np.repeat(np.arange(len(rows)), len(values)))
    return grid.replaced(column, np.tile(values, len(rows)))


def changed(rows: Dataset, places: NDArray[np.intp], column: str, values: Column) -> Dataset:
    """Write values (m,) into one column of the rows at m places."""
    kind = np.result_type(rows[column].dtype, values.dtype)
    cells = rows[column].astype(kind)
    cells[places] = values
    return rows.replaced(column, cells)


def another(look: Look, current: Column, rng: Rng) -> Column:
    """Draw another value than the current one (n,) for each of n cells."""
    drawn = rng.choice(look.values, len(current))
    same = np.asarray(drawn == current, dtype=bool)
    if look.numeric:
        step = 1.0 if look.whole else 0.1 * look.spread
        shifted = current.astype(float) + step * rng.choice([-1, 1], len(current))
        mixed = np.where(same, shifted, drawn.astype(float))
        return mixed.astype(current.dtype) if look.whole else mixed
    for place in np.flatnonzero(same):
        rest = [value for value in look.values if value != current[place]]
        if rest:
            drawn[place] = rest[rng.integers(len(rest))]
    return drawn


def mistyped(world: World, rows: Dataset, places: NDArray[np.intp], rng: Rng) -> Dataset:
    """Give the rows at some places a wrong value in one column each."""
    columns = rng.choice(len(world.columns), len(places))
    for at in np.unique(columns):
        name, here = world.columns[at], places[columns == at]
        rows = changed(rows, here, name, another(world.looks[name], rows[name][here], rng))
    return rows


def woven(first: Dataset, second: Dataset, rng: Rng) -> tuple[Dataset, int]:
    """Mix two tables' rows at random, each in its own order; and where the first one's begin."""
    mine = np.zeros(len(first) + len(second), dtype=bool)
    mine[rng.choice(len(mine), len(first), replace=False)] = True
    order = np.empty(len(mine), dtype=np.intp)
    order[mine] = np.arange(len(first))
    order[~mine] = len(first) + np.arange(len(second))
    return stack(first, second).take(order), int(np.argmax(mine))

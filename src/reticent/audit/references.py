"""References for membership: models like the target, trained on random halves of the candidates.

They come in pairs that share no candidate. Where half of the candidates are fewer than the target
was trained on, auxiliary people fill up; where they are more, fewer are taken.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reticent.audit.case import Prepared
from reticent.audit.fits import Fits, fit_all
from reticent.dataset import Dataset, stack
from reticent.randomness import generator, subseed
from reticent.target import Target

Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class ReferenceModel:
    """One trained reference: the bare model, and which candidates (n,) it was trained on."""

    target: Target
    inside: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Pool:
    """The candidates: members first, then others.

    Attributes
    ----------
    rows : (n). people : (n,) codes of whose row it is. member : (n,) the truth.
    """

    rows: Dataset
    people: Codes
    member: NDArray[np.bool_]


def pool_of(case: Prepared) -> Pool:
    """Put members and others of a case together."""
    names = [*case.schema.inputs, case.label]
    rows = stack(case.members.select(names), case.others.select(names))
    after = int(case.members_people.max()) + 1
    people = np.concatenate([case.members_people, case.others_people + after])
    return Pool(rows, people, np.arange(len(rows)) < len(case.members))


def train_references(
    case: Prepared,
    pool: Pool,
    seed: int,
    *,
    count: int,
    backend: str | None = None,
    fits: Fits | None = None,
) -> list[ReferenceModel]:
    """Train pairs of references on people drawn at random, whoever they are.

    Parameters
    ----------
    count : how many; an odd number is rounded up. backend : as for shadow models.
    """
    size = int(case.members_people.max()) + 1
    plans = [plan for pair in range(-(-count // 2)) for plan in _pair(pool, size, seed, pair)]
    jobs = [
        (_filled(case, pool.rows.take(np.flatnonzero(inside)), size, lacking, seed, place),
         subseed(seed, "reference", place))
        for place, (inside, lacking) in enumerate(plans)
    ]  # fmt: skip
    models = fit_all(case.train, jobs, backend, fits)
    return [
        ReferenceModel(case.train.wrapped(model, rows), inside)
        for model, (rows, _), (inside, _) in zip(models, jobs, plans, strict=True)
    ]


def _pair(
    pool: Pool, size: int, seed: int, pair: int
) -> list[tuple[NDArray[np.bool_], int]]:  # fmt: skip
    """Which rows the two of a pair are trained on, and how many people each of them lacks."""
    count = int(pool.people.max()) + 1
    order = generator(seed, "references", pair).permutation(count)
    half = min(count // 2, size)
    sides = order[:half], order[half : 2 * half]
    return [(np.isin(pool.people, side), size - half) for side in sides]


def _filled(
    case: Prepared, rows: Dataset, size: int, lacking: int, seed: int, place: int
) -> Dataset:
    """Add as many auxiliary people as a training set of the target's size lacks."""
    there = int(case.auxiliary_people.max()) + 1
    taken = generator(seed, "references", "filled", place).permutation(there)[: min(lacking, size)]
    at = np.flatnonzero(np.isin(case.auxiliary_people, taken))
    return rows if not len(at) else stack(rows, case.auxiliary.select(rows.names).take(at))

"""Linkability: two half records of one person, put together by the released row they meet in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.linkage.singling_out_univariate import SinglingOutUnivariate
from reticent.attacks.release import Release
from reticent.target import Reveals

MEETING = 3  # released rows through which a first half may be linked

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


class Linkability:
    """For each first half the rows it is most like, and the second half most like those."""

    name = "linkability"
    title = "two half records of one person linked through a released row"
    paper = SinglingOutUnivariate.paper
    threat_model = (
        "Holds two tables of the same people with different columns and no common name, and the "
        "released table with the columns of both; says which rows belong together."
    )
    cost = "none: the model is not asked"
    null_result = (
        "The columns were halved in one way; an attacker's two tables may share more telling "
        "columns, or hold fewer people to choose from."
    )
    needs = Reveals.NOTHING

    def link(
        self, release: Release, first: Sequence[str], one: Floats, other: Floats,
        rng: np.random.Generator,
    ) -> Codes:  # fmt: skip
        """Link halves by the released row that agrees most with both.

        Parameters
        ----------
        first : columns of the first halves. one, other : (n, c) people, encoded, of whom only
            those columns, and only the others, are read.
        """
        second = [name for name in release.columns if name not in first]
        shuffled = release.take(rng.permutation(len(release)))  # ties are broken by chance
        met, told = _best(shuffled.only(first), _of(shuffled, one, first), MEETING)
        among = np.unique(met)
        order = rng.permutation(len(other))
        rest = shuffled.only(second).take(among)
        place, gain = _answers(rest, _of(shuffled, other, second)[order])
        at = np.searchsorted(among, met)
        best = (told + gain[at]).argmax(axis=1)
        return np.asarray(order[place[at[np.arange(len(one)), best]]])


def _of(release: Release, people: Floats, columns: Sequence[str]) -> Floats:
    return people[:, [place for place, name in enumerate(release.columns) if name in columns]]


def _best(release: Release, people: Floats, count: int) -> tuple[Codes, Floats]:
    """The released rows most like each person, and how much tells so: (n, count) each."""
    count = min(count, len(release))
    met, told = [np.empty((0, count), np.intp)], [np.empty((0, count))]
    for _, alike in release.alike(people):
        top = np.argpartition(alike, len(release) - count, axis=1)[:, -count:]
        met.append(top)
        told.append(alike[np.arange(len(alike))[:, None], top].astype(float))
    return np.concatenate(met), np.concatenate(told)


def _answers(release: Release, people: Floats) -> tuple[Codes, Floats]:
    """The person most like each released row, and how much tells so: (m,) each."""
    place, gain = np.zeros(len(release), np.intp), np.full(len(release), -1.0)
    for some, alike in release.alike(people):
        top = alike.argmax(axis=0)
        value = alike[top, np.arange(len(release))]
        better = value > gain
        place[better], gain[better] = top[better] + some.start, value[better]
    return place, gain

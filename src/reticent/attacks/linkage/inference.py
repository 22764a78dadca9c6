"""Inference: a person's hidden value, read off the released rows most like them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.claims import Surmise
from reticent.attacks.known import Hidden
from reticent.attacks.linkage.singling_out_univariate import SinglingOutUnivariate
from reticent.attacks.release import Cells, Release
from reticent.dataset import Dataset
from reticent.target import Reveals

TIED = 1e-4  # of what an agreement tells: rows closer than this are equally alike

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


class Inference:
    """The hidden value that the released rows most like a person have, ties sharing the vote."""

    name = "inference"
    title = "a hidden value read off the released rows most like a person"
    paper = SinglingOutUnivariate.paper
    threat_model = (
        "Knows a person's other released columns, holds the released table and public people's "
        "rows, and speaks of those whose released look-alike is closest."
    )
    cost = "none: the model is not asked"
    null_result = (
        "Judged on the people with the closest look-alike; a model trained on the whole release "
        "may say something about the rest."
    )
    needs = Reveals.NOTHING

    def infer(
        self, release: Release, hidden: Hidden, people: Dataset, auxiliary: Dataset,
        rng: np.random.Generator,
    ) -> Surmise:  # fmt: skip
        """Guess the hidden column of n people, surest where a released row is all alike."""
        at = release.columns.index(hidden.column)
        values = _values(release.cells[at], release, hidden, auxiliary)
        known = release.only([name for name in release.columns if name != hidden.column])
        encoded = known.encoded(people)
        whole = sum((cells.weight.max(initial=0) for cells in known.cells), 1e-9)
        votes, sure = [np.empty((0, values.shape[1]))], [np.empty(0)]
        for some, alike in known.alike(encoded):
            top = alike.max(axis=1, keepdims=True)
            tied = (alike >= top - TIED * whole).astype(float)
            votes.append(tied @ values / tied.sum(axis=1, keepdims=True))
            sure.append(_sure(known, encoded[some], alike.argmax(axis=1), top[:, 0] / whole))
        vote = np.concatenate(votes)
        # An even vote is decided by chance, not by the order of the candidates.
        said = (vote + 1e-9 * rng.random(vote.shape)).argmax(axis=1)
        return Surmise(said, np.concatenate(sure))


def _sure(release: Release, people: Floats, best: Codes, told: Floats) -> Floats:
    """Fewest columns that disagree with the row most alike, then the most telling agreement."""
    apart = [
        ~cells.take(best).paired(people[:, place]) for place, cells in enumerate(release.cells)
    ]
    return np.asarray(0.5 * told - np.sum(apart, axis=0))


def _values(cells: Cells, release: Release, hidden: Hidden, auxiliary: Dataset) -> Floats:
    """How likely each candidate is in each released row's cell: (m, k), by public people."""
    seen = release.encoded(auxiliary)[:, release.columns.index(hidden.column)]
    codes = hidden.codes(auxiliary[hidden.column])
    k = len(hidden.values)
    if cells.holds is not None:
        words = release.words[hidden.column]
        share = np.bincount(seen.astype(np.intp), minlength=len(words) + 1)[:-1] + 1e-6
        means = hidden.codes(np.array(list(words), dtype=object))
        found = (cells.holds[:, :-1] * share) @ (means[:, None] == np.arange(k))
        found = found[cells.cell]
    else:
        there = np.flatnonzero((codes >= 0) & ~np.isnan(seen))
        order = there[np.argsort(seen[there], kind="stable")]
        below = np.zeros((len(order) + 1, k))
        below[1:] = np.cumsum(np.eye(k)[codes[order]], axis=0)
        ranked = seen[order]
        found = below[np.searchsorted(ranked, cells.high, "right")]
        found = found - below[np.searchsorted(ranked, cells.low, "left")]
        nobody = np.flatnonzero(found.sum(axis=1) == 0)
        middle = np.clip((cells.low[nobody] + cells.high[nobody]) / 2, -1e300, 1e300)
        inside = hidden.codes(middle)
        found[nobody[inside >= 0], inside[inside >= 0]] = 1
    total = found.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(found, total, out=np.full_like(found, 1 / k), where=total > 0))

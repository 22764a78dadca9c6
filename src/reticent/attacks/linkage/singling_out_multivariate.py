"""Singling out by several columns: a released row's cells, as many as chance says."""

from __future__ import annotations

import numpy as np

from reticent.attacks.claims import Predicates
from reticent.attacks.linkage.singling_out_univariate import SinglingOutUnivariate
from reticent.attacks.release import Release
from reticent.target import Reveals


class SinglingOutMultivariate:
    """Conditions of two or more columns of one released row.

    How many columns is drawn evenly: few find somebody who is unusual in a table that was
    disturbed, all find an exact copy. Half of the conditions let numbers be a step off.
    """

    name = "singling_out_multivariate"
    title = "several cells of a released row said to be one person's"
    paper = SinglingOutUnivariate.paper
    threat_model = (
        "Holds the released table, knows nothing of the members, and names values of several "
        "columns that together exactly one of them is said to have."
    )
    cost = "none: the model is not asked"
    null_result = (
        "Conditions are drawn at random from released rows; one built for a certain person, by "
        "somebody who knows them, may still hold for that person alone."
    )
    needs = Reveals.NOTHING

    def predicates(self, release: Release, tries: int, rng: np.random.Generator) -> Predicates:
        """Make one condition from each of some released rows."""
        c = len(release.cells)
        rows = rng.permutation(len(release))[:tries] if c > 1 else np.empty(0, np.intp)
        rank = rng.random((len(rows), c)).argsort(axis=1).argsort(axis=1)
        mask = rank < rng.integers(2, max(c, 2) + 1, size=len(rows))[:, None]
        return Predicates(rows, mask, rng.integers(2, size=len(rows)).astype(float))

"""Singling out by one column: the rarest cell that only one released row has."""

from __future__ import annotations

import numpy as np

from reticent.attacks.claims import Predicates
from reticent.attacks.release import Cells, Release
from reticent.target import Reveals


class SinglingOutUnivariate:
    """Conditions on one column whose cell stands once in the release, the rarest first."""

    name = "singling_out_univariate"
    title = "one rare released value said to be one person's"
    paper = (
        "Giomi, Boenisch, Wehmeyer and Tasnádi 2023, A Unified Framework for Quantifying Privacy "
        "Risk in Synthetic Data, PoPETs, doi:10.56553/popets-2023-0055; Article 29 Working Party "
        "2014, Opinion 05/2014 on Anonymisation Techniques (WP216)"
    )
    threat_model = (
        "Holds the released table and public people's rows, knows nothing of the members, and "
        "names a value that exactly one of them is said to have."
    )
    cost = "none: the model is not asked"
    null_result = "Values that many people share single nobody out alone; several together may."
    needs = Reveals.NOTHING

    def predicates(self, release: Release, tries: int, rng: np.random.Generator) -> Predicates:
        """Make a condition of every cell that occurs once; equally rare ones in random order."""
        rows, columns, telling = [], [], []
        for place, cells in enumerate(release.cells):
            once = np.flatnonzero(_alone(cells) & (cells.weight > 0))
            rows.append(once)
            columns.append(np.full(len(once), place, dtype=np.intp))
            telling.append(cells.weight[once])
        row, column = np.concatenate(rows), np.concatenate(columns)
        order = np.lexsort((rng.random(len(row)), -np.concatenate(telling)))[:tries]
        mask = np.zeros((len(order), len(release.cells)), dtype=bool)
        mask[np.arange(len(order)), column[order]] = True
        return Predicates(row[order], mask, np.zeros(len(order)))


def _alone(cells: Cells) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Mark the rows (m,) whose cell no other row has."""
    told = np.column_stack([cells.low, cells.high, cells.cell])
    _, place, counts = np.unique(told, axis=0, return_inverse=True, return_counts=True)
    return np.asarray(counts[place.reshape(-1)] == 1)

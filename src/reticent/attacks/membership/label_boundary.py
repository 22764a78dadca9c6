"""Membership from labels alone: how far a record may be moved before its label changes.

All people move together: each step is one batch in which everybody is asked once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.membership.candidates import Candidates, Floats, insides
from reticent.attacks.membership.rehearsal import PAIRS, weighed
from reticent.dataset import Dataset
from reticent.target import Reveals, Target
from reticent.targets.local import positions

RADII = (0.05, 0.1, 0.2, 0.4)  # share of the columns that are changed at once
DRAWS = 8  # steps at each radius


@dataclass(frozen=True, slots=True)
class LabelBoundary:
    """How much of this record may change before the target says another label?

    Attributes
    ----------
    radii : shares of the columns that are changed at once. draws : steps at each radius.
    """

    radii: tuple[float, ...] = RADII
    draws: int = DRAWS
    name: ClassVar[str] = "label_boundary"
    title: ClassVar[str] = "how much of the record may change before its label does"
    paper: ClassVar[str] = "Choquette-Choo et al. 2021, ICML, arXiv:2007.14321"
    threat_model: ClassVar[str] = (
        "Sees labels only. Holds the candidates' complete records and labels, and auxiliary "
        "people, whose values take the place of a growing share of a record's. With references "
        "(as rmia's) the same steps are tried on them, and the distances are weighed with theirs."
    )
    cost: ClassVar[str] = f"{1 + len(RADII) * DRAWS} rows per person"
    null_result: ClassVar[str] = (
        "Few random steps measure the distance to the boundary coarsely; a contract that refuses "
        "unlikely rows hides it and does not change who was memorized."
    )
    needs: ClassVar[Reveals] = Reveals.LABEL | Reveals.ANY_ROW
    needs_classes: ClassVar[bool] = True
    needs_references: ClassVar[int] = 0

    def score(self, target: Target, people: Candidates, rng: np.random.Generator) -> Floats:
        """Score n people from (1 + radii x draws) n rows asked."""
        many = len(people.references) >= 2 * PAIRS
        asked = [target, *(one.target for one in people.references)] if many else [target]
        held = self.survival(asked, people, rng)
        if not many:
            return np.asarray(held[0].mean(axis=0))
        return weighed(held[0], held[1:], insides(people))

    def survival(
        self, targets: list[Target], people: Candidates, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """How often the true label stays at each radius, the first being 0: (targets, 1 + r, n)."""
        classes = targets[0].classes
        assert classes is not None
        places = positions(people.rows[people.label], classes)
        columns = [name for name in targets[0].columns if name in people.rows.columns]
        held = np.zeros((len(targets), 1 + len(self.radii), len(places)))
        held[:, 0] = [_right(target, people.rows, places) for target in targets]
        for step, radius in enumerate(self.radii, start=1):
            for _ in range(self.draws):
                rows = moved(people.rows, columns, people.auxiliary, radius, rng)
                held[:, step] += [_right(target, rows, places) for target in targets]
        held[:, 1:] /= self.draws
        return held


def _right(target: Target, rows: Dataset, places: NDArray[np.intp]) -> Floats:
    """Whether each row gets its person's true label (n,); a refusal counts one half."""
    label = target.ask(rows).label
    assert label is not None
    return np.asarray(np.where(label < 0, 0.5, label == places))


def moved(
    rows: Dataset, columns: list[str], donors: Dataset, share: float, rng: np.random.Generator
) -> Dataset:
    """Give each cell (n) of the columns another person's value with a probability; all at once."""
    changed = rows
    for name in columns:
        column = rows[name]
        given = donors[name][rng.integers(len(donors), size=len(column))]
        kind = np.result_type(column.dtype, given.dtype)
        swap = rng.random(len(column)) < share
        changed = changed.replaced(name, np.where(swap, given, column).astype(kind))
    return changed

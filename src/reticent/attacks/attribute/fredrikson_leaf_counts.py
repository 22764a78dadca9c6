"""White-box inversion of trees by the number of training records in each leaf (Fredrikson 2015)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.attack import Guess
from reticent.attacks.grid import complete, label_places, over_values
from reticent.attacks.known import Known
from reticent.dataset import Dataset
from reticent.target import Reveals, Target, Transparent

NEVER = 1e-9


class FredriksonLeafCounts:
    """Weigh each value by how common it is and how many training records share its leaf.

    A tree's leaf counts only as far as it predicts the true label. In a forest or a boosted model
    the trees are averaged; where the library does not keep what a leaf predicts (boosting), the
    whole model's answer under the value stands in.
    """

    name = "fredrikson_leaf_counts"
    title = "prior of the value times the training records in the leaves that it reaches"
    paper = "Fredrikson, Jha and Ristenpart 2015, ACM CCS, doi:10.1145/2810103.2813677"
    threat_model = (
        "White-box: holds the trees with the number of training records in each leaf, the other "
        "columns, the true label and how common each value is."
    )
    null_result = "Reads counts only; gradients, or trees' joint paths, may tell more."
    needs = Reveals.STRUCTURE | Reveals.ANY_ROW
    needs_label = True
    needs_classes = False
    needs_records = False

    def guess(self, target: Target, known: Known, rng: np.random.Generator) -> Guess:
        """Guess from (k * n) rows sent down the trees."""
        assert isinstance(target, Transparent)
        n, k = len(known.rows), len(known.hidden.values)
        grid = over_values(complete(target, known, rng), known.hidden)
        weight = self._weight(target, known, grid)
        held = weight.reshape(k, -1, n).mean(axis=1).T
        return Guess(np.log(known.prior) + np.log(np.maximum(held, NEVER)))

    def _weight(self, target: Transparent, known: Known, grid: Dataset) -> NDArray[np.float64]:
        """The training share of the leaves that agree with the true label: (rows of the grid,)."""
        leaves = target.leaves(grid)
        label = np.tile(known.rows[known.label], len(grid) // len(known.rows))
        if leaves.says and target.classes is not None:
            places = np.maximum(label_places(target, label), 0)
            each = [
                weight[at] * (says[at].argmax(axis=1) == places)
                for at, weight, says in zip(leaves.at.T, leaves.weight, leaves.says, strict=True)
            ]
            return np.asarray(np.mean(each, axis=0))
        share = np.mean([w[at] for at, w in zip(leaves.at.T, leaves.weight, strict=True)], axis=0)
        told = target.ask(grid)
        if told.scores is not None:
            places = np.maximum(label_places(target, label), 0)
            return np.asarray(share * told.scores[np.arange(len(grid)), places])
        assert told.value is not None
        width = 1.0 if known.errors is None else max(float(known.errors[0, 0]), NEVER)
        return np.asarray(share * np.exp(-0.5 * ((told.value - label.astype(float)) / width) ** 2))

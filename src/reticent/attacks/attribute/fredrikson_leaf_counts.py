"""White-box inversion of trees by the number of training records in each leaf (Fredrikson 2015)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.attack import Guess
from reticent.attacks.grid import complete, label_places
from reticent.attacks.known import Known
from reticent.dataset import Dataset
from reticent.target import Leaves, Reveals, Target, Transparent

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
    cost = "one row per candidate value and person, sent down the trees of an open model"
    null_result = "Reads counts only; gradients, or trees' joint paths, may tell more."
    needs = Reveals.STRUCTURE | Reveals.ANY_ROW
    needs_label = True
    needs_classes = False
    needs_records = False

    def guess(self, target: Target, known: Known, rng: np.random.Generator) -> Guess:
        """Guess from (k * n) rows sent down the trees, one value at a time.

        A value at a time keeps the tables small enough to stay in the processor's cache.
        """
        assert isinstance(target, Transparent)
        rows = complete(target, known, rng)
        column, values = known.hidden.column, known.hidden.values
        held = [
            self._weight(
                target, known, rows.replaced(column, np.repeat(values[v : v + 1], len(rows)))
            )
            for v in range(len(values))
        ]
        shares = np.stack(held, axis=1).reshape(-1, len(known.rows), len(values)).mean(axis=0)
        return Guess(np.log(known.prior) + np.log(np.maximum(shares, NEVER)))

    def _weight(self, target: Transparent, known: Known, rows: Dataset) -> NDArray[np.float64]:
        """The training share of the leaves that agree with the true label: (rows,)."""
        leaves = target.leaves(rows)
        labels, times = known.rows[known.label], len(rows) // len(known.rows)
        if target.classes is None:
            told = target.ask(rows).value
            assert told is not None
            width = 1.0 if known.errors is None else max(float(known.errors[0, 0]), NEVER)
            error = told - np.tile(labels.astype(float), times)
            return np.asarray(_share(leaves) * np.exp(-0.5 * (error / width) ** 2))
        own = np.tile(np.maximum(label_places(target, labels), 0), times)
        if leaves.says:
            each = [
                weight[at] * (says.argmax(axis=1)[at] == own)
                for at, weight, says in zip(leaves.at.T, leaves.weight, leaves.says, strict=True)
            ]
            return np.asarray(np.mean(each, axis=0))
        scores = target.ask(rows).scores
        assert scores is not None
        return np.asarray(_share(leaves) * scores[np.arange(len(rows)), own])


def _share(leaves: Leaves) -> NDArray[np.float64]:
    """The mean share (n,) of training rows in the leaves that a row reaches."""
    each = [weight[at] for at, weight in zip(leaves.at.T, leaves.weight, strict=True)]
    return np.asarray(np.mean(each, axis=0))

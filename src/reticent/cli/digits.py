"""The demo's second model: what a reader of digits shows of the digits it was trained on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from reticent.audit.case import Case
from reticent.audit.options import BARE, Options
from reticent.audit.run import audit
from reticent.contract import Contract
from reticent.dataset import Dataset
from reticent.exhibit import Exhibit
from reticent.randomness import subseed

LABEL = "digit"
SIDE = 8  # pixels
WHITE_BOX, LABELS = "latent_gradient", "label_batch"
VIEWS = {BARE: None, "label only": Contract(output="label")}


def rebuilt(options: Options) -> str:
    """Attack a softmax regression; show its digits, and say how many were recognized.

    Parameters
    ----------
    options : whose seed is used, and whose exhibit is told.
    """

    def shown(exhibit: Exhibit) -> None:
        options.exhibit(replace(exhibit, title=f"A second model, of digits: {exhibit.title}"))

    found = audit(
        case_of(options.seed), VIEWS,
        Options(attacks=[WHITE_BOX, LABELS], seed=options.seed, exhibit=shown),
    ).findings  # fmt: skip
    told = {
        (one.configuration, one.attack): (one.members.accuracy, one.baseline_members.accuracy)
        for one in found
    }
    open_, without = told[BARE, WHITE_BOX]
    labels, _ = told["label only", LABELS]
    return (
        f"A softmax regression that reads digits: of its ten, {_ten(open_.value)} are recognized "
        f"in what an attacker rebuilds from the model's weights, {_ten(labels.value)} from labels "
        f"alone, {_ten(without.value)} in the mean picture without the model. The report shows "
        "them beside the truth."
    )


def case_of(seed: int) -> Case:
    """Train on a third of scikit-learn's digits; the attacker holds another third, unlabeled."""
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    pixels, digit = load_digits(return_X_y=True)
    order = np.random.default_rng(subseed(seed, "digits")).permutation(len(digit))
    names = [f"x{place}" for place in range(SIDE * SIDE)]
    parts = [
        Dataset({**dict(zip(names, pixels[some].T / 16.0, strict=True)), LABEL: digit[some]})
        for some in np.array_split(order, 3)
    ]
    members, others, auxiliary = parts
    model = LogisticRegression(max_iter=2_000)
    model.fit(members.without(LABEL).frame(), members[LABEL])
    return Case(model=model, members=members, others=others, auxiliary=auxiliary, label=LABEL,
                shape=(SIDE, SIDE))  # fmt: skip


def _ten(share: float | None) -> str:
    return "none" if share is None else f"{10 * share:.0f}"

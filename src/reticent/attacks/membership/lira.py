"""The likelihood ratio attack (Carlini et al. 2022), online and offline."""

from __future__ import annotations

from functools import partial

import numpy as np

from reticent.attacks.membership.candidates import (
    Candidates,
    Floats,
    Inside,
    confidences,
    insides,
    means,
)
from reticent.attacks.membership.rehearsal import Score, chosen, logit
from reticent.target import Reveals, Target

PAPER = "Carlini et al. 2022, IEEE S&P, doi:10.1109/SP46214.2022.9833649"
FLOORS = (0.02, 1e-3, 0.05, 1e-5)  # of a score, before its log-odds are taken
MANY = 64  # references from which each record has a spread of its own, as in the paper
LEAST = 1e-6  # of a variance


def moments(signals: Floats, inside: Inside) -> tuple[Floats, Floats, Floats, Floats]:
    """Gaussians of each record: means OUT and IN, variances OUT and IN (n,) each.

    Parameters
    ----------
    signals : log-odds of the references (k, n). inside : (k, n).

    With fewer than 64 references all records share one variance of each side.
    """
    outs, ins = means(signals, inside)
    squares = (signals - np.where(inside, ins, outs)) ** 2
    spreads = []
    for side in (~inside, inside):
        count, total = side.sum(axis=0), np.where(side, squares, 0.0).sum(axis=0)
        free = max(int((count - 1)[count > 1].sum()), 1)
        shared = np.full(len(outs), total[count > 1].sum() / free + LEAST)
        if len(signals) >= MANY:
            alone = total / np.maximum(count - 1, 1) + LEAST
            shared = np.where(count > 1, alone, shared)
        spreads.append(shared)
    return outs, ins, spreads[0], spreads[1]


def likelihood_ratio(own: Floats, references: Floats, inside: Inside, floor: float) -> Floats:
    """Log-likelihood of the target's answer under IN less that under OUT (n,)."""
    seen = logit(own, floor)
    outs, ins, out_spread, in_spread = moments(logit(references, floor), inside)
    out_fit = (seen - outs) ** 2 / out_spread + np.log(out_spread)
    in_fit = (seen - ins) ** 2 / in_spread + np.log(in_spread)
    return np.asarray((out_fit - in_fit) / 2)


def beyond_out(own: Floats, references: Floats, inside: Inside, floor: float) -> Floats:
    """How far above the OUT models the target's answer lies, in their standard deviations (n,)."""
    outs, _, spread, _ = moments(logit(references, floor), inside)
    return np.asarray((logit(own, floor) - outs) / np.sqrt(spread))


class Lira:
    """Does the target answer like models that were trained on the record, or like the others?"""

    name = "lira"
    title = "likelihood ratio of the answer under models trained with and without the record"
    paper = PAPER
    threat_model = (
        "Holds the candidates' complete records and labels, asks one row each, and trains models "
        "like the target, each on a random half of the candidates, answering through the contract "
        "in force (online: of each record some were trained on it). The floor of a score is "
        "chosen on these models."
    )
    cost = "one row per person; the references are the attacker's own"
    null_result = (
        "It wants many models (the paper has 256): with few, the two Gaussians of a record are "
        "poor estimates, and rmia may find what this does not."
    )
    needs = Reveals.LABEL
    needs_classes = False
    needs_references = 4

    def score(self, target: Target, people: Candidates, rng: np.random.Generator) -> Floats:
        """Score n people from n rows asked."""
        del rng
        return _best(likelihood_ratio, target, people)


class LiraOffline:
    """Is the target surer of the record than models that never saw it?"""

    name = "lira_offline"
    title = "how far the answer lies above those of models trained without the record"
    paper = PAPER
    threat_model = (
        "As lira, but of each record only the models that were not trained on it are used, as if "
        "they had been trained before the records were known."
    )
    cost = "one row per person; the references are the attacker's own"
    null_result = (
        "It does not know what an answer about a member looks like, only what is unusual; and it "
        "wants many models."
    )
    needs = Reveals.LABEL
    needs_classes = False
    needs_references = 4

    def score(self, target: Target, people: Candidates, rng: np.random.Generator) -> Floats:
        """Score n people from n rows asked."""
        del rng
        return _best(beyond_out, target, people)


def _best(way: object, target: Target, people: Candidates) -> Floats:
    assert callable(way)
    own, references = confidences(target, people)
    inside = insides(people)
    ways: list[Score] = [partial(way, floor=floor) for floor in FLOORS]
    return chosen(ways, references, inside)(own, references, inside)

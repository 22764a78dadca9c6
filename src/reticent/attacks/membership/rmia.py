"""Robust membership inference with few references (Zarifzadeh, Liu and Shokri 2024)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from reticent.attacks.membership.candidates import (
    Candidates,
    Floats,
    Inside,
    confidences,
    insides,
    means,
)
from reticent.attacks.membership.rehearsal import PAIRS, Score, chosen, weighed
from reticent.encoding import fit_encoding
from reticent.target import Reveals, Target

TINY = 1e-6
SLOPES = (0.3, 0.0, 0.6, 0.9)  # candidates of ``a``; the first is the paper's for tables
PAPER = "Zarifzadeh, Liu and Shokri 2024, ICML, arXiv:2312.03262"


def ratio(own: Floats, outs: Floats, ins: Floats) -> Floats:
    """How much likelier a record is under the target than under models in general (n,).

    The paper compares this ratio of x with that of population records z, and scores x by the share
    of z that it dominates by gamma. That share only rises with x's ratio, whatever gamma is, so
    ranking by the ratio ranks alike, without the ties that few z leave and without asking for z.
    """
    return np.asarray((own + TINY) / ((outs + ins) / 2 + TINY))


def dominated(ratios: Floats, population: Floats, gamma: float = 1.0) -> Floats:
    """The paper's score (n,): the share of population records that x dominates by gamma."""
    ranked = np.sort(population)
    return np.searchsorted(ranked, ratios / gamma, side="right") / max(len(ranked), 1)


@dataclass(frozen=True, slots=True)
class Rmia:
    """Is this record likelier under the target than under reference models?

    Attributes
    ----------
    weigh : whether to weigh the paper's ratio with its parts, as learned on the references
        themselves (ours); False is the paper's score alone.
    """

    weigh: bool = True
    name: ClassVar[str] = "rmia"
    title: ClassVar[str] = "the record's likelihood against few reference models, IN and OUT"
    paper: ClassVar[str] = PAPER
    threat_model: ClassVar[str] = (
        "Holds the candidates' complete records and labels, asks one row each, and trains a few "
        "references (4) like the target, each on a random half of the candidates (filled up with "
        "auxiliary people), answering through the contract in force. Adds to the paper: the "
        "ratio and its parts are weighed on the references' own members, which the attacker knows."
    )
    cost: ClassVar[str] = "one row per person; the references are the attacker's own"
    null_result: ClassVar[str] = (
        "References that are trained in another way than the target calibrate badly; an average "
        "over people hides the few outliers whom more references would find."
    )
    needs: ClassVar[Reveals] = Reveals.LABEL
    needs_classes: ClassVar[bool] = False
    needs_references: ClassVar[int] = 2

    def score(self, target: Target, people: Candidates, rng: np.random.Generator) -> Floats:
        """Score n people from n rows asked."""
        del rng
        own, references = confidences(target, people)
        inside = insides(people)
        if self.weigh and len(references) >= 2 * PAIRS:
            encode = fit_encoding(people.rows, people.rows.names)
            return weighed(own[None], references[:, None], inside, encode.codes(people.rows))
        return ratio(own, *means(references, inside))


class RmiaOffline:
    """The same from references that never saw the record."""

    name = "rmia_offline"
    title = "the record's likelihood against reference models that never saw it"
    paper = PAPER
    threat_model = (
        "As rmia, but of each record only the references that were not trained on it are used, as "
        "if they had been trained before the records were known. What IN models would say is "
        "filled in by the paper's line with slope a, chosen on the references."
    )
    cost = "one row per person; the references are the attacker's own"
    null_result = "The line from OUT to IN is a guess: rmia, which sees both, may find more."
    needs = Reveals.LABEL
    needs_classes = False
    needs_references = 2

    def score(self, target: Target, people: Candidates, rng: np.random.Generator) -> Floats:
        """Score n people from n rows asked."""
        del rng
        own, references = confidences(target, people)
        inside = insides(people)
        best = chosen([_offline(slope) for slope in SLOPES], references, inside)
        return best(own, references, inside)


def _offline(slope: float) -> Score:
    def score(own: Floats, references: Floats, inside: Inside) -> Floats:
        outs, _ = means(references, inside)
        return ratio(own, outs, slope * outs + 1 - slope)

    return score

"""What a membership attacker holds: complete records of people, and models trained on halves.

Every reference was trained on a random part of the same people, drawn without knowing who the
members are; the two of a pair share nobody. So about half of the references never saw a person
(they are OUT), and the others show what it looks like to be IN.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.attack import About
from reticent.dataset import Dataset
from reticent.target import Answer, Reveals, Target
from reticent.targets.local import positions

Floats = NDArray[np.float64]
Inside = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Reference:
    """A model like the target that the attacker trained.

    Attributes
    ----------
    target : the model, behind the contract in force. inside : (n,) which rows it was trained on.
    """

    target: Target
    inside: Inside


@dataclass(frozen=True, slots=True)
class Candidates:
    """People of whom the attacker asks whether they were in the training data.

    Attributes
    ----------
    rows : (n) complete records, with the label. label : its column.
    references : in pairs that share nobody. auxiliary : other people's records.
    """

    rows: Dataset
    label: str
    references: Sequence[Reference]
    auxiliary: Dataset


class Membership(About, Protocol):
    """One test of membership.

    Attributes
    ----------
    needs_classes : whether the target must be a classifier.
    needs_references : how many references it cannot do without.
    """

    needs_classes: ClassVar[bool]
    needs_references: ClassVar[int]

    def score(self, target: Target, people: Candidates, rng: np.random.Generator) -> Floats:
        """Say of each of n rows how much it looks like a training row (n,): higher is more."""
        ...


def obstacle(attack: Membership, target: Target, people: Candidates) -> str | None:
    """Say why an attack cannot be run here, or nothing."""
    lacking = attack.needs & ~target.reveals
    if lacking:
        names = " and ".join(flag.name or "" for flag in lacking)
        return f"the target does not reveal {names}"
    if attack.needs_classes and target.classes is None:
        return "the target is a regressor"
    if len(people.references) < attack.needs_references:
        return f"it needs {attack.needs_references} references"
    return None


def insides(people: Candidates) -> Inside:
    """Which references were trained on which rows: (k, n)."""
    n = len(people.rows)
    return np.array([one.inside for one in people.references], dtype=bool).reshape(-1, n)


def confidences(target: Target, people: Candidates) -> tuple[Floats, Floats]:
    """How sure the target (n,), and each reference (k, n), is of the people's true labels.

    It is the score of the label; 0 or 1 where only labels are told; of a regressor the likelihood
    of its error, with the spread that references have on rows they never saw, as share of the
    highest. A refusal is read as even odds.
    """
    told = [one.ask(people.rows) for one in (target, *(r.target for r in people.references))]
    labels = people.rows[people.label]
    if target.classes is None:
        both = _likelihoods(told, labels.astype(float), insides(people))
    else:
        both = np.array([_sureness(one, target, positions(labels, target.classes)) for one in told])
    return both[0], both[1:]


def _sureness(told: Answer, target: Target, places: NDArray[np.intp]) -> Floats:
    assert target.classes is not None
    k, each = len(target.classes), np.arange(len(places))
    if told.scores is None:
        if told.label is None:
            return np.full(len(places), 1 / k)
        right = (told.label == places).astype(float)
        return np.where(told.label < 0, 1 / k, right)
    scores = told.scores
    if Reveals.SCORES not in target.reveals:
        # What the highest classes leave over is shared by those that were withheld.
        hidden = scores == 0
        left = np.maximum(1 - scores.sum(axis=1, keepdims=True), 0)
        scores = np.where(hidden, left / np.maximum(hidden.sum(axis=1, keepdims=True), 1), scores)
    own = np.where(places < 0, 0.0, scores[each, np.maximum(places, 0)])
    return np.asarray(np.where(np.isnan(own), 1 / k, own))


def _likelihoods(told: list[Answer], labels: Floats, inside: Inside) -> Floats:
    values = [one.value for one in told if one.value is not None]
    if not values:
        return np.full((len(told), len(labels)), 0.5)
    errors = np.array(values) - labels
    unseen = errors[1:][~inside] if len(inside) else errors[0]
    spread = float(np.nanstd(unseen)) or 1.0
    return np.asarray(np.nan_to_num(np.exp(-((errors / spread) ** 2) / 2), nan=0.5))


def means(signals: Floats, inside: Inside) -> tuple[Floats, Floats]:
    """Average the references' signals (k, n) where they were trained on a row and where not.

    Returns
    -------
    OUT and IN, (n,) each. A row on one side of all references gets the other side's mean, moved
    by what the two differ on the rest.
    """
    outs, ins = _mean(signals, ~inside), _mean(signals, inside)
    apart = ins - outs
    gap = float(np.nanmean(apart)) if np.isfinite(apart).any() else 0.0
    outs, ins = np.where(np.isnan(outs), ins - gap, outs), np.where(np.isnan(ins), outs + gap, ins)
    return outs, ins


def _mean(signals: Floats, chosen: Inside) -> Floats:
    count = chosen.sum(axis=0)
    total = np.where(chosen, signals, 0.0).sum(axis=0)
    empty = np.full(len(count), np.nan)
    return np.asarray(np.divide(total, count, out=empty, where=count > 0))

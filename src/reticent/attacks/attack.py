"""What an attack is: it states what it needs and how far its silence counts, and it guesses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.known import Known
from reticent.target import Reveals, Target


@dataclass(frozen=True, slots=True)
class Guess:
    """What an attacker answers about n people.

    Attributes
    ----------
    scores : (n, k) unnormalised log-probability of each candidate value; the highest is the guess.
    value : (n,) the guessed number, for a numeric column; None derives it from the scores.
    """

    scores: NDArray[np.float64]
    value: NDArray[np.float64] | None = None

    def take(self, rows: NDArray[np.intp]) -> Guess:
        """Keep what was answered about some of the people."""
        return Guess(self.scores[rows], None if self.value is None else self.value[rows])


class About(Protocol):
    """What every attack says of itself.

    Attributes
    ----------
    name : its name in the list. title : what it does, in a few words. paper : the source.
    threat_model : what the attacker can do and holds. cost : queries, in words.
    null_result : what finding nothing does *not* prove.
    needs : what the target must reveal.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]
    threat_model: ClassVar[str]
    cost: ClassVar[str]
    null_result: ClassVar[str]
    needs: ClassVar[Reveals]


class Attack(About, Protocol):
    """One attack on a hidden column.

    Attributes
    ----------
    needs_label : whether the true label must be known.
    needs_classes : whether the target must be a classifier.
    needs_records : whether the answers to the people's own records must have been released.
    """

    needs_label: ClassVar[bool]
    needs_classes: ClassVar[bool]
    needs_records: ClassVar[bool]

    def guess(self, target: Target, known: Known, rng: np.random.Generator) -> Guess:
        """Guess the hidden column of the people in ``known``."""
        ...


def obstacle(attack: Attack, target: Target, known: Known) -> str | None:
    """Say why an attack cannot be run here, or nothing."""
    lacking = attack.needs & ~target.reveals
    if target.classes is None and target.reveals & Reveals.LABEL:
        lacking &= ~Reveals.SCORES  # a regressor's value is all that it could tell
    if lacking:
        names = " and ".join(flag.name or "" for flag in lacking)
        return f"the target does not reveal {names}"
    if attack.needs_label and not known.knows_label:
        return "the attacker does not know the true label"
    if attack.needs_records and known.observed is None:
        return "no answers about these people were recorded or released"
    if attack.needs_classes and target.classes is None:
        return "the target is a regressor"
    return None

"""What a linking attacker says, before anybody who knows the truth has looked at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.attack import About
from reticent.attacks.known import Hidden
from reticent.attacks.release import Release
from reticent.dataset import Dataset
from reticent.target import Target

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Predicates:
    """Conditions, each said to hold for exactly one person.

    Attributes
    ----------
    row : (t,) the released row whose cells make the condition. columns : (t, c) which of its
    columns take part. slack : (t,) steps by which numbers may be off.
    """

    row: Codes
    columns: NDArray[np.bool_]
    slack: Floats

    def __len__(self) -> int:
        return len(self.row)

    def take(self, places: Codes | slice) -> Predicates:
        """Keep some of the conditions."""
        return Predicates(self.row[places], self.columns[places], self.slack[places])


@dataclass(frozen=True, slots=True)
class Surmise:
    """What is said of a hidden column.

    Attributes
    ----------
    said : (n,) the guessed candidate. sure : (n,) how sure; the surest come first.
    """

    said: Codes
    sure: Floats


@dataclass(frozen=True, slots=True)
class Candidates:
    """The released rows that may be a person's.

    Attributes
    ----------
    rows : n arrays of rows. exact : (n,) whether the model's answer fits them within its digits,
    not only best.
    """

    rows: Sequence[Codes]
    exact: NDArray[np.bool_]


class SinglesOut(About, Protocol):
    """Makes conditions from a release."""

    def predicates(self, release: Release, tries: int, rng: np.random.Generator) -> Predicates:
        """Make at most so many conditions, no two alike."""
        ...


class Links(About, Protocol):
    """Puts two half records together that are one person's."""

    def link(
        self, release: Release, first: Sequence[str], one: Floats, other: Floats,
        rng: np.random.Generator,
    ) -> Codes:  # fmt: skip
        """Say which of n second halves belongs to each of n first halves: (n,)."""
        ...


class Infers(About, Protocol):
    """Reads a hidden column off a release."""

    def infer(
        self, release: Release, hidden: Hidden, people: Dataset, auxiliary: Dataset,
        rng: np.random.Generator,
    ) -> Surmise:  # fmt: skip
        """Guess the hidden column of n people of whom the other released columns are known."""
        ...


class Fingerprints(About, Protocol):
    """Finds a named person's row by the model's score that was kept beside it."""

    def reading(
        self, target: Target, release: Release, people: Dataset, among: Sequence[Codes]
    ) -> int:
        """Find what the released score is about, from a model that answers in full."""
        ...

    def candidates(
        self, target: Target, release: Release, people: Dataset, among: Sequence[Codes],
        reading: int, digits: int | None = None,
    ) -> Candidates:  # fmt: skip
        """Find the rows that may be each of n people's.

        Parameters
        ----------
        among : n arrays of the released rows that do not contradict each person's record.
        reading : what the score is about. digits : behind the point, to which both scores are cut
        first; None leaves them.
        """
        ...

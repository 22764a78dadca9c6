"""Score fingerprints: a score that was kept beside a nameless row names the person."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.cells import DIGITS, decimals
from reticent.attacks.claims import Candidates
from reticent.attacks.release import Release
from reticent.dataset import Dataset
from reticent.target import Answer, Reveals, Target

EXACT = 1e-6  # two scores this close are one: a model in single precision keeps no more
TRIED = 200  # people on whom the readings of the score are compared
BLOCK = 500  # people at a time

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
Reading = Callable[[Codes, Codes], Floats]  # people (p,) and rows (p,) to how far each fits


class ScoreFingerprint:
    """Asks the model about a named person's record and looks its answer up in the release.

    Rows whose other cells contradict the record are left out. Both scores are known to some
    digits; they fit where the intervals that these stand for meet.
    """

    name = "score_fingerprint"
    title = "a released score looked up by asking about a named person's record"
    paper = (
        "This project, after the record linkage of Fellegi and Sunter 1969, "
        "doi:10.1080/01621459.1969.10501049; the score takes the part of a quasi-identifier"
    )
    threat_model = (
        "Holds a table or a log without names that kept the model's score beside each row, knows "
        "a named person's record, and may ask the model about it once."
    )
    cost = "one row a person"
    null_result = (
        "Rows that share a score hide each other only among those in this release; the next one "
        "may keep more digits, or other columns beside the score."
    )
    needs = Reveals.LABEL | Reveals.ANY_ROW

    def reading(
        self, target: Target, release: Release, people: Dataset, among: Sequence[Codes]
    ) -> int:
        """Find what the released score is about: the place of a class, or behind all the highest.

        A release says so, and the attacker has read it; here it is the reading under which most
        people have a fitting row.
        """
        assert release.score is not None
        some = people.take(slice(0, TRIED))
        readings = _readings(target.ask(some), release.score, target.classes, None)
        fits = [sum(int((far <= 0).any()) for far in _far(one, among[:TRIED])) for one in readings]
        return int(np.argmax(fits))

    def candidates(
        self, target: Target, release: Release, people: Dataset, among: Sequence[Codes],
        reading: int, digits: int | None = None,
    ) -> Candidates:  # fmt: skip
        """Find the rows that fit each person's score; without any, the nearest.

        Parameters
        ----------
        among : n arrays of the released rows that do not contradict each person's record.
        reading : what the score is about. digits : behind the point, to which both scores are cut
        first; None leaves them.
        """
        assert release.score is not None
        readings = _readings(target.ask(people), release.score, target.classes, digits)
        rows, exact = [], np.zeros(len(people), dtype=bool)
        for place, far in enumerate(_far(readings[reading], among)):
            least = far.min(initial=np.inf)
            exact[place] = least <= 0
            rows.append(among[place][far <= least] if np.isfinite(least) else among[place][:0])
        return Candidates(rows, exact)


def _far(reading: Reading, among: Sequence[Codes]) -> Iterator[Floats]:
    """How far each of a person's rows is from fitting, person by person."""
    for start in range(0, len(among), BLOCK):
        block = among[start : start + BLOCK]
        counts = [len(rows) for rows in block]
        people = np.repeat(np.arange(start, start + len(block)), counts)
        yield from np.split(reading(people, np.concatenate(block)), np.cumsum(counts)[:-1])


def _readings(
    told: Answer, score: Floats, classes: NDArray[np.generic] | None, digits: int | None
) -> list[Reading]:
    """What the released score may be: a class's score, the highest, or a value."""
    if classes is None:
        assert told.value is not None
        return [_numbers(told.value, score, digits)]
    if told.scores is not None:
        of = [*told.scores.T, told.scores.max(axis=1)]
        return [_numbers(one, score, digits) for one in of]
    assert told.label is not None
    sides = (0, 1, None) if len(classes) == 2 else (None,) * (len(classes) + 1)
    return [_sides(told.label, score, one) for one in sides]


def _numbers(answers: Floats, score: Floats, digits: int | None) -> Reading:
    """Hold scores against scores, each standing for all that are rounded to it."""
    if digits is not None:
        answers, score = np.round(answers, digits), np.round(score, digits)
    fine = [decimals(answers), decimals(score)]
    off = [0.5 * 10.0**-one if one < DIGITS else 0.0 for one in fine]
    reach = EXACT if fine[0] == fine[1] else sum(off) + EXACT

    def far(people: Codes, rows: Codes) -> Floats:
        apart = np.abs(answers[people] - score[rows]) - reach
        return np.where(np.isnan(apart), np.inf, np.maximum(apart, 0))

    return far


def _sides(label: Codes, score: Floats, of: int | None) -> Reading:
    """Hold labels against scores of class ``of`` of two: which side of one half.

    Of more classes (None) a label tells nothing that the score can be held against.
    """

    def far(people: Codes, rows: Codes) -> Floats:
        said, kept = label[people], score[rows]
        short = np.where(said == of, np.maximum(0.5 - kept, 0), np.maximum(kept - 0.5, 0))
        return np.where(said < 0, np.inf, short if of is not None else 0.0)

    return far

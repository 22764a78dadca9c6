"""What the report says of attacks that guess no column, in their own words."""

from __future__ import annotations

from typing import Final

from reticent.finding import Score
from reticent.report.exposure import Exposure

# What was found, of 100, and the same without the model.
PHRASES: Final = {
    "membership": (
        "Of 100 pairs of somebody in the training data and somebody else, {} are told apart",
        "a coin tells {}",
    ),
    "face": (
        "Of 100 people, {} are recognized in the pictures that the attacker made",
        "in the picture without the model {}",
    ),
    "record": (
        "Of 100 rows that the attacker claims, {} are nearer to somebody in the training data than "
        "to somebody else",
        "without the model {}",
    ),
    "embedding": (
        "Of 100 pairs of a vector's own person and somebody else, {} are told apart",
        "a coin tells {}",
    ),
    "linkage": ("Of 100 tries on people in the released table, {} are right", "without it {}"),
}


def own(exposure: Exposure) -> tuple[str, str] | None:
    """The words of a family that guesses no column; None of one that does."""
    column = exposure.family == "embedding" and exposure.hidden != "input"
    return None if column else PHRASES.get(exposure.family)


def headline(exposure: Exposure) -> str:
    """Say what the best attack gets right; nothing where the words for columns do."""
    words, best = own(exposure), exposure.best
    right, alone = _of_100(best.members), _of_100(best.baseline_members)
    if words is None or right is None:
        return ""
    said = words[0].format(right)
    return f"{said}; {words[1].format(alone)}." if alone is not None else f"{said}."


def _of_100(score: Score) -> int | None:
    """AUC where people are ranked, else the share of right tries."""
    rate = score.auc if score.auc.value is not None else score.accuracy
    return None if rate.value is None else round(100 * rate.value)

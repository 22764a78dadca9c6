"""A file of answers: one row of probabilities, or one value, per person, and no more."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.column import is_numeric
from reticent.dataset import Dataset
from reticent.errors import DataError, ModelError
from reticent.files import read
from reticent.target import Answer, Reveals


@dataclass(frozen=True, slots=True)
class Recorded:
    """The answers that a model gave about members and others, in the order of their tables."""

    columns: list[str]
    classes: NDArray[Any] | None
    members: Answer
    others: Answer
    ignores: frozenset[str] = frozenset()

    @property
    def reveals(self) -> Reveals:
        """What was recorded, and no row of the attacker's choosing."""
        if self.classes is None:
            return Reveals.LABEL
        return Reveals.LABEL | Reveals.TOP_K | Reveals.SCORES

    def ask(self, rows: Dataset) -> Answer:
        """Refuse: there is no model behind a file."""
        raise ModelError(
            f"an answer to {len(rows)} rows", "the target is a file of answers",
            "Attack it with those who only observe, or give the model",
        )  # fmt: skip


def recorded(
    members: Path | Dataset,
    others: Path | Dataset,
    columns: list[str],
    sizes: tuple[int, int],
    labels: NDArray[Any],
) -> Recorded:
    """Read two files of answers.

    Parameters
    ----------
    members, others : tables with one column per class, named as the class, in any order; or one
        column of values.
    sizes : how many members and others there are.
    labels : the distinct labels (k,), sorted.

    Raises
    ------
    DataError : another number of rows or classes, or not probabilities.
    """
    tables = [part if isinstance(part, Dataset) else read(part) for part in (members, others)]
    for table, wanted, name in zip(tables, sizes, ("members", "others"), strict=True):
        if len(table) != wanted:
            raise DataError(
                f"the answers about {name}", f"{len(table)} rows for {wanted} people",
                "Write one row per person, in the order of the table",
            )  # fmt: skip
    if all(len(table.names) == 1 for table in tables):
        values = [Answer(value=_numbers(table)[:, 0]) for table in tables]
        return Recorded(columns, None, values[0], values[1])
    answers = [_scores(table, labels) for table in tables]
    return Recorded(columns, labels, answers[0], answers[1])


def _numbers(table: Dataset) -> NDArray[np.float64]:
    if not all(is_numeric(column) for column in table.columns.values()):
        raise DataError(
            "a file of answers", "not all its columns are numbers", "Give probabilities"
        )
    matrix = np.column_stack([column.astype(float) for column in table.columns.values()])
    if not np.isfinite(matrix).all():
        raise DataError("a file of answers", "some are missing", "Give one number in every cell")
    return matrix


def _scores(table: Dataset, labels: NDArray[Any]) -> Answer:
    named = {class_name(label): place for place, label in enumerate(labels)}
    places = [named.get(class_name(name), -1) for name in table.names]
    if sorted(places) != list(range(len(labels))):
        raise DataError(
            "a file of answers", f"its columns are {', '.join(table.names)}",
            f"Name one column per class: {', '.join(map(str, labels))}",
        )  # fmt: skip
    matrix = _numbers(table)
    scores = np.empty_like(matrix)
    scores[:, places] = matrix
    if (scores < 0).any() or not np.allclose(scores.sum(axis=1), 1, atol=0.05):
        raise DataError(
            "a file of answers", "its rows are no probabilities", "Make each row sum to 1"
        )
    return Answer(scores.argmax(axis=1), scores)


def class_name(label: object) -> str:
    """Name a class as a header would: the float label 3.0 is column 3 as well."""
    try:
        return repr(float(str(label)))
    except ValueError:
        return str(label)

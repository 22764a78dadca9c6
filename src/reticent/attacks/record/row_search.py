"""Climb from public rows to rows of which the model is surest: peaks are often training rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reticent.column import Column, is_missing, is_numeric
from reticent.dataset import Dataset, row_tokens
from reticent.target import Reveals, Target
from reticent.targets.local import positions

VALUES = 24  # values tried of one column: those that occur, or for a number its quantiles
STARTS = 300  # public rows to climb from
BUDGET = 60_000  # rows asked in one pass over the columns: with many columns, fewer starts
FEWEST = 10  # starts, however many columns
SWEEPS = 3
GAIN = 1e-9  # what is less is no step upwards

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Claims:
    """Rows of which an attacker says that the model was trained on them.

    Attributes
    ----------
    rows : (c) different rows with their label. confidence : (c,) the model's score of that label.
    starts : (s) the public rows that the search began from, what was held without the model.
    """

    rows: Dataset
    confidence: Floats
    starts: Dataset


class RowSearch:
    """Which rows near to those I know is the model surest about?"""

    name = "row_search"
    title = "whole training rows, climbed to from public rows by label and confidence"
    paper = (
        "This project; the objective is that of Fredrikson et al. 2015, ACM CCS, "
        "doi:10.1145/2810103.2813677, on whole rows in place of one column"
    )
    threat_model = (
        "Asks rows of its own making and reads the score of the label that it wants. Holds public "
        "rows with their labels, and through them the values that columns take; about the people "
        "in the training data it holds nothing."
    )
    cost = (
        "up to 180,000 rows in all: 3 passes over the columns, one row per start (at most 300) "
        "and value tried (at most 24 a column)"
    )
    null_result = (
        "It finds the peaks that lie near public rows and on values that public people have. A "
        "model may keep rows elsewhere, or keep them in answers that are no peaks."
    )
    needs = Reveals.SCORES | Reveals.ANY_ROW

    def claim(
        self, target: Target, public: Dataset, label: str, rng: np.random.Generator
    ) -> Claims:
        """Search; the label stays that of the public row, every other column may change."""
        values = {name: values_of(public[name]) for name in target.columns}
        wide = sum(map(len, values.values()))
        count = min(max(FEWEST, min(STARTS, BUDGET // max(wide, 1))), len(public))
        starts = public.take(np.sort(rng.choice(len(public), count, replace=False)))
        rows, best = starts, confidence(target, starts, starts[label])
        for _ in range(SWEEPS):
            moved = False
            for name in rng.permutation(target.columns).tolist():
                rows, best, better = _climb(target, rows, name, values[name], label, best)
                moved |= better
            if not moved:
                break
        return _different(rows, best, starts)


def values_of(column: Column) -> Column:
    """The values (k,) of one column that are tried: those that occur, or a number's quantiles."""
    seen = column[~is_missing(column)]
    if is_numeric(column):
        found = np.unique(seen)
        if len(found) > VALUES:
            found = np.unique(np.quantile(seen, np.linspace(0, 1, VALUES), method="nearest"))
        return found
    counts: dict[object, int] = {}
    for value in seen.tolist():
        counts[value] = counts.get(value, 0) + 1
    common = sorted(counts, key=lambda value: (-counts[value], str(value)))[:VALUES]
    return np.array(common, dtype=column.dtype)


def confidence(target: Target, rows: Dataset, labels: Column) -> Floats:
    """The score (n,) of each row's label; below every score where the target refused."""
    assert target.classes is not None
    scores, places = target.ask(rows).scores, positions(labels, target.classes)
    assert scores is not None
    own = np.where(places >= 0, scores[np.arange(len(rows)), places], -1.0)
    return np.asarray(np.nan_to_num(own, nan=-1.0))


def _climb(
    target: Target, rows: Dataset, name: str, values: Column, label: str, best: Floats
) -> tuple[Dataset, Floats, bool]:
    """Give each row the value of one column under which the model is surest."""
    n, k = len(rows), len(values)
    if not k:
        return rows, best, False
    tried = rows.repeated(k).replaced(name, np.repeat(values, n))
    told = confidence(target, tried, tried[label]).reshape(k, n)
    better = told.max(axis=0) > best + GAIN
    if not better.any():
        return rows, best, False
    column = rows[name]
    kind = column.dtype if column.dtype == object else np.result_type(column, values)
    column = column.astype(kind)
    column[better] = values[told.argmax(axis=0)[better]]
    return rows.replaced(name, column), np.maximum(best, told.max(axis=0)), True


def _different(rows: Dataset, best: Floats, starts: Dataset) -> Claims:
    """Claim every row once, the surest first."""
    first: dict[bytes, int] = {}
    for place, token in enumerate(row_tokens(rows)):
        first.setdefault(token, place)
    kept = np.array(sorted(first.values(), key=lambda place: (-best[place], place)), dtype=np.intp)
    return Claims(rows.take(kept), best[kept], starts)

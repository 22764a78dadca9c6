"""Who is hit most: the worst subgroup and the worst-hit people, named by place, never by value."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reticent import stats
from reticent.attacks.attack import Guess
from reticent.audit.score import Judged, on_quintiles, rate
from reticent.column import Column, is_missing, is_numeric
from reticent.dataset import Dataset
from reticent.finding import Subgroup

WORST_ROWS = 10
SMALLEST = 30  # people in a subgroup, and 5 % of all: fewer would name single people
MOST_GROUPS = 10
BANDS = 4


def worst_rows(guess: Guess, imputed: NDArray[np.float64], people: Judged) -> tuple[int, ...]:
    """Row numbers of the people about whom the model told most.

    The gain is the probability that the attack gives the true value less imputation's; only
    people whose value the attack gets right count.
    """
    there = people.there
    truth = people.truth[there]
    attack, base = (np.exp(on_quintiles(scores[there], people.hidden))
                    for scores in (guess.scores, imputed))  # fmt: skip
    each = np.arange(len(there))
    gain = np.where(attack.argmax(axis=1) == truth, attack[each, truth] - base[each, truth], 0.0)
    order = np.argsort(-gain, kind="stable")[:WORST_ROWS]
    return tuple(int(there[place]) for place in order if gain[place] > 0)


def worst_subgroup(guess: Guess, people: Judged, known: Dataset) -> Subgroup | None:
    """The band or value of a known column inside which the attack's AUC is highest."""
    there = people.there
    seen, scores = people.take(there), on_quintiles(guess.scores[there], people.hidden)
    once = stats.Resamples(np.ones((len(there), 1), dtype=np.int16))
    least = max(SMALLEST, len(there) // 20)
    worst: tuple[float, str, int, int, NDArray[np.intp]] | None = None
    for name, column in known.columns.items():
        codes, groups = _groups(column[there])
        for group in range(groups):
            rows = np.flatnonzero(codes == group)
            if len(rows) < least or seen.take(rows).fewest < stats.FEW:
                continue
            area = float(stats.macro_auc(once.take(rows), scores[rows], seen.truth[rows])[0])
            if worst is None or area > worst[0]:
                worst = (area, name, group, groups, rows)
    if worst is None:
        return None
    _, name, group, groups, rows = worst
    areas = stats.macro_auc(seen.sample.take(rows), scores[rows], seen.truth[rows])
    return Subgroup(name, group + 1, groups, rate(areas, len(rows), seen.take(rows).fewest))


def _groups(column: Column) -> tuple[NDArray[np.intp], int]:
    """Cut a column into its few values, or a number into quarters: codes (n,) and their count."""
    values = sorted(set(column[~is_missing(column)].tolist()), key=lambda v: (str(type(v)), v))
    if len(values) <= MOST_GROUPS:
        place = {value: code for code, value in enumerate(values)}
        return np.array([place.get(v, -1) for v in column.tolist()], dtype=np.intp), len(values)
    if not is_numeric(column):
        return np.full(len(column), -1), 0
    edges = np.unique(np.nanquantile(column.astype(float), np.arange(1, BANDS) / BANDS))
    return np.searchsorted(edges, column.astype(float), side="right"), len(edges) + 1

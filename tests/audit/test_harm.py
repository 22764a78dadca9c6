"""The worst-hit people and the worst-hit part of them, by place."""

from __future__ import annotations

import numpy as np

from reticent import stats
from reticent.attacks.attack import Guess
from reticent.attacks.known import Hidden
from reticent.audit.harm import worst_rows, worst_subgroup
from reticent.audit.score import Judged
from reticent.dataset import Dataset
from reticent.randomness import generator

N = 400
RNG = np.random.default_rng(0)
TRUTH = RNG.integers(2, size=N)
PEOPLE = Judged(TRUTH, None, stats.resample(np.arange(N), generator(0), 100), 2, 1,
                Hidden("secret", np.array([0, 1])))  # fmt: skip


def odds(values: object) -> Guess:
    return Guess(np.column_stack([np.zeros(N), np.asarray(values)]))


def test_rows_by_what_the_model_added_and_only_where_right() -> None:
    told = np.zeros(N)
    told[[5, 9, 13]] = np.where(TRUTH[[5, 9, 13]] == 1, 6, -6) * [1, 0.5, -1]
    found = worst_rows(odds(told), np.zeros((N, 2)), PEOPLE)
    assert found[:2] == (5, 9)
    assert 13 not in found, "the attack was wrong about them"


def test_what_imputation_knew_is_no_harm_of_the_model() -> None:
    told = np.where(TRUTH == 1, 3.0, -3.0)
    known = odds(told).scores
    assert worst_rows(odds(told), known, PEOPLE) == ()


def test_the_subgroup_that_is_given_away() -> None:
    group = np.array(["a", "b", "c", None], dtype=object)[RNG.integers(4, size=N)]
    age = RNG.normal(0, 1, N)
    told = np.where(group == "b", np.where(TRUTH == 1, 2.0, -2.0), RNG.normal(0, 1, N))
    found = worst_subgroup(odds(told), PEOPLE, Dataset({"age": age, "group": group}))
    assert found is not None
    assert (found.column, found.group, found.groups) == ("group", 2, 3)
    assert found.auc.value == 1.0
    assert found.auc.n == (group == "b").sum()


def test_a_group_too_small_to_hide_in_is_not_named() -> None:
    few = np.zeros(N)
    few[:20] = 1
    told = np.where(few == 1, np.where(TRUTH == 1, 2.0, -2.0), 0.0)
    found = worst_subgroup(odds(told), PEOPLE, Dataset({"few": few}))
    assert found is None or found.group == 1


def test_quarters_of_a_number() -> None:
    age = RNG.normal(0, 1, N)
    told = np.where(age > np.quantile(age, 0.75), np.where(TRUTH == 1, 2.0, -2.0), 0.0)
    found = worst_subgroup(odds(told), PEOPLE, Dataset({"age": age}))
    assert found is not None
    assert (found.group, found.groups) == (4, 4)

"""What is learned of honest people."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent.dataset import Dataset
from reticent.errors import DataError
from reticent.monitor.points import edited
from reticent.monitor.reference import (
    FEWEST,
    NEAR_SHARE,
    PERSON_SHARE,
    WINDOW,
    Reference,
    fit_reference,
    token_pairs,
)
from reticent.monitor.sketch import Sketcher
from reticent.stats import binomial_critical

from .asking import KEY, TABLES, survey, world


def fitted(honest: Dataset, *groups: str, seed: int = 0) -> tuple[Reference, Sketcher]:
    listed = [[one] for one in groups]
    sketcher = Sketcher(KEY, honest.names, listed)
    return (
        fit_reference(honest, honest.names, listed, sketcher, np.random.default_rng(seed)),
        sketcher,
    )


# Chance -----------------------------------------------------------------------------------------

PEOPLE = st.lists(
    st.tuples(st.integers(0, 2), st.integers(0, 1), st.integers(0, 2)), min_size=FEWEST, max_size=60
)


@settings(deadline=None, max_examples=40)
@given(PEOPLE)
def test_chance_is_counted(people: list[tuple[int, int, int]]) -> None:
    """Against a count over all pairs of people."""
    x, n = np.array(people, dtype=float), len(people)
    reference, sketcher = fitted(Dataset.of_matrix(x, ("a", "b", "s")), "s")
    tokens = token_pairs(sketcher(Dataset.of_matrix(x, ("a", "b", "s"))), 1)
    differ = sum(one[2] != other[2] for one, other in product(people, people)) / n**2
    assert reference.differ == pytest.approx((differ,))
    alike = Counter(row[:2] for row in people)
    for row, ((record, _),) in zip(people, tokens, strict=True):
        assert reference.chance(0, record) == pytest.approx(alike[row[:2]] / n * differ)
    first, second = [row[:2] for row in people[::2]], [row[:2] for row in people[1::2]]
    lacking = [row for row in second if row not in first]
    shared = sum(second.count(row) - 1 for row in lacking)
    rare = (shared + 1) / ((len(lacking) + 1) * len(second))
    assert reference.chance(0, 12345) == pytest.approx(rare * differ)


def test_each_group_has_its_own_chance() -> None:
    reference, sketcher = fitted(survey(500, 1), "s", "q4")
    pairs = token_pairs(sketcher(survey(1, 1)), 2)[0]
    assert len(pairs) == 2
    for group, (record, _) in enumerate(pairs):
        assert reference.chance(group, record) > 0
        assert reference.chance(group, record) != reference.chance(1 - group, record)


@pytest.mark.parametrize("n", [200, 2_000])
def test_a_record_that_nobody_had_is_rarer_than_one_that_somebody_had(n: int) -> None:
    x = np.random.default_rng(n).integers(6, size=(n, 4)).astype(float)
    reference, sketcher = fitted(Dataset.of_matrix(x, ("a", "b", "c", "s")), "s")
    (((record, _),), *_) = token_pairs(
        sketcher(Dataset.of_matrix(x[:1], ("a", "b", "c", "s"))), 1
    )  # fmt: skip
    assert 0 < reference.chance(0, 1) <= 3 / n + reference.chance(0, record)


# Distances --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["clinic", "survey"])
def test_fresh_honest_people_look_alike_by_chance_no_more_than_stated(name: str) -> None:
    """1,500 fresh people, each among 64 others. Statistics: how many have one within ``near``
    with another sensitive value, and how many differ from one as by an edit. Critical values:
    those of the stated chance, found on 600 people, and a half (one in a million)."""
    made = world(name)
    gaps, axes, hidden = made.reference.gaps, made.reference.axes, made.reference.hidden
    points, _ = axes(TABLES[name][0](1_500 + WINDOW, 5))
    near = edits = 0
    for place in range(1_500):
        gap = axes.gap(points[place + 1 : place + 1 + WINDOW], points[place])
        rest = gap[:, ~hidden].mean(axis=1)
        near += bool((gap[:, hidden].any(axis=1) & (rest <= gaps.near)).any())
        edits += bool(edited(gap).any())
    assert near <= binomial_critical(1_500, 1.5 * gaps.near_by_chance + NEAR_SHARE)
    assert edits <= binomial_critical(1_500, 1.5 * gaps.edits_by_chance + 0.003)
    assert gaps.near_by_chance < 0.05


@pytest.mark.parametrize("name", ["clinic", "survey", "wide"])
def test_distances_rise_from_near_to_a_person(name: str) -> None:
    gaps = world(name).reference.gaps
    assert 0 <= gaps.near <= gaps.person
    assert 0 < gaps.person < 1
    assert 0 < gaps.crowd < 1


def test_few_pairs_of_people_are_taken_for_one_person() -> None:
    made = world("clinic")
    axes, hidden = made.reference.axes, made.reference.hidden
    points, _ = axes(made.people(400, 6))
    found = [
        axes.gap(points[place + 1 :], points[place])[:, ~hidden].mean(axis=1)
        for place in range(399)
    ]
    share = float((np.concatenate(found) <= made.reference.gaps.person).mean())
    assert PERSON_SHARE / 2 < share < 2 * PERSON_SHARE


# What it is learned of --------------------------------------------------------------------------


def test_too_few_people_are_refused() -> None:
    with pytest.raises(DataError, match=f"only {FEWEST - 1} non-members are at hand"):
        fitted(survey(FEWEST - 1, 1), "s")
    for name in TABLES:
        rows = TABLES[name][0](FEWEST, 1)
        fitted(rows, *TABLES[name][1])


def test_without_a_sensitive_column_nothing_is_hidden() -> None:
    reference, _ = fitted(survey(300, 1))
    assert reference.groups == ()
    assert not reference.hidden.any()
    assert reference.gaps.near >= 0
    assert not world("wide").reference.hidden.any()


def test_marks_stand_where_the_columns_do() -> None:
    reference = world("clinic").reference
    names = list(reference.axes.columns)
    assert [names[p] for p in np.flatnonzero(reference.hidden)] == ["gene"]
    assert [names[p] for p in np.flatnonzero(reference.numbers)] == [f"m{p}" for p in range(10)]


def test_the_same_people_and_seed_give_the_same() -> None:
    one, two = (fitted(survey(5_000, 1), "s", seed=3)[0] for _ in range(2))
    assert (one.gaps, one.alike, one.rare) == (two.gaps, two.alike, two.rare)


def test_missing_cells_of_honest_people_are_no_error() -> None:
    rows = survey(200, 1)
    x = np.asarray(rows.matrix(rows.names)).copy()
    x[np.random.default_rng(0).random(x.shape) < 0.2] = np.nan
    reference, _ = fitted(Dataset.of_matrix(x, rows.names), "s")
    assert np.isfinite([reference.gaps.near, reference.gaps.crowd, reference.gaps.person]).all()

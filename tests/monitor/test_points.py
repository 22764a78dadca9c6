"""Rows as points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from reticent.dataset import Dataset
from reticent.monitor.points import (
    APART,
    BUCKETS,
    FAR,
    FEWEST_NUMBERS,
    OUTSIDE,
    PROJECTED,
    SAME,
    WIDE,
    Axes,
    edited,
    fit_axes,
    fit_manifold,
)
from reticent.stats import binomial_critical

from .asking import clinic, survey, wide

Floats = NDArray[np.float32]


def fitted(rows: Dataset, hidden: dict[str, Any] | None = None) -> Axes:
    return fit_axes(rows, rows.names, hidden or {}, np.random.default_rng(0))


def placed(axes: Axes, rows: Dataset) -> Floats:
    points, _ = axes(rows)
    return points


def columns(rows: Dataset) -> Dataset:
    return Dataset({name: np.array(rows[name]) for name in rows.names})


# Same row, same point ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["float64", "float32", "int64"])
def test_a_matrix_and_its_columns_are_the_same_points(kind: str) -> None:
    honest, rows = survey(300, 1), survey(40, 2)
    axes = fitted(honest, {"s": None})
    matrix = Dataset.of_matrix(np.asarray(rows.matrix(rows.names)).astype(kind), rows.names)
    assert np.allclose(placed(axes, matrix), placed(axes, columns(rows)), atol=1e-4)


def test_the_order_in_which_columns_were_sent_does_not_matter() -> None:
    axes, rows = fitted(survey(300, 1)), survey(40, 2)
    turned = rows.select(rows.names[::-1])
    assert np.array_equal(placed(axes, turned), placed(axes, rows))
    assert np.array_equal(placed(axes, columns(turned)), placed(axes, rows))


CELLS = st.sampled_from([0.0, 1.0, 7.5, -3.0, 1e6, -1e6, np.nan, 1e30, np.inf, -np.inf])


@settings(deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS, st.sampled_from(["Ayr", "Rome", None])), min_size=1,
                max_size=5))  # fmt: skip
def test_a_rows_point_depends_on_no_other_row(rows: list[tuple[Any, ...]]) -> None:
    """Else whoever adds a row to a request chooses where the others lie."""
    honest = Dataset({"a": np.arange(50.0) ** 2, "b": np.arange(50.0) % 7,
                      "town": np.array(["Ayr", "Bonn"] * 25, dtype=object)})  # fmt: skip
    axes = fitted(honest)

    def table(some: list[tuple[Any, ...]]) -> Dataset:
        a, b, town = zip(*some, strict=True)
        return Dataset({"a": np.array(a, dtype=float), "b": np.array(b, dtype=float),
                        "town": np.array(town, dtype=object)})  # fmt: skip

    together = placed(axes, table(rows))
    assert together.dtype == np.float32
    assert np.isfinite(together).all()
    for place, row in enumerate(rows):
        assert np.array_equal(together[place], placed(axes, table([row]))[0])


def test_what_is_missing_lies_far_away_and_always_in_one_place() -> None:
    axes = fitted(clinic(100, 1), {"gene": None})
    rows = clinic(2, 2)
    gone = rows.replaced("m0", np.array([np.nan, np.nan])).replaced(
        "town", np.array([None, None], dtype=object)
    )
    points = placed(axes, gone)
    assert (points[:, [0, 10]] == FAR).all()
    assert np.array_equal(points, placed(axes, gone.without("m0", "town")))
    assert (axes.gap(points, placed(axes, rows)[0])[:, [0, 10]] == 1).all()


def test_one_unit_is_one_standard_deviation() -> None:
    honest = clinic(4_000, 1)
    axes = fitted(honest)
    assert np.allclose(placed(axes, honest)[:, :10].std(axis=0), 1, atol=0.01)
    gap = axes.gap(placed(axes, honest), placed(axes, honest)[0])
    assert gap.min() == 0
    assert gap.max() == 1


def test_a_constant_column_is_no_distance() -> None:
    honest = Dataset({"a": np.full(60, 3.0), "b": np.arange(60.0), "c": np.full(60, np.nan)})
    points = placed(fitted(honest), honest)
    assert (points[:, 0] == 0).all()
    assert (points[:, 2] == FAR).all()


# Text -------------------------------------------------------------------------------------------


def town(*cells: str | None) -> Dataset:
    return Dataset({"town": np.array(cells, dtype=object)})


def test_case_and_spaces_make_no_other_level() -> None:
    axes = fitted(town(*["Ayr", "Bonn", "Cork"] * 20))
    points = placed(axes, town("Bonn", " bonn", "BONN  ", "Bonn\n", "Ayr"))[:, 0]
    assert len(set(points[:4].tolist())) == 1
    assert abs(points[0] - points[4]) >= APART


LEVELS = st.lists(
    st.integers(0, 99).map(lambda n: f"Level {n}"), min_size=2, max_size=60, unique=True
)


@settings(deadline=None)
@given(LEVELS)
def test_two_levels_are_never_near(cells: list[str]) -> None:
    axes = fitted(town(*cells))
    points = placed(axes, town(*cells))
    for place in range(len(cells)):
        others = np.delete(points, place, axis=0)
        assert (axes.gap(others, points[place]) == 1).all()
        assert (points < FAR).all(), "a level is no missing cell"


def test_an_unknown_level_is_one_point_each_time_and_a_long_one_too() -> None:
    axes = fitted(town(*["Ayr", "Bonn"] * 30))
    strange = "Zz" * 5_000
    points = placed(axes, town(strange, "Ayr", strange, "Bonn"))[:, 0]
    assert points[0] == points[2]
    assert points[0] not in (points[1], points[3])
    assert points[0] < FAR


def test_a_word_among_numbers_is_a_missing_number() -> None:
    honest = Dataset({"age": np.arange(60.0), "b": np.arange(60.0) % 5})
    rows = Dataset({"age": np.array(["abc", 30.0], dtype=object), "b": np.array([1.0, 2.0])})
    points = placed(fitted(honest), rows)
    assert points[0, 0] == FAR
    assert points[1, 0] == placed(fitted(honest), honest)[30, 0]


# Sensitive numbers ------------------------------------------------------------------------------


def test_of_a_sensitive_number_the_bin_counts() -> None:
    honest = Dataset({"a": np.arange(100.0), "income": np.arange(100.0)})
    axes = fitted(honest, {"income": [0.0, 10.0, 50.0, 100.0]})
    rows = Dataset({"a": np.zeros(5), "income": np.array([3.0, 9.0, 11.0, 49.0, np.nan])})
    points = placed(axes, rows)[:, 1]
    assert points[0] == points[1] != points[2] == points[3]
    assert points[4] == FAR


def test_a_sensitive_number_without_bins_gets_some() -> None:
    honest = Dataset({"a": np.arange(100.0), "income": np.arange(100.0)})
    points = placed(fitted(honest, {"income": None}), honest)[:, 1]
    sizes = np.unique(points, return_counts=True)[1]
    assert len(sizes) > 2
    assert sizes.min() >= 15


def test_many_bins_are_all_told_apart() -> None:
    honest = Dataset({"a": np.arange(400.0), "income": np.arange(400.0)})
    axes = fitted(honest, {"income": [10.0 * place for place in range(41)]})
    points = placed(axes, honest)[:, 1]
    assert len(set(points.tolist())) == 40
    assert (points < FAR).all(), "a bin is no missing cell"


# Columns of few values --------------------------------------------------------------------------


def test_half_a_step_of_a_column_of_few_values_is_no_distance() -> None:
    honest = survey(300, 1)
    axes = fitted(honest)
    row = survey(1, 2)
    x = np.asarray(row.matrix(row.names))
    near, other = x.copy(), x.copy()
    near[0, 0] += 0.5
    other[0, 0] += 1.0
    gap = axes.gap(
        np.concatenate([placed(axes, Dataset.of_matrix(m, row.names)) for m in (near, other)]),
        placed(axes, row)[0],
    )
    assert gap[0].max() == 0
    assert gap[1, 0] > 0
    assert axes.slack[:8].min() > 0


def test_values_that_nobody_honest_has_are_told() -> None:
    honest = survey(300, 1)
    axes = fitted(honest)
    row = survey(1, 2)
    assert axes.unheard(placed(axes, row)[0]) == []
    strange = row.replaced("q3", np.array([3.3])).replaced("q5", np.array([99.0]))
    found = [axes.columns[axes.few[place]] for place in axes.unheard(placed(axes, strange)[0])]
    assert found == ["q3", "q5"]


# Wide rows --------------------------------------------------------------------------------------


def test_wide_rows_are_projected_to_units_of_people() -> None:
    axes = fitted(wide(2_000, 1))
    points = placed(axes, wide(1_000, 2))
    assert points.shape == (1_000, PROJECTED + BUCKETS)
    assert axes.dimensions == PROJECTED + BUCKETS
    assert axes.measured.sum() == PROJECTED
    spread = points[:, axes.measured].std(axis=0)
    assert spread.min() > 0.8
    assert spread.max() < 1.25
    assert fitted(wide(100, 1, WIDE)).project is None


def test_a_wide_row_changes_in_as_many_buckets_as_it_changes_in_cells() -> None:
    honest = wide(2_000, 1)
    axes, name = fitted(honest), honest.names[5]
    row = wide(1, 2)
    edit = row.replaced(name, row[name] + honest[name].std() / 4)
    noise = np.random.default_rng(3).normal(scale=0.1, size=len(row.names))
    step = Dataset({each: row[each] + noise[at] for at, each in enumerate(row.names)})
    before = placed(axes, row)[0, axes.cells]
    after = placed(axes, edit)[0, axes.cells]
    assert (abs(after - before) > SAME).sum() == 1
    assert abs(after - before).max() == pytest.approx(0.25, abs=1e-3)
    assert (abs(placed(axes, step)[0, axes.cells] - before) > SAME).sum() == BUCKETS


# Edits ------------------------------------------------------------------------------------------


def test_an_edit_changes_one_column_or_two_by_more_than_a_trifle() -> None:
    gaps = np.array(
        [[0, 0, 0, 0], [0.5, 0, 0, 0], [1, 0.3, 0, 0], [1, 1, 1, 0], [0.05, 0, 0, 0]],
        dtype=np.float32,
    )
    assert edited(gaps).tolist() == [False, True, True, False, False]


# The manifold -----------------------------------------------------------------------------------


def inside(numbers: Floats, fresh: Floats) -> NDArray[np.bool_]:
    manifold = fit_manifold(numbers)
    assert manifold is not None
    lengths = manifold.lengths(fresh)
    return np.asarray(((lengths >= manifold.low) & (lengths <= manifold.high)).all(axis=1))


def drawn(kind: str, n: int, seed: int) -> Floats:
    rng = np.random.default_rng([seed, *kind.encode()])
    loadings = np.random.default_rng(0).normal(size=(12, 12))
    numbers = {
        "independent": lambda: rng.normal(size=(n, 12)),
        "correlated": lambda: rng.normal(size=(n, 12)) @ loadings,
        "heavy": lambda: rng.standard_t(3, size=(n, 12)) @ loadings,
        "two kinds": lambda: rng.normal(size=(n, 12)) + 4 * rng.integers(2, size=(n, 1)),
        "flat": lambda: rng.normal(size=(n, 3)) @ rng.normal(size=(3, 12)) * 0 + np.repeat(
            rng.normal(size=(n, 4)), 3, axis=1),
    }[kind]()  # fmt: skip
    return np.asarray(numbers, dtype=np.float32)


@pytest.mark.parametrize("kind", ["independent", "correlated", "heavy", "two kinds", "flat"])
def test_the_bounds_hold_nearly_all_fresh_honest_rows(kind: str) -> None:
    """4,000 fresh rows, bounds from 1,000. Statistic: how many lie outside; four bounds of .005
    each, which 1,000 rows find to within a half: critical value at .03, 176 of 4,000 (one in a
    million)."""
    fresh = inside(drawn(kind, 1_000, 1), drawn(kind, 4_000, 2))
    most = binomial_critical(4_000, 1.5 * 4 * OUTSIDE)
    print(f"{(~fresh).sum()} of 4,000 lie outside, at most {most} may")  # noqa: T201
    assert (~fresh).sum() <= most


def test_the_test_of_bounds_can_fail() -> None:
    """The twin: bounds from fewer people than there are columns times three, taken at their word
    by rows that moved by a half."""
    moved = drawn("correlated", 4_000, 2) * np.float32(1.5)
    assert (~inside(drawn("correlated", 1_000, 1), moved)).sum() > binomial_critical(4_000, 0.03)


def test_averages_and_noise_lie_outside() -> None:
    honest = drawn("correlated", 1_000, 1)
    averages = np.tile(honest.mean(axis=0), (50, 1)) + 0.01 * drawn("correlated", 50, 3)
    noise = drawn("independent", 50, 4) * honest.std(axis=0)
    assert inside(honest, averages.astype(np.float32)).mean() < 0.05
    assert inside(honest, noise.astype(np.float32)).mean() < 0.5


def test_few_numbers_have_no_manifold() -> None:
    assert fit_manifold(drawn("independent", 100, 1)[:, : FEWEST_NUMBERS - 1]) is None
    assert fit_manifold(drawn("independent", 30, 1)[:, :FEWEST_NUMBERS]) is not None

"""Candidate values of a hidden column, and which of them each person has."""

from __future__ import annotations

import numpy as np
import pytest

from attacks.held import people, shadow
from reticent.attacks.known import apart, hide
from reticent.dataset import Dataset
from reticent.errors import DataError
from reticent.schema import Domain


def column(values: object) -> Dataset:
    return Dataset({"x": np.asarray(values)})


class TestHide:
    def test_a_public_domain_decides(self) -> None:
        hidden = hide("x", Domain(values=("a", "b", "c")), column(np.array(["a"], dtype=object)))
        assert hidden.values.tolist() == ["a", "b", "c"]
        assert not hidden.numeric
        codes = hidden.codes(np.array(["c", "z", None], dtype=object))
        assert codes.tolist() == [2, -1, -1]

    def test_few_values_are_a_category(self) -> None:
        hidden = hide("x", None, column([3.0, 1.0, 2.0, 1.0, np.nan]))
        assert hidden.values.tolist() == [1.0, 2.0, 3.0]
        assert hidden.codes(np.array([2, 5, 1])).tolist() == [1, -1, 0]

    def test_bins_make_a_number_with_midpoints(self) -> None:
        hidden = hide("x", Domain(bins=(0, 10, 20, 40)), column(np.arange(100) / 3))
        assert hidden.values.tolist() == [5, 15, 30]
        assert hidden.numeric
        assert hidden.codes(np.array([0, 9.9, 10, 39, 99, np.nan])).tolist() == [0, 0, 1, 2, 2, -1]

    def test_deciles_where_nothing_is_public(self) -> None:
        numbers = np.random.default_rng(0).normal(0, 1, 1000)
        hidden = hide("x", None, column(numbers))
        assert len(hidden.values) == 10
        counts = np.bincount(hidden.codes(numbers))
        assert counts.min() == counts.max() == 100
        assert hidden.quintiles is not None
        assert len(hidden.quintiles) == 4

    def test_a_heap_of_one_value_does_not_make_an_empty_bin(self) -> None:
        numbers = np.concatenate([np.zeros(700), np.arange(1, 301)])
        hidden = hide("x", None, column(numbers))
        assert (np.bincount(hidden.codes(numbers), minlength=len(hidden.values)) > 0).all()

    def test_one_value_cannot_be_hidden(self) -> None:
        with pytest.raises(DataError, match="differs between people"):
            hide("x", None, column([1, 1, 1]))


def test_apart_leaves_nobody_in_common() -> None:
    one, other = shadow(1), shadow(2)
    rows = np.arange(0, len(people(1)), 3)
    some = apart(one, apart(other, one))
    assert len(some.truth) == len(one.truth), "nobody is left in the other shadow"
    few = type(other)(
        other.target, other.rows.take(rows), rows, other.truth[rows], other.imputed[rows],
        other.observed.take(rows), other.rest,
    )  # fmt: skip
    left = apart(one, few)
    assert not set(left.people) & set(few.people)
    assert len(left.truth) == len(left.rows) == len(left.observed) == len(left.imputed)

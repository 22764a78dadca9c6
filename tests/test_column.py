"""Where values stand among others, whatever their type."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reticent.column import Column, places, unique


def by_hand(column: Column, values: Column) -> list[int]:
    there = values.tolist()
    return [there.index(value) if value in there else -1 for value in column.tolist()]


@given(st.lists(st.integers(-5, 5)), st.sets(st.integers(-5, 5), min_size=1))
def test_numbers_are_found_in_any_order_and_type(column: list[int], values: set[int]) -> None:
    among = np.array(sorted(values, key=lambda value: value % 3))
    for kind in (int, float, np.float32, np.int16):
        asked = np.array(column, dtype=kind)
        assert places(asked, among).tolist() == by_hand(asked, among)
        assert places(asked, among.astype(float)).tolist() == by_hand(asked, among)


@pytest.mark.parametrize(
    ("column", "values", "found"),
    [
        (np.array(["b", "z", None], dtype=object), np.array(["a", "b"], dtype=object), [1, -1, -1]),
        (np.array([True, False]), np.array([0, 1]), [1, 0]),
        (np.array([np.nan, 1.0]), np.array([1.0, 2.0]), [-1, 0]),
        (np.array(["1"], dtype=object), np.array([1, 2]), [-1]),
        (np.array([1.5]), np.array([1, 2]), [-1]),
    ],
)
def test_words_gaps_and_near_misses(column: Any, values: Any, found: list[int]) -> None:
    assert places(column, values).tolist() == found


def test_distinct_values_are_sorted() -> None:
    assert unique(np.array([3, 1, 3, 2])).tolist() == [1, 2, 3]
    assert unique(np.array(["b", "a", "b"], dtype=object)).tolist() == ["a", "b"]

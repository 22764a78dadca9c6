"""What a released cell may say."""

from __future__ import annotations

import numpy as np
import pytest

from reticent.attacks.cells import DIGITS, decimals, numbers_of, words_of
from reticent.errors import DataError


@pytest.mark.parametrize(
    ("cell", "held", "not_held"),
    [
        ("42", [42], [41, 43]),
        ("-3.5", [-3.5], [3.5]),
        ("30-39", [30, 39], [29, 40]),
        ("30 – 39", [30, 39], [29, 40]),
        ("[30, 40)", [30, 39.9], [40]),
        ("(30.0, 40.0]", [30.1, 40], [30]),
        ("-5--1", [-5, -1], [0, -6]),
        ("<30", [29.99, -1e9], [30]),
        (">=65", [65, 1e9], [64]),
        (">65", [66], [65]),
        ("65+", [65, 99], [64]),
        ("*", [-1e9, 1e9], []),
        ("", [0], []),
        (None, [0], []),
        ("(-inf, 30.0]", [-1e9, 30], [31]),
    ],
)
def test_a_cell_of_numbers(cell: object, held: list[float], not_held: list[float]) -> None:
    low, high = numbers_of(np.array([cell], dtype=object), "age")
    assert all(low[0] <= one <= high[0] for one in held)
    assert not any(low[0] <= one <= high[0] for one in not_held)


def test_a_strange_cell_is_counted_and_not_quoted() -> None:
    with pytest.raises(DataError, match="2 of 3 cells are neither") as told:
        numbers_of(np.array(["30-39", "Zanzibar", "Zanzibar"], dtype=object), "age")
    assert "Zanzibar" not in str(told.value)


def test_cells_of_words() -> None:
    words: dict[object, int] = {"a": 0, "b": 1, "c|d": 2, None: 3}
    cells = np.array(["a", "{a, b}", "a|b", "c|d", "*", "z"], dtype=object)
    code, holds = words_of(cells, words)
    told = holds[code]
    assert told[0].tolist() == [True, False, False, False, False]
    assert told[1].tolist() == told[2].tolist() == [True, True, False, False, False]
    assert told[3].tolist() == [False, False, True, False, False]
    assert told[4].all()
    assert not told[5].any()


@pytest.mark.parametrize(
    ("numbers", "digits"),
    [([1.0, 20.0], 0), ([0.5, 2.0], 1), ([0.25], 2), ([1 / 3], DIGITS), ([np.nan, 0.1], 1)],
)
def test_decimals(numbers: list[float], digits: int) -> None:
    assert decimals(np.array(numbers)) == digits

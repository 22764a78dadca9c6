"""Equal questions look equal, others do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from reticent.canonical import ABSENT, row_bytes
from reticent.dataset import Dataset

NUMBERS = st.floats(-1e6, 1e6, width=32)
ROWS = st.lists(st.tuples(NUMBERS, NUMBERS, st.integers(-100, 100)), min_size=1, max_size=5)
NAMES = ("a", "b", "c")
STEPS = {"a": 0.5}


def columns(rows: list[tuple[float, ...]], dtype: type = float) -> Dataset:
    table: NDArray[Any] = np.array(rows, dtype=dtype)
    return Dataset({name: table[:, place] for place, name in enumerate(NAMES)})


@given(ROWS)
def test_a_row_is_written_alike_in_every_form(rows: list[tuple[float, ...]]) -> None:
    wanted = row_bytes(columns(rows), NAMES, STEPS)
    for dtype in (float, np.float32):
        matrix = Dataset.of_matrix(np.array(rows, dtype=dtype), NAMES)
        assert row_bytes(matrix, NAMES, STEPS) == wanted
        assert row_bytes(columns(rows, dtype), NAMES, STEPS) == wanted
    whole = columns(rows).replaced("c", np.array([row[2] for row in rows], dtype=np.int64))
    assert row_bytes(whole, NAMES, STEPS) == wanted
    assert [row_bytes(columns([row]), NAMES, STEPS)[0] for row in rows] == wanted


@given(ROWS, st.sampled_from(NAMES), st.floats(2, 9))
def test_another_number_is_another_question(
    rows: list[tuple[float, ...]], name: str, by: float
) -> None:
    found = columns(rows)
    other = found.replaced(name, found[name] * 2 + by * 1e6)
    pairs = zip(row_bytes(found, NAMES, STEPS), row_bytes(other, NAMES, STEPS), strict=True)
    assert all(one != two for one, two in pairs)


@pytest.mark.parametrize("jittered", [7.3, 7.7, 7.5 - 1e-9])
def test_jitter_below_the_precision_is_no_other_question(jittered: float) -> None:
    one, two = (row_bytes(columns([(a, 0, 0)]), NAMES, STEPS) for a in (7.5, jittered))
    assert one == two
    assert row_bytes(columns([(7.5, 0, 0)]), NAMES) != row_bytes(columns([(7.3, 0, 0)]), NAMES)


def test_zero_has_one_sign_and_huge_numbers_one_size() -> None:
    assert row_bytes(columns([(0.0, 0, 0)]), NAMES) == row_bytes(columns([(-0.0, 0, 0)]), NAMES)
    assert row_bytes(columns([(1e300, 0, 0)]), NAMES) == row_bytes(columns([(1e301, 0, 0)]), NAMES)


def test_texts_gaps_and_absent_columns_are_told_apart() -> None:
    def texts(*cells: str | None) -> Dataset:
        return Dataset({n: np.array([c], dtype=object) for n, c in zip(NAMES, cells, strict=True)})

    written = [
        row_bytes(texts(*cells), NAMES)[0]
        for cells in (("x", "yz", ""), ("xy", "z", ""), ("", "xyz", ""), (None, "xyz", ""))
    ]
    assert len(set(written)) == 4
    gap = texts(None, "1", "2")
    assert row_bytes(gap, NAMES) == row_bytes(gap.without("a"), NAMES)
    assert row_bytes(gap, NAMES)[0].startswith(ABSENT)
    number = Dataset({"a": np.array([1.0])})
    assert row_bytes(number, ("a", "b")) != row_bytes(Dataset({"b": np.array([1.0])}), ("a", "b"))


def test_no_columns_are_one_question() -> None:
    assert row_bytes(columns([(1, 2, 3), (4, 5, 6)]), ()) == [b"", b""]

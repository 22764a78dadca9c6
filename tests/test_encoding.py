"""Encoding: numbers from columns, unknown and missing values included."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reticent.dataset import Dataset
from reticent.encoding import fit_encoding
from reticent.errors import DataError

ROWS = Dataset(
    {
        "age": np.array([20.0, 30.0, 40.0, np.nan]),
        "dose": np.array([1, 1, 3, 3]),
        "same": np.array([7, 7, 7, 7]),
        "city": np.array(["Oslo", "Lima", None, "Lima"], dtype=object),
        "truth": np.array([True, False, True, True]),
    }
)


def test_a_number_is_standardized_and_its_gaps_are_marked() -> None:
    found = fit_encoding(ROWS, ["age", "dose"])(ROWS)
    spread = float(np.std([20, 30, 40]))
    assert np.allclose(found[:, 0], [-10 / spread, 0, 10 / spread, 0])
    assert found[:, 1].tolist() == [0, 0, 0, 1]
    assert found[:, 2].tolist() == [-1, -1, 1, 1]
    assert found.shape == (4, 3)


def test_a_constant_column_is_0_and_not_infinite() -> None:
    assert (fit_encoding(ROWS, ["same"])(ROWS) == 0).all()


def test_a_column_without_any_number_is_0_and_marked() -> None:
    empty = Dataset({"age": np.full(3, np.nan)})
    assert fit_encoding(empty, ["age"])(empty).tolist() == [[0, 1]] * 3


def test_a_word_is_one_indicator_a_value_and_one_for_missing() -> None:
    found = fit_encoding(ROWS, ["city"])(ROWS)
    assert found.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1], [1, 0, 0]]


def test_a_value_that_was_not_seen_is_all_0() -> None:
    encode = fit_encoding(ROWS, ["city", "truth"])
    strange = Dataset(
        {"city": np.array(["Rome"], dtype=object), "truth": np.array([None], dtype=object)}
    )
    assert encode(strange).tolist() == [[0, 0, 0, 0, 0, 1]]
    assert encode.codes(strange).tolist() == [[-1, 2]]


def test_a_gap_where_none_was_seen_stands_at_the_middle() -> None:
    encode = fit_encoding(ROWS, ["dose"])
    assert encode(Dataset({"dose": np.array([np.nan])})).tolist() == [[0]]


def test_codes_are_the_value_or_the_levels_place() -> None:
    found = fit_encoding(ROWS, ["age", "city"]).codes(ROWS)
    assert found[:3, 0].tolist() == [20, 30, 40]
    assert np.isnan(found[3, 0])
    assert found[:, 1].tolist() == [1, 0, 2, 0]


def test_columns_stand_numbers_first() -> None:
    encode = fit_encoding(ROWS, ["city", "age"])
    assert encode.columns == ["age", "city"]
    assert encode(ROWS).shape == (4, 5)


def test_no_columns_make_an_empty_matrix() -> None:
    encode = fit_encoding(ROWS, [])
    assert encode(ROWS).shape == (4, 0)
    assert encode.codes(ROWS).shape == (4, 0)


def test_text_in_a_column_of_numbers_is_refused_without_telling_it() -> None:
    encode = fit_encoding(ROWS, ["dose"])
    asked = Dataset({"dose": np.array(["Zanzibar"], dtype=object)})
    for part in (encode, encode.codes):
        with pytest.raises(DataError) as caught:
            part(asked)
        assert "Zanzibar" not in str(caught.value)


@given(order=st.permutations(range(4)))
def test_each_row_is_encoded_by_itself(order: list[int]) -> None:
    encode = fit_encoding(ROWS, ROWS.names)
    rows = np.array(order)
    assert (encode(ROWS.take(rows)) == encode(ROWS)[rows]).all()

"""Tables: any frame in, the same kind and dtypes out; files, and what their errors never tell."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from people import DAYS, GAPS, WHOLE
from reticent.column import is_missing, is_numeric, plain
from reticent.dataset import Dataset, Matrix, row_tokens, stack
from reticent.errors import DataError

KINDS = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}


def cells(frame: Any, name: str) -> list[Any]:
    """One column of any frame as Python values, missing as None."""
    if isinstance(frame, pd.DataFrame):
        return [None if pd.isna(v) else v for v in frame[name].tolist()]
    return list(frame[name].to_list() if isinstance(frame, pl.DataFrame) else
                frame[name].to_pylist())  # fmt: skip


def dtype(frame: Any, name: str) -> Any:
    return frame.schema.field(name).type if isinstance(frame, pa.Table) else frame[name].dtype


def assert_alike(found: Any, frame: Any) -> None:
    assert type(found) is type(frame)
    names = frame.column_names if isinstance(frame, pa.Table) else list(frame.columns)
    for name in names:
        assert dtype(found, name) == dtype(frame, name), name
        assert cells(found, name) == cells(frame, name), name


# Frames ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given_", [WHOLE, GAPS], ids=["whole", "gaps"])
def test_the_same_kind_and_dtypes_come_out(kind: str, given_: dict[str, list[Any]]) -> None:
    frame = KINDS[kind](given_)
    assert_alike(Dataset.of(frame).frame(), frame)
    assert_alike(Dataset.of(frame).take(np.array([0])).frame(), frame[:1])


PANDAS = pd.DataFrame(
    {
        "Int64": pd.array([1, None, 3], dtype="Int64"),
        "UInt8": pd.array([1, None, 250], dtype="UInt8"),
        "boolean": pd.array([True, None, False], dtype="boolean"),
        "string": pd.array(["a", None, "b"], dtype="string"),
        "category": pd.Categorical(["x", "y", None], categories=["y", "x", "z"]),
        "ordered": pd.Categorical([3, 1, 3], ordered=True),
        "object": pd.Series(["q", None, "r"], dtype=object),
        "zoned": pd.to_datetime(["2020-01-01", "", "2022-07-01"]).tz_localize("Europe/Berlin"),
        "span": pd.to_timedelta([1.5, None, 3], unit="s"),
        "uint8": np.array([1, 2, 250], dtype=np.uint8),
        "float32": np.array([0.1, 0.2, 0.3], dtype=np.float32),
        "arrow": pd.array([1, None, 3], dtype="int64[pyarrow]"),
    }
)
POLARS = pl.DataFrame(
    {
        "categorical": pl.Series(["x", "y", None], dtype=pl.Categorical),
        "enum": pl.Series(["x", "y", None], dtype=pl.Enum(["y", "x"])),
        "date": [dt.date(2020, 1, 1), None, dt.date(2021, 1, 1)],
        "zoned": pl.Series(DAYS).dt.replace_time_zone("Europe/Berlin"),
        "int8": pl.Series([1, None, 3], dtype=pl.Int8),
        "span": [dt.timedelta(1), dt.timedelta(seconds=0.5), None],
        "decimal": pl.Series(["1.5", "2.5", "3.5"]).cast(pl.Decimal(10, 2)),
    }
)
ARROW = pa.table(
    {
        "dictionary": pa.array(["x", "y", None]).dictionary_encode(),
        "int16": pa.array([1, None, 3], pa.int16()),
        "large": pa.array(["a", None, "c"], pa.large_string()),
        "float": pa.array([0.5, None, 1.5], pa.float32()),
        "date": pa.array([dt.date(2020, 1, 1), None, dt.date(2021, 1, 1)]),
        "span": pa.array([dt.timedelta(1), None, dt.timedelta(3)]),
    }
)


@pytest.mark.parametrize("frame", [PANDAS, POLARS, ARROW], ids=["pandas", "polars", "pyarrow"])
def test_the_rarer_dtypes_come_out_too(frame: Any) -> None:
    assert_alike(Dataset.of(frame).frame(), frame)


def test_missing_is_null_and_not_nan_in_frames_that_tell_them_apart() -> None:
    for kind in ("polars", "pyarrow"):
        found = Dataset.of(KINDS[kind](GAPS)).frame()
        nulls = found["part"].null_count() if kind == "polars" else found["part"].null_count
        assert nulls == 1, kind


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("values", "kept"),
    [
        (np.array([0.5, 2.0, 22.5]), [0.5, 2.0, 22.5]),
        (np.array([1.0, 2.0, 3.0]), [1, 2, 3]),
        (np.array([1, 2, 300]), [1, 2, 300]),
        (np.array([-1, 2, 3]), [-1, 2, 3]),
    ],
    ids=["fraction", "whole", "beyond", "negative"],
)
def test_candidates_keep_their_value_in_a_column_of_small_integers(
    kind: str, values: Any, kept: list[float]
) -> None:
    small: dict[str, Any] = {"a": np.array([1, 2, 3], dtype=np.uint8)}
    found = Dataset.of(KINDS[kind](small)).replaced("a", values).frame()
    assert cells(found, "a") == kept


def test_a_gap_in_a_column_of_numpys_integers_stays_a_gap() -> None:
    rows = Dataset.of(pd.DataFrame({"a": [1, 2]})).replaced("a", np.array([1.0, np.nan]))
    assert cells(rows.frame(), "a") == [1.0, None]


def test_rows_from_no_frame_make_a_matrix_without_a_frame_library() -> None:
    code = (
        "import sys, numpy as np\n"
        "for name in ('pandas', 'polars', 'pyarrow', 'narwhals'): sys.modules[name] = None\n"
        "from reticent.dataset import Dataset\n"
        "rows = Dataset({'a': np.array([1., 2.]), 'b': np.array([3, 4])})\n"
        "assert rows.frame().tolist() == [[1., 3.], [2., 4.]]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


WRONG: list[tuple[Any, str]] = [
    (pl.DataFrame(WHOLE).lazy(), "LazyFrame is not a frame"),
    ([[1, 2]], "list is not a frame"),
    (pd.DataFrame([[1, 2]], columns=["a", "a"]), "each its own"),
    (pd.DataFrame([[1, 2]]), "not named by text"),
    (pl.DataFrame({"a": [[1], [2, 3]]}), "lists"),
    (pd.DataFrame({"a": [{"x": 1}, None]}), "lists or records"),
]


@pytest.mark.parametrize(("frame", "found"), WRONG)
def test_what_is_no_table_of_people_is_refused(frame: Any, found: str) -> None:
    with pytest.raises(DataError, match=found):
        Dataset.of(frame)


def test_columns_of_unequal_length_are_refused() -> None:
    with pytest.raises(DataError, match="2 lengths"):
        Dataset({"a": np.zeros(2), "b": np.zeros(3)})


def test_a_dataset_is_returned_as_it_is() -> None:
    rows = Dataset({"a": np.zeros(2)})
    assert Dataset.of(rows) is rows


# Columns --------------------------------------------------------------------------------------


def test_plain_columns() -> None:
    for values, kind, kept in [
        (np.array([1, None, 2.5], dtype=object), "f", [1.0, np.nan, 2.5]),
        (np.array([True, False], dtype=object), "b", [True, False]),
        (np.array([True, None], dtype=object), "O", [True, None]),
        (np.array(["a", np.nan], dtype=object), "O", ["a", None]),
        (np.array(["a", "b"]), "O", ["a", "b"]),
        (np.ma.MaskedArray([1, 2], [False, True]), "f", [1.0, np.nan]),
        (np.ma.MaskedArray(np.array(["a", "b"], object), [False, True]), "O", ["a", None]),
        (np.ma.MaskedArray([True, True], [False, True]), "O", [True, None]),
        (np.array([1, 2], dtype="datetime64[s]"), "f", [1.0, 2.0]),
    ]:
        found = plain(values)
        assert found.dtype.kind == kind
        np.testing.assert_array_equal(found, kept)


def test_missing_and_numeric() -> None:
    rows = Dataset.of(pd.DataFrame(GAPS))
    for name in rows.names:
        assert is_missing(rows[name]).tolist() == [False, True, False], name
    assert [name for name in rows.names if is_numeric(rows[name])] == ["whole", "part", "day"]
    assert not is_missing(np.array([1, 2])).any()


def test_an_unknown_column_names_the_nearest() -> None:
    with pytest.raises(DataError, match="did you mean 'whole'"):
        _ = Dataset.of(pd.DataFrame(WHOLE))["whoel"]


def test_rows_and_columns_are_taken_repeated_and_stacked(few_guests: Dataset) -> None:
    rows = few_guests.select(["city", "age"])
    assert rows.names == ["city", "age"]
    assert rows.without("city").names == ["age"]
    picked = rows.take(np.array([3, 0, 3]))
    assert picked["city"].tolist() == [rows["city"][place] for place in (3, 0, 3)]
    both = stack(picked, rows.take(slice(0, 1)))
    assert both["age"].tolist() == [rows["age"][place] for place in (3, 0, 3, 0)]
    twice = picked.repeated(2)
    assert twice["age"].tolist() == [rows["age"][place] for place in (3, 0, 3, 3, 0, 3)]
    assert len(twice) == 6
    assert len(Dataset({})) == 0


def test_replacing_a_column_leaves_the_other_table_alone(few_guests: Dataset) -> None:
    before = few_guests.digest()
    changed = few_guests.replaced("dose", np.zeros(11)).replaced("new", np.ones(11))
    assert changed.names == [*few_guests.names, "new"]
    assert (changed["dose"] == 0).all()
    assert few_guests.digest() == before


# Matrices -------------------------------------------------------------------------------------

NAMES = ("a", "b", "c")
X = np.array([[1.0, 2.0, 3.5], [4.0, 5.0, 6.5], [-0.0, 8.0, 9.5]])
STEPS: list[Callable[[Dataset], Dataset]] = [
    lambda rows: rows.select(["c", "a"]),
    lambda rows: rows.without("b"),
    lambda rows: rows.take(np.arange(len(rows))[[-1, 0, -1]]),
    lambda rows: rows.take(slice(1, None)),
    lambda rows: rows.repeated(2),
    lambda rows: rows.replaced(rows.names[0], np.arange(len(rows)) + 0.25),
    lambda rows: rows.replaced("new", np.arange(len(rows), dtype=float)),
    lambda rows: rows.replaced(rows.names[-1], np.full(len(rows), "x", dtype=object)),
    lambda rows: stack(rows, rows, rows.take(slice(0, 1))),
]


@given(steps=st.lists(st.sampled_from(STEPS), max_size=4), kind=st.sampled_from(["f4", "f8", "i8"]))
def test_a_matrix_is_the_same_rows_as_its_columns(
    steps: list[Callable[[Dataset], Dataset]], kind: str
) -> None:
    x = X.astype(kind)
    whole = Dataset.of_matrix(x, NAMES)
    apart = Dataset({name: x[:, place] for place, name in enumerate(NAMES)})
    for step in steps:
        whole, apart = step(whole), step(apart)
    assert whole.names == apart.names
    assert len(whole) == len(apart)
    assert row_tokens(whole) == row_tokens(apart)
    assert np.asarray(whole.frame()).tolist() == np.asarray(apart.frame()).tolist()


def test_a_matrix_stays_one_where_it_can_and_is_not_copied() -> None:
    rows = Dataset.of_matrix(X, NAMES)
    assert rows.matrix(["a", "b", "c"]) is X
    assert rows.frame() is X
    assert isinstance(rows.select(["c"]).replaced("c", X[:, 0]).repeated(2).columns, Matrix)
    assert rows.matrix(["a", "z"]) is None
    assert rows.replaced("a", np.array(["x"] * 3, dtype=object)).matrix(["a"]) is None
    assert X[0].tolist() == [1.0, 2.0, 3.5]


def test_no_digit_is_lost_when_a_column_of_a_narrow_matrix_is_replaced() -> None:
    rows = Dataset.of_matrix(X.astype(np.float32), NAMES).replaced("a", np.full(3, 0.1))
    assert rows["a"].tolist() == [0.1] * 3
    assert rows["c"].tolist() == [3.5, 6.5, 9.5]


def test_a_matrix_becomes_the_frame_that_is_wanted() -> None:
    like = pd.DataFrame({"a": np.array([], dtype=np.int32), "b": [], "c": []})
    frame = Dataset.of_matrix(X, NAMES, like).frame()
    assert frame["a"].dtype == np.int32
    assert frame["c"].tolist() == [3.5, 6.5, 9.5]


@pytest.mark.parametrize("x", [np.zeros(3), np.zeros((2, 2)), np.array([["a", "b", "c"]])])
def test_what_is_no_matrix_of_these_columns_is_refused(x: Any) -> None:
    with pytest.raises(DataError, match="matrix of 3 columns"):
        Dataset.of_matrix(x, NAMES)


# Digests and tokens ---------------------------------------------------------------------------


def test_the_digest_does_not_change_with_the_kind_of_frame() -> None:
    for given_ in (WHOLE, GAPS):
        assert len({Dataset.of(make(given_)).digest() for make in KINDS.values()}) == 1


@given(row=st.integers(0, 2), name=st.sampled_from(list(WHOLE)))
def test_the_digest_changes_with_any_value(row: int, name: str) -> None:
    rows = Dataset.of(pd.DataFrame(WHOLE))
    column = rows[name].copy()
    column[row] = {"text": "z", "truth": not column[row]}.get(name, -7)
    assert rows.replaced(name, column).digest() != rows.digest()


def test_the_digest_changes_with_names_order_and_rows() -> None:
    rows = Dataset.of(pd.DataFrame(WHOLE))
    others = [
        rows.select(rows.names[::-1]),
        rows.take(np.array([0, 2, 1])),
        rows.take(np.array([0, 1])),
        rows.without("text"),
        Dataset({f"{name}_": column for name, column in rows.columns.items()}),
    ]
    assert rows.digest() not in {one.digest() for one in others}


def test_equal_rows_have_equal_tokens_whatever_their_number_type() -> None:
    first = Dataset({"a": np.array([1, 0]), "b": np.array(["x", None], object)})
    second = Dataset({"a": np.array([1.0, -0.0], np.float32), "b": first["b"]})
    assert row_tokens(first) == row_tokens(second)
    assert row_tokens(first)[0] != row_tokens(first)[1]


# Files ----------------------------------------------------------------------------------------

"""What is kept of a query."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reticent.dataset import Dataset
from reticent.event import TOKEN_BYTES, QueryEvent
from reticent.monitor.sketch import Sketcher

KEY = bytes(range(32))
NAMES = ("age", "educ", "affairs")
STEPS = {"age": 1.0}
CELLS = st.tuples(
    st.integers(17, 90), st.floats(0, 20, allow_nan=False, width=32), st.integers(0, 1)
)


def event(sketcher: Sketcher, rows: Dataset) -> QueryEvent:
    return QueryEvent(0.0, 200, b"p" * 16, b"s" * 16, "r", "m", "c", len(rows), len(rows),
                      sketcher.names, sketcher(rows))  # fmt: skip


def columns(*rows: tuple[float, ...]) -> Dataset:
    table = np.array(rows, dtype=float)
    return Dataset({name: table[:, place] for place, name in enumerate(NAMES)})


@given(st.lists(CELLS, min_size=1, max_size=4))
def test_a_matrix_and_its_columns_have_the_same_tokens(rows: list[tuple[float, ...]]) -> None:
    for watched in ([], [["affairs"]], [["affairs"], ["age"]], [["affairs", "age"]]):
        sketcher = Sketcher(KEY, NAMES, watched, STEPS)
        matrix = Dataset.of_matrix(np.array(rows, dtype=float), NAMES)
        assert sketcher(matrix) == sketcher(columns(*rows))
        assert sketcher(matrix) == b"".join(sketcher(columns(row)) for row in rows)


def test_a_sweep_shares_the_record_and_differs_in_the_value() -> None:
    sketcher = Sketcher(KEY, NAMES, [["affairs"]], STEPS)
    found = event(sketcher, columns((30, 12, 0), (30, 12, 1), (31, 12, 1))).records("affairs")
    (swept, no), (same, yes), (other, elsewhere) = found
    assert swept == same
    assert no != yes
    assert other != swept
    assert elsewhere != yes  # a value's token is bound to its record: no dictionary of values


@pytest.mark.parametrize("age", [30.0, 30.2, 29.8])
def test_jitter_below_the_precision_changes_nothing(age: float) -> None:
    sketcher = Sketcher(KEY, NAMES, [["affairs"]], STEPS)
    assert sketcher(columns((age, 12, 1))) == sketcher(columns((30, 12, 1)))


def test_every_part_of_a_row_counts() -> None:
    sketcher = Sketcher(KEY, NAMES, [["affairs"]], STEPS)
    text = Dataset({"age": np.array(["3", "30"], dtype=object),
                    "educ": np.array(["01", "1"], dtype=object),
                    "affairs": np.array([None, "x"], dtype=object)})  # fmt: skip
    (first, _), (second, _) = event(sketcher, text).records("affairs")
    assert first != second  # "3" + "01" and "30" + "1" are not one record
    left_out = event(sketcher, columns((30, 12, 1)).without("affairs")).records("affairs")
    sent = event(sketcher, columns((30, 12, 1))).records("affairs")
    assert left_out[0][0] == sent[0][0]
    assert left_out[0][1] != sent[0][1]


def test_without_the_key_tokens_say_nothing() -> None:
    row = columns((30, 12, 1))
    ours, theirs = (Sketcher(key, NAMES, [["affairs"], []])(row) for key in (KEY, bytes(32)))
    pieces = [ours[s : s + TOKEN_BYTES] for s in range(0, len(ours), TOKEN_BYTES)]
    assert len(pieces) == len(set(pieces)) == 4
    assert not set(pieces) & {theirs[s : s + 16] for s in range(0, len(theirs), 16)}
    assert not any(np.float64(cell).tobytes() in ours for cell in (30, 12, 1))


def test_a_column_name_is_part_of_the_record() -> None:
    row = Dataset({"a": np.array([1.0]), "b": np.array([1.0])})
    pairs = event(Sketcher(KEY, ("a", "b"), [["a"], ["b"]]), row)
    assert pairs.records("a")[0][0] != pairs.records("b")[0][0]

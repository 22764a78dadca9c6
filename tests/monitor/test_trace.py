"""Traces: what is written is read back, what is no trace is refused, and nothing is quoted."""

from __future__ import annotations

import stat
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from people import SECRET
from reticent.column import is_missing
from reticent.dataset import Dataset, Matrix
from reticent.errors import DataError
from reticent.monitor import trace
from reticent.monitor.cells import RESERVED
from reticent.monitor.trace import Session, read_trace, write_trace

COLUMNS = ["age", "city", "at"]
HEAD = "caller,age,city,x:at\n"


def rows(*ages: float | None) -> Dataset:
    n = len(ages)
    city = np.array(["Rome", None, "Oslo, or 'Lima'"] * n, dtype=object)[:n]
    at = np.array([0, 7, 3] * n)[:n]
    return Dataset({"age": np.array(ages, dtype=float), "city": city, "at": at})


def put(folder: Path, text: str, name: str = "trace.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def equal(first: Session, second: Session) -> bool:
    """Whether two sessions say the same; a gap is a gap."""
    parts = ("at", "source", "answered", "label", "confidence")
    return (
        first.caller == second.caller
        and all(_alike(first.rows[name], second.rows[name]) for name in first.rows.names)
        and first.rows.names == second.rows.names
        and all(_alike(getattr(first, part), getattr(second, part)) for part in parts)
    )


def _alike(first: Any, second: Any) -> bool:
    if first is None or second is None:
        return first is second
    one, two = np.asarray(first), np.asarray(second)
    gaps = is_missing(one)
    there = ~gaps
    return bool((gaps == is_missing(two)).all() and (one[there] == two[there]).all())


# Writing and reading back ---------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_is_written_is_read_back(tmp_path: Path, suffix: str) -> None:
    sessions = [
        Session(
            "first", rows(30.5, None, -0.125), np.array([1.7e9, 1.7e9 + 0.25, 1.7e9 + 60]),
            ("10.0.0.1", "", "10.0.0.2"), np.array([True, False, True]),
            np.array(["u", None, "v"], dtype=object), np.array([0.75, np.nan, 1.0]),
        ),
        Session(
            "second", rows(1e-7, 2.0), np.array([1.0, 2.0]), ("", ""), np.array([True, True]),
            np.array(["u", "u"], dtype=object), np.array([0.5, 0.1]),
        ),
    ]  # fmt: skip
    path = tmp_path / f"trace{suffix}"
    write_trace(path, sessions)
    found = read_trace(path, COLUMNS)
    assert len(found) == 2
    assert all(equal(one, two) for one, two in zip(sessions, found, strict=True))
    assert found[0].rows["at"].dtype.kind == "i"


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_what_was_not_recorded_is_none(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"trace{suffix}"
    write_trace(path, [Session("a", rows(1.0))])
    (found,) = read_trace(path, COLUMNS)
    assert [getattr(found, name) for name in RESERVED[1:]] == [None] * 5


def test_a_session_without_times_beside_one_with_times(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    label = np.array([3.0])
    write_trace(path, [Session("a", rows(1.0)), Session("b", rows(2.0), np.array([5.0]),
                                                        label=label)])  # fmt: skip
    first, second = read_trace(path, COLUMNS)
    assert first.at is not None
    assert second.at is not None
    assert np.isnan(first.at).all()
    assert second.at.tolist() == [5.0]
    assert second.label is not None
    assert second.label.tolist() == [3.0]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_truths_and_codes_stay_what_they_are(tmp_path: Path, suffix: str) -> None:
    held = Dataset(
        {
            "smokes": np.array([True, None, False], dtype=object),
            "sure": np.array([True, False, True]),
            "code": np.array(["007", "12", None], dtype=object),
        }
    )
    path = tmp_path / f"trace{suffix}"
    write_trace(path, [Session("7", held)])
    (found,) = read_trace(path, held.names, text=["code"])
    assert found.caller == "7"
    assert found.rows["smokes"].tolist() == [True, None, False]
    assert found.rows["sure"].tolist() == [True, False, True]
    assert found.rows["code"].tolist() == ["007", "12", None]


def test_words_that_nobody_sent_are_words_still(tmp_path: Path) -> None:
    held = Dataset({"city": np.array([None, None], dtype=object), "age": np.ones(2)})
    write_trace(tmp_path / "trace.parquet", [Session("a", held)])
    found = pd.read_parquet(tmp_path / "trace.parquet", dtype_backend="pyarrow")
    assert str(found.dtypes["city"]).startswith("string")


def test_yes_and_no_are_words(tmp_path: Path) -> None:
    path = put(tmp_path, "caller,smokes\na,yes\na,no\n")
    (found,) = read_trace(path, ["smokes"])
    assert found.rows["smokes"].tolist() == ["yes", "no"]


def test_a_word_after_very_many_numbers_is_a_word(tmp_path: Path) -> None:
    path = put(tmp_path, "caller,dose\n" + "u,1\n" * 30_000 + "u,none\n")
    (found,) = read_trace(path, ["dose"])
    assert found.rows["dose"][[0, -1]].tolist() == ["1", "none"]


def test_words_among_numbers_are_refused_where_it_is_known_what_holds_text(tmp_path: Path) -> None:
    path = put(tmp_path, f"caller,dose,sick\nu,1,true\nu,{SECRET},\nu,NA,false\n")
    (found,) = read_trace(path, ["dose", "sick"], text=["dose"])
    assert found.rows["sick"].tolist() == [True, None, False]
    with pytest.raises(DataError, match=r"'dose' .* in 2 rows its cell is no number") as caught:
        read_trace(path, ["dose", "sick"], text=[])
    assert SECRET not in str(caught.value)


def test_lists_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "trace.parquet"
    pd.DataFrame({"caller": ["a"], "age": [[1, 2]]}).to_parquet(path)
    with pytest.raises(DataError):
        read_trace(path, ["age"])


def test_numbers_alone_come_as_one_matrix(tmp_path: Path) -> None:
    path = put(tmp_path, "caller,b,a\nu,1,0.5\nv,,1.5\nu,3,2.5\n")
    first, second = read_trace(path, ["a", "b"])
    assert isinstance(first.rows.columns, Matrix)
    assert first.rows.names == ["a", "b"]
    assert first.rows["a"].tolist() == [0.5, 2.5]
    assert first.rows["b"].tolist() == [1.0, 3.0]
    assert np.isnan(second.rows["b"]).all()
    assert list(first.rows.frame().columns) == ["a", "b"]


def test_rows_of_a_caller_in_file_order_are_one_session(tmp_path: Path) -> None:
    lines = [f"c{place % 3},{place},x,0" for place in range(30)]
    path = put(tmp_path, HEAD + "\n".join(lines) + "\n")
    found = read_trace(path, COLUMNS)
    assert [session.caller for session in found] == ["c0", "c1", "c2"]
    for start, session in enumerate(found):
        assert session.rows["age"].tolist() == list(range(start, 30, 3))


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)
cells = st.one_of(st.none(), texts.filter(bool))
numbers = st.floats(allow_nan=True, allow_infinity=False)


@settings(max_examples=60, deadline=None,
          suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
@given(
    sessions=st.dictionaries(
        texts.filter(bool), st.lists(st.tuples(cells, numbers), min_size=1, max_size=4),
        min_size=1, max_size=4,
    ),
    suffix=st.sampled_from([".csv", ".parquet"]),
)  # fmt: skip
def test_any_caller_and_any_cell_come_back(
    tmp_path: Path, sessions: dict[str, list[tuple[str | None, float]]], suffix: str
) -> None:
    written = [
        Session(caller, Dataset({
            "word": np.array([word for word, _ in held], dtype=object),
            "label": np.array([number for _, number in held]),
        }))
        for caller, held in sessions.items()
    ]  # fmt: skip
    path = tmp_path / f"trace{suffix}"
    write_trace(path, written)
    found = read_trace(path, ["word", "label"], text=["word"])
    assert len(found) == len(written)
    for one, two in zip(written, found, strict=True):
        assert equal(one, two)


# Times, truths, shares ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("1767600000.25", 1767600000.25),
        ("0", 0.0),
        ("2026-01-05T08:00:00Z", 1767600000.0),
        ("2026-01-05T08:00:00.250Z", 1767600000.25),
        ("2026-01-05T10:00:00+02:00", 1767600000.0),
        ("2026-01-05 08:00:00", 1767600000.0),
    ],
)
def test_times(tmp_path: Path, written: str, seconds: float) -> None:
    path = put(tmp_path, f"caller,at,age,city,x:at\na,{written},1,x,0\na,,1,x,0\n")
    (found,) = read_trace(path, COLUMNS)
    assert found.at is not None
    assert found.at[0] == seconds
    assert np.isnan(found.at[1])


def test_times_as_parquet_has_them(tmp_path: Path) -> None:
    times = pd.Series(["2026-01-05 08:00:00.5", None]).astype("datetime64[ns]")
    frame = pd.DataFrame({"caller": ["a", "a"], "age": [1.0, 2.0], "at": times})
    for place, at in enumerate((frame["at"], frame["at"].dt.tz_localize("Europe/Berlin"))):
        path = tmp_path / f"{place}.parquet"
        frame.assign(at=at).to_parquet(path)
        (found,) = read_trace(path, ["age"])
        assert found.at is not None
        assert found.at[0] == 1767600000.5 - 3600 * place
        assert np.isnan(found.at[1])


def test_answers(tmp_path: Path) -> None:
    text = "caller,answered,label,confidence,age\na,true,2,.5,1\na,0,,,1\na,,10,1,1\n"
    (found,) = read_trace(put(tmp_path, text), ["age"])
    assert found.answered is not None
    assert found.answered.tolist() == [True, False, True]
    assert found.label is not None
    assert found.label[[0, 2]].tolist() == [2.0, 10.0]
    assert found.confidence is not None
    assert found.confidence[[0, 2]].tolist() == [0.5, 1.0]


def test_labels_that_are_not_all_numbers_are_text(tmp_path: Path) -> None:
    (found,) = read_trace(put(tmp_path, "caller,label,age\na,2,1\na,b,1\na,,1\n"), ["age"])
    assert found.label is not None
    assert found.label.tolist() == ["2", "b", None]


# What is refused ------------------------------------------------------------------------------

REFUSED = {
    "no file": (None, "there is no such file"),
    "nothing": ("", "no column caller"),
    "no rows": (HEAD, "it has no rows"),
    "no caller": ("calller,age,city,x:at\na,1,x,0\n", "did you mean 'calller'?"),
    "an empty caller": (HEAD + "a,1,x,0\n,2,x,0\n", "in 1 row its cell is empty"),
    "a missing column": ("caller,age\na,1\n", "it lacks the model's columns city, x:at"),
    "an unknown column": (
        "caller,age,city,x:at,agee\na,1,x,0,5\n", "no column 'agee' (did you mean 'age'?)"
    ),
    "a column twice": ("caller,age,city,x:at,age\na,1,x,0,5\n", "two columns are named 'age'"),
    "no time": (f"caller,at,age,city,x:at\na,{SECRET},1,x,0\n", "in 1 row its cell is no time"),
    "endless time": ("caller,at,age,city,x:at\na,inf,1,x,0\n", "is no time"),
    "no truth": (
        f"caller,answered,age,city,x:at\na,{SECRET},1,x,0\na,2,1,x,0\n",
        "in 2 rows its cell is neither true nor false",
    ),
    "no share": ("caller,confidence,age,city,x:at\na,1.5,1,x,0\n", "is no share"),
    "a word for a share": (f"caller,confidence,age,city,x:at\na,{SECRET},1,x,0\n", "is no share"),
    "ragged": (HEAD + f"a,1,x,0\nb,2,{SECRET},0,9,9\n", "duckdb cannot read it"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_trace_is_refused_and_not_quoted(tmp_path: Path, name: str) -> None:
    text, message = REFUSED[name]
    path = tmp_path / "trace.csv" if text is None else put(tmp_path, text)
    with pytest.raises(DataError) as caught:
        read_trace(path, COLUMNS)
    assert message in str(caught.value)
    assert SECRET not in str(caught.value)


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    path = put(tmp_path, HEAD + "a,1,x,0\n", "trace.json")
    with pytest.raises(DataError, match=r"\.json is not read here"):
        read_trace(path, COLUMNS)
    with pytest.raises(DataError, match=r"\.json is not written here"):
        write_trace(path, [Session("a", rows(1.0))])


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot read it"):
        read_trace(put(tmp_path, "PAR1", "trace.parquet"), COLUMNS)


def test_two_columns_of_one_name_in_the_trace_are_refused(tmp_path: Path) -> None:
    path = put(tmp_path, HEAD + "a,1,x,0\n")
    with pytest.raises(DataError, match="'x:at' would be two"):
        read_trace(path, ["at", "x:at"])


def test_columns_that_differ_in_case_are_two(tmp_path: Path) -> None:
    path = put(tmp_path, "caller,Caller,x:label,Label\nu,1,2,3\n")
    (found,) = read_trace(path, ["Caller", "label", "Label"])
    assert [found.rows[name].tolist() for name in found.rows.names] == [[1], [2], [3]]


@pytest.mark.parametrize(
    ("sessions", "message"),
    [
        ([], "no queries"),
        ([Session("", rows(1.0))], "a caller has no name"),
        ([Session("a", rows(1.0)), Session("b", Dataset({"age": np.ones(1)}))], "different"),
    ],
)
def test_what_makes_no_trace_is_not_written(
    tmp_path: Path, sessions: list[Session], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        write_trace(tmp_path / "trace.csv", sessions)
    assert list(tmp_path.iterdir()) == []


def test_a_trace_is_its_owners_alone_and_whole_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "o'clock" / "trace.csv"
    write_trace(path, [Session("a", rows(1.0))])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_bytes()
    monkeypatch.setattr(trace, "_quoted", lambda name: name)  # x:at is no name unquoted
    with pytest.raises(Exception, match="Parser"):
        write_trace(path, [Session("b", rows(2.0))])
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.slow
@pytest.mark.parametrize("callers", [3_000, 1_000_000])
def test_three_million_queries(tmp_path: Path, callers: int) -> None:
    n, rng = 3_000_000, np.random.default_rng(0)
    held = Dataset({f"f{place}": rng.normal(size=n).round(3) for place in range(8)})
    width = n // callers
    sessions = [Session(f"c{place}", held.take(slice(place * width, (place + 1) * width)))
                for place in range(callers)]  # fmt: skip
    path = tmp_path / "trace.parquet"
    write_trace(path, sessions)
    del sessions
    began = time.process_time()
    found = read_trace(path, held.names)
    assert time.process_time() - began < 60
    assert sum(map(len, found)) == n

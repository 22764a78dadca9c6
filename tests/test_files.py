"""Tables from files: what is read, and what is refused without telling a cell."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from people import GAPS, SECRET
from reticent.column import is_missing
from reticent.dataset import Dataset, row_tokens
from reticent.errors import DataError
from reticent.files import read


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_file_says_what_the_frame_said(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame(GAPS)
    path = tmp_path / f"people{suffix}"
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path, index=False)
    found = read(path)
    assert found.names == list(GAPS)
    assert row_tokens(found) == row_tokens(Dataset.of(frame))
    assert isinstance(found.frame(), pd.DataFrame)


def test_npz_arrays_become_columns(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.arange(12).reshape(3, 2, 2), y=np.array(["a", "b", "c"]))
    found = read(tmp_path / "a.npz")
    assert found.names == ["x0", "x1", "x2", "x3", "y"]
    assert found["x3"].tolist() == [3, 7, 11]
    assert found["y"].tolist() == ["a", "b", "c"]


READS: list[tuple[str, dict[str, list[Any]]]] = [
    ("0,1\n.2,.8\n.3,.7\n", {"0": [0.2, 0.3], "1": [0.8, 0.7]}),
    ("city,name\nRome,x\nOslo,y\n", {"city": ["Rome", "Oslo"], "name": ["x", "y"]}),
    ("a,b\n1,\n,x\n", {"a": [1.0, None], "b": [None, "x"]}),
    ("a;b\n1;2\n", {"a": [1], "b": [2]}),
    ("a\tb\n1\t2\n", {"a": [1], "b": [2]}),
    ("v\n1\n2\n", {"v": [1, 2]}),
    ("zip,x\n007,1\n008,2\n", {"zip": ["007", "008"], "x": [1, 2]}),
    ("a,b\n1,yes\n2,no\n", {"a": [1, 2], "b": ["yes", "no"]}),
    ("a,b\n1,true\n2,False\n", {"a": [1, 2], "b": [True, False]}),
    ("a,b\n1,True\n2,\n", {"a": [1, 2], "b": [True, None]}),
]


@pytest.mark.parametrize(("content", "columns"), READS)
def test_the_first_line_of_a_csv_is_its_header(
    tmp_path: Path, content: str, columns: dict[str, list[Any]]
) -> None:
    found = read(written(tmp_path, "a.csv", content))
    for name, values in columns.items():
        told = [None if gap else value for gap, value in
                zip(is_missing(found[name]), found[name].tolist(), strict=True)]  # fmt: skip
        assert told == values
    assert found.names == list(columns)


BROKEN: list[tuple[str, str | bytes, str]] = [
    ("a.csv", f"a,b\n1,2\n3,4,5,{SECRET}\n", "duckdb cannot read it"),
    ("a.csv", "a\n" + "1\n" * 30_000 + f"{SECRET}\n", "duckdb cannot read it"),
    ("a.csv", b"a,b\n1,\xff\xfe" + SECRET.encode() + b"\n", "duckdb cannot read it"),
    ("a.csv", "", "no rows"),
    ("a.csv", "a,b\n", "no rows"),
    ("a.parquet", SECRET, "duckdb cannot read it"),
    ("a.parquet", "", "duckdb cannot read it"),
    ("a.npz", SECRET, "no plain arrays"),
    ("a.npz", "", "no plain arrays"),
    ("a.npz", b"PK\x03\x04" + SECRET.encode(), "no plain arrays"),
    ("a.xlsx", SECRET, "'?.xlsx'? is not read here"),
    ("people", SECRET, "no suffix is not read here"),
]


@pytest.mark.parametrize(("name", "content", "found"), BROKEN)
def test_a_broken_file_is_refused_without_telling_a_cell(
    tmp_path: Path, name: str, content: str | bytes, found: str
) -> None:
    with pytest.raises(DataError, match=found) as caught:
        read(written(tmp_path, name, content))
    assert SECRET not in str(caught.value)


ARRAYS: list[dict[str, Any]] = [
    {"x": np.zeros((3, 2))},
    {"x": np.array(3), "y": np.zeros(1)},
    {"x": np.zeros((3, 2)), "y": np.zeros((3, 2))},
    {"x": np.zeros((3, 2)), "y": np.zeros(2)},
    {"x": np.zeros((0, 2)), "y": np.zeros(0)},
    {"x": np.array([{SECRET: 1}]), "y": np.zeros(1)},
]


@pytest.mark.parametrize("arrays", ARRAYS)
def test_npz_wants_plain_arrays_of_one_length(tmp_path: Path, arrays: dict[str, Any]) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError) as caught:
        read(tmp_path / "a.npz")
    assert SECRET not in str(caught.value)


def test_a_single_array_is_not_a_table(tmp_path: Path) -> None:
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DataError, match="no plain arrays"):
        read(tmp_path / "a.npz")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        read(tmp_path / "none.csv")

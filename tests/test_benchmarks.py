"""The benchmarks' own parts; what they measure takes hours and is `make bench`."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT))
    return import_module("benchmarks.table")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT))
    return import_module("benchmarks.run")


def test_every_benchmark_exists_and_has_its_marks(run: Any) -> None:
    for name, benchmark in run.BENCHMARKS.items():
        module, _, function = benchmark.entry.partition(":")
        assert callable(getattr(import_module(f"benchmarks.{module}"), function)), name
        page = (ROOT / "docs" / benchmark.page).read_text(encoding="utf-8")
        assert page.count(f"<!-- begin {name} -->") == 1
        assert page.count(f"<!-- end {name} -->") == 1


@pytest.mark.parametrize("page", ["benchmarks.md", "reproductions.md"])
def test_every_mark_has_its_benchmark(run: Any, page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    marked = set(re.findall(r"<!-- begin (\S+) -->", text))
    assert marked == {name for name, one in run.BENCHMARKS.items() if one.page == page}


def test_a_table_is_written_between_its_marks_only(table: Any, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- begin a -->\nold\n<!-- end a -->\nafter \\1\n", encoding="utf-8")
    table.write(page, "a", "new \\1")
    wanted = "before\n<!-- begin a -->\nnew \\1\n<!-- end a -->\nafter \\1\n"
    assert page.read_text(encoding="utf-8") == wanted
    with pytest.raises(table.CannotRunError, match="begin b"):
        table.write(page, "b", "new")


def test_a_table_is_markdown_with_its_origin(table: Any) -> None:
    made = table.Table(("a", "b"), [("1", "2")], ("A note.",), ("peer 1.0",))
    assert made.markdown() == "| a | b |\n| --- | --- |\n| 1 | 2 |\n\nA note."
    origin = table.origin("grid", made, 1.25)
    assert "python -m benchmarks.run grid" in origin
    assert "peer 1.0" in origin
    assert str(Path.home()) not in origin


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, ".50"), (-0.5, "-.50"), (-0.001, ".00"), (0.0, ".00"), (1.0, "1.00"), (12.345, "12.35")],
)
def test_numbers_are_short(table: Any, value: float, text: str) -> None:
    assert table.plain(value) == text


def test_a_spread_leaves_out_what_could_not_be_measured(table: Any) -> None:
    assert table.spread([0.1, np.nan, 0.3, 0.2]) == ".20 (.10 to .30)"
    assert table.spread([0.1]) == ".10"
    assert table.spread([np.nan]) == "-"


def test_missing_data_is_said_and_skipped(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people = import_module("benchmarks.people")
    monkeypatch.setattr(people, "SHARED", tmp_path)
    people._steak.cache_clear()
    assert run.main(["steak-tree"]) == 1
    assert "steak_full.parquet is missing" in capsys.readouterr().err


def test_an_unknown_name_is_an_error(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        run.main(["grit"])
    assert stopped.value.code == 2
    assert "no benchmark 'grit'" in capsys.readouterr().err

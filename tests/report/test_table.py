"""The terminal's table fits, says everything in words, and is the same every time."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from reticent.evidence import Evidence
from reticent.report.table import table

from .conftest import coins, evidence, finding, full, idle, quiet, strange, view


def printed(one: Evidence, width: int, *, verbose: bool = False, color: bool = False) -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=color,
                      color_system="standard" if color else None)  # fmt: skip
    console.print(table(one, width, verbose=verbose))
    return file.getvalue()


def words_of(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("verbose", [False, True])
def test_it_fits(width: int, verbose: bool) -> None:
    for one in (full(), *strange()):
        lines = printed(one, width, verbose=verbose).splitlines()
        assert max(map(len, lines)) <= width


@pytest.mark.parametrize("width", [80, 120])
def test_numbers_are_whole(width: int) -> None:
    text = printed(full(), width)
    for number in (".912", ".723", ".741", ".189", "[.123, .231]", ".182", "[.104, .243]", ".812"):
        assert number in text
    assert "-.004" in text  # an ASCII minus
    assert "…" not in text


def test_wide_puts_areas_side_by_side_and_narrow_below() -> None:
    assert ".912     .723    .741" in printed(full(), 120)
    narrow = printed(full(), 80).splitlines()
    row = next(n for n, line in enumerate(narrow) if ".912" in line)
    assert ".723" in narrow[row + 1]
    assert ".741" in narrow[row + 2]


def test_one_row_for_each_hidden_column_of_each_configuration() -> None:
    two = evidence([finding(), finding(hidden="income"), quiet(configuration="partner")])
    text = printed(two, 120)
    assert text.count(" leaks") == 2 + 1, "a row each, and the outcome"
    assert text.count("no leak found") == 1
    assert "affairs" in text
    assert "income" in text
    # A single hidden column needs no name.
    assert "affairs" not in printed(evidence([finding()], [view(says="label")]), 120)


def test_verbose_lists_every_finding() -> None:
    one = evidence([finding(), quiet("imputation_likelihood"), idle("fredrikson_leaf_counts"),
                    coins()])  # fmt: skip
    short, long = printed(one, 80), printed(one, 80, verbose=True)
    for name in ("imputation_likelihood", "fredrikson_leaf_counts", "canaries"):
        assert name not in short
        assert name in long
    assert "4,244" in long
    assert "the target does not reveal SCORES" in printed(one, 200, verbose=True)


def test_it_says_the_limits_and_the_outcome() -> None:
    text = words_of(printed(full(), 80))
    assert "Limits: advantage 0.03, memorization 0.03, utility lost 0.01" in text
    assert "Not run: faces: the model has no images" in text
    assert "1 of 2 configurations leaks" in text


def test_plain_without_a_terminal_and_the_same_words_with_one() -> None:
    plain, colored = printed(full(), 80), printed(full(), 80, color=True)
    assert "\x1b" not in plain
    assert "\x1b[1;31mleaks" in colored


def test_markup_in_names_is_text() -> None:
    odd = finding(configuration="[red]x[/red]", hidden="[bold]h")
    assert "[red]x[/red]" in printed(evidence([odd]), 120)
    assert "[bold]h" in printed(evidence([odd]), 120, verbose=True)


def test_names_command_no_terminal() -> None:
    odd = "\x1b[2Jgone\x07"
    one = evidence([finding(odd, configuration=odd, hidden=odd, reason=odd), idle(reason=odd)])
    text = printed(one, 120, verbose=True)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\ufffd[2Jgone\ufffd" in text


def test_nothing_attacked() -> None:
    assert "Nothing was attacked" in printed(evidence(), 80)
    assert "not attacked" in words_of(printed(evidence([], [view()]), 80))


def test_deterministic() -> None:
    assert printed(full(), 80, verbose=True) == printed(full(), 80, verbose=True)

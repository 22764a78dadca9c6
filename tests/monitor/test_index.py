"""What the index remembers, and when an account's record counts as completed by others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reticent.monitor.index import BLOCK, LEAST, OWN, PARTNERS, VALUES, Account, Cursor, Index, Sums

from .sweepers import Row, event, events, token


def index_of(*rows: Row) -> Index:
    index = Index(Cursor(), lambda _: Account())
    for one in events(rows):
        index.fold(one)
    return index


def tally(index: Index, who: str) -> tuple[int, int, int]:
    whole = index.accounts[token(who)].courses["s"].whole
    return whole.asked, whole.completed, whole.contested


def shared(index: Index, record: int) -> dict[int, int]:
    found = index.records[token("s", record)].values()
    names = {token("s", record, value): value for value in range(100)}
    return {names[one.value]: one.shared for one in found}


def test_two_accounts_that_split_a_record_complete_it_for_each_other() -> None:
    index = index_of(("a", 1, 0), ("b", 1, 1))
    assert tally(index, "a") == tally(index, "b") == (1, 1, 0)
    assert index.accounts[token("a")].partners == {token("b"): 1}
    assert index.accounts[token("b")].partners == {token("a"): 1}


def test_who_asks_what_others_asked_is_no_accomplice() -> None:
    index = index_of(("a", 1, 0), ("b", 1, 0), ("b", 1, 0), ("a", 2, 0))
    assert tally(index, "a") == (2, 0, 0)
    assert tally(index, "b") == (1, 0, 0)


def test_an_honest_caller_is_cleared_when_the_sweep_comes_to_the_true_value() -> None:
    """Whose patient is swept asked before, between or after: in the end nothing is left of it."""
    sweep: list[Row] = [(f"attacker-{value}", 1, value) for value in range(4)]
    for place in range(5):
        index = index_of(*sweep[:place], ("honest", 1, 2), *sweep[place:])
        assert tally(index, "honest") == (1, 0, 1)
        assert [tally(index, f"attacker-{value}")[1] for value in (0, 1, 3)] == [1, 1, 1]
        assert tally(index, "attacker-2")[1] == 0


def test_few_against_many_asked_the_wrong_value() -> None:
    many: list[Row] = [(f"h{number}", 1, 0) for number in range(3)]
    index = index_of(*many, ("a", 1, 1), ("b", 1, 1))
    assert [tally(index, who)[1] for who in ("a", "b", "h0")] == [1, 1, 0]
    even = index_of(*many[:2], ("a", 1, 1), ("b", 1, 1))  # two against two: nobody can tell
    assert [tally(even, who)[1:] for who in ("a", "b")] == [(0, 1), (0, 1)]


def test_who_tries_all_values_alone_links_nobody() -> None:
    """An analysis of somebody whom others look up, whoever came first."""
    what_if: list[Row] = [("analyst", 1, value) for value in range(4)]
    for place in range(5):
        index = index_of(*what_if[:place], ("honest", 1, 2), *what_if[place:])
        assert tally(index, "analyst")[1] == 0
        assert tally(index, "honest")[1] == 0
        assert index.accounts[token("analyst")].revisits == 1
    analysed = index_of(("honest", 1, 2), *what_if)
    assert shared(analysed, 1) == {2: 0, 0: OWN, 1: OWN, 3: OWN}


def test_a_record_is_revisited_once_whatever_others_asked_of_it() -> None:
    known: list[Row] = [(f"h{value}", 1, value) for value in range(4)]
    back: list[Row] = [("analyst", 1, value) for value in (0, 1, 2, 3, 1, 2)]
    meanwhile: list[Row] = [("h9", 1, 0), ("analyst", 1, 3)]
    index = index_of(*known, *back, *meanwhile)
    assert index.accounts[token("analyst")].revisits == 1
    assert tally(index, "analyst")[:2] == (1, 0)


def test_an_analyst_does_not_hide_a_sweep() -> None:
    index = index_of(("h", 1, 0), *[("analyst", 1, v) for v in (0, 1, 2)], ("a", 1, 1), ("b", 1, 2))
    assert [tally(index, who)[1] for who in ("a", "b", "analyst")] == [1, 1, 0]


def test_a_pair_that_agrees_more_often_than_it_differs_is_no_pair() -> None:
    handed: list[Row] = [("day", record, 0) for record in range(9)]
    index = index_of(*handed, ("night", 0, 1), *[("night", r, 0) for r in range(1, 9)])
    assert tally(index, "night") == (9, 1, 0)
    both = [index.accounts[token(one)].partners[token(other)]
            for one, other in (("day", "night"), ("night", "day"))]  # fmt: skip
    assert sum(both) < 0


def test_blocks_keep_what_came_lately() -> None:
    rows: list[Row] = [("old", record, 0) for record in range(2 * BLOCK + 5)]
    index = index_of(*rows)
    course = index.accounts[token("old")].courses["s"]
    assert (course.number, course.whole.asked) == (2, 2 * BLOCK + 5)
    assert (course.before.asked, course.now.asked) == (BLOCK, 5)
    for record in (0, BLOCK, 2 * BLOCK + 1):  # one in each block is completed
        index.fold(event("other", [(record, 1)], 1e6))
    assert (course.whole.completed, course.before.completed, course.now.completed) == (3, 1, 1)


def test_judged_accounts_are_counted_once() -> None:
    index = index_of(*[("a", record, 0) for record in range(LEAST + 3)], ("b", 0, 0))
    assert (index.cursor.judged, index.cursor.columns) == (1, {"s": Sums(1, LEAST + 3, 0)})


def test_an_account_is_judged_once_however_many_columns_are_watched() -> None:
    index = Index(Cursor(), lambda _: Account())
    for record in range(LEAST):
        for column in "st":
            index.fold(event("a", [(record, 0)], column=column))
    assert index.cursor.judged == 1
    assert index.cursor.columns == {"s": Sums(1, LEAST, 0), "t": Sums(1, LEAST, 0)}


def test_one_record_and_one_account_stay_bounded() -> None:
    rows: list[Row] = [("a", 1, value) for value in range(VALUES + 20)]
    index = index_of(*rows)
    assert len(index.records[token("s", 1)]) == VALUES
    many = index_of(*[(who, r, v) for r in range(99) for v, who in enumerate(("a", f"b{r}"))])
    assert len(many.accounts[token("a")].partners) == PARTNERS


@given(st.permutations([("h", 0), ("g", 0), ("a", 1), ("b", 2), ("h", 0), ("a", 1)]))
def test_order_and_repeats_do_not_matter_in_the_end(asked: list[tuple[str, int]]) -> None:
    index = index_of(*[(who, 1, value) for who, value in asked])
    assert [tally(index, who)[1] for who in ("a", "b", "h", "g")] == [1, 1, 0, 0]


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 3), st.integers(0, 2)),
                max_size=60))  # fmt: skip
def test_counts_stay_within_what_was_asked(rows: list[Row]) -> None:
    index = index_of(*rows)
    for account in index.accounts.values():
        for course in account.courses.values():
            for part in (course.whole, course.before, course.now):
                assert 0 <= part.completed <= part.asked
                assert 0 <= part.contested <= part.asked
                assert part.completed <= part.telling
    judged = [one.courses["s"] for one in index.accounts.values() if one.courses["s"].judged]
    sums = Sums()
    for course in judged:
        sums.add(course)
    assert index.cursor.columns.get("s", Sums()) == sums


@pytest.mark.parametrize("back", [-1e9, 0.0, float(np.finfo(float).max)])
def test_a_clock_that_jumps_changes_no_count(back: float) -> None:
    index = Index(Cursor(), lambda _: Account())
    for place, who in enumerate("abab"):
        index.fold(event(who, [(place // 2, place % 2)], back if place % 2 else 5.0))
    assert tally(index, "a") == tally(index, "b") == (2, 2, 0)

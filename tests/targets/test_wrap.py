"""Wrappers: one says nothing, one counts, one remembers."""

from __future__ import annotations

import numpy as np
import pytest

from people import Toy, guests, same
from reticent.dataset import Dataset
from reticent.target import Answer, Reveals, Target, Transparent
from reticent.targets.wrap import REMEMBERED, Metered, Remembered, Silent

ROWS = guests(20)
CLASSES = np.array(["u", "v", "w"], dtype=object)


class Counting(Toy):
    """A toy that keeps what it was asked."""

    asked: list[int] = []  # noqa: RUF012 (one list for the class, emptied by each test)

    def ask(self, rows: Dataset) -> Answer:
        self.asked.append(len(rows))
        return Toy.ask(self, rows)


@pytest.fixture
def inner() -> Counting:
    Counting.asked.clear()
    return Counting()


def test_a_silent_target_says_the_same_to_everybody() -> None:
    target = Silent(["age"], CLASSES)
    told = target.ask(ROWS)
    assert isinstance(target, Target)
    assert told.scores is not None
    assert (told.scores == 1 / 3).all()
    assert told.label is not None
    assert (told.label == 0).all()
    assert len(told) == 20


def test_a_silent_regressor_says_0() -> None:
    told = Silent(["age"], None).ask(ROWS)
    assert told.value is not None
    assert (told.value == 0).all()
    assert told.scores is None


@pytest.mark.parametrize("wrap", [Metered, Remembered])
def test_a_wrapper_tells_what_the_inner_target_tells(wrap: type[Metered | Remembered]) -> None:
    inner = Toy(ignores=frozenset({"gene"}))
    target = wrap(inner)
    assert isinstance(target, Target)
    assert same(target.ask(ROWS), inner.ask(ROWS))
    assert target.columns == inner.columns
    assert target.reveals == inner.reveals
    assert target.ignores == inner.ignores
    assert target.classes is not None
    assert (target.classes == CLASSES).all()


def test_a_meter_counts_rows(inner: Counting) -> None:
    target = Metered(inner)
    target.ask(ROWS)
    target.ask(ROWS.take(slice(0, 3)))
    assert target.queries == 23


def test_a_meter_counts_an_opened_model_as_well() -> None:
    from sklearn.tree import DecisionTreeClassifier

    from reticent.targets.local import local

    rows = Dataset({"a": np.arange(6.0), "b": np.zeros(6)})
    labels = np.array([0, 1] * 3)
    tree = DecisionTreeClassifier().fit(rows.frame(), labels)
    target = Metered(Remembered(local(tree, ["a", "b"], labels)))
    assert isinstance(target, Transparent)
    assert Reveals.STRUCTURE in target.reveals
    assert len(target.leaves(rows).at) == 6
    assert target.queries == 6


def test_the_same_rows_are_asked_once(inner: Counting) -> None:
    target = Remembered(inner)
    first, again = target.ask(ROWS), target.ask(ROWS.replaced("more", np.arange(20)))
    assert same(first, again)
    assert inner.asked == [20]


@pytest.mark.parametrize(
    "other",
    [
        ROWS.take(np.arange(20)[::-1]),
        ROWS.take(slice(0, 19)),
        ROWS.replaced("age", ROWS["age"] + 1e-9),
        ROWS.replaced("gene", ROWS["gene"][::-1]),
    ],
)
def test_other_rows_are_asked_again(inner: Counting, other: Dataset) -> None:
    target = Remembered(inner)
    target.ask(ROWS)
    assert same(target.ask(other), Toy().ask(other))
    assert len(inner.asked) == 2


def test_memory_is_short_and_forgets_the_oldest_use(inner: Counting) -> None:
    target = Remembered(inner)
    asked = [ROWS.take(slice(place, place + 2)) for place in range(REMEMBERED + 1)]
    for rows in asked[:REMEMBERED]:
        target.ask(rows)
    target.ask(asked[0])  # used again: the second is the oldest now
    target.ask(asked[REMEMBERED])
    assert len(inner.asked) == REMEMBERED + 1
    target.ask(asked[0])
    assert len(inner.asked) == REMEMBERED + 1
    target.ask(asked[1])
    assert len(inner.asked) == REMEMBERED + 2


def test_a_meter_around_a_memory_counts_every_query(inner: Counting) -> None:
    target = Metered(Remembered(inner))
    target.ask(ROWS)
    target.ask(ROWS)
    assert target.queries == 40
    assert inner.asked == [20]

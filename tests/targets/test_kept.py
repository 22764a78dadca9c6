"""What is asked of an endpoint that costs: once, up to a cap, and again only what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from people import Toy, guests, same
from reticent.dataset import Dataset, stack
from reticent.errors import ModelError
from reticent.target import Answer, Reveals, Target
from reticent.targets import kept
from reticent.targets.kept import Book, BrokenError, Imitated, Kept, Memory
from reticent.targets.remote import joined
from reticent.targets.wrap import Around

ROWS = guests(40, seed=1)
KEY = b"k" * 32
SECRET = ROWS["age"][0]


class Far(Around):
    """A toy that answers in parts of ten rows, and dies after some."""

    batch = 10

    def __init__(self, tells: str = "scores", lives: int = 1_000) -> None:
        self.inner, self.lives = Toy(tells), lives
        self.asked: list[int] = []

    def ask(self, rows: Dataset) -> Answer:
        return joined(list(self.each(rows))) if len(rows) else self.inner.ask(rows)

    def each(self, rows: Dataset) -> Iterator[Answer]:
        for start in range(0, len(rows), self.batch):
            if not self.lives:
                raise ModelError("an answer", "nobody listens there", "Start it")
            self.lives -= 1
            some = rows.take(slice(start, start + self.batch))
            self.asked.append(len(some))
            yield self.inner.ask(some)


def asked(far: Far, rows: Dataset, book: Book) -> Answer:
    return Kept(far, book, "far").ask(rows)


@pytest.mark.parametrize("tells", ["scores", "label", "value"])
def test_no_row_is_asked_twice(tells: str) -> None:
    far, book = Far(tells), Book(KEY)
    target = Kept(far, book, "far")
    assert isinstance(target, Target)
    mixed = ROWS.take(np.array([3, 1, 3, 3, 0], dtype=np.intp))
    assert same(target.ask(mixed), Toy(tells).ask(mixed))
    assert same(target.ask(ROWS), Toy(tells).ask(ROWS))
    assert same(target.ask(ROWS), Toy(tells).ask(ROWS))
    assert far.asked == [3, 10, 10, 10, 7]
    assert (book.asked, book.requests) == (40, 5)
    assert len(target.ask(ROWS.take(slice(0, 0)))) == 0


def test_a_cap_is_never_passed_and_what_came_before_it_is_known() -> None:
    far, book = Far(), Book(KEY, cap=25)
    with pytest.raises(BrokenError, match="cap of 25 rows is reached"):
        asked(far, ROWS, book)
    assert sum(far.asked) == book.asked == 25
    first = ROWS.take(slice(0, 25))
    assert same(asked(far, first, book), Toy().ask(first))
    with pytest.raises(BrokenError, match="cap of 25"):
        asked(far, ROWS.take(slice(30, 31)), book)
    assert sum(far.asked) == 25


@given(st.lists(st.lists(st.integers(0, 39), max_size=12), max_size=6), st.integers(1, 30))
def test_whatever_is_asked_the_cap_holds_and_answers_are_true(
    asks: list[list[int]], cap: int
) -> None:
    far, book = Far(), Book(KEY, cap=cap)
    seen: set[int] = set()
    for ask in asks:
        rows = ROWS.take(np.array(ask, dtype=np.intp))
        seen |= set(ask)
        if len(seen) > cap:
            with pytest.raises(BrokenError):
                asked(far, rows, book)
            break
        assert same(asked(far, rows, book), Toy().ask(rows))
    assert sum(far.asked) == book.asked == min(len(seen), cap)


@pytest.mark.parametrize("lives", [0, 1, 3])
def test_a_broken_attack_goes_on_where_it_broke_off(tmp_path: Path, lives: int) -> None:
    book = Book(KEY, tmp_path)
    with pytest.raises(BrokenError, match="nobody listens there") as raised:
        asked(Far(lives=lives), ROWS, book)
    assert (f"{10 * lives} answers are kept" in str(raised.value)) == (lives > 0)
    with pytest.raises(BrokenError):
        asked(Far(), ROWS, book)  # what broke off asks no more
    book.close()
    again, far = Book(KEY, tmp_path), Far()
    assert same(asked(far, ROWS, again), Toy().ask(ROWS))
    assert sum(far.asked) == 40 - 10 * lives
    assert again.found == 10 * lives
    again.close()
    assert not list(tmp_path.iterdir()), "an attack that ended leaves nothing"


def test_another_endpoint_key_or_secret_finds_nothing(tmp_path: Path) -> None:
    with pytest.raises(BrokenError):
        asked(Far(lives=2), ROWS, Book(KEY, tmp_path))
    for book, name in ((Book(KEY, tmp_path), "other"), (Book(b"o" * 32, tmp_path), "far")):
        assert not len(book.memory(name))
    assert len(Book(KEY, tmp_path).memory("far")) == 20


def test_no_cell_and_no_name_of_a_person_is_written(tmp_path: Path) -> None:
    with pytest.raises(BrokenError):
        asked(Far("value", lives=2), ROWS, Book(KEY, tmp_path))
    (path,) = tmp_path.iterdir()
    raw = path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0
    assert all(word.encode() not in raw for word in {*ROWS["city"], *ROWS["gene"]} - {"aa", "ab"})
    assert np.array([SECRET]).tobytes() not in raw


@pytest.mark.parametrize("spoil", [slice(0, -1), slice(0, 400), slice(0, 3)])
def test_a_file_that_was_cut_off_is_read_up_to_there(tmp_path: Path, spoil: slice) -> None:
    with pytest.raises(BrokenError):
        asked(Far(lives=2), ROWS, Book(KEY, tmp_path))
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[spoil])
    book, far = Book(KEY, tmp_path), Far(lives=3)
    with pytest.raises(BrokenError):
        asked(far, stack(ROWS, guests(20, seed=9)), book)
    assert book.found in (0, 10)
    assert len(Book(KEY, tmp_path).memory("far")) == book.found + 30, "it was written on from there"


def test_a_file_that_somebody_changed_is_not_believed(tmp_path: Path) -> None:
    with pytest.raises(BrokenError):
        asked(Far(lives=1), ROWS, Book(KEY, tmp_path))
    (path,) = tmp_path.iterdir()
    raw = bytearray(path.read_bytes())
    raw[-5] ^= 1
    path.write_bytes(raw)
    assert not len(Book(KEY, tmp_path).memory("far"))


def test_answers_of_last_week_are_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BrokenError):
        asked(Far(lives=1), ROWS, Book(KEY, tmp_path))
    monkeypatch.setattr(kept, "VALID_DAYS", -1.0)
    memory = Memory(KEY, next(tmp_path.iterdir()))
    assert (len(memory), memory.begun) == (0, 0.0)


def test_who_listens_is_told_each_exchange() -> None:
    heard: list[tuple[Any, int, Answer]] = []
    far = Far()
    book = Book(KEY, record=lambda target, rows, told: heard.append((target, len(rows), told)))
    asked(far, stack(ROWS, ROWS), book)
    assert [(target is far, n) for target, n, _ in heard] == [(True, 10)] * 4
    assert same(joined([told for _, _, told in heard]), Toy().ask(ROWS))


@pytest.mark.parametrize("tells", ["scores", "label", "value"])
def test_what_answers_in_an_endpoints_place_tells_the_same_of_everybody(tells: str) -> None:
    far, book = Far(tells), Book(KEY)
    told = Kept(Imitated(far), book, "far").ask(ROWS)
    assert not far.asked
    assert (book.asked, book.requests) == (40, 4)
    real = Toy(tells).ask(ROWS)
    for part in ("label", "scores", "value"):
        mine, its = getattr(told, part), getattr(real, part)
        assert (mine is None) == (its is None)
        assert mine is None or mine.shape == its.shape
        assert mine is None or (mine == mine[:1]).all()
    assert Imitated(far).reveals == Toy(tells).reveals


def test_who_is_told_nothing_is_asked_nothing() -> None:
    class Mute(Far):
        reveals = Reveals.ANY_ROW

    far, book = Mute(), Book(KEY)
    Kept(far, book, "far").ask(ROWS)
    assert book.asked == 0
    assert Imitated(far).ask(ROWS).answered is not None

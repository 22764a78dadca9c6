"""Notes as a reader has them who comes back."""

from __future__ import annotations

import pytest

from reticent.console.followed import ANEW, RECENT, Followed
from reticent.errors import StoreError
from reticent.store import Note
from stored import MemoryStore


def text(note: Note) -> str | None:
    """A content that is text; None where it cannot be read."""
    return note.content.decode() if note.content.isascii() else None


def write(store: MemoryStore, key: str, content: bytes, kind: str = "word") -> None:
    before = store.note(kind, key.encode())
    version = 0 if before is None else before.version
    assert store.write([Note(kind, key.encode(), content, version)])


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


def test_what_is_new_is_read_and_what_was_rewritten_moves_to_the_end(store: MemoryStore) -> None:
    words = Followed("word", text, 10)
    write(store, "a", b"one")
    write(store, "b", b"two")
    write(store, "z", b"another kind", "number")
    words.follow(store, 0.0)
    assert words.found == {b"a": "one", b"b": "two"}
    write(store, "a", b"three")
    words.follow(store, 1.0)
    assert list(words.found.items()) == [(b"b", "two"), (b"a", "three")]
    assert words.version == 4
    assert not words.full


def test_only_what_came_since_the_first_reading_is_new(store: MemoryStore) -> None:
    words = Followed("word", text, 10)
    write(store, "a", b"one")
    words.follow(store, 0.0)
    heard = words.version
    assert words.since(0) == []
    write(store, "b", b"two")
    words.follow(store, 1.0)
    write(store, "c", b"three")
    words.follow(store, ANEW + 1)  # it comes with everything else, which is read anew
    assert words.since(heard) == ["two", "three"]
    assert words.since(words.version) == []
    for number in range(3 * RECENT):
        write(store, f"n{number}", b"more")
    words.follow(store, ANEW + 2)
    assert len(words.since(0)) == RECENT


def test_what_was_dropped_is_gone_within_minutes_or_when_it_is_asked_for(
    store: MemoryStore,
) -> None:
    words = Followed("word", text, 10)
    for key in "abc":
        write(store, key, b"one")
    words.follow(store, 0.0)
    store.drop("word", [b"a", b"b"])
    words.follow(store, 1.0)
    assert set(words.found) == {b"a", b"b", b"c"}
    assert words.one(store, b"a") is None
    assert set(words.found) == {b"b", b"c"}
    words.follow(store, ANEW + 1)
    assert set(words.found) == {b"c"}


def test_there_are_no_more_than_so_many_and_the_unsettled_stay(store: MemoryStore) -> None:
    words = Followed("word", text, 5, settled=lambda one: one != "keep")
    write(store, "old", b"keep")
    words.follow(store, 0.0)
    for number in range(20):
        write(store, f"n{number}", b"go")
        words.follow(store, 1.0)
    assert [*words.found] == [b"old", *(f"n{number}".encode() for number in range(16, 20))]
    assert words.full
    words.follow(store, ANEW + 2)  # among the newest five it is no more
    assert b"old" in words.found
    write(store, "old", b"let go")
    store.drop("word", [b"old"])
    words.follow(store, 2 * ANEW + 4)
    assert b"old" not in words.found


def test_a_first_reading_reads_no_more_than_so_many(store: MemoryStore) -> None:
    for number in range(30):
        write(store, f"n{number}", b"go")
    words = Followed("word", text, 5)
    words.follow(store, 0.0)
    assert [*words.found] == [f"n{number}".encode() for number in range(25, 30)]
    assert words.full


def test_what_cannot_be_read_is_passed_over_and_never_read_again(store: MemoryStore) -> None:
    words = Followed("word", text, 10)
    write(store, "a", b"\xff")
    words.follow(store, 0.0)
    assert words.found == {}
    assert words.version == 1


def test_a_store_that_fails_leaves_what_was_known(store: MemoryStore) -> None:
    words = Followed("word", text, 10)
    write(store, "a", b"one")
    words.follow(store, 0.0)
    store.down = True
    with pytest.raises(StoreError):
        words.follow(store, ANEW + 1)
    assert words.found == {b"a": "one"}
    store.down = False
    write(store, "b", b"two")
    words.follow(store, ANEW + 2)
    assert words.found == {b"a": "one", b"b": "two"}

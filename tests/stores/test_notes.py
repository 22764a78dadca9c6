"""What every store promises of notes and of what the index saw."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reticent.errors import StoreError
from reticent.store import Note, Sighting, Store, Trial, Work
from reticent.stores import tables
from stored import MemoryStore

Opened = Callable[[], Store]


def written(store: Store, kind: str, key: bytes, content: bytes = b"") -> Note:
    """Write over whatever is there."""
    old = store.note(kind, key)
    assert store.write([Note(kind, key, content, old.version if old else 0)])
    new = store.note(kind, key)
    assert new is not None
    return new


def sighting(record: int, value: int = 0, principal: bytes = b"p", at: float = 0.0) -> Sighting:
    return Sighting(record.to_bytes(16, "big"), value.to_bytes(16, "big"), principal, 0, at)


def test_an_empty_store(store: Store) -> None:
    assert (store.note("a", b"k"), store.notes("a"), store.newest("a", 9)) == (None, [], [])
    assert (store.sightings([]), store.sightings([b"r"])) == ([], [])
    assert (store.drop("a", [b"k"]), store.drop("a", before=2**40)) == (0, 0)
    assert store.forget_sightings(2**40) == 0
    assert store.write([])


def test_a_note_is_read_as_it_was_written(opened: Opened) -> None:
    one, other = opened(), opened()
    assert one.write([Note("a", b"\0k", b"\0\xff", 0, 7.0), Note("b", b"\0k", b"")])
    first, second = other.note("a", b"\0k"), other.note("b", b"\0k")
    assert first is not None
    assert second is not None
    assert (first.kind, first.key, first.content) == ("a", b"\0k", b"\0\xff")
    assert 0 < first.version < second.version
    assert abs(first.at - time.time()) < 60  # by the clock of who writes, whatever the note says
    assert written(other, "a", b"\0k", b"new").version > second.version
    assert one.notes("a") == [other.note("a", b"\0k")]
    assert one.notes("a")[0].content == b"new"


def test_a_version_that_is_not_the_stored_one_is_written_by_nobody(opened: Opened) -> None:
    one, other = opened(), opened()
    mine = written(one, "a", b"k", b"1")
    theirs = written(other, "a", b"k", b"2")
    seen = [sighting(1)]
    for version in (mine.version, 0, theirs.version + 1, -1):
        notes = [Note("b", b"k", b"x"), Note("a", b"k", b"3", version), Note("c", b"k", b"x")]
        assert not one.write(notes, seen)
    assert not one.write([Note("b", b"k", b"x", theirs.version)], seen)  # there is none
    assert one.note("a", b"k") == theirs
    assert (one.notes("b"), one.notes("c"), one.sightings([seen[0].record])) == ([], [], [])
    assert one.write([Note("b", b"k", b"x"), Note("a", b"k", b"3", theirs.version)], seen)
    assert other.sightings([seen[0].record]) == seen


def test_notes_come_in_the_order_written(store: Store) -> None:
    for place in range(6):
        written(store, "ab"[place % 2], b"%d" % place)
    written(store, "a", b"0")
    found = store.notes("a")
    assert [note.key for note in found] == [b"2", b"4", b"0"]
    assert [note.version for note in found] == sorted(note.version for note in found)
    assert store.notes("a", found[0].version) == found[1:]
    assert store.notes("a", found[0].version, 1) == [found[1]]
    assert store.notes("a", found[2].version) == []
    assert store.notes("a", most=2) == found[:2]
    assert store.newest("a", 2) == [found[2], found[1]]
    assert store.newest("a", 9) == found[::-1]
    assert store.newest("c", 9) == []


def test_what_was_dropped_is_not_written_over(store: Store) -> None:
    note = written(store, "a", b"k")
    assert store.drop("b", [b"k"]) == 0
    assert store.drop("a", [b"k", b"k", b"other"]) == 1
    assert store.note("a", b"k") is None
    assert not store.write([Note("a", b"k", b"", note.version)])
    assert written(store, "a", b"k").version > note.version  # no number is given twice


def test_old_notes_are_dropped(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "PORTION", 3)
    now = time.time()
    for place in range(10):
        monkeypatch.setattr(time, "time", lambda: now + place)  # noqa: B023 (it is called here)
        written(store, "ab"[place == 4], b"%d" % place)
    assert store.drop("a") == 0
    assert store.drop("a", before=now) == 0
    assert store.drop("a", before=now + 8) == 7
    assert [note.key for note in store.notes("a")] == [b"8", b"9"]
    assert len(store.notes("b")) == 1
    assert store.drop("a", [b"9"], before=now + 8.5) == 2
    assert store.notes("a") == []


def test_many_are_dropped_by_their_keys(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "PORTION", 3)
    store.write([Note("a", b"%d" % place, b"") for place in range(10)])
    assert store.drop("a", [b"%d" % place for place in range(1, 9)]) == 8
    assert [note.key for note in store.notes("a")] == [b"0", b"9"]


def test_what_no_store_takes(store: Store) -> None:
    assert store.write([Note("a", b"k" * 1024, b"x" * 65_536)])
    fine = Note("a", b"fine", b"x")
    for bad, says in (
        (Note("a", b"l", b"x" * 65_537), "'a': its content has 65,537 bytes. Write at most 65,536"),
        (Note("a", b"k" * 1025, b""), "'a': its key has 1,025 bytes. Write at most 1,024"),
        (Note("a", b"fine", b"y"), "there twice"),
    ):
        with pytest.raises(StoreError) as told:
            store.write([fine, bad], [sighting(1)])
        assert says in str(told.value)
    assert len(store.notes("a")) == 1
    assert store.sightings([sighting(1).record]) == []


def test_the_index_remembers_the_last_of_each_value(store: Store) -> None:
    first, other = sighting(1, 1, b"p", 5.0), sighting(1, 2, b"q", 6.0)
    later = Sighting(first.record, first.value, b"q", 3, 7.5)
    assert store.write([], [first, other, sighting(2)])
    assert set(store.sightings([first.record])) == {first, other}
    assert store.write([], [sighting(1, 1, b"r", 6.0), later])  # one twice: the last of them
    found = store.sightings([first.record, b"unknown", first.record])
    assert (len(found), set(found)) == (2, {later, other})
    assert {type(one.shared) for one in found} == {int}


def test_a_thousand_records_are_looked_up_together(store: Store) -> None:
    seen = [sighting(place % 1500, place) for place in range(2000)]
    store.write([], seen)
    chosen = [sighting(place).record for place in range(300, 1800)]
    found = store.sightings(chosen)
    assert len(found) == 1400
    assert set(found) == {one for one in seen if one.record in set(chosen)}


def test_old_sightings_are_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "PORTION", 3)
    seen = [sighting(place, at=float(place)) for place in range(20)]
    store.write([], seen)
    store.write([], [sighting(0, at=15.0)])  # seen again
    assert store.forget_sightings(0.5) == 0
    assert store.forget_sightings(12) == 11
    left = store.sightings([one.record for one in seen])
    assert sorted(one.at for one in left) == [12, 13, 14, 15, 15, 16, 17, 18, 19]


def test_a_principal_is_forgotten(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "PORTION", 2)
    monkeypatch.setattr(tables, "WALK", 3)
    seen = [sighting(place, principal=(b"p", b"q")[place % 2]) for place in range(16)]
    seen.append(Sighting(seen[0].record, b"shared", b"q", -1, 1.0))
    store.write([Note("standing", b"p", b"")], seen)
    trial = Trial(b"p", b"r", b"v", 1)
    store.commit(Work(trials=[trial]))
    store.forget_principal(b"p")
    left = store.sightings([one.record for one in seen])
    assert set(left) == {one for one in seen if one.principal == b"q"}
    assert store.commit(Work(trials=[Trial(b"p", b"r", b"w", 1)])).allowed == (True,)
    assert store.note("standing", b"p") is not None  # whoever erases drops it: see the journal
    store.forget_principal(b"nobody")


def test_no_update_is_lost(opened: Opened) -> None:
    stores = [opened() for _ in range(3)]

    def count(place: int) -> int:
        store, tries = stores[place % 3], 1
        while True:
            note = store.note("n", b"") or Note("n", b"", b"0")
            new = Note("n", b"", b"%d" % (int(note.content) + 1), note.version)
            if store.write([new, Note("of", b"%d" % place, b"")]):
                return tries
            tries += 1

    with ThreadPoolExecutor(6) as threads:
        tries = list(threads.map(count, range(120)))
    note = stores[0].note("n", b"")
    assert note is not None
    assert note.content == b"120"
    assert len(stores[1].notes("of")) == 120
    assert sum(tries) >= 120


def test_who_follows_the_versions_misses_nothing(opened: Opened) -> None:
    """A version that is seen after a greater one would be missed for ever."""
    stores, done, seen, after = [opened() for _ in range(4)], Event(), list[bytes](), 0

    def write(place: int) -> None:
        rows = [sighting(place, value) for value in range(place % 7 * 30)]  # some take longer
        assert stores[1 + place % 3].write([Note("n", b"%d" % place, b"")], rows)

    def follow() -> None:
        nonlocal after
        last = False
        while not last:
            last = done.is_set()  # once more behind the last write
            for note in stores[0].notes("n", after):
                assert note.version > after
                after = note.version
                seen.append(note.key)

    with ThreadPoolExecutor(7) as threads:
        following = threads.submit(follow)
        list(threads.map(write, range(200)))
        done.set()
        following.result(20)
    assert len(seen) == 200
    assert set(seen) == {b"%d" % place for place in range(200)}


kinds, keys = st.sampled_from("ab"), st.sampled_from([b"", b"k", b"l"])
seen = st.builds(
    sighting, st.integers(0, 3), st.integers(0, 1), st.sampled_from([b"p", b"q"]),
    st.sampled_from([1.0, 2.0, 3.0]),
)  # fmt: skip
steps = st.one_of(
    st.tuples(
        st.just("write"), st.lists(st.tuples(kinds, keys, st.integers(0, 5)), max_size=3),
        st.lists(seen, max_size=4),
    ),
    st.tuples(st.just("drop"), kinds, st.lists(keys, max_size=2)),
    st.tuples(st.just("forget"), st.sampled_from([2.0, 3.0])),
    st.tuples(st.just("erase"), st.sampled_from([b"p", b"q"])),
)  # fmt: skip


def taken(store: Store, step: tuple[object, ...]) -> object:
    match step:
        case ("write", list(names), list(sightings)):
            notes = []
            for kind, key, off in names:  # mostly the right version
                old = store.note(kind, key)
                notes.append(Note(kind, key, b"x", (old.version if old else 0) + off // 5))
            try:
                return store.write(notes, sightings)
            except StoreError as error:
                return error.found
        case ("drop", str(kind), list(dropped)):
            return store.drop(kind, dropped)
        case ("forget", float(before)):
            return store.forget_sightings(before)
        case ("erase", bytes(principal)):
            store.forget_principal(principal)
            return None
    raise AssertionError(step)


def everything(store: Store) -> object:
    """All that can be read, numbers of versions aside: only their order is promised."""
    notes = [(note.key, note.content) for kind in "ab" for note in store.notes(kind)]
    newest = [note.key for kind in "ab" for note in store.newest(kind, 2)]
    return notes, newest, set(store.sightings([sighting(place).record for place in range(4)]))


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(steps, max_size=12))
def test_all_stores_do_the_same(store: Store, steps: list[tuple[object, ...]]) -> None:
    other = MemoryStore()
    for kind in "ab":
        store.drop(kind, before=2**40)
    store.forget_sightings(2**40)
    for step in steps:
        assert taken(store, step) == taken(other, step)
        assert everything(store) == everything(other)


@pytest.mark.slow
def test_the_index_keeps_up(store: Store) -> None:
    """The tenth fastest of a hundred counts: other tests run beside this one."""
    chance, records = random.Random(0), list[bytes]()
    writing, asking = list[float](), list[float]()
    for place in range(100):
        rows = [Sighting(chance.randbytes(16), b"v", b"p", False, place) for _ in range(1000)]
        records += [one.record for one in rows]
        started = time.perf_counter()
        cursor = store.note("cursor", b"") or Note("cursor", b"", b"")
        assert store.write([Note("cursor", b"", b"%d" % place, cursor.version)], rows)
        writing.append(time.perf_counter() - started)
    for _ in range(100):
        asked = chance.sample(records, 1000)
        started = time.perf_counter()
        assert len(store.sightings(asked)) == 1000
        asking.append(time.perf_counter() - started)
    assert 100 * sorted(writing)[10] < 5
    assert sorted(asking)[10] < 0.010
    assert store.forget_sightings(50) == 50_000

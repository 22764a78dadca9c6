"""How callers stand: changed by one at a time, the same on every replica, never forgotten."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from reticent.errors import ConfigError, DataError, StoreError
from reticent.event import Act
from reticent.monitor import standing
from reticent.monitor.standing import (
    KIND,
    LONGEST,
    STATES,
    Standing,
    Standings,
    State,
    changed,
    checked_reason,
    every,
    forget,
    forget_principal,
    freeze,
    named,
    release,
    told,
)
from reticent.store import Note, Store
from reticent.stores.sqlite import Sqlite
from stored import MemoryStore

ANN, BOB, EVE = b"a" * 16, b"b" * 16, b"e" * 16
ADMIN = b"k" * 16


def put(store: Store, *some: Standing) -> None:
    for one in some:
        changed(store, one.principal, lambda _, one=one: one)  # type: ignore[misc]


def acts(store: MemoryStore) -> list[Act]:
    read = msgspec.msgpack.Decoder(Act).decode
    entries = [one for block in store.blocks() for one in block.entries]
    return [read(one) for one in entries if isinstance(one, bytes)]


def test_nobody_is_anything_but_free_before_something_is_known() -> None:
    assert standing.standing(MemoryStore(), ANN) == Standing(ANN)
    assert not Standing(ANN, queries=7, refused=2).known
    assert Standing(ANN, fuse=3).treated


def test_a_freeze_is_in_the_journal_and_is_made_once() -> None:
    store = MemoryStore()
    put(store, Standing(ANN, role="partner", queries=9, fuse=4))
    done = freeze(store, ANN, by=ADMIN, reason=" it sweeps ", now=5.0)
    assert done == Standing(ANN, role="partner", queries=9, state="frozen", reason="it sweeps",
                            since=5.0)  # fmt: skip
    version = store.notes(KIND)[-1].version
    assert freeze(store, ANN, by=BOB, reason="again", now=6.0) == done
    assert store.notes(KIND)[-1].version == version
    assert acts(store) == [Act(5.0, ADMIN, ANN, "freeze", "it sweeps")]


def test_a_release_forgets_the_evidence_and_keeps_the_count_of_alerts() -> None:
    store = MemoryStore()
    put(store, Standing(ANN, "partner", 9, 1, (3.0, 2.0), 1.5, 4, 3, "frozen", None, "why", 1.0))
    done = release(store, ANN, by=ADMIN, reason="a study", now=5.0)
    assert done == Standing(ANN, "partner", 9, 1, (), 0.0, 4, 0, "free", None, "a study", 5.0)
    assert release(store, ANN, by=ADMIN, reason="again", now=6.0) == done
    assert [act.done for act in acts(store)] == ["release"]


@pytest.mark.parametrize("against", [
    Standing(ANN, evidence=(0.0, 2.0)), Standing(ANN, fuse=3), Standing(ANN, rung=1),
    Standing(ANN, score=0.2), Standing(ANN, state="coarse"),
])  # fmt: skip
def test_a_release_takes_away_whatever_there_is_against_a_caller(against: Standing) -> None:
    store = MemoryStore()
    put(store, against)
    done = release(store, ANN, by=ADMIN, reason="fine", now=5.0)
    assert done == Standing(ANN, reason="fine", since=5.0)


def test_nothing_is_written_of_a_caller_with_nothing_against_them() -> None:
    store = MemoryStore()
    release(store, ANN, by=ADMIN, reason="fine", now=5.0)
    assert (store.notes(KIND), acts(store)) == ([], [])


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "bell\a", "x" * (LONGEST + 1)])
def test_a_reason_is_one_line_of_words(reason: str) -> None:
    store = MemoryStore()
    for do in (freeze, release):
        with pytest.raises(DataError, match="the reason"):
            do(store, ANN, by=ADMIN, reason=reason, now=1.0)
    assert store.notes(KIND) == []
    assert checked_reason(f" {'x' * LONGEST} ") == "x" * LONGEST


class Interrupted(MemoryStore):
    """Another replica writes between reading and writing, so many times."""

    def __init__(self, times: int, step: Callable[[Standing], Standing]) -> None:
        super().__init__()
        self.times, self.step = times, step

    def note(self, kind: str, key: bytes) -> Note | None:
        found = super().note(kind, key)
        if self.times:
            self.times -= 1
            times, self.times = self.times, 0
            changed(self, key, self.step)
            self.times = times
        return found


def test_what_another_replica_writes_in_between_is_not_lost() -> None:
    store = Interrupted(3, lambda one: replace(one, queries=one.queries + 1))
    done = freeze(store, ANN, by=ADMIN, reason="why", now=5.0)
    assert (done.state, done.queries) == ("frozen", 3)
    assert len(acts(store)) == 1  # though it took four attempts


def test_who_is_always_too_late_is_told_so() -> None:
    store = Interrupted(10**9, lambda one: replace(one, queries=one.queries + 1))
    with pytest.raises(StoreError, match="others go on"):
        freeze(store, ANN, by=ADMIN, reason="why", now=5.0)


def test_a_store_that_is_down_changes_nothing_and_says_so() -> None:
    store = MemoryStore()
    store.down = True
    with pytest.raises(StoreError):
        freeze(store, ANN, by=ADMIN, reason="why", now=5.0)
    store.down = False
    assert store.notes(KIND) == []


def test_no_freeze_without_its_record(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()

    def full(work: object) -> None:
        raise StoreError("the store", "the disk is full", "Free some")

    monkeypatch.setattr(store, "commit", full)
    with pytest.raises(StoreError):
        freeze(store, ANN, by=ADMIN, reason="why", now=5.0)
    assert store.notes(KIND) == []


def test_many_at_once_lose_no_update(tmp_path: Path) -> None:
    def count() -> None:
        store = Sqlite(tmp_path / "store.db")
        for _ in range(25):
            changed(store, ANN, lambda one: replace(one, queries=one.queries + 1))
        store.close()

    threads = [threading.Thread(target=count) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    store = Sqlite(tmp_path / "store.db")
    assert standing.standing(store, ANN).queries == 100
    store.close()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00",
        msgspec.msgpack.encode(Standing(BOB)),
        msgspec.msgpack.encode([ANN, "", 0, 0, [], 0.0, 0, 0, "new"]),
    ],
)
def test_a_standing_that_cannot_be_read_is_a_frozen_one(content: bytes) -> None:
    found = standing.read(Note(KIND, ANN, content, 1))
    assert (found.principal, found.state) == (ANN, "frozen")


def test_a_standing_of_an_older_version_is_read() -> None:
    assert standing.read(Note(KIND, ANN, msgspec.msgpack.encode([ANN, "partner"]), 1)) == Standing(
        ANN, "partner"
    )


def test_callers_are_named_by_the_beginning_of_their_tokens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(standing, "PORTION", 2)
    store, near = MemoryStore(), ANN[:8] + b"n" * 8
    put(store, *(Standing(one, "partner") for one in (EVE, BOB, near, ANN)))
    assert {one.principal for one in every(store)} == {ANN, BOB, EVE, near}
    assert named(store, f" {BOB.hex()[:8].upper()} ") == BOB
    assert named(store, near.hex()[:18]) == near
    unseen = "0f" * 16
    assert named(store, unseen) == bytes.fromhex(unseen)
    for typed, found in (
        (ANN.hex()[:16], "2 callers' tokens"), ("0" * 8, "no callers' tokens"),
        (ANN.hex()[:7], "no token"), (ANN.hex() + "0", "no token"), ("g" * 32, "no token"),
        ("-" + "0" * 31, "no token"), ("", "no token"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=found):
            named(store, typed)


def test_what_is_told_names_nobody() -> None:
    shown = told(Standing(ANN, "partner", state="slow"))
    assert shown["caller"] == ANN.hex()
    assert "principal" not in shown
    assert msgspec.json.decode(msgspec.json.encode(shown))["state"] == "slow"


def test_only_free_callers_are_forgotten_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "PORTION", 2)
    store = MemoryStore()
    treated = [Standing(bytes([at]) * 16, state=one) for at, one in enumerate(STATES[1:])]
    fused = Standing(b"f" * 16, fuse=3)
    put(store, Standing(ANN, alerts=2), *treated, fused, Standing(BOB, "partner"))
    before = store.notes(KIND)[-1].at
    assert forget(store, before - 60) == 0
    assert forget(store, before + 60) == 2
    assert {one.principal for one in every(store)} == {one.principal for one in (*treated, fused)}


def test_erasing_a_caller_keeps_that_they_are_frozen_and_nothing_else() -> None:
    store = MemoryStore()
    put(store, Standing(ANN, "partner", 9, 1, (3.0,), 2.0, 4, 3, "frozen", None, "why", 1.0, 2.0),
        Standing(BOB, "partner", 9))  # fmt: skip
    for one in (ANN, BOB, EVE):
        forget_principal(store, one)
    assert list(every(store)) == [Standing(ANN, rung=3, state="frozen", reason="why", since=1.0)]


# As one process knows it -----------------------------------------------------------------------


def look(known: Standings, store: Store) -> None:
    while known.learn(known.read(store)):
        pass


def test_a_replica_learns_what_another_one_wrote(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "PORTION", 2)
    store, heard = MemoryStore(), list[Standing]()
    known = Standings(heard.append)
    put(store, *(Standing(bytes([place]) * 16, state="coarse") for place in range(5)))
    look(known, store)
    assert [one.principal[0] for one in heard] == [0, 1, 2, 3, 4]
    freeze(store, ANN, by=ADMIN, reason="why", now=1.0)
    assert known.of(ANN) is None
    look(known, store)
    found = known.of(ANN)
    assert found is not None
    assert found.state == "frozen"
    release(store, ANN, by=ADMIN, reason="fine", now=2.0)
    look(known, store)
    assert known.of(ANN) is None
    assert len(heard) == 7  # each change once
    assert known.read(store) == []


def test_only_those_are_kept_against_whom_there_is_something() -> None:
    store, known = MemoryStore(), Standings()
    put(store, Standing(ANN, queries=100), Standing(BOB, alerts=1), Standing(EVE, state="slow"))
    look(known, store)
    assert [known.latest(one).queries for one in (ANN, BOB)] == [0, 0]  # the store knows
    assert known.latest(BOB).alerts == 1
    assert [known.of(one) is None for one in (ANN, BOB, EVE)] == [True, True, False]


def test_memory_is_bounded_and_who_is_not_free_is_never_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(standing, "KEPT", 10)
    known = Standings()
    notes = []
    for place in range(200):
        state: State = "frozen" if place % 20 == 0 else "free"
        one = Standing(place.to_bytes(16), alerts=1, state=state)
        notes.append(Note(KIND, one.principal, standing.packed(one), place + 1))
    known.learn(notes)
    frozen = [place for place in range(200) if known.of(place.to_bytes(16)) is not None]
    assert frozen == list(range(0, 200, 20))
    assert sum(known.latest(place.to_bytes(16)).alerts for place in range(200)) == 10 + 10


def test_what_is_in_force_here_is_not_undone_by_an_older_note() -> None:
    store, known = MemoryStore(), Standings()
    put(store, Standing(ANN, alerts=1))
    older = known.read(store)
    known.presume(Standing(ANN, alerts=2, state="coarse"))
    known.learn(older)
    assert known.of(ANN) is not None
    put(store, Standing(ANN, alerts=2, state="coarse"))
    known.settle(Standing(ANN, alerts=2, state="coarse"), store.notes(KIND)[-1].version)
    known.learn(older)  # a look that began before
    assert known.of(ANN) is not None
    release(store, ANN, by=ADMIN, reason="fine", now=2.0)
    look(known, store)
    assert known.of(ANN) is None
    assert known._floor == known._waiting == {}


def test_a_stricter_note_counts_at_once() -> None:
    store, known = MemoryStore(), Standings()
    known.presume(Standing(ANN, alerts=1, state="coarse"))
    freeze(store, ANN, by=ADMIN, reason="why", now=1.0)
    look(known, store)
    found = known.of(ANN)
    assert found is not None
    assert found.state == "frozen"


def test_two_changes_on_their_way_are_both_waited_for() -> None:
    known = Standings()
    known.presume(Standing(ANN, alerts=1, fuse=9))
    known.presume(Standing(ANN, alerts=1, fuse=5))
    known.settle(Standing(ANN, alerts=1, fuse=9), 1)
    assert known.latest(ANN).fuse == 5
    known.settle(Standing(ANN, alerts=1, fuse=4), 2)
    assert known.latest(ANN).fuse == 4

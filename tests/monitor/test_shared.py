"""The index in the store: each entry of the journal once, whoever folds it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from reticent.errors import StoreError
from reticent.event import WHOLE, Act, Alert, Erasure, QueryEvent
from reticent.monitor import shared
from reticent.monitor.index import Account, Cursor, Sums
from reticent.monitor.shared import CURSOR, KIND, Folded, Linker, Shared, forget, forget_principal
from reticent.store import Block, Note, Sighting, Store, Work
from reticent.stores.sqlite import Sqlite
from stored import MemoryStore

from .sweepers import Row, colluding, event, events, honest, token, with_part, within

packed = msgspec.msgpack.encode
Opens = Callable[[], Store]


@pytest.fixture(params=["memory", "sqlite"])
def opens(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opens]:
    """Opens one store, as several replicas do."""
    memory, opened = MemoryStore(), []

    def one() -> Store:
        store: Store = memory if request.param == "memory" else Sqlite(tmp_path / "store.db")
        opened.append(store)
        return store

    yield one
    for store in opened:
        store.close()


def journal(store: Store, made: Iterable[object]) -> None:
    for some in made:
        store.commit(Work([packed(some)]))


def whole(store: Store, **how: int) -> list[Folded]:
    """Fold all that there is."""
    index, done = Shared(store), []
    while (folded := index.fold(**how)).entries:
        done.append(folded)
        index.look()
    return done


def account(store: Store, who: str) -> Account | None:
    note = store.note(KIND, token(who))
    return None if note is None else msgspec.msgpack.decode(note.content, type=Account)


def cursor(store: Store) -> Cursor:
    note = store.note(*CURSOR)
    assert note is not None
    return msgspec.msgpack.decode(note.content, type=Cursor)


def everything(store: Store, rows: Iterable[Row]) -> tuple[object, ...]:
    """What the index knows, without the versions of its notes."""
    notes = {note.key: note.content for note in store.notes(KIND)}
    seen = store.sightings([token("s", record) for _, record, _ in rows])
    return notes, {(one.record, one.value): one for one in seen}, cursor(store)


ROWS: list[Row] = [(f"attacker-{(r + v) % 7}", r, v) for r in range(40) for v in (0, 1)]
REST: list[Row] = [(f"honest-{r // 9}", 100 + r, 0) for r in range(90)]


def test_the_journal_is_folded_in_portions_each_entry_once(opens: Opens) -> None:
    store, other = opens(), MemoryStore()
    for one in (store, other):
        journal(one, events(ROWS))
    assert [folded.entries for folded in whole(store, rows=7)] == [7] * 11 + [3]
    assert [folded.entries for folded in whole(other)] == [80]
    assert cursor(store).next == 80
    notes, seen, _ = everything(store, ROWS)
    assert len(seen) == 80  # type: ignore[arg-type]
    assert (notes, seen) == everything(other, ROWS)[:2]
    assert whole(store) == []
    journal(store, events(REST))
    assert [folded.entries for folded in whole(store)] == [90]


def test_a_restart_goes_on_where_the_last_one_ended(opens: Opens) -> None:
    store = opens()
    journal(store, events(ROWS))
    for _ in range(3):  # each time a new process
        Shared(store).fold(rows=20)
    again = opens()
    assert cursor(again).next == 60
    whole(again)
    found = account(again, "attacker-3")
    assert found is not None
    whole_of = found.courses["s"].whole
    assert (found.rows, whole_of.asked, whole_of.completed) == (12, 12, 12)


def test_what_counts_and_what_does_not(opens: Opens) -> None:
    store = opens()
    plain = event("a", [(1, 0)])
    journal(store, [
        with_part(plain, "status", 429), with_part(with_part(plain, "rows", 0), "sketches", b""),
        event("auditor", [(1, 1)], auditor=True), event("analyst", [(1, 2)], role="analyst"),
        event("", [(1, 3)], principal=b""), event("w", [(9, 0)], columns=(WHOLE,)),
        Erasure(1.0, 1, 1.0, "r"), Act(1.0, b"", b"", "freeze", "why"),
    ])  # fmt: skip
    store.commit(Work([b"\xc1 no entry at all"]))
    index = Shared(store, ["analyst"])
    assert index.fold() == Folded(9)
    assert [note.key for note in store.notes(KIND)] == [token("a")]
    assert [one.principal for one in store.sightings([token("s", 1), token("s", 9)])] == [
        token("a")
    ]
    refused = account(store, "a")
    assert refused is not None
    assert refused.rows == 1  # an attacker learns of a refusal too


def test_an_erased_entry_is_skipped(opens: Opens) -> None:
    store = opens()
    journal(store, [*events(ROWS[:4]), *events(REST[:2])])
    assert store.erase(lambda one: token("attacker-0") in one, 1e12) > 0
    whole(store)
    assert account(store, "attacker-0") is None
    assert account(store, "honest-0") is not None
    assert cursor(store).next == 6


def test_of_several_replicas_one_folds_and_none_counts_twice(opens: Opens) -> None:
    store = opens()
    journal(store, events([*ROWS, *REST]))
    expected = MemoryStore()
    journal(expected, events([*ROWS, *REST]))
    whole(expected)
    replicas = [Shared(opens()) for _ in range(3)]
    lost = []

    def work(index: Shared) -> None:
        while True:
            index.look()
            folded = index.fold(rows=5)
            lost.append(folded.lost)
            if not (folded.entries or folded.lost):
                return

    threads = [threading.Thread(target=work, args=(index,)) for index in replicas]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert everything(store, [*ROWS, *REST]) == everything(expected, [*ROWS, *REST])


class Racing(MemoryStore):
    """A store in which another replica is quicker, once."""

    def __init__(self) -> None:
        super().__init__()
        self.other: Shared | None = None

    def sightings(self, records: object) -> list[Sighting]:
        other, self.other = self.other, None
        if other is not None:
            assert other.fold().entries
        return super().sightings(records)  # type: ignore[arg-type]


def test_who_was_slower_writes_nothing() -> None:
    store = Racing()
    journal(store, events(ROWS))
    index, store.other = Shared(store), Shared(store)
    assert index.fold() == Folded(0, lost=True)
    found = account(store, "attacker-0")
    assert found is not None
    assert found.courses["s"].whole.asked == found.rows
    journal(store, events(REST))
    assert index.fold() == Folded(90)


def test_a_store_that_fails_loses_nothing() -> None:
    store = MemoryStore()
    journal(store, events(ROWS))
    index = Shared(store)
    store.down = True
    with pytest.raises(StoreError):
        index.fold()
    store.down = False
    assert index.fold() == Folded(80)


def test_a_write_that_fails_counts_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    journal(store, events(ROWS[:40]))
    index = Shared(store)
    index.fold()
    index.look()
    journal(store, events(ROWS[40:]))

    def full(notes: object, sightings: object = ()) -> bool:
        raise StoreError("the store", "the disk is full", "Free some space")

    with monkeypatch.context() as patched:
        patched.setattr(store, "write", full)
        with pytest.raises(StoreError):
            index.fold()
    assert index.fold() == Folded(40)
    found = account(store, "attacker-3")
    assert found is not None
    assert found.rows == found.courses["s"].whole.asked == 12


def test_an_account_that_went_is_begun_anew(opens: Opens) -> None:
    store = opens()
    journal(store, events(ROWS))
    index = Shared(store)
    index.fold()
    index.look()
    store.drop(KIND, [token("attacker-1")])
    journal(store, events([("attacker-1", 900, 0)]))
    assert index.fold() == Folded(0, lost=True)
    assert index.fold() == Folded(1)
    found = account(store, "attacker-1")
    assert found is not None
    assert found.rows == 1


def test_linked_accounts_are_named_once_over_all_replicas(opens: Opens) -> None:
    store = opens()
    journal(store, events([*REST, *ROWS]))
    first, second = Linker(opens()), Linker(opens())
    (alert,) = first.round(100.0)
    assert len(alert.others) == 6
    assert (alert.at, alert.detector) == (100.0, "linked")
    assert second.round(101.0) == first.round(101.0) == Linker(opens()).round(102.0) == []
    found = account(store, "attacker-1")
    assert found is not None
    assert found.named == 100.0


def test_a_round_reads_no_more_than_it_may(opens: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    """Catching up takes several rounds, in none of which an account is named too early."""
    monkeypatch.setattr(shared, "ROUND", 2)
    monkeypatch.setattr(shared, "ROWS", 20)
    store = opens()
    journal(store, events([*REST, *ROWS]))
    linker, rounds = Linker(store), []
    while cursor_or(store) < len(REST) + len(ROWS):
        rounds.append(linker.round(1.0))
        assert cursor_or(store) <= 40 * len(rounds)
    assert len(rounds) == 5
    monkeypatch.setattr(shared, "PORTION", 3)  # a new process has 17 accounts to read
    late = Linker(store)
    assert [late._index.look() for _ in range(3)] == [False, False, True]


def cursor_or(store: Store) -> int:
    return 0 if store.note(*CURSOR) is None else cursor(store).next


def test_a_group_that_grows_is_told_again(opens: Opens) -> None:
    store = opens()
    journal(store, events([*REST, *ROWS]))
    linker = Linker(store)
    (alert,) = linker.round(100.0)
    known = {alert.caller, *alert.others}
    one_more: list[Row] = [("attacker-new", r, 2) for r in range(0, 40, 4)]
    journal(store, events(one_more))
    (again,) = linker.round(101.0)  # one in eight of them is new
    assert again.caller == token("attacker-new")
    assert set(again.others) == known
    journal(store, events([("attacker-late", r, 3) for r in range(1, 40, 4)]))
    assert linker.round(102.0) == []  # one in nine: in a minute
    assert linker.round(160.0) == []
    (later,) = linker.round(162.0)
    assert later.caller == token("attacker-late")
    assert linker.round(1_000.0) == []


def test_an_erased_account_is_not_named(opens: Opens) -> None:
    store = opens()
    journal(store, events([*REST, *ROWS]))
    linker = Linker(store)
    linker._index.fold()
    linker._index.look()
    forget_principal(store, token("attacker-2"))
    assert linker.round(1.0) == []  # it was still at hand, and could not be claimed
    (alert,) = linker.round(2.0)
    assert token("attacker-2") not in (alert.caller, *alert.others)
    assert len(alert.others) == 5


def test_a_forgotten_principal_leaves_no_trace(opens: Opens) -> None:
    store, gone = opens(), token("attacker-2")
    journal(store, events([*ROWS, *REST]))
    whole(store)
    judged = cursor(store).judged
    forget_principal(store, gone)
    assert cursor(store).judged == cursor(store).columns["s"].judged == judged - 1
    assert not any(gone in note.content or gone == note.key for note in store.notes(KIND))
    seen = store.sightings([token("s", record) for _, record, _ in ROWS])
    assert seen
    assert gone not in {one.principal for one in seen}
    forget_principal(store, gone)  # and again
    assert cursor(store).judged == judged - 1


def test_who_folds_while_a_principal_is_erased_reads_anew() -> None:
    store = Racing()
    journal(store, events(ROWS))
    gone = token("attacker-2")

    class Erasing(Shared):
        def fold(self, rows: int = 0) -> Folded:
            store.erase(lambda one: gone in one, 1e12)
            forget_principal(store, gone)
            return Folded(1)

    index, store.other = Shared(store), Erasing(store)
    assert index.fold() == Folded(0, lost=True)
    index.fold()
    assert store.note(KIND, gone) is None
    assert store.sightings([token("s", r) for r in range(40)])
    assert gone not in {
        one.principal for one in store.sightings([token("s", r) for r in range(40)])
    }


def test_accounts_are_forgotten_after_their_time(opens: Opens) -> None:
    store = opens()
    journal(store, events(REST))
    whole(store)
    now = max(note.at for note in store.notes(KIND))
    assert forget(store, now - 60) == 0
    assert cursor(store).judged == 10
    assert forget(store, now + 60) == 10
    assert store.notes(KIND) == []
    assert (cursor(store).judged, cursor(store).columns) == (0, {"s": Sums()})
    assert Linker(store).round(1.0) == []


def test_it_is_found_in_traffic_as_it_comes(opens: Opens) -> None:
    """Ten accounts, k = 3, among 60 honest ones: all are named by the end, and nobody else."""
    rng, store = np.random.default_rng(1), opens()
    people, truth = np.arange(300), rng.integers(0, 3, 300)
    sweep = colluding(rng, people, 10, 3, 24)
    rows = within(rng, sweep, list(honest(rng, people, 60, truth)), 0.3)
    linker, alerts = Linker(store), list[Alert]()
    for start in range(0, len(rows), 100):
        journal(store, events(rows[start : start + 100]))
        alerts += linker.round(float(start))
    found = {one for alert in alerts for one in (alert.caller, *alert.others)}
    assert found == {token(f"attacker-{one}") for one in range(10)}
    assert len(alerts) <= 10


def test_a_million_callers_with_one_query_each_stay_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In small: what is at hand is bounded, and what is not there is read from the store."""
    monkeypatch.setattr(shared, "CACHED", 10)
    store, index = MemoryStore(), None
    journal(store, events([(f"caller-{n}", n, 0) for n in range(100)]))
    index = Shared(store)
    index.fold()
    index.look()
    assert len(index._others) == 10
    journal(store, events([("caller-3", 500, 0)]))
    index.fold()
    found = account(store, "caller-3")
    assert found is not None
    assert found.rows == 2


def test_a_block_of_many_entries_is_read_from_its_middle(opens: Opens) -> None:
    store = opens()
    store.commit(Work([packed(one) for one in events(ROWS)]))
    blocks: list[Block] = list(store.blocks())
    assert len(blocks) == 1
    assert [folded.entries for folded in whole(store, rows=30)] == [30, 30, 20]


def test_an_event_of_many_rows_is_folded_whole(opens: Opens) -> None:
    store = opens()
    big: QueryEvent = event("batch", [(r, 0) for r in range(3_000)])
    journal(store, [big, *events(ROWS[:3])])
    assert [folded.entries for folded in whole(store)] == [1, 3]
    found = account(store, "batch")
    assert found is not None
    assert found.courses["s"].whole.asked == 3_000


def test_a_note_that_others_go_on_writing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    monkeypatch.setattr(store, "write", lambda notes, sightings=(): False)
    with pytest.raises(StoreError, match="others go on writing it"):
        forget_principal(store, token("a"))
    assert store.note(*CURSOR) is None
    assert isinstance(Note(*CURSOR, b""), Note)

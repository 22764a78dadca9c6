"""What every store promises, on each of them."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reticent.errors import StoreError
from reticent.store import GENESIS, Done, Erased, Head, KeyRecord, Store, Trial, Want, Work

from .journal import journal

Opened = Callable[[], Store]


def test_an_empty_store(store: Store) -> None:
    assert store.head() == Head() == Head(0, bytes(32))
    assert list(store.blocks()) == []
    assert (store.keys(), store.key("x"), store.checkpoints()) == ([], None, [])
    assert store.used("a", 0) == 0
    assert store.erase(lambda _: True, time.time()) == 0


def test_entries_are_chained_and_read_by_whoever_opens_it(opened: Opened) -> None:
    one, other = opened(), opened()
    assert one.commit(Work([b"a", b"b"])) == Done()
    assert one.commit(Work([b"c"])) == Done()
    assert other.commit(Work([b""])) == Done()
    one.commit(Work([b"d" * 100_000]))  # this place is taken: `one` has to look again
    other.commit(Work([b"e"]))
    for store in (one, other):
        assert journal(store) == [b"a", b"b", b"c", b"", b"d" * 100_000, b"e"]
        assert [block.first for block in store.blocks()] == [0, 2, 3, 4, 5]
    by_hand = GENESIS
    for entry in (b"a", b"b"):
        by_hand = hashlib.sha256(by_hand + hashlib.sha256(entry).digest()).digest()
    assert next(one.blocks()).head == by_hand
    assert abs(next(one.blocks()).at - time.time()) < 60


def test_blocks_begin_with_the_one_that_holds_the_entry(store: Store) -> None:
    for _ in range(150):  # more than one portion
        store.commit(Work([b"x"] * 3))
    assert [block.first for block in store.blocks()] == list(range(0, 450, 3))
    assert [block.first for block in store.blocks(445)] == [444, 447]
    assert [block.first for block in store.blocks(447)] == [447]
    assert list(store.blocks(450)) == []
    assert list(store.blocks(10**6)) == []


def test_leases_end_with_the_limit(store: Store) -> None:
    def want(least: int, most: int, limit: int = 100, window: int = 60) -> int:
        return store.commit(Work(wants=[Want("p", window, limit, least, most)])).granted[0]

    assert want(1, 64) == 64
    assert want(40, 64) == 0  # only 36 are left: refused whole, nothing spent
    assert store.used("p", 60) == 64
    assert want(1, 64) == 36
    assert want(1, 1) == 0
    assert want(1, 64, window=120) == 64
    assert want(1, 64, limit=10) == 0  # the limit was lowered below what is used
    assert (store.used("p", 60), store.used("p", 120)) == (100, 64)


def test_several_wishes_of_one_account_add_up(store: Store) -> None:
    wish = Want("p", 0, 10, 2, 4)
    assert store.commit(Work(wants=[wish, Want("q", 0, 3, 1, 9), wish, wish])).granted == (
        4, 3, 4, 2,
    )  # fmt: skip
    assert (store.used("p", 0), store.used("q", 0)) == (10, 3)


def test_giving_back_and_forgetting(store: Store) -> None:
    store.commit(Work(wants=[Want("p", 60, 10, 1, 8), Want("p", 120, 10, 1, 8)]))
    store.give_back("p", 60, 3)
    assert store.used("p", 60) == 5
    store.give_back("p", 60, 100)
    store.give_back("nobody", 60, 1)
    assert (store.used("p", 60), store.used("nobody", 60)) == (0, 0)
    store.forget(120)
    assert (store.used("p", 60), store.used("p", 120)) == (0, 8)


def test_the_first_values_are_told_again_and_again(store: Store) -> None:
    def told(*values: bytes, principal: bytes = b"p", limit: int = 2) -> tuple[bool, ...]:
        return store.commit(Work(trials=[Trial(principal, b"r", v, limit) for v in values])).allowed

    assert told(b"1", b"2", b"3", b"1") == (True, True, False, True)
    assert told(b"3", b"2") == (False, True)
    assert told(b"3", principal=b"q") == (True,)
    assert told(b"3", limit=3) == (True,)
    assert told(b"9", limit=0) == (False,)
    store.forget_principal(b"p")
    assert told(b"4", b"5", b"1") == (True, True, False)
    assert told(b"3", b"4", b"5", principal=b"q") == (True, True, False)


def test_one_transaction_does_all_of_it(store: Store) -> None:
    work = Work([b"e"], [Want("p", 0, 5, 1, 9)], [Trial(b"p", b"r", b"v", 1)])
    assert store.commit(work) == Done((5,), (True,))
    assert journal(store) == [b"e"]
    assert store.commit(work) == Done((0,), (True,))
    assert journal(store) == [b"e", b"e"]


def test_a_piece_of_work_that_fails_changes_nothing(store: Store) -> None:
    store.commit(Work([b"e"]))
    wish, trial = Want("p", 0, 5, 1, 9), Trial(b"p", b"r", b"v", 0)
    for bad in (  # a text is no entry
        Work([b"f", "f"]),  # type: ignore[list-item]
        Work([b"f", "f"], [wish], [trial]),  # type: ignore[list-item]
        Work([b"f"], [wish, Want("q", 2**70, 5, 1, 9)]),
    ):
        with pytest.raises((TypeError, OverflowError, StoreError)):
            store.commit(bad)
        assert (store.used("p", 0), journal(store)) == (0, [b"e"])
    assert store.commit(Work([b"f"], [Want("p", 0, 5, 1, 9)])).granted == (5,)
    assert journal(store) == [b"e", b"f"]


def test_erased_entries_leave_their_hash(store: Store) -> None:
    store.commit(Work([b"ann 1", b"bob 1"]))
    store.commit(Work([b"bob 2"]))
    store.commit(Work([b"ann 2", b"ann 3"]))
    before = store.head()
    hashed = {e: Erased(hashlib.sha256(e).digest()) for e in (b"ann 1", b"ann 2", b"ann 3")}
    assert store.erase(lambda entry: entry.startswith(b"ann"), 0) == 0  # all are newer
    assert store.erase(lambda entry: entry.startswith(b"ann"), time.time() + 1) == 3
    assert journal(store) == [
        hashed[b"ann 1"], b"bob 1", b"bob 2", hashed[b"ann 2"], hashed[b"ann 3"],
    ]  # fmt: skip
    assert store.head() == before
    assert store.erase(lambda entry: entry.startswith(b"ann"), time.time() + 1) == 0
    store.commit(Work([b"bob 3"]))
    assert journal(store, 5) == [b"bob 3"]


def test_erasing_goes_through_all_of_it(store: Store) -> None:
    for i in range(150):
        store.commit(Work([b"%d" % i, b"kept"]))
    assert store.erase(lambda entry: entry != b"kept", time.time() + 1) == 150
    assert {e for e in journal(store) if isinstance(e, bytes)} == {b"kept"}


def test_keys(store: Store) -> None:
    old = KeyRecord(id="b", hash=b"h", role="r", principal="p", created=1.0)
    new = KeyRecord(id="a", hash=b"i", role="r", principal="p", created=2.0, auditor=True)
    versions = [store.version()]
    for record in (new, old, msgspec.structs.replace(old, revoked=3.5)):
        store.save_key(record)
        versions.append(store.version())
    assert versions == sorted(set(versions))
    assert store.keys() == [msgspec.structs.replace(old, revoked=3.5), new]
    assert store.key("b") == store.keys()[0]
    assert store.key("c") is None


def test_keys_are_read_in_portions(store: Store) -> None:
    first = KeyRecord(id="", hash=b"h", role="r", principal="p", created=0.0)
    made = [
        msgspec.structs.replace(first, id=f"k{place}", created=float(place // 2))
        for place in range(7)
    ]
    for one in reversed(made):
        store.save_key(one)
    assert store.keys() == made
    assert store.keys(3) == made[:3]
    assert store.keys(3, made[2]) == made[3:6]
    assert store.keys(3, made[6]) == []
    assert store.keys(after=made[0]) == made[1:]


def test_another_replica_sees_a_key_at_once(opened: Opened) -> None:
    one, other = opened(), opened()
    before = one.version()
    other.save_key(KeyRecord(id="a", hash=b"i", role="r", principal="p", created=2.0))
    assert one.version() > before
    assert one.key("a") is not None


def test_checkpoints(store: Store) -> None:
    for count in (5, 5, 9):
        store.save_checkpoint(count, b"signed %d" % count)
    assert store.checkpoints() == [b"signed 5", b"signed 5", b"signed 9"]


def test_closed_twice_and_opened_by_the_next_call(store: Store) -> None:
    store.commit(Work([b"a"]))
    store.close()
    store.close()
    store.commit(Work([b"b"]))
    assert journal(store) == [b"a", b"b"]


def test_nothing_to_do_is_a_proof_that_it_can_be_written(store: Store) -> None:
    assert store.commit(Work()) == Done()
    assert journal(store) == []


def test_many_threads_never_pass_a_limit(opened: Opened) -> None:
    stores = [opened() for _ in range(3)]

    def spend(place: int) -> int:
        wants = [Want("p", 0, 1000, 1, 7), Want("all", 0, 1500, 1, 7)]
        trials = [Trial(b"p", b"r", b"%d" % place, 5)]
        done = stores[place % 3].commit(Work([b"%d" % place], wants, trials))
        return done.granted[0] + 10_000 * done.granted[1] + 10**9 * done.allowed[0]

    with ThreadPoolExecutor(8) as threads:
        sums = sum(threads.map(spend, range(240)))
    assert (sums % 10_000, sums // 10_000 % 100_000, sums // 10**9) == (1000, 1500, 5)
    assert stores[0].used("p", 0) == 1000
    assert len(journal(stores[0])) == 240


wants = st.lists(
    st.builds(
        Want, st.sampled_from("ab"), st.sampled_from([0, 60]), st.integers(0, 30),
        st.integers(1, 5), st.integers(5, 12),
    ),
    max_size=6,
)  # fmt: skip


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(works=st.lists(wants, max_size=5))
def test_no_sequence_of_wishes_passes_its_limit(store: Store, works: list[list[Want]]) -> None:
    store.forget(1000)
    highest: dict[tuple[str, int], int] = {}
    for wishes in works:
        for want, rows in zip(wishes, store.commit(Work([], wishes)).granted, strict=True):
            assert rows == 0 or want.least <= rows <= want.most
            account = (want.account, want.window)
            used = highest.get(account, 0) + rows
            assert rows == 0 or used <= want.limit
            assert rows > 0 or want.limit - used < want.least
            highest[account] = used
    for account, used in highest.items():
        assert store.used(*account) == used

"""What is left of a caller after retention, and after a person asked to be erased."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reticent.errors import StoreError
from reticent.event import Act, Alert, Erasure, QueryEvent
from reticent.gateway import erasing
from reticent.gateway.erasing import erased
from reticent.gateway.journal import checkpoint, entry, read, verify
from reticent.monitor.shared import Linker
from reticent.monitor.standing import Standing, freeze, standing
from reticent.store import Erased, Note, Sighting, Store, Work
from reticent.stores.sqlite import Sqlite
from stored import MemoryStore

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ANN, BOB, KIM = b"Ann the principal"[:16], b"B" * 16, b"K" * 16
LATER = 2.0**40
DAY = 86_400.0
packed = msgspec.msgpack.encode


def event(place: int, principal: bytes) -> bytes:
    """A row of the record 0 with a value of its own."""
    sketch = bytes(16) + place.to_bytes(16, "big")
    return entry(
        QueryEvent(float(place), 200, principal, b"s" * 16, "r", "m", "c", 1, 1, ("x",), sketch)
    )


def alert(name: str, caller: bytes, *others: bytes) -> Note:
    said = Alert(
        id=name, caller=caller, query=0, detector="d", reason="r", promise="p", others=others
    )
    return Note("alert", name.encode(), packed(said))


def lived(store: Store) -> None:
    """Whatever is kept of callers."""
    asked = [event(place, (ANN, BOB)[place % 2]) for place in range(12)]
    acts = [entry(Act(1.0, KIM, who, "freeze", "it sweeps")) for who in (ANN, BOB)]
    store.commit(Work([*asked, *acts, entry(Act(1.0, ANN, KIM, "release", "a mistake"))]))
    Linker(store).round(20.0)
    assert store.write([
        alert("1", ANN), alert("2", BOB), alert("3", BOB, KIM, ANN), alert("4", KIM, BOB),
        *(Note("standing", who, packed(Standing(who, queries=6, score=0.5))) for who in (ANN, BOB)),
        *(Note("session", b"role/" + who, b"") for who in (ANN, BOB)),
    ])  # fmt: skip


def entries(store: Store) -> list[Any]:
    found = [one for block in store.blocks() for one in block.entries]
    return [None if isinstance(one, Erased) else read(one) for one in found]


def keys(store: Store, kind: str) -> list[bytes]:
    return sorted(note.key for note in store.notes(kind))


def test_erasing_one_principal_leaves_the_chain_whole(tmp_path: Path) -> None:
    store = Sqlite(tmp_path / "store.db")
    store.commit(Work([event(0, ANN), event(1, BOB), event(2, ANN)]))
    signed = checkpoint(store.head(), KEY, 0.0)
    assert erased(store, LATER, 7.0, "asked for", ANN) == 2
    found = verify(store.blocks(), store.head(), [signed], KEY.public_key())
    assert (found.entries, found.erased, found.problems) == (4, 2, ())
    assert [one is None for one in entries(store)] == [True, False, True, False]
    assert entries(store)[-1] == Erasure(7.0, 2, LATER, "asked for")
    assert erased(store, LATER, 8.0, "retention") == 1  # the erasure itself stays
    assert not verify(store.blocks(), store.head(), [signed], KEY.public_key()).problems
    store.close()


@pytest.mark.parametrize("kind", [MemoryStore, Sqlite])
def test_nothing_bears_the_token_of_who_was_erased(kind: Any, tmp_path: Path) -> None:
    store: Store = kind(*([tmp_path / "store.db"] if kind is Sqlite else []))
    lived(store)
    assert {one.principal for one in store.sightings([bytes(16)])} == {ANN, BOB}
    assert keys(store, "account") == [ANN, BOB]
    assert erased(store, LATER, 7.0, "asked for", ANN) == 7
    left = [one for one in entries(store) if one is not None]
    assert [type(one) for one in left] == [QueryEvent] * 6 + [Act, Act, Erasure]
    assert [one.subject for one in left[6:8]] == [BOB, KIM]  # what she did to others stays
    assert {one.principal for one in left[:6]} == {BOB}
    assert keys(store, "alert") == [b"2", b"3", b"4"]
    linked = store.note("alert", b"3")
    assert linked is not None
    assert msgspec.msgpack.decode(linked.content, type=Alert).others == (KIM,)
    assert keys(store, "standing") == [BOB]
    assert keys(store, "session") == [b"role/" + BOB]
    assert keys(store, "account") == [BOB]
    assert {one.principal for one in store.sightings([bytes(16)])} == {BOB}
    for note in store.notes("account"):
        assert ANN not in note.content
    store.close()


def test_nor_do_the_files(tmp_path: Path) -> None:
    store = Sqlite(tmp_path / "store.db")
    lived(store)
    store.commit(Work([entry(Erasure(0.0, 0, 0.0, "Xanthippe"))]))

    def everywhere() -> bytes:
        return b"".join(part.read_bytes() for part in tmp_path.iterdir())

    assert everywhere().count(ANN) > 5
    erased(store, LATER, 7.0, "asked for", ANN)
    store.close()  # and its log is gone
    assert everywhere().count(ANN) == 1  # as the one who released somebody
    assert b"Xanthippe" in everywhere()


def test_who_is_frozen_stays_frozen() -> None:
    store = MemoryStore()
    freeze(store, ANN, by=KIM, reason="it sweeps", now=5.0)
    erased(store, LATER, 7.0, "asked for", ANN)
    erased(store, LATER, 7.0, "retention")
    assert standing(store, ANN).state == "frozen"
    assert entries(store)[0] is None


def test_retention_forgets_what_is_old_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    store, now = MemoryStore(), time.time()
    lived(store)
    monkeypatch.setattr(time, "time", lambda: now + 10 * DAY)
    store.commit(Work([event(99, KIM)]))
    new = Sighting(b"new", b"v", KIM, 0, now + 10 * DAY)
    standing_of_kim = Note("standing", KIM, packed(Standing(KIM, queries=1)))
    session = Note("session", b"role/" + KIM, b"")
    assert store.write([alert("9", KIM), standing_of_kim, session], [new])
    assert erased(store, now - DAY, now, "retention") == 0  # an hour old, say
    assert [len(keys(store, kind)) for kind in ("alert", "standing", "session")] == [5, 3, 3]
    assert erased(store, now + DAY, now, "retention") == 15
    assert [type(one) for one in entries(store) if one] == [QueryEvent, Erasure]
    assert keys(store, "alert") == [b"9"]
    assert keys(store, "standing") == [KIM]
    assert keys(store, "session") == [b"role/" + KIM]
    assert keys(store, "account") == []
    assert store.sightings([bytes(16), b"new"]) == [new]


def test_an_alert_that_is_written_meanwhile_is_erased_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Busy(MemoryStore):
        """Somebody writes the alert whenever it is about to be written."""

        times = 3

        def write(self, notes: Any, sightings: Any = ()) -> bool:
            if notes and notes[0].kind == "alert" and self.times:
                self.times -= 1
                found = self.note("alert", notes[0].key)
                assert found is not None
                assert super().write([found])
            return super().write(notes, sightings)

    store = Busy()
    assert MemoryStore.write(store, [alert("3", BOB, KIM, ANN)])
    erased(store, LATER, 7.0, "asked for", ANN)
    found = store.note("alert", b"3")
    assert found is not None
    assert ANN not in found.content
    monkeypatch.setattr(erasing, "TRIES", 2)
    store.times = 3
    with pytest.raises(StoreError, match="others go on writing it"):
        erased(store, LATER, 7.0, "asked for", KIM)

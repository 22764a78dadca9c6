"""The journal's chain and its checkpoints: whatever is taken out or changed is found."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reticent.errors import DataError
from reticent.event import QueryEvent
from reticent.gateway.journal import (
    Verified,
    checkpoint,
    entry,
    fingerprint,
    read_checkpoint,
    verify,
)
from reticent.store import GENESIS, Block, Head, Store, Work, linked
from reticent.stores.sqlite import Sqlite

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))


def event(place: int, principal: bytes = b"p" * 16) -> bytes:
    return entry(QueryEvent(float(place), 200, principal, b"s" * 16, "r", "m", "c", 1, 1, (), b""))


def kept(store: Store, *blocks: int) -> None:
    """Commit blocks of so many entries."""
    place = store.head().count
    for size in blocks:
        store.commit(Work([event(place + one) for one in range(size)]))
        place += size


def verified(store: Store, *checkpoints: bytes) -> Verified:
    return verify(store.blocks(), store.head(), checkpoints, KEY.public_key())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Sqlite(tmp_path / "store.db")
    kept(made, 3, 1, 5)
    return made


def test_an_honest_journal_verifies_and_tells_its_tail(store: Store) -> None:
    signed = checkpoint(store.head(), KEY, 0.0)
    kept(store, 2)
    found = verified(store, signed)
    assert (found.entries, found.proven, found.unproven, found.problems) == (11, 9, 2, ())
    assert verified(store).unproven == 11


def test_an_empty_journal_verifies(tmp_path: Path) -> None:
    found = verified(Sqlite(tmp_path / "store.db"))
    assert (found.entries, found.problems) == (0, ())


@pytest.mark.parametrize("place", range(3))
def test_a_changed_or_missing_block_is_found(store: Store, place: int) -> None:
    blocks = list(store.blocks())
    changed = list(blocks)
    entries = [event(99), *changed[place].entries[1:]]
    changed[place] = msgspec.structs.replace(changed[place], entries=tuple(entries))
    for tampered in (changed, [one for at, one in enumerate(blocks) if at != place]):
        assert verify(tampered, store.head(), [], KEY.public_key()).problems


def test_a_head_that_is_not_its_blocks_is_found(store: Store) -> None:
    blocks = list(store.blocks())
    blocks[1] = msgspec.structs.replace(blocks[1], head=bytes(32))
    found = verify(blocks, store.head(), [], KEY.public_key())
    assert found.problems == ("the chain breaks between entries 3 and 3",)


def test_a_rewritten_chain_is_found_by_a_checkpoint_kept_elsewhere(store: Store) -> None:
    signed = checkpoint(store.head(), KEY, 0.0)
    head, blocks = GENESIS, []
    for block in store.blocks():  # the whole chain anew, hashes and all
        entries = (event(99), *block.entries[1:])
        head = linked(head, entries)
        blocks.append(Block(block.first, head, block.at, entries))
    found = verify(blocks, Head(9, head), [signed], KEY.public_key())
    assert found.problems == ("entries before 9 are not those that a checkpoint signed",)
    assert not verify(blocks, Head(9, head), [], KEY.public_key()).problems  # the twin: unseen


def test_a_tail_that_was_cut_off_is_found_by_a_checkpoint(store: Store) -> None:
    signed = checkpoint(store.head(), KEY, 0.0)
    blocks = list(store.blocks())[:-1]
    found = verify(blocks, Head(4, blocks[-1].head), [signed], KEY.public_key())
    assert found.problems == ("5 entries that a checkpoint signed are gone",)
    assert not verify(blocks, Head(4, blocks[-1].head), [], KEY.public_key()).problems


def test_a_foreign_signer_is_called_by_name(store: Store) -> None:
    foreign = checkpoint(store.head(), OTHER, 0.0)
    problem = verified(store, foreign).problems[0]
    assert fingerprint(OTHER.public_key()) in problem
    pretended = msgspec.structs.replace(read_checkpoint(foreign), key=fingerprint(KEY.public_key()))
    assert "false signature" in verified(store, msgspec.json.encode(pretended)).problems[0]


@pytest.mark.parametrize("field", ["count", "head", "at"])
def test_a_changed_checkpoint_is_false(store: Store, field: str) -> None:
    says = read_checkpoint(checkpoint(store.head(), KEY, 0.0))
    wrong = {"count": 8, "head": "0" * 64, "at": "1971-01-01T00:00:00+00:00"}[field]
    changed = msgspec.structs.replace(says, **{field: wrong})
    assert says.signed_by(KEY.public_key())
    assert not changed.signed_by(KEY.public_key())


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format": "x"}', b"[1]", b"\xff"])
def test_what_is_no_checkpoint_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match="this is none"):
        read_checkpoint(content)

"""The journal read as `reticent verify` reads it."""

from __future__ import annotations

from reticent.store import GENESIS, Erased, Head, Store, linked


def journal(store: Store, first: int = 0) -> list[bytes | Erased]:
    """The entries, after the chain has been followed through them."""
    found: list[bytes | Erased] = []
    head, place = GENESIS, 0
    for block in store.blocks():
        assert block.first == place
        head, place = linked(head, block.entries), place + len(block.entries)
        assert block.head == head
        found += block.entries
    assert store.head() == Head(place, head)
    return found[first:]

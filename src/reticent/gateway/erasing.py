"""What is forgotten of callers, by retention or because a person asked for it.

Everything that bears a caller's token goes: journal entries down to their hashes, what the index
saw, alerts, calibration, and how the caller stands. One thing outlasts it all: who is frozen stays
so until somebody says otherwise, or being erased would be the way to go on.
"""

from __future__ import annotations

import msgspec

from reticent.errors import StoreError
from reticent.event import Act, Alert, Erasure
from reticent.gateway.journal import entry, read
from reticent.monitor import shared, standing
from reticent.monitor.standing import notes_of
from reticent.store import Note, Store, Work

ALERT, SESSION = "alert", "session"
TRIES = 100  # to write an alert that others are writing

_alert = msgspec.msgpack.Decoder(Alert).decode


def erased(store: Store, before: float, now: float, rule: str, principal: bytes = b"") -> int:
    """Erase entries from before a time, one principal's or all, and write down that it was done.

    Of a principal everything else goes too, whenever it was written; otherwise what was written
    before that time. What a principal did to others, as an admin, is not erased with it.

    Returns
    -------
    How many entries were erased. Their hashes stay, so that the chain still verifies.
    """

    def chosen(one: bytes) -> bool:
        found = read(one)
        if isinstance(found, Erasure):
            return False
        about = found.subject if isinstance(found, Act) else found.principal
        return not principal or about == principal

    count = store.erase(chosen, before)
    if principal:
        _forget_principal(store, principal)
    else:
        _forget_old(store, before)
    if count:
        store.commit(Work([entry(Erasure(now, count, before, rule))]))
    return count


def _forget_old(store: Store, before: float) -> None:
    """Drop what was last written, seen or asked before a time."""
    store.drop(ALERT, before=before)
    store.drop(SESSION, before=before)
    standing.forget(store, before)
    shared.forget(store, before)
    store.forget_sightings(before)


def _forget_principal(store: Store, principal: bytes) -> None:
    """Drop what bears a principal's token; the old bytes go last, with those of the index."""
    for note in notes_of(store, ALERT):
        if principal in note.content:
            _forget_in(store, note, principal)
    store.drop(SESSION, [note.key for note in notes_of(store, SESSION) if principal in note.key])
    standing.forget_principal(store, principal)
    shared.forget_principal(store, principal)


def _forget_in(store: Store, found: Note, principal: bytes) -> None:
    """Drop an alert about a principal; in one about others the token alone goes."""
    note: Note | None = found
    for _ in range(TRIES):
        if note is None:
            return
        alert = _alert(note.content)
        if alert.caller == principal:
            store.drop(ALERT, [note.key])
            return
        others = tuple(one for one in alert.others if one != principal)
        if others == alert.others:
            return
        less = msgspec.msgpack.encode(msgspec.structs.replace(alert, others=others))
        if store.write([msgspec.structs.replace(note, content=less)]):
            return
        note = store.note(ALERT, note.key)
    raise StoreError("an alert", "others go on writing it", "Try again")

"""The index as all replicas share it: folded out of the journal, kept in the store.

Sightings, accounts and the place up to which the journal was read are written together, by
compare-and-set: where another replica was quicker, nothing is written and nothing counted twice.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

import msgspec

from reticent.errors import StoreError
from reticent.event import WHOLE, Act, Alert, Erasure, QueryEvent
from reticent.monitor import slow
from reticent.monitor.index import Account, Cursor, Index, Sums
from reticent.monitor.link import ALPHA, alert, groups
from reticent.monitor.standing import notes_of
from reticent.store import Erased, Note, Store

KIND = "account"
CURSOR = ("cursor", b"index")
CACHED = 20_000  # accounts of each sort that are at hand; the store knows the others
ROWS = 1_000  # that are folded in one transaction, or one event
ROUND = 10  # transactions in one round
PORTION = 1_000  # notes or records that are read at once
GROWN = 1 / 8  # a group of which so many members are new is named anew at once
PAUSE = 60.0  # seconds after which a smaller change of it is told
TRIES = 100  # to write what others go on writing

Save = Callable[[Alert, Sequence[Note]], bool]  # an alert and notes, all or nothing

packed = msgspec.msgpack.Encoder().encode
_entry = msgspec.msgpack.Decoder(QueryEvent | Erasure | Act).decode
_account = msgspec.msgpack.Decoder(Account).decode
_cursor = msgspec.msgpack.Decoder(Cursor).decode


class Folded(NamedTuple):
    """What came of one transaction: entries read; whether another replica was quicker."""

    entries: int = 0
    lost: bool = False


class Shared:
    """One process's way to the index in a store; one thread at a time.

    Parameters
    ----------
    permitted : roles that may ask sweep-like. Neither their queries nor an auditor's count: they
        would hide the very sweeps that are looked for.

    Attributes
    ----------
    suspects : accounts with completed records, and the versions of their notes.
    slow : accounts that sweep slowly and were not named for it.
    cursor : as read last. seen : the version of the last account that was read.
    """

    def __init__(self, store: Store, permitted: Collection[str] = ()) -> None:
        self._store, self._permitted = store, frozenset(permitted)
        self.cursor = Cursor()
        self.suspects: OrderedDict[bytes, tuple[Account, int]] = OrderedDict()
        self._others: OrderedDict[bytes, tuple[Account, int]] = OrderedDict()
        self.slow: dict[bytes, Account] = {}
        self.seen = 0

    def look(self) -> bool:
        """Read the accounts that changed, so many at most: whether these were all."""
        for _ in range(ROUND):
            some = self._store.notes(KIND, self.seen, PORTION)
            for note in some:
                self._keep(note)
                self.seen = note.version
            if len(some) < PORTION:
                return True
        return False

    def _keep(self, note: Note) -> None:
        self._drop(note.key)
        account = _account(note.content)
        place = self.suspects if account.completed else self._others
        place[note.key] = account, note.version
        if slow.stands_out(account):
            self.slow[note.key] = account
        if len(place) > CACHED:
            self._drop(next(iter(place)))

    def _drop(self, principal: bytes) -> None:
        for of in (self.suspects, self._others, self.slow):
            of.pop(principal, None)

    def _at_hand(self, principal: bytes) -> tuple[Account, int] | None:
        """An account and the version of its note, if it is known here."""
        return self.suspects.get(principal) or self._others.get(principal)

    def refresh(self, principals: Iterable[bytes]) -> None:
        """Read accounts anew, after another replica was quicker or somebody erased them."""
        for principal in principals:
            self._drop(principal)
            note = self._store.note(KIND, principal)
            if note is not None:
                self._keep(note)

    def fold(self, rows: int = ROWS) -> Folded:
        """Fold the next entries of the journal, about so many rows.

        Raises
        ------
        StoreError : nothing was folded.
        """
        note = self._store.note(*CURSOR)
        self.cursor = Cursor() if note is None else _cursor(note.content)
        events, after = self._unread(rows)
        entries = after - self.cursor.next
        if not entries:
            return Folded()
        versions: dict[bytes, int] = {}
        index = Index(self.cursor, lambda principal: self._of(principal, versions))
        wanted = list({record for event in events for column in event.columns
                       for record, _ in event.records(column)})  # fmt: skip
        for start in range(0, len(wanted), PORTION):
            for one in self._store.sightings(wanted[start : start + PORTION]):
                index.records.setdefault(one.record, {})[one.value] = one
        for event in events:
            index.fold(event)
        self.cursor.next = after
        notes = [Note(KIND, principal, packed(account), versions[principal])
                 for principal, account in index.accounts.items()]  # fmt: skip
        notes.append(Note(*CURSOR, packed(self.cursor), 0 if note is None else note.version))
        if self._store.write(notes, list(index.changed.values())):
            return Folded(entries)
        self.refresh(index.accounts)
        return Folded(lost=True)

    def claim(self, alert: Alert, principals: Collection[bytes], save: Save, **mark: float) -> bool:
        """Mark accounts, as named for example, in the very transaction that their alert is in.

        Returns
        -------
        False where another replica was quicker, or they were erased.
        """
        found = {principal: self._at_hand(principal) for principal in principals}
        notes = [
            Note(KIND, principal, packed(msgspec.structs.replace(one[0], **mark)), one[1])
            for principal, one in found.items()
            if one is not None
        ]
        done = len(notes) == len(found) and save(alert, notes)
        self.refresh(principals)
        return done

    def _of(self, principal: bytes, versions: dict[bytes, int]) -> Account:
        """Copy an account, as it is known here or in the store."""
        found = self._at_hand(principal)
        if found is not None:
            versions[principal] = found[1]
            return _account(packed(found[0]))
        note = self._store.note(KIND, principal)
        versions[principal] = 0 if note is None else note.version
        return Account() if note is None else _account(note.content)

    def _unread(self, rows: int) -> tuple[list[QueryEvent], int]:
        """The next events that count, and the number of the entry behind them."""
        events: list[QueryEvent] = []
        after = self.cursor.next
        for block in self._store.blocks(after):
            for entry in block.entries[after - block.first :]:
                if rows <= 0:
                    return events, after
                after += 1
                found = self._event(entry)
                rows -= 1 if found is None else found.rows
                if found is not None:
                    events.append(found)
        return events, after

    def _event(self, entry: bytes | Erased) -> QueryEvent | None:
        """Read an entry, where it counts; one that cannot be read is the journal's to tell."""
        try:
            found = _entry(entry) if isinstance(entry, bytes) else None
        except msgspec.MsgspecError:
            return None
        if not isinstance(found, QueryEvent) or found.columns == (WHOLE,):
            return None
        if found.auditor or found.role in self._permitted:
            return None
        return found if found.principal and found.rows and found.sketches else None


class Linker:
    """Folds the journal and links accounts, round by round; one thread at a time.

    Parameters
    ----------
    save : writes an alert with what follows from it; default: the alert is the caller's to keep.
    permitted : roles that may ask sweep-like. alpha : as in ``link.groups``.
    """

    def __init__(
        self,
        store: Store,
        *,
        save: Save | None = None,
        permitted: Collection[str] = (),
        alpha: float = ALPHA,
    ) -> None:
        self._store, self._permitted = store, permitted
        self._save: Save = (lambda _, notes: store.write(notes)) if save is None else save
        self._alpha = alpha
        self.begin()

    def begin(self) -> None:
        """Know nothing but what the store knows: accounts may have been erased."""
        self._index = Shared(self._store, self._permitted)
        self._judged = -1

    def round(self, now: float) -> list[Alert]:
        """Fold what came since, at most some thousand rows, and name whoever stands out by now.

        Returns
        -------
        Alerts that were saved: about slow sweeps, and groups with members that were not named
        before. No replica raises them too.

        Raises
        ------
        StoreError : what was folded until then stays so.
        """
        index, known = self._index, self._index.look()
        for _ in range(ROUND):
            folded = index.fold(ROWS)
            if folded.lost or not folded.entries:
                break
            known = index.look()
        swept = [slow.alert(caller, account, now) for caller, account in index.slow.items()]
        told = [one for one in swept if index.claim(one, [one.caller], self._save, told=now)]
        if known and index.seen != self._judged:
            told += self._link(now)
        return told

    def _link(self, now: float) -> list[Alert]:
        """Name the groups of accounts that stand out, as far as they were not named."""
        index, told = self._index, list[Alert]()
        accounts = {principal: one for principal, (one, _) in index.suspects.items()}
        later = False
        for group in groups(accounts, index.cursor, alpha=self._alpha):
            fresh = [one for one in group.members if not accounts[one].named]
            last = max(accounts[one].named for one in group.members)
            few = len(fresh) < GROWN * len(group.members) and 0 <= now - last < PAUSE
            if not fresh:
                continue
            found = alert(group, fresh[0], accounts, now, self._alpha)
            if not few and index.claim(found, fresh, self._save, named=now):
                told.append(found)
            else:
                later = True
        if not later:
            self._judged = index.seen
        return told


def forget(store: Store, before: float) -> int:
    """Drop accounts that were last written before a time: how many there were."""
    after = count = 0
    while some := store.notes(KIND, after, PORTION):
        after = some[-1].version
        old = [note for note in some if note.at < before]
        if old:
            _discount(store, [_account(note.content) for note in old])
            count += store.drop(KIND, [note.key for note in old])
    return count


def forget_principal(store: Store, principal: bytes) -> None:
    """Drop what the index knows of an account, and the account among the partners of others.

    Whoever is folding its entries at the moment, read before they were erased, has to read anew.
    What others asked about the same records stays.
    """
    note = store.note(KIND, principal)
    _discount(store, [] if note is None else [_account(note.content)])
    store.drop(KIND, [principal])
    for one in notes_of(store, KIND):
        _leave(store, one, principal)
    store.forget_principal(principal)  # and the old bytes of all that was dropped


def _discount(store: Store, accounts: Iterable[Account]) -> None:
    """Count accounts no longer among those that are judged."""
    gone = list(accounts)

    def step(note: Note | None) -> bytes:
        cursor = Cursor() if note is None else _cursor(note.content)
        cursor.judged -= sum(account.judged for account in gone)
        for account in gone:
            for column, course in account.courses.items():
                if course.judged:
                    cursor.columns.setdefault(column, Sums()).add(course, -1)
        return packed(cursor)

    _changed(store, *CURSOR, step)


def _leave(store: Store, note: Note, partner: bytes) -> None:
    """Take an account out of another one's partners."""

    def step(now: Note | None) -> bytes | None:
        account = Account() if now is None else _account(now.content)
        return packed(account) if account.partners.pop(partner, None) is not None else None

    if partner in note.content:
        _changed(store, note.kind, note.key, step)


def _changed(
    store: Store, kind: str, key: bytes, step: Callable[[Note | None], bytes | None]
) -> None:
    """Change a note, whoever else writes it."""
    for _ in range(TRIES):
        note = store.note(kind, key)
        content = step(note)
        if content is None:
            return
        if store.write([Note(kind, key, content, 0 if note is None else note.version)]):
            return
    raise StoreError("the index", "others go on writing it", "Try again")

"""How callers stand: free, answered more coarsely or more slowly, or frozen.

A standing is a note of the store, which all replicas share. Whoever changes one reads it, and
writes it only where nobody wrote in between: of two who act at once neither is lost. What a person
does is in the journal before it is done.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import msgspec

from reticent.errors import ConfigError, DataError, StoreError
from reticent.event import TOKEN_BYTES, Act
from reticent.store import Note, Store, Work

State = Literal["free", "coarse", "slow", "frozen"]
STATES: tuple[State, ...] = ("free", "coarse", "slow", "frozen")  # each stricter than the last
KIND = "standing"
PORTION = 1_000  # notes that are read at once
KEPT = 100_000  # free callers of whom something is remembered; the others are in the store
TRIES = 100  # to write what another replica goes on writing
SHORTEST = 8  # letters of a token that a person may shorten it to
LONGEST = 500  # letters of a reason


class Standing(msgspec.Struct, frozen=True, array_like=True):
    """How one caller stands.

    Attributes
    ----------
    principal : the caller's token. role : what they came as last.
    queries, refused : rows that were asked, and that were not answered.
    evidence : log wealth of each component of the watch, added up over replicas.
    score : the largest evidence so far; 1 is where an alarm is raised.
    alerts : how many were raised. rung : how often the caller has climbed the ladder.
    state : how they are answered. fuse : rows until a freeze takes hold; None where none is lit.
    reason : of the last change of the state, in words. since : when that was. last : when an
        alert was raised or a row was counted last; both seconds since 1970.
    alarmed : the largest evidence that the allowance was alarmed over: written with the alert, it
        says which evidence was told.
    """

    principal: bytes
    role: str = ""
    queries: int = 0
    refused: int = 0
    evidence: tuple[float, ...] = ()
    score: float = 0.0
    alerts: int = 0
    rung: int = 0
    state: State = "free"
    fuse: int | None = None
    reason: str = ""
    since: float = 0.0
    last: float = 0.0
    alarmed: float = 0.0

    @property
    def treated(self) -> bool:
        """Whether the caller is not simply free."""
        return self.state != "free" or self.fuse is not None

    @property
    def value(self) -> float:
        """The e-value of the evidence as it is now: the mean wealth of all bets."""
        return sum(map(math.exp, self.evidence)) / len(self.evidence) if self.evidence else 1.0

    @property
    def known(self) -> bool:
        """Whether there is anything to remember but how much was asked."""
        return self.treated or bool(self.alerts or self.rung or self.score or any(self.evidence))


packed = msgspec.msgpack.Encoder().encode
_read = msgspec.msgpack.Decoder(Standing).decode
Step = Callable[[Standing], Standing]
Along = Callable[[Standing, Standing], Sequence[Note]]


def read(note: Note) -> Standing:
    """Read a note; one that cannot be read is a frozen caller's: whoever wrote it knew more."""
    try:
        found = _read(note.content)
    except msgspec.MsgspecError:
        found = None
    if found is None or found.principal != note.key:
        return Standing(note.key, state="frozen", reason="the standing cannot be read")
    return found


def standing(store: Store, principal: bytes) -> Standing:
    """How a caller stands; of whom nothing is known is free."""
    note = store.note(KIND, principal)
    return Standing(principal) if note is None else read(note)


def every(store: Store) -> Iterator[Standing]:
    """All standings, those written last at the end."""
    return map(read, notes_of(store, KIND))


def notes_of(store: Store, kind: str) -> Iterator[Note]:
    """All notes of a kind, those written last at the end; read in portions."""
    after = 0
    while some := store.notes(kind, after, PORTION):
        yield from some
        after = some[-1].version


def changed(
    store: Store, principal: bytes, step: Step, along: Along | None = None,
    act: Callable[[Standing, Standing], Act | None] | None = None,
) -> Standing:  # fmt: skip
    """Change how a caller stands: what it is now, whoever wrote last.

    Parameters
    ----------
    step : what it was to what it is to be; called anew where another replica was quicker.
    along : notes that are written with it, all or none. act : what is to stand in the journal
        before it is done; a replica that was quicker may leave one there that came to nothing.

    Raises
    ------
    StoreError : nothing was changed.
    """
    said: set[str] = set()
    for _ in range(TRIES):
        found = tried(store, principal, step, along, act, said)
        if found is not None:
            return found
    raise StoreError("a caller's standing", "others go on writing it", "Try again")


def tried(
    store: Store, principal: bytes, step: Step, along: Along | None = None,
    act: Callable[[Standing, Standing], Act | None] | None = None, said: set[str] | None = None,
) -> Standing | None:  # fmt: skip
    """Change how a caller stands, as ``changed`` does, where nobody writes in between.

    Parameters
    ----------
    said : what stands in the journal of it already.

    Returns
    -------
    How the caller stands then; None: nothing was changed.
    """
    said = set() if said is None else said
    note = store.note(KIND, principal)
    before = Standing(principal) if note is None else read(note)
    after = step(before)
    more = [] if along is None else list(along(before, after))
    if after == before and not more:
        return before
    done = None if act is None else act(before, after)
    if done is not None and done.done not in said:
        store.commit(Work([packed(done)]))
        said.add(done.done)
    version = 0 if note is None else note.version
    own = [Note(KIND, principal, packed(after), version)] if after != before else []
    return after if store.write([*own, *more]) else None


def freeze(store: Store, principal: bytes, *, by: bytes, reason: str, now: float) -> Standing:
    """Refuse a caller everything from now on, on all replicas within a second.

    It is written into the journal; freezing a frozen caller does nothing.

    Parameters
    ----------
    by : token of who does it. reason : in words.

    Raises
    ------
    DataError : no reason, or one that cannot be printed. StoreError : nothing was done.
    """
    words = checked_reason(reason)

    def step(before: Standing) -> Standing:
        if before.state == "frozen":
            return before
        return msgspec.structs.replace(before, state="frozen", fuse=None, reason=words, since=now)

    return changed(store, principal, step, act=_acts(Act(now, by, principal, "freeze", words)))


def release(store: Store, principal: bytes, *, by: bytes, reason: str, now: float) -> Standing:
    """Treat a caller as any other again, with all evidence back at zero; alerts stay counted.

    It is written into the journal; releasing who has nothing against them does nothing.

    Parameters
    ----------
    by : token of who does it. reason : in words.

    Raises
    ------
    DataError : no reason, or one that cannot be printed. StoreError : nothing was done.
    """
    words = checked_reason(reason)

    def step(before: Standing) -> Standing:
        if not (before.treated or before.rung or before.score or any(before.evidence)):
            return before
        return msgspec.structs.replace(
            before, evidence=(), score=0.0, alarmed=0.0, rung=0, state="free", fuse=None,
            reason=words, since=now,
        )  # fmt: skip

    return changed(store, principal, step, act=_acts(Act(now, by, principal, "release", words)))


def _acts(act: Act) -> Callable[[Standing, Standing], Act]:
    return lambda before, after: act  # noqa: ARG005


def checked_reason(typed: str) -> str:
    """Return a person's reason without the space around it.

    Raises
    ------
    DataError : there is none, it is too long, or it holds characters that do not print.
    """
    words = typed.strip()
    found = "it is empty" if not words else ""
    if len(words) > LONGEST:
        found = f"it has {len(words)} letters"
    if not words.isprintable():
        found = "it holds characters that do not print"
    if found:
        raise DataError("the reason", found, f"Say why, in one line of at most {LONGEST} letters")
    return words


def told(one: Standing) -> dict[str, Any]:
    """Say how a caller stands, for people and programs: the token in hex."""
    shown = {"caller": one.principal.hex(), **msgspec.structs.asdict(one)}
    del shown["principal"]
    return shown


def named(store: Store, typed: str) -> bytes:
    """Find the caller whose token begins as typed; a whole one need not have been seen.

    Raises
    ------
    ConfigError : it is no token, or not exactly one caller's begins so.
    """
    text = typed.strip().lower()
    if not set(text) <= set("0123456789abcdef") or not SHORTEST <= len(text) <= 2 * TOKEN_BYTES:
        raise ConfigError(
            "the caller", "what was typed is no token",
            f"Give the token, or its first {SHORTEST} letters or more",
        )  # fmt: skip
    if len(text) == 2 * TOKEN_BYTES:
        return bytes.fromhex(text)
    found = {one.principal for one in every(store) if one.principal.hex().startswith(text)}
    if len(found) != 1:
        raise ConfigError(
            f"the caller {text}", f"{len(found) or 'no'} callers' tokens begin so",
            "Give the whole token",
        )  # fmt: skip
    return found.pop()


def forget(store: Store, before: float) -> int:
    """Drop the standings of free callers that were last written before a time: how many.

    Who is not free stays so until a person says otherwise.
    """
    after = count = 0
    while some := store.notes(KIND, after, PORTION):
        old = [note.key for note in some if note.at < before and not read(note).treated]
        count += store.drop(KIND, old) if old else 0
        after = some[-1].version
    return count


def forget_principal(store: Store, principal: bytes) -> None:
    """Drop what a standing knows of a caller; that they are frozen, say, stays."""

    def step(before: Standing) -> Standing:
        return Standing(
            principal, rung=before.rung, state=before.state, fuse=before.fuse,
            reason=before.reason, since=before.since,
        )  # fmt: skip

    if standing(store, principal).treated:
        changed(store, principal, step)
    else:
        store.drop(KIND, [principal])


class Standings:
    """How callers stand, as one process knows it; as old as its last look at the store.

    Who is not free is never forgotten: there are as many of them as alarms or persons made. Of the
    others those are kept against whom there is anything, the last ``KEPT``.

    Parameters
    ----------
    heard : told of every standing that was changed in the store, here or elsewhere.
    """

    def __init__(self, heard: Callable[[Standing], None] | None = None) -> None:
        self.heard = heard
        self._after = 0
        self._treated: dict[bytes, Standing] = {}
        self._free: OrderedDict[bytes, Standing] = OrderedDict()
        self._waiting: dict[bytes, int] = {}  # changes in force here and not yet in the store
        self._floor: dict[bytes, int] = {}  # versions before which a note is older than we are

    def of(self, principal: bytes) -> Standing | None:
        """How a caller stands who is not simply free; None: they are."""
        return self._treated.get(principal)

    def latest(self, principal: bytes) -> Standing:
        """How a caller stands, as far as is known here."""
        found = self._treated.get(principal) or self._free.get(principal)
        return Standing(principal) if found is None else found

    def read(self, store: Store) -> list[Note]:
        """What was written since the last look, to be learned; at most a portion."""
        return store.notes(KIND, self._after, PORTION)

    def learn(self, notes: Sequence[Note]) -> bool:
        """Take in what was read: whether there may be more."""
        for note in notes:
            self._after = max(self._after, note.version)
            found = read(note)
            if note.version >= self._floor.get(note.key, 0):
                self._floor.pop(note.key, None)
                if note.key not in self._waiting or _stricter(found, self.of(note.key)):
                    self._keep(found)
            if self.heard is not None:
                self.heard(found)
        return len(notes) >= PORTION

    def presume(self, standing: Standing) -> None:
        """Let a change be in force here that is not in the store yet; ``settle`` follows."""
        principal = standing.principal
        self._waiting[principal] = self._waiting.get(principal, 0) + 1
        self._keep(standing)

    def settle(self, standing: Standing, version: int) -> None:
        """Take in what the store says of a change that was presumed.

        Parameters
        ----------
        version : of its note; 0 where there is none.
        """
        principal = standing.principal
        left = self._waiting.get(principal, 1) - 1
        if left:
            self._waiting[principal] = left
            return
        self._waiting.pop(principal, None)
        if version > self._after:
            self._floor[principal] = version
        self._keep(standing)

    def _keep(self, standing: Standing) -> None:
        principal = standing.principal
        if standing.treated:
            self._treated[principal] = standing
            self._free.pop(principal, None)
            return
        self._treated.pop(principal, None)
        if standing.known:
            self._free[principal] = standing
            self._free.move_to_end(principal)
            if len(self._free) > KEPT:
                self._free.popitem(last=False)
        else:
            self._free.pop(principal, None)


def _stricter(one: Standing, other: Standing | None) -> bool:
    return other is None or STATES.index(one.state) > STATES.index(other.state)

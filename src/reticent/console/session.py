"""Who is logged in. A session is a random number in a cookie, and the store never sees it.

From the number three keys are derived: the session's name in the store, the token that every
form bears, and the key that seals the access key it was opened with. So whoever reads the store
can neither take a session over nor learn an access key; any worker of the gateway knows the
session; and the access key is looked up anew at each request: when it is revoked, or its role
changes, the session is over.
"""

from __future__ import annotations

import base64
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from reticent.console.aside import Aside
from reticent.gateway.guard import Call, Guard, RefusedError
from reticent.randomness import subkey
from reticent.store import Note, Store

KIND = "console"
LONGEST = 8 * 3600.0  # seconds
NUMBER = re.compile(r"[A-Za-z0-9_-]{43}")
ONCE = bytes(12)  # a nonce: each sealing key seals one message, ever
MOST_KEY = 8_192  # letters of an access key, or of an identity provider's token


class Session(msgspec.Struct, frozen=True, array_like=True):
    """What is stored of a session: when it began, and its sealed access key."""

    created: float
    sealed: bytes


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody who is logged in.

    Attributes
    ----------
    principal : their token. role : observer or admin. admin : whether they may act.
    form : what every form of theirs bears. name : of the session, in the store.
    """

    principal: bytes
    role: str
    admin: bool
    form: str
    name: bytes


class Sessions:
    """The sessions of one gateway.

    Parameters
    ----------
    guard : knows who is behind an access key. aside : the way to the store.
    """

    def __init__(self, guard: Guard, aside: Aside, clock: Callable[[], float] = time.time) -> None:
        self._guard, self._aside, self._clock = guard, aside, clock

    async def open(self, key: str, asked: Call) -> str | None:
        """Begin a session with an access key: its number, or None where the key opens nothing.

        Parameters
        ----------
        asked : the request; its Authorization header, if it has one, does not count.

        Raises
        ------
        StoreError : it cannot be looked up or kept.
        """
        if not 0 < len(key) <= MOST_KEY or not key.isascii() or await self._who(key, asked) is None:
            return None
        number = base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()
        now, name = self._clock(), _name(number)
        sealed = ChaCha20Poly1305(_sealing(number)).encrypt(ONCE, key.encode(), name)
        note = Note(KIND, name, msgspec.msgpack.encode(Session(now, sealed)), at=now)
        await self._aside.call(_keep, note, now)
        return number

    async def visit(self, number: str | None, asked: Call) -> Visit | None:
        """Who this is, if the session is still good.

        Raises
        ------
        StoreError : it cannot be looked up.
        """
        if number is None or not NUMBER.fullmatch(number):
            return None
        name, now = _name(number), self._clock()
        note = await self._aside.call(_note, name)
        if note is None:
            return None
        try:
            session = msgspec.msgpack.decode(note.content, type=Session)
            key = ChaCha20Poly1305(_sealing(number)).decrypt(ONCE, session.sealed, name).decode()
        except (msgspec.MsgspecError, InvalidTag):
            return None
        found = await self._who(key, asked) if 0 <= now - session.created < LONGEST else None
        if found is None:
            await self._aside.call(_drop, name)
            return None
        principal, role = found
        admin = self._guard.doors.may(role, "admin", self.address(asked)) is None
        return Visit(principal, role, admin, subkey(number.encode(), "console form").hex(), name)

    async def end(self, visit: Visit) -> None:
        """Log out.

        Raises
        ------
        StoreError : the store cannot be reached.
        """
        await self._aside.call(_drop, visit.name)

    def address(self, asked: Call) -> str:
        """From where a request comes."""
        return self._guard.doors.address(asked.peer, asked.headers)

    async def _who(self, key: str, asked: Call) -> tuple[bytes, str] | None:
        """The principal and role of a key that may watch from this address."""
        headers = [(b"authorization", b"Bearer " + key.encode())]
        try:
            who = await self._guard.who(Call("GET", asked.path, headers, b"", asked.peer))
        except RefusedError:
            return None
        refused = self._guard.doors.may(who.role, "observe", self.address(asked))
        return None if refused else (who.token, who.role)


def _name(number: str) -> bytes:
    return subkey(number.encode(), "console session")


def _sealing(number: str) -> bytes:
    return subkey(number.encode(), "console sealing")


def _note(store: Store, name: bytes) -> Note | None:
    return store.note(KIND, name)


def _drop(store: Store, name: bytes) -> int:
    return store.drop(KIND, [name])


def _keep(store: Store, note: Note, now: float) -> None:
    """Write a new session, and sweep those that are over."""
    store.drop(KIND, before=now - LONGEST)
    store.write([note])

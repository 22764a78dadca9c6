"""Who is asking: from an Authorization header to a principal, or to nobody.

An unknown, a revoked, an expired and a malformed key are one and the same: the same look-up, the
same hash, the same comparison, the same answer. Nobody learns by asking which keys exist.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from reticent.access.keys import MARK_BYTES, Hashing, end, parse
from reticent.access.recent import Recent
from reticent.event import TOKEN_BYTES
from reticent.randomness import subkey
from reticent.store import KeyRecord, Store

if TYPE_CHECKING:
    from reticent.access.tokens import Tokens

MOST_KNOWN = 100_000  # callers in memory, and as many who were refused
MOST_BYTES = 16_384  # of an Authorization header that is read
REFUSED_SECONDS = 1.0  # for which a refusal is remembered


class Principal(msgspec.Struct, frozen=True, gc=False):
    """Who is counted, and as what.

    Attributes
    ----------
    token : 16 bytes, a keyed function of the principal's name.
    role : what they come as. auditor : alerts are marked, nothing is frozen.
    expires : when to look again, seconds since 1970; infinite where the key has no end.
    """

    token: bytes
    role: str
    auditor: bool
    expires: float


class Call(Protocol):
    """How a function that waits is run: in the thread that owns the store, say."""

    def __call__(self, function: Callable[..., Any], /, *args: Any) -> Awaitable[Any]:
        """Run ``function(*args)`` and wait for what it returns."""
        ...


async def at_once(function: Callable[..., Any], /, *args: Any) -> Any:
    """Run a function here and now."""
    return function(*args)


class Identity:
    """Who is behind an Authorization header.

    Parameters
    ----------
    store : where keys are. secret : the root secret. tokens : of an identity provider, if any.
    call : how a look-up in the store is run; at once unless told.
    """

    def __init__(
        self, store: Store, secret: bytes, tokens: Tokens | None = None, call: Call = at_once
    ) -> None:
        self._store, self._tokens, self._call = store, tokens, call
        self._hash, self._names = Hashing(secret), subkey(secret, "principals")
        # Callers are remembered by a hash of their header, never by the key itself.
        self._hashed = hashlib.blake2b(key=os.urandom(32), digest_size=16)
        self._known: Recent[bytes, Principal] = Recent(MOST_KNOWN)
        self._refused: Recent[bytes, float] = Recent(MOST_KNOWN)
        self._dropped = 0
        self._fetching = asyncio.Lock()
        self._nobody = KeyRecord(
            id="", hash=os.urandom(MARK_BYTES + 32), role="", principal="", created=0, revoked=0
        )

    def known(self, authorization: bytes, now: float) -> Principal | None:
        """Who this is, if they were here before and nothing has changed; None: ask ``who``.

        Parameters
        ----------
        authorization : the header's value. now : seconds since 1970, UTC.
        """
        found = self._known.get(self._mark(authorization))
        return found if found is not None and now < found.expires else None

    async def who(self, authorization: bytes | None, now: float) -> Principal | None:
        """Who this is, or None: nobody, for whatever reason.

        Raises
        ------
        StoreError : the store cannot be asked.
        """
        header = authorization or b""
        if len(header) > MOST_BYTES:
            header = b""
        if found := self.known(header, now):
            return found
        mark, before = self._mark(header), self._dropped
        if now < (self._refused.get(mark) or 0.0) <= now + REFUSED_SECONDS:
            return None
        scheme, _, credential = header.decode("latin-1").partition(" ")
        text = credential.strip() if scheme.lower() == "bearer" else ""
        if self._tokens is not None and text.count(".") == 2:
            found = await self._by_token(self._tokens, text, now)
        else:
            found = await self._by_key(text, now)
        if before == self._dropped:  # else it may have been revoked meanwhile
            if found is None:
                self._refused[mark] = now + REFUSED_SECONDS
            else:
                self._known[mark] = found
        return found

    def drop(self) -> None:
        """Forget everybody: a key has changed, or the store cannot be asked."""
        self._dropped += 1
        self._known.clear()
        self._refused.clear()

    def token(self, name: str) -> bytes:
        """The 16 bytes that stand for a principal of that name."""
        own = hashlib.blake2b(name.encode(), key=self._names, digest_size=TOKEN_BYTES)
        return own.digest()

    def _mark(self, header: bytes) -> bytes:
        hashed = self._hashed.copy()
        hashed.update(header)
        return hashed.digest()

    async def _by_key(self, text: str, now: float) -> Principal | None:
        """One path for every key, good, bad or none: no step is left out, none depends on it."""
        id, secret_part = parse(text)  # noqa: A001 (the word of the trade)
        record = await self._call(self._store.key, id) or self._nobody
        same = compare_digest(self._hash(secret_part), record.hash)
        found = Principal(self.token(record.principal), record.role, record.auditor, end(record))
        return found if same & (now < found.expires) else None

    async def _by_token(self, tokens: Tokens, text: str, now: float) -> Principal | None:
        if tokens.lacks(text, now):
            async with self._fetching:  # one fetches, the others wait for the same keys
                if tokens.lacks(text, now):
                    await asyncio.to_thread(tokens.fetch, now)
        claimed = tokens.verify(text, now)
        if claimed is None:
            return None
        return Principal(self.token(claimed.name), claimed.role, False, claimed.until)

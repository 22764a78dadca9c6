"""Access keys ``rtc_<id>_<secret>``: shown once, stored as a keyed hash.

The secret part has 256 random bits, so a fast keyed hash is enough: there is nothing to guess
(a password hash such as argon2 would cost 8 ms a look-up and protect nothing more).
"""

from __future__ import annotations

import base64
import hashlib
import math
import os
import re
from collections.abc import Iterable

import msgspec

from reticent.errors import ConfigError
from reticent.randomness import subkey
from reticent.store import KeyRecord

ID = re.compile(r"[a-z2-7]{12}")
KEY = re.compile(r"rtc_([a-z2-7]{12})_([A-Za-z0-9_-]{43})")
NO_ID = "-" * 12  # asked for where a key has none: it takes as long, and is never there
NO_SECRET = "-" * 43
MARK_BYTES = 4
HOUR, DAY = 3600.0, 86400.0
UNITS = {"m": 60.0, "h": HOUR, "d": DAY}
LONGEST = 3650 * DAY
AUDITOR_SECONDS, AUDITOR_MOST = DAY, 7 * DAY


class Hashing:
    """How the secret part of a key is stored, under one root secret.

    The first 4 bytes tell which root secret it was, so that a key of another one can be named
    instead of just being refused for ever.
    """

    __slots__ = ("_key", "mark")

    def __init__(self, secret: bytes) -> None:
        self._key = subkey(secret, "keys")
        self.mark = hashlib.blake2b(b"mark", key=self._key, digest_size=MARK_BYTES).digest()

    def __call__(self, secret_part: str) -> bytes:
        """Hash the secret part of a key: 36 bytes."""
        own = hashlib.blake2b(secret_part.encode(), key=self._key, digest_size=32)
        return self.mark + own.digest()

    def made(self, record: KeyRecord) -> bool:
        """Whether a key was issued under this root secret."""
        return record.hash[:MARK_BYTES] == self.mark


def issue(
    secret: bytes,
    role: str,
    *,
    owner: str = "",
    principal: str | None = None,
    auditor: bool = False,
    expires: float | None = None,
    now: float,
) -> tuple[KeyRecord, str]:
    """Make a key.

    Parameters
    ----------
    secret : the root secret.
    owner : a name for people; all keys of one owner are one principal.
    principal : who is counted; None: the owner, or, without one and for auditors, the key itself.
    auditor : same contract, own budget, short-lived: one day unless told, 7 at most.
    expires, now : seconds since 1970, UTC.

    Returns
    -------
    What is stored, and the text that is shown once.

    Raises
    ------
    ConfigError : it would be over before it began, or an auditor's key would live too long.
    """
    expires = ending(auditor, expires, now)
    id = base64.b32encode(os.urandom(8))[:12].decode().lower()  # noqa: A001 (the word of the trade)
    secret_part = base64.urlsafe_b64encode(os.urandom(32)).rstrip(b"=").decode()
    if principal is None:
        principal = f"auditor:{id}" if auditor else f"owner:{owner}" if owner else f"key:{id}"
    record = KeyRecord(
        id=id, hash=Hashing(secret)(secret_part), role=role, principal=principal, owner=owner,
        auditor=auditor, created=now, expires=expires,
    )  # fmt: skip
    return record, f"rtc_{id}_{secret_part}"


def ending(auditor: bool, expires: float | None, now: float) -> float | None:
    """When a key issued now is over: as told, but an auditor's after a day, or 7 at most.

    Raises
    ------
    ConfigError : it would be over before it began, or an auditor's key would live too long.
    """
    if auditor and expires is None:
        expires = now + AUDITOR_SECONDS
    if expires is not None and not now < expires <= now + (AUDITOR_MOST if auditor else math.inf):
        raise ConfigError(
            "an auditor's key" if auditor else "the key",
            "it would be over at once" if expires <= now else "it would live for too long",
            "Give --expires from 1h to 7d" if auditor else "Give --expires 90d, say",
        )
    return expires


def rotate(
    secret: bytes, old: KeyRecord, *, grace: float = 0.0, expires: float | None = None, now: float
) -> tuple[KeyRecord, str, KeyRecord]:
    """Replace a key by a new one of the same principal.

    Parameters
    ----------
    grace : seconds for which the old one goes on working.
    expires : of the new one; None: it lives as long as the old one was made for.

    Returns
    -------
    The new record, its text, and the old record as it is now. Save the new one first.

    Raises
    ------
    ConfigError : the old one is revoked or over.
    """
    if not live(old, now):
        raise ConfigError(
            f"rotating the key {old.id}", f"it is {state(old, now)}",
            f"Make a new one: reticent keys create reticent.toml --role {old.role}",
        )  # fmt: skip
    if expires is None and old.expires is not None:
        expires = now + (old.expires - old.created)
    record, text = issue(
        secret, old.role, owner=old.owner, principal=old.principal, auditor=old.auditor,
        expires=expires, now=now,
    )  # fmt: skip
    if not grace:
        return record, text, revoke(old, now)
    until = min(now + grace, end(old))
    return record, text, msgspec.structs.replace(old, expires=until)


def revoke(record: KeyRecord, now: float) -> KeyRecord:
    """Return the record of a key that works no longer, whatever another machine's clock says."""
    if record.revoked is not None:
        return record
    return msgspec.structs.replace(record, revoked=now)


def end(record: KeyRecord) -> float:
    """When a key stops working, seconds since 1970: 0 if it is revoked, infinite for never."""
    expires = math.inf if record.expires is None else record.expires
    return expires if record.revoked is None else 0.0


def live(record: KeyRecord, now: float) -> bool:
    """Whether a key works."""
    return now < end(record)


def state(record: KeyRecord, now: float) -> str:
    """Say in a word how a key is: active, revoked or expired."""
    if record.revoked is not None:
        return "revoked"
    return "active" if live(record, now) else "expired"


def parse(text: str) -> tuple[str, str]:
    """Split a key into its id and its secret part; two that never fit where it is malformed."""
    found = KEY.fullmatch(text)
    return (found[1], found[2]) if found else (NO_ID, NO_SECRET)


def foreign(secret: bytes, records: Iterable[KeyRecord]) -> list[KeyRecord]:
    """Return the keys that were issued under another root secret: they will never work."""
    made = Hashing(secret).made
    return [record for record in records if not made(record)]


def duration(text: str) -> float:
    """Read a length of time such as ``90d``, ``12h`` or ``30m``: seconds.

    Raises
    ------
    ConfigError : it is none, nothing, or more than ten years.
    """
    found = re.fullmatch(r"([0-9]{1,9})([mhd])", text.strip())
    seconds = int(found[1]) * UNITS[found[2]] if found else 0.0
    if not 0 < seconds <= LONGEST:
        raise ConfigError(
            f"the time {text!r}", "it is no length of time up to 3650d",
            "Write 90d for days, 12h for hours or 30m for minutes",
        )  # fmt: skip
    return seconds

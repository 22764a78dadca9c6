"""Signed tokens (RFC 7515, 7517, 7519) by joserfc: which key, which algorithm, does it verify."""

from __future__ import annotations

from binascii import Error as NotBase64
from collections.abc import Iterable
from typing import Any

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64decode

PUBLIC = ("kty", "kid", "alg", "use", "key_ops", "n", "e", "crv", "x", "y")
KINDS = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
LEAST_RSA = 342  # base64 characters of a modulus of 2,048 bits
MOST_KEYS = 100
MOST_HEADER = 4096
TYPES = ("", "jwt", "at+jwt", "application/at+jwt")  # no logout or DPoP tokens, say
Key = RSAKey | ECKey | OKPKey
BAD = (JoseError, UnsupportedAlgorithm, ValueError, TypeError, KeyError, RecursionError)


class Header(msgspec.Struct, frozen=True):
    """What is read of a token's header; ``jwk``, ``jku``, ``x5u`` and ``x5c`` never are.

    Whatever ``crit`` says has to be understood, and ``b64`` changes what is signed: neither may be
    there.
    """

    alg: str
    kid: str | None = None
    typ: str = ""
    crit: None = None
    b64: None = None


class Allowed(JWSRegistry):
    """The algorithms that a project accepts, and no other by any name."""

    max_header_length = MOST_HEADER

    def __init__(self, algorithms: Iterable[str]) -> None:
        super().__init__(algorithms=list(algorithms), strict_check_header=False)

    def get_alg(self, name: str) -> Any:
        """Return an accepted algorithm, without joserfc's warning about an older name of it."""
        if name not in (self.allowed or ()) or name not in self.algorithms:
            raise JoseError("not accepted")
        return self.algorithms[name]


def header_of(token: str) -> Header | None:
    """Read a token's header, unverified; None where it is none of a plain signed token."""
    try:
        first = token.partition(".")[0]
        if len(first) > 2 * MOST_HEADER:
            return None
        header = msgspec.json.decode(urlsafe_b64decode(first.encode()), type=Header)
    except (msgspec.MsgspecError, NotBase64, ValueError, RecursionError):
        return None
    return header if header.typ.lower() in TYPES else None


def read_keys(document: bytes) -> list[Key]:
    """Read the public keys for signatures of a key set; what is none of these is passed over.

    Raises
    ------
    ValueError, msgspec.MsgspecError : it is no key set.
    """
    found = msgspec.json.decode(document, type=dict[str, Any]).get("keys")
    if not isinstance(found, list):
        raise ValueError("no key set")
    keys: list[Key] = []
    for one in found[:MOST_KEYS]:
        public = {name: one[name] for name in PUBLIC if name in one} if type(one) is dict else {}
        if public.get("kty") == "RSA" and len(str(public.get("n"))) < LEAST_RSA:
            continue
        try:
            key = JWKRegistry.import_key(public) if public.get("use", "sig") == "sig" else None
        except BAD:
            continue
        if isinstance(key, RSAKey | ECKey | OKPKey):
            keys.append(key)
    return keys


def suited(keys: list[Key], header: Header) -> list[Key]:
    """The keys that may have signed: of the algorithm's kind, and of that name if it has one."""
    kind = KINDS.get(header.alg[:2])
    fit = [key for key in keys if key.key_type == kind and key.get("alg") in (None, header.alg)]
    if header.kid is not None:
        return [key for key in fit if key.get("kid") == header.kid]
    return fit if len(fit) == 1 else []


def payload(token: str, keys: list[Key], allowed: Allowed) -> bytes | None:
    """Verify a token's signature: what it says, or None."""
    for key in keys:
        try:
            return jws.deserialize_compact(token.encode(), key, registry=allowed).payload
        except BAD:
            continue
    return None

"""The identity provider whose tokens are accepted: ``[oidc]``, and how its keys are fetched."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from reticent.errors import ConfigError, nearest

# Signatures of which the gateway holds nothing but the public half: none and HS* never.
ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
    "Ed25519",
)  # fmt: skip
LOOPBACK = ("localhost", "127.0.0.1", "::1")
SECONDS = 5.0  # for one fetch as a whole
MOST_BYTES = 1_048_576  # of a document
DISCOVERY = "/.well-known/openid-configuration"


class Oidc(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[oidc]``: whose tokens are accepted, and what their claims stand for.

    Attributes
    ----------
    issuer : as in ``iss``, to the letter. audience : one that ``aud`` names.
    roles : value of the claim to role; of several, the first in the file counts.
    role_claim : the claim's name; dots lead into tables, as in ``realm_access.roles``.
    jwks : address or file of the keys; default: as the issuer's discovery document says.
    algorithms : those accepted. leeway : seconds by which clocks may differ.

    Raises
    ------
    ConfigError : an algorithm that proves nothing, an address that is not https, no roles.
    """

    issuer: str
    audience: str
    roles: dict[str, str]
    role_claim: str = "roles"
    jwks: str | None = None
    algorithms: tuple[str, ...] = ("RS256", "ES256", "EdDSA", "Ed25519")
    leeway: float = 30.0

    def __post_init__(self) -> None:
        for name in self.algorithms:
            if name not in ALGORITHMS:
                raise ConfigError(
                    "[oidc] algorithms",
                    f"{name!r} is not accepted{nearest(name, list(ALGORITHMS))}",
                    f"Use some of: {', '.join(ALGORITHMS)}",
                )
        _require(bool(self.algorithms), "algorithms", "it names none", 'Write ["RS256"]')
        _require(bool(self.audience), "audience", "it is empty", "Write the API's name")
        _require(bool(self.roles), "roles", "it is empty, and nobody would come in",
                 'Write roles = {"claim-value" = "partner"}')  # fmt: skip
        _require(0 <= self.leeway <= 300, "leeway", f"{self.leeway:g} is out of range",
                 "Give 0 to 300 seconds")  # fmt: skip
        _require(self.jwks is not None or trustworthy(self.issuer), "issuer",
                 "it is no https address, and no jwks is given", "Write https://...")  # fmt: skip
        _require(not is_address(self.jwks or "") or trustworthy(self.jwks or ""), "jwks",
                 "it is not an https address", "Write https://... or a file")  # fmt: skip

    def check_roles(self, known: list[str]) -> None:
        """Check that every role that a token can bring is one of the project's.

        Raises
        ------
        ConfigError : one is not; the nearest is named.
        """
        for role in self.roles.values():
            _require(role in known, "roles",
                     f"the project has no role {role!r}{nearest(role, known)}",
                     f"Use one of: {', '.join(known)}")  # fmt: skip


def is_address(place: str) -> bool:
    """Whether a place is an address of the web, not a file."""
    return "://" in place


def trustworthy(url: str) -> bool:
    """Whether nobody between here and there can change what is fetched: https, or loopback."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in LOOPBACK))


def read_jwks(oidc: Oidc, folder: Path) -> bytes:
    """Read the provider's key set.

    Parameters
    ----------
    folder : from which the path of a file starts.

    Raises
    ------
    OSError, ValueError, HTTPException, msgspec.MsgspecError : it cannot be had, or discovery is
        not about this issuer.
    """
    if oidc.jwks is not None and not is_address(oidc.jwks):
        with (folder / oidc.jwks).open("rb") as file:
            return file.read(MOST_BYTES)
    if oidc.jwks is not None:
        return fetched(oidc.jwks)
    found = msgspec.json.decode(fetched(oidc.issuer.rstrip("/") + DISCOVERY), type=Discovery)
    if found.issuer != oidc.issuer:
        raise ValueError("the discovery document is of another issuer")
    return fetched(found.jwks_uri)


class Discovery(msgspec.Struct, frozen=True):
    """What is read of a discovery document (OpenID Connect Discovery 1.0, section 3)."""

    issuer: str
    jwks_uri: str


def fetched(url: str) -> bytes:
    """Fetch a document: https or loopback, no redirects, 1 MiB and 5 seconds at most.

    Raises
    ------
    OSError, ValueError, HTTPException : it cannot be had.
    """
    from urllib.request import HTTPRedirectHandler, Request, build_opener

    class Staying(HTTPRedirectHandler):
        """Goes nowhere else: a redirect could lead off https, or into the own network."""

        def redirect_request(self, *args: Any) -> None:  # noqa: ARG002
            return None

    if not trustworthy(url):
        raise ValueError("not an https address")
    until = time.monotonic() + SECONDS
    asked = Request(url, headers={"Accept": "application/json"})  # noqa: S310 (checked above)
    body = b""
    with build_opener(Staying).open(asked, timeout=SECONDS) as reply:
        while part := reply.read1(65_536):
            body += part
            if len(body) > MOST_BYTES or time.monotonic() > until:
                raise ValueError("too long")
    return body


def _require(holds: bool, name: str, found: str, do: str) -> None:
    if not holds:
        raise ConfigError(f"[oidc] {name}", found, do)

"""Tokens of an identity provider (OpenID Connect, RFC 7519, RFC 9068): who they stand for.

Keys are looked up by name only in the provider's own key set, never in the token. A withdrawn key
loses its effect within ten minutes: a verified token is remembered for five at most, and the key
set is fetched anew when it is older than five and a token has to be verified. While it cannot be
fetched the old one counts, for an hour.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from reticent.access.oidc import Oidc, read_jwks
from reticent.errors import MissingExtraError, kind_and_place

if TYPE_CHECKING:
    from reticent.access.jose import Key

RETRY_SECONDS = 10.0  # between two fetches, whatever is asked
FRESH_SECONDS = 300.0  # for which a key set, and a verified token, is taken as it is
LOST_SECONDS = 3600.0  # after which a key set that cannot be fetched again counts for nothing
MOST_SUBJECT = 1024


class Claims(msgspec.Struct, frozen=True):
    """The claims that are checked; the role's is read apart."""

    iss: str
    sub: str
    aud: str | list[str]
    exp: float
    nbf: float = 0.0
    iat: float = 0.0
    cnf: Any = None


class Claimed(msgspec.Struct, frozen=True):
    """Whom a verified token stands for: the principal's name, the role, and until when."""

    name: str
    role: str
    until: float


class Tokens:
    """Verifies the tokens of one issuer.

    Parameters
    ----------
    oidc : whose. folder : from which the path of a key file starts.
    read : how the key set is had; it may wait.

    Attributes
    ----------
    refused : for the operator, how many tokens failed for which reason; callers never learn it.
    problem : why the key set could not be fetched the last time, or None.

    Raises
    ------
    MissingExtraError : joserfc is not installed.
    """

    def __init__(
        self, oidc: Oidc, folder: Path = Path(), read: Callable[[Oidc, Path], bytes] = read_jwks
    ) -> None:
        try:
            from reticent.access import jose
        except ModuleNotFoundError as error:
            raise MissingExtraError("[oidc]", error.name or "joserfc", "serve") from None
        self._jose, self._oidc, self._folder, self._read = jose, oidc, folder, read
        self._allowed = jose.Allowed(oidc.algorithms)
        self._keys: list[Key] = []
        self._tried: float | None = None
        self._fetched: float | None = None
        self.refused: Counter[str] = Counter()
        self.problem: str | None = None

    def lacks(self, token: str, now: float) -> bool:
        """Whether fetching the key set might help to verify a token.

        Parameters
        ----------
        now : seconds since 1970, UTC.
        """
        if within(self._tried, now, RETRY_SECONDS):
            return False
        header = self._jose.header_of(token)
        if header is None or header.alg not in self._oidc.algorithms:
            return False
        fresh = within(self._fetched, now, FRESH_SECONDS)
        return not fresh or not self._jose.suited(self._keys, header)

    def fetch(self, now: float) -> None:
        """Fetch the key set; it waits for 15 seconds at most. If it fails the old one stays."""
        try:
            self._keys = self._jose.read_keys(self._read(self._oidc, self._folder))
        except (OSError, ValueError, RecursionError, HTTPException, msgspec.MsgspecError) as error:
            self.problem = kind_and_place(error)
        else:
            self._fetched, self.problem = now, None
        finally:
            self._tried = now  # only now: who comes meanwhile waits for these keys

    def verify(self, token: str, now: float) -> Claimed | None:
        """Verify a token with the keys at hand: whom it stands for, or None."""
        found = self._verified(token, now)
        if isinstance(found, Claimed):
            return found
        self.refused[found] += 1
        return None

    def _verified(self, token: str, now: float) -> Claimed | str:
        """Return whom a token stands for, or which check it failed."""
        header = self._jose.header_of(token)
        if header is None:
            return "form"
        if header.alg not in self._oidc.algorithms:
            return "algorithm"
        known = self._keys if within(self._fetched, now, LOST_SECONDS) else []
        keys = self._jose.suited(known, header)
        if not keys:
            return "key"
        said = self._jose.payload(token, keys, self._allowed)
        if said is None:
            return "signature"
        try:
            table = msgspec.json.decode(said, type=dict[str, Any])
            claims = msgspec.convert(table, Claims)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            return "claims"
        if failed := self._failed(claims, now):
            return failed
        role = self._role(table)
        if role is None:
            return "role"
        until = min(claims.exp + self._oidc.leeway, now + FRESH_SECONDS)
        return Claimed(f"oidc:{claims.iss}\n{claims.sub}", role, until)

    def _failed(self, claims: Claims, now: float) -> str | None:
        """Name the check that the claims fail, if any."""
        audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        if claims.iss != self._oidc.issuer:
            return "issuer"
        if self._oidc.audience not in audiences:
            return "audience"
        if now >= claims.exp + self._oidc.leeway:
            return "expired"
        if max(claims.nbf, claims.iat) > now + self._oidc.leeway:
            return "too early"
        if not 0 < len(claims.sub) <= MOST_SUBJECT:
            return "subject"
        if claims.cnf is not None:  # bound to a key of its holder, which a bearer does not show
            return "bound"
        return None

    def _role(self, table: dict[str, Any]) -> str | None:
        """Return the first role of the project's list that the token claims."""
        claim = _inside(table, self._oidc.role_claim)
        words = [claim, *claim.split()] if isinstance(claim, str) else claim
        if not isinstance(words, list):
            return None
        claimed = {word for word in words if isinstance(word, str)}
        return next((role for value, role in self._oidc.roles.items() if value in claimed), None)


def _inside(table: dict[str, Any], name: str) -> Any:
    """Look a claim up by its whole name, else by the steps that its dots lead through."""
    if name in table:
        return table[name]
    found: Any = table
    for step in name.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    return found


def within(since: float | None, now: float, seconds: float) -> bool:
    """Whether less time than that lies between; a clock may have been set back."""
    return since is not None and abs(now - since) < seconds

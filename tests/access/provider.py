"""An identity provider whose key set changes and fails, as a test wants it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from issuer import AUDIENCE, ISSUER, NOW, jwks
from reticent.access.oidc import Oidc
from reticent.access.tokens import Claimed, Tokens

ROLES = {"analyst": "partner", "boss": "admin", "ward nurse": "nurse"}
OIDC = Oidc(issuer=ISSUER, audience=AUDIENCE, roles=ROLES, jwks="keys.json")


class Provider:
    """A key set that can change or fail, and whoever reads it."""

    def __init__(self, *keys: Any, oidc: Oidc = OIDC) -> None:
        self.document: bytes | Exception = jwks(*keys)
        self.reads = 0
        self.tokens = Tokens(oidc, read=self.read)

    def read(self, oidc: Oidc, folder: Path) -> bytes:
        self.reads += 1
        if isinstance(self.document, Exception):
            raise self.document
        return self.document

    def ask(self, text: str, now: float = NOW) -> Claimed | None:
        if self.tokens.lacks(text, now):
            self.tokens.fetch(now)
        return self.tokens.verify(text, now)

    def reason(self, text: str, now: float = NOW) -> str:
        self.tokens.refused.clear()
        assert self.ask(text, now) is None
        return next(iter(self.tokens.refused))

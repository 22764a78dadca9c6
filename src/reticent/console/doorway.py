"""What every request to the console passes, and what every reply bears.

A browser can be made to ask a local address under a foreign name (DNS rebinding), and to send
forms on behalf of a foreign page: the name in Host has to be one of ours, and a form has to come
from a page of ours.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Collection
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reticent.gateway.guard import RefusedError

POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
NO_STORE: Final = (b"cache-control", b"no-store")
MOST_FORM: Final = 16_384  # bytes
FORM_SECONDS: Final = 10.0
FORM: Final = "application/x-www-form-urlencoded"
FOREIGN: Final = b"this console is not known under that name; it can be told in [console] hosts\n"


class Doorway:
    """An app behind the door.

    Parameters
    ----------
    hosts : names besides localhost and plain addresses under which it may be asked for.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] = ()) -> None:
        self._app = app
        self._hosts = frozenset(name.lower().rstrip(".") for name in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = message.get("headers", [])
                kept = any(name == b"cache-control" for name, _ in own)
                message["headers"] = [*own, *HEADERS, *([] if kept else [NO_STORE])]
            await send(message)

        if self._ours([value for name, value in scope["headers"] if name == b"host"]):
            await self._app(scope, receive, sent)
            return
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(FOREIGN))]
        await sent({"type": "http.response.start", "status": 421, "headers": headers})
        await sent({"type": "http.response.body", "body": FOREIGN})

    def _ours(self, given: list[bytes]) -> bool:
        """Whether the one Host is a name of ours; an address is nobody else's name."""
        if len(given) != 1:
            return False
        try:
            name = (urlsplit(f"//{given[0].decode('latin-1')}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if name == "localhost" or name.endswith(".localhost") or name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


async def form(request: Request) -> dict[str, str]:
    """Read the form of a page of ours.

    Raises
    ------
    RefusedError : it comes from elsewhere, is none, or is too large or too slow.
    """
    headers = request.headers
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    own = (f"http://{headers['host']}", f"https://{headers['host']}")
    if not (site == "same-origin" if origin is None else origin in own):
        raise RefusedError(403, "this form does not come from a page of this console")
    if headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise RefusedError(415, "this is not a form")
    body = b""
    try:
        async with asyncio.timeout(FORM_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > MOST_FORM:
                    raise RefusedError(413, "the form is too large")
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=10))
    except (TimeoutError, ClientDisconnect):
        raise RefusedError(408, "the form did not arrive in time") from None
    except ValueError:
        raise RefusedError(400, "this is not a form") from None

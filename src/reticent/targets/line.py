"""A line to a server: kept open, one a thread, bounded in time and size, and patient where asked.

A request is sent again only where the server cannot have acted on it: nobody listened, or it said
to come back later (429, 503). Whoever pays for the rows may also have failures (5xx, a line that
broke) sent again. No message quotes what the server said, which may quote a record.
"""

from __future__ import annotations

import select
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import quote, urlsplit

from reticent.errors import ConfigError, ModelError

TIMEOUT = 60.0  # seconds for one exchange
PATIENCE = 90.0  # seconds that a server may ask to wait: a minute's budget opens again within it
TRIES = 4  # of one request
PAUSE = 0.2  # seconds before a server that did not listen is tried again, doubled each time
LONGEST = 10.0  # seconds of such a pause
MOST_BYTES = 64 << 20  # of one answer
CHUNK = 1 << 16
LATER = (429, 503)

MEANINGS = {
    400: ("it does not take such rows", "Check that the schema is the one it was deployed with"),
    401: ("it does not know the key", "Give a key that is in force: RETICENT_KEY, or --key-file"),
    403: ("the key's role may not ask this, or not from here", "Ask with another role's key"),
    404: ("it has no model of that name", "Name it in the address: http://HOST/v2/models/NAME"),
    413: ("it takes fewer rows at a time", "Lower rows_per_minute in the contract"),
    429: ("its budget is spent", "Ask again later, or with a key of its own budget"),
}
ELSEWHERE = ("it sends elsewhere", "Give the address that it sends to")


class SilentError(ModelError):
    """No answer came, or half of one: the server may have acted on the request or not."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model is served.

    Attributes
    ----------
    path : of the model, such as ``/v2/models/iris``.
    """

    secure: bool
    host: str
    port: int | None
    path: str

    def __str__(self) -> str:
        port = "" if self.port is None else f":{self.port}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}{port}{self.path}"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a server answered. Headers have lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def address_of(url: str) -> Place:
    """Read an address.

    Raises
    ------
    ConfigError : it is none, or one with a secret in it.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ConfigError("the endpoint", "its address cannot be read", _EXAMPLE) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError("the endpoint", "its address is neither http:// nor https://", _EXAMPLE)
    if parts.username or parts.password or parts.query:
        raise ConfigError(
            "the endpoint", "a secret in an address ends up in logs",
            "Give the key by RETICENT_KEY, or in a file with --key-file",
        )  # fmt: skip
    return Place(parts.scheme == "https", parts.hostname, port, parts.path.rstrip("/"))


def place_of(url: str, name: str | None) -> Place:
    """Read the address of a server of the protocol, or of one of its models.

    Parameters
    ----------
    name : the model's, for an address that ends before it.

    Raises
    ------
    ConfigError : no such address, one with a secret in it, or no model named.
    """
    place = address_of(url)
    path = place.path.removesuffix("/infer")
    if "/models/" not in path:
        if name is None:
            raise ConfigError("the endpoint's model", "none is named", _EXAMPLE)
        path = f"{path.removesuffix('/models').removesuffix('/v2')}/v2/models/{quote(name, '')}"
    return replace(place, path=path)


_EXAMPLE = "Write it as http://HOST:PORT/v2/models/NAME"


class _Kept:
    """A connection that is closed when nobody holds it any more: its thread ended, say."""

    def __init__(self, connection: HTTPConnection) -> None:
        self.connection = connection
        weakref.finalize(self, connection.close)


class _Open(threading.local):
    """This thread's connection."""

    kept: _Kept | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A line to one model's server; any number of threads may use it.

    Attributes
    ----------
    key : the access key, sent as a bearer token and never shown.
    patience : seconds that the server may ask to wait. sleep : how to wait.
    repeats : how often a request that failed may be sent again, though it may be counted twice.
    headers : sent with each request; where there are any, the key is among them or not sent.
    """

    place: Place
    key: str | None = field(default=None, repr=False)
    patience: float = PATIENCE
    timeout: float = TIMEOUT
    sleep: Callable[[float], None] = time.sleep
    repeats: int = 0
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    _open: _Open = field(default_factory=_Open, repr=False)

    def send(
        self, path: str = "", body: bytes | None = None, *, verb: str = "", one: bool = False
    ) -> Reply:
        """Send one request below the model's path, again where that is safe.

        Parameters
        ----------
        verb : by default POST where there is a body, else GET.
        one : it cannot be cut into smaller ones, so it may be refused more than twice.

        Returns
        -------
        The reply, whatever its status; one that says to come back is the last that was tried.

        Raises
        ------
        ModelError : nobody answers, too slowly or too much, or the budget opens after too long.
        """
        verb = verb or ("GET" if body is None else "POST")
        tries, failed = TRIES + self.repeats, 0
        for place in range(tries):
            pause = min(PAUSE * 2**place, LONGEST)
            try:
                reply = self._once(verb, path, body)
            except ConnectionRefusedError:
                if place >= TRIES - 1:
                    raise self._silent("nobody listens there") from None
                self.sleep(pause)
                continue
            except SilentError:
                failed += 1
                if failed > self.repeats:
                    raise
                self.sleep(pause)
                continue
            wait = _seconds(reply) if reply.status in LATER else None
            if wait is None and (reply.status >= 500 or reply.status in LATER):
                failed += 1
                wait = pause if failed <= self.repeats else None
            if wait is None:
                return reply
            if wait > self.patience:
                raise self._spent(reply.status, wait)
            if place == tries - 1 or (place == 1 and reply.status == 429 and not one):
                return reply  # a second refusal: perhaps there are too many rows in it
            self.sleep(max(wait, PAUSE))
        raise AssertionError("the last try returns or raises")

    def _once(self, verb: str, path: str, body: bytes | None) -> Reply:
        connection = self._connected()
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if self.headers is not None:
            headers.update(self.headers)
        elif self.key is not None:
            headers["Authorization"] = f"Bearer {self.key}"
        try:
            connection.request(verb, self.place.path + path, body, headers)
            return self._read(connection.getresponse())
        except BaseException as error:
            self.close()
            if isinstance(error, ConnectionRefusedError | ModelError):
                raise
            if isinstance(error, TimeoutError):
                raise self._silent(f"no answer within {self.timeout:g} s") from None
            if isinstance(error, ssl.SSLError):
                raise self._silent("its certificate is not trusted, or it speaks no TLS") from None
            if isinstance(error, OSError | HTTPException):
                raise self._silent(f"the line broke ({type(error).__name__})") from None
            raise

    def _connected(self) -> HTTPConnection:
        """This thread's connection; one that the server has closed meanwhile is opened anew."""
        kept = None if self._open.kept is None else self._open.kept.connection
        if kept is not None and kept.sock is not None:
            if not select.select([kept.sock], [], [], 0)[0]:
                return kept
            kept.close()
        host, port = self.place.host, self.place.port
        if self.place.secure:
            context = ssl.create_default_context()
            kept = HTTPSConnection(host, port, timeout=self.timeout, context=context)
        else:
            kept = HTTPConnection(host, port, timeout=self.timeout)
        self._open.kept = _Kept(kept)
        return kept

    def _read(self, response: HTTPResponse) -> Reply:
        until = time.monotonic() + self.timeout
        promised, size = response.length, 0  # None: it ends where the server says so
        parts: list[bytes] = []
        while promised is None or size < promised:
            chunk = response.read1(CHUNK if promised is None else min(CHUNK, promised - size))
            if not chunk:
                break
            parts.append(chunk)
            size += len(chunk)
            if size > MOST_BYTES:
                raise self._silent(f"it answers more than {MOST_BYTES >> 20} MiB")
            if time.monotonic() > until:
                raise TimeoutError
        if promised is not None and size < promised:
            raise self._silent("its answer ends too early")
        response.close()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, headers, b"".join(parts))

    def close(self) -> None:
        """Close this thread's connection; the next request opens another."""
        self._open.kept = None

    def refused(self, reply: Reply) -> ModelError:
        """Translate a status that is no answer."""
        found, do = MEANINGS.get(reply.status, ("it failed", "Look into the server's own log"))
        if 300 <= reply.status < 400:
            found, do = ELSEWHERE
        return ModelError(f"an answer of {self.place}", f"{found} (status {reply.status})", do)

    def _silent(self, found: str) -> SilentError:
        return SilentError(f"an answer of {self.place}", found, "Check the address and the server")

    def _spent(self, status: int, wait: float) -> ModelError:
        if status != 429:
            return self._silent(f"it is out of service for {wait:.0f} s (status {status})")
        opens = datetime.now(UTC) + timedelta(seconds=wait)
        return ModelError(
            f"an answer of {self.place}", "its budget is spent (status 429)",
            f"It opens again at {opens:%Y-%m-%d %H:%M} UTC; or ask with a key of its own budget",
        )  # fmt: skip


def _seconds(reply: Reply) -> float | None:
    """How long a server asks to wait; None where it does not say."""
    told = reply.headers.get("retry-after", "").strip()
    if told.isascii() and told.isdigit():
        return float(told)
    try:
        until = parsedate_to_datetime(told)
    except ValueError:
        return None
    until = until.replace(tzinfo=UTC) if until.tzinfo is None else until
    return max((until - datetime.now(UTC)).total_seconds(), 0.0)


def decoded(line: Line, decode: Callable[[bytes], Any], body: bytes) -> Any:
    """Read an answer's body; what cannot be read is told without its text."""
    try:
        return decode(body)
    except Exception as error:  # noqa: BLE001 (decoders have no common class)
        kind = "HTML" if is_html(body) else type(error).__name__
        raise ModelError(
            f"an answer of {line.place}", f"it is not Open Inference Protocol v2 ({kind})",
            "Name the address of such a server, or describe another in a template",
        ) from None  # fmt: skip


def is_html(body: bytes) -> bool:
    """Say whether an answer is a page for a person."""
    return body[:64].lstrip().startswith(b"<")

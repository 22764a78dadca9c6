"""Where a worker listens: uvicorn with bounds that it does not set itself.

A caller who sends a header a minute, or one that never ends, is cut off; what is no HTTP gets the
same form of error as everything else.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from reticent.errors import ConfigError

HEAD_SECONDS = 10.0  # from the connection, or the last reply, to the end of the next head
LARGEST_HEAD = 64 << 10  # bytes
IDLE_SECONDS = 75  # between two requests on one connection
GRACE_SECONDS = 10  # for requests in flight when the server stops
REASONS = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large"}


class Bounded(HttpToolsProtocol):
    """HTTP/1.1 whose heads arrive in time and within bounds."""

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._head = 0
        self._late: asyncio.TimerHandle | None = None
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes before a head is whole."""
        if self._head >= 0:
            self._head += len(data)
            if self._late is None:
                self._wait()
        super().data_received(data)
        if self._head > LARGEST_HEAD:
            self._refuse(431, f"the head of the request is larger than {LARGEST_HEAD >> 10} KiB")

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._arrived()
        self._head = -1
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """The next head may begin."""
        self._head = 0
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 (it may quote what was sent)
        """Refuse what is no HTTP, in the form of every other error."""
        self._refuse(400, "this is not a well-formed HTTP request")

    def _wait(self) -> None:
        self._late = self.loop.call_later(
            HEAD_SECONDS, self._refuse, 408, f"no whole head arrived within {HEAD_SECONDS:g} s"
        )

    def _arrived(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _refuse(self, status: int, message: str) -> None:
        self._arrived()
        if self.transport.is_closing():
            return
        body = msgspec.json.encode({"error": message})
        head = (
            f"HTTP/1.1 {status} {REASONS[status]}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


class Server(uvicorn.Server):
    """A uvicorn server that leaves signals to whoever runs several of them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def server(app: Any, tls: tuple[str, str] | None = None) -> Server:
    """Prepare a server of an ASGI app.

    Parameters
    ----------
    tls : paths of the certificate chain and its key.
    """
    certificate, key = tls or (None, None)
    return Server(
        uvicorn.Config(
            app, http=Bounded, ws="none", lifespan="off", log_config=None, access_log=False,
            server_header=False, date_header=False, proxy_headers=False, backlog=2_048,
            timeout_keep_alive=IDLE_SECONDS, timeout_graceful_shutdown=GRACE_SECONDS,
            ssl_certfile=certificate, ssl_keyfile=key,
        )
    )  # fmt: skip


def bound(address: str, asked: str) -> socket.socket:
    """Bind a listening socket to HOST:PORT (port 0: any that is free).

    Raises
    ------
    ConfigError : no such address, or it is taken.
    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        kind = socket.AF_INET6 if ":" in host else socket.AF_INET
        made = socket.socket(kind, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, int(port)))
    except (OSError, ValueError, OverflowError) as error:
        found = getattr(error, "strerror", None) or "it is not HOST:PORT"
        raise ConfigError(
            f"{asked} = {address!r}", found, "Give a free one, as 127.0.0.1:8080"
        ) from None
    made.set_inheritable(True)
    return made


def address_of(made: socket.socket) -> str:
    """Write where a socket listens, as HOST:PORT."""
    host, port = made.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def serve(servers: Sequence[tuple[Server, socket.socket]]) -> None:
    """Serve until SIGTERM or SIGINT, then let requests in flight finish."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for one, _ in servers:
            one.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    await asyncio.gather(*(one.serve(sockets=[made]) for one, made in servers))

"""Where a worker listens: sockets, and a uvicorn server on each."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import uvicorn

from reticent.errors import ConfigError, kind_and_place
from reticent.gateway.bounded import Bounded
from reticent.gateway.limits import LIMITS, Limits
from reticent.gateway.log import log

BACKLOG = 2_048  # connections that wait to be accepted
MOST_FILES = 65_536  # open files that are asked for; each connection is one


class Server(uvicorn.Server):
    """A uvicorn server that leaves signals to whoever runs several of them."""

    def __init__(self, config: uvicorn.Config, limits: Limits) -> None:
        super().__init__(config)
        self._limits = limits

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen; who begins to speak TLS has to finish as soon as who begins a head."""
        config, loop = self.config, asyncio.get_running_loop()
        made: Any = config.http_protocol_class
        protocol: Callable[[], asyncio.Protocol] = partial(
            made, config=config, server_state=self.server_state, app_state={},
            _loop=loop,
        )  # fmt: skip
        seconds = None if config.ssl is None else self._limits.head_seconds
        self.servers = [
            await loop.create_server(
                protocol, sock=one, ssl=config.ssl, backlog=BACKLOG, ssl_handshake_timeout=seconds
            )
            for one in sockets or []
        ]
        self.started = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def server(app: Any, tls: tuple[str, str] | None = None, limits: Limits = LIMITS) -> Server:
    """Prepare a server of an ASGI app.

    Parameters
    ----------
    tls : paths of the certificate chain and its key.
    """
    certificate, key = tls or (None, None)
    waiting: dict[Bounded, None] = {}
    protocol: Any = partial(Bounded, limits=limits, waiting=waiting)
    idle: Any = limits.idle_seconds
    grace: Any = limits.grace_seconds
    return Server(
        uvicorn.Config(
            app, http=protocol, ws="none", lifespan="off", log_config=None, access_log=False,
            server_header=False, date_header=False, proxy_headers=False,
            timeout_keep_alive=idle, timeout_graceful_shutdown=grace,
            ssl_certfile=certificate, ssl_keyfile=key,
        ),
        limits,
    )  # fmt: skip


class _Lines(logging.Handler):
    """What libraries log, as lines of our own: where it was, never the text, which may quote."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        where = f"{record.filename}:{record.lineno}" if error is None else kind_and_place(error)
        log("noticed", by=record.name, where=where)


def prepare() -> None:
    """Allow many connections, and have libraries log as we do."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    logging.basicConfig(level=logging.ERROR, handlers=[_Lines()])


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
    return made


def listen(made: socket.socket) -> None:
    """Take connections from now on, though nobody accepts them yet.

    Raises
    ------
    ConfigError : another process was quicker.
    """
    try:
        made.listen(BACKLOG)
    except OSError as error:
        found = error.strerror or type(error).__name__
        raise ConfigError(f"listening on {address_of(made)}", found, "Give a free one") from None


def address_of(made: socket.socket) -> str:
    """Write where a socket listens, as HOST:PORT."""
    host, port = made.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def serve(
    servers: Sequence[tuple[Server, socket.socket]],
    ready: Callable[[], None],
    lifeline: int | None = None,
    leaving: Callable[[], None] = lambda: None,
) -> None:
    """Serve until SIGTERM or SIGINT, then let requests in flight finish.

    Parameters
    ----------
    ready : called when callers may come, and when a signal ends it well.
    lifeline : the end of a pipe; when nobody holds the other one any more, stop too.
    leaving : called when it begins to stop, so that replies without an end may end.
    """
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for one, _ in servers:
            one.should_exit = True
        leaving()
        if lifeline is not None:
            loop.remove_reader(lifeline)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if lifeline is not None:
        loop.add_reader(lifeline, stop)
    for _, made in servers:
        listen(made)
    ready()
    await asyncio.gather(*(one.serve(sockets=[made]) for one, made in servers))

"""HTTP/1.1 within bounds that uvicorn does not set itself.

A caller who sends a header a minute, or one that never ends, or reads no reply, is cut off; what
is no HTTP gets the same form of error as everything else. Whoever is refused before all of a
request has arrived may finish sending for a moment: a connection that is closed on unread bytes
is reset, and the reply is lost with it. What still comes is thrown away, and is never read as
another request.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from reticent.gateway.limits import LIMITS, Limits

MANY = "too many connections wait: this one waited longest"


class Bounded(HttpToolsProtocol):
    """One connection.

    Parameters
    ----------
    waiting : the server's connections without a request in flight, longest waiting first.
    """

    def __init__(
        self, *args: Any, limits: Limits = LIMITS, waiting: dict[Bounded, None], **named: Any
    ) -> None:
        super().__init__(*args, **named)
        self._limits, self._waiting = limits, waiting
        self._head = 0  # bytes that came of a head that is not whole
        self._late: asyncio.TimerHandle | None = None  # until the head has to be whole
        self._unread: asyncio.TimerHandle | None = None  # until the reply has to be read
        self._in_body = self._ended = self._deaf = self._much = False

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._wait_for_head()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._arrived()
        self.resume_writing()
        self._waiting.pop(self, None)
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    # Every request meets the next four: ``super()`` in them would cost it half a microsecond.

    def data_received(self, data: bytes) -> None:
        """Read what comes; what is no body has to become a whole head in time."""
        if self._deaf:
            return
        self._much = self._head + len(data) > self._limits.head_bytes
        HttpToolsProtocol.data_received(self, data)
        if self._ended:  # what may follow counts with what comes next
            self._ended = False
        elif self._deaf:
            return
        elif self._in_body:
            self._be_patient()
        else:
            self._head += len(data)
            if self._head > self._limits.head_bytes:
                self._refuse_head()
            elif self._late is None:
                self._wait_for_head()

    def on_headers_complete(self) -> None:
        """Begin to answer: the head is whole."""
        if self._much:  # a body may have come along
            self._head = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
            if self._head > self._limits.head_bytes:
                raise ValueError
        HttpToolsProtocol.on_headers_complete(self)
        self._in_body, self._head = True, 0
        if self._late is not None:
            self._arrived()
        self._waiting.pop(self, None)

    def on_message_complete(self) -> None:
        """Note that the whole request is here."""
        self._in_body, self._ended = False, True
        HttpToolsProtocol.on_message_complete(self)

    def on_response_complete(self) -> None:
        """Wait for the next head; where the request was not read to its end, there is none."""
        if self._in_body and not self.pipeline and not self.transport.is_closing():
            self.leave()
        if self._deaf:
            self.server_state.total_requests += 1
            return
        HttpToolsProtocol.on_response_complete(self)
        if self.cycle.response_complete and not self.transport.is_closing():
            self._wait()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 (it may quote what was sent)
        """Refuse what is no HTTP, in the form of every other error."""
        if self._head > self._limits.head_bytes:
            self._refuse_head()
        else:
            self._refuse(400, "this is not a well-formed HTTP request")

    def pause_writing(self) -> None:
        """Give the caller some time to read."""
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self._limits.reply_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on writing."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        if self.flow is not None:
            super().resume_writing()

    def leave(self) -> None:
        """Close once the caller has stopped sending, or after a while; read nothing more."""
        if self.transport.is_closing() or (self._deaf and self._late is not None):
            return
        self._deaf = True
        self._arrived()
        self._unset_keepalive_if_required()
        self._waiting.pop(self, None)
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._late = self.loop.call_later(self._limits.leave_seconds, self.transport.abort)

    def yield_place(self) -> None:
        """Make room for a newer connection."""
        if self._late is None:
            self.transport.close()
        else:
            self._refuse(503, MANY)

    def _wait(self) -> None:
        self._waiting[self] = None
        if len(self._waiting) > self._limits.waiting:
            first = next(iter(self._waiting))
            del self._waiting[first]
            first.yield_place()

    def _wait_for_head(self) -> None:
        seconds = self._limits.head_seconds
        message = f"no whole head arrived within {seconds:g} s"
        self._late = self.loop.call_later(seconds, self._refuse, 408, message)

    def _arrived(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _be_patient(self) -> None:
        """Where only a part of a request is here, its reply may come before the rest."""
        if self.cycle.transport is self.transport:
            self.cycle.transport = _Patient(self)  # type: ignore[assignment]

    def _refuse_head(self) -> None:
        most = self._limits.head_bytes >> 10
        self._refuse(431, f"the head of the request is larger than {most} KiB")

    def _refuse(self, status: int, message: str) -> None:
        """Reply to what is no whole request; a request that is in flight is answered first."""
        self._arrived()
        if self._deaf or self.transport.is_closing():
            return
        self._deaf = True
        if self.pipeline:
            self.transport.close()
        elif self._in_body or self.cycle is None or self.cycle.response_complete:
            self.transport.write(_written(status, message))
            if self._in_body:  # whoever waits for the rest of the body hears that nobody sends it
                self.cycle.disconnected = True
                self.cycle.message_event.set()
            self.leave()
        else:
            self.cycle.keep_alive = False


class _Patient:
    """A transport for a reply that may come before its request is whole.

    Attributes
    ----------
    write, is_closing : the transport's own.
    """

    __slots__ = ("_protocol", "is_closing", "write")

    def __init__(self, protocol: Bounded) -> None:
        self._protocol = protocol
        self.write, self.is_closing = protocol.transport.write, protocol.transport.is_closing

    def close(self) -> None:
        """Close, when the caller has stopped sending."""
        if self._protocol._in_body:
            self._protocol.leave()
        else:
            self._protocol.transport.close()


def _written(status: int, message: str) -> bytes:
    body = msgspec.json.encode({"error": message})
    head = (
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body

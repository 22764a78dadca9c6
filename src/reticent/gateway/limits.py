"""What a listener puts up with from one caller, and from all together."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds in seconds, bytes and connections; each is of one worker.

    Attributes
    ----------
    head_seconds : from a request's first byte, or from the connection, to the end of its head.
    head_bytes : of a request line and its headers.
    body_seconds : from the end of the head to the end of the body. body_bytes : of one body.
    held_bytes : of all bodies that are still arriving.
    idle_seconds : between two requests on one connection.
    reply_seconds : for a caller to read a reply.
    leave_seconds : for a caller who was refused early to stop sending and read why.
    grace_seconds : for requests in flight when the server stops.
    waiting : connections without a request in flight; beyond, the one that waits longest goes.
    in_flight : requests that are being answered.
    """

    head_seconds: float = 10.0
    head_bytes: int = 64 << 10
    body_seconds: float = 20.0
    body_bytes: int = 32 << 20
    held_bytes: int = 256 << 20
    idle_seconds: float = 75.0
    reply_seconds: float = 60.0
    leave_seconds: float = 2.0
    grace_seconds: float = 10.0
    waiting: int = 8_192
    in_flight: int = 2_048


LIMITS = Limits()

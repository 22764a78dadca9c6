"""What a gateway says of itself: one JSON object a line on standard error, and never a value."""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import UTC, datetime

import msgspec


def log(event: str, **fields: str | int | float | bool | None) -> None:
    """Write one line: what happened, when, and what else is known of it."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = msgspec.json.encode({"at": at, "event": event, **fields})
    with suppress(OSError, ValueError):  # nobody listens, or the disk is full: serving goes on
        sys.stderr.write(line.decode() + "\n")
        sys.stderr.flush()

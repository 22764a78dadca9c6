"""Syslog (RFC 5424): one line an alert, its facts as structured data."""

from __future__ import annotations

import os
import socket
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

from reticent.event import Alert
from reticent.monitor.alerts import ocsf
from reticent.monitor.alerts.reach import transmit
from reticent.monitor.alerts.settings import Severity, Sink, severity

FACILITY = 10  # security and authorization
SEVERITIES: dict[Severity, int] = {"informational": 6, "low": 5, "medium": 4, "high": 3}
OURS = "reticent@32473"  # the number that RFC 5612 keeps for those who have none
MOST_BYTES = 8192
SEPARATORS = ("Cc", "Zl", "Zp", "Cf", "Cs")  # what ends a line somewhere, or hides in one


class Syslog:
    """Sends each alert as a line of its own connection or datagram."""

    def __init__(self, sink: Sink, folder: Path) -> None:
        self._sink, self._folder = sink, folder

    def send(self, alert: Alert) -> None:
        """Send one alert."""
        deliver(self._sink, self._folder, line(alert, structured(alert), alert.reason))


def deliver(sink: Sink, folder: Path, text: bytes) -> None:
    """Send a line to a sink's address."""
    assert sink.address is not None
    transmit(sink.address, text, sink.trusted(folder))


def line(alert: Alert, data: str, message: str) -> bytes:
    """Build a line: header, structured data, message. No text can end it or begin another."""
    grave = 8 * FACILITY + SEVERITIES[severity(alert)]
    at = datetime.fromtimestamp(alert.at, UTC).isoformat(timespec="milliseconds")
    host = printable(socket.gethostname(), 255)
    head = f"<{grave}>1 {at.replace('+00:00', 'Z')} {host} reticent {os.getpid()}"
    text = f"{head} {printable(alert.detector, 32)} {data} {flat(message)}"
    return text.encode()[:MOST_BYTES].decode("utf-8", "ignore").encode()


def structured(alert: Alert) -> str:
    """The facts as one element of structured data (RFC 5424, section 6.3)."""
    numbers = {name: f"{one:g}" for name, one in alert.evidence.items() if name != "count"}
    facts = numbers | {
        "id": alert.id, "caller": alert.caller.hex(), "source": alert.source.hex(),
        "role": alert.role, "model": alert.model, "query": str(alert.query),
        "count": str(ocsf.count(alert)), "promise": alert.promise,
    }  # fmt: skip
    pairs = [f'{_named(name)}="{_quoted(value)}"' for name, value in facts.items() if value]
    return f"[{' '.join([OURS, *pairs])}]"


def flat(text: str) -> str:
    """Replace every character that may end a line, or change how it reads, by a space."""
    return "".join(" " if unicodedata.category(one) in SEPARATORS else one for one in text)


def printable(text: str, most: int) -> str:
    """Bring a text to the printable ASCII of a header's field; without any it is a dash."""
    return "".join(one for one in text if "!" <= one <= "~")[:most] or "-"


def _named(text: str) -> str:
    return "".join("_" if one in '="]' else one for one in printable(text, 32))


def _quoted(text: str) -> str:
    for mark in ("\\", '"', "]"):
        text = text.replace(mark, f"\\{mark}")
    return flat(text)

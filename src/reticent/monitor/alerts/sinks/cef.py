"""ArcSight Common Event Format, version 0, in a syslog line."""

from __future__ import annotations

from pathlib import Path

from reticent.event import Alert
from reticent.monitor.alerts import ocsf
from reticent.monitor.alerts.settings import Severity, Sink, severity
from reticent.monitor.alerts.sinks.syslog import deliver, flat, line

SEVERITIES: dict[Severity, int] = {"informational": 1, "low": 3, "medium": 5, "high": 8}


class Cef:
    """Sends each alert as CEF."""

    def __init__(self, sink: Sink, folder: Path) -> None:
        self._sink, self._folder = sink, folder

    def send(self, alert: Alert) -> None:
        """Send one alert."""
        deliver(self._sink, self._folder, line(alert, "-", event(alert)))


def event(alert: Alert) -> str:
    """Build the event: seven fields between bars, then names and values.

    In a field a bar, in a value an equals sign is escaped, so that neither can end where it does
    not; lines do not break at all.
    """
    fields = ("reticent", "reticent", ocsf.OURS, alert.detector, ocsf.title(alert),
              str(SEVERITIES[severity(alert)]))  # fmt: skip
    values = {
        "rt": str(round(alert.at * 1000)), "externalId": alert.id, "cat": alert.detector,
        "suid": alert.caller.hex(), "cnt": str(ocsf.count(alert)),
        "cn1": str(alert.query), "cn1Label": "query",
        "cs1": alert.role, "cs1Label": "role", "cs2": alert.model, "cs2Label": "model",
        "cs3": alert.source.hex(), "cs3Label": "source",
        "cs4": alert.promise, "cs4Label": "promise", "msg": alert.reason,
    }  # fmt: skip
    told = [f"{name}={_value(value)}" for name, value in values.items()
            if values.get(name.removesuffix("Label"))]  # fmt: skip
    return f"CEF:0|{'|'.join(map(_field, fields))}|{' '.join(told)}"


def _field(text: str) -> str:
    return flat(text).replace("\\", "\\\\").replace("|", "\\|")


def _value(text: str) -> str:
    return flat(text).replace("\\", "\\\\").replace("=", "\\=")

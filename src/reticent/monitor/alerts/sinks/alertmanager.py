"""Prometheus Alertmanager: an alert that stands for an hour (API v2).

Labels decide what Alertmanager takes for one alert, and they end up in its notifications' names
and in silences: they name no caller. Who it was stands in the annotations, of the newest alert
with these labels.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from reticent.event import Alert
from reticent.monitor.alerts import ocsf
from reticent.monitor.alerts.reach import post
from reticent.monitor.alerts.secret import secret
from reticent.monitor.alerts.settings import Sink, severity

PATH = "/api/v2/alerts"
STANDS = 3600.0  # seconds until it is taken for resolved


class Alertmanager:
    """Posts each alert to an Alertmanager; an address gets the API's path added to it."""

    def __init__(self, sink: Sink, folder: Path) -> None:
        self._sink, self._folder = sink, folder

    def send(self, alert: Alert) -> None:
        """Post one alert."""
        assert self._sink.url is not None
        parts = urlsplit(self._sink.url)
        path = parts.path.rstrip("/")
        url = parts._replace(path=path if path.endswith(PATH) else path + PATH).geturl()
        token = secret(self._sink, self._folder)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        body = msgspec.json.encode([told(alert, time.time())])
        post(url, body, headers, self._sink.trusted(self._folder))


def told(alert: Alert, now: float) -> dict[str, object]:
    """Say an alert in Alertmanager's words: it ends an hour after it was sent, however late."""
    labels = {
        "alertname": "ReticentAlert", "detector": alert.detector, "role": alert.role,
        "model": alert.model, "severity": severity(alert),
    }  # fmt: skip
    annotations = {
        "summary": ocsf.title(alert), "description": alert.reason, "promise": alert.promise,
        "caller": alert.caller.hex(), "source": alert.source.hex(), "query": str(alert.query),
        "count": str(ocsf.count(alert)), "id": alert.id,
    }  # fmt: skip
    return {
        "labels": {name: value for name, value in labels.items() if value},
        "annotations": {name: value for name, value in annotations.items() if value},
        "startsAt": _moment(min(alert.at, now)),
        "endsAt": _moment(now + STANDS),
    }


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")

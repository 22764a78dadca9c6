"""Splunk: the finding as an event of its HTTP Event Collector."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from reticent.event import Alert
from reticent.monitor.alerts import ocsf
from reticent.monitor.alerts.reach import post
from reticent.monitor.alerts.secret import secret
from reticent.monitor.alerts.settings import Sink

PATH = "/services/collector/event"


class Event(msgspec.Struct, frozen=True):
    """What the collector takes. Time in seconds since 1970."""

    time: float
    event: ocsf.Finding
    source: str = "reticent"
    sourcetype: str = "reticent:ocsf"


class Splunk:
    """Posts each alert to a collector; an address without a path gets the collector's."""

    def __init__(self, sink: Sink, folder: Path) -> None:
        self._sink, self._folder = sink, folder

    def send(self, alert: Alert) -> None:
        """Post one alert."""
        assert self._sink.url is not None
        parts = urlsplit(self._sink.url)
        url = self._sink.url if parts.path.strip("/") else parts._replace(path=PATH).geturl()
        headers = {"Authorization": f"Splunk {secret(self._sink, self._folder)}"}
        body = msgspec.json.encode(Event(alert.at, ocsf.finding(alert)))
        post(url, body, headers, self._sink.trusted(self._folder))

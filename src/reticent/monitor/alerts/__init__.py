"""Alerts where people look: a file per kind of sink, and one list that names them.

The list holds text, so that naming the sinks imports none of them. A new kind is one file, one
line here and one word in ``settings.py``.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reticent.monitor.alerts.sender import Sender
    from reticent.monitor.alerts.settings import Sink

SINKS: dict[str, str] = {
    "alertmanager": "alertmanager:Alertmanager",
    "apprise": "apprise:Apprise",
    "cef": "cef:Cef",
    "file": "file:File",
    "splunk": "splunk:Splunk",
    "syslog": "syslog:Syslog",
    "webhook": "webhook:Webhook",
}


def opened(sink: Sink, folder: Path) -> Sender:
    """Load what sends to one sink; it is reached with the first alert.

    Parameters
    ----------
    folder : from which the sink's paths start.

    Raises
    ------
    MissingExtraError : the kind needs a package that is not installed.
    """
    module, _, entry = SINKS[sink.kind].partition(":")
    found: Sender = getattr(import_module(f"{__name__}.sinks.{module}"), entry)(sink, folder)
    return found

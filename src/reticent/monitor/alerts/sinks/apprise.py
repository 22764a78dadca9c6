"""Chat and mail through Apprise, whose addresses hold the secrets and therefore are one."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from reticent.errors import MissingExtraError
from reticent.event import Alert
from reticent.monitor.alerts import ocsf
from reticent.monitor.alerts.secret import secret
from reticent.monitor.alerts.sender import UndeliveredError
from reticent.monitor.alerts.settings import Severity, Sink, severity

KINDS: dict[Severity, str] = {
    "informational": "info", "low": "warning", "medium": "warning", "high": "failure",
}  # fmt: skip


class Apprise:
    """Tells each alert to the addresses in the secret, one a line (https://appriseit.com).

    Raises
    ------
    MissingExtraError : Apprise is not installed.
    """

    def __init__(self, sink: Sink, folder: Path) -> None:
        self._sink, self._folder = sink, folder
        try:
            import apprise
        except ImportError:
            raise MissingExtraError('alerts of kind "apprise"', "apprise", "notify") from None
        self._apprise: Any = apprise
        logger = logging.getLogger("apprise")  # it tells addresses
        logger.addHandler(logging.NullHandler())
        logger.propagate = False

    def send(self, alert: Alert) -> None:
        """Tell one alert; with several addresses all have to take it."""
        told = self._apprise.Apprise()
        for address in secret(self._sink, self._folder).split():
            if not told.add(address):
                raise UndeliveredError("an address is none that Apprise knows")
        if not told.notify(
            body=text(alert), title=ocsf.title(alert), notify_type=self._kind(alert)
        ):
            raise UndeliveredError("Apprise could not deliver it")

    def _kind(self, alert: Alert) -> Any:
        return self._apprise.NotifyType(KINDS[severity(alert)])


def text(alert: Alert) -> str:
    """What a person reads: the reason, the promise, and how to find the caller."""
    lines = [alert.reason, alert.promise]
    if alert.caller:
        lines.append(f"Caller {alert.caller.hex()[:12]}, role {alert.role or 'none'}, at its query "
                     f"{alert.query}.")  # fmt: skip
    return "\n".join([*lines, f"Alert {alert.id}"])

"""What every sink does, and what it says where it cannot."""

from __future__ import annotations

from typing import Protocol

from reticent.event import Alert


class UndeliveredError(Exception):
    """An alert did not arrive. The words hold no token, no address and nothing that was answered.

    Parameters
    ----------
    found : what was wrong. refused : whether this alert was refused, and others may pass.
    wait : seconds that the sink asked to be left alone; 0: it did not say.
    """

    def __init__(self, found: str, *, refused: bool = False, wait: float = 0.0) -> None:
        super().__init__(found)
        self.found, self.refused, self.wait = found, refused, wait


class Sender(Protocol):
    """Brings alerts to one sink."""

    def send(self, alert: Alert) -> None:
        """Bring one alert there, within half a minute; an alert may come twice.

        Raises
        ------
        UndeliveredError : it did not arrive, or nobody can tell.
        """
        ...

"""A file: one finding a line. Whoever rotates it may move it away at any time."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

from reticent.event import Alert
from reticent.monitor.alerts import ocsf
from reticent.monitor.alerts.sender import UndeliveredError
from reticent.monitor.alerts.settings import Sink


class File:
    """Adds each alert to a file, which is made with mode 0600 and opened anew each time."""

    def __init__(self, sink: Sink, folder: Path) -> None:
        assert sink.path is not None
        self._path = folder / sink.path

    def send(self, alert: Alert) -> None:
        """Add one line, whole or not at all."""
        text = ocsf.encoded(alert) + b"\n"
        # without waiting: a pipe that nobody reads is an error
        how = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK
        try:
            opened = os.open(self._path, how, 0o600)
            try:
                _add(opened, text)
            finally:
                os.close(opened)
        except OSError as error:
            found = error.strerror or type(error).__name__
            raise UndeliveredError(f"it cannot be written: {found}") from None


def _add(opened: int, text: bytes) -> None:
    """Write under a lock: several processes add lines, and half a line is taken back."""
    fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)  # held by somebody else: it is tried again
    size = os.fstat(opened).st_size
    if os.write(opened, text) < len(text):
        os.ftruncate(opened, size)
        raise OSError(28, "the disk is full")
    if stat.S_ISREG(os.fstat(opened).st_mode):
        os.fsync(opened)

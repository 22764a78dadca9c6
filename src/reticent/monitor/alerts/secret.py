"""The secret that a sink wants to see: in a private file or in a variable, never in the project."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from reticent.monitor.alerts.sender import UndeliveredError
from reticent.monitor.alerts.settings import Sink

MOST_BYTES = 8192


def secret(sink: Sink, folder: Path) -> str:
    """Read a sink's secret, anew for each alert, so that it can be changed while serving.

    Parameters
    ----------
    folder : from which the path of its file starts.

    Returns
    -------
    The secret without the white space around it; empty where the sink has none.

    Raises
    ------
    UndeliveredError : it cannot be read, others may read it, or it is no printable text.
    """
    if sink.token_env is not None:
        found = os.environ.get(sink.token_env, "")
        where = f"the variable {sink.token_env}"
    elif sink.token_file is not None:
        found, where = _read(folder / sink.token_file, sink.token_file), sink.token_file
    else:
        return ""
    found = found.strip()
    if not found:
        raise UndeliveredError(f"{where} holds no secret")
    lines = found.splitlines() if sink.kind == "apprise" else [found]  # of addresses, one a line
    if not all(line.isprintable() and line.isascii() for line in lines):
        raise UndeliveredError(f"the secret in {where} is no plain text")
    return found


def _read(path: Path, name: str) -> str:
    """Read a file that nobody else may read."""
    try:
        # without waiting, where a pipe would wait for somebody to write
        opened = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise UndeliveredError(f"{name} cannot be read: {error.strerror}") from None
    try:
        mode = os.fstat(opened).st_mode
        if not stat.S_ISREG(mode):
            raise UndeliveredError(f"{name} is no plain file")
        if mode & 0o077:
            raise UndeliveredError(
                f"others may read {name} (mode {stat.S_IMODE(mode):04o}): chmod 600"
            )
        return os.read(opened, MOST_BYTES).decode("utf-8", "replace")
    finally:
        os.close(opened)

"""The command ``reticent`` as a child that never outlives whoever started it.

``python -m reticent.cli.held serve …`` ends in order when its standard input does: the other end
of that pipe closes with its parent, however that one ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reticent.cli.serve import Told

START = 60.0  # seconds until it listens
STOP = 20.0  # seconds to finish


@contextmanager
def gateway(project: Path) -> Iterator[Callable[[], Told]]:
    """Serve a project in a process of its own while this context lasts.

    Yields
    ------
    Waits until it listens and returns what it told then. Raises ConfigError where it does not
    begin; its last words are in the message and in serve.log.
    """
    command = [sys.executable, "-m", __spec__.name, "serve", str(project), "--json"]
    with (project.parent / "serve.log").open("wb") as said:
        child = subprocess.Popen(  # noqa: S603 (this interpreter, on a file that we wrote)
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said
        )
    try:
        yield partial(_listening, child, project.parent / "serve.log")
    finally:
        _end(child)


def _listening(child: subprocess.Popen[bytes], log: Path) -> Told:
    import msgspec

    from reticent.cli.serve import Told
    from reticent.errors import ConfigError

    assert child.stdout is not None
    late = threading.Timer(START, child.kill)
    late.start()
    try:
        line = child.stdout.readline()
    finally:
        late.cancel()
    if not line:
        last = (log.read_text("utf-8", "replace").strip().splitlines() or ["it says nothing"])[-1]
        raise ConfigError("serving the model", f"it does not begin: {last}", f"Look into {log}")
    return msgspec.json.decode(line, type=Told)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Let it finish what it is at, and no longer than that."""
    try:
        child.communicate(timeout=STOP)  # closes its standard input
    except BaseException as error:
        child.kill()
        child.communicate()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise


def _watch() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Be the command ``reticent`` until standard input ends."""
    threading.Thread(target=_watch, daemon=True).start()
    from reticent.cli import main as command

    command()


if __name__ == "__main__":
    main()

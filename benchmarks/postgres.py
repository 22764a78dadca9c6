"""A PostgreSQL of one's own for as long as a benchmark takes: private socket, private data."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.table import CannotRunError

SETUP = "no PostgreSQL here: apt-get install postgresql, or put its programs on the PATH"


def programs() -> Path:
    """Where PostgreSQL's programs are.

    Raises
    ------
    CannotRunError : they are not installed.
    """
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda found: int(found.parts[4])
    )
    other = shutil.which("initdb")
    if not debian and other is None:
        raise CannotRunError(SETUP)
    return debian[-1].parent if debian else Path(str(other)).parent


def version() -> str:
    """What the server calls itself."""
    said = subprocess.run(
        [programs() / "postgres", "--version"], capture_output=True, text=True, check=True
    )
    return f"PostgreSQL {said.stdout.split()[2]}"


@contextmanager
def running() -> Iterator[Callable[[], str]]:
    """Run a server with its defaults (fsync and all); yields what makes a new, empty database and
    returns its address.

    Raises
    ------
    CannotRunError : it is not installed, or does not start.
    """
    found = programs()
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="rtc-", dir="/tmp"))  # a socket's path must be short
    if user is not None:
        known = pwd.getpwnam(user)
        os.chown(folder, known.pw_uid, known.pw_gid)

    def run(program: str, *options: str) -> None:
        subprocess.run(
            [found / program, *options], cwd=folder, user=user, check=True, timeout=60,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        )  # fmt: skip

    try:
        run("initdb", "-D", "data", "-U", "reticent", "-A", "trust", "-E", "UTF8")
        with (folder / "data" / "postgresql.conf").open("a") as settings:
            settings.write(f"listen_addresses = ''\nunix_socket_directories = '{folder}'\n")
        run("pg_ctl", "-D", "data", "-w", "-l", "log", "start")
        try:
            numbers = itertools.count(1)

            def fresh() -> str:
                name = f"d{next(numbers)}"
                run("createdb", "-h", str(folder), "-U", "reticent", name)
                return f"postgresql://reticent@/{name}?host={folder}"

            yield fresh
        finally:
            run("pg_ctl", "-D", "data", "-w", "-m", "immediate", "stop")
    except (subprocess.SubprocessError, KeyError) as error:
        raise CannotRunError(f"PostgreSQL does not start: {error}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)

"""The stores: in memory, in a file, and on a PostgreSQL server of the tests' own if installed."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reticent.store import Store
from reticent.stores.opened import open_store
from stored import MemoryStore

MISSING = "PostgreSQL is not installed: apt-get install --no-install-recommends postgresql"


class Server:
    """A PostgreSQL server on a private socket; who is root runs it as another user."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.programs, self.folder = programs, folder
        self.user = "postgres" if os.geteuid() == 0 else None
        if self.user:
            folder.chmod(0o700)
            os.chown(folder, pwd.getpwnam(self.user).pw_uid, -1)
        self.run("initdb", "-D", "data", "-A", "trust", "-U", "reticent", "--no-sync", "-E", "UTF8")
        with (folder / "data/postgresql.conf").open("a") as settings:
            settings.write(f"listen_addresses = ''\nunix_socket_directories = '{folder}'\n")
            settings.write("shared_buffers = 16MB\nmax_connections = 40\n")
            settings.write("fsync = off\n")  # processes are killed here, not the machine
        self.start()

    def run(self, program: str, *options: str) -> None:
        subprocess.run(
            [self.programs / program, *options],
            cwd=self.folder, user=self.user, check=True, timeout=60,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
        )  # fmt: skip

    def start(self) -> None:
        self.run("pg_ctl", "-D", "data", "-w", "-l", "log", "start")

    def stop(self, how: str = "fast") -> None:
        self.run("pg_ctl", "-D", "data", "-w", "-m", how, "stop")

    def fresh(self) -> str:
        """The address of an empty database: always the same one, it takes long to make many."""
        import psycopg

        url = f"postgresql://reticent@/postgres?host={self.folder}"
        with psycopg.connect(url, autocommit=True) as db:
            db.execute("SET client_min_messages = error")
            db.execute("DROP SCHEMA IF EXISTS reticent CASCADE")
        return url


def found() -> Path | None:
    """Where PostgreSQL's programs are: the newest of Debian's, or those on the path."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[4]))
    other = shutil.which("initdb")
    return debian[-1].parent if debian else Path(other).parent if other else None


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    programs = found()
    if programs is None:
        pytest.skip(MISSING)
    folder = Path(tempfile.mkdtemp(prefix="rtc-", dir="/tmp"))  # a socket's path must be short
    try:
        running = Server(programs, folder)
        yield running
        running.stop("immediate")
    finally:
        shutil.rmtree(folder)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Store]]:
    """Open one and the same store, as often as asked."""
    if request.param == "memory":
        only = MemoryStore()
        yield lambda: only
        return
    url = None if request.param == "sqlite" else request.getfixturevalue("server").fresh()
    stores: list[Store] = []

    def another() -> Store:
        stores.append(open_store(url, tmp_path / "state"))
        return stores[-1]

    yield another
    for store in stores:
        store.close()


@pytest.fixture
def store(opened: Callable[[], Store]) -> Store:
    return opened()

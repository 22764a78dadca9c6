"""A small project to be served: a forest on invented people, its keys, and a running gateway."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.load import prebuilt
from benchmarks.table import ROOT, CannotRunError
from reticent.access.keys import issue
from reticent.access.secret import root_secret
from reticent.stores.opened import open_store

COLUMNS = [f"x{place}" for place in range(30)]
PEOPLE = 2_000
BODIES = 2_000  # different rows that callers send, the same to every server
PATH = "/v2/models/forest/infer"
START = 60.0  # seconds that a server may take to listen
PROJECT = """
[data]
members = "members.csv"
others = "others.csv"
[columns]
y = "label"
x3 = "sensitive"
[domains]
x3 = {{min = -20, max = 20, bins = [-20, -1, 0, 1, 20], public = true}}
[model]
path = "forest.onnx"
[roles.partner]
output = "scores"
decimals = 2
rows_per_minute = {minute}
rows_per_day = {day}
role_rows_per_day = {role_day}
[gateway]
listen = "127.0.0.1:0"
admin_listen = "127.0.0.1:0"
rows_per_day = {all_day}
durability = "{durability}"
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """The budgets of the one role, in rows; by default so large that nobody meets them."""

    minute: int = 10**8
    day: int = 10**9
    role_day: int = 10**9
    all_day: int = 10**9


@dataclass(slots=True)
class Running:
    """A server that listens, and its process."""

    process: subprocess.Popen[bytes]
    port: int
    admin: int = 0

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop it and wait."""
        self.process.send_signal(how)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@cache
def people() -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Invented people: 30 numbers (2 x PEOPLE, 30) and a class; half are members."""
    from sklearn.datasets import make_classification

    x, y = make_classification(2 * PEOPLE, len(COLUMNS), random_state=0)
    return x.round(4).astype(np.float32), y


@cache
def forest() -> bytes:
    """A random forest of 100 trees as ONNX, fitted on the members."""
    from skl2onnx import to_onnx
    from sklearn.ensemble import RandomForestClassifier

    x, y = people()
    made = RandomForestClassifier(100, random_state=0).fit(x[:PEOPLE], y[:PEOPLE])
    graph = to_onnx(made, x[:1], options={id(made): {"zipmap": False}})
    content: bytes = graph.SerializeToString()
    return content


def project(
    folder: Path,
    durability: str,
    limits: Limits = Limits(),
    store: str | None = None,
) -> Path:
    """Write a project into a folder; returns its reticent.toml."""
    x, y = people()
    folder.mkdir(parents=True, exist_ok=True)
    table = np.column_stack([x, y])
    form = ",".join(["%.4f"] * len(COLUMNS) + ["%d"])
    head = ",".join([*COLUMNS, "y"])
    for name, rows in (("members", table[:PEOPLE]), ("others", table[PEOPLE:])):
        np.savetxt(folder / f"{name}.csv", rows, form, header=head, comments="")
    (folder / "forest.onnx").write_bytes(forest())
    path = folder / "reticent.toml"
    text = PROJECT.format(
        durability=durability, minute=limits.minute, day=limits.day, role_day=limits.role_day,
        all_day=limits.all_day,
    )  # fmt: skip
    path.write_text(text if store is None else f'{text}[store]\nurl = "{store}"\n', "utf-8")
    return path


def keys(path: Path, owners: Sequence[str]) -> list[str]:
    """Make a key for each owner, as ``reticent keys create`` does; returns their texts."""
    state = path.parent / ".reticent"
    url = tomllib.loads(path.read_text("utf-8")).get("store", {}).get("url")
    secret, texts = root_secret(state, create=True), []
    with closing(open_store(url, state)) as store:
        for owner in owners:
            record, text = issue(secret, "partner", owner=owner, now=time.time())
            store.save_key(record)
            texts.append(text)
    return texts


def body(row: NDArray[np.float32]) -> bytes:
    """One row (30,) as the protocol's JSON: a single tensor."""
    data = [float(str(number)) for number in row]
    tensor = {"name": "input", "shape": [1, len(data)], "datatype": "FP32", "data": data}
    return msgspec.json.encode({"inputs": [tensor]})


@cache
def bodies() -> list[bytes]:
    """The rows of people who are no members, as callers send them."""
    return [body(row) for row in people()[0][PEOPLE : PEOPLE + BODIES]]


def requests(texts: Sequence[str], path: str = PATH) -> list[list[bytes]]:
    """Write the requests of one caller for each key; an empty key sends none."""
    every = len(texts)
    return [
        [prebuilt(path, one, text) for one in (*bodies()[n::every], *bodies()[:n:every])]
        for n, text in enumerate(texts)
    ]


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """What is started within runs on that core; this process stays where it was."""
    before = os.sched_getaffinity(0)
    if core is not None:
        os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def start(
    command: Sequence[str], core: int | None, log: Path, **more: str
) -> subprocess.Popen[bytes]:
    """Start a process with one thread for its arithmetic; what it says goes to a file."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", **more}
    with on_core(core), log.open("wb") as said:
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=said
        )


def gateway(path: Path, core: int | None = None, *options: str) -> Running:
    """Start ``reticent serve`` and wait until it listens.

    Raises
    ------
    CannotRunError : it ends, or does not listen in time.
    """
    log = path.parent / "serve.log"
    command = [sys.executable, "-m", "reticent", "serve", str(path), "--json", *options]
    process = start(command, core, log)
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        process.wait()
        last = (log.read_text("utf-8").strip().splitlines() or ["no message"])[-1]
        raise CannotRunError(f"reticent serve ends: {last}")
    told = msgspec.json.decode(line)
    ports = [int(told[name].rpartition(":")[2]) for name in ("url", "admin")]
    running = Running(process, *ports)
    await_ready(running, "/v2/health/ready")
    return running


def await_ready(running: Running, path: str) -> None:
    """Wait until a server says that it is ready.

    Raises
    ------
    CannotRunError : it ends, or is not in time.
    """
    until = time.monotonic() + START
    while time.monotonic() < until and running.process.poll() is None:
        with suppress(OSError, HTTPException), closing(
            HTTPConnection("127.0.0.1", running.port, timeout=5)
        ) as line:  # fmt: skip
            line.request("GET", path)
            if line.getresponse().status == 200:
                return
        time.sleep(0.02)
    running.stop(signal.SIGKILL)
    raise CannotRunError(f"{path} is not answered with 200 within {START:g} s")


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder on a real disk (RETICENT_BENCH_DIR, else the temporary one), gone afterwards."""
    chosen = os.environ.get("RETICENT_BENCH_DIR")
    with tempfile.TemporaryDirectory(prefix="reticent-bench-", dir=chosen) as folder:
        yield Path(folder)

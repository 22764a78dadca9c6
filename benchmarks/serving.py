"""What a guarded answer costs: CPU time and latency beside servers without a guard.

All servers run at once on one core and are loaded in turns from the other one, round by round, so
that whatever else the machine does meets all of them. A server that lacks its environment is named
in its row. ``RETICENT_FASTAPI_PYTHON`` and ``RETICENT_MLSERVER_PYTHON`` name the Pythons of these.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.guarded import (
    Running,
    await_ready,
    forest,
    free_port,
    gateway,
    keys,
    project,
    requests,
    start,
    workplace,
)
from benchmarks.load import CALLERS, SECONDS, Driven, clean, cores, cpu_seconds, drive, family
from benchmarks.table import CannotRunError, Table, plain, spread

ROUNDS = 5
WARM_SECONDS = 1.0
CONCURRENT = (1, 16, 64)
FSYNCS = 2_000
PACKAGES = "onnxruntime msgspec 'uvicorn[standard]'"
GUARD = (
    "Guarded: a key of its own for each caller, the role's right to ask, budgets a minute and a "
    "day for the principal and a day for the role and for all, every value checked, `output = "
    '"scores"` with `decimals = 2`, one sensitive column sketched, every query watched and '
    "entered in the hash-chained journal on SQLite: *group* is on the disk before the answer "
    "leaves, *async* within a second."
)


@dataclass(frozen=True, slots=True)
class Server:
    """One server of the comparison.

    Attributes
    ----------
    begin : starts it in a folder on a core. keyed : callers show keys.
    """

    name: str
    begin: Callable[[Path, int], Running]
    keyed: bool = False


@dataclass(slots=True)
class Loaded:
    """A running server, what callers send to it, and what was measured round by round."""

    server: Server
    running: Running
    requests: list[list[bytes]]
    micros: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    def load(self, seconds: float, callers: int = CALLERS) -> Driven:
        """Load it once."""
        driven = drive([self.running.port], self.requests[:callers], seconds)
        return clean(driven, self.server.name)

    def round(self, seconds: float) -> None:
        """Load it once and note CPU microseconds a request, and requests a second."""
        pids = family(self.running.process.pid)
        before = cpu_seconds(pids)
        driven = self.load(seconds)
        self.micros.append((cpu_seconds(pids) - before) / driven.requests * 1e6)
        self.rates.append(driven.requests / driven.seconds)


def _guarded(durability: str) -> Callable[[Path, int], Running]:
    def begin(folder: Path, core: int) -> Running:
        return gateway(project(folder, durability), core)

    return begin


def _peer(name: str, variable: str = "", packages: str = "") -> Callable[[Path, int], Running]:
    def begin(folder: Path, core: int) -> Running:
        python = os.environ.get(variable, "") if variable else sys.executable
        if not Path(python).is_file():
            raise CannotRunError(
                f"no environment: set {variable} to the Python of one with `pip install "
                f"{packages} {PACKAGES}`"
            )
        folder.mkdir()
        (folder / "forest.onnx").write_bytes(forest())
        ports = [free_port(), free_port()]
        model = str(folder / "forest.onnx")
        command = [python, "-m", f"benchmarks.peers.serving_{name}", model, *map(str, ports)]
        running = Running(start(command, core, folder / "serve.log"), ports[0])
        await_ready(running, "/v2/health/ready")
        return running

    return begin


BARE = Server("bare handler", _peer("bare"))
ASYNC = Server("reticent, async", _guarded("async"), keyed=True)
GROUP = Server("reticent, group", _guarded("group"), keyed=True)
STARLETTE = Server("Starlette, unguarded", _peer("starlette"))
FASTAPI = Server("FastAPI, unguarded", _peer("fastapi", "RETICENT_FASTAPI_PYTHON", "fastapi"))
MLSERVER = Server("MLServer, unguarded", _peer("mlserver", "RETICENT_MLSERVER_PYTHON", "mlserver"))
SERVERS = (BARE, ASYNC, GROUP, STARLETTE, FASTAPI, MLSERVER)


@contextmanager
def serving(
    servers: Sequence[Server], core: int, lacking: dict[str, str] | None = None
) -> Iterator[list[Loaded]]:
    """Run servers on one core, warmed up.

    Parameters
    ----------
    lacking : takes the name of what cannot run, and why; without it that is an error.
    """
    with ExitStack() as stack:
        folder, found = stack.enter_context(workplace()), []
        for place, server in enumerate(servers):
            own = folder / str(place)
            try:
                running = server.begin(own, core)
            except CannotRunError as lack:
                if lacking is None:
                    raise
                lacking[server.name] = str(lack)
                continue
            stack.callback(running.stop)
            shown = [""] * CALLERS
            if server.keyed:
                shown = keys(own / "reticent.toml", [f"caller-{n}" for n in range(CALLERS)])
            found.append(one := Loaded(server, running, requests(shown)))
            one.load(WARM_SECONDS)
        yield found


def measure(rounds: int = ROUNDS, seconds: float = SECONDS) -> Table:
    """CPU time of one guarded answer, beside servers that guard nothing."""
    lacking: dict[str, str] = {}
    with cores() as (core, _), serving(SERVERS, core, lacking) as loaded:
        own = time.process_time()
        for number in range(rounds):
            for one in loaded:
                print(f"round {number + 1}: {one.server.name}", file=sys.stderr, flush=True)
                one.round(seconds)
        own = time.process_time() - own
        total = sum(rate * seconds for one in loaded for rate in one.rates)
    bare = float(np.median(loaded[0].micros))
    rows = [
        (
            one.server.name, spread(one.micros, 0), plain(float(np.median(one.micros)) / bare, 2),
            f"{np.median(one.rates):,.0f}",
        )
        for one in loaded
    ] + [(name, why, "-", "-") for name, why in lacking.items()]  # fmt: skip
    return Table(
        head=("server", "CPU µs a request", "ratio to bare", "requests a second"),
        rows=rows,
        notes=(
            f"A random forest of 100 trees as ONNX, 30 numbers, one row a request as JSON, "
            f"{CALLERS} callers, each on one keep-alive connection. CPU time, user and system, of "
            f"the server's whole process tree; median of {rounds} rounds of {seconds:g} s in "
            "turns (range). Server on one core, callers on the other; the callers' side costs "
            f"{own / total * 1e6:.0f} µs a request. The same rows are sent to all.",
            "*bare handler*: ASGI on the same uvicorn with httptools and uvloop; decodes the same "
            "JSON with msgspec, predicts with onnxruntime, encodes with msgspec, and nothing "
            f"else. {GUARD}",
        ),
        versions=_versions(),
    )


def latency(seconds: float = SECONDS) -> Table:
    """How long callers wait, one alone and many at once, beside the disk's own fsync."""
    rows = []
    with cores() as (core, _), serving((BARE, ASYNC, GROUP), core) as loaded:
        disk = fsyncs()
        waits: dict[tuple[str, int], list[Driven]] = {}
        for _ in range(ROUNDS):
            for one in loaded:
                for callers in CONCURRENT:
                    driven = one.load(seconds / 2, callers)
                    waits.setdefault((one.server.name, callers), []).append(driven)
    for (name, callers), found in waits.items():
        times = np.concatenate([one.latencies for one in found])
        p50, p99, most = (float(f) * 1e3 for f in (*np.quantile(times, (0.5, 0.99)), times.max()))
        rate = np.median([one.requests / one.seconds for one in found])
        rows.append((name, str(callers), f"{p50:.2f}", f"{p99:.2f}", f"{most:.1f}", f"{rate:,.0f}"))
    p50, p99, most = (float(f) * 1e3 for f in (*np.quantile(disk, (0.5, 0.99)), max(disk)))
    rows.append(("this disk's fsync alone", "1", f"{p50:.2f}", f"{p99:.2f}", f"{most:.1f}", "-"))
    return Table(
        head=("server", "callers", "p50, ms", "p99, ms", "longest, ms", "requests a second"),
        rows=rows,
        notes=(
            "From the request's first byte sent to the answer's last byte read, in a closed loop: "
            "each caller asks again at once, so with many the server's core is full and the wait "
            f"is a queue. {ROUNDS} rounds of {seconds / 2:g} s in turns, all requests together. "
            f"*fsync alone*: {FSYNCS:,} times 4 KiB appended to a file on the same disk and "
            "synced, in the same run, nobody else writing.",
            GUARD,
        ),
        versions=_versions(),
    )


def fsyncs() -> list[float]:
    """Seconds of single appends of 4 KiB with fsync, on the disk of the work place."""
    with workplace() as folder, (folder / "log").open("wb", buffering=0) as log:
        times = []
        for _ in range(FSYNCS):
            began = time.perf_counter()
            log.write(bytes(4096))
            os.fdatasync(log.fileno())
            times.append(time.perf_counter() - began)
    return times


def _versions() -> list[str]:
    """Versions of the servers' software, as each environment says."""
    ask = "from importlib.metadata import version as v; print(*(f'{p} {v(p)}' for p in %r))"
    peers = {
        sys.executable: ("uvicorn", "onnxruntime", "msgspec", "starlette"),
        os.environ.get("RETICENT_FASTAPI_PYTHON", ""): ("fastapi",),
        os.environ.get("RETICENT_MLSERVER_PYTHON", ""): ("mlserver",),
    }
    found = []
    for python, names in peers.items():
        for name in names if Path(python).is_file() else ():
            done = subprocess.run(
                [python, "-c", ask % ((name,),)], capture_output=True, text=True, check=False
            )
            found += [done.stdout.strip()] if done.returncode == 0 else []
    return found

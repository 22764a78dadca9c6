"""A load generator that costs less than what it measures: raw sockets and prebuilt requests.

Each caller holds one keep-alive connection and sends its next request when the answer to the last
one is whole (a closed loop). Of an answer only the status and the length are read. Measured in the
process that calls it, so pin that one to a core of its own (``cores``).
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.table import CannotRunError

CALLERS = 64
SECONDS = 3.0
PATIENCE = 20.0  # seconds that no answer may take
OK = b"HTTP/1.1 200"
LENGTHS = (b"\r\ncontent-length: ", b"\r\nContent-Length: ")


def prebuilt(path: str, body: bytes, key: str = "", host: str = "bench") -> bytes:
    """Write one whole request."""
    lines = [
        f"POST {path} HTTP/1.1", f"host: {host}", "content-type: application/json",
        f"content-length: {len(body)}", *([f"authorization: Bearer {key}"] if key else []),
    ]  # fmt: skip
    return "\r\n".join([*lines, "", ""]).encode() + body


@dataclass(slots=True)
class Driven:
    """What a load did.

    Attributes
    ----------
    seconds : wall time. answered : 200s of each caller. refused : other statuses, counted.
    latencies : seconds from the first byte sent to the last byte read (requests,).
    broken : connections that were closed before their answer was whole.
    """

    seconds: float = 0.0
    answered: list[int] = field(default_factory=list)
    refused: dict[int, int] = field(default_factory=dict)
    latencies: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    broken: int = 0

    @property
    def requests(self) -> int:
        """How many were answered with 200."""
        return sum(self.answered)

    def quantile(self, q: float) -> float:
        """A quantile of the latencies, in seconds."""
        return float(np.quantile(self.latencies, q))


class Caller(asyncio.Protocol):
    """One connection: sends, waits for the whole answer, sends again.

    Parameters
    ----------
    requests : sent in turn. until : on the clock of ``time.perf_counter``.
    told : called with the number of each answered request, where somebody wants to know.
    """

    def __init__(
        self, requests: Iterator[bytes], until: float, told: Callable[[int], None] | None = None
    ) -> None:
        self._requests, self._until, self._told = requests, until, told
        self._left, self._status, self._head = 0, 0, b""
        self._sent = 0.0
        self.answered = self.place = 0
        self.refused: dict[int, int] = {}
        self.times: list[float] = []
        self.over: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        """Send the first request."""
        self._transport, self._write = transport, transport.write
        self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """Say whether it ended between two requests."""
        del exc
        if not self.over.done():
            self.over.set_result(False)

    def data_received(self, data: bytes) -> None:
        """Read an answer as far as needed."""
        if self._left:
            self._left -= len(data)
        else:
            data = self._head + data if self._head else data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._head = data
                return
            self._head = b""
            self._status = 200 if data.startswith(OK) else int(data[9:12])
            length = _length(data, end)
            if length < 0:
                self._fail("it does not tell the length of its answers")
                return
            self._left = length + end + 4 - len(data)
        if self._left == 0:
            self._answered()
        elif self._left < 0:
            self._fail("it sends more than was asked for")

    def _answered(self) -> None:
        now = time.perf_counter()
        self.times.append(now - self._sent)
        if self._status == 200:
            self.answered += 1
            if self._told is not None:
                self._told(self.place)
        else:
            self.refused[self._status] = self.refused.get(self._status, 0) + 1
        self.place += 1
        if now >= self._until or not self._ask():
            self.over.set_result(True)
            self._transport.close()

    def _fail(self, found: str) -> None:
        if not self.over.done():
            self.over.set_exception(CannotRunError(f"the server cannot be read: {found}"))
        self._transport.close()

    def _ask(self) -> bool:
        """Send the next request; False where there is none."""
        for request in self._requests:
            self._sent = time.perf_counter()
            self._write(request)
            return True
        return False


def _length(data: bytes, end: int) -> int:
    for name in LENGTHS:
        at = data.find(name, 0, end)
        if at >= 0:
            at += len(name)
            return int(data[at : data.index(b"\r", at)])
    return -1


def drive(
    ports: Sequence[int], requests: Sequence[Iterable[bytes]], seconds: float = SECONDS,
    told: Callable[[int, int], None] | None = None, repeat: bool = True,
) -> Driven:  # fmt: skip
    """Load one or several servers of this machine for some seconds.

    Parameters
    ----------
    ports : callers are spread over them. requests : for each caller those that it sends, in turn.
    told : called with the caller and the number of its request for each 200.
    repeat : send them over and over; otherwise a caller ends when all were answered.

    Raises
    ------
    CannotRunError : it answers nothing, or too late.
    """
    import uvloop

    return uvloop.run(_drive(ports, requests, seconds, told, repeat))


async def _drive(
    ports: Sequence[int], requests: Sequence[Iterable[bytes]], seconds: float,
    told: Callable[[int, int], None] | None, repeat: bool,
) -> Driven:  # fmt: skip
    loop, began = asyncio.get_running_loop(), time.perf_counter()

    def caller(number: int) -> Caller:
        note = None if told is None else partial(told, number)
        given = itertools.cycle(requests[number]) if repeat else iter(requests[number])
        return Caller(given, began + seconds, note)

    async def connect(number: int) -> Caller:
        made = caller(number)
        await loop.create_connection(lambda: made, "127.0.0.1", ports[number % len(ports)])
        return made

    try:
        callers = await asyncio.gather(*map(connect, range(len(requests))))
        async with asyncio.timeout(seconds + PATIENCE):
            whole = await asyncio.gather(*(one.over for one in callers))
    except (OSError, TimeoutError) as error:
        raise CannotRunError(f"the server does not answer ({type(error).__name__})") from None
    refused: dict[int, int] = {}
    for one in callers:
        for status, count in one.refused.items():
            refused[status] = refused.get(status, 0) + count
    times = [second for one in callers for second in one.times]
    return Driven(
        time.perf_counter() - began, [one.answered for one in callers], refused,
        np.array(times), whole.count(False),
    )  # fmt: skip


def clean(driven: Driven, who: str) -> Driven:
    """Return a load in which every request was answered with 200.

    Raises
    ------
    CannotRunError : one was not: the figures would mean something else.
    """
    if driven.refused or driven.broken or not driven.requests:
        found = f"{driven.requests} answered, {driven.refused or 'none'} refused, "
        raise CannotRunError(f"{who}: {found}{driven.broken} connections broken")
    return driven


def family(root: int) -> list[int]:
    """Name a process and all its descendants."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:  # it is gone
            continue
        children.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(stat.parts[2]))
    found, waiting = [], [root]
    while waiting:
        found.append(one := waiting.pop())
        waiting += children.get(one, [])
    return found


def cpu_seconds(pids: Sequence[int]) -> float:
    """CPU time, user and system, of whole processes: the kernel's clock, in nanoseconds."""
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)  # MAKE_PROCESS_CPUCLOCK, SCHED


def memory(pids: Sequence[int], what: str = "VmRSS") -> float:
    """Memory of processes in MB: ``VmRSS`` now, ``VmHWM`` at most so far."""
    found = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(what):
                found += int(line.split()[1])
    return found / 1024


@contextmanager
def cores() -> Iterator[tuple[int, int]]:
    """Keep this process on one core and yield (the one for servers, this one).

    Raises
    ------
    CannotRunError : there is only one.
    """
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise CannotRunError("two cores are needed: one for the server, one for the callers")
    os.sched_setaffinity(0, {allowed[1]})
    try:
        yield allowed[0], allowed[1]
    finally:
        os.sched_setaffinity(0, set(allowed))

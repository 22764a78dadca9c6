"""Several workers on one socket, and one process that looks after them."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from reticent.errors import ReticentError
from reticent.gateway.counters import Counters
from reticent.gateway.listeners import serve, server
from reticent.gateway.log import log
from reticent.gateway.worker import Plan, Worker

RESTARTS, WITHIN = 5, 30.0  # more restarts within so many seconds: something is wrong, stop
CANNOT = 2  # exit status of a worker that cannot begin


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where to listen.

    Attributes
    ----------
    public, local : bound sockets of /v2, and of /admin and /metrics. tls : of the public one.
    """

    public: socket.socket
    local: socket.socket
    tls: tuple[str, str] | None = None


async def work(plan: Plan, counters: Counters, listening: Listening, first: bool,
               ready: Callable[[], None]) -> None:  # fmt: skip
    """Serve as one worker until told to stop.

    Raises
    ------
    ReticentError : it cannot begin.
    """
    from reticent.gateway.admin import admin
    from reticent.gateway.app import App

    worker = Worker(plan, counters, first)
    try:
        await worker.start()
        servers = [(server(App(worker), listening.tls), listening.public)]
        if first:
            servers.append((server(admin(worker)), listening.local))
        ready()
        await serve(servers)
    finally:
        await worker.close()


def run(plan: Callable[[], Plan], roles: list[str], listening: Listening, workers: int,
        ready: Callable[[Plan], None]) -> int:  # fmt: skip
    """Serve with one or several workers; returns the exit status.

    Parameters
    ----------
    plan : loads what is served; called in each worker, so that none shares a session or a thread.
    ready : told once, by the first worker, that it listens.

    Raises
    ------
    ReticentError : with one worker: it cannot begin.
    """
    counters = Counters(roles, workers)
    if workers == 1:
        made = plan()
        _loop(work(made, counters, listening, True, lambda: ready(made)))
        return 0
    return _Supervisor(plan, counters, listening, workers, ready).run()


def _loop(main: object) -> None:
    import uvloop

    uvloop.run(main)  # type: ignore[arg-type]


class _Supervisor:
    """Forks workers, starts anew those that die, and stops them all."""

    def __init__(self, plan: Callable[[], Plan], counters: Counters, listening: Listening,
                 workers: int, ready: Callable[[Plan], None]) -> None:  # fmt: skip
        self._plan, self._counters, self._listening = plan, counters, listening
        self._workers, self._ready = workers, ready
        self._children: dict[int, int] = {}
        self._stopping = False
        self._restarts: list[float] = []

    def run(self) -> int:
        signal.signal(signal.SIGTERM, self._stop)
        signal.signal(signal.SIGINT, self._stop)
        if not self._begin(0):  # alone at first: it converts the model for the others
            return CANNOT
        for place in range(1, self._workers):
            if not self._stopping and not self._begin(place):
                self._stop()
                self._wait()
                return CANNOT
        return self._wait()

    def _stop(self, *_: object) -> None:
        self._stopping = True
        for child in self._children:
            os.kill(child, signal.SIGTERM)

    def _begin(self, place: int) -> bool:
        """Fork one worker and wait until it listens."""
        told, tell = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(told)
            os._exit(self._child(place, tell))
        os.close(tell)
        self._children[child] = place
        with os.fdopen(told, "rb") as pipe:
            begun = pipe.read(1) == b"1"
        if not begun:
            del self._children[child]
            os.waitpid(child, 0)
        return begun

    def _child(self, place: int, tell: int) -> int:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        self._counters.worker(place)

        def ready(plan: Plan) -> None:
            os.write(tell, b"1")
            if place == 0 and not self._restarts:
                self._ready(plan)

        try:
            plan = self._plan()
            _loop(work(plan, self._counters, self._listening, place == 0, lambda: ready(plan)))
        except ReticentError as error:
            sys.stderr.write(f"reticent: {error}\n")
            return CANNOT
        except (KeyboardInterrupt, asyncio.CancelledError):
            return 0
        return 0

    def _wait(self) -> int:
        """Wait for all workers; one that dies is started anew, unless it happens too often."""
        status = 0
        while self._children:
            try:
                child, ended = os.wait()
            except InterruptedError:
                continue
            place = self._children.pop(child, None)
            if self._stopping or place is None:
                continue
            now = time.monotonic()
            self._restarts = [at for at in self._restarts if now - at < WITHIN] + [now]
            log("worker died", worker=place, status=os.waitstatus_to_exitcode(ended))
            if len(self._restarts) > RESTARTS or not self._begin(place):
                status = 1
                self._stop()
        return status

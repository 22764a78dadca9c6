"""Several workers on one socket, and one process that looks after them."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from dataclasses import dataclass
from typing import Any

from reticent.errors import ReticentError, kind_and_place
from reticent.gateway.counters import Counters
from reticent.gateway.listeners import prepare, serve, server
from reticent.gateway.log import log
from reticent.gateway.worker import Plan, Worker

RESTARTS, WITHIN = 5, 30.0  # more deaths within so many seconds: something is wrong, stop
FIRST_PAUSE, LAST_PAUSE = 0.5, 8.0  # seconds before a worker that could not begin is tried again
STOPS = (signal.SIGTERM, signal.SIGINT)
CANNOT = 2  # exit status of a worker that cannot begin
Desk = Callable[[Worker], AbstractAsyncContextManager[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where to listen.

    Attributes
    ----------
    public, local : bound sockets of /v2, and of /admin and /metrics. tls : of the public one.
    desk : makes the ASGI app of the local listener, for as long as it serves; None: the admin's.
    """

    public: socket.socket
    local: socket.socket
    tls: tuple[str, str] | None = None
    desk: Desk | None = None


async def work(plan: Plan, counters: Counters, listening: Listening, first: bool,
               ready: Callable[[], None], lifeline: int | None = None) -> None:  # fmt: skip
    """Serve as one worker until told to stop.

    Parameters
    ----------
    ready : called when it listens. lifeline : as of ``serve``.

    Raises
    ------
    ReticentError : it cannot begin.
    """
    from reticent.gateway.admin import admin
    from reticent.gateway.app import App

    prepare()
    worker = Worker(plan, counters, first)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(worker.close)
        await worker.start()
        servers = [(server(App(worker), listening.tls), listening.public)]
        if first:
            desk = listening.desk
            app = await stack.enter_async_context(desk(worker)) if desk else admin(worker)
            servers.append((server(app), listening.local))
        gc.freeze()  # what is loaded stays: looking through it again would keep callers waiting
        await serve(servers, ready, lifeline, worker.leaving.set)


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
    """Forks workers, starts anew those that die, and stops them all.

    If it dies itself, its end of a pipe is closed with it and its workers stop: else they would
    hold the address, and nobody would look after them.
    """

    def __init__(self, plan: Callable[[], Plan], counters: Counters, listening: Listening,
                 workers: int, ready: Callable[[Plan], None]) -> None:  # fmt: skip
        self._plan, self._counters, self._listening = plan, counters, listening
        self._workers, self._ready = workers, ready
        self._children: dict[int, int] = {}
        self._missing: list[int] = []
        self._deaths: list[float] = []
        self._stopping = self._told = False
        self._status = self._ended = 0
        self._pause = FIRST_PAUSE
        self._lifeline, self._held = os.pipe()

    def run(self) -> int:
        for number in STOPS:
            signal.signal(number, self._stop)
        for place in range(self._workers):  # the first one alone: it converts the model for all
            if not self._stopping and not self._begin(place):
                self._not_begun(place)
        while self._children or (self._missing and not self._stopping):
            if self._missing and not self._stopping:
                self._replace()
            else:
                self._bury(*os.wait())
        return self._status

    def _not_begun(self, place: int) -> None:
        """At the start: stop where it cannot begin, try again where it died."""
        if self._ended != CANNOT:
            self._missing.append(place)
            self._one_more()
        elif not self._stopping:
            self._status = CANNOT
            self._stop()

    def _replace(self) -> None:
        """Try to begin a worker that is missing; the others go on meanwhile."""
        if self._begin(self._missing[0]):
            del self._missing[0]
            self._pause = FIRST_PAUSE
        else:
            time.sleep(self._pause)
            self._pause = min(2 * self._pause, LAST_PAUSE)
            if not self._children:
                self._one_more()
        while self._children and (found := os.waitpid(-1, os.WNOHANG))[0]:
            self._bury(*found)

    def _stop(self, *_: object) -> None:
        self._stopping = True
        for child in self._children:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)

    def _begin(self, place: int) -> bool:
        """Fork one worker and wait until it listens."""
        signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)  # a child that nobody knows of goes on
        if self._stopping:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
            return False
        told, tell = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(told)
            os.close(self._held)
            os._exit(self._child(place, tell))
        self._children[child] = place
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        os.close(tell)
        with os.fdopen(told, "rb") as pipe:
            begun = pipe.read(1) == b"1"
        if not begun:
            self._ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            del self._children[child]
        else:
            log("worker listens", worker=place)
            self._told = True
        return begun

    def _child(self, place: int, tell: int) -> int:
        for number in STOPS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        self._counters.worker(place)

        def ready(plan: Plan) -> None:
            if not self._told:
                self._ready(plan)
            os.write(tell, b"1")

        try:
            plan = self._plan()
            first = place == 0
            _loop(work(plan, self._counters, self._listening, first, lambda: ready(plan),
                       self._lifeline))  # fmt: skip
        except ReticentError as error:
            sys.stderr.write(f"reticent: {error}\n")
            return CANNOT
        except (KeyboardInterrupt, asyncio.CancelledError):
            return 0
        except Exception as error:  # noqa: BLE001 (it must not go on as if it were the parent)
            log("worker failed", worker=place, where=kind_and_place(error))
            return 1
        return 0

    def _bury(self, child: int, ended: int) -> None:
        """Note that a worker has ended, and that another one has to take its place."""
        place = self._children.pop(child, None)
        if self._stopping or place is None:
            return
        log("worker died", worker=place, status=os.waitstatus_to_exitcode(ended))
        self._missing.append(place)
        self._one_more()

    def _one_more(self) -> None:
        """Count a death; where they follow each other too fast, give up."""
        now = time.monotonic()
        self._deaths = [at for at in self._deaths if now - at < WITHIN] + [now]
        if len(self._deaths) > RESTARTS:
            self._status = 1
            self._stop()

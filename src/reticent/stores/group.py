"""One event loop's way to the store: what waits together is committed together.

A thread owns the store. While it waits for the disk, the loop goes on and gathers; when it is
done, everything gathered is its next transaction. So a busy gateway pays for one fsync in many
requests, and a quiet one waits for nobody.

With ``durable=False`` an entry only waits to be written: every 50 ms everything that waits is. A
crash then loses the entries of the last second, and never more than 10,000; where they cannot be
written for that long, no more are taken. A group whose connection broke while it was committed
is written again, so that such an entry may stand twice in the journal, but is never missing.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar

from reticent.errors import StoreError, kind_and_place
from reticent.store import Done, Store, Work

BOUND = 10_000  # entries that may wait
RHYTHM = 0.05  # seconds between two writes where nobody waits for them
OVERDUE = 0.9  # seconds that an entry may wait to be written; one rhythm more is a second
PROBE = 0.5  # seconds until a store that failed is tried again

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(slots=True)
class Group:
    """What is committed together, and who waits for it."""

    entries: list[bytes]
    waiting: list[asyncio.Future[None]]
    works: list[tuple[Work, asyncio.Future[Done]]]
    since: float
    done: Done | None = None
    error: StoreError | None = None

    def work(self) -> Work:
        """One piece of work of everything."""
        if not self.works:
            return Work(self.entries)
        works = [work for work, _ in self.works]
        return Work(
            [*self.entries, *(entry for work in works for entry in work.entries)],
            [want for work in works for want in work.wants],
            [trial for work in works for trial in work.trials],
        )


class Grouped:
    """A store for one event loop; to be made while that loop runs, one for each process.

    Parameters
    ----------
    store : called by this object's thread alone from now on; ``close`` closes it.
    durable : whether who records an entry waits until it is on the disk.
    """

    def __init__(self, store: Store, *, durable: bool) -> None:
        self._store, self._durable = store, durable
        self._loop = asyncio.get_running_loop()
        self._future = self._loop.create_future
        self._entries: list[bytes] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._works: list[tuple[Work, asyncio.Future[Done]]] = []
        self._since = 0.0  # when the oldest of the entries came, where nobody waits for them
        self._away: Group | None = None  # what the thread is committing
        self._room = BOUND
        self._soon = self._ticking = self._probing = False  # what is scheduled
        self._unwritable = self._unreadable = self._overdue = self._closed = False
        self._jobs: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="reticent-store", daemon=True)
        self._thread.start()

    @property
    def failed(self) -> bool:
        """Whether the last commit or call failed; a commit is tried again by itself."""
        return self._unwritable or self._unreadable or self._overdue or self._closed

    def record(self, entry: bytes) -> Awaitable[None] | None:
        """Append one entry to the journal.

        Returns
        -------
        What to wait for until it is on the disk; None where nobody waits (``durable=False``).

        Raises
        ------
        StoreError : too many wait, or for too long; or, when waited for, it cannot be written.
        """
        if len(self._entries) >= self._room or self._overdue or self._closed:
            raise self._refusal()
        self._entries.append(entry)
        if self._durable:
            future = self._future()
            self._waiting.append(future)
            if self._away is None and not self._soon:
                self._wake()
            return future
        if not self._since:
            self._since = self._loop.time()
            self._tick_later()
        return None

    async def commit(self, work: Work) -> Done:
        """Carry out one piece of work, together with whatever else waits.

        Raises
        ------
        StoreError : nothing of it was carried out.
        """
        if len(self._works) >= BOUND or self._closed:
            raise self._refusal()
        return await self._joined(work)

    def _joined(self, work: Work) -> asyncio.Future[Done]:
        future: asyncio.Future[Done] = self._future()
        self._works.append((work, future))
        if self._away is None and not self._soon:
            self._wake()
        return future

    async def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run a function, such as a method of the store, in the store's thread.

        Raises
        ------
        StoreError : it failed; any other exception of the function passes as it is.
        """
        if self._closed:
            raise self._refusal()
        future: asyncio.Future[R] = self._future()
        self._jobs.put(lambda: self._answer(future, function, *args, **kwargs))
        return await future

    async def flush(self) -> None:
        """Wait until everything that waits is on the disk.

        Raises
        ------
        StoreError : it cannot be written.
        """
        while self._away is not None or self._entries or self._works:
            await self._joined(Work())

    async def close(self) -> None:
        """Write what waits, and close the store; closing twice is allowed.

        Raises
        ------
        StoreError : what waited could not be written and is lost.
        """
        if self._closed:
            return
        self._closed = True
        try:
            await self.flush()
        finally:
            closed: asyncio.Future[None] = self._future()
            self._jobs.put(lambda: self._answer(closed, self._store.close))
            self._jobs.put(None)
            await closed
            self._thread.join()

    def _refusal(self) -> StoreError:
        found = "it is closed" if self._closed else "it does not keep up"
        return StoreError("the journal", found, "Try again later")

    # On the loop's thread, as everything above.

    def _wake(self) -> None:
        """Send at the end of this turn of the loop, so that its other requests come along."""
        self._soon = True
        self._loop.call_soon(self._send)

    def _send(self) -> None:
        self._soon = False
        if self._away is not None:
            return
        group = Group(self._entries, self._waiting, self._works, self._since)
        self._entries, self._waiting, self._works, self._since = [], [], [], 0.0
        self._away, self._room = group, BOUND - len(group.entries)
        self._jobs.put(lambda: self._commit(group))

    def _finished(self, group: Group) -> None:
        self._away, self._room = None, BOUND
        self._unwritable = group.error is not None
        if group.error is None:
            self._overdue = False
        elif not self._durable:  # nobody was told: they wait again
            self._entries[:0] = group.entries
            self._since = group.since or self._since
        if self._works or self._waiting:
            self._send()  # the thread begins before those who waited are told
        if group.error is None:
            _succeed(group)
            return
        _fail(group, group.error)
        if not self._probing:
            self._probing = True
            self._loop.call_later(PROBE, self._probe)

    def _probe(self) -> None:
        """After a failure, try to write even where nobody asks: readiness depends on it."""
        self._probing = False
        if self._unwritable and not self._closed:
            self._send()

    def _tick_later(self) -> None:
        if not self._ticking:
            self._ticking = True
            self._loop.call_later(RHYTHM, self._tick)

    def _tick(self) -> None:
        """Write what came since, and see whether any of it is overdue."""
        self._ticking = False
        since = self._since if self._away is None else self._away.since
        self._overdue = bool(since) and self._loop.time() - since > OVERDUE
        if self._entries:
            self._send()
        if self._away is not None:
            self._tick_later()

    def _answered(self, future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
        self._unreadable = isinstance(error, StoreError)
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    # In the store's thread.

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()

    def _answer(
        self, future: asyncio.Future[R], function: Callable[P, R], *args: P.args, **kwargs: P.kwargs
    ) -> None:
        try:
            result = function(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 (it is the caller's, not the thread's)
            self._tell(self._answered, future, None, error)
        else:
            self._tell(self._answered, future, result, None)

    def _commit(self, group: Group) -> None:
        try:
            group.done = self._store.commit(group.work())
        except StoreError as error:
            group.error = error
        except Exception as error:  # noqa: BLE001 (whoever waits must hear of it)
            found = f"it failed ({kind_and_place(error)})"
            group.error = StoreError("the store", found, "Report this as a defect")
        self._tell(self._finished, group)

    def _tell(self, function: Callable[..., object], *args: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens
            self._loop.call_soon_threadsafe(function, *args)


def _succeed(group: Group) -> None:
    assert group.done is not None
    for future in group.waiting:
        if not future.done():
            future.set_result(None)
    wants = trials = 0
    for work, waiting in group.works:
        granted = group.done.granted[wants : wants + len(work.wants)]
        allowed = group.done.allowed[trials : trials + len(work.trials)]
        wants, trials = wants + len(work.wants), trials + len(work.trials)
        if not waiting.done():
            waiting.set_result(Done(granted, allowed))


def _fail(group: Group, error: StoreError) -> None:
    """Give each of them an error of its own: one for all would gather all their tracebacks."""
    futures: list[asyncio.Future[Any]] = [*group.waiting, *(future for _, future in group.works)]
    for future in futures:
        if not future.done():
            future.set_exception(StoreError(error.asked, error.found, error.do))

"""What a page hears while it is open: server-sent events, once a second.

Each event holds the numbers of the overview, the versions of what the lists show (where one rose,
the page fetches itself anew), and alerts that are new, in words. All streams share one reading.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from reticent.console import draw, words
from reticent.console.aside import Aside
from reticent.console.board import Board
from reticent.console.pulse import BEATS
from reticent.console.session import Visit
from reticent.errors import StoreError
from reticent.event import Alert
from reticent.store import Store

EACH, ALL = 4, 32  # streams: of one session, and of all together
SECOND = 1.0
AGAIN = b"retry: 3000\n\n"
LEAVE = b"event: leave\ndata: {}\n\n"
AWAY = b"event: away\ndata: {}\n\n"


class News(msgspec.Struct, frozen=True):
    """What changed, as a page reads it.

    Attributes
    ----------
    numbers, lines, areas : of the tiles, by name. alerts, standings : versions of the lists.
    said : what to read out.
    """

    numbers: dict[str, str]
    lines: dict[str, str]
    areas: dict[str, str]
    alerts: int
    standings: int
    said: tuple[str, ...] = ()


class Streams:
    """The open streams of one console.

    Parameters
    ----------
    leaving : set when the gateway stops.
    """

    def __init__(self, board: Board, aside: Aside, leaving: asyncio.Event) -> None:
        self._board, self._aside, self._leaving = board, aside, leaving
        self._open: Counter[bytes] = Counter()
        self._news: tuple[float, News] | None = None
        self._reading = asyncio.Lock()

    def stream(
        self, visit: Visit, still: Callable[[], Awaitable[Visit | None]]
    ) -> StreamingResponse | None:
        """A stream for one page; None where there are too many.

        Parameters
        ----------
        still : asked before each event; the stream ends when it says None.
        """
        if self._open.total() >= ALL or self._open[visit.name] >= EACH:
            return None
        self._open[visit.name] += 1

        def over() -> None:
            self._open[visit.name] -= 1
            self._open += Counter()  # without those that have none

        return _Stream(self._events(still), over)

    async def _events(self, still: Callable[[], Awaitable[Visit | None]]) -> AsyncIterator[bytes]:
        yield AGAIN
        heard = None
        while not self._leaving.is_set():
            try:
                if await still() is None:
                    yield LEAVE
                    return
                news = await self._latest()
                said = () if heard is None else tuple(map(_said, self._since(heard)))
                heard = news.alerts
                yield _event(msgspec.structs.replace(news, said=said))
            except StoreError:
                yield AWAY
            try:
                async with asyncio.timeout(SECOND):
                    await self._leaving.wait()
            except TimeoutError:
                continue

    async def _latest(self) -> News:
        """What one reading told that is younger than a second: all streams share it."""
        async with self._reading:
            now = time.monotonic()
            if self._news is None or now - self._news[0] > 0.9 * SECOND:
                self._news = now, await self._aside.call(self._read)
            return self._news[1]

    def _read(self, store: Store) -> News:
        board = self._board
        board.follow(store)
        tiles = board.tiles()
        return News(
            {name: text for one in tiles for name, text in
             ((one.name, one.value), (f"{one.name}-note", one.note))},
            {one.name: draw.line(one.values, BEATS, one.least) for one in tiles},
            {one.name: draw.area(one.values, BEATS, one.least) for one in tiles},
            board.alerts.version, board.standings.version,
        )  # fmt: skip

    def _since(self, version: int) -> list[Alert]:
        """Alerts that are new; one that now stands for one more is not."""
        found = self._board.alerts.since(version)
        return [one for one in found if one.evidence.get("count", 1) < 2]


class _Stream(StreamingResponse):
    """A stream that says when it is over, however it ends."""

    def __init__(self, events: AsyncIterator[bytes], over: Callable[[], None]) -> None:
        super().__init__(events, media_type="text/event-stream",
                         headers={"x-accel-buffering": "no"})  # fmt: skip
        self._over = over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._over()


def _event(news: News) -> bytes:
    return b"event: news\ndata: " + msgspec.json.encode(news) + b"\n\n"


def _said(alert: Alert) -> str:
    role = f", role {alert.role}" if alert.role else ""
    return f"New alert: {alert.detector}, caller {words.short(alert.caller)}{role}"

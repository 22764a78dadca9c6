"""Callers who take their time, or all the room: within bounds that a test can wait for."""

from __future__ import annotations

import asyncio
import json
import select
import socket
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from reticent.gateway.app import App
from reticent.gateway.limits import Limits
from reticent.gateway.listeners import bound, server

from .alive import Site
from .line import GOOD, Line, head
from .running import Running, running

QUICK = Limits(head_seconds=0.4, body_seconds=0.4, leave_seconds=0.3, idle_seconds=0.8, waiting=60,
               body_bytes=1 << 20, held_bytes=1 << 20, reply_seconds=0.5)  # fmt: skip
SURVEY = "/v2/models/survey/infer"


@asynccontextmanager
async def listening(folder: Path, **plan: Any) -> Any:
    """A gateway in this process that listens: it and its port."""
    async with running(folder, **plan) as inside:
        made = bound("127.0.0.1:0", "a test")
        one = server(App(inside.worker, QUICK), limits=QUICK)
        serving = asyncio.create_task(one.serve(sockets=[made]))
        port = made.getsockname()[1]
        while not one.started:
            await asyncio.sleep(0.01)
        try:
            yield inside, port
        finally:
            one.should_exit = True
            await serving


def rows(n: int) -> bytes:
    kinds = {"age": "FP64", "educ": "FP64", "affairs": "INT64"}
    inputs = [{"name": name, "shape": [n], "datatype": kind, "data": [1] * n}
              for name, kind in kinds.items()]  # fmt: skip
    return json.dumps({"inputs": inputs}).encode()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def honest(inside: Running, port: int) -> float:
    """Ask honestly; how long it took."""
    began = time.monotonic()
    key = inside.keys.get("partner") or inside.keys.setdefault("partner", inside.key("partner"))
    body = rows(1)
    async with connected(port) as (reader, writer):
        writer.write(head(key, path=SURVEY, length=len(body)) + body)
        assert await status(reader) == 200
    return time.monotonic() - began


async def status(reader: asyncio.StreamReader) -> int:
    line = await asyncio.wait_for(reader.readline(), 5)
    return int(line.split()[1]) if line else 0


def test_the_slow_are_cut_off_and_keep_nobody_waiting(tmp_path: Path) -> None:
    async def drip(port: int, data: bytes) -> int:
        """Send a byte now and then, until told otherwise."""
        async with connected(port) as (reader, writer):
            for place in range(len(data)):
                writer.write(data[place : place + 1])
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        return await status(reader)
        return 0

    async def main() -> None:
        async with listening(tmp_path) as (inside, port):
            key = inside.key("partner", "slow")
            heads = [drip(port, head(key)) for _ in range(30)]
            bodies = [drip(port, b"\r\n" * 999) for _ in range(5)]
            slow = asyncio.gather(*heads, *bodies)
            await asyncio.sleep(0.2)
            assert await honest(inside, port) < 0.5
            assert await slow == [408] * 35

    asyncio.run(main())


def test_a_body_that_does_not_come(tmp_path: Path) -> None:
    async def main() -> None:
        async with listening(tmp_path) as (inside, port):
            key = inside.key("partner", "slow")
            async with connected(port) as (reader, writer):
                began = time.monotonic()
                writer.write(head(key, path=SURVEY, length=500) + b"{")
                assert await status(reader) == 408
                assert 0.3 < time.monotonic() - began < 1.5
                rest = await asyncio.wait_for(reader.read(), 2)  # closed within leave_seconds
                assert b"connection: close" in rest
            assert await honest(inside, port) < 0.5

    asyncio.run(main())


def test_many_who_only_connect_lose_their_place_to_others(tmp_path: Path) -> None:
    async def main() -> None:
        async with listening(tmp_path) as (inside, port):
            async with AsyncExitStack() as all_of_them:
                lines = [await all_of_them.enter_async_context(connected(port)) for _ in range(100)]
                assert await honest(inside, port) < 0.3
                told = [await status(reader) for reader, _ in lines]
            assert told == [503] * 41 + [408] * 59  # the longest waiting went first

    asyncio.run(main())


def test_idle_lines_are_closed(tmp_path: Path) -> None:
    async def main() -> None:
        async with listening(tmp_path) as (_, port), connected(port) as (reader, writer):
            writer.write(head(method="GET", path="/v2/health/live", length=None))
            assert await status(reader) == 200
            await asyncio.wait_for(reader.read(), 3)

    asyncio.run(main())


def test_large_bodies_together_are_bounded(tmp_path: Path) -> None:
    async def main() -> None:
        async with listening(tmp_path) as (inside, port):
            key = inside.key("partner", "large")

            async def large() -> int:
                async with connected(port) as (reader, writer):
                    writer.write(head(key, path=SURVEY, length=1 << 20) + bytes(400 << 10))
                    return await status(reader)

            assert await large() == 408
            told = await asyncio.gather(*(large() for _ in range(6)))
            assert {408, 503} == set(told)
            assert await honest(inside, port) < 0.5

    asyncio.run(main())


def test_who_reads_no_reply_is_cut_off(tmp_path: Path) -> None:
    def deaf(port: int, key: str, ended: list[float]) -> None:
        body = rows(60_000)
        with socket.socket() as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            line.connect(("127.0.0.1", port))
            line.sendall((head(key, path=SURVEY, length=len(body)) + body) * 12)
            began, closed = time.monotonic(), select.poll()
            closed.register(line, 0)  # tells of nothing but its end
            if closed.poll(8_000):
                ended.append(time.monotonic() - began)

    async def main() -> None:
        async with listening(tmp_path) as (inside, port):
            key, ended = inside.key("partner", "deaf"), list[float]()
            caller = Thread(target=deaf, args=(port, key, ended))
            caller.start()
            await asyncio.to_thread(caller.join, 15)
            assert ended
            assert await honest(inside, port) < 0.5

    asyncio.run(main())


@pytest.mark.slow
def test_thousands_of_slow_callers(site: Site) -> None:
    """With the bounds that are in force: 3,000 heads and 100 bodies that never end."""
    key = site.key("clinic")
    with site.alive() as gateway, ExitStack() as lines:
        heads = [lines.enter_context(Line(gateway.port)) for _ in range(3_000)]
        bodies = [lines.enter_context(Line(gateway.port)) for _ in range(100)]
        for line in heads:
            line.send(b"POST /v2 HTTP/1.1\r\nHost: x\r\nX-")
        for line in bodies:
            line.send(head(key) + GOOD[:20])
        waits = []
        until = time.monotonic() + 21
        while time.monotonic() < until:
            began = time.monotonic()
            assert gateway.ask(key).status == 200
            waits.append(time.monotonic() - began)
            time.sleep(0.2)
        assert sorted(waits)[len(waits) // 2] < 0.1
        assert {line.reply().status for line in (*heads, *bodies)} == {408}
        assert all(line.closed() for line in (*heads, *bodies))

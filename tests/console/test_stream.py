"""What a page hears while it is open."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.running import SECRET, run
from reticent.access.keys import issue, revoke
from reticent.console import stream
from reticent.console.stream import ALL, EACH
from stored import MemoryStore

from .keeping import EVIL, Browser, Kept, alert, keeping, token, write_alert

ROW = (30.0, 10.0, 0)


class Listening:
    """One open stream."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self._sent: asyncio.Queue[Any] = asyncio.Queue()
        self._gone = asyncio.Event()
        self.task = asyncio.create_task(self._run())
        self._text = ""

    async def _run(self) -> None:
        number = self._browser.cookies["reticent_console"]
        scope = {
            "type": "http", "method": "GET", "path": "/console/events", "query_string": b"",
            "raw_path": b"/console/events", "scheme": "http", "root_path": "",
            "server": ("127.0.0.1", 8081), "client": (self._browser.peer, 1),
            "headers": [(b"host", self._browser.host.encode()),
                        (b"cookie", f"reticent_console={number}".encode())],
        }  # fmt: skip

        async def receive() -> Any:
            await self._gone.wait()
            return {"type": "http.disconnect"}

        await self._browser.app(scope, receive, self._sent.put)

    async def status(self) -> int:
        begun = await asyncio.wait_for(self._sent.get(), 5)
        self.headers = dict(begun["headers"])
        return int(begun["status"])

    async def event(self) -> tuple[str, Any]:
        """The next event's name and data."""
        while "\n\n" not in self._text:
            message = await asyncio.wait_for(self._sent.get(), 5)
            self._text += message.get("body", b"").decode()
            if not message.get("more_body") and "\n\n" not in self._text:
                return "over", None
        event, _, self._text = self._text.partition("\n\n")
        fields = dict(line.split(": ", 1) for line in event.splitlines())
        if "event" not in fields:
            return await self.event()
        return fields["event"], json.loads(fields["data"])

    async def news(self) -> Any:
        name, data = await self.event()
        assert name == "news"
        return data

    async def leave(self) -> None:
        self._gone.set()
        await asyncio.wait_for(self.task, 5)


@asynccontextmanager
async def listening(browser: Browser) -> AsyncIterator[Listening]:
    one = Listening(browser)
    try:
        assert await one.status() == 200
        yield one
    finally:
        await one.leave()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SECOND", 0.05)


def opened(kept: Kept) -> int:
    return kept.console.streams._open.total()


def test_numbers_come_by_themselves_and_rise(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept, listening(await kept.logged_in("observer")) as one:
            assert one.headers[b"content-type"].startswith(b"text/event-stream")
            assert one.headers[b"cache-control"] == b"no-store"
            before = await one.news()
            assert before["numbers"]["requests"] == "0"
            assert set(before["lines"]) == set(before["areas"])
            assert {f"{name}-note" for name in before["lines"]} < set(before["numbers"])
            for _ in range(5):
                await kept.gateway.ask("clinic", ROW, ROW)
            kept.console.board.pulse.beat()
            while (news := await one.news())["numbers"]["requests"] == "0":
                assert news["said"] == []
            assert news["lines"]["rows"]

    run(main())


def test_an_alert_is_said_once_and_one_that_stands_for_more_is_not(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            write_alert(kept.store, alert(1, token(1)))
            async with listening(await kept.logged_in()) as one:
                first = await one.news()
                assert first["said"] == []  # the page shows it already
                write_alert(kept.store, alert(2, token(2)))
                write_alert(kept.store, alert(3, token(3), role=EVIL))
                said: list[str] = []
                while len(said) < 2:
                    news = await one.news()
                    said += news["said"]
                assert news["alerts"] > first["alerts"]
                digits = token(2).hex()
                expected = f"New alert: sweep, caller {digits[:4]} {digits[4:8]}, role partner"
                assert said == [expected, said[1]]
                assert EVIL in said[1]  # as text: the page never reads it as markup
                write_alert(kept.store, alert(2, token(2), evidence={"count": 2.0}))
                version = news["alerts"]
                while (news := await one.news())["alerts"] == version:
                    assert news["said"] == []
                assert news["said"] == []

    run(main())


def test_a_stream_ends_when_its_holder_logs_out(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            browser = await kept.logged_in()
            async with listening(browser) as one:
                await one.news()
                await browser.post("/console/logout", {"form": await browser.form()})
                await _until(one, "leave")
                await asyncio.wait_for(one.task, 5)
            assert opened(kept) == 0

    run(main())


async def _until(one: Listening, name: str) -> None:
    for _ in range(100):
        if (await one.event())[0] == name:
            return
    raise AssertionError(name)


def test_a_stream_ends_with_its_key(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            record, text = issue(SECRET, "observer", owner="ward", now=time.time())
            kept.store.save_key(record)
            browser = kept.browser()
            await browser.log_in(text)
            async with listening(browser) as one:
                await one.news()
                kept.store.save_key(revoke(record, time.time()))
                await _until(one, "leave")

    run(main())


def test_who_hangs_up_makes_room(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            browser = await kept.logged_in()
            open_ = [Listening(browser) for _ in range(EACH)]
            assert [await one.status() for one in open_] == [200] * EACH
            assert (await asyncio.wait_for(browser.get("/console/events"), 5)).status == 503
            await open_[0].leave()
            async with listening(browser):
                assert opened(kept) == EACH
            for one in open_[1:]:
                await one.leave()
            assert opened(kept) == 0

    run(main())


def test_all_sessions_together_have_so_many(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            open_: list[Listening] = []
            for place in range(ALL // EACH):
                browser = await kept.logged_in(owner=f"keeper {place}", peer=f"10.0.0.{place}")
                open_ += [Listening(browser) for _ in range(EACH)]
            assert {await one.status() for one in open_} == {200}
            another = await kept.logged_in(owner="one more", peer="10.0.1.1")
            heard = await asyncio.wait_for(another.get("/console/events"), 5)
            assert (heard.status, heard.headers["retry-after"]) == (503, "30")
            for one in open_:
                await one.leave()

    run(main())


def test_many_streams_cost_one_reading(tmp_path: Path) -> None:
    async def main() -> None:
        store = MemoryStore()
        async with keeping(tmp_path, store=lambda: store) as kept:
            browser = await kept.logged_in()
            read = 0
            inner = kept.console.streams._read

            def counted(store: Any) -> Any:
                nonlocal read
                read += 1
                return inner(store)

            kept.console.streams._read = counted  # type: ignore[method-assign]
            began = time.monotonic()
            open_ = [Listening(browser) for _ in range(EACH)]
            for one in open_:
                await one.status()
            for _ in range(5):
                await asyncio.gather(*(one.news() for one in open_))
            seconds = time.monotonic() - began
            for one in open_:
                await one.leave()
            assert 3 <= read <= seconds / (0.9 * stream.SECOND) + 2  # four each would be 20

    run(main())


def test_streams_end_when_the_gateway_stops(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            one = Listening(await kept.logged_in())
            await one.status()
            await one.news()
            began = time.monotonic()
            kept.gateway.worker.leaving.set()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(one.task, 5)
            assert one.task.done()
            assert time.monotonic() - began < 2
            assert opened(kept) == 0

    run(main())


def test_a_store_that_is_away_is_told_and_the_stream_goes_on(tmp_path: Path) -> None:
    async def main() -> None:
        store = MemoryStore()
        async with (
            keeping(tmp_path, store=lambda: store) as kept,
            listening(await kept.logged_in()) as one,
        ):
            await one.news()
            store.down = True
            await _until(one, "away")
            store.down = False
            await _until(one, "news")

    run(main())

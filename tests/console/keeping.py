"""A gateway with something to see, and who looks at it: through ASGI, or on a real socket."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

import msgspec

from gateway.alive import Heard
from gateway.running import Running, running
from reticent.console.app import Console, mounted
from reticent.console.doorway import Doorway
from reticent.contract import Abstain, Contract
from reticent.event import Alert
from reticent.gateway.admin import admin
from reticent.gateway.listeners import bound, server
from reticent.monitor.standing import KIND, Standing, packed
from reticent.store import Note, Store

ROLES = {
    "clinic": Contract(output="scores", decimals=2, rows_per_day=2000, rows_per_minute=600),
    "partner": Contract(
        output="label", marginalize=("affairs",), rows_per_day=500, role_rows_per_day=5000
    ),
    "study": Contract(output="scores", abstain=Abstain(confidence=0.55), bands=(0.2, 0.5, 0.8),
                      internal_only=True),
}  # fmt: skip
HOST = "127.0.0.1:8081"
EVIL = "<script>alert(1)</script>\"'&"
PROMISE = ("a caller within the allowance (2 in 1,000 queries revisit a record with another value) "
           "is ever alarmed with probability at most 1 %")  # fmt: skip


def token(number: int) -> bytes:
    """A caller's token that looks like one."""
    import hashlib

    return hashlib.sha256(b"%d" % number).digest()[:16]


def alert(number: int = 1, caller: bytes | None = None, **more: Any) -> Alert:
    """An alert as the watch raises it."""
    given: dict[str, Any] = {
        "id": f"{number:032x}", "at": time.time(), "caller": caller or token(number),
        "query": 14, "detector": "sweep", "promise": PROMISE,
        "reason": "7 records were asked again with another value of affairs",
        "evidence": {"revisits": 7.0, "log_wealth": 5.21, "threshold": 4.605},
        "role": "partner", "model": "survey", "contract": "c" * 64, "source": token(999),
    }  # fmt: skip
    return Alert(**{**given, **more})


def write_alert(store: Store, one: Alert) -> None:
    """Write an alert as the gateway does."""
    before = store.note("alert", one.id.encode())
    version = 0 if before is None else before.version
    assert store.write([Note("alert", one.id.encode(), msgspec.msgpack.encode(one), version)])


def write_standing(store: Store, one: Standing) -> None:
    """Write how a caller stands as the gateway does."""
    before = store.note(KIND, one.principal)
    version = 0 if before is None else before.version
    assert store.write([Note(KIND, one.principal, packed(one), version)])


@dataclass
class Browser:
    """Sends what a browser would, and keeps its cookies."""

    app: Any
    host: str = HOST
    peer: str = "127.0.0.1"
    cookies: dict[str, str] = field(default_factory=dict)

    async def send(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Heard:
        path, _, query = path.partition("?")
        sent: list[Any] = []
        shown = {"host": self.host, **(headers or {})}
        if self.cookies:
            shown["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        scope = {
            "type": "http", "method": method, "path": unquote(path), "raw_path": path.encode(),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in shown.items()],
            "query_string": query.encode(), "client": (self.peer, 1), "scheme": "http",
            "server": ("127.0.0.1", 8081), "root_path": "", "http_version": "1.1",
        }  # fmt: skip
        coming = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> Any:
            if coming:
                return coming.pop()
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        told: dict[str, str] = {}
        for name, value in sent[0]["headers"]:
            if name == b"set-cookie":
                self._keep(value.decode())
            told[name.decode()] = value.decode("latin-1")
        text = b"".join(message.get("body", b"") for message in sent[1:])
        return Heard(sent[0]["status"], told, text)

    def _keep(self, cookie: str) -> None:
        name, _, value = cookie.partition(";")[0].partition("=")
        if "max-age=0" in cookie.lower():
            self.cookies.pop(name, None)
        else:
            self.cookies[name] = value

    async def get(self, path: str, **headers: str) -> Heard:
        return await self.send("GET", path, headers=headers)

    async def page(self, path: str) -> str:
        """A page that has to be there."""
        heard = await self.get(path)
        assert heard.status == 200, (path, heard.status, heard.headers)
        return heard.body.decode()

    async def post(self, path: str, fields: dict[str, str], **headers: str) -> Heard:
        """Send a form as a page of the console would."""
        shown = {"origin": f"http://{self.host}",
                 "content-type": "application/x-www-form-urlencoded", **headers}  # fmt: skip
        shown = {name.replace("_", "-"): value for name, value in shown.items() if value}
        return await self.send("POST", path, urlencode(fields).encode(), shown)

    async def log_in(self, key: str, **more: str) -> Heard:
        return await self.post("/console/login", {"key": key, **more})

    async def form(self, path: str = "/console") -> str:
        """The token in the forms of a page."""
        found = re.search(r'name="form" value="([^"]+)"', await self.page(path))
        assert found is not None
        return unescape(found[1])


@dataclass
class Kept:
    """A gateway in this process, and the app of its local listener."""

    gateway: Running
    console: Console
    app: Any

    @property
    def store(self) -> Store:
        return self.gateway.worker.store

    def browser(self, **how: Any) -> Browser:
        return Browser(self.app, **how)

    async def logged_in(self, role: str = "admin", owner: str = "", **how: Any) -> Browser:
        """A browser with a session."""
        browser = self.browser(**how)
        heard = await browser.log_in(self.gateway.key(role, owner or f"a {role}"))
        assert heard.status == 303, heard.body
        return browser


@asynccontextmanager
async def keeping(
    folder: Path, hosts: Sequence[str] = (), progress: Any = None, **plan: Any
) -> AsyncIterator[Kept]:  # fmt: skip
    """A gateway in this event loop."""
    async with running(folder, roles=plan.pop("roles", ROLES), **plan) as gateway:
        console = Console(gateway.worker, progress)
        app = mounted(Doorway(console.app, hosts), admin(gateway.worker))
        try:
            yield Kept(gateway, console, app)
        finally:
            console.close()


@dataclass
class Served:
    """A gateway on real sockets, in a thread of its own."""

    kept: Kept
    url: str
    loop: asyncio.AbstractEventLoop

    def run(self, made: Callable[[Kept], Awaitable[Any]]) -> Any:
        """Do something in the gateway's own loop."""

        async def wrapped() -> Any:
            return await made(self.kept)

        return asyncio.run_coroutine_threadsafe(wrapped(), self.loop).result(30)


@contextmanager
def serving(folder: Path, **how: Any) -> Iterator[Served]:
    """Serve a console on a free port of this machine."""
    begun: list[Served] = []
    ready, over = threading.Event(), threading.Event()

    async def main() -> None:
        async with keeping(folder, **how) as kept:
            local = bound("127.0.0.1:0", "the test")
            url = f"http://127.0.0.1:{local.getsockname()[1]}"
            begun.append(Served(kept, url, asyncio.get_running_loop()))
            one = server(kept.app)
            leaving = kept.gateway.worker.leaving

            async def until() -> None:
                await asyncio.to_thread(over.wait)
                leaving.set()
                one.should_exit = True

            local.listen()
            stopping = asyncio.create_task(until())
            ready.set()
            await one.serve(sockets=[local])
            await stopping
            local.close()

    thread = threading.Thread(target=asyncio.run, args=(main(),), name="served")
    thread.start()
    try:
        assert ready.wait(20)
        yield begun[0]
    finally:
        over.set()
        thread.join(20)
        assert not thread.is_alive()

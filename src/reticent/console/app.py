"""``/console``: pages for the gateway's keepers, beside ``/admin`` and ``/metrics``."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from hmac import compare_digest
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from reticent.console.aside import Aside
from reticent.console.board import Board, Progress
from reticent.console.doorway import Doorway, form
from reticent.console.pace import Pace
from reticent.console.page import STATIC, mark, rendered, static
from reticent.console.pulse import STEP
from reticent.console.session import LONGEST, Sessions, Visit
from reticent.console.stream import Streams
from reticent.errors import DataError, StoreError, kind_and_place
from reticent.event import TOKEN_BYTES
from reticent.gateway.admin import admin
from reticent.gateway.guard import Call, RefusedError
from reticent.gateway.log import log
from reticent.gateway.worker import Worker
from reticent.monitor import standing
from reticent.store import Store

ROOT: Final = "/console"
COOKIE: Final = "reticent_console"
OURS: Final = re.compile(r"/console(/[A-Za-z0-9/_-]*)?")  # where a login may lead
TOKEN: Final = re.compile(rf"[0-9a-f]{{{2 * TOKEN_BYTES}}}")
UNKNOWN: Final = "This key does not open the console: it takes a key of the role observer or admin."
TOO_FAST: Final = "Too many attempts to log in. Try again in {seconds} s."
AWAY: Final = "The store cannot be reached at the moment, so nothing can be shown."
TITLES: Final = {403: "This is not allowed", 404: "There is nothing here", 408: "Too slow",
                 413: "Too large", 500: "The console met an error that it does not know",
                 503: "The store is away"}  # fmt: skip
FOREVER: Final = {"cache-control": "public, max-age=31536000, immutable"}
Acting = Callable[..., standing.Standing]
Read = Callable[[Store, Visit], dict[str, Any] | None]
Page = Callable[[Request], Awaitable[Response]]


@asynccontextmanager
async def desk(
    worker: Worker, hosts: Sequence[str] = (), progress: Progress | None = None
) -> AsyncIterator[ASGIApp]:
    """The local listener's app: the console beside /admin and /metrics, while it serves.

    Parameters
    ----------
    hosts : names besides localhost and plain addresses under which the console may be asked for.
    progress : as of ``Board``.
    """
    console = Console(worker, progress)
    ticking = asyncio.create_task(console.tick())
    try:
        yield mounted(Doorway(console.app, hosts), admin(worker))
    finally:
        ticking.cancel()
        console.close()


def mounted(shown: ASGIApp, rest: ASGIApp) -> ASGIApp:
    """Put the console beside the other pages of the local listener."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if path == "/":
            await RedirectResponse(ROOT, 307)(scope, receive, send)
        elif path == ROOT or path.startswith(f"{ROOT}/"):
            await shown(scope, receive, send)
        else:
            await rest(scope, receive, send)

    return app


class Console:
    """The pages of one gateway.

    Parameters
    ----------
    worker : whose event loop it runs in. progress : as of ``Board``.
    """

    def __init__(self, worker: Worker, progress: Progress | None = None) -> None:
        self.aside = Aside(worker.plan.store())
        self.board = Board(worker, progress)
        self.sessions = Sessions(worker.guard, self.aside)
        self.streams = Streams(self.board, self.aside, worker.leaving)
        self.pace = Pace()
        pages: dict[str, Page] = {
            "": self.overview, "/callers": self.callers, "/callers/{token}": self.caller,
            "/alerts": self.alerts, "/alerts/{name:path}": self.alert, "/roles": self.roles,
            "/events": self.events, "/login": self.door, "/session": self.session,
            "/static/{mark}/{name}": self.static,
        }  # fmt: skip
        forms: dict[str, Page] = {
            "/login": self.log_in, "/logout": self.log_out,
            "/callers/{token}/freeze": self.freeze, "/callers/{token}/release": self.release,
        }  # fmt: skip
        self.app = Starlette(
            routes=[
                *(Route(ROOT + path, page, methods=["GET"]) for path, page in pages.items()),
                *(Route(ROOT + path, page, methods=["POST"]) for path, page in forms.items()),
            ],
            exception_handlers={
                RefusedError: _refused, _LoggedOutError: _to_login, StoreError: _away,
                404: _missing, 405: _missing, 500: _broken,
            },
        )  # fmt: skip

    async def tick(self) -> None:
        """Look at the counters, again and again."""
        while True:
            await asyncio.sleep(STEP)
            self.board.pulse.beat()

    def close(self) -> None:
        """Let go of the store."""
        self.aside.close()

    # Pages ------------------------------------------------------------------------------------

    async def overview(self, request: Request) -> Response:
        """How the gateway is."""
        return await self._page(request, "overview", lambda store, _: self.board.overview(store))

    async def callers(self, request: Request) -> Response:
        """Who asks."""
        asked = request.query_params
        wanted = {name: asked.get(name, "")[:100] for name in ("role", "state", "token", "order")}
        return await self._page(
            request, "callers",
            lambda store, _: self.board.callers(store, **wanted, number=_number(asked.get("page"))),
        )  # fmt: skip

    async def caller(self, request: Request) -> Response:
        """One caller."""
        done = request.query_params.get("done", "")
        return await self._page(request, "caller", self._of(_principal(request), done=done))

    async def alerts(self, request: Request) -> Response:
        """What raised an alarm."""
        asked = request.query_params
        detector, role = (asked.get(name, "")[:100] for name in ("detector", "role"))
        number = _number(asked.get("page"))
        return await self._page(
            request, "alerts",
            lambda store, _: self.board.alert_list(store, detector, role, number),
        )  # fmt: skip

    async def alert(self, request: Request) -> Response:
        """One alert."""
        name = request.path_params["name"].encode()[:200]
        return await self._page(
            request, "alert", lambda store, visit: self.board.alert(store, name, visit.admin)
        )

    async def roles(self, request: Request) -> Response:
        """What each role can see."""
        return await self._page(
            request, "roles", lambda store, visit: self.board.roles_page(store, visit.admin)
        )

    async def events(self, request: Request) -> Response:
        """News, for as long as the session lasts."""
        number, asked = request.cookies.get(COOKIE), _call(request)
        visit = await self.sessions.visit(number, asked)
        if visit is None:
            return Response(status_code=401)
        stream = self.streams.stream(visit, lambda: self.sessions.visit(number, asked))
        return stream or Response(status_code=503, headers={"retry-after": "30"})

    async def session(self, request: Request) -> Response:
        """Whether somebody is logged in: who comes by a foreign page's link brings no cookie."""
        visit = await self.sessions.visit(request.cookies.get(COOKIE), _call(request))
        return JSONResponse({"open": visit is not None})

    async def static(self, request: Request) -> Response:
        """A file that the pages load."""
        name = request.path_params["name"]
        if name not in STATIC or request.path_params["mark"] != mark():
            raise RefusedError(404, "There is no such file.")
        return Response(static()[name], media_type=STATIC[name], headers=FOREVER)

    # Coming and going -------------------------------------------------------------------------

    async def door(self, request: Request) -> Response:
        """The form to log in with."""
        if await self.sessions.visit(request.cookies.get(COOKIE), _call(request)) is not None:
            return RedirectResponse(_after_login(request.query_params.get("next", "")), 303)
        return _door(request.query_params.get("next", ""))

    async def log_in(self, request: Request) -> Response:
        """Begin a session."""
        asked = _call(request)
        if wait := self.pace.wait(self.sessions.address(asked)):
            return _door("", TOO_FAST.format(seconds=wait), 429, {"retry-after": str(wait)})
        filled = await form(request)
        after = filled.get("next", "")
        number = await self.sessions.open(filled.get("key", "").strip(), asked)
        if number is None:
            return _door(after, UNKNOWN, 401)
        reply = RedirectResponse(_after_login(after), 303)
        # A proxy that speaks TLS says so; whoever says so wrongly only hides their own cookie.
        safe = "https" in (request.url.scheme, request.headers.get("x-forwarded-proto", ""))
        reply.set_cookie(COOKIE, number, max_age=int(LONGEST), path=ROOT, secure=safe,
                         httponly=True, samesite="strict")  # fmt: skip
        return reply

    async def log_out(self, request: Request) -> Response:
        """End a session."""
        visit, _ = await self._form(request)
        await self.sessions.end(visit)
        reply = RedirectResponse(f"{ROOT}/login", 303)
        reply.delete_cookie(COOKIE, path=ROOT, httponly=True, samesite="strict")
        return reply

    # Acting -----------------------------------------------------------------------------------

    async def freeze(self, request: Request) -> Response:
        """Refuse a caller everything."""
        return await self._act(request, standing.freeze, "frozen")

    async def release(self, request: Request) -> Response:
        """Treat a caller as any other again."""
        return await self._act(request, standing.release, "released")

    async def _act(self, request: Request, act: Acting, done: str) -> Response:
        principal = _principal(request)
        visit, filled = await self._form(request)
        if not visit.admin:
            raise RefusedError(403, "Only an admin may freeze or release a caller.")
        typed = filled.get("reason", "")
        try:
            await self.aside.call(
                act, principal, by=visit.principal, reason=typed, now=self.board.clock()
            )
        except DataError as error:
            read = self._of(principal, wrong=f"{error.found}. {error.do}", typed=typed[:2000])
            return await self._page(request, "caller", read, visit, 400)
        return RedirectResponse(f"{ROOT}/callers/{principal.hex()}?done={done}", 303)

    # ------------------------------------------------------------------------------------------

    def _of(self, principal: bytes, done: str = "", wrong: str = "", typed: str = "") -> Read:
        """What the page of one caller shows, and what came of the form on it."""

        def read(store: Store, visit: Visit) -> dict[str, Any] | None:
            found = self.board.caller(store, principal, visit.admin)
            return None if found is None else {**found, "done": done, "wrong": wrong,
                                               "typed": typed}  # fmt: skip

        return read

    async def _form(self, request: Request) -> tuple[Visit, dict[str, str]]:
        """A form of somebody who is logged in, from a page that we gave them."""
        filled = await form(request)
        visit = await self._visit(request)
        if not compare_digest(filled.get("form", "").encode(), visit.form.encode()):
            raise RefusedError(403, "This form does not belong to this session. Reload the page.")
        return visit, filled

    async def _visit(self, request: Request) -> Visit:
        visit = await self.sessions.visit(request.cookies.get(COOKIE), _call(request))
        if visit is None:
            raise _LoggedOutError
        return visit

    async def _page(
        self, request: Request, name: str, read: Read, visit: Visit | None = None,
        status: int = 200,
    ) -> Response:  # fmt: skip
        """Read and write a page in the console's own thread."""
        who = visit or await self._visit(request)

        def write(store: Store) -> str | None:
            data = read(store, who)
            return None if data is None else rendered(name, visit=who, **self._common(), **data)

        written = await self.aside.call(write)
        if written is None:
            raise RefusedError(404, "Nothing is known of it. It may have been erased.")
        return HTMLResponse(written, status)

    def _common(self) -> dict[str, Any]:
        board = self.board
        return {"model": board.worker.guard.card.name,
                "versions": (board.alerts.version, board.standings.version)}  # fmt: skip


class _LoggedOutError(Exception):
    """Nobody is logged in."""


def _call(request: Request) -> Call:
    peer = request.client.host if request.client else ""
    return Call(request.method, request.url.path, request.headers.raw, b"", peer)


def _principal(request: Request) -> bytes:
    token = request.path_params["token"]
    if not TOKEN.fullmatch(token):
        raise RefusedError(404, "This is no caller's token.")
    return bytes.fromhex(token)


def _number(typed: str | None) -> int:
    return int(typed) if typed and typed.isascii() and typed.isdigit() and len(typed) < 8 else 1


def _after_login(wanted: str) -> str:
    return wanted if OURS.fullmatch(wanted) else ROOT


def _door(after: str, wrong: str = "", status: int = 200,
          headers: dict[str, str] | None = None) -> Response:  # fmt: skip
    page = rendered("login", after=after if OURS.fullmatch(after) else "", wrong=wrong, visit=None)
    return HTMLResponse(page, status, headers)


def _problem(status: int, told: str) -> Response:
    title = TITLES.get(status, "This did not work")
    return HTMLResponse(rendered("problem", title=title, told=told, visit=None), status)


def _refused(request: Request, error: Exception) -> Response:  # noqa: ARG001
    assert isinstance(error, RefusedError)
    return _problem(error.status, error.message)


def _to_login(request: Request, error: Exception) -> Response:  # noqa: ARG001
    path = request.url.path
    wanted = f"?next={path}" if request.method == "GET" and OURS.fullmatch(path) else ""
    return RedirectResponse(f"{ROOT}/login{wanted}", 303)


def _away(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return _problem(503, AWAY)


def _missing(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return _problem(getattr(error, "status_code", 404), "There is no such page.")


def _broken(request: Request, error: Exception) -> Response:  # noqa: ARG001
    log("error", where=kind_and_place(error))
    return _problem(500, "The next page may work; the gateway goes on answering.")

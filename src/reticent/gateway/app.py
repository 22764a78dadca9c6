"""The thin ASGI shell: paths, bodies within bounds, and one form for every error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from reticent.errors import kind_and_place
from reticent.gateway import openapi, protocol
from reticent.gateway.guard import JSON, Call, RefusedError, Reply, refused
from reticent.gateway.log import log
from reticent.gateway.worker import Worker

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

LARGEST_BODY = 32 << 20  # bytes
BODY_SECONDS = 20.0  # for the whole body to arrive
MOST_IN_FLIGHT = 2_048  # requests of one worker
LARGE = f"the body is larger than {LARGEST_BODY >> 20} MiB"
GUESSED = "the gateway met an error that it does not know"
IN_URL = ("this address takes no query; a key belongs in the Authorization header, and one that "
          "was sent in a URL should be rotated")  # fmt: skip


class App:
    """The public listener of one worker: ``/v2`` and ``/openapi.json``."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        card, guard = worker.guard.card, worker.guard
        model = f"/v2/models/{card.name}"
        self._counters = guard.counters
        self._infer = {f"{model}/infer", f"{model}/versions/1/infer"}
        self._posts = dict.fromkeys(self._infer, guard.infer)
        self._gets: dict[str, Callable[[Call], Awaitable[Reply]]] = {
            "/v2": self._server, "/v2/health/live": self._live, "/v2/health/ready": self._ready,
            "/openapi.json": self._openapi,
        }  # fmt: skip
        for path in (model, f"{model}/versions/1"):
            self._gets[path] = self._metadata
            self._gets[f"{path}/ready"] = self._model_ready

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        own = self._counters
        own.add("in_flight")
        try:
            reply = await self._reply(scope, receive)
        finally:
            own.add("in_flight", -1)
        headers = [*reply.headers, (b"content-length", b"%d" % len(reply.body))]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _reply(self, scope: Scope, receive: Receive) -> Reply:
        try:
            method, path, headers = scope["method"], scope["path"], scope["headers"]
            handler = self._posts.get(path) if method == "POST" else None
            if handler is None:
                return await self._other(method, path, scope)
            if scope["query_string"]:
                raise RefusedError(400, IN_URL)
            if self._counters.own("in_flight") > MOST_IN_FLIGHT:
                raise RefusedError(503, "too many requests at once", 1)
            body = await _body(headers, receive)
            client = scope["client"]
            return await handler(Call(method, path, headers, body, client[0] if client else ""))
        except RefusedError as error:
            self._counters.replied("", error.status, 0.0, 0, 0)
            return refused(error)
        except Exception as error:  # noqa: BLE001 (whatever it is, the next request is served)
            log("error", where=kind_and_place(error))
            self._counters.replied("", 500, 0.0, 0, 0)
            return refused(RefusedError(500, GUESSED))

    async def _other(self, method: str, path: str, scope: Scope) -> Reply:
        """Answer everything but predictions."""
        known = self._gets.get(path.rstrip("/") or "/")
        if known is None:
            allowed = b"POST" if path in self._posts else b""
        else:
            allowed = b"" if method in ("GET", "HEAD") else b"GET, HEAD"
        if allowed:
            reply = refused(RefusedError(405, f"{allowed.decode()} is what this address takes"))
            return Reply(405, [*reply.headers, (b"allow", allowed)], reply.body)
        if known is None:
            raise RefusedError(404, f"there is nothing here; the model is {self._posts_path()}")
        client = scope["client"]
        call = Call(method, path, scope["headers"], b"", client[0] if client else "")
        reply = await known(call)
        return reply if method == "GET" else Reply(reply.status, reply.headers, b"")

    def _posts_path(self) -> str:
        return min(self._infer, key=len)

    async def _server(self, call: Call) -> Reply:  # noqa: ARG002
        return Reply(200, [JSON], protocol.server_metadata())

    async def _live(self, call: Call) -> Reply:  # noqa: ARG002
        return Reply(200, [JSON], protocol.live())

    async def _ready(self, call: Call) -> Reply:  # noqa: ARG002
        ok = self.worker.ready
        return Reply(200 if ok else 503, [JSON], protocol.ready(ok))

    async def _model_ready(self, call: Call) -> Reply:  # noqa: ARG002
        ok = self.worker.ready
        return Reply(200 if ok else 503, [JSON], protocol.model_ready(self.worker.guard.card, ok))

    async def _openapi(self, call: Call) -> Reply:  # noqa: ARG002
        return Reply(200, [JSON], openapi.document(self.worker.guard.card))

    async def _metadata(self, call: Call) -> Reply:
        guard = self.worker.guard
        address = guard.doors.address(call.peer, call.headers)
        view = guard.may(await guard.who(call), address, "metadata")
        return Reply(200, [JSON], protocol.model_metadata(guard.card, view.contract))


async def _body(headers: list[tuple[bytes, bytes]], receive: Receive) -> bytes:
    """Read a body whole, within its bounds of size and time."""
    for name, value in headers:
        if name == b"content-length" and (not value.isdigit() or int(value) > LARGEST_BODY):
            raise RefusedError(413, LARGE)
        if name == b"content-encoding" and value.lower() != b"identity":
            raise RefusedError(415, "the body is compressed; send it plain")
    message = await receive()
    if message["type"] == "http.disconnect":
        raise RefusedError(400, "the caller hung up")
    if not message.get("more_body"):
        found: bytes = message.get("body", b"")
        if len(found) > LARGEST_BODY:
            raise RefusedError(413, LARGE)
        return found
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _rest(message.get("body", b""), receive)
    except TimeoutError:
        raise RefusedError(408, f"the body did not arrive within {BODY_SECONDS:g} s") from None


async def _rest(first: bytes, receive: Receive) -> bytes:
    parts, size, more = [first], len(first), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RefusedError(400, "the caller hung up")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)
        if size > LARGEST_BODY:
            raise RefusedError(413, LARGE)
    return b"".join(parts)

"""The thin ASGI shell: paths, bodies within bounds, and one form for every error."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from reticent.errors import StoreError, kind_and_place
from reticent.gateway import openapi, protocol
from reticent.gateway.guard import AWAY, JSON, RETRY_AWAY, Call, RefusedError, Reply, refused
from reticent.gateway.limits import LIMITS, Limits
from reticent.gateway.log import log
from reticent.gateway.worker import Worker

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

CLOSE = (b"connection", b"close")
GUESSED = "the gateway met an error that it does not know"
IN_URL = ("this address takes no query; a key belongs in the Authorization header, and one that "
          "was sent in a URL should be rotated")  # fmt: skip


class App:
    """The public listener of one worker: ``/v2`` and ``/openapi.json``."""

    def __init__(self, worker: Worker, limits: Limits = LIMITS) -> None:
        self.worker, self._limits = worker, limits
        self._held = 0  # bytes of bodies that are still arriving
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
        body = b"" if scope["method"] == "HEAD" else reply.body
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _reply(self, scope: Scope, receive: Receive) -> Reply:
        more: Sequence[tuple[bytes, bytes]] = ()
        try:
            method, path = scope["method"], scope["path"]
            handler = self._posts.get(path) if method == "POST" else None
            if handler is None:
                return await self._other(method, path, scope)
            more = (CLOSE,)  # what is not read now, nobody reads
            call = await self._call(scope, receive)
            more = ()
            return await handler(call)
        except RefusedError as error:
            return self._refused(error, more)
        except StoreError:
            return self._refused(RefusedError(503, AWAY, RETRY_AWAY), more)
        except Exception as error:  # noqa: BLE001 (whatever it is, the next request is served)
            log("error", where=kind_and_place(error))
            return self._refused(RefusedError(500, GUESSED), more)

    def _refused(self, error: RefusedError, more: Sequence[tuple[bytes, bytes]] = ()) -> Reply:
        self._counters.replied("", error.status, 0.0, 0, 0)
        reply = refused(error)
        return Reply(reply.status, [*reply.headers, *more], reply.body)

    async def _call(self, scope: Scope, receive: Receive) -> Call:
        """Read a request for predictions whole, within its bounds of size and time."""
        limits, headers, client = self._limits, scope["headers"], scope["client"]
        if scope["query_string"]:
            raise RefusedError(400, IN_URL)
        if self._counters.own("in_flight") > limits.in_flight:
            raise RefusedError(503, "too many requests at once", RETRY_AWAY)
        for name, value in headers:
            if name == b"content-length" and int(value) > limits.body_bytes:
                raise self._large()
            if name == b"content-encoding" and value.lower() != b"identity":
                raise RefusedError(415, "the body is compressed; send it plain")
        message = await receive()
        peer = client[0] if client else ""
        body = message.get("body", b"")
        if message.get("more_body") or message["type"] == "http.disconnect":
            await self.worker.guard.who(Call(scope["method"], scope["path"], headers, b"", peer))
            body = await self._rest(message, receive)
        if len(body) > limits.body_bytes:
            raise self._large()
        return Call(scope["method"], scope["path"], headers, body, peer)

    async def _rest(self, message: MutableMapping[str, Any], receive: Receive) -> bytes:
        """Read a body that comes in parts; all of them together may hold so many bytes."""
        limits, parts, size = self._limits, [], 0
        try:
            async with asyncio.timeout(limits.body_seconds):
                while True:
                    if message["type"] == "http.disconnect":
                        raise RefusedError(400, "the caller hung up")
                    parts.append(part := message.get("body", b""))
                    size += len(part)
                    self._held += len(part)
                    if size > limits.body_bytes:
                        raise self._large()
                    if self._held > limits.held_bytes:
                        raise RefusedError(503, "too many large bodies at once", RETRY_AWAY)
                    if not message.get("more_body"):
                        return b"".join(parts)
                    message = await receive()
        except TimeoutError:
            seconds = f"{limits.body_seconds:g} s"
            raise RefusedError(408, f"the body did not arrive within {seconds}") from None
        finally:
            self._held -= size

    def _large(self) -> RefusedError:
        return RefusedError(413, f"the body is larger than {self._limits.body_bytes >> 20} MiB")

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
        if scope["query_string"] and known == self._metadata:
            raise RefusedError(400, IN_URL)
        client = scope["client"]
        call = Call(method, path, scope["headers"], b"", client[0] if client else "")
        return await known(call)

    def _posts_path(self) -> str:
        return min(self._infer, key=len)

    async def _server(self, call: Call) -> Reply:  # noqa: ARG002
        return Reply(200, [JSON], protocol.server_metadata())

    async def _live(self, call: Call) -> Reply:  # noqa: ARG002
        return Reply(200, [JSON], protocol.live(self.worker.ready))

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

"""The local listener: metrics for machines, and the state of the gateway for its keepers."""

from __future__ import annotations

import time
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reticent.access.identity import Principal
from reticent.access.keys import state
from reticent.errors import StoreError
from reticent.gateway.callers import callers
from reticent.gateway.counters import exposed
from reticent.gateway.guard import AWAY, RETRY_AWAY, Call, RefusedError, refused
from reticent.gateway.worker import Worker
from reticent.store import KeyRecord

MOST = 10_000  # keys in one list, the oldest first
METRICS = "text/plain; version=0.0.4; charset=utf-8"


def admin(worker: Worker) -> Starlette:
    """Build the app of the local listener: /metrics for all, /admin for the reserved roles."""
    guard, store, group = worker.guard, worker.store, worker.group

    async def let_in(request: Request, action: str) -> Principal:
        peer = request.client.host if request.client else ""
        call = Call(request.method, request.url.path, request.headers.raw, b"", peer)
        who = await guard.who(call)
        if reason := guard.doors.may(who.role, action, guard.doors.address(peer, call.headers)):
            raise RefusedError(403, reason)
        return who

    async def metrics(request: Request) -> Response:  # noqa: ARG001
        return Response(exposed(worker.counters), media_type=METRICS)

    async def status(request: Request) -> Response:
        await let_in(request, "observe")
        head = await group.call(store.head)
        return _json({
            "ready": worker.ready, "model": guard.card.name, "digest": guard.card.model,
            "served": worker.plan.served.how, "durability": _durability(worker),
            "journal": {"entries": head.count, "head": head.hash.hex()},
            "roles": {role: one.contract.summary() for role, one in guard.views.items()},
            "tokens": _tokens(worker),
        })  # fmt: skip

    async def keys(request: Request) -> Response:
        await let_in(request, "admin")
        now = time.time()
        return _json([_told(record, now) for record in await group.call(store.keys, MOST)])

    async def last_checkpoint(request: Request) -> Response:
        await let_in(request, "observe")
        await worker.sign()
        if not worker.checkpoint:
            raise RefusedError(404, "the journal is empty: nothing was signed yet")
        return Response(worker.checkpoint, media_type="application/json")

    return Starlette(
        routes=[
            Route("/metrics", metrics), Route("/admin/status", status), Route("/admin/keys", keys),
            Route("/admin/checkpoint", last_checkpoint), *callers(worker, let_in),
        ],
        exception_handlers={
            RefusedError: _refused, StoreError: _away, 404: _missing, 405: _missing, 500: _broken,
        },
    )  # fmt: skip


def _durability(worker: Worker) -> str:
    return "group" if worker.plan.durable else "async"


def _tokens(worker: Worker) -> dict[str, Any] | None:
    """Why this worker refused tokens, which their holders are never told; None without [oidc]."""
    tokens = worker.tokens
    return None if tokens is None else {"refused": dict(tokens.refused), "problem": tokens.problem}


def _told(record: KeyRecord, now: float) -> dict[str, Any]:
    """A key as its keeper sees it: all but the hash."""
    return {
        "id": record.id, "role": record.role, "owner": record.owner, "auditor": record.auditor,
        "created": record.created, "expires": record.expires, "state": state(record, now),
    }  # fmt: skip


def _json(content: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")


def _refused(request: Request, error: Exception) -> Response:  # noqa: ARG001
    assert isinstance(error, RefusedError)
    reply = refused(error)
    headers = {name.decode(): value.decode() for name, value in reply.headers}
    return Response(reply.body, reply.status, headers)


def _away(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return _refused(request, RefusedError(503, AWAY, RETRY_AWAY))


def _missing(request: Request, error: Exception) -> Response:
    code = getattr(error, "status_code", 404)
    found = ("there is nothing here: try /metrics, /admin/status, /admin/keys, /admin/callers, "
             "/admin/checkpoint")  # fmt: skip
    return _refused(request, RefusedError(code, found))


def _broken(request: Request, error: Exception) -> Response:  # noqa: ARG001
    return _refused(request, RefusedError(500, "the gateway met an error that it does not know"))

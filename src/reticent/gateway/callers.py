"""Callers at the local listener: how they stand, and freezing and releasing them."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reticent.access.identity import Principal
from reticent.errors import ConfigError, DataError
from reticent.gateway.guard import RefusedError
from reticent.gateway.worker import Worker
from reticent.monitor import standing
from reticent.monitor.standing import Standing
from reticent.store import Store

MOST = 10_000  # callers in one list, those of whom something was written last
LARGEST = 8_192  # bytes of a request


class Reason(msgspec.Struct, forbid_unknown_fields=True):
    """Why an admin acts."""

    reason: str


class Treat(Protocol):
    """Changes how a caller is treated."""

    def __call__(
        self, store: Store, principal: bytes, *, by: bytes, reason: str, now: float
    ) -> Standing:
        """Write it into the journal, do it, and say how the caller stands then."""
        ...


def callers(worker: Worker, let_in: Callable[[Request, str], Awaitable[Principal]]) -> list[Route]:
    """The addresses about callers.

    Parameters
    ----------
    let_in : who asks, where they may take such an action; raises RefusedError.
    """

    async def every(request: Request) -> Response:
        await let_in(request, "observe")
        notes = await worker.aside(lambda store: store.newest(standing.KIND, MOST))
        return _json([standing.told(standing.read(note)) for note in notes])

    def acting(do: Treat) -> Callable[[Request], Awaitable[Response]]:
        async def act(request: Request) -> Response:
            who = await let_in(request, "admin")
            reason = await _reason(request)
            try:
                caller = await worker.aside(standing.named, request.path_params["caller"])
                now = time.time()
                done = await worker.aside(do, caller, by=who.token, reason=reason, now=now)
            except (ConfigError, DataError) as error:
                status = 404 if isinstance(error, ConfigError) else 400
                raise RefusedError(status, str(error)) from None
            return _json(standing.told(done))

        return act

    return [
        Route("/admin/callers", every),
        Route("/admin/callers/{caller}/freeze", acting(standing.freeze), methods=["POST"]),
        Route("/admin/callers/{caller}/release", acting(standing.release), methods=["POST"]),
    ]


async def _reason(request: Request) -> str:
    """Read why an admin acts: a small JSON object, and no more of a large one."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST:
            raise RefusedError(413, f"the body is larger than {LARGEST} bytes")
    try:
        return msgspec.json.decode(body, type=Reason).reason
    except msgspec.MsgspecError:
        raise RefusedError(400, 'send {"reason": "..."} as JSON') from None


def _json(content: object) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")

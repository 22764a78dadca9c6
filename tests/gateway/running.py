"""A gateway in this process: an ASGI app around a small model, asked without a socket."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from numpy.typing import NDArray

from reticent.access.keys import issue
from reticent.contract import Contract
from reticent.dataset import Dataset
from reticent.gateway.app import App
from reticent.gateway.counters import Counters
from reticent.gateway.worker import Plan, Worker
from reticent.schema import Domain, Schema
from reticent.store import Store
from reticent.stores.sqlite import Sqlite
from reticent.target import Answer, Reveals
from reticent.targets.card import Card

from .alive import Heard

COLUMNS = ("age", "educ", "affairs")
CARD = Card(model="0" * 64, name="survey", columns=COLUMNS, classes=("good", "poor"), label="rate",
            kinds=("number", "number", "integer"))  # fmt: skip
SCHEMA = Schema.of(
    [*COLUMNS, "rate"], {"rate": "label", "affairs": "sensitive"},
    {"affairs": Domain(values=(0, 1), public=True), "age": Domain(precision=1.0)},
)  # fmt: skip
SECRET = bytes(range(32))


class Formula:
    """A model that can be worked out by hand: the score of "poor" rises with every column."""

    reveals = Reveals.ANY_ROW | Reveals.LABEL | Reveals.SCORES | Reveals.TOP_K
    ignores: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.columns = list(COLUMNS)
        self.classes: NDArray[Any] | None = np.array(CARD.classes, dtype=object)

    def ask(self, rows: Dataset) -> Answer:
        poor = rows["age"] / 200 + rows["educ"] / 100 + 0.3 * rows["affairs"]
        scores = np.column_stack([1 - poor, poor])
        return Answer(scores.argmax(axis=1), scores)


class Running:
    """A worker and its app, with a key for each role."""

    def __init__(self, worker: Worker, app: App) -> None:
        self.worker, self.app = worker, app
        self.keys: dict[str, str] = {}

    def key(self, role: str, owner: str = "", **how: Any) -> str:
        record, text = issue(SECRET, role, owner=owner or role, now=time.time(), **how)
        self.worker.store.save_key(record)
        return text

    async def ask(self, role: str, *rows: tuple[float | None, ...], key: str = "",
                  peer: str = "127.0.0.1") -> Heard:  # fmt: skip
        """Ask about rows; None leaves the whole column out."""
        if role not in self.keys:
            self.keys[role] = self.key(role)
        kinds = {"age": "FP64", "educ": "FP64", "affairs": "INT64"}
        inputs = [
            {"name": name, "shape": [len(rows)], "datatype": kinds[name],
             "data": [row[place] for row in rows]}
            for place, name in enumerate(COLUMNS)
            if rows[0][place] is not None
        ]  # fmt: skip
        body = json.dumps({"inputs": inputs}).encode()
        return await self.post(body, key or self.keys[role], peer=peer)

    async def post(self, body: bytes, key: str | None, path: str = "/v2/models/survey/infer",
                   peer: str = "127.0.0.1", **more: Any) -> Heard:  # fmt: skip
        headers = [(b"content-length", str(len(body)).encode())]
        if key is not None:
            headers.append((b"authorization", b"Bearer " + key.encode()))
        headers += more.pop("headers", [])
        return await self.send("POST", path, body, headers, peer=peer, **more)

    async def send(self, method: str, path: str, body: bytes = b"",
                   headers: list[tuple[bytes, bytes]] | None = None, query: bytes = b"",
                   peer: str = "127.0.0.1") -> Heard:  # fmt: skip
        scope = {"type": "http", "method": method, "path": path, "headers": headers or [],
                 "query_string": query, "client": (peer, 1)}  # fmt: skip
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        names = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Heard(sent[0]["status"], names, sent[1]["body"])


@asynccontextmanager
async def running(
    folder: Path, store: Callable[[], Store] | None = None, target: Any = None,
    roles: dict[str, Contract] | None = None, **plan: Any,
) -> AsyncIterator[Running]:  # fmt: skip
    roles = roles or {"partner": Contract(output="scores")}
    served = SimpleNamespace(target=target or Formula(), card=plan.pop("card", CARD),
                             costly=plan.pop("costly", False), how="in memory")  # fmt: skip
    made = Plan(
        served=served, schema=SCHEMA, contracts=roles, secret=SECRET,  # type: ignore[arg-type]
        signing=Ed25519PrivateKey.from_private_bytes(SECRET),
        store=store or (lambda: Sqlite(folder / "store.db")), **plan,
    )  # fmt: skip
    worker = Worker(made, Counters(list(roles)))
    await worker.start()
    try:
        yield Running(worker, App(worker))
    finally:
        await worker.close()


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(main)

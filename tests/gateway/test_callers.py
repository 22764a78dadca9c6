"""Callers at the local listener: who may see them, and who may freeze and release them."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from reticent.gateway import callers
from reticent.gateway.admin import admin
from reticent.monitor.standing import changed
from reticent.stores.sqlite import Sqlite

from .alarmed import acts, stands, token, until
from .alive import Heard
from .running import Running, run, running

ROW = (30.0, 10.0, 0)


def desk(gateway: Running) -> Running:
    """The same gateway's local listener."""
    return Running(gateway.worker, admin(gateway.worker))  # type: ignore[arg-type]


async def post(gateway: Running, path: str, reason: Any, role: str | None = "admin") -> Heard:
    body = reason if isinstance(reason, bytes) else json.dumps({"reason": reason}).encode()
    if role is not None and role not in gateway.keys:
        gateway.keys[role] = gateway.key(role)
    key = None if role is None else gateway.keys[role]
    return await desk(gateway).post(body, key, f"/admin/callers/{path}")


def test_an_admin_freezes_and_releases_with_a_reason(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as gateway:
            assert (await gateway.ask("partner", ROW)).status == 200
            caller = token(gateway)
            told = await post(gateway, f"{caller.hex()}/freeze", "it sweeps")
            assert (told.status, told.json["state"], told.json["caller"]) == (
                200, "frozen", caller.hex(),
            )  # fmt: skip
            assert (await post(gateway, f"{caller.hex()}/freeze", "again")).status == 200
            began = time.monotonic()
            while (await gateway.ask("partner", ROW)).status == 200:
                assert time.monotonic() - began < 1
                await asyncio.sleep(0.02)
            told = await post(gateway, f"{caller.hex()[:8]}/release", "a study")
            assert (told.status, told.json["state"], told.json["reason"]) == (
                200,
                "free",
                "a study",
            )
            while (await gateway.ask("partner", ROW)).status == 403:
                assert time.monotonic() - began < 2
                await asyncio.sleep(0.02)
            first, second = acts(gateway.worker.store)
            assert [(one.done, one.reason, one.subject) for one in (first, second)] == [
                ("freeze", "it sweeps", caller), ("release", "a study", caller),
            ]  # fmt: skip
            assert first.by == second.by == token(gateway, "admin")

    run(main())


def test_only_admins_act_and_only_the_keepers_look(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as gateway:
            await gateway.ask("partner", ROW)
            path = f"{token(gateway).hex()}/freeze"
            statuses = [(await post(gateway, path, "why", role)).status
                        for role in ("observer", "partner", None)]  # fmt: skip
            assert statuses == [403, 403, 401]
            assert stands(gateway).state == "free"
            assert (await post(gateway, path, "why")).status == 200
            looks = []
            for role in ("admin", "observer", "partner"):
                key = gateway.keys[role]
                headers = [(b"authorization", b"Bearer " + key.encode())]
                looks.append(await desk(gateway).send("GET", "/admin/callers", headers=headers))
            assert [one.status for one in looks] == [200, 200, 403]
            (shown,) = looks[1].json
            assert (shown["caller"], shown["state"]) == (token(gateway).hex(), "frozen")
            text = looks[0].body.decode()
            assert all(key not in text for key in gateway.keys.values())

    run(main())


def test_what_cannot_be_done_is_said_and_not_done(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as gateway:
            await gateway.ask("partner", ROW)
            path = f"{token(gateway).hex()}/freeze"
            large = json.dumps({"reason": "x" * callers.LARGEST}).encode()
            answers = {
                (path, b""): 400, (path, b"no json"): 400, (path, b'{"why": "x"}'): 400,
                (path, b'{"reason": 1}'): 400, (path, b'{"reason": " "}'): 400,
                (path, b'{"reason": "a\\nb"}'): 400, (path, large): 413,
                ("zz/freeze", b'{"reason": "x"}'): 404,
                ("00000000/freeze", b'{"reason": "x"}'): 404,
                (path.replace("freeze", "thaw"), b'{"reason": "x"}'): 404,
            }  # fmt: skip
            for (where, body), status in answers.items():
                told = await post(gateway, where, body)
                assert told.status == status, (where, body)
                assert list(told.json) == ["error"]
            headers = [(b"authorization", b"Bearer " + gateway.keys["admin"].encode())]
            looked = await desk(gateway).send("GET", f"/admin/callers/{path}", headers=headers)
            assert looked.status == 405  # a link cannot freeze anybody
            assert stands(gateway).state == "free"
            assert acts(gateway.worker.store) == []

    run(main())


def test_a_store_that_is_away_is_a_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from reticent.errors import StoreError

    def away(*given: object) -> Any:
        raise StoreError("the store", "it is away", "Wait")

    async def main() -> None:
        async with running(tmp_path) as gateway:
            await gateway.ask("partner", ROW)
            caller = token(gateway).hex()
            monkeypatch.setattr(Sqlite, "write", away)
            assert (await post(gateway, f"{caller}/freeze", "why")).status == 503
            monkeypatch.undo()
            assert (await post(gateway, f"{caller}/freeze", "why")).status == 200

    run(main())


def test_a_fuse_that_burns_is_cut_short_by_a_person(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as gateway:
            await gateway.ask("partner", ROW)
            caller = token(gateway)
            with closing(Sqlite(tmp_path / "store.db")) as store:
                changed(store, caller, lambda one: replace(one, fuse=30, rung=4))
            await until(lambda: gateway.worker.guard.standings.of(caller))
            assert (await gateway.ask("partner", ROW)).status == 200
            told = await post(gateway, f"{caller.hex()}/freeze", "now")
            assert (told.json["state"], told.json["fuse"]) == ("frozen", None)
            await until(lambda: stands(gateway).fuse is None)

    run(main())

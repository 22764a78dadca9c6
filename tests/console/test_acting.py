"""Freezing and releasing from a browser."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from gateway.running import run
from reticent.event import Act
from reticent.gateway.journal import read
from reticent.monitor.standing import Standing, standing
from reticent.store import Erased, Store

from .keeping import Kept, keeping, token, write_standing

ROW = (30.0, 10.0, 0)
CALLER = token(1)
PATH = f"/console/callers/{CALLER.hex()}"


def acts(store: Store) -> list[Act]:
    entries = [one for block in store.blocks() for one in block.entries]
    found = [read(one) for one in entries if not isinstance(one, Erased)]
    return [one for one in found if isinstance(one, Act)]


def known(kept: Kept, **more: Any) -> None:
    """Have a caller of whom something is known."""
    write_standing(kept.store, Standing(CALLER, role="partner", queries=70, refused=7, **more))


def test_an_admin_freezes_and_releases_with_a_reason_that_stands_in_the_journal(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            gateway = kept.gateway
            key = gateway.key("partner", "Mercy Hospital")
            caller = gateway.worker.guard.identity.token("owner:Mercy Hospital")
            assert (await gateway.ask("partner", ROW, key=key)).status == 200
            write_standing(
                kept.store, Standing(caller, role="partner", score=0.4, evidence=(2.0,) * 16)
            )
            browser = await kept.logged_in("admin", "root")
            path = f"/console/callers/{caller.hex()}"
            form = await browser.form(path)
            heard = await browser.post(f"{path}/freeze", {"form": form, "reason": " a sweep "})
            assert (heard.status, heard.headers["location"]) == (303, f"{path}?done=frozen")
            assert standing(kept.store, caller).state == "frozen"
            page = await browser.page(heard.headers["location"])
            assert "this caller is frozen" in page
            assert "a sweep" in page
            for _ in range(50):
                if (refused := await gateway.ask("partner", ROW, key=key)).status == 403:
                    break
                await asyncio.sleep(0.05)
            assert refused.status == 403
            heard = await browser.post(
                f"{path}/release", {"form": form, "reason": "it was a study"}
            )
            assert heard.headers["location"] == f"{path}?done=released"
            found = standing(kept.store, caller)
            assert (found.state, found.score, found.evidence) == ("free", 0.0, ())
            by = gateway.worker.guard.identity.token("owner:root")
            told = [(one.by, one.subject, one.done, one.reason) for one in acts(kept.store)]
            assert told == [
                (by, caller, "freeze", "a sweep"),
                (by, caller, "release", "it was a study"),
            ]

    run(main())


def test_an_observer_may_not_act_and_is_not_offered_to(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            known(kept)
            browser = await kept.logged_in("observer")
            page = await browser.page(PATH)
            assert "<textarea" not in page
            assert "Only an admin" in page
            fields = {"form": await browser.form(), "reason": "because"}
            for act in ("freeze", "release"):
                assert (await browser.post(f"{PATH}/{act}", fields)).status == 403
            assert standing(kept.store, CALLER).state == "free"
            assert acts(kept.store) == []

    run(main())


@pytest.mark.parametrize("path", [f"{PATH}/freeze", f"{PATH}/release", "/console/logout"])
def test_a_form_without_the_sessions_token_does_nothing(tmp_path: Path, path: str) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            known(kept)
            browser, other = await kept.logged_in(), await kept.logged_in("admin", "another")
            foreign = await other.form()
            for form in ({}, {"form": ""}, {"form": foreign}, {"form": "é"}):
                heard = await browser.post(path, {**form, "reason": "because"})
                assert heard.status == 403, form
            form = {"form": await browser.form(), "reason": "because"}
            assert (await browser.post(path, form, origin="http://attacker.example")).status == 403
            assert (await browser.get("/console")).status == 200
            assert acts(kept.store) == []
            assert (await kept.browser().post(path, form)).status == 303  # to the login
            assert acts(kept.store) == []

    run(main())


def test_acting_takes_a_form_and_never_a_link(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            known(kept)
            browser = await kept.logged_in()
            for path in (f"{PATH}/freeze", f"{PATH}/release", "/console/logout"):
                assert (await browser.get(path)).status == 405
            assert acts(kept.store) == []

    run(main())


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501, "two\nlines", "a\x1b[31mred"])
def test_a_reason_that_will_not_do_is_asked_for_again(tmp_path: Path, reason: str) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            known(kept)
            browser = await kept.logged_in()
            fields = {"form": await browser.form(PATH), "reason": reason}
            heard = await browser.post(f"{PATH}/freeze", fields)
            assert heard.status == 400
            page = heard.body.decode()
            assert 'role="alert"' in page
            assert 'aria-invalid="true"' in page
            if reason.startswith("xxx"):
                assert reason in page  # nobody has to type it twice
            assert acts(kept.store) == []

    run(main())


def test_freezing_somebody_unknown_is_possible_and_idempotent(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            browser = await kept.logged_in()
            fields = {"form": await browser.form(), "reason": "seen elsewhere"}
            for _ in range(2):
                assert (await browser.post(f"{PATH}/freeze", fields)).status == 303
            assert len(acts(kept.store)) == 1
            assert (await browser.get(PATH)).status == 200

    run(main())

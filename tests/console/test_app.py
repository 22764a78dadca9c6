"""The console's pages and forms, as a browser would ask for them."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.running import run
from reticent.console.pace import EACH
from reticent.contract import Contract
from reticent.monitor.standing import Standing
from reticent.store import Store

from .keeping import EVIL, Kept, alert, keeping, token, write_alert, write_standing

ROW = (30.0, 10.0, 0)
CALLER = token(1)


def known(kept: Kept, **more: Any) -> None:
    """Have a caller of whom something is known."""
    write_standing(kept.store, Standing(CALLER, role="partner", queries=70, refused=7, **more))


# Coming and going -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/callers", f"/callers/{CALLER.hex()}", "/alerts", "/roles",
                                  "/alerts/abc"])  # fmt: skip
def test_no_page_opens_without_a_session(tmp_path: Path, path: str) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            known(kept)
            for number in ("", "x" * 43, "x" * 9_000, "é"):
                browser = kept.browser()
                if number:
                    browser.cookies["reticent_console"] = number
                heard = await browser.get("/console" + path)
                assert heard.status == 303
                assert heard.headers["location"] == f"/console/login?next=/console{path}"
                assert heard.body == b""
            assert (await kept.browser().get("/console/events")).status == 401

    run(main())


@pytest.mark.parametrize("role", ["admin", "observer"])
def test_a_key_of_a_keeper_opens_it_and_the_cookie_is_guarded(tmp_path: Path, role: str) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            browser = kept.browser()
            heard = await browser.log_in(kept.gateway.key(role))
            assert (heard.status, heard.headers["location"]) == (303, "/console")
            parts = {one.strip().lower() for one in heard.headers["set-cookie"].split(";")[1:]}
            assert {"httponly", "samesite=strict", "path=/console", "max-age=28800"} <= parts
            assert "secure" not in parts  # over plain HTTP a browser would drop it
            assert f"seen as {role}" in await browser.page("/console")
            assert (await browser.get("/console/login")).status == 303

    run(main())


def test_behind_a_proxy_that_speaks_tls_the_cookie_is_secure(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            heard = await kept.browser().post(
                "/console/login", {"key": kept.gateway.key("admin")}, x_forwarded_proto="https"
            )
            assert "secure" in heard.headers["set-cookie"].lower()

    run(main())


def test_every_key_that_opens_nothing_gets_the_same_answer(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            gateway = kept.gateway
            stranger = gateway.key("partner")
            expired = gateway.key("admin", expires=time.time() + 0.2)
            time.sleep(0.25)
            good = gateway.key("admin")
            told = set()
            for place, key in enumerate(
                [
                    stranger,
                    expired,
                    good[:-1] + "!",
                    "",
                    "x",
                    "x" * 9_000,
                    "a.b.c",
                    "ключ",
                    "a\r\nb",
                ]
            ):
                browser = kept.browser(peer=f"10.0.0.{place}")
                heard = await browser.log_in(key)
                told.add((heard.status, heard.body))
                assert browser.cookies == {}
            assert len(told) == 1
            ((status, body),) = told
            assert status == 401
            assert b"observer or admin" in body

    run(main())


def test_attempts_are_limited_by_address_and_a_good_key_waits_too(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            browser = kept.browser()
            for _ in range(EACH):
                assert (await browser.log_in("wrong")).status == 401
            heard = await browser.log_in(kept.gateway.key("admin"))
            assert heard.status == 429
            assert 1 <= int(heard.headers["retry-after"]) <= 61
            assert browser.cookies == {}
            assert (await kept.logged_in(peer="10.0.0.2")).cookies

    run(main())


def test_a_session_is_known_wherever_the_store_is(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept, keeping(tmp_path) as other:
            browser = await kept.logged_in()
            browser.app = other.app
            assert (await browser.get("/console")).status == 200

    run(main())


@pytest.mark.parametrize(("wanted", "leads"), [
    ("/console/alerts/abc", "/console/alerts/abc"), ("/console", "/console"),
    ("//attacker.example", "/console"), ("https://attacker.example", "/console"),
    ("/console/../admin", "/console"), ("/consolex", "/console"),
    ("/console/\nSet-Cookie: a=b", "/console"), ("javascript:alert(1)", "/console"),
    ("/console?x=//attacker", "/console"), ("", "/console"),
])  # fmt: skip
def test_a_login_leads_back_to_a_page_of_ours_only(tmp_path: Path, wanted: str, leads: str) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            heard = await kept.browser().log_in(kept.gateway.key("admin"), next=wanted)
            assert heard.headers["location"] == leads
            assert heard.headers["location"].startswith("/console")

    run(main())


def test_whether_somebody_is_logged_in_is_told_without_a_reason(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            assert (await kept.browser().get("/console/session")).json == {"open": False}
            assert (await (await kept.logged_in()).get("/console/session")).json == {"open": True}

    run(main())


# Pages ------------------------------------------------------------------------------------------


def test_the_other_pages_of_the_listener_are_where_they_were(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            browser = kept.browser(host="metrics.internal")
            assert (await browser.get("/metrics")).status == 200
            assert (await browser.get("/admin/status")).status == 401
            assert (await browser.get("/consolex")).status == 404
            heard = await browser.get("/")
            assert (heard.status, heard.headers["location"]) == (307, "/console")

    run(main())


def test_a_page_that_is_not_there_says_so_as_a_page(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            browser = await kept.logged_in()
            for path in (
                "/nowhere", "/callers/xyz", f"/callers/{'A' * 32}", f"/callers/{'0' * 32}",
                "/alerts/none", "/alerts/%F0%9F%98%80", "/static/0/console.css",
            ):  # fmt: skip
                heard = await browser.get("/console" + path)
                assert heard.status == 404, path
                assert b"<h1>There is nothing here</h1>" in heard.body
            assert (await browser.post("/console/roles", {})).status == 405

    run(main())


def test_what_a_page_loads_is_there_and_may_be_kept(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            page = await kept.browser().page("/console/login")
            paths = re.findall(r'(?:href|src)="(/console/static/[^"]+)"', page)
            assert len(paths) == 3
            for path in paths:
                heard = await kept.browser().get(path)
                assert heard.status == 200
                assert "immutable" in heard.headers["cache-control"]
                assert heard.body

    run(main())


def test_names_that_are_markup_are_shown_and_never_run(tmp_path: Path) -> None:
    """A key's owner, a role, a detector, a reason: whoever wrote them may have meant harm."""

    async def main() -> None:
        roles = {EVIL: Contract(output="label", marginalize=("affairs",), role_rows_per_day=9)}
        async with keeping(tmp_path, roles=roles, progress=lambda: {EVIL: (1, 99)}) as kept:
            gateway = kept.gateway
            await gateway.ask(EVIL, ROW, key=gateway.key(EVIL, EVIL))
            caller = gateway.worker.guard.identity.token(f"owner:{EVIL}")
            write_standing(kept.store, Standing(caller, role=EVIL, queries=3, state="frozen",
                                                reason=EVIL))  # fmt: skip
            write_alert(kept.store, alert(
                5, caller, id=EVIL, detector=EVIL, reason=EVIL, promise=EVIL, role=EVIL,
                model=EVIL, contract=EVIL, evidence={EVIL: 1.0, "count": 3.0}, others=(token(3),),
            ))  # fmt: skip
            browser = await kept.logged_in(owner=EVIL)
            pages = ["", "/callers", f"/callers/{caller.hex()}", "/alerts", "/roles",
                     "/callers?token=<script>&role=<script>&state=<script>&order=<script>",
                     "/alerts?detector=<script>&role=<script>&page=<script>",
                     "/alerts/" + "%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%27%26"]  # fmt: skip
            for path in pages:
                text = await browser.page("/console" + path)
                assert "<script>alert" not in text, path
                assert "\"'&" not in text, path
                assert text.count("<script") == 1, path  # our own
                if not path.startswith(("/callers?", "/alerts?")):
                    assert "&lt;script&gt;alert(1)" in text, path
            assert "Key of" in await browser.page(f"/console/callers/{caller.hex()}")

    run(main())


def test_what_no_page_can_hold_is_replaced(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            write_alert(kept.store, alert(1, reason="a\x00b\x1b[2Jc\u202ed"))
            page = await (await kept.logged_in()).page("/console/alerts")
            assert not {"\x00", "\x1b", "\u202e"} & set(page)

    run(main())


def test_only_an_admin_sees_whose_keys_they_are(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            await kept.gateway.ask(
                "partner", ROW, key=kept.gateway.key("partner", "Mercy Hospital")
            )
            caller = kept.gateway.worker.guard.identity.token("owner:Mercy Hospital")
            write_standing(kept.store, Standing(caller, role="partner", queries=1))
            paths = ("/console/roles", f"/console/callers/{caller.hex()}")
            for role, seen in (("admin", True), ("observer", False)):
                browser = await kept.logged_in(role)
                for path in paths:
                    assert ("Mercy Hospital" in await browser.page(path)) is seen, (role, path)

    run(main())


def test_a_store_that_is_away_shows_nobody_anything(tmp_path: Path) -> None:
    from stored import MemoryStore

    store = MemoryStore()

    async def main() -> None:
        async with keeping(tmp_path, store=lambda: store) as kept:
            browser = await kept.logged_in()
            store.down = True
            for path in ("/console", "/console/callers", "/console/session"):
                heard = await browser.get(path)
                assert heard.status == 503
                assert b"store is away" in heard.body
            assert (await kept.browser().log_in("rtc_x")).status in (401, 503)
            store.down = False
            await kept.gateway.worker.guard.keys.look()
            assert (await browser.get("/console")).status == 200

    run(main())


def test_an_error_that_nobody_knows_is_a_page_without_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            browser = await kept.logged_in()

            def broken(store: Store) -> dict[str, Any]:
                raise ZeroDivisionError("a secret of somebody")

            monkeypatch.setattr(kept.console.board, "overview", broken)
            sent: list[Any] = []
            with pytest.raises(ZeroDivisionError):  # the server's own log names the place only
                await _caught(browser, sent)
            assert sent[0]["status"] == 500
            assert b"secret of somebody" not in sent[1]["body"]
            assert "secret of somebody" not in capfd.readouterr().err

    run(main())


async def _caught(browser: Any, sent: list[Any]) -> None:
    inner = browser.app

    async def app(scope: Any, receive: Any, send: Any) -> None:
        async def both(message: Any) -> None:
            sent.append(message)
            await send(message)

        await inner(scope, receive, both)

    browser.app = app
    await browser.get("/console")

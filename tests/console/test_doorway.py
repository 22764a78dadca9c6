"""What every request to the console passes, and what every reply bears."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.running import run
from reticent.console import doorway
from reticent.console.doorway import MOST_FORM

from .keeping import Browser, keeping

POLICY = {
    "default-src": "'none'", "style-src": "'self'", "script-src": "'self'",
    "img-src": "'self' data:", "connect-src": "'self'", "form-action": "'self'",
    "frame-ancestors": "'none'", "base-uri": "'none'",
}  # fmt: skip
PAGES = ("/console", "/console/login", "/console/nowhere", "/console/callers/xyz",
         "/console/events", "/console/session", "/console/logout")  # fmt: skip


def policy(told: str) -> dict[str, str]:
    parts = [one.strip().partition(" ") for one in told.split(";")]
    return {name: value for name, _, value in parts}


def test_every_reply_bears_the_policy_and_is_kept_by_nobody(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            admin, nobody = await kept.logged_in(), kept.browser()
            for browser in (admin, nobody):
                for path in PAGES:
                    if (path, browser) == ("/console/events", admin):
                        continue  # it has no end
                    told = (await browser.get(path)).headers
                    assert policy(told["content-security-policy"]) == POLICY, path
                    assert told["cache-control"] == "no-store", path
                    assert told["x-content-type-options"] == "nosniff"
                    assert told["x-frame-options"] == "DENY"
                    assert told["referrer-policy"] == "same-origin"

    run(main())


def test_the_pages_hold_nothing_that_the_policy_forbids(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            browser = await kept.logged_in()
            for path in ("", "/callers", "/alerts", "/roles", "/login"):
                page = await browser.page("/console" + path) if path != "/login" else ""
                page = page or await kept.browser().page("/console/login")
                assert "style=" not in page
                assert "<style" not in page
                assert page.count("<script") == page.count('<script src="/console/static/')
                assert "http://" not in page.replace("http://www.w3.org", "")
                assert " onclick" not in page

    run(main())


@pytest.mark.parametrize(("host", "status"), [
    ("127.0.0.1:8081", 200), ("localhost", 200), ("LOCALHOST:9", 200), ("[::1]:8081", 200),
    ("10.0.0.9", 200), ("console.example.org", 200), ("Console.Example.ORG.:443", 200),
    ("x.localhost:1", 200),
    ("attacker.example", 421), ("localhost.attacker.example", 421), ("127.0.0.1.nip.io", 421),
    ("", 421), ("[::1", 421), ("evil@attacker.example", 421), ("console.example.org.evil", 421),
])  # fmt: skip
def test_a_foreign_name_for_this_address_is_refused(tmp_path: Path, host: str, status: int) -> None:
    async def main() -> None:
        async with keeping(tmp_path, hosts=["console.example.org"]) as kept:
            heard = await kept.browser(host=host).get("/console/login")
            assert heard.status == status
            if status == 421:
                assert b"<" not in heard.body
                assert "content-security-policy" in heard.headers

    run(main())


def test_two_hosts_are_none(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            browser = kept.browser()
            sent = await browser.send("GET", "/console/login", headers={"Host": "localhost"})
            assert sent.status == 200  # names are compared as they are sent: in lower case
            scope_of = browser.app

            async def doubled(scope: dict[str, object], receive: object, send: object) -> None:
                scope["headers"] = [(b"host", b"localhost"), (b"host", b"attacker.example")]
                await scope_of(scope, receive, send)

            assert (await Browser(doubled).get("/console/login")).status == 421

    run(main())


@pytest.mark.parametrize(("headers", "status"), [
    ({}, 303),
    ({"origin": "https://127.0.0.1:8081"}, 303),  # a proxy speaks TLS
    ({"origin": "", "sec_fetch_site": "same-origin"}, 303),
    ({"origin": ""}, 403),
    ({"origin": "", "sec_fetch_site": "same-site"}, 403),
    ({"origin": "null"}, 403),
    ({"origin": "http://attacker.example"}, 403),
    ({"origin": "http://127.0.0.1:9999"}, 403),
    ({"origin": "http://127.0.0.1:8081.attacker.example"}, 403),
    ({"origin": "http://["}, 403),
    ({"origin": "http://attacker.example", "sec_fetch_site": "same-origin"}, 403),
    ({"content_type": "text/plain"}, 415),
    ({"content_type": "multipart/form-data; boundary=x"}, 415),
    ({"content_type": "application/x-www-form-urlencoded; charset=utf-8"}, 303),
])  # fmt: skip
def test_a_form_comes_from_a_page_of_ours(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            key = kept.gateway.key("admin")
            heard = await kept.browser().post("/console/login", {"key": key}, **headers)
            assert heard.status == status

    run(main())


@pytest.mark.parametrize(("body", "status"), [
    (b"key=" + b"x" * MOST_FORM, 413), (b"\xff\xfe", 400), (b"&".join([b"a=b"] * 50), 400),
    (b"", 401), (b"key=%ff%00", 401),
])  # fmt: skip
def test_a_form_has_its_bounds(tmp_path: Path, body: bytes, status: int) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            browser = kept.browser()
            headers = {"origin": f"http://{browser.host}",
                       "content-type": "application/x-www-form-urlencoded"}  # fmt: skip
            heard = await browser.send("POST", "/console/login", body, headers)
            assert heard.status == status
            assert b"<h1>" in heard.body

    run(main())


def test_a_form_that_never_ends_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doorway, "FORM_SECONDS", 0.05)

    async def main() -> None:
        async with keeping(tmp_path) as kept:
            inner = kept.app

            async def slow(scope: object, receive: object, send: object) -> None:
                import asyncio

                async def never() -> object:
                    await asyncio.sleep(60)
                    raise AssertionError

                await inner(scope, never, send)

            heard = await Browser(slow).post("/console/login", {"key": "x"})
            assert heard.status == 408

    run(main())

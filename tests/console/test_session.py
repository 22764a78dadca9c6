"""Who is logged in, and until when."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from gateway.running import SECRET, run
from reticent.access.keys import issue, revoke
from reticent.console import session
from reticent.console.session import KIND, LONGEST, Session
from reticent.gateway.guard import Call
from reticent.store import Note

from .keeping import Kept, keeping

ASKED = Call("GET", "/console", [], b"", "127.0.0.1")


class Later:
    """A clock that can be moved on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def by(self, kept: Kept, seconds: float) -> None:
        now = time.time() + seconds
        self._monkeypatch.setattr(time, "time", lambda: now)
        kept.gateway.worker.guard._clock = lambda: now


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    return Later(monkeypatch)


def sessions(kept: Kept) -> list[Note]:
    return kept.store.notes(KIND)


def test_what_is_stored_opens_nothing_and_holds_no_key(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            key = kept.gateway.key("admin")
            browser = kept.browser()
            assert (await browser.log_in(key)).status == 303
            (note,) = sessions(kept)
            number = browser.cookies["reticent_console"]
            stored = note.key + note.content
            for secret in (number, key, key.split("_", 2)[2]):
                assert secret.encode() not in stored
            for guess in (note.key.hex(), session._name(number).hex()):
                intruder = kept.browser()
                intruder.cookies["reticent_console"] = guess[:43]
                assert (await intruder.get("/console")).status == 303

    run(main())


def test_a_session_is_over_after_eight_hours_and_its_note_goes(
    tmp_path: Path, later: Later
) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            first = await kept.logged_in("observer")
            console = kept.console
            console.sessions._clock = lambda: time.time() + LONGEST - 5
            assert (await first.get("/console")).status == 200
            console.sessions._clock = lambda: time.time() + LONGEST
            assert (await first.get("/console")).status == 303
            assert sessions(kept) == []

    run(main())


def test_sessions_that_are_over_are_swept_when_somebody_logs_in(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            for _ in range(3):
                await kept.logged_in("observer")
            assert len(sessions(kept)) == 3
            kept.console.sessions._clock = lambda: time.time() + LONGEST + 5
            await kept.logged_in("admin")
            assert len(sessions(kept)) == 1

    run(main())


def test_a_session_ends_with_its_key(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            record, text = issue(SECRET, "admin", owner="root", now=time.time())
            kept.store.save_key(record)
            browser = kept.browser()
            await browser.log_in(text)
            assert (await browser.get("/console")).status == 200
            kept.store.save_key(revoke(record, time.time()))
            await kept.gateway.worker.guard.keys.look()
            assert (await browser.get("/console")).status == 303
            assert sessions(kept) == []

    run(main())


@pytest.mark.parametrize("role", ["observer", "partner"])
def test_a_session_has_the_role_that_its_key_has_now(tmp_path: Path, role: str) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            record, text = issue(SECRET, "admin", owner="root", now=time.time())
            kept.store.save_key(record)
            browser = kept.browser()
            await browser.log_in(text)
            kept.store.save_key(msgspec.structs.replace(record, role=role))
            await kept.gateway.worker.guard.keys.look()
            heard = await browser.get("/console")
            assert heard.status == (200 if role == "observer" else 303)
            if role == "observer":
                visit = await kept.console.sessions.visit(
                    browser.cookies["reticent_console"], ASKED
                )
                assert visit is not None
                assert not visit.admin

    run(main())


def test_a_key_that_expires_takes_its_session_along(tmp_path: Path, later: Later) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            browser = kept.browser()
            await browser.log_in(kept.gateway.key("observer", expires=time.time() + 600))
            assert (await browser.get("/console")).status == 200
            later.by(kept, 601)
            assert (await browser.get("/console")).status == 303

    run(main())


def test_a_model_of_high_risk_shows_its_console_to_the_internal_network_only(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with keeping(tmp_path, high_risk=True) as kept:
            key = kept.gateway.key("admin")
            assert (await kept.browser(peer="203.0.113.7").log_in(key)).status == 401
            browser = kept.browser(peer="10.1.2.3")
            assert (await browser.log_in(key)).status == 303
            assert (await browser.get("/console")).status == 200
            browser.peer = "203.0.113.7"  # the cookie alone does not do elsewhere
            assert (await browser.get("/console")).status == 303

    run(main())


@pytest.mark.parametrize(
    "content", [b"", b"\xc1", msgspec.msgpack.encode(Session(1e12, b"x" * 40))]
)
def test_a_note_that_somebody_else_wrote_is_no_session(tmp_path: Path, content: bytes) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            number = "A" * 43
            kept.store.write([Note(KIND, session._name(number), content)])
            browser = kept.browser()
            browser.cookies["reticent_console"] = number
            assert (await browser.get("/console")).status == 303

    run(main())


def test_each_session_has_forms_of_its_own(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            forms = {await (await kept.logged_in()).form() for _ in range(3)}
            assert len(forms) == 3
            browser = await kept.logged_in()
            assert await browser.form() == await browser.form("/console/roles")

    run(main())


def test_logging_out_ends_the_session_for_whoever_has_the_cookie(tmp_path: Path) -> None:
    async def main() -> None:
        async with keeping(tmp_path) as kept:
            browser = await kept.logged_in()
            kept_cookie = dict(browser.cookies)
            heard = await browser.post("/console/logout", {"form": await browser.form()})
            assert (heard.status, heard.headers["location"]) == (303, "/console/login")
            assert browser.cookies == {}
            browser.cookies = kept_cookie
            assert (await browser.get("/console")).status == 303

    run(main())

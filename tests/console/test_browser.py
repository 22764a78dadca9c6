"""The console in a real browser: Debian's chromium, driven by Playwright."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from gateway.running import SECRET
from reticent.access.keys import issue, revoke
from reticent.monitor.standing import Standing, standing

from . import scene
from .keeping import EVIL, Kept, Served, alert, serving, token, write_alert, write_standing
from .scene import NARROW, SWEEPER
from .window import CONTRAST, DESK, Inside

if TYPE_CHECKING:
    from playwright.sync_api import Browser

PHONE, NARROWEST = (390, 844), (320, 640)
PAGES = {
    "overview": "", "callers": "/callers", "frozen": f"/callers/{SWEEPER.hex()}",
    "burning": f"/callers/{NARROW.hex()}", "alerts": "/alerts", "alert": f"/alerts/{5:032x}",
    "linked": f"/alerts/{2:032x}", "roles": "/roles", "missing": "/nowhere",
}  # fmt: skip


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("console"), progress=scene.progress) as made:
        made.run(scene.fill)
        made.kept.console.pace._each = made.kept.console.pace._together = 10_000
        yield made


@pytest.fixture
def window(chromium: Browser, served: Served) -> Iterator[Inside]:
    made = Inside(chromium, served)
    yield made
    made.context.close()
    assert made.said == []


def test_somebody_logs_in_looks_around_and_logs_out(window: Inside) -> None:
    page = window.page
    window.go("/alerts")
    assert page.url.endswith("/console/login?next=/console/alerts")
    window.show_key(window.key("observer"))
    page.wait_for_url("**/console/alerts")
    for name in ("Roles", "Callers", "Overview"):
        page.get_by_role("navigation", name="Pages").get_by_role("link", name=name).click()
        page.locator(f'a[aria-current="page"]:has-text("{name}")').wait_for()
    assert "caller is frozen" in page.locator("h1").inner_text()
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/console/login")
    window.go()
    assert "/console/login" in page.url


def test_a_wrong_key_is_told_beside_the_field(window: Inside) -> None:
    window.go("/login")
    window.show_key("rtc_wrong")
    window.page.get_by_role("alert").wait_for()
    assert window.page.get_by_label("Access key").get_attribute("aria-invalid") == "true"
    assert window.page.get_by_label("Access key").input_value() == ""
    (said,) = window.said  # the browser itself notes the status
    assert "401" in said
    window.said.clear()


def test_an_alert_appears_by_itself_and_is_read_out(window: Inside) -> None:
    window.log_in("observer")
    page = window.page
    window.live()
    page.evaluate("() => { window.same = true; }")
    time.sleep(1.1)

    async def raised(kept: Kept) -> None:
        write_alert(kept.store, alert(77, token(77), reason=f"a new one {EVIL}"))
        for _ in range(20):
            await kept.gateway.ask("clinic", scene.ROW)

    window.served.run(raised)
    row = page.locator(f'[data-alert="{77:032x}"]')
    row.wait_for()
    assert "fresh" in (row.get_attribute("class") or "")
    assert f"a new one {EVIL}" in row.inner_text()
    said = page.locator("[data-said]")
    assert "New alert: sweep" in said.inner_text()
    assert said.get_attribute("aria-live") == "polite"
    page.wait_for_function(
        "() => parseFloat(document.querySelector('[data-live=requests]').textContent) > 20"
    )
    assert page.evaluate("() => window.same") is True  # the page was not loaded anew


def test_an_admin_freezes_and_releases_and_what_is_typed_stays(window: Inside) -> None:
    window.log_in()
    page, caller = window.page, token(3)
    store = window.served.kept.store
    window.go(f"/callers/{caller.hex()}")
    window.live()
    page.get_by_label("Reason, for the journal").fill("seen by the ward")

    async def raised(kept: Kept) -> None:
        write_alert(kept.store, alert(78, caller))

    window.served.run(raised)
    page.locator(f'[data-alert="{78:032x}"]').wait_for()  # the page moved under the hand
    assert page.get_by_label("Reason, for the journal").input_value() == "seen by the ward"
    page.get_by_role("button", name="Freeze").click()
    page.get_by_text("Done: this caller is frozen").wait_for()
    assert standing(store, caller).state == "frozen"
    assert "seen by the ward" in page.locator("blockquote").inner_text()
    page.get_by_label("Reason, for the journal").fill("a study of ours")
    page.get_by_role("button", name="Release").click()
    page.get_by_text("Done: this caller is released").wait_for()
    assert standing(store, caller).state == "free"


def test_everything_is_reached_from_the_keyboard_and_one_sees_where_one_is(
    window: Inside,
) -> None:
    page = window.page
    window.go("/login")
    page.wait_for_function("() => document.activeElement.id === 'key'")
    page.keyboard.type(window.key())
    page.keyboard.press("Tab")
    assert window.focused() == "Log in"
    page.keyboard.press("Enter")
    page.wait_for_url("**/console")
    page.keyboard.press("Tab")
    assert window.focused() == "Skip to the content"
    assert page.locator(".skip").bounding_box()["y"] >= 0  # type: ignore[index]
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    first = page.locator("[data-alert] a").first.inner_text()
    assert window.focused() == first  # past the bar on top
    walked = [window.focused()]
    for _ in range(40):
        outline = page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", walked
        page.keyboard.press("Tab")
        walked.append(window.focused())
        if walked[-1] == "study":
            break
    assert {"clinic", "partner", "study"} <= set(walked)
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/roles#role-3")


@pytest.mark.slow
def test_a_list_that_is_brought_up_to_date_keeps_the_focus(window: Inside) -> None:
    window.log_in()
    window.go("/alerts")
    window.live()
    page = window.page
    page.locator(f'a[href="/console/alerts/{5:032x}"]').focus()

    async def raised(kept: Kept) -> None:
        write_alert(kept.store, alert(79, token(79)))

    window.served.run(raised)
    page.locator(f'[data-alert="{79:032x}"]').wait_for()
    href = page.evaluate("() => document.activeElement.getAttribute('href')")
    assert href == f"/console/alerts/{5:032x}"


@pytest.fixture(scope="module")
def looked(chromium: Browser, served: Served) -> dict[str, dict[str, Any]]:
    """What was measured of every page: in light and dark, on a desk and on phones."""
    window = Inside(chromium, served)
    found: dict[str, dict[str, Any]] = {}
    for name, path in {"login": "/login", **PAGES}.items():
        if name == "overview":
            window.log_in()
        window.go(path)
        page, here = window.page, found.setdefault(name, {})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            here[scheme] = page.evaluate(CONTRAST)
            here[f"{scheme} paper"] = page.evaluate(
                "() => getComputedStyle(document.body).backgroundColor"
            )
        for width, height in (PHONE, NARROWEST):
            page.set_viewport_size({"width": width, "height": height})
            here[str(width)] = page.evaluate("() => document.documentElement.scrollWidth")
        page.set_viewport_size({"width": DESK[0], "height": DESK[1]})
    window.context.close()
    return found


@pytest.mark.slow
def test_what_was_opened_stays_open_while_the_rest_goes_on(window: Inside) -> None:
    window.log_in()
    window.go("/roles")
    window.live()
    page = window.page
    page.get_by_text("keys").first.click()
    page.evaluate(
        "() => { window.read = 0; const own = fetch;"
        " window.fetch = (...given) => { window.read += 1; return own(...given); }; }"
    )

    async def raised(kept: Kept) -> None:
        write_alert(kept.store, alert(80, token(80)))

    window.served.run(raised)
    page.wait_for_function("() => window.read > 0")
    page.wait_for_timeout(300)
    assert page.locator("details[open]").count() == 1


@pytest.mark.parametrize("width", [PHONE[0], NARROWEST[0]])
def test_nothing_is_wider_than_a_phone(looked: dict[str, dict[str, Any]], width: int) -> None:
    assert {name: one[str(width)] for name, one in looked.items()} == dict.fromkeys(looked, width)


@pytest.mark.parametrize(("scheme", "paper"), [("light", "251, 250, 248"), ("dark", "20, 20, 22")])
def test_every_text_stands_out_from_what_is_behind_it(
    looked: dict[str, dict[str, Any]], scheme: str, paper: str
) -> None:
    assert {name: one[scheme] for name, one in looked.items() if one[scheme]} == {}
    assert {one[f"{scheme} paper"] for one in looked.values()} == {f"rgb({paper})"}


def test_evidence_without_end_stays_beside_its_bar(window: Inside) -> None:
    async def swept(kept: Kept) -> None:
        write_standing(kept.store, Standing(token(81), "clinic", 4244, score=4.86e127))

    window.served.run(swept)
    window.log_in()
    window.go(f"/callers?token={token(81).hex()}")
    number = window.page.locator(".bar .n")
    assert number.inner_text() == "≥ 10¹²⁷"
    assert number.evaluate("(one) => one.scrollWidth <= one.clientWidth")


def test_contrast_that_is_weak_is_seen(window: Inside) -> None:
    window.go("/login")
    page = window.page
    assert page.evaluate(CONTRAST) == []
    page.evaluate("() => document.querySelector('h1').style.setProperty('color', '#aaa')")
    assert [text for text, _ in page.evaluate(CONTRAST)] == ["Who asks, and what for"]


@pytest.mark.slow
def test_it_works_without_scripts(chromium: Browser, served: Served) -> None:
    window = Inside(chromium, served, java_script_enabled=False)
    window.log_in()
    page, caller = window.page, token(4)
    window.go(f"/callers/{caller.hex()}")
    assert page.get_by_text("Reload for news").is_visible()
    page.get_by_label("Reason, for the journal").fill("without scripts")
    page.get_by_role("button", name="Freeze").click()
    page.get_by_text("Done: this caller is frozen").wait_for()
    assert standing(served.kept.store, caller).state == "frozen"
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Callers").click()
    page.get_by_label("State").select_option("frozen")
    page.get_by_role("button", name="Show").click()
    assert page.get_by_text(token(4).hex()[:4]).is_visible()
    window.context.close()


def test_a_link_in_a_message_leads_to_its_alert(window: Inside) -> None:
    """A cookie that is strictly of one site does not come along with a foreign page's link."""
    window.log_in()
    page, wanted = window.page, f"/console/alerts/{5:032x}"
    foreign = window.served.url.replace("127.0.0.1", "localhost")
    page.goto(f"{foreign}/console/login")
    page.evaluate(f"() => {{ location.href = '{window.served.url}{wanted}'; }}")
    page.wait_for_url(f"**{wanted}")
    assert "11" in page.locator("dl.numbers").inner_text()


@pytest.mark.slow
def test_a_page_that_is_open_leaves_when_its_key_is_revoked(window: Inside) -> None:
    record, text = issue(SECRET, "observer", owner="a guest", now=time.time())

    async def saved(kept: Kept) -> None:
        kept.store.save_key(record)

    async def revoked(kept: Kept) -> None:
        kept.store.save_key(revoke(record, time.time()))

    window.served.run(saved)
    window.go("/login")
    window.show_key(text)
    window.live()
    window.served.run(revoked)
    window.page.wait_for_url("**/console/login**")


@pytest.mark.slow
def test_more_pages_than_streams_go_on_by_themselves(window: Inside) -> None:
    window.log_in()
    pages = [window.context.new_page() for _ in range(4)]
    for one in [window.page, *pages]:
        one.goto(f"{window.served.url}/console/alerts")
    pages[-1].get_by_text("Every 15 s").wait_for()

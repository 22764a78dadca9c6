"""The demo's live step in an open console: the model is attacked, and one sees it.

With ``RECORD=1`` the pictures of it in ``docs/images`` are taken anew.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reticent.audit.measure import subject
from reticent.cli.demo import LABEL, SENSITIVE, case_of, survey
from reticent.cli.live import HONEST, staged
from reticent.cli.sample import live_project, write_project

from .window import Window

if TYPE_CHECKING:
    from playwright.sync_api import Browser

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SETTLED = 60_000  # milliseconds; what is known of callers is written every half minute
SEED = 0  # as somebody has it who types: reticent demo


@pytest.mark.slow
def test_the_attack_of_the_demo_is_seen_in_the_console(chromium: Browser, tmp_path: Path) -> None:
    """It comes up by itself; the last numbers follow within seconds, the first line with them."""
    parts = survey(SEED)
    case = case_of(parts, SEED)
    left = write_project(parts, case.model, LABEL, SENSITIVE, tmp_path / "project")
    assert left is not None
    prepared = case.prepared()
    about = subject(prepared, SENSITIVE, SEED)
    with staged(live_project(left), prepared, about, SEED) as stage:
        window = Window(chromium, stage.told.admin)
        page = window.page
        page.goto(stage.console)
        window.show_key(stage.keys.keeper)
        window.live()
        assert "Quiet" in page.locator("h1").inner_text()
        page.evaluate("() => { window.same = true; }")
        caught = stage.attacked()
        about_it = page.locator(f'a[href$="{stage.keys.token.hex()}"]')
        alert = page.locator("[data-alert]").filter(has=about_it)
        alert.get_by_text("sweep").wait_for()
        assert "were asked about with a second sensitive value" in alert.inner_text()
        page.get_by_text("1 alert in the last 24 hours").wait_for()
        rows = f"{HONEST + caught.whole.queries:,}"
        page.get_by_role("row", name="clinic").get_by_text(rows).wait_for(timeout=SETTLED)
        page.locator('[data-line="requests"][d*="L"]').wait_for(state="attached", timeout=SETTLED)
        assert page.evaluate("() => window.same") is True
        photographed(window, tmp_path)

        window.go("/callers")
        attacker = page.get_by_role("row").filter(has=about_it)
        role, queries, _, evidence, state, *_ = attacker.locator("td").all_inner_texts()
        assert (role, state) == ("clinic", "free")  # the demo's policy is to tell, no more
        assert queries == f"{caught.whole.queries:,}"
        assert evidence.startswith("≥ 10")  # times the alarm threshold
        colleague = page.locator("tbody").get_by_role("row").filter(has_not=about_it)
        assert str(HONEST) in colleague.inner_text()
        window.context.close()
    assert window.said == []


def photographed(window: Window, folder: Path) -> None:
    """Take the pictures of the documentation, or look whether they can be taken."""
    folder = IMAGES if os.environ.get("RECORD") else folder
    for scheme, name in (("light", "console.png"), ("dark", "console-dark.png")):
        window.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        picture = folder / name
        window.page.screenshot(path=picture, full_page=True)
        assert picture.stat().st_size > 20_000

"""A real browser for the tests that need one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Of one module: while it is up, Playwright's event loop runs in this thread."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("there is no chromium: apt install chromium")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=found, args=["--no-sandbox"] if os.getuid() == 0 else []
        )
        yield browser
        browser.close()

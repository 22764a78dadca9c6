"""A window of a real browser, and what is measured in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reticent.console.app import COOKIE
from reticent.gateway.guard import Call

from .keeping import Kept, Served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

ASKED = Call("POST", "/console/login", [], b"", "127.0.0.1")
DESK = (1280, 900)

# The least contrast of each text on the page against what is behind it (WCAG 2.2, 1.4.3).
CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => (c /= 255) <= 0.04045 ? c / 12.92
    : ((c + 0.055) / 1.055) ** 2.4).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (one) => {
    for (; one; one = one.parentElement) {
      const color = parse(getComputedStyle(one).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const found = [], walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const node = walk.currentNode, one = node.parentElement;
    if (!node.textContent.trim() || !one.checkVisibility()) continue;
    if (one.closest(".unseen, .skip")) continue;
    const style = getComputedStyle(one);
    const front = parse(one.closest("svg") ? style.fill : style.color);
    const [a, b] = [light(front), light(behind(one))].sort((x, y) => y - x);
    const size = parseFloat(style.fontSize), bold = style.fontWeight >= 700;
    const least = size >= 24 || (bold && size >= 18.66) ? 3 : 4.5;
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < least) found.push([node.textContent.trim(), contrast]);
  }
  return found;
}"""


class Window:
    """One browser window; whatever its console says is a failure, unless it was expected."""

    def __init__(self, chromium: Browser, url: str, size: tuple[int, int] = DESK,
                 **how: Any) -> None:  # fmt: skip
        self.url, self.said = url, list[str]()
        width, height = size
        self.context: BrowserContext = chromium.new_context(
            viewport={"width": width, "height": height}, **how
        )
        self.context.set_default_timeout(10_000)
        self.page: Page = self.context.new_page()
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))

    def go(self, path: str = "") -> None:
        self.page.goto(self.url + "/console" + path)

    def show_key(self, text: str) -> None:
        """Log in as people do."""
        self.page.get_by_label("Access key").fill(text)
        self.page.keyboard.press("Enter")

    def live(self) -> None:
        """Wait until the page brings itself up to date."""
        self.page.get_by_text("Live", exact=True).wait_for()

    def focused(self) -> str:
        """What has the focus, in words."""
        found = self.page.evaluate(
            "() => { const one = document.activeElement;"
            " return one.getAttribute('aria-label') || one.textContent.trim() || one.id; }"
        )
        return str(found)


class Inside(Window):
    """A window at a gateway in this process, which knows any key that is wanted."""

    def __init__(self, chromium: Browser, served: Served, **how: Any) -> None:
        super().__init__(chromium, served.url, **how)
        self.served = served

    def key(self, role: str = "admin", owner: str = "") -> str:
        async def made(kept: Kept) -> str:
            return kept.gateway.key(role, owner or f"{role} in a browser")

        return str(self.served.run(made))

    def log_in(self, role: str = "admin") -> None:
        """Log in without the page that is for it."""

        async def opened(kept: Kept) -> str:
            key = kept.gateway.key(role, f"{role} in a browser")
            number = await kept.console.sessions.open(key, ASKED)
            assert number is not None
            return number

        cookie = {"name": COOKIE, "value": self.served.run(opened), "path": "/console",
                  "domain": "127.0.0.1", "httpOnly": True, "sameSite": "Strict"}  # fmt: skip
        self.context.add_cookies([cookie])  # type: ignore[list-item]
        self.go()

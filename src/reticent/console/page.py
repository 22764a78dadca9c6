"""Templates to pages. Everything is escaped; only drawings of our own are markup."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from reticent.console import draw, words
from reticent.monitor.standing import LONGEST
from reticent.report.words import plain

STATIC: Final = {
    "console.css": "text/css; charset=utf-8",
    "console.js": "text/javascript; charset=utf-8",
    "mark.svg": "image/svg+xml",
}


def rendered(name: str, **data: Any) -> str:
    """One page.

    Parameters
    ----------
    name : of the template, without its ending. data : what it shows.
    """
    return _environment().get_template(f"{name}.html.j2").render(page_name=name, **data)


@cache
def static() -> dict[str, bytes]:
    """The files that pages load, by name."""
    folder = files("reticent.console") / "static"
    return {name: (folder / name).read_bytes() for name in STATIC}


@cache
def mark() -> str:
    """A name for this version of the files, so that a browser may keep them."""
    return hashlib.sha256(b"".join(static().values())).hexdigest()[:12]


def _shown(value: object) -> object:
    """Whatever a template writes, less what no page can hold."""
    return plain(value) if type(value) is str else value


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reticent.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.globals |= {"words": words, "draw": draw, "mark": mark(), "longest": LONGEST}
    return environment

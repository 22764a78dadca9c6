"""Drawings as inline SVG, made on the server: the page's policy allows no style and no library.

Places are percentages or a box of 100 by 32 that stretches; colors are the style sheet's. What a
color tells, a shape or a number beside it tells too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from markupsafe import Markup

from reticent.report.charts import scale
from reticent.report.words import plain

WIDE, HIGH = 100.0, 32.0
AIR = 1.5  # above the highest point, so that its line is whole
MARK = 75.0  # where in a bar the threshold stands, in percent
Values = Sequence[float | None]


def line(values: Values, slots: int, least: float = 0.0) -> str:
    """The path of a line through values, at the right end of so many places."""
    return " ".join(
        "M" + "L".join(f"{x:g} {y:g}" for x, y in run) + ("h.01" if len(run) == 1 else "")
        for run in _runs(values, slots, least)
    )


def area(values: Values, slots: int, least: float = 0.0) -> str:
    """The path of the area below that line."""
    return " ".join(
        f"M{run[0][0]:g} {HIGH:g}L" + "L".join(f"{x:g} {y:g}" for x, y in run)
        + f"L{run[-1][0]:g} {HIGH:g}Z"
        for run in _runs(values, slots, least)
    )  # fmt: skip


def _runs(values: Values, slots: int, least: float) -> list[list[tuple[float, float]]]:
    """Points without a gap between them; a gap is where there is no value."""
    shown = list(values)[-slots:]
    top = max(least, 0.0, *(one for one in shown if one is not None)) or 1.0
    step, first = WIDE / max(slots - 1, 1), slots - len(shown)
    runs: list[list[tuple[float, float]]] = [[]]
    for place, one in enumerate(shown, first):
        if one is None or not math.isfinite(one):
            runs.append([])
        else:
            y = HIGH - (HIGH - AIR) * max(one, 0.0) / top
            runs[-1].append((round(place * step, 2), round(y, 2)))
    return [run for run in runs if run]


def spark(values: Values, slots: int, told: str, name: str = "", least: float = 0.0) -> Markup:
    """A small line without axes.

    Parameters
    ----------
    slots : places in its width. told : what it shows, in words.
    name : by which a page finds the paths to bring them up to date.
    least : the top of the scale is no less.
    """
    live = (f' data-area="{name}"', f' data-line="{name}"') if name else ("", "")
    return _svg(
        "spark", told,
        f'<path class="area"{live[0]} d="{area(values, slots, least)}"/>'
        f'<path class="line"{live[1]} d="{line(values, slots, least)}"/>',
        f'viewBox="0 0 {WIDE:g} {HIGH:g}" preserveAspectRatio="none"',
    )  # fmt: skip


def reach(score: float) -> float:
    """Where evidence stands in its bar: straight to the threshold, then ever more slowly."""
    if not math.isfinite(score):
        return 100.0 if score > 0 else 0.0
    if score <= 1:
        return round(MARK * max(score, 0.0), 2)
    return round(100 - (100 - MARK) / score, 2)


def evidence(score: float, told: str) -> Markup:
    """Evidence against the alarm threshold, which is a line across the bar."""
    over = " over" if score >= 1 else ""
    mark = f'<line class="mark" x1="{MARK:g}%" x2="{MARK:g}%" y1="0" y2="16"/>'
    return _svg(f"meter{over}", told, _bar(reach(score)) + mark, 'height="16"')


def meter(have: float, need: float, told: str, kind: str = "") -> Markup:
    """How much there is of what there is to be."""
    share = 0.0 if need <= 0 else min(max(have / need, 0.0), 1.0)
    return _svg(f"meter {kind}".strip(), told, _bar(100 * share), 'height="16"')


def _bar(percent: float) -> str:
    return (
        '<rect class="track" width="100%" height="8" y="4" rx="2"/>'
        f'<rect class="fill" width="{percent:g}%" height="8" y="4" rx="2"/>'
    )


def timeline(marks: Sequence[tuple[float, str]], now: float, told: str) -> Markup:
    """When something happened, up to now; the axis is in hours or days before now.

    Parameters
    ----------
    marks : seconds since 1970 and what to say of it.
    """
    unit, name = (3600.0, "h") if now - min(at for at, _ in marks) < 172_800 else (86_400.0, "d")
    ends = scale([-max(1.0, *((now - at) / unit for at, _ in marks)), 0.0], 4)

    def percent(at: float) -> float:
        return ends.percent((at - now) / unit)

    ticks = "".join(
        f'<line class="tick" x1="{x:g}%" x2="{x:g}%" y1="22" y2="28"/>'
        f'<text x="{x:g}%" y="44" text-anchor="{_anchor(x)}">{_tick(tick, name)}</text>'
        for tick, x in ((tick, ends.percent(tick)) for tick in ends.ticks)
    )
    drawn = "".join(
        f'<svg x="{percent(at):g}%" y="22" overflow="visible">'
        f'<path class="alarm" d="M0-5 5.5 4h-11z"><title>{escape(plain(words))}</title></path>'
        "</svg>"
        for at, words in marks
    )
    axis = '<line class="axis" x1="0" x2="100%" y1="28" y2="28"/>'
    return _svg("timeline", told, axis + ticks + drawn, 'height="50"')


def _tick(number: float, unit: str) -> str:
    return "now" if number == 0 else f"{-number:g} {unit} ago"


def _anchor(percent: float) -> str:
    return "start" if percent < 3 else "end" if percent > 97 else "middle"


def _svg(kind: str, told: str, inner: str, size: str) -> Markup:
    label = escape(plain(told), quote=True)
    return Markup(  # noqa: S704 (numbers, our own names, and words that were escaped)
        f'<svg class="{kind}" role="img" aria-label="{label}" width="100%" {size}>{inner}</svg>'
    )

"""Charts as inline SVG, drawn on the server.

Widths are percentages and heights are pixels, so that a chart fits a phone without shrinking its
letters. Colors are the page's CSS variables. Shape tells what color tells, and each chart has a
title, a description in words and a table with its numbers beside it on the page.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from reticent.evidence import Configuration
from reticent.finding import Rate, Risk
from reticent.report.exposure import Exposure
from reticent.report.words import VERDICTS, number, plain

ROW: Final = 62  # pixels: a name, then three marks on their own lines
FRONTIER: Final = 300
NAMED: Final = 8  # configurations that are named in the chart; more are numbered
LETTER: Final = 7.0  # pixels a letter takes at 13 px, about
NARROW: Final = 296.0  # the plot's width on a phone, where names must still keep apart
LINE: Final = 16.0
LONGEST: Final = 22

Place = tuple[float, float, float]  # the line of some letters, where they start and end


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear scale from a measure to percent of the plot's width or height.

    Attributes
    ----------
    low, high : the ends. ticks : round numbers between them.
    """

    low: float
    high: float
    ticks: tuple[float, ...]

    def percent(self, value: float) -> float:
        """Where a value stands, kept inside the plot."""
        place = 100 * (value - self.low) / (self.high - self.low)
        return round(min(max(place, 0.0), 100.0), 3)


def scale(values: Sequence[float], ticks: int = 5) -> Scale:
    """Fit a scale around values, its ends on round numbers."""
    finite = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(finite), max(finite)
    if high - low < 1e-9:
        low, high = low - 0.05, high + 0.05
    step = _round_step((high - low) / ticks)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return Scale(
        first * step, last * step, tuple(round(n * step, 10) for n in range(first, last + 1))
    )


def _round_step(rough: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is no less."""
    power: float = 10 ** math.floor(math.log10(rough))
    return next(power * times for times in (1, 2, 5, 10) if power * times >= rough * (1 - 1e-9))


def before_after(exposures: Sequence[Exposure], name: str) -> str:
    """Draw, for one hidden column, each configuration's best attack beside its two contrasts.

    Parameters
    ----------
    name : what the ids in the page begin with.
    """
    drawn = [one for one in exposures if one.attacks]
    bounds = [value for one in drawn for rate in _rates(one) if rate is not None
              for value in (rate.value, rate.low, rate.high) if value is not None]  # fmt: skip
    ends = scale([0.5, 1.0, *bounds])
    height = ROW * len(drawn)
    parts = [_grid(ends, height, 0.5, "coin")]
    parts += [_strip(one, ends, ROW * place) for place, one in enumerate(drawn)]
    hidden = drawn[0].hidden if drawn else ""
    return _svg(
        name,
        f"How well “{hidden}” is guessed, by configuration",
        "; ".join(_told(one) for one in drawn) or "Nothing was measured.",
        height + 26,
        parts,
    )


def _rates(one: Exposure) -> tuple[Rate | None, ...]:
    best = one.best
    return (
        best.members.auc,
        best.baseline_members.auc,
        best.others.auc if best.others is not None else None,
    )


def _told(one: Exposure) -> str:
    members, baseline, others = (None if rate is None else rate.value for rate in _rates(one))
    return (
        f"{one.configuration.name}: AUC {number(members)} on members, {number(baseline)} without "
        f"the model, {number(others)} on people never seen"
    )


def _strip(one: Exposure, ends: Scale, top: int) -> str:
    """One configuration: its name and three marks, each on a line of its own."""
    members, baseline, others = _rates(one)
    leaks = " leak" if one.best.verdict == "leaks" else ""
    value = "" if members is None or members.value is None else number(members.value)
    said = value or VERDICTS[one.best.verdict]
    name = _text(_short(one.configuration.name, 34))
    rule = f'<line class="row" x1="0" x2="100%" y1="{top}" y2="{top}"/>' if top else ""
    return "".join([
        rule,
        f'<text x="0" y="{top + 18}" class="name">{name}</text>',
        f'<text x="100%" y="{top + 18}" class="value{leaks}" text-anchor="end">{said}</text>',
        _mark(baseline, ends, top + 33, "without", ""),
        _mark(others, ends, top + 45, "others", ""),
        _mark(members, ends, top + 33, "members", leaks),
    ])  # fmt: skip


def _mark(rate: Rate | None, ends: Scale, y: int, kind: str, leaks: str) -> str:
    """A whisker and a mark: disc for members, bar for the baseline, ring for others."""
    if rate is None or rate.value is None:
        return ""
    whisker = ""
    if rate.low is not None and rate.high is not None:
        x1, x2 = ends.percent(rate.low), ends.percent(rate.high)
        whisker = f'<line class="whisker {kind}{leaks}" x1="{x1}%" x2="{x2}%" y1="{y}" y2="{y}"/>'
    shape = {
        "members": '<circle r="5.5"/>',
        "without": '<path d="M0-8V8"/>',
        "others": '<circle r="4.5"/>',
    }[kind]
    at = ends.percent(rate.value)
    return f'{whisker}<svg class="mark {kind}{leaks}" x="{at}%" y="{y}">{shape}</svg>'


def _grid(ends: Scale, height: int, special: float, kind: str) -> str:
    """Vertical lines with their numbers below."""
    return "".join(
        f'<line class="{kind if abs(tick - special) < 1e-9 else "grid"}" x1="{x}%" x2="{x}%" '
        f'y1="0" y2="{height}"/>'
        f'<text class="tick" x="{x}%" y="{height + 18}" text-anchor="{_anchor(x)}">'
        f"{number(tick, _digits(ends))}</text>"
        for tick, x in ((tick, ends.percent(tick)) for tick in ends.ticks)
    )


def frontier(
    found: Sequence[tuple[Configuration, Sequence[Exposure]]], risk: Risk, name: str
) -> tuple[str, list[tuple[str, Configuration]]]:
    """Draw what each configuration is worth against what it may leak, with the limits.

    Returns
    -------
    The SVG, and the configurations it shows with the name or number that each has in it.
    """
    points = [_point(configuration, held) for configuration, held in found]
    drawn = [point for point in points if point is not None]
    if not drawn:
        return "", []
    numbered = len(drawn) > NAMED
    labels = [str(n) if numbered else _short(one.configuration.name)
              for n, one in enumerate(drawn, 1)]  # fmt: skip
    worth, least = _worth_scale(drawn, risk)
    leak = scale([0.0, 1.6 * risk.max_advantage, *(one.leak for one in drawn)])
    x_limit, y_limit = worth.percent(least), _down(leak, risk.max_advantage)
    said = f"limit {number(risk.max_advantage)}"
    parts = [
        f'<rect class="within" x="{x_limit}%" y="{y_limit}" width="{round(100 - x_limit, 3)}%" '
        f'height="{round(FRONTIER - y_limit, 2)}"/>',
        _grid(worth, FRONTIER, math.nan, "grid"),
        _levels(leak),
        f'<line class="limit" x1="0" x2="100%" y1="{y_limit}" y2="{y_limit}"/>',
        f'<line class="limit" x1="{x_limit}%" x2="{x_limit}%" y1="0" y2="{FRONTIER}"/>',
        f'<text class="tick" x="100%" y="{round(y_limit - 5, 2)}" text-anchor="end">{said}</text>',
        *_points(drawn, labels, worth, leak, (y_limit - 5, NARROW - LETTER * len(said), NARROW)),
    ]
    told = "; ".join(
        f"{one.configuration.name}: utility {number(one.worth)}, advantage at most "
        f"{number(one.leak)}" for one in drawn
    )  # fmt: skip
    svg = _svg(name, "What each configuration is worth against what it may leak", told,
               FRONTIER + 26, parts)  # fmt: skip
    return svg, [(label, one.configuration) for label, one in zip(labels, drawn, strict=True)]


@dataclass(frozen=True, slots=True)
class Point:
    """A configuration in the frontier."""

    configuration: Configuration
    worth: float
    leak: float
    leaks: bool


def _point(configuration: Configuration, held: Iterable[Exposure]) -> Point | None:
    each = list(held)
    bounds = [one.most for one in each if one.most is not None]
    if configuration.utility.value is None or not bounds:
        return None
    leaks = any(one.verdict == "leaks" for one in each)
    return Point(configuration, configuration.utility.value, max(bounds), leaks)


def _worth_scale(drawn: Sequence[Point], risk: Risk) -> tuple[Scale, float]:
    """Fit the utility axis, and place the limit: the first configuration's less what may go."""
    least = drawn[0].worth - risk.max_utility_loss
    values = [one.worth for one in drawn]
    span = max(max(values) - min([*values, least]), 2 * risk.max_utility_loss, 1e-3)
    return scale([least - span / 4, max(values) + span / 4, *values]), least


def _down(leak: Scale, value: float) -> float:
    return round(FRONTIER * (1 - leak.percent(value) / 100), 2)


def _levels(leak: Scale) -> str:
    """Horizontal lines with their numbers on them."""
    return "".join(
        f'<line class="grid" x1="0" x2="100%" y1="{y}" y2="{y}"/>'
        f'<text class="tick" x="0" y="{round(y - 4, 2)}">{number(tick, _digits(leak))}</text>'
        for tick, y in ((tick, _down(leak, tick)) for tick in leak.ticks)
    )


def _points(
    drawn: Sequence[Point], labels: Sequence[str], worth: Scale, leak: Scale, limit: Place
) -> list[str]:
    """Names first and marks over them; each name where it covers no mark and no other name."""
    places = [(worth.percent(one.worth), _down(leak, one.leak)) for one in drawn]
    taken = [limit, *((y + 4.5, x / 100 * NARROW - 7, x / 100 * NARROW + 7) for x, y in places)]
    marks, names = [], []
    for one, label, (x, y) in zip(drawn, labels, places, strict=True):
        leaks = " leak" if one.leaks else ""
        shape = '<path d="M0-7 6.5 5h-13z"/>' if one.leaks else '<circle r="5.5"/>'
        marks.append(f'<svg class="mark point{leaks}" x="{x}%" y="{y}">{shape}</svg>')
        line, side = _free(x / 100 * NARROW, y + 4.5, label, taken)
        taken.append(_place(x / 100 * NARROW, line, side, label))
        leader = f'<path class="leader" d="M0 {round(y - line, 2)}L{side * 10}-4"/>'
        names.append(
            f'<svg x="{x}%" y="{line}">{leader if abs(line - y - 4.5) >= LINE else ""}'
            f'<text x="{side * 12}" y="0" class="name" '
            f'text-anchor="{"end" if side < 0 else "start"}">{_text(label)}</text></svg>'
        )
    return [*names, *marks]


def _place(x: float, line: float, side: int, label: str) -> Place:
    start = x + 12 if side > 0 else x - 12 - LETTER * len(label)
    return line, start, start + LETTER * len(label)


def _free(x: float, y: float, label: str, taken: Sequence[Place]) -> tuple[float, int]:
    """The line and side nearest to a mark where its name is inside and covers nothing."""
    lines = [y, *(y + sign * LINE * n / 2 for n in range(2, 30) for sign in (-1, 1))]
    sides = (1, -1) if x < NARROW / 2 else (-1, 1)
    for line in (line for line in lines if LINE / 2 <= line <= FRONTIER - 2):
        for side in sides:
            own, start, end = _place(x, line, side, label)
            inside = start >= 0 and end <= NARROW
            if inside and not any(abs(own - other) < LINE and start < right and end > left
                                  for other, left, right in taken):  # fmt: skip
                return round(line, 2), side
    return round(y, 2), sides[0]


def _svg(name: str, title: str, told: str, height: int, parts: Iterable[str]) -> str:
    return (
        f'<svg class="chart" role="img" width="100%" height="{height}" '
        f'aria-labelledby="{name}-title {name}-desc">'
        f'<title id="{name}-title">{_text(title)}</title>'
        f'<desc id="{name}-desc">{_text(told)}</desc>{"".join(parts)}</svg>'
    )


def _anchor(percent: float) -> str:
    """Keep the outer numbers inside the plot."""
    return "start" if percent < 3 else "end" if percent > 97 else "middle"


def _digits(ends: Scale) -> int:
    """How many digits tell the ticks apart."""
    if len(ends.ticks) < 2:
        return 2
    return max(1, math.ceil(-math.log10(ends.ticks[1] - ends.ticks[0]) - 1e-9))


def _short(name: str, longest: int = LONGEST) -> str:
    """Leave out the middle: names of one family often differ at the end."""
    half = (longest - 1) // 2
    return name if len(name) <= longest else f"{name[:half]}…{name[-half:]}"


def _text(text: str) -> str:
    return escape(plain(text))

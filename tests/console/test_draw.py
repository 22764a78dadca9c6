"""Drawings, as an XML parser reads them."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reticent.console import draw

from .keeping import EVIL

VALUES = st.lists(st.none() | st.floats(0, 1e12), max_size=130)


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def numbers(path: str) -> list[float]:
    return [float(one) for one in re.findall(r"-?[0-9.]+(?:e-?[0-9]+)?", path)]


@given(VALUES)
def test_a_line_stays_inside_its_box_whatever_the_values(values: list[float | None]) -> None:
    for path in (draw.line(values, 120), draw.area(values, 120)):
        places = numbers(path.replace("h.01", ""))
        assert all(0 <= x <= draw.WIDE for x in places[::2])
        assert all(0 <= y <= draw.HIGH for y in places[1::2])


def test_a_line_ends_at_the_right_and_breaks_where_nothing_was_measured() -> None:
    assert draw.line([0, 10], 3) == "M50 32L100 1.5"
    assert draw.line([5, None, 5, 5], 4) == "M0 1.5h.01 M66.67 1.5L100 1.5"
    assert draw.area([10, 5], 2) == "M0 32L0 1.5L100 16.75L100 32Z"
    assert draw.line([], 5) == draw.area([None], 5) == ""
    assert draw.line([0.02, 0.02], 2, least=0.2) == "M0 28.95L100 28.95"  # small stays small


def test_a_drawing_tells_in_words_what_it_shows_and_escapes_them() -> None:
    svg = draw.spark([1, 2], 2, EVIL, "rate")
    assert "<script" not in svg
    root = parsed(svg)
    assert root.attrib["aria-label"] == EVIL
    assert root.attrib["role"] == "img"
    assert [one.attrib.get("data-line") for one in root] == [None, "rate"]
    assert "style" not in svg  # the page's policy would not let it


@given(st.floats(allow_nan=True), st.floats(allow_nan=True))
def test_more_evidence_reaches_further_and_only_an_alarm_crosses_the_line(
    one: float, other: float
) -> None:
    low, high = sorted((one, other)) if one == one and other == other else (0.0, 0.0)
    assert 0 <= draw.reach(low) <= draw.reach(high) <= 100
    if math.isfinite(one):
        assert (draw.reach(one) > draw.MARK) <= (one > 1)


@pytest.mark.parametrize(
    ("score", "kind"),
    [(0.99, "meter"), (1.0, "meter over"), (math.nan, "meter"), (math.inf, "meter over")],
)
def test_evidence_beyond_the_threshold_is_drawn_as_such(score: float, kind: str) -> None:
    assert parsed(draw.evidence(score, "told")).attrib["class"] == kind


@pytest.mark.parametrize(("have", "need", "width"), [(1, 4, "25%"), (9, 4, "100%"), (0, 4, "0%"),
                                                     (-1, 4, "0%"), (3, 0, "0%")])  # fmt: skip
def test_a_meter_is_never_fuller_than_full(have: float, need: float, width: str) -> None:
    fill = parsed(draw.meter(have, need, "told"))[1]
    assert (fill.attrib["class"], fill.attrib["width"]) == ("fill", width)


def test_a_timeline_has_a_mark_for_each_alert_in_order_and_reads_to_now() -> None:
    now = 1_700_000_000.0
    root = parsed(draw.timeline([(now - 7200, "first"), (now - 60, EVIL)], now, "told"))
    marks = [one for one in root if one.tag == "svg"]
    places = [float(one.attrib["x"].rstrip("%")) for one in marks]
    assert places == sorted(places)
    assert 0 <= places[0] < 50 < places[1] < 100
    title = marks[1][0][0].text
    assert title == EVIL
    ticks = [one.text for one in root if one.tag == "text"]
    assert ticks[-1] == "now"
    assert ticks[0] is not None
    assert ticks[0].endswith("h ago")


def test_a_timeline_of_long_ago_counts_days() -> None:
    now = 1_700_000_000.0
    root = parsed(draw.timeline([(now - 86_400 * 90, "old")], now, "told"))
    ticks = [one.text or "" for one in root if one.tag == "text"]
    assert all(tick.endswith("d ago") for tick in ticks[:-1])


def test_an_alert_from_the_future_stands_at_now() -> None:
    now = 1_700_000_000.0
    root = parsed(draw.timeline([(now + 500, "ahead")], now, "told"))
    assert [one.attrib["x"] for one in root if one.tag == "svg"] == ["100%"]

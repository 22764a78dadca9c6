"""Charts are well-formed, stand where the numbers say, and keep names apart."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from reticent.evidence import Evidence
from reticent.finding import Rate, Risk
from reticent.report.charts import FRONTIER, LETTER, NARROW, before_after, frontier, scale
from reticent.report.exposure import by_configuration, exposures

from .conftest import ODD, evidence, finding, idle, quiet, rate, strange, view


def drawn(one: Evidence) -> list[str]:
    found = exposures(one)
    svg, _ = frontier(by_configuration(one, found), one.risk, "f")
    return [before_after(found, "b"), *([svg] if svg else [])]


def places(svg: str, kind: str) -> list[float]:
    """Where the marks of one kind stand, in percent."""
    tree = ElementTree.fromstring(svg)
    return [
        float(mark.attrib["x"].rstrip("%"))
        for mark in tree.iter("svg")
        if kind in mark.get("class", "").split()
    ]


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        ([0.5, 0.98], 0.5, 1.0),
        ([-0.03, 0.12], -0.05, 0.15),
        ([0.3, 0.3], 0.24, 0.36),
        ([], 0.0, 1.0),
        ([float("nan"), 0.0, 10.0], 0.0, 10.0),
    ],
)
def test_a_scale_ends_on_round_numbers(values: list[float], low: float, high: float) -> None:
    ends = scale(values)
    assert [ends.low, ends.high] == pytest.approx([low, high])
    assert ends.ticks[0] == pytest.approx(ends.low)
    assert ends.ticks[-1] == pytest.approx(ends.high)
    assert ends.percent(ends.low) == 0
    assert ends.percent(ends.high) == 100


@pytest.mark.parametrize("number", range(len(strange())))
def test_every_chart_is_xml_with_title_and_description(number: int) -> None:
    for svg in drawn(strange()[number]):
        tree = ElementTree.fromstring(svg)
        title, told = tree.find("title"), tree.find("desc")
        assert title is not None
        assert told is not None
        assert title.text
        assert told.text
        assert tree.attrib["role"] == "img"
        assert tree.attrib["aria-labelledby"] == f"{title.attrib['id']} {told.attrib['id']}"


def test_marks_stand_where_the_numbers_say() -> None:
    svg = before_after(exposures(evidence([finding()])), "b")
    # 0.5 to 1.0 is the scale here.
    assert places(svg, "members") == [pytest.approx(82.4)]
    assert places(svg, "without") == [pytest.approx(44.6)]
    assert places(svg, "others") == [pytest.approx(48.2)]
    whiskers = [line for line in ElementTree.fromstring(svg).iter("line")
                if "whisker" in line.get("class", "")]  # fmt: skip
    assert [(one.attrib["x1"], one.attrib["x2"]) for one in whiskers] == [
        ("40.6%", "48.6%"), ("44.2%", "52.2%"), ("78.4%", "86.4%"),
    ]  # fmt: skip


def test_only_a_leak_is_colored() -> None:
    assert " leak" in before_after(exposures(evidence([finding()])), "b")
    assert " leak" not in before_after(exposures(evidence([quiet()])), "b")


def test_what_was_not_measured_is_not_drawn() -> None:
    svg = before_after(exposures(evidence([idle()])), "b")
    assert places(svg, "members") == []
    assert places(svg, "others") == []
    assert "not applicable" in svg


def test_names_are_escaped_and_speakable() -> None:
    for svg in drawn(evidence([finding(configuration=ODD, hidden=ODD)])):
        assert "<script" not in svg
        assert "\x00" not in svg


def test_the_frontier_draws_the_limits_it_is_given() -> None:
    one = evidence([quiet()], [view(utility=rate(0.8))])
    svg, _ = frontier(by_configuration(one, exposures(one)), Risk(0.05, 0.03, 0.02), "f")
    lines = [line for line in ElementTree.fromstring(svg).iter("line")
             if line.get("class") == "limit"]  # fmt: skip
    x = {round(float(line.attrib["x1"].rstrip("%")), 1) for line in lines} - {0.0}
    (corner,) = ElementTree.fromstring(svg).iter("rect")
    assert "limit 0.050" in svg
    # From .77 to .81 by .01: the utility limit .78 stands at 1/4.
    assert x == {25.0}
    # From 0 to .08 by .02: the limit .05 stands at 5/8 from below.
    assert float(corner.attrib["y"]) == pytest.approx(FRONTIER * 3 / 8)
    assert float(corner.attrib["height"]) == pytest.approx(FRONTIER * 5 / 8)


def test_the_frontier_leaves_out_what_has_no_utility_or_no_advantage() -> None:
    silent = view("silent", utility=Rate.none(9, "it tells no labels"))
    one = evidence(
        [finding(), finding(configuration="silent"), idle(configuration="idle")],
        [view(), silent, view("idle")],
    )
    svg, key = frontier(by_configuration(one, exposures(one)), one.risk, "f")
    assert [configuration.name for _, configuration in key] == ["bare"]
    assert len(places(svg, "point")) == 1
    assert frontier([], Risk(), "f") == ("", [])


def test_many_configurations_are_numbered() -> None:
    many = strange()[11]
    _, key = frontier(by_configuration(many, exposures(many)), many.risk, "f")
    assert [label for label, _ in key] == [str(n) for n in range(1, 41)]


def test_names_in_the_frontier_cover_no_other_name() -> None:
    names = ["bare", "partner", "public", "research", "label only", "rounded to one"]
    one = evidence([quiet(configuration=name) for name in names])  # all on one spot
    svg, _ = frontier(by_configuration(one, exposures(one)), one.risk, "f")
    boxes = []
    for group in ElementTree.fromstring(svg).findall("svg"):
        text = group.find("text")
        if text is None:
            continue
        assert text.text is not None
        x, wide = float(group.attrib["x"].rstrip("%")) / 100 * NARROW, LETTER * len(text.text)
        start = x + float(text.attrib["x"]) - (wide if text.attrib["text-anchor"] == "end" else 0)
        boxes.append((float(group.attrib["y"]), start, start + wide))
    assert len(boxes) == len(names)
    for place, (y, start, end) in enumerate(boxes):
        for other, left, right in boxes[place + 1 :]:
            assert abs(y - other) >= 15 or start >= right or end <= left


def test_ids_are_of_the_chart() -> None:
    svg = before_after(exposures(evidence([finding()])), "column-3")
    assert set(re.findall(r' id="([^"]+)"', svg)) == {"column-3-title", "column-3-desc"}

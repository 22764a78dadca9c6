"""The page stands alone, tells what the evidence holds, and trusts no name."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

import msgspec
import pytest

from reticent.evidence import Evidence
from reticent.finding import Rate
from reticent.report import words
from reticent.report.render import html

from .conftest import ODD, coins, evidence, finding, full, idle, numeric, strange

VOID = {"meta", "br", "wbr", "link", "img", "hr", "input"}


class Page(HTMLParser):
    """A page's tags, attributes and words; unbalanced tags are an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in {"style", "script"}:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def attributes(self, name: str) -> list[str]:
        return [found for _, each in self.tags if (found := each.get(name)) is not None]


@pytest.mark.parametrize("number", range(len(strange())))
def test_odd_evidence_makes_a_balanced_page(number: int) -> None:
    page = Page(html(strange()[number]))
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    for name in page.attributes("aria-labelledby"):
        assert set(name.split()) <= set(ids)


def test_nothing_is_loaded(whole: Evidence) -> None:
    text = html(whole)
    page = Page(text)
    assert not re.search(r"https?:|//[a-z]|url\(|@import|@font-face", text)
    assert page.attributes("src") == []
    assert page.attributes("href") == []
    assert {tag for tag, _ in page.tags} & {"link", "img", "iframe", "object", "embed"} == set()


def test_names_are_escaped_everywhere() -> None:
    one = evidence(
        [finding(ODD, configuration=ODD, hidden=ODD, reason=ODD), coins(configuration=ODD)],
        notes=(ODD,),
        guarantees=(ODD,),
    )
    text = html(one)
    assert "<script>alert" not in text
    assert "&lt;script&gt;alert" in text
    scripts = [tag for tag, _ in Page(text).tags if tag == "script"]
    assert len(scripts) == 1  # our own, for printing
    assert "\x00" not in text


def test_a_page_can_always_be_written() -> None:
    html(evidence([finding(hidden="half \ud800")])).encode()


def test_sections_in_order(whole: Evidence) -> None:
    found = re.findall(r"<h2 [^>]*>([^<]+)</h2>", html(whole))
    assert found == [
        "In plain words", "How to read the numbers", "The configurations compared",
        "What protection costs", "Every attack, in numbers", "The coin test", "Who is hit most",
        "Limits in force", "The instrument’s own test", "What this does not prove",
        "What was audited",
    ]  # fmt: skip
    assert len(re.findall("<h1", html(whole))) == 1


def test_the_numbers_are_those_of_the_evidence(whole: Evidence) -> None:
    text = Page(html(whole)).text
    for one in whole.findings:
        rates = [one.advantage, one.members.auc, one.memorization, *one.members.more.values()]
        for rate in rates:
            if rate is None or rate.value is None:
                continue
            assert words.number(rate.value) in text
            assert words.interval(rate) in text
        assert f"{one.queries:,}" in text
        assert one.reason in text


def test_a_changed_number_changes_the_page(whole: Evidence) -> None:
    odd = Rate(0.4567, 0.4321, 0.4789, 200)
    first = msgspec.structs.replace(whole.findings[0], advantage=odd)
    text = Page(html(msgspec.structs.replace(whole, findings=(first, *whole.findings[1:])))).text
    for number in ("0.457", "0.432 to 0.479"):
        assert number in text
        assert number not in Page(html(whole)).text


def test_what_else_the_evidence_holds(whole: Evidence) -> None:
    text = Page(html(whole)).text
    for said in (
        "Baseline for affairs: forest.", "faces : the model has no images", "planted leak",
        "AUC 0.99", "as expected", "epsilon 1 at delta 1e-6", "label only", "CAS-005",
        "sha256:aa11", "sha256:bb22", "sha256:cc33", "sha256:dd44", "ee55", "sha256:c0ffee",
        "2026-11-23T18:32:42+00:00", "2027-02-21T18:32:42+00:00", "reticent 0.1.0",
        "age, group 2 of 5", "1335, 42, 7", "averaged over affairs; label", "at least 1.234",
    ):  # fmt: skip
        assert said in text
    for sentence in words.NOT_PROVEN:
        assert sentence in text
    for _, meaning in words.DEFINITIONS:
        assert meaning in text


def test_the_headline_comes_first(whole: Evidence) -> None:
    text = Page(html(whole)).text
    said = "Of 100 people, the attacker gets 71 right about “affairs”; without the model 62."
    assert said in text
    assert text.index(words.outcome(whole)) < text.index(said) < text.index("How to read")


def test_a_numeric_column_shows_its_own_measures() -> None:
    text = Page(html(evidence([numeric()]))).text
    assert "r2 0.512 (0.492 to 0.532)" in text
    assert "mae 3.210 (3.190 to 3.230)" in text


def test_reasons_stand_where_numbers_are_missing() -> None:
    text = html(evidence([idle()]))
    assert 'title="the attack was not run"' in text
    assert "the target does not reveal SCORES" in text


def test_both_color_schemes_and_print(whole: Evidence) -> None:
    text = html(whole)
    assert "color-scheme: light dark" in text
    assert "@media (prefers-color-scheme: dark)" in text
    assert "@media print" in text
    light, dark = re.findall(r"--paper: (#\w+);", text)[:2]
    assert light != dark


def test_colors_are_variables_in_charts(whole: Evidence) -> None:
    for svg in re.findall(r'<svg class="chart".*?</svg>(?=</div>)', html(whole), re.DOTALL):
        assert not re.search(r"#[0-9a-f]{3,6}|rgb|fill=|stroke=", svg)


@pytest.mark.parametrize("background", ["--paper", "--card", "--faint"])
@pytest.mark.parametrize("ink", ["--ink", "--quiet", "--leak"])
def test_contrast_of_letters(background: str, ink: str) -> None:
    text = html(evidence())
    for scheme in (0, 1):  # light, then dark
        pair = [re.findall(rf"{name}: (#\w{{6}});", text)[scheme] for name in (background, ink)]
        dark, light = sorted(map(luminance, pair))
        assert (light + 0.05) / (dark + 0.05) >= 4.5


def luminance(color: str) -> float:
    """Relative luminance of WCAG 2.2."""
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_tables_can_be_read_aloud(whole: Evidence) -> None:
    page = Page(html(whole))
    heads = [each for tag, each in page.tags if tag == "th"]
    assert heads
    assert all(each.get("scope") in {"col", "row"} for each in heads)
    boxes = [each for _, each in page.tags if each.get("class") == "scroll"]
    assert boxes
    assert all(each.get("tabindex") == "0" and each.get("aria-label") for each in boxes)


def test_words_never_said_of_a_model(whole: Evidence) -> None:
    for one in (whole, *strange()):
        assert not re.search(r"\b(safe|compliant|anonymous)\b", Page(html(one)).text, re.IGNORECASE)


def test_the_failed_instrument_is_said_first() -> None:
    text = Page(html(strange()[-1])).text
    assert text.index("The instrument failed its own test") < text.index("In plain words")
    assert "FAILED" in text


def test_deterministic() -> None:
    assert html(full()) == html(full())


def test_each_number_stands_in_its_column() -> None:
    text = html(evidence([finding(), idle()]))
    table = text[text.index("Every attack, in numbers") :]
    heads = [bare(head) for head in re.findall(r'<th scope="col".*?</th>', table)[:13]]
    rows = re.findall(r"<tr[^>]*>\s*(<th scope=\"row\">.*?)</tr>", table, re.DOTALL)
    first, second = ([bare(cell) for cell in re.split(r"</t[hd]>", row)[:13]] for row in rows[:2])
    assert dict(zip(heads, first, strict=True)) == {
        "Attack": "learned best",
        "Verdict": "leaks",
        "Advantage": "0.189 0.123 to 0.231",
        "Memorization": "0.182 0.104 to 0.243",
        "AUC, members": "0.912 0.892 to 0.932",
        "AUC without the model": "0.723 0.703 to 0.743",
        "AUC, never seen": "0.741 0.721 to 0.761",
        "MCC": "0.512 0.492 to 0.532",
        "Precision at 5 %": "0.812 0.792 to 0.832",
        "Smallest detectable": "0.057",
        "p, adjusted": "<0.001",
        "Queries": "4,244",
        "Reason": "advantage and memorization",
    }
    assert second[:2] == ["observed", "not applicable"]


def bare(fragment: str) -> str:
    """The words of a piece of a page."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", fragment)).split())

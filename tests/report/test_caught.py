"""What is told of an attack that was noticed, or not."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest

from reticent.event import Alert
from reticent.report.caught import Caught, Got
from reticent.report.render import html

from .conftest import evidence, finding
from .test_render import Page

EVIL = "<script>alert(1)</script>"


def caught(query: int | None, reason: str = "3 people were asked about again") -> Caught:
    """An attack on four members, two values each: right about three; one known anyway."""
    first = None
    if query is not None:
        first = Alert(caller=b"a", query=query, detector="sweep", reason=reason,
                      promise="wrong at most once in 100")  # fmt: skip
    return Caught(
        "clinic", "affairs", 60, 0, first, 10.0,
        np.array([True, False, True, True]), np.array([True, False, False, False]), 2,
    )  # fmt: skip


def page(one: Caught) -> str:
    return Page(html(evidence([finding()]), one)).text


def rows(one: Caught) -> dict[str, list[str]]:
    """The table of the report: numbers by what they count."""
    _, _, section = html(evidence([finding()]), one).partition('id="caught"')
    section = section.partition("</section>")[0]
    found = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', section, re.DOTALL)
    return {name: re.findall(r'<td class="n">([\d,]+)', cells) for name, cells in found}


def test_only_members_whose_values_were_all_asked_count_as_attacked() -> None:
    assert caught(5).by_then == Got(6, 3, 2, 1)
    assert caught(4).by_then == Got(5, 2, 1, 1)
    assert caught(5).whole == Got(8, 4, 3, 1)


def test_the_terminal_tells_it_in_three_lines() -> None:
    told = caught(5).text().splitlines()
    assert len(told) == 3
    assert "query 6 of 8: 3 members attacked, 2 guessed right; 1 without" in told[1]
    assert "query 5 of 8: 2 members attacked, 1 guessed right; 1 without" in caught(4).text()
    assert "3 of 4 members (75%); 1 (25%) without the model" in told[2]


def test_the_report_tells_it_beside_what_it_would_have_come_to() -> None:
    told = page(caught(5))
    for said in ("The alert came at query 6 of 8.", "sweep: 3 people were asked about again",
                 "wrong at most once in 100", "asked 60 times and raised no alert",
                 "75% of all"):  # fmt: skip
        assert said in told
    assert rows(caught(5)) == {
        "Queries": ["6", "8"], "Members attacked": ["3", "4"], "Guessed right": ["2", "3"],
        "Guessed right without the model": ["1", "1"],
    }  # fmt: skip


def test_silence_and_false_alarms_are_told() -> None:
    assert "No alert within 10 s" in caught(None).text()
    assert "No alert came within 10 s" in page(caught(None))
    assert rows(caught(None))["Queries"] == ["8"]
    wrong = replace(caught(5), false=1)
    assert "no alert" not in wrong.text().splitlines()[0]
    assert "1 of those who were alarmed is no attacker" in page(wrong)
    assert "raised no alert" not in page(wrong)


def test_without_an_attack_nothing_is_told_of_one() -> None:
    plain = html(evidence([finding()]))
    assert "watched" not in plain
    assert "was written." in plain


def test_a_page_says_which_numbers_stand_elsewhere() -> None:
    assert "but those of the attack on the model while it was served" in page(caught(5))


def test_a_reason_is_escaped() -> None:
    text = html(evidence([finding()]), caught(5, EVIL))
    assert EVIL not in text
    assert EVIL in unescape(text)


@pytest.mark.parametrize(
    ("people", "said"), [(0, "0%"), (3, "0.1%"), (18, "0.9%"), (21, "1%"), (2000, "100%")]
)
def test_a_small_share_does_not_become_none(people: int, said: str) -> None:
    many = np.zeros(2000, dtype=bool)
    assert replace(caught(5), right=many, imputed=many).share(people) == said

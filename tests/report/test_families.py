"""What the report says of families of attacks that guess no hidden column."""

from __future__ import annotations

import msgspec
import pytest

from reticent.evidence import Configuration
from reticent.finding import Finding, Rate, Score
from reticent.report import words
from reticent.report.exposure import Exposure


def told(family: str, *, auc: float | None, share: float | None) -> Exposure:
    """An exposure with one finding: what was measured, and half of it without the model."""

    def score(times: float) -> Score:
        rates = [
            Rate.none(50, "not ranked") if one is None else Rate(times * one, 0.0, 1.0, 50)
            for one in (share, auc)
        ]
        return Score(rates[0], rates[1], Rate.none(50, "none"), Rate.none(50, "none"))

    finding = msgspec.structs.replace(
        Finding.blank("bare", "", "attack", "hidden"), family=family,
        members=score(1.0), baseline_members=score(0.5), verdict="leaks", reason="advantage",
        advantage=Rate(0.4, 0.3, 0.5, 50),
    )  # fmt: skip
    view = Configuration("bare", "", "", Rate.none(0, "not measured"))
    return Exposure(view, "hidden", (finding,), None)


@pytest.mark.parametrize(
    ("family", "auc", "share", "said"),
    [
        ("membership", 0.9, 0.7, "90 are told apart; a coin tells 45."),
        ("record", 0.8, None, "80 are nearer to somebody in the training data"),
        ("linkage", None, 0.6, "60 are right; without it 30."),
    ],
)
def test_each_family_is_told_in_its_own_words(
    family: str, auc: float | None, share: float | None, said: str
) -> None:
    exposure = told(family, auc=auc, share=share)
    assert said in words.headline(exposure)
    assert words.unseen(exposure) == words.ranking(exposure) == ""


def test_shares_are_not_called_areas() -> None:
    assert "AUC" in words.verdict(told("membership", auc=0.9, share=None))
    assert "AUC" not in words.verdict(told("linkage", auc=None, share=0.6))

"""Plain words say exactly what was measured, and nothing that was not."""

from __future__ import annotations

import msgspec
import pytest

from reticent.evidence import Advice, Check, Evidence, SelfTest, Trial
from reticent.finding import Finding, Rate, Risk, Score
from reticent.report import words
from reticent.report.exposure import Exposure, exposures

from .conftest import coins, evidence, finding, idle, numeric, quiet, rate, view

NOTHING = Rate.none(3, "fewer than 2 of 3 people have each value")


def only(*findings: Finding) -> Exposure:
    (one,) = exposures(evidence(findings))
    return one


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.1234, "0.123"), (-0.25, "−0.250"), (-0.0004, "0.000"), (-0.0006, "−0.001"),
        (1.0, "1.000"), (None, "–"),
    ],
)  # fmt: skip
def test_number(value: float | None, written: str) -> None:
    assert words.number(value) == written


def test_plain() -> None:
    assert words.plain("naïve “x”\x00\ud800\n\tü") == "naïve “x”\ufffd\ufffd  ü"


@pytest.mark.parametrize(
    ("value", "written"), [(1e-9, "<0.001"), (0.0123, "0.012"), (1.0, "1.000"), (None, "–")]
)
def test_probability(value: float | None, written: str) -> None:
    assert words.probability(value) == written


@pytest.mark.parametrize(
    ("bounds", "written"),
    [
        (Rate(0.2, 0.1, 0.3, 9), "0.100 to 0.300"),
        (Rate(0.2, 0.1, None, 9), "at least 0.100"),
        (Rate(0.2, None, 0.3, 9), "at most 0.300"),
        (Rate(0.2, None, None, 9), ""),
        (NOTHING, ""),
        (None, ""),
    ],
)
def test_interval(bounds: Rate | None, written: str) -> None:
    assert words.interval(bounds) == written


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (finding(), "Of 100 people, the attacker gets 71 right about “affairs”; without the "
                    "model 62."),
        (numeric(), "Of 100 people, the attacker gets 43 right about the fifth that “age” is in; "
                    "without the model 62."),
        (coins(), "Of 100 coins put in place of “affairs”, the attacker gets 77 right."),
        (idle(), "“affairs” was not guessed: the target does not reveal SCORES."),
        (finding(members=Score.none(3, NOTHING.reason), reason=""),
         "“affairs” was not guessed: fewer than 2 of 3 people have each value."),
        (finding(baseline_members=Score.none(3, "")),
         "Of 100 people, the attacker gets 71 right about “affairs”."),
    ],
)  # fmt: skip
def test_headline(found: Finding, said: str) -> None:
    assert words.headline(only(found)) == said


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (finding(), "Of 100 people the model never saw, 64; without the model 63."),
        (finding(baseline_others=None), "Of 100 people the model never saw, 64."),
        (finding(others=None), ""),
        (finding(others=Score.none(3, "")), ""),
    ],
)
def test_people_never_seen(found: Finding, said: str) -> None:
    assert words.unseen(only(found)) == said


def test_ranking() -> None:
    said = "Ranking people, the attacker reaches AUC 0.912 (0.892 to 0.932)"
    assert words.ranking(only(finding())) == f"{said}; without the model 0.723."
    assert words.ranking(only(finding(baseline_members=Score.none(3, "")))) == f"{said}."
    assert words.ranking(only(idle())) == ""


def test_a_leak_says_by_which_attack_and_how_much_at_least() -> None:
    assert words.verdict(only(finding())) == (
        "Answers of the model tell this attacker more than they could know without it. "
        "Attacked by “learned”, the model adds at least 0.123 AUC (measured 0.189), and it gives "
        "people it was trained on away by at least 0.104 AUC (measured 0.182) more than people it "
        "never saw."
    )


def test_a_leak_names_only_what_is_above_zero() -> None:
    memorized = only(finding(advantage=Rate(0.02, -0.01, 0.05, 200)))
    assert "adds" not in words.verdict(memorized)
    assert "gives people it was trained on away by at least 0.104" in words.verdict(memorized)
    added = only(finding(memorization=None))
    assert "adds at least 0.123" in words.verdict(added)
    assert "trained on away" not in words.verdict(added)


def test_other_verdicts() -> None:
    power = "The smallest effect seen with 80 % probability was 0.025 AUC."
    assert words.verdict(only(quiet())) == f"{words.MEANINGS['no_leak_found']} {power}"
    assert words.verdict(only(quiet(verdict="underpowered"))).endswith(power)
    blind = quiet(verdict="underpowered", smallest_detectable=None, reason="could see nothing")
    assert words.verdict(only(blind)).endswith("nor its absence. Could see nothing.")
    assert words.verdict(only(idle())).endswith("The target does not reveal SCORES.")


def test_a_leak_of_any_attack_is_the_verdict() -> None:
    exposed = only(quiet("learned"), finding("yeom"), finding("lomia"))
    assert exposed.verdict == "leaks"
    assert "Attacked by “yeom”" in words.verdict(exposed)
    assert words.others_leak(exposed) == (
        "The attack that looked best beforehand did not show it; shown by: yeom, lomia."
    )
    assert words.others_leak(only(finding())) == ""
    assert words.others_leak(only(quiet())) == ""


def test_limits() -> None:
    risk = Risk()
    assert words.limits(only(quiet(), idle()), risk) == "Every finding is within the limits."
    assert words.limits(only(finding()), risk) == (
        "Outside the limits: memorization may be as high as 0.243, 0.213 above the limit."
    )
    assert words.limits(only(finding(), quiet(), coins()), risk) == (
        "2 of 3 findings are outside the limits; furthest, canaries: advantage may be as high as "
        "0.402, 0.372 above the limit."
    )
    assert words.limits(only(quiet(verdict="underpowered")), risk) == (
        "Outside the limits: underpowered."
    )
    assert words.limits(only(quiet(advantage=NOTHING, memorization=None)), risk) == (
        "Outside the limits: a bound was not measured."
    )


def test_limits_agree_with_the_evidence() -> None:
    for one in (finding(), quiet(), idle(), coins(), quiet(verdict="underpowered")):
        within = words.limits(only(one), Risk()) == "Every finding is within the limits."
        assert within is Risk().allows(one)


FAILED = SelfTest(False, (Check("planted", "found", "nothing", False),))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (evidence(), "Nothing was attacked, so nothing was found."),
        (evidence([quiet()]), "As attacked here, the configuration kept the limits that were set."),
        (evidence([finding()]),
         "As attacked here, the configuration leaks."),
        (evidence([finding()], []), "As attacked here, the configuration leaks."),
        (evidence([coins("underpowered")]), "As attacked here, the configuration was not seen to "
         "leak, but it is not shown that the limits are kept."),
        (evidence([quiet(), quiet(configuration="partner")]),
         "As attacked here, all 2 configurations kept the limits that were set."),
        (evidence([finding(), quiet(configuration="partner")]),
         "As attacked here, 1 of 2 configurations leaks."),
        (evidence([finding(), finding(configuration="partner")]),
         "As attacked here, all 2 configurations leak."),
        (evidence([quiet()], self_test=FAILED),
         "The instrument failed its own test: do not rely on these numbers."),
    ],
)  # fmt: skip
def test_outcome(found: Evidence, said: str) -> None:
    assert words.outcome(found) == said


def test_a_lost_utility_breaks_the_limits_too() -> None:
    costly = view("partner", utility_loss=Rate(0.02, 0.0, 0.04, 200))
    both = evidence([quiet(), quiet(configuration="partner")], [view(), costly])
    assert not both.within_limits
    assert [words.keeps(both, name) for name in ("bare", "partner")] == [True, False]
    assert words.outcome(both) == (
        "As attacked here, 0 of 2 configurations leak. In 1 no leak was seen, but it is not shown "
        "that the limits are kept."
    )


def test_utility() -> None:
    said = "Utility on fresh people: 0.812 (0.792 to 0.832)"
    lost = msgspec.structs.replace(view(), utility_loss=Rate(0.009, -0.003, 0.021, 200))
    gained = msgspec.structs.replace(view(), utility_loss=Rate(-0.02, -0.04, 0.001, 200))
    silent = view(utility=Rate.none(9, "it tells no labels"), utility_loss=NOTHING)
    assert words.utility(view(), Risk()) == f"{said}."
    assert words.utility(lost, Risk()) == (
        f"{said}; 0.009 lost, at most 0.021: outside the limit of 0.010."
    )
    assert words.utility(gained, Risk()) == f"{said}; 0.020 gained, within the limit of 0.010."
    assert words.utility(silent, Risk()) == (
        "Utility on fresh people: not measured (it tells no labels), so its loss is outside the "
        "limit."
    )


def test_knowing() -> None:
    assert words.knowing(evidence([finding(), idle(), quiet("yeom")])) == (
        "Attacked on 2026-11-23 with learned and yeom; 8,488 questions asked of the model about "
        "members; seed 7. The attacker knows age and educ and the true label."
    )
    assert words.knowing(evidence([idle()])) == "No attack could be run on 2026-11-23."


def test_advice() -> None:
    before, tried = Trial(-1, 0.25, 0.02, 0.4), Trial(100, 0.01, 0.01, 0.45)
    given = Advice("min_samples_leaf", 100, "affairs", before, (tried,), "the first that fits")
    assert words.advice(given) == (
        "Train with min_samples_leaf = 100: on shadow models the advantage on “affairs” fell from "
        "0.250 to 0.010 AUC and utility went from 0.400 to 0.450; the first that fits. Audit the "
        "new model before you rely on it."
    )
    none = Advice("min_samples_leaf", None, "affairs", before, (tried,), "all cost accuracy")
    assert "without a cost: all cost accuracy" in words.advice(none)


def test_every_verdict_has_its_words() -> None:
    assert set(words.VERDICTS) == set(words.MEANINGS)
    assert [name for name, _ in words.DEFINITIONS][:3] == ["AUC", "Advantage", "Memorization"]


def test_rates_without_reason_still_say_something() -> None:
    assert words.why_none(None) == "not measured"
    assert words.why_none(Rate.none(0, "")) == "it was not measured"
    assert words.why_none(rate(0.5)) == "it was not measured"

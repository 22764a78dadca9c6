"""An audit from end to end, on people whose secrets the model knows by heart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import reticent
from reticent.attacks import ATTACKS, family
from reticent.audit.case import Case
from reticent.audit.options import BARE, Options
from reticent.audit.run import audit
from reticent.audit.selftest import case_of, constant, drawn_after, memorized, people, planted
from reticent.contract import Contract
from reticent.evidence import Evidence
from reticent.finding import Finding

FEW = ("imputation_likelihood", "label_likelihood")
QUICK = Options(attacks=FEW, shadows=3, canaries=False, advice=False)
AVERAGED = Contract(output="scores", marginalize=("secret",))
VIEWS = {
    BARE: None,
    "averaged": AVERAGED,
    "mute": Contract(output="none"),
}


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    case = planted(0)
    domains = {"secret": reticent.Domain(values=(0, 1), public=True)}
    case = replace(case, domains=domains)
    return audit(case, VIEWS, QUICK)


def of(evidence: Evidence, configuration: str) -> list[Finding]:
    return [one for one in evidence.findings if one.configuration == configuration]


def test_the_planted_leak_is_found_beyond_its_interval(evidence: Evidence) -> None:
    first = evidence.findings[0]
    assert first.verdict == "leaks"
    assert first.advantage.low is not None
    assert first.advantage.low > 0.1
    assert first.memorization is not None
    assert first.memorization.low is not None
    assert first.memorization.low > 0.1, "others were not in the training data"
    assert first.others is not None
    assert first.others.auc.value == pytest.approx(0.5, abs=0.1)


def test_marginalized_answers_take_it_away(evidence: Evidence) -> None:
    for one in of(evidence, "averaged"):
        assert one.advantage.value == pytest.approx(0, abs=1e-9)
        assert one.verdict != "leaks"
        assert one.contract == AVERAGED.digest


def test_a_view_that_tells_nothing_has_nothing_to_attack(evidence: Evidence) -> None:
    for one in of(evidence, "mute"):
        assert one.verdict == "not_applicable"
        assert "does not reveal" in one.reason
        assert one.members.auc.value is None
    muted = next(one for one in evidence.configurations if one.name == "mute")
    assert muted.utility.value is None
    assert not evidence.within_limits


def test_one_finding_per_view_and_attack_best_first_then_by_name(evidence: Evidence) -> None:
    for view in VIEWS:
        names = [one.attack for one in of(evidence, view)]
        assert sorted(names) == sorted(FEW)
        assert names[1:] == sorted(names[1:])


def test_an_attack_pays_for_every_question(evidence: Evidence) -> None:
    assert {one.queries for one in of(evidence, BARE)} == {2 * 400}


def test_the_same_seed_gives_the_same_findings(evidence: Evidence) -> None:
    case = planted(0)
    domains = {"secret": reticent.Domain(values=(0, 1), public=True)}
    again = audit(replace(case, domains=domains), VIEWS, QUICK)
    assert again.findings == evidence.findings
    assert again.configurations == evidence.configurations
    assert again.subjects == evidence.subjects


def test_another_seed_gives_others(evidence: Evidence) -> None:
    other = audit(planted(0), {BARE: None}, replace(QUICK, seed=1))
    assert other.findings[0].members != evidence.findings[0].members


def test_twins_are_counted_and_told_apart() -> None:
    case = memorized(0)
    members = people(0, "members")
    doubled = replace(case, others=members.take(np.arange(0, 400, 2)))
    found = audit(doubled, {BARE: None}, replace(QUICK, attacks=FEW[:1]))
    first = found.findings[0]
    assert first.twins == 200
    assert first.without_twins is not None
    assert first.without_twins.n == 200


def test_values_outside_the_candidates_are_left_out_and_said() -> None:
    case = memorized(0)
    members = people(0, "members")
    secret = members["secret"].copy()
    secret[:7] = 5
    odd = replace(case, members=members.replaced("secret", secret))
    found = audit(odd, {BARE: None}, QUICK)
    assert found.findings[0].members.auc.n == 393
    assert any("7 members are left out" in note for note in found.notes)


def test_every_attack_on_hidden_columns_is_run_by_default() -> None:
    assert Options().names == [name for name in ATTACKS if family(name) == "attribute"]
    assert Options(attacks=["attribute"]).names == Options().names
    assert Options(attacks=["membership"]).names == []
    assert Options().of("membership", called_for=False) == []
    with pytest.raises(reticent.ReticentError, match="did you mean 'learned'"):
        Options(attacks=["leraned"]).names  # noqa: B018


@pytest.mark.parametrize("build", [constant, drawn_after])
def test_negative_controls_find_nothing(build: Callable[[int], Case]) -> None:
    found = audit(build(0), {BARE: None}, QUICK)
    assert all(one.verdict != "leaks" for one in found.findings)


def test_shadows_can_be_handed_to_a_joblib_backend(evidence: Evidence) -> None:
    case = case_of(0, memorized(0).train)
    here = audit(case, {BARE: None}, QUICK)
    there = audit(case, {BARE: None}, replace(QUICK, backend="threading"))
    assert here.findings == there.findings


def test_progress_counts_up_to_its_total() -> None:
    told: list[tuple[int, int]] = []
    quick = replace(QUICK, canaries=True, advice=True,
                    progress=lambda done, total, what: told.append((done, total)))  # fmt: skip
    audit(planted(0), {BARE: None}, quick)
    assert len({total for _, total in told}) == 1
    assert [done for done, _ in told] == list(range(told[0][1]))

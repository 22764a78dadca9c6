"""Findings are grouped without losing or reordering any."""

from __future__ import annotations

from reticent.evidence import Evidence
from reticent.report.exposure import by_configuration, exposures

from .conftest import coins, evidence, finding, idle, quiet, strange, view


def test_grouping_keeps_the_order_and_sets_the_coins_apart() -> None:
    found = exposures(evidence([
        finding(), quiet(), coins(), finding(hidden="income"), finding(configuration="partner"),
    ]))  # fmt: skip
    assert [(one.configuration.name, one.hidden) for one in found] == [
        ("bare", "affairs"), ("bare", "income"), ("partner", "affairs"),
    ]  # fmt: skip
    assert [one.attack for one in found[0].attacks] == ["learned", "yeom"]
    assert found[0].canaries is not None
    assert [one.attack for one in found[0].findings] == ["learned", "yeom", "canaries"]
    assert found[1].canaries is None


def test_no_finding_is_lost() -> None:
    for one in strange():
        grouped = [each for group in exposures(one) for each in group.findings]
        assert sorted(map(repr, grouped)) == sorted(map(repr, one.findings))


def test_the_coins_speak_where_nothing_else_does() -> None:
    (alone,) = exposures(evidence([coins()]))
    assert alone.best.attack == "canaries"
    assert alone.verdict == "leaks"
    assert alone.most is None


def test_the_most_is_that_of_any_attack_on_people() -> None:
    loud, missing = finding("yeom"), idle()
    (one,) = exposures(evidence([quiet(), loud, missing, coins()]))
    assert one.most == loud.advantage.high
    (nothing,) = exposures(evidence([missing]))
    assert nothing.most is None


def test_the_verdict_of_the_best_unless_another_leaks() -> None:
    def verdict(one: Evidence) -> str:
        return exposures(one)[0].verdict

    assert verdict(evidence([quiet(), quiet("lomia", "underpowered")])) == "no_leak_found"
    assert verdict(evidence([quiet(), coins()])) == "leaks"
    assert verdict(evidence([idle(), idle("csmia")])) == "not_applicable"


def test_configurations_without_findings_and_findings_without_configuration() -> None:
    held = by_configuration(bare := evidence([], [view()]), exposures(bare))
    assert [(one.name, each) for one, each in held] == [("bare", [])]
    unlisted = evidence([finding(configuration="partner")], [view()])
    held = by_configuration(unlisted, exposures(unlisted))
    assert [one.name for one, _ in held] == ["bare", "partner"]
    assert held[1][0].utility.value is None

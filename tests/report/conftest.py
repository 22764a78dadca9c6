"""Evidence made by hand: every part of it may be missing, and every name may be odd."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from reticent.evidence import Attacker, Check, Configuration, Evidence, NotRun, SelfTest, Subjects
from reticent.finding import Finding, Rate, Risk, Score, Subgroup, Verdict


def rate(value: float, spread: float = 0.02, n: int = 200) -> Rate:
    """A rate with an interval of the same width to both sides."""
    return Rate(value, value - spread, value + spread, n)


def score(auc: float, accuracy: float, **more: Rate) -> Score:
    """A score whose other measures follow from its AUC."""
    return Score(rate(accuracy), rate(auc), rate(auc - 0.4), rate(auc - 0.1), more)


def finding(
    attack: str = "learned", verdict: Verdict = "leaks", configuration: str = "bare",
    hidden: str = "affairs", **changes: Any,
) -> Finding:  # fmt: skip
    """An attack at AUC .91, imputation at .72, and .74 on people never seen."""
    plain = Finding(
        configuration=configuration, contract="c0ffee", attack=attack, hidden=hidden,
        members=score(0.912, 0.71), others=score(0.741, 0.64),
        baseline_members=score(0.723, 0.62), baseline_others=score(0.734, 0.63),
        advantage=Rate(0.189, 0.123, 0.231, 200), memorization=Rate(0.182, 0.104, 0.243, 400),
        p_adjusted=0.0000123, smallest_detectable=0.0567, queries=4244, verdict=verdict,
        reason="advantage and memorization", twins=17, without_twins=rate(0.907),
        worst_subgroup=Subgroup("age", 2, 5, rate(0.954)), worst_rows=(1335, 42, 7),
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changes)


def quiet(attack: str = "yeom", verdict: Verdict = "no_leak_found", **changes: Any) -> Finding:
    """A finding that shows no leak and keeps the default limits."""
    within: dict[str, Any] = {
        "members": score(0.725, 0.62), "advantage": Rate(0.002, -0.021, 0.018, 200),
        "memorization": Rate(-0.004, -0.033, 0.013, 400), "smallest_detectable": 0.0251,
        "p_adjusted": 1.0, "reason": "effects from 0.025 AUC would have been seen",
    }  # fmt: skip
    return finding(attack, verdict, **{**within, **changes})


def idle(attack: str = "observed", **changes: Any) -> Finding:
    """A finding of an attack that could not be run."""
    nobody = Score.none(0, "the attack was not run")
    empty: dict[str, Any] = {
        "members": nobody, "others": None, "advantage": Rate.none(0, "the attack was not run"),
        "memorization": None, "p_adjusted": None, "smallest_detectable": None, "queries": 0,
        "reason": "the target does not reveal SCORES", "twins": 0, "without_twins": None,
        "worst_subgroup": None, "worst_rows": (),
    }  # fmt: skip
    return finding(attack, "not_applicable", **{**empty, **changes})


def coins(verdict: Verdict = "leaks", **changes: Any) -> Finding:
    """A coin test."""
    half = Rate(0.5, 0.5, 0.5, 90)
    members = score(
        0.853, 0.77, epsilon_lower_bound=Rate(1.234, 1.234, None, 90), utility_cost=rate(0.004)
    )
    tossed: dict[str, Any] = {
        "members": members, "others": None, "baseline_others": None, "memorization": None,
        "baseline_members": Score(half, half, Rate.none(90, "coins"), half),
        "advantage": Rate(0.353, 0.271, 0.402, 90), "reason": "advantage; coins guessed by learned",
        "twins": 0, "without_twins": None, "worst_subgroup": None, "worst_rows": (),
    }  # fmt: skip
    return finding("canaries", verdict, **{**tossed, **changes})


def view(name: str = "bare", says: str = "the model itself", **changes: Any) -> Configuration:
    """A configuration of utility .812."""
    plain = Configuration(name, says, "c0ffee", rate(0.812))
    return msgspec.structs.replace(plain, **changes)


def evidence(
    findings: Sequence[Finding] = (), configurations: Sequence[Configuration] | None = None,
    **changes: Any,
) -> Evidence:  # fmt: skip
    """Evidence of a given day; a configuration for each name in the findings."""
    if configurations is None:
        names = dict.fromkeys(one.configuration for one in findings)
        configurations = [view(name) for name in names]
    plain = Evidence(
        reticent_version="0.1.0", created="2026-11-23T18:32:42+00:00",
        expires="2027-02-21T18:32:42+00:00", seed=7,
        subjects=Subjects("aa11", "bb22", "cc33"), findings=tuple(findings),
        configurations=tuple(configurations), risk=Risk(),
        attacker=Attacker(("age", "educ"), label=True),
    )  # fmt: skip
    return msgspec.structs.replace(plain, **changes)


def full() -> Evidence:
    """Everything that evidence can hold, in two configurations."""
    return evidence(
        [
            finding(), idle(), quiet(), coins(),
            quiet("learned", configuration="partner"), idle(configuration="partner"),
            coins("underpowered", configuration="partner", reason="too few; coins guessed by yeom"),
        ],
        [view(), view("partner", "averaged over affairs; label", utility=rate(0.803),
                      utility_loss=Rate(0.009, -0.003, 0.021, 200))],
        notes=("Baseline for affairs: forest.",),
        not_run=(NotRun("faces", "the model has no images"),),
        self_test=SelfTest(True, (Check("planted leak", "found", "AUC 0.99", True),)),
        guarantees=("epsilon 1 at delta 1e-6",), mitigations=("label only",), controls=("CAS-005",),
        previous="dd44", signature="ee55",
    )  # fmt: skip


@pytest.fixture
def whole() -> Evidence:
    """Everything that evidence can hold, in two configurations."""
    return full()


def numeric() -> Finding:
    """A finding about a numeric column."""
    members = score(0.912, 0.43, r2=rate(0.512), mae=rate(3.21))
    return finding(hidden="age", members=members)


ODD = "<script>alert('x')</script> & \"quoted\" \x00 " + "long_" * 30


def strange() -> list[Evidence]:
    """Evidence that a careless page or table would stumble over."""
    nothing = Rate.none(3, "fewer than 2 of 3 people have each value")
    many = [quiet(configuration=f"role {n}", hidden=hidden)
            for n in range(40) for hidden in ("affairs", "income")]  # fmt: skip
    unmeasured = finding(
        verdict="underpowered", members=Score.none(3, nothing.reason), advantage=nothing,
        baseline_members=Score.none(3, nothing.reason), baseline_others=None, memorization=None,
        p_adjusted=None, smallest_detectable=None, without_twins=nothing, worst_subgroup=None,
    )  # fmt: skip
    return [
        evidence(),
        evidence([], [view()]),
        evidence([idle(), idle("csmia")]),
        evidence([unmeasured]),
        evidence([coins()]),
        evidence([numeric()]),
        evidence([finding(memorization=nothing, without_twins=None, worst_rows=())]),
        evidence([finding(others=None, baseline_others=None, memorization=None)]),
        evidence([finding()], [view(utility=nothing, utility_loss=nothing)]),
        evidence([finding()], []),  # a finding whose configuration nobody listed
        evidence([finding()], [view(utility=Rate(0.5, None, None, 9))], risk=Risk(0.0, 0.0, 0.0)),
        evidence(many),
        evidence(
            [finding(ODD, configuration=ODD, hidden=ODD, reason=ODD)],
            [view(ODD, ODD)],
            notes=(ODD,),
            not_run=(NotRun(ODD, ODD),),
        ),
        evidence([finding()], self_test=SelfTest(False, (Check("a", "b", "c", False),))),
    ]

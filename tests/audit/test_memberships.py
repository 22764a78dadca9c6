"""Membership measured: a model that knows its members gives them away, and no other does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.tree import DecisionTreeClassifier

import reticent
from people import TRAITS, memorizing, survey
from reticent import stats
from reticent.audit.case import Case
from reticent.audit.memberships import differ, hits_at
from reticent.audit.options import BARE, Options
from reticent.audit.run import audit
from reticent.contract import Contract
from reticent.dataset import Dataset
from reticent.evidence import Evidence
from reticent.finding import Finding, Rate
from reticent.target import Answer, Reveals, Target
from reticent.targets.kept import BrokenError
from reticent.targets.wrap import Around

INPUTS = [*TRAITS, "s"]
MEMBERSHIP = Options(attacks=["membership"])
QUICK = Options(attacks=["rmia", "loss_threshold"])


def case_of(model: object, members: pd.DataFrame, **more: object) -> Case:
    given = {"others": survey(300, 2), "auxiliary": survey(300, 3), "label": "y", "sensitive": ()}
    return Case(model=model, members=members, **{**given, **more})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def found() -> Evidence:
    members = survey(300, 1)
    views = {
        BARE: None,
        "label": Contract(output="label"),
        "coarse": Contract(output="scores", decimals=1),
        "mute": Contract(output="none"),
    }
    return audit(case_of(memorizing(members), members), views, MEMBERSHIP)


def of(evidence: Evidence, view: str) -> dict[str, Finding]:
    return {one.attack: one for one in evidence.findings if one.configuration == view}


def test_members_of_a_memorizing_model_are_found_through_scores_labels_and_rounding(
    found: Evidence,
) -> None:
    for view in (BARE, "label", "coarse"):
        for name, one in of(found, view).items():
            assert one.verdict == "leaks", (view, name)
            assert one.members.auc.low is not None
            assert one.members.auc.low > 0.75
            assert one.others is None
            assert one.memorization is None
            assert one.baseline_members.auc == Rate(0.5, 0.5, 0.5, 600)
            assert one.hidden == "membership"
    assert of(found, BARE)["rmia"].queries == 600
    assert of(found, BARE)["label_boundary"].queries == 33 * 600
    worth = {name: one.members.auc.value or 0.0 for name, one in of(found, BARE).items()}
    assert max(worth, key=lambda name: worth[name]) == "rmia"


def test_who_says_nothing_gives_nobody_away(found: Evidence) -> None:
    for one in of(found, "mute").values():
        assert one.verdict == "not_applicable"
        assert "LABEL" in one.reason


def test_the_evidence_says_how_many_are_found_at_few_false_alarms(found: Evidence) -> None:
    one = of(found, BARE)["rmia"]
    more = one.members.more
    assert set(more) == {"tpr_at_1pct", "epsilon_lower_bound", "without_model_auc"}
    assert (more["tpr_at_1pct"].value or 0) > 0.2
    assert (more["epsilon_lower_bound"].value or 0) > 2
    assert more["epsilon_lower_bound"].high is None, "a bound from below"
    assert one.worst_rows
    assert max(one.worst_rows) < 300
    assert one.worst_subgroup is not None


def test_a_model_that_was_trained_on_others_gives_nobody_away() -> None:
    for seed in (0, 1):
        members = survey(300, 10 + seed)
        stranger = case_of(memorizing(survey(300, 20 + seed)), members)
        for one in audit(stranger, {BARE: None}, replace(MEMBERSHIP, seed=seed)).findings:
            assert one.verdict != "leaks", one.attack
            assert one.advantage.low is not None
            assert one.advantage.low < 0
            # Twelve bounds at 95 %, not adjusted for each other.
            assert (one.members.more["epsilon_lower_bound"].value or 0) < 0.5
            # Of 300 and 300, the standard error of an AUC of one half is .024: 5 of them.
            assert one.members.auc.value == pytest.approx(0.5, abs=0.12)


class Constant(DecisionTreeClassifier):  # type: ignore[misc]
    """Learns nothing but the classes."""

    def predict_proba(self, x: pd.DataFrame) -> np.ndarray:
        return np.full((len(x), 4), 0.25)


def test_a_constant_model_gives_nobody_away() -> None:
    members = survey(300, 1)
    model = Constant().fit(members[INPUTS], members["y"])
    for one in audit(case_of(model, members), {BARE: None}, MEMBERSHIP).findings:
        assert one.verdict != "leaks"
        assert one.members.auc.value == 0.5
        assert one.worst_rows == ()
        assert one.members.more["epsilon_lower_bound"].value == 0
        assert (one.members.more["tpr_at_1pct"].value or 0) == pytest.approx(0.01)


def test_shuffled_members_and_others_are_alike() -> None:
    """The model knows half of the "members" and half of the "others": no difference is left."""
    members, others = survey(300, 1), survey(300, 2)
    both = pd.concat([members, others], ignore_index=True)
    order = np.random.default_rng(0).permutation(600)
    model = memorizing(members)
    first, second = (both.iloc[part].reset_index(drop=True) for part in (order[:300], order[300:]))
    for one in audit(case_of(model, first, others=second), {BARE: None}, QUICK).findings:
        assert one.verdict != "leaks", one.attack


def test_a_model_that_generalizes_leaks_less() -> None:
    members = survey(300, 1)
    stump = DecisionTreeClassifier(max_depth=1).fit(members[INPUTS], members["y"])
    for one in audit(case_of(stump, members), {BARE: None}, QUICK).findings:
        assert (one.members.auc.value or 1) < 0.6, "the forest's is above .9"


def test_a_regressor_gives_its_members_away() -> None:
    rng = np.random.default_rng(0)
    members, others, public = (survey(200, seed).assign(y=rng.normal(size=200))
                               for seed in (1, 2, 3))  # fmt: skip
    model = RandomForestRegressor(20, random_state=0).fit(members[INPUTS], members["y"])
    case = case_of(model, members, others=others, auxiliary=public)
    found = of(audit(case, {BARE: None}, MEMBERSHIP), BARE)
    assert found["rmia"].verdict == "leaks"
    assert found["label_boundary"].reason == "the target is a regressor"


def test_a_person_with_several_rows_counts_once() -> None:
    members, others = survey(200, 1), survey(200, 2)
    for table, first in ((members, 0), (others, 1000)):
        table["who"] = first + np.arange(200) // 2
    public = survey(200, 3).assign(who=5000 + np.arange(200))
    case = case_of(memorizing(members), members, others=others, auxiliary=public, person="who")
    one = of(audit(case, {BARE: None}, QUICK), BARE)["rmia"]
    assert one.members.auc.n == 200
    assert one.queries == 400
    assert one.verdict == "leaks"
    assert all(row % 2 == 0 for row in one.worst_rows), "the first row of each person"


def test_others_who_differ_by_more_than_the_training_are_told() -> None:
    members = survey(200, 1)
    others = survey(200, 2).assign(a=lambda table: table["a"] + 3)
    evidence = audit(case_of(memorizing(members), members, others=others), {BARE: None}, QUICK)
    assert any("differ without the model" in note for note in evidence.notes)
    assert not differ(Rate(0.53, 0.51, 0.55, 100))
    assert not differ(Rate.none(3, "too few people"))


def test_recorded_answers_are_enough_for_those_who_ask_nothing() -> None:
    from reticent.targets.answers_file import recorded

    members, others = survey(200, 1), survey(200, 2)
    model = memorizing(members)
    tables = [Dataset.of(pd.DataFrame(model.predict_proba(part[INPUTS]), columns=model.classes_))
              for part in (members, others)]  # fmt: skip
    held = recorded(tables[0], tables[1], INPUTS, (200, 200), model.classes_)
    case = case_of(held, members, others=others, train=memorizing(members))
    found = of(audit(case, {BARE: None}, MEMBERSHIP), BARE)
    assert found["label_boundary"].verdict == "not_applicable"
    direct = of(audit(case_of(model, members, others=others), {BARE: None}, QUICK), BARE)
    assert found["rmia"].members.auc == direct["rmia"].members.auc


class Dying(Around):
    """An endpoint that dies when it is asked for the fourth time."""

    def __init__(self, inner: Target) -> None:
        self.inner, self.left = inner, 3

    @property
    def reveals(self) -> Reveals:
        return self.inner.reveals & ~Reveals.STRUCTURE

    def ask(self, rows: Dataset) -> Answer:
        self.left -= 1
        if self.left < 0:
            raise BrokenError("an answer", "the endpoint is gone", "Start it again")
        return self.inner.ask(rows)


def test_an_endpoint_that_dies_keeps_what_was_measured() -> None:
    members = survey(100, 1)
    case = case_of(memorizing(members), members, others=survey(100, 2), auxiliary=survey(100, 3))
    options = Options(attacks=["loss_threshold", "label_boundary"], references=2)
    live = Dying(case.prepared().target)
    found = of(audit(case, {"live": None}, options, live=live), "live")
    assert found["loss_threshold"].verdict == "leaks"
    assert found["label_boundary"].reason == "not finished: the endpoint is gone"


def test_it_runs_from_python_by_name() -> None:
    members = survey(200, 1)
    evidence = reticent.audit(case_of(memorizing(members), members), attacks=["rmia"])
    assert [one.attack for one in evidence.findings] == ["rmia"]
    assert evidence.findings[0].verdict == "leaks"


# Hits at few false alarms ---------------------------------------------------------------------


def test_hits_are_counted_at_the_allowed_false_alarms() -> None:
    rng = np.random.default_rng(0)
    scores, member = rng.normal(size=2000), rng.permutation(2000) < 1000
    scores[member] += 1
    sample = stats.resample(np.arange(2000), np.random.default_rng(1), draws=50)
    found = hits_at(sample, scores, member, 0.01)
    for draw in (0, 7, 49):
        again = np.repeat(np.arange(2000), sample.weights[:, draw])
        wrong = np.sort(scores[again][~member[again]])[::-1]
        allowed = 0.01 * len(wrong)
        threshold = wrong[int(allowed)]
        hits = (scores[again][member[again]] > threshold).mean()
        assert found[draw] == pytest.approx(hits, abs=0.006)


def test_ties_take_the_same_part_of_the_allowed_false_alarms() -> None:
    member = np.arange(1000) < 500
    once = stats.Resamples(np.ones((1000, 1), dtype=np.int16))
    assert hits_at(once, np.zeros(1000), member, 0.01)[0] == pytest.approx(0.01)
    perfect = hits_at(once, member.astype(float), member, 0.01)
    assert perfect[0] == 1
    assert hits_at(once, -member.astype(float), member, 0.01)[0] == 0

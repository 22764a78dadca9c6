"""A live endpoint in the model's place, and attacks that each begin as a new principal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from people import TRAITS, Toy, guests, memorizing, same, survey
from reticent.audit.case import Case, Prepared
from reticent.audit.live import alike, in_place, keeps, without_contract
from reticent.audit.options import Options
from reticent.audit.run import audit
from reticent.audit.utility import utility
from reticent.contract import Contract
from reticent.dataset import Dataset
from reticent.errors import ConfigError, ModelError
from reticent.evidence import Evidence
from reticent.schema import Domain
from reticent.target import Answer, Reveals, Target
from reticent.targets.contracted import behind
from reticent.targets.local import local
from reticent.targets.shape import Step, cut

MEMBERS, OTHERS, PUBLIC = (survey(150, seed).drop_duplicates(TRAITS) for seed in range(3))
MODEL = memorizing(MEMBERS, 10)
CASE = Case(model=MODEL, members=MEMBERS, others=OTHERS, auxiliary=PUBLIC, label="y", sensitive="s",
            domains={"s": Domain(values=(0, 1), public=True)})  # fmt: skip
TRIED = Contract(output="scores", marginalize=("s",), values_per_record=1)


@pytest.fixture(scope="module")
def case() -> Prepared:
    return CASE.prepared()


def attacked(*names: str) -> Evidence:
    options = Options(attacks=names, shadows=3, canaries=False, advice=False)
    return audit(CASE, {"tried": TRIED}, options)


def test_what_one_attack_tries_is_not_counted_against_the_next() -> None:
    # imputation_likelihood asks target and shadows under every value, single_query under the
    # likeliest one: as one principal the second would get averages where alone it gets the truth.
    alone = attacked("single_query").findings[0]
    second = next(one for one in attacked("imputation_likelihood", "single_query").findings
                  if one.attack == "single_query")  # fmt: skip
    assert second.members == alone.members
    assert second.others == alone.others


def test_one_value_and_the_average_tell_both_of_two() -> None:
    # The decision record says so: the audit must find it, or its number comforts wrongly.
    bare = Options(attacks=["imputation_likelihood"], shadows=3, canaries=False, advice=False)
    averaged = limit(None)
    found = audit(CASE, {"bare": None, "tried": TRIED, "averaged": averaged}, bare).findings
    areas = {one.configuration: one.members.auc.value for one in found}
    assert all(area is not None for area in areas.values())
    assert areas["tried"] == pytest.approx(areas["bare"], abs=0.03)
    assert (areas["averaged"] or 0) < (areas["tried"] or 0) - 0.2


def limit(values: int | None) -> Contract:
    return Contract(output="scores", marginalize=("s",), values_per_record=values)


def test_utility_of_a_limited_view_is_that_of_who_asks_once() -> None:
    told = audit(CASE, {"bare": None, "tried": TRIED},
                 Options(attacks=["imputation_likelihood"], shadows=3, canaries=False,
                         advice=False)).configurations  # fmt: skip
    assert told[1].utility == told[0].utility


def test_utility_is_not_what_is_left_after_somebody_else_asked(case: Prepared) -> None:
    target = behind(case.target, TRIED, case.schema, key=b"k")
    target.ask(case.others.replaced("s", 1 - case.others["s"]))
    found, bare = utility(case, target, 0), utility(case, case.target, 0)
    assert found is not None
    assert bare is not None
    assert np.array_equal(found, bare)


# In the model's place ---------------------------------------------------------------------------


def turned(target: Target) -> Target:
    """The same answers, the classes named from behind."""
    assert target.classes is not None
    k = len(target.classes)

    def answer(rows: Dataset) -> Answer:
        told = target.ask(rows)
        assert told.label is not None
        label = np.where(told.label < 0, -1, k - 1 - told.label)
        return replace(told, label=label,
                       scores=None if told.scores is None else told.scores[:, ::-1])  # fmt: skip

    return Step(target.columns, target.classes[::-1], target.reveals, target.ignores, answer)


def test_classes_in_another_order_are_put_in_the_models(case: Prepared) -> None:
    for target in (case.target, cut(case.target, Contract(output="label"))):
        live = in_place(turned(target), case)
        assert live.classes is not None
        assert case.target.classes is not None
        assert live.classes.tolist() == case.target.classes.tolist()
        assert same(live.ask(case.others), target.ask(case.others))
    assert in_place(case.target, case) is case.target


def test_an_endpoint_of_other_classes_is_refused(case: Prepared) -> None:
    classes = np.array(["u", "v", "w", "z"], dtype=object)
    with pytest.raises(ModelError, match="their classes have other names"):
        in_place(replace(case.target, classes=classes), case)  # type: ignore[type-var]
    with pytest.raises(ModelError, match="it tells no classes, the model 4 classes"):
        in_place(Toy("value"), case)


def test_a_contract_is_tried_before_it_is_believed(case: Prepared) -> None:
    kept = behind(case.target, limit(None), case.schema, key=b"k")
    keeps(kept, case, "r", limit(None), kept.reveals)
    keeps(case.target, case, "r", TRIED, case.target.reveals)  # a limited answer may change
    with pytest.raises(ConfigError, match="change with 's', which the contract averages over"):
        keeps(case.target, case, "r", limit(None), case.target.reveals)
    with pytest.raises(ConfigError, match="it tells label, the contract says label, top_k"):
        keeps(cut(kept, Contract(output="label")), case, "r", limit(None), kept.reveals)


def test_answers_are_compared_part_by_part() -> None:
    told = Toy().ask(guests(5))
    gaps = replace(told, scores=np.full((5, 3), np.nan))
    assert alike(told, told)
    assert alike(gaps, gaps)
    assert not alike(told, gaps)
    assert not alike(told, told.take(np.array([1, 0, 2, 3, 4])))


def test_shadows_of_an_unnamed_contract_tell_no_more_than_the_endpoint() -> None:
    model = local(MODEL, [*TRAITS, "s"], MEMBERS["y"].to_numpy())
    for output in ("label", "scores"):
        live = cut(model, Contract(output=output))
        shadow = without_contract(live)(model)
        told = Reveals.SCORES | Reveals.LABEL | Reveals.STRUCTURE
        assert shadow.reveals & told == live.reveals & told

"""Which attacks can be run on what: what they need against what there is."""

from __future__ import annotations

import numpy as np
import pytest

from attacks.held import Scripted, forest, known, people
from reticent.attacks import ATTACKS, family, named
from reticent.attacks.attack import obstacle
from reticent.dataset import Dataset
from reticent.target import Answer, Reveals, Target
from reticent.targets.local import local

REGRESSION = {"fredrikson_confusion", "fredrikson_leaf_counts", "imputation_likelihood", "learned",
              "single_query", "yeom"}  # fmt: skip
WITHOUT_LABEL = {"imputation_likelihood", "learned", "single_query"}


COLUMNS = {name for name in ATTACKS if family(name) == "attribute"}


def able(target: Target, knows_label: bool = True) -> set[str]:
    held = known(people(1), people(2), knows_label=knows_label)
    return {name for name in COLUMNS if obstacle(named(name), target, held) is None}


def regressor() -> Target:
    from sklearn.ensemble import RandomForestRegressor

    rows = people(3)
    model = RandomForestRegressor(5, random_state=0)
    model.fit(rows.without("label").frame(), rows["label"].astype(float))
    return local(model, ["age", "income", "hidden"], rows["label"].astype(float))


def test_a_forest_in_memory_stands_them_all_but_two() -> None:
    assert able(forest(people(3))) == COLUMNS - {"observed", "refusals"}


def test_a_regressor_stands_those_that_read_a_value() -> None:
    target = regressor()
    assert able(target) == REGRESSION
    rows = people(1)
    held = known(rows, people(2), errors=np.array([[0.3]]))
    for name in sorted(REGRESSION):
        found = named(name).guess(target, held, np.random.default_rng(0)).scores
        assert found.shape == (len(rows), 2)
        assert np.isfinite(found).all()


def test_without_the_label_fewer_remain() -> None:
    assert able(forest(people(3)), knows_label=False) == WITHOUT_LABEL


@pytest.mark.parametrize(
    ("attack", "reason"),
    [
        ("csmia", "the target does not reveal SCORES"),
        ("refusals", "the target does not reveal ABSTAIN"),
        ("fredrikson_leaf_counts", "the target does not reveal STRUCTURE"),
        ("observed", "no answers about these people were recorded or released"),
    ],
)
def test_the_reason_is_told(attack: str, reason: str) -> None:
    target = Scripted(lambda rows: np.zeros(len(rows)), reveals=Reveals.LABEL | Reveals.ANY_ROW)
    assert obstacle(named(attack), target, known(people(1), people(2))) == reason


def test_recorded_answers_stand_only_those_who_observe() -> None:
    class Closed:
        columns: list[str] = []  # noqa: RUF012 (never changed)
        reveals, ignores, classes = Reveals.LABEL | Reveals.SCORES, frozenset[str](), np.arange(2)

        def ask(self, rows: Dataset) -> Answer:
            raise AssertionError

    held = known(people(1), people(2), observed=Answer(np.zeros(60, dtype=np.intp)))
    names = {name for name in COLUMNS if obstacle(named(name), Closed(), held) is None}
    assert names == {"observed"}

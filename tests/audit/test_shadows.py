"""Shadows: halves of the auxiliary people, repeatable, and seen without what they must not show."""

from __future__ import annotations

import numpy as np

from reticent.attacks.known import hide
from reticent.audit.selftest import memorized, people
from reticent.audit.shadows import Coins, shadows_of, train_shadows
from reticent.contract import Contract
from reticent.schema import Domain
from reticent.targets.contracted import behind


def test_each_is_trained_on_half_the_people_and_knows_the_rest() -> None:
    case = memorized(0).prepared()
    whose = np.repeat(np.arange(200), 2)
    models = train_shadows(case.train, case.auxiliary, whose, seed=0, count=3)
    for model in models:
        assert set(model.at) | set(model.rest) == set(range(400))
        assert not set(whose[model.at]) & set(whose[model.rest]), "one person, one side"
        assert len(model.at) == 200
        told = model.target.ask(model.rows)
        assert told.label is not None
        assert np.array_equal(told.label, model.rows["label"]), "a 1-NN knows its members by heart"
    assert not np.array_equal(models[0].at, models[1].at)
    again = train_shadows(case.train, case.auxiliary, whose, seed=0, count=3)
    assert all(np.array_equal(a.at, b.at) for a, b in zip(models, again, strict=True))


def test_they_answer_through_the_contract_and_only_coins_are_at_stake() -> None:
    case = memorized(0).prepared()
    coins = Coins("secret", np.array([0, 1]), 0.25)
    models = train_shadows(
        case.train, case.auxiliary, case.auxiliary_people, 0, count=2, coins=coins
    )
    hidden = hide("secret", Domain(values=(0, 1)), case.auxiliary)
    contract = Contract(output="label")
    found = shadows_of(models, lambda t: behind(t, contract, case.schema, key=b"k"), hidden,
                       case.auxiliary, case.auxiliary_people, np.zeros((400, 2)))  # fmt: skip
    for model, shadow in zip(models, found, strict=True):
        assert len(shadow.truth) == 50 == len(shadow.rows)
        assert shadow.observed.scores is None
        assert (shadow.truth == model.rows["secret"][model.stake]).all()
        assert (shadow.people == model.at[model.stake]).all()
        assert len(shadow.rest) == 200


def test_people_differ_by_part_and_seed() -> None:
    assert people(0, "members").digest() == people(0, "members").digest()
    digests = {people(seed, part).digest() for seed in (0, 1) for part in ("members", "others")}
    assert len(digests) == 4

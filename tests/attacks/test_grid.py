"""One stacked question for all values: it must equal the questions asked one by one."""

from __future__ import annotations

import numpy as np
import pytest

from attacks.held import N, Scripted, forest, known, people, shadow
from reticent.attacks.grid import DONORS, FLOOR, as_known, complete, log_likelihood, sweep
from reticent.dataset import Dataset
from reticent.target import Answer, Reveals
from reticent.targets.wrap import Metered

RNG = np.random.default_rng(0)


def test_a_sweep_equals_single_questions() -> None:
    rows, target = people(1, values=3), forest(people(3, values=3))
    told = sweep(target, known(rows, people(2, values=3)), RNG)
    assert told.scores is not None
    assert told.votes is not None
    for value in range(3):
        one = target.ask(rows.without("label").replaced("hidden", np.full(N, value)))
        assert one.scores is not None
        assert told.scores[:, value] == pytest.approx(one.scores)
        assert (told.votes[:, value].argmax(axis=1) == one.label).all()


def test_it_costs_one_row_per_person_and_value() -> None:
    meter = Metered(forest(people(3)))
    sweep(meter, known(people(1), people(2)), RNG)
    assert meter.queries == 2 * N


class TestPartialKnowledge:
    def test_donors_are_near_in_what_is_known(self) -> None:
        rows, auxiliary = people(1), people(2, 2000)
        linked = auxiliary.replaced("income", auxiliary["age"] * 10)
        held = known(rows, linked, columns=["age"])
        filled = complete(Scripted(lambda asked: np.zeros(len(asked))), held, RNG)
        assert len(filled) == DONORS * N
        assert np.allclose(filled["age"], np.tile(rows["age"], DONORS))
        inner = np.abs(np.tile(rows["age"], DONORS)) < 1.5  # where auxiliary people are dense
        assert np.abs(filled["income"] / 10 - filled["age"])[inner].max() < 0.3

    def test_answers_are_averaged_over_donors(self) -> None:
        rows, auxiliary = people(1), people(2)
        held = known(rows, auxiliary, columns=["age"])
        target = Scripted(lambda asked: asked["income"] * 0 + asked["hidden"] * 0.5)
        told = sweep(target, held, RNG)
        assert target.asked == 2 * DONORS * N
        assert told.scores is not None
        assert told.scores[:, 1, 1] == pytest.approx(np.full(N, 0.5))
        assert told.scores[:, 0, 1] == pytest.approx(np.zeros(N))

    def test_nothing_known_is_still_an_attack(self) -> None:
        held = known(people(1), people(2), columns=[])
        told = sweep(forest(people(3)), held, RNG)
        assert told.scores is not None
        assert told.scores.shape == (N, 2, 2)


class TestLikelihood:
    def test_of_the_true_label_with_a_floor(self) -> None:
        rows = people(1)
        held = known(rows, people(2))
        target = Scripted(lambda asked: asked["hidden"].astype(float))
        found = log_likelihood(target, held, sweep(target, held, RNG))
        ones = rows["label"] == 1
        assert found[ones] == pytest.approx(np.tile([np.log(FLOOR), 0], (ones.sum(), 1)))
        assert found[~ones] == pytest.approx(np.tile([0, np.log(FLOOR)], ((~ones).sum(), 1)))

    def test_without_the_label_the_surest_value(self) -> None:
        held = known(people(1), people(2), knows_label=False)
        target = Scripted(lambda asked: np.where(asked["hidden"] == 1, 0.9, 0.6))
        found = log_likelihood(target, held, sweep(target, held, RNG))
        assert found == pytest.approx(np.tile(np.log([0.6, 0.9]), (N, 1)))

    def test_a_label_the_model_never_learned_says_nothing(self) -> None:
        rows = people(1).replaced("label", np.full(N, 7))
        held = known(rows, people(2))
        target = Scripted(lambda asked: np.where(asked["hidden"] == 1, 0.9, 0.1))
        assert (log_likelihood(target, held, sweep(target, held, RNG)) == 0).all()

    def test_of_a_regressor_the_gaussian_of_its_training_error(self) -> None:
        rows = people(1)
        held = known(rows, people(2), errors=np.array([[0.5]]))

        class Line:
            columns = ["age", "income", "hidden"]  # noqa: RUF012 (never changed)
            reveals, ignores, classes = Reveals.LABEL | Reveals.ANY_ROW, frozenset[str](), None

            def ask(self, asked: Dataset) -> Answer:
                return Answer(value=asked["hidden"].astype(float))

        found = log_likelihood(Line(), held, sweep(Line(), held, RNG))
        error = rows["label"][:, None] - np.array([0.0, 1.0])
        assert found == pytest.approx(-0.5 * (error / 0.5) ** 2)


def test_a_shadow_is_seen_without_its_hidden_column_or_its_own_people() -> None:
    one = shadow(5)
    view = as_known(one, known(people(1), people(2)))
    assert "hidden" not in view.rows.columns
    assert view.auxiliary is one.rest


def test_a_value_that_never_changes_the_answer_is_asked_about_once() -> None:
    held = known(people(1), people(2, values=3))
    answer = Scripted(lambda asked: asked["age"] > 0, ignores=frozenset({"hidden"}))
    told = sweep(answer, held, RNG)
    assert answer.asked == N
    assert told.scores is not None
    assert told.scores.shape == (N, 3, 2)
    assert (told.scores[:, :, 1] == (held.rows["age"] > 0)[:, None]).all()
    assert told.answered.shape == (N, 3)

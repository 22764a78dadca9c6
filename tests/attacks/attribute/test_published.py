"""The published attacks against their papers' rules, worked out person by person."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from attacks.held import Scripted, forest, known, people, shadow
from reticent.attacks import named
from reticent.attacks.attack import Guess
from reticent.attacks.attribute.fredrikson_leaf_counts import NEVER
from reticent.attacks.grid import FLOOR
from reticent.attacks.known import Known
from reticent.dataset import Dataset
from reticent.target import Target, Transparent


def guess(name: str, target: Target, held: Known) -> Guess:
    found: Guess = named(name).guess(target, held, np.random.default_rng(0))
    return found


def scores_by_hand(target: Target, held: Known, person: int, value: int) -> list[float]:
    """Ask about one person under one value, one row at a time."""
    row = held.rows.take(np.array([person])).without("label")
    told = target.ask(row.replaced("hidden", np.array([value])))
    assert told.scores is not None
    return [float(score) for score in told.scores[0]]


class TestCsmia:
    def by_paper(self, right: list[bool], confidence: list[float]) -> int:
        """Mehnaz 2022: the only right value; of several the surest; of none the least sure."""
        places = [v for v in range(len(right)) if right[v]]
        if places:
            return max(places, key=lambda v: confidence[v])
        return min(range(len(right)), key=lambda v: confidence[v])

    @pytest.mark.parametrize("values", [2, 3])
    def test_the_three_cases(self, values: int) -> None:
        rows, auxiliary = people(1, values=values), people(2, values=values)
        target, held = forest(people(3, values=values), max_depth=3), known(rows, auxiliary)
        chosen = guess("csmia", target, held).scores.argmax(axis=1)
        seen = set()
        for person in range(len(rows)):
            told = [scores_by_hand(target, held, person, v) for v in range(values)]
            right = [int(np.argmax(s)) == rows["label"][person] for s in told]
            confidence = [max(s) for s in told]
            seen.add(min(sum(right), 2))
            assert confidence[chosen[person]] == confidence[self.by_paper(right, confidence)]
        assert seen == {0, 1, 2}, "all three cases of the paper must occur"


class TestFredriksonConfusion:
    def test_prior_times_confusion(self) -> None:
        rows, auxiliary = people(1), people(2)
        counts = np.array([[30.0, 10.0], [5.0, 15.0]])
        target, held = forest(people(3)), known(rows, auxiliary, errors=counts)
        found = guess("fredrikson_confusion", target, held).scores
        ones = (auxiliary["hidden"] == 1).sum() + 0.5
        prior = [1 - ones / (len(auxiliary) + 1), ones / (len(auxiliary) + 1)]
        for person in range(len(rows)):
            label = int(rows["label"][person])
            for value in (0, 1):
                predicted = int(np.argmax(scores_by_hand(target, held, person, value)))
                expected = prior[value] * counts[label, predicted] / counts[label].sum()
                assert found[person, value] == pytest.approx(math.log(expected))


class TestFredriksonLeafCounts:
    def test_a_tree_walked_by_hand(self) -> None:
        from sklearn.tree import DecisionTreeClassifier

        from reticent.targets.local import local

        train, rows, auxiliary = people(3, 200), people(1), people(2)
        model = DecisionTreeClassifier(max_depth=4, random_state=0)
        model.fit(train.without("label").frame(), train["label"])
        target, held = local(model, ["age", "income", "hidden"], train["label"]), None
        held = known(rows, auxiliary)
        found = guess("fredrikson_leaf_counts", target, held).scores
        tree = model.tree_
        for person in range(len(rows)):
            for value in (0, 1):
                node = 0
                x = [rows["age"][person], rows["income"][person], value]
                while tree.children_left[node] >= 0:
                    goes_left = np.float32(x[tree.feature[node]]) <= tree.threshold[node]
                    node = (tree.children_left if goes_left else tree.children_right)[node]
                agrees = int(np.argmax(tree.value[node][0])) == rows["label"][person]
                weight = tree.n_node_samples[node] / 200 if agrees else NEVER
                expected = math.log(held.prior[value]) + math.log(weight)
                assert found[person, value] == pytest.approx(expected)

    def test_a_forest_averages_its_trees(self) -> None:
        rows, auxiliary = people(1), people(2)
        target, held = forest(people(3)), known(rows, auxiliary)
        assert isinstance(target, Transparent)
        found = guess("fredrikson_leaf_counts", target, held).scores
        asked = rows.without("label").replaced("hidden", np.ones(len(rows)))
        leaves = target.leaves(asked)
        share = np.mean(
            [
                leaves.weight[t][leaves.at[:, t]]
                * (leaves.says[t][leaves.at[:, t]].argmax(axis=1) == rows["label"])
                for t in range(leaves.at.shape[1])
            ],
            axis=0,
        )
        expected = np.log(held.prior[1]) + np.log(np.maximum(share, NEVER))
        assert found[:, 1] == pytest.approx(expected)


class TestLomia:
    def test_a_decided_record_is_believed(self) -> None:
        rows, auxiliary = people(1, 200), people(2)
        target = Scripted(lambda asked: asked["hidden"])  # right under one value only
        found = guess("lomia", target, known(rows, auxiliary)).scores.argmax(axis=1)
        assert (found == rows["label"]).all()

    def test_the_rest_is_learned_from_the_decided(self) -> None:
        rows, auxiliary = people(1, 300), people(2)
        # For older people the value decides the prediction; for younger ones it never does, and
        # what the decided ones have (the label) is all there is to learn from.
        target = Scripted(lambda asked: np.where(asked["age"] > 0, asked["hidden"], 1.0))
        found = guess("lomia", target, known(rows, auxiliary)).scores.argmax(axis=1)
        young = rows["age"] <= 0
        assert (found[young] == rows["label"][young]).mean() > 0.9

    def test_too_few_decided_records_decide_nothing(self) -> None:
        held = known(people(1), people(2))
        found = guess("lomia", Scripted(lambda asked: np.ones(len(asked))), held).scores
        assert (found == 0).all()


class TestYeom:
    def test_the_loss_that_training_records_have(self) -> None:
        rows, auxiliary = people(1), people(2)
        shadows = [shadow(seed, 200) for seed in (10, 20)]
        held = known(rows, auxiliary, shadows=shadows)
        # A model that is right with .95 under the value 1 and .55 under 0: a forest's own
        # training records mostly have a loss near 0, so the value 1 must win for everybody.
        sure = Scripted(
            lambda asked: np.where(
                np.tile(rows["label"], 2) == 1,
                np.where(asked["hidden"] == 1, 0.95, 0.55),
                np.where(asked["hidden"] == 1, 0.05, 0.45),
            )
        )
        assert (guess("yeom", sure, held).scores.argmax(axis=1) == 1).all()

    def test_without_shadows_the_smaller_loss(self) -> None:
        held = known(people(1), people(2))
        target = forest(people(3))
        found = guess("yeom", target, held).scores - np.log(held.prior)
        told = [scores_by_hand(target, held, 0, value) for value in (0, 1)]
        label = int(held.rows["label"][0])
        assert found[0] == pytest.approx([score[label] - 1 for score in told])


class TestImputationLikelihood:
    def test_bayes_rule_without_shadows(self) -> None:
        rows, auxiliary = people(1), people(2)
        imputed = np.log(np.random.default_rng(0).dirichlet([1, 1], len(rows)))
        target, held = forest(people(3)), known(rows, auxiliary, imputed=imputed)
        found = guess("imputation_likelihood", target, held).scores
        for person in range(len(rows)):
            label = int(rows["label"][person])
            for value in (0, 1):
                likelihood = max(scores_by_hand(target, held, person, value)[label], FLOOR)
                expected = imputed[person, value] + math.log(likelihood)
                assert found[person, value] == pytest.approx(expected)

    def test_a_silent_model_leaves_imputation(self) -> None:
        """Shadows that say nothing teach a weight of 0, so nothing is added to imputation."""
        rows, auxiliary = people(1), people(2)
        silent = Scripted(lambda asked: np.full(len(asked), 0.5))
        shadows = [
            type(one)(silent, one.rows, one.people, one.truth, one.imputed,
                      silent.ask(one.rows), one.rest)
            for one in (shadow(10), shadow(20))
        ]  # fmt: skip
        imputed = np.log(np.random.default_rng(0).dirichlet([1, 1], len(rows)))
        held = known(rows, auxiliary, imputed=imputed, shadows=shadows)
        found = guess("imputation_likelihood", silent, held).scores
        assert np.ptp(found - imputed, axis=1) == pytest.approx(np.zeros(len(rows)))


class TestSingleQuery:
    def test_it_asks_once_a_person_under_the_likeliest_value(self) -> None:
        rows, auxiliary = people(1), people(2)
        asked: list[NDArray[Any]] = []

        def score(rows: Dataset) -> NDArray[np.float64]:
            asked.append(rows["hidden"])
            return np.full(len(rows), 0.5)

        target = Scripted(score)
        imputed = np.log(np.random.default_rng(0).dirichlet([1, 1], len(rows)))
        held = known(rows, auxiliary, imputed=imputed, shadows=[shadow(10), shadow(20)])
        guess("single_query", target, held)
        assert target.asked == len(rows)
        assert (asked[0] == imputed.argmax(axis=1)).all()

"""What shadows teach: the weight of a likelihood, and a learned answer."""

from __future__ import annotations

import math

import numpy as np
import pytest

from attacks.held import N, Scripted, forest, known, people, shadow
from reticent.attacks import named
from reticent.attacks.calibrate import WEIGHTS, calibrated_weight, log_loss, log_softmax
from reticent.attacks.grid import log_likelihood, sweep
from reticent.attacks.known import Known
from reticent.attacks.learner import fit
from reticent.stats import Resamples, macro_auc
from reticent.target import Target


def likelihood(target: Target, view: Known) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return log_likelihood(target, view, sweep(target, view, np.random.default_rng(0)))


def test_memory_deserves_weight_and_a_secret_it_never_had_does_not() -> None:
    deep = [shadow(seed, 200) for seed in (1, 2, 3)]
    rng = np.random.default_rng(0)
    drawn = [
        type(one)(one.target, one.rows, one.people, rng.integers(2, size=200), one.imputed,
                  one.observed, one.rest)
        for one in deep
    ]  # fmt: skip
    held = [known(people(9), people(8), shadows=shadows) for shadows in (deep, drawn)]
    weights = [calibrated_weight(likelihood, one) for one in held]
    assert weights[0] >= 1
    assert weights[1] == 0


def test_the_weight_is_the_one_with_the_least_loss() -> None:
    one = shadow(4, 200)
    held = known(people(9), people(8), shadows=[one])
    told = likelihood(one.target, known(one.rows, one.rest))
    losses = {weight: log_loss(weight * told, one.truth) for weight in WEIGHTS}
    assert calibrated_weight(likelihood, held) == min(losses, key=lambda weight: losses[weight])


def test_log_loss_by_hand() -> None:
    scores = np.log(np.array([[0.2, 0.8], [0.5, 0.5]])) + 7
    assert log_loss(scores, np.array([1, 0])) == pytest.approx(-(math.log(0.8) + math.log(0.5)) / 2)
    assert np.exp(log_softmax(scores)).sum(axis=1) == pytest.approx([1, 1])


def test_a_learner_gives_unseen_values_no_probability() -> None:
    from sklearn.tree import DecisionTreeClassifier

    seen = np.arange(4.0)[:, None]
    predict = fit(DecisionTreeClassifier(), seen, np.array([0, 0, 2, 2]), 4)
    assert predict(seen)[:, [1, 3]].sum() == 0
    alone = fit(DecisionTreeClassifier(), seen, np.array([3, 3, 3, 3]), 4)
    assert (alone(seen) == [0, 0, 0, 1]).all()


def test_learned_finds_what_the_true_label_does_not_show() -> None:
    """The true label's score says nothing here; how the answer moves with the value does."""

    def score(asked: object) -> object:
        return 0.5 + 0.05 * (asked["hidden"] - 0.5) * np.sign(asked["age"])  # type: ignore[index]

    target = Scripted(score)
    shadows = []
    for seed in (1, 2, 3):
        one = shadow(seed, 200)
        # Its members have the secret where the sign of their age says so: the answer under each
        # value tells which, the true label (a coin) does not.
        truth = (one.rows["age"] > 0).astype(np.intp)
        shadows.append(type(one)(target, one.rows, one.people, truth, one.imputed,
                                 target.ask(one.rows), one.rest))  # fmt: skip
    rows = people(9, 300)
    held = known(rows, people(8), shadows=shadows)
    found = named("learned").guess(target, held, np.random.default_rng(0)).scores
    once = Resamples(np.ones((300, 1), dtype=np.int16))
    assert macro_auc(once, found, (rows["age"] > 0).astype(np.intp))[0] > 0.95


def test_what_was_learned_once_serves_both_sides() -> None:
    shadows = [shadow(seed) for seed in (1, 2)]
    notebook: dict[str, object] = {}
    target = forest(people(3))
    for name in ("learned", "imputation_likelihood", "label_likelihood"):
        first = known(people(1), people(2), shadows=shadows, notebook=notebook)
        second = known(people(1), people(2), shadows=shadows, notebook=notebook)
        fresh = known(people(1), people(2), shadows=shadows)
        attack = named(name)
        guesses = [attack.guess(target, held, np.random.default_rng(5)).scores
                   for held in (first, second, fresh)]  # fmt: skip
        assert name in notebook
        assert (guesses[0] == guesses[1]).all()
        assert (guesses[0] == guesses[2]).all()


def test_without_shadows_a_learned_attack_is_imputation() -> None:
    imputed = np.log(np.random.default_rng(0).dirichlet([1, 1], N))
    held = known(people(1), people(2), imputed=imputed)
    for name in ("learned", "single_query"):
        found = named(name).guess(forest(people(3)), held, np.random.default_rng(0)).scores
        assert (found == imputed).all()

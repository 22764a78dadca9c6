"""Coins in place of secrets: exact where the model remembers, and where it does not."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from reticent import stats
from reticent.attacks.attack import Guess
from reticent.audit.canaries import NAME, SHARE, by_person, epsilon
from reticent.audit.case import Case
from reticent.audit.options import BARE, Options
from reticent.audit.run import audit
from reticent.audit.selftest import people
from reticent.audit.shadows import Coins
from reticent.dataset import Dataset
from reticent.finding import Finding

QUICK = Options(attacks=("imputation_likelihood",), shadows=3, advice=False)


def case_of(estimator: object) -> Case:
    members, others, public = (people(0, part) for part in ("members", "others", "public"))
    fitted = estimator.fit(members.without("label").frame(), members["label"])  # type: ignore[attr-defined]
    return Case(model=fitted, members=members, others=others, auxiliary=public, label="label",
                sensitive="secret")  # fmt: skip


def canaries(estimator: object) -> Finding:
    found = audit(case_of(estimator), {BARE: None}, QUICK)
    return next(one for one in found.findings if one.attack == NAME)


def test_a_forest_gives_its_coins_away() -> None:
    found = canaries(RandomForestClassifier(50, random_state=0))
    assert found.verdict == "leaks"
    assert found.members.auc.value is not None
    assert found.members.auc.value > 0.9
    assert found.members.auc.n == round(SHARE * 400)
    assert found.memorization is None
    assert found.others is None
    assert found.baseline_members.auc.value == 0.5
    bound = found.members.more["epsilon_lower_bound"].value
    assert bound is not None
    assert bound > 1
    assert found.queries == 2 * round(SHARE * 400)
    assert "utility_cost" in found.members.more


def test_a_line_does_not() -> None:
    found = canaries(LogisticRegression())
    assert found.verdict != "leaks"
    assert found.members.auc.low is not None
    assert found.members.auc.high is not None
    assert found.members.auc.low <= 0.5 <= found.members.auc.high
    assert found.members.more["epsilon_lower_bound"].value == 0


def test_a_model_that_cannot_be_trained_again_says_so() -> None:
    case = case_of(RandomForestClassifier(5, random_state=0))
    opaque = Case(model=case.model.predict_proba, members=case.members, others=case.others,
                  auxiliary=case.auxiliary, label="label", sensitive="secret")  # fmt: skip
    found = audit(opaque, {BARE: None}, QUICK)
    assert all(one.attack != NAME for one in found.findings)
    assert [one.attack for one in found.not_run] == [NAME]
    assert "train=" in found.not_run[0].reason


def test_a_person_with_several_rows_has_one_coin_and_is_guessed_once() -> None:
    scores = np.array([[0.0, 1.0], [0.0, -3.0], [0.0, 2.0], [0.0, 0.5]])
    found = by_person(Guess(scores), np.array([1, 1, 0, 0])).scores
    assert found.tolist() == [[0.0, 2.5], [0.0, -2.0]]
    tables = [people(0, part).repeated(3) for part in ("members", "others", "public")]
    whose = [np.tile(np.arange(400), 3) + 1000 * place for place in range(3)]
    members, others, public = (t.replaced("who", w) for t, w in zip(tables, whose, strict=True))
    forest = RandomForestClassifier(20, random_state=0)
    forest.fit(members.without("label", "who").frame(), members["label"])
    case = Case(model=forest, members=members, others=others, auxiliary=public, label="label",
                sensitive="secret", person="who")  # fmt: skip
    found_ = audit(case, {BARE: None}, QUICK)
    coins = next(one for one in found_.findings if one.attack == NAME)
    assert coins.members.auc.n == round(SHARE * 400)
    assert coins.queries == 2 * 3 * round(SHARE * 400)


class TestCoins:
    rows = Dataset({"x": np.arange(1000.0), "secret": np.full(1000, 7)})
    coins = Coins("secret", np.array([3, 4]), 0.2)

    def test_a_share_is_tossed_and_the_rest_kept(self) -> None:
        rows, stake = self.coins.toss(self.rows, np.arange(1000), np.random.default_rng(0))
        assert len(stake) == 200
        assert set(rows["secret"][stake]) == {3, 4}
        others = np.setdiff1d(np.arange(1000), stake)
        assert (rows["secret"][others] == 7).all()
        # n = 200 fair coins: 53 to 147 heads with all but one in a million, each side.
        heads = int((rows["secret"][stake] == 4).sum())
        most = stats.binomial_critical(200, 0.5)
        assert 200 - most <= heads <= most

    def test_one_person_one_coin(self) -> None:
        whose = np.repeat(np.arange(250), 4)
        rows, stake = self.coins.toss(self.rows, whose, np.random.default_rng(0))
        values = rows["secret"].reshape(250, 4)
        assert (values == values[:, :1]).all()
        assert len(stake) == 4 * 50

    def test_text_and_whole_numbers_take_a_coin_unchanged(self) -> None:
        words = self.rows.replaced("secret", np.full(1000, "maybe", dtype=object))
        pair = np.array(["yes", "never"], dtype=object)
        rows, stake = Coins("secret", pair, 0.5).toss(
            words, np.arange(1000), np.random.default_rng(0)
        )
        assert set(rows["secret"][stake]) == {"yes", "never"}
        halves, stake = Coins("secret", np.array([2.5, 9.25]), 0.5).toss(
            self.rows, np.arange(1000), np.random.default_rng(0)
        )
        assert set(halves["secret"][stake]) == {2.5, 9.25}


def response(
    epsilon_: float, n: int, seed: int
) -> tuple[Guess, np.ndarray[tuple[int], np.dtype[np.intp]]]:
    """Guesses of coins behind randomized response: right with probability e / (1 + e)."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(2, size=n)
    said = np.where(rng.random(n) < 1 / (1 + math.exp(-epsilon_)), truth, 1 - truth)
    odds = np.where(said == 1, 1.0, -1.0) * (1 + rng.random(n))
    return Guess(np.column_stack([np.zeros(n), odds])), truth


@pytest.mark.parametrize("true", [0.5, 1.0, 2.0])
def test_the_bound_on_epsilon_holds_at_its_rate_and_can_fail(true: float) -> None:
    """500 repeats of n = 1,000 coins at level .05: contradictions at most binomial(500, .05)'s
    critical value at one in a million. The twin claims three quarters of the epsilon (its noise
    is cut) and must be contradicted more often than that."""
    bounds = [epsilon(*response(true, 1_000, seed)) for seed in range(500)]
    most = stats.binomial_critical(500, 0.05)
    assert sum(bound > true for bound in bounds) <= most
    if true >= 1:
        assert sum(bound > 0.75 * true for bound in bounds) > most

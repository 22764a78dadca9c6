"""Where guesses meet the truth: scores, contrasts, and the rule that makes a verdict."""

from __future__ import annotations

import math

import numpy as np
import pytest
from msgspec.structs import replace
from numpy.typing import NDArray

from reticent import stats
from reticent.attacks.attack import Guess
from reticent.attacks.known import Hidden
from reticent.audit.score import Contrast, Judged, conclude, judged, on_quintiles, scored
from reticent.finding import Finding, Rate, Risk
from reticent.randomness import generator

RISK = Risk()
BINARY = Hidden("secret", np.array([0, 1]))


def sample(n: int, draws: int = 200) -> stats.Resamples:
    return stats.resample(np.arange(n), generator(0, "test"), draws)


def binary(truth: NDArray[np.int64]) -> Judged:
    prior = np.bincount(truth, minlength=2).astype(float)
    return judged(BINARY, truth, sample(len(truth)), prior)


def scores_for(truth: NDArray[np.int64], right: float, seed: int = 0) -> Guess:
    """A guess that is right with a probability, as log-odds."""
    rng = np.random.default_rng(seed)
    said = np.where(rng.random(len(truth)) < right, truth, 1 - truth)
    odds = np.where(said == 1, 1.0, -1.0) + rng.normal(0, 0.01, len(truth))
    return Guess(np.column_stack([np.zeros(len(truth)), odds]))


class TestScored:
    def test_all_four_measures_by_hand(self) -> None:
        truth = np.array([0] * 90 + [1] * 10)
        odds = np.full(100, -1.0)
        odds[88:95] = [1, 1, 2, 2, 2, 2, 2]  # two wrong and less sure, five right
        found = scored(Guess(np.column_stack([np.zeros(100), odds])), binary(truth)).score
        assert found.accuracy.value == pytest.approx(0.93)
        assert found.mcc.value == pytest.approx((88 * 5 - 2 * 5) / math.sqrt(7 * 10 * 90 * 93))
        pairs = 5 * 90 + 5 * 88 / 2
        assert found.auc.value == pytest.approx(pairs / 900)
        assert found.precision_at_5pct.value == 1.0
        assert found.auc.n == 100

    def test_people_without_a_value_are_left_out(self) -> None:
        truth = np.array([0, 1, -1] * 30)
        people = Judged(truth, None, sample(90), 2, 1, BINARY)
        found = scored(Guess(np.column_stack([np.zeros(90), truth.astype(float)])), people).score
        assert found.auc.value == 1.0
        assert found.auc.n == 60

    def test_one_value_only_cannot_be_scored(self) -> None:
        found = scored(Guess(np.zeros((20, 2))), binary(np.zeros(20, dtype=np.int64))).score
        assert found.auc.value is None
        assert "each value" in found.auc.reason

    def test_a_number_is_scored_on_quintiles_with_r2_and_mae(self) -> None:
        rng = np.random.default_rng(0)
        numbers = rng.normal(0, 1, 500)
        edges = np.quantile(numbers, [0.2, 0.4, 0.6, 0.8]).astype(np.float64)
        values = np.array([numbers[(numbers >= a) & (numbers < b)].mean() for a, b in
                           zip([-9, *edges], [*edges, 9], strict=True)])  # fmt: skip
        hidden = Hidden("x", values, edges, edges)
        people = judged(hidden, numbers, sample(500), np.ones(5))
        exact = Guess(np.where(hidden.codes(numbers)[:, None] == np.arange(5), 0.0, -50.0), numbers)
        found = scored(exact, people).score
        assert found.auc.value == 1.0
        assert found.accuracy.value == 1.0
        assert found.more["r2"].value == pytest.approx(1.0)
        assert found.more["mae"].value == pytest.approx(0.0)
        none = scored(Guess(np.zeros((500, 5))), people).score
        assert none.auc.value == 0.5
        assert none.more["r2"].value == pytest.approx(0.0, abs=0.02)

    def test_candidates_add_up_to_quintiles(self) -> None:
        hidden = Hidden(
            "x",
            np.arange(10.0),
            (np.arange(9) + 0.5).astype(np.float64),
            np.array([1.5, 3.5, 5.5, 7.5]),
        )
        found = np.exp(on_quintiles(np.log(np.arange(1, 11) / 55)[None, :], hidden))
        assert found[0] == pytest.approx(np.array([3, 7, 11, 15, 19]) / 55)


def contrast_of(advantage: float, error: float, fewest: int = 400, beyond: float = 0.0) -> Contrast:
    """A measured contrast whose replicates have exactly this mean and spread."""
    draws = np.random.default_rng(0).normal(0, 1, 1000)
    draws = (draws - draws.mean()) / draws.std(ddof=1)
    rates = np.concatenate([[advantage], advantage + error * draws])
    memory = np.concatenate([[advantage - beyond], advantage - beyond + error * draws[::-1]])
    return Contrast(named("an attack"), rates, memory, fewest)


def named(attack: str) -> Finding:
    one = Rate(0.5, 0.4, 0.6, 100)
    found = Finding.blank("bare", "", attack, "secret")
    return replace(found, members=replace(found.members, auc=one))


class TestVerdict:
    def test_leaks_exactly_when_an_adjusted_low_is_above_zero(self) -> None:
        error = 0.01
        edge = stats.critical(0.05 / 2, 400) * error  # one finding: two tests
        for offset, verdict in ((1e-6, "leaks"), (-1e-6, "no_leak_found")):
            found = conclude([contrast_of(edge + offset, error, beyond=1.0)], RISK)[0]
            assert found.advantage.low == pytest.approx(offset, abs=1e-9)
            assert found.verdict == verdict

    def test_memorization_alone_is_a_leak_and_says_so(self) -> None:
        found = conclude([contrast_of(-0.2, 0.01, beyond=-0.5)], RISK)[0]
        assert (found.verdict, found.reason) == ("leaks", "memorization")

    def test_more_findings_need_more_evidence(self) -> None:
        one = contrast_of(0.024, 0.01, beyond=1.0)
        alone = conclude([one], RISK)[0]
        among = conclude([one] * 20, RISK)[0]
        assert alone.verdict == "leaks"
        assert among.verdict != "leaks"
        assert alone.p_adjusted is not None
        assert among.p_adjusted == pytest.approx(20 * alone.p_adjusted)
        assert among.advantage.high == alone.advantage.high, "high is not adjusted"

    def test_attacks_that_could_not_run_are_not_counted(self) -> None:
        one, idle = contrast_of(0.024, 0.01), Contrast(named("idle"), None, None, 0)
        assert conclude([one, *[idle] * 50], RISK)[0] == conclude([one], RISK)[0]

    def test_the_smallest_effect_decides_between_none_and_too_little(self) -> None:
        for fewest, verdict in ((2000, "no_leak_found"), (20, "underpowered")):
            found = conclude([contrast_of(0.0, 0.0, fewest)], RISK)[0]
            assert found.verdict == verdict
            assert found.smallest_detectable is not None
            assert (found.smallest_detectable <= RISK.max_advantage) == (fewest == 2000)

    def test_an_interval_that_excludes_the_limits_needs_no_power(self) -> None:
        """An attack far below imputation has a wide interval, and still gives nothing away."""
        found = conclude([contrast_of(-0.2, 0.02, 500, beyond=-0.02 + 0.02)], RISK)[0]
        assert found.smallest_detectable is not None
        assert found.smallest_detectable > RISK.max_advantage
        assert found.verdict == "no_leak_found"

    def test_no_spread_is_not_no_doubt(self) -> None:
        """Nobody among 20 was given away: one in seven might be, by the rule of three."""
        found = conclude([contrast_of(0.0, 0.0, 20)], RISK)[0]
        assert found.advantage.high == pytest.approx(-math.log(0.05) / 20)
        assert not RISK.allows(found)

    def test_an_exact_test_replaces_the_p_value(self) -> None:
        one = contrast_of(0.3, 0.01)
        exact = Contrast(one.finding, one.advantage, None, 100, exact=0.01)
        found = conclude([exact], RISK)[0]
        assert found.p_adjusted == pytest.approx(0.02)
        assert found.memorization is None


class TestRisk:
    def test_every_high_must_keep_its_limit(self) -> None:
        found = conclude([contrast_of(0.001, 0.001, 5000, beyond=0.0)], Risk())[0]
        assert Risk(0.1, 0.1).allows(found)
        assert not Risk(0.0, 0.1).allows(found)
        assert not Risk(0.1, 0.0).allows(found)

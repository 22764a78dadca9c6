"""Bounds on epsilon from below: valid where epsilon is known, and sharp enough to refute."""

from __future__ import annotations

import math
from functools import partial
from itertools import product

import numpy as np
import pytest
from scipy.stats import binom

from reticent.audit.epsilon import (
    Bound,
    chance,
    coins_of,
    lowest_epsilon,
    many_runs,
    one_run,
    retrained,
    threshold_of,
)

M = 1_000


def answers(epsilon: float, included: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Randomized response (Warner 1965): exactly epsilon-DP for each coin."""
    kept = rng.random(len(included)) < 1 / (1 + math.exp(-epsilon))
    return np.where(kept, included, ~included).astype(float)


def bounds(epsilon: float, runs: int, delta: float = 0.0) -> np.ndarray:
    found = []
    for seed in range(runs):
        rng = np.random.default_rng([seed, 13])
        bound = retrained(partial(answers, epsilon, rng=rng), M, rng, delta=delta)
        found.append(bound.epsilon)
    return np.array(found)


@pytest.mark.parametrize("delta", [0.0, 1e-5])
def test_a_true_claim_is_refuted_no_oftener_than_said(delta: float) -> None:
    """Level .05: of 200 runs, at most the 1e-6 quantile of Binomial(200, .05), which is 29."""
    critical = binom.isf(1e-6, 200, 0.05)
    assert (bounds(1.0, 200, delta) > 1.0).sum() <= critical


def test_noise_cut_by_a_quarter_is_seen() -> None:
    """The twin: at 4/3 of the claimed epsilon, most runs refute the claim."""
    claimed = 1.5
    assert (bounds(claimed / 0.75, 40) > claimed).mean() > 0.5


def test_who_leaks_nothing_proves_nothing() -> None:
    rng = np.random.default_rng(0)
    included = rng.integers(2, size=M).astype(bool)
    assert one_run(rng.normal(size=M), included).epsilon == 0
    bound = one_run(np.zeros(M), included)
    assert bound.epsilon == 0
    assert not bound.contradicts(0.1)


def test_a_perfect_guess_is_bounded_by_the_number_of_coins() -> None:
    included = np.random.default_rng(0).permutation(M) < M // 2
    bound = one_run(included.astype(float), included)
    # The largest share that 1,000 of 1,000 leave open at .05 / 3: (.05 / 3) ** (1 / 1000).
    share = (0.05 / 3) ** (1 / M)
    assert bound.epsilon == pytest.approx(math.log(share / (1 - share)), abs=0.002)
    assert bound.contradicts(3.0)
    assert not bound.contradicts(8.0)
    assert not bound.contradicts(3.0, delta=1e-5), "a claim of a larger delta claims less"


def test_the_chance_is_the_binomial_tail_and_grows_with_delta() -> None:
    assert chance(60, 100, 1000, 0.0, 0.0) == pytest.approx(binom.sf(59, 100, 0.5))
    found = [chance(60, 100, 1000, 0.0, delta) for delta in (0.0, 1e-6, 1e-4, 1e-3)]
    assert found == sorted(found)
    assert found[-1] > found[0]
    assert chance(0, 100, 1000, 1.0, 0.1) == 1.0


@pytest.mark.parametrize("delta", [0.0, 0.05])
def test_the_chance_holds_for_a_mechanism_with_failures(delta: float) -> None:
    """Each of 6 coins is told outright with probability delta, else by randomized response.

    That is (epsilon, delta)-DP per coin; the exact tail is enumerated.
    """
    epsilon, m = 0.7, 6
    share = 1 / (1 + math.exp(-epsilon))
    each = delta + (1 - delta) * share
    for right in range(m + 1):
        exact = sum(
            math.prod(each if hit else 1 - each for hit in hits)
            for hits in product((0, 1), repeat=m) if sum(hits) >= right
        )  # fmt: skip
        assert chance(right, m, m, epsilon, delta) >= exact - 1e-12


def test_more_delta_proves_less() -> None:
    found = [lowest_epsilon(90, 100, 1000, delta, 0.05) for delta in (0.0, 1e-6, 1e-4, 1e-2)]
    assert found == sorted(found, reverse=True)
    assert found[0] > found[-1]
    assert lowest_epsilon(50, 100, 1000, 1e-6, 0.05) == 0


# Many runs ------------------------------------------------------------------------------------


def gaussian(shift: float, runs: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([seed, 17])
    return rng.normal(shift, 1, runs), rng.normal(0, 1, runs)


def test_many_runs_bound_a_known_mechanism_from_below() -> None:
    """One coin by randomized response at epsilon 1: the bound exceeds it in at most 5 % of runs."""
    high = 0
    for seed in range(200):
        rng = np.random.default_rng([seed, 19])
        told = [answers(1.0, np.full(200, side), rng) for side in (True, False)]
        high += many_runs(told[0], told[1], 0.5).epsilon > 1.0
    assert high <= binom.isf(1e-6, 200, 0.05)


def test_many_runs_see_what_is_there_on_either_side() -> None:
    inside, outside = gaussian(2.0, 500, 0)
    threshold = threshold_of(*gaussian(2.0, 100, 1))
    assert many_runs(inside, outside, threshold).epsilon > 1
    assert many_runs(outside, inside, threshold).epsilon == 0
    same = gaussian(0.0, 500, 2)
    assert many_runs(*same, 0.0).epsilon == 0
    loose = many_runs(inside, outside, threshold, delta=0.5)
    assert loose.epsilon < many_runs(inside, outside, threshold).epsilon


# A split as coins -----------------------------------------------------------------------------


def test_a_random_split_is_read_as_independent_coins() -> None:
    """The number of heads has the variance of coins, which that of a fixed split has not."""
    member = np.arange(400) < 200
    heads = []
    for seed in range(300):
        rng = np.random.default_rng([seed, 23])
        taken = coins_of(member, rng)
        assert len(np.unique(taken)) == len(taken)
        heads.append(int(member[taken].sum()))
        m = len(taken)
    assert m == int(400 - 8 * math.sqrt(200))
    # Variance m / 4 = 71; of 300 draws its standard error is 8 %, so 5 of them: 40 %.
    assert np.var(heads) == pytest.approx(m / 4, rel=0.4)
    assert np.mean(heads) == pytest.approx(m / 2, abs=5 * math.sqrt(m / 4 / 300))


def test_equal_scores_in_the_order_of_a_table_prove_nothing() -> None:
    member = np.arange(400) < 200
    taken = coins_of(member, np.random.default_rng(0))
    assert one_run(np.zeros(len(taken)), member[taken]).epsilon == 0


def test_too_few_people_make_no_coins() -> None:
    assert len(coins_of(np.arange(10) < 5, np.random.default_rng(0))) == 0
    assert Bound(0.0, 0.0, 0.05, 0, 0, 0).contradicts(0.0) is False

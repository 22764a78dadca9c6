"""Statistics: measures against scikit-learn and by hand, intervals that keep their promise."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom, norm
from sklearn.metrics import accuracy_score, matthews_corrcoef, mean_absolute_error, r2_score
from sklearn.metrics import roc_auc_score as reference_auc

from reticent import stats

Floats = NDArray[np.float64]


def sample_of(n: int, seed: int, draws: int = 4, people: int | None = None) -> stats.Resamples:
    rng = np.random.default_rng(seed)
    whose = np.arange(n) if people is None else rng.permutation(np.arange(n) % people)
    return stats.resample(whose, rng, draws)


def by_hand(sample: stats.Resamples, draw: int) -> NDArray[np.intp]:
    """The rows of one draw, each as often as it was drawn."""
    return np.repeat(np.arange(len(sample)), sample.weights[:, draw])


# Resamples ------------------------------------------------------------------------------------


def test_the_first_column_is_the_sample_itself() -> None:
    assert (sample_of(20, 0).weights[:, 0] == 1).all()


@given(n=st.integers(1, 40), people=st.integers(1, 10), seed=st.integers(0, 99))
def test_the_rows_of_a_person_come_or_stay_away_together(n: int, people: int, seed: int) -> None:
    whose = np.arange(n) % min(people, n)
    sample = stats.resample(whose, np.random.default_rng(seed), 5)
    for person in set(whose.tolist()):
        rows = sample.weights[whose == person]
        assert (rows == rows[0]).all()
    firsts = np.unique(whose, return_index=True)[1]
    assert (sample.weights[firsts].sum(axis=0) == len(firsts)).all()


def test_repeating_every_row_of_a_person_changes_no_interval() -> None:
    rng = np.random.default_rng(0)
    scores, truth = rng.normal(size=60), rng.integers(2, size=60) == 1
    once = stats.auc(stats.resample(np.arange(60), np.random.default_rng(1), 50), scores, truth)
    whose = np.tile(np.arange(60), 3)
    thrice = stats.resample(whose, np.random.default_rng(1), 50)
    repeated = stats.auc(thrice, np.tile(scores, 3), np.tile(truth, 3))
    assert np.allclose(once, repeated)
    rows = stats.resample(np.arange(180), np.random.default_rng(1), 50)
    assert stats.spread(stats.auc(rows, np.tile(scores, 3), np.tile(truth, 3))) < 0.8 * (
        stats.spread(once)
    )


def test_taking_rows_keeps_their_draws() -> None:
    sample, rows = sample_of(12, 3), np.array([7, 2])
    assert (sample.take(rows).weights == sample.weights[rows]).all()


# Measures -------------------------------------------------------------------------------------

# Few distinct scores, so that most of them are tied.
tied = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 2)), min_size=4, max_size=40
)


@given(rows=tied, seed=st.integers(0, 99))
def test_auc_is_scikit_learns_on_every_draw(rows: list[tuple[int, int, int]], seed: int) -> None:
    scores = np.array([row[0] / 7 for row in rows])
    truth = np.array([row[1] == 1 for row in rows])
    sample = sample_of(len(rows), seed)
    found = stats.auc(sample, scores, truth)
    for draw in range(sample.weights.shape[1]):
        weights = sample.weights[:, draw]
        if len(set(truth[weights > 0].tolist())) < 2:
            assert math.isnan(found[draw])
        else:
            wanted = reference_auc(truth, scores, sample_weight=weights)
            assert found[draw] == pytest.approx(wanted, abs=1e-9)


@given(rows=tied, seed=st.integers(0, 99))
def test_mcc_and_accuracy_are_scikit_learns_on_every_draw(
    rows: list[tuple[int, int, int]], seed: int
) -> None:
    guess, truth = (np.array([row[part] for row in rows]) for part in (1, 2))
    sample = sample_of(len(rows), seed)
    correlated, right = stats.mcc(sample, guess, truth, 3), stats.accuracy(sample, guess, truth)
    for draw in range(sample.weights.shape[1]):
        drawn = by_hand(sample, draw)
        assert right[draw] == pytest.approx(accuracy_score(truth[drawn], guess[drawn]))
        one = len(set(truth[drawn].tolist())) < 2 or len(set(guess[drawn].tolist())) < 2
        wanted = 0.0 if one else matthews_corrcoef(truth[drawn], guess[drawn])
        assert correlated[draw] == pytest.approx(wanted, abs=1e-6)


@given(rows=tied, seed=st.integers(0, 99), share=st.sampled_from([0.05, 0.3, 1.0]))
def test_precision_at_is_the_mean_over_all_orders_of_the_tied(
    rows: list[tuple[int, int, int]], seed: int, share: float
) -> None:
    scores = np.array([float(row[0]) for row in rows])
    positive = np.array([row[1] == 1 for row in rows])
    sample = sample_of(len(rows), seed)
    found = stats.precision_at(sample, scores, positive, share)
    for draw in range(sample.weights.shape[1]):
        drawn = by_hand(sample, draw)
        taken = math.ceil(share * len(drawn))
        cut = np.sort(scores[drawn])[::-1][taken - 1]
        above, level = scores[drawn] > cut, scores[drawn] == cut
        hits = positive[drawn][above].sum()
        hits = hits + (taken - above.sum()) * positive[drawn][level].mean()
        assert found[draw] == pytest.approx(hits / taken)


def test_precision_of_one_score_for_all_is_the_prevalence_in_any_order() -> None:
    positive = np.arange(100) < 20
    for order in (positive, positive[::-1]):
        assert stats.precision_at(sample_of(100, 0), np.zeros(100), order)[0] == 0.2


@given(
    rows=st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3)), min_size=5, max_size=30),
    shift=st.sampled_from([0.0, 1e9]),
)
def test_r2_and_mae_are_scikit_learns(rows: list[tuple[float, float]], shift: float) -> None:
    guess, truth = np.round(np.array(rows).T, 3) + shift
    if len(set(truth.tolist())) < 3:
        return
    sample = sample_of(len(rows), 1)
    determined, off = stats.r2(sample, guess, truth), stats.mae(sample, guess, truth)
    for draw in range(sample.weights.shape[1]):
        drawn = by_hand(sample, draw)
        assert off[draw] == pytest.approx(mean_absolute_error(truth[drawn], guess[drawn]))
        if len(set(truth[drawn].tolist())) > 1:
            assert determined[draw] == pytest.approx(
                r2_score(truth[drawn], guess[drawn]), rel=1e-4, abs=1e-4
            )


def test_r2_of_a_constant_truth_is_unknown() -> None:
    assert np.isnan(stats.r2(sample_of(9, 0), np.arange(9.0), np.full(9, 4.0))).all()


def test_macro_measures_average_over_the_values_that_occur() -> None:
    rng = np.random.default_rng(4)
    scores, truth = rng.normal(size=(80, 4)), rng.integers(3, size=80)
    sample = sample_of(80, 0)
    areas = [reference_auc(truth == value, scores[:, value]) for value in range(3)]
    assert stats.macro_auc(sample, scores, truth)[0] == pytest.approx(np.mean(areas))
    each = [stats.precision_at(sample, scores[:, v], truth == v) for v in range(3)]
    found = stats.macro_precision_at(sample, scores, truth, 0)
    assert found == pytest.approx(np.mean(each, axis=0))


def test_of_two_values_the_second_is_ranked_and_the_rarest_is_counted() -> None:
    rng = np.random.default_rng(5)
    scores, truth = rng.normal(size=(80, 2)), rng.integers(2, size=80)
    sample = sample_of(80, 0)
    found = stats.macro_auc(sample, scores, truth)
    assert (found == stats.auc(sample, scores[:, 1], truth == 1)).all()
    rarest = stats.macro_precision_at(sample, scores, truth, 0)
    assert (rarest == stats.precision_at(sample, scores[:, 0], truth == 0)).all()


# Intervals ------------------------------------------------------------------------------------

TRUTH = float(norm.cdf(1 / math.sqrt(2)))  # the AUC of N(1, 1) against N(0, 1)
RUNS, PEOPLE = 500, 100


def _areas(run: int, draws: int = 150) -> Floats:
    rng = np.random.default_rng([run, 5])
    truth = np.arange(PEOPLE) % 2 == 0
    scores = rng.normal(size=PEOPLE) + truth
    return stats.auc(stats.resample(np.arange(PEOPLE), rng, draws), scores, truth)


@pytest.fixture(scope="module")
def areas() -> list[Floats]:
    return [_areas(run) for run in range(RUNS)]


def _percentile(found: Floats) -> float:
    return stats.percentile(found)[0]


def _student(found: Floats) -> float:
    return float(found[0] - stats.critical(0.05, PEOPLE // 2) * stats.spread(found))


# The claim: a one-sided 95 % bound misses a known truth in at most 9 % of the runs (the bootstrap
# of 100 people is not exact). n = 500 runs, statistic: misses, critical value: the binomial's at
# 1e-6. The twin: a bound of half the width misses in about 20 %, and the same test says so.
MISSES = stats.binomial_critical(RUNS, 0.09)


@pytest.mark.parametrize("bound", [_percentile, _student])
def test_a_lower_bound_covers_a_known_truth(
    bound: Callable[[Floats], float], areas: list[Floats]
) -> None:
    lows = np.array([bound(found) for found in areas])
    values = np.array([found[0] for found in areas])
    assert (lows > TRUTH).sum() <= MISSES
    assert ((lows + values) / 2 > TRUTH).sum() > MISSES


def test_spread_needs_half_of_the_draws() -> None:
    found = np.concatenate([[0.5], np.full(60, np.nan), np.linspace(0, 1, 40)])
    assert stats.spread(found) == math.inf
    assert stats.spread(found[30:]) == pytest.approx(np.linspace(0, 1, 40).std(ddof=1))


def test_p_value_and_critical_value_agree() -> None:
    for people in (2, 5, 50):
        at = stats.critical(0.01, people) * 0.1
        assert stats.p_value(at, 0.1, people) == pytest.approx(0.01)
    assert stats.p_value(0.0, 0.1, 9) == 0.5
    assert (stats.p_value(0.2, 0.0, 9), stats.p_value(0.0, 0.0, 9)) == (0.0, 1.0)
    assert stats.p_value(0.2, math.inf, 9) == 1.0


@given(error=st.floats(0.001, 0.2), people=st.integers(2, 500), level=st.floats(1e-5, 0.05))
def test_the_smallest_effect_grows_with_error_and_level_and_shrinks_with_people(
    error: float, people: int, level: float
) -> None:
    found = stats.smallest_effect(error, level, people)
    assert stats.smallest_effect(error * 2, level, people) >= found
    assert stats.smallest_effect(error, level / 2, people) > found
    assert stats.smallest_effect(error, level, people + 1) <= found
    assert stats.smallest_effect(error, level, people, power=0.9) > found
    assert stats.smallest_effect(error, level, people, averaged=3) <= found


def test_the_smallest_effect_is_unknown_with_one_person_or_no_error() -> None:
    assert stats.smallest_effect(0.1, 0.05, 1) == math.inf
    assert stats.smallest_effect(math.inf, 0.05, 50) == math.inf


def _seen(shift: float, runs: int) -> int:
    """In how many runs of 200 people the test sees AUC above 1/2."""
    hits = 0
    truth = np.arange(200) % 2 == 0
    for run in range(runs):
        rng = np.random.default_rng([run, 9])
        scores = rng.normal(size=200) + shift * truth
        found = stats.auc(stats.resample(np.arange(200), rng, 100), scores, truth)
        hits += found[0] - 0.5 > stats.critical(0.001, 100) * stats.spread(found)
    return hits


def test_the_smallest_effect_is_seen_with_the_power_that_it_states() -> None:
    # The claim: power at least .70 (80 % stated; the effect is evenly spread). n = 300 runs,
    # statistic: runs that see it, critical value: the binomial's lower 1e-6 quantile. The twin: an
    # effect of three quarters is seen too seldom, and the same test says so.
    error = math.sqrt((200 + 1) / (12 * 100 * 100))  # of an AUC without an effect
    effect = stats.smallest_effect(error, 0.001, 100, averaged=10)  # the evenly spread bound alone
    enough = int(binom.ppf(1e-6, 300, 0.70))
    shift = float(norm.ppf(0.5 + effect) * math.sqrt(2))
    assert _seen(shift, 300) >= enough
    less = float(norm.ppf(0.5 + 0.75 * effect) * math.sqrt(2))
    assert _seen(less, 300) < enough


# Exact tests ----------------------------------------------------------------------------------


@given(n=st.integers(1, 30), rate=st.sampled_from([0.1, 0.5, 0.9]), data=st.data())
def test_binomial_p_is_the_sum_of_its_terms(n: int, rate: float, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, n))
    terms = (math.comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(right, n + 1))
    assert stats.binomial_p(right, n, rate) == pytest.approx(sum(terms))


@given(n=st.integers(1, 200), rate=st.floats(0.05, 0.95))
def test_the_critical_count_is_the_smallest_that_keeps_the_false_alarm(n: int, rate: float) -> None:
    count = stats.binomial_critical(n, rate, 1e-3)
    assert stats.binomial_p(count + 1, n, rate) <= 1e-3
    assert count == 0 or stats.binomial_p(count, n, rate) > 1e-3


def test_clopper_pearson_by_closed_forms() -> None:
    for n in (1, 10, 100):
        assert stats.clopper_pearson(n, n)[0] == pytest.approx(0.05 ** (1 / n))
        assert stats.clopper_pearson(n, n)[1] == 1.0
        assert stats.clopper_pearson(0, n)[0] == 0.0
        assert stats.clopper_pearson(0, n)[1] == pytest.approx(1 - 0.05 ** (1 / n))


@given(n=st.integers(2, 100), data=st.data())
def test_clopper_pearson_turns_the_binomial_around(n: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(1, n - 1))
    low, high = stats.clopper_pearson(right, n, 0.01)
    assert low < right / n < high
    assert stats.binomial_p(right, n, low) == pytest.approx(0.01)
    assert float(binom.cdf(right, n, high)) == pytest.approx(0.01)
    mirrored = stats.clopper_pearson(n - right, n, 0.01)
    assert (1 - high, 1 - low) == pytest.approx(mirrored)


@given(n=st.integers(1, 300), data=st.data())
def test_the_epsilon_bound_rises_with_the_right_guesses(n: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, n - 1))
    assert stats.epsilon_lower_bound(right, n) <= stats.epsilon_lower_bound(right + 1, n)
    assert stats.epsilon_lower_bound(right, n, 0.01) <= stats.epsilon_lower_bound(right, n)


@given(n=st.integers(1, 500))
def test_the_epsilon_bound_is_0_at_chance(n: int) -> None:
    assert stats.epsilon_lower_bound(n // 2, n) == 0.0


def test_the_epsilon_bound_of_all_right_is_a_closed_form() -> None:
    low = 0.05 ** (1 / 40)
    assert stats.epsilon_lower_bound(40, 40) == pytest.approx(math.log(low / (1 - low)))


@settings(deadline=None, max_examples=8)
@given(epsilon=st.sampled_from([0.1, 0.5, 1.0, 2.0]), coins=st.sampled_from([200, 1_000]))
def test_randomized_response_is_not_contradicted(epsilon: float, coins: int) -> None:
    # n = 4,000 runs at level .05, statistic: runs whose bound is above the true epsilon, critical
    # value: the binomial's at 1e-6.
    rate = math.exp(epsilon) / (1 + math.exp(epsilon))
    assert _contradicted(rate, epsilon, coins) <= stats.binomial_critical(4_000, 0.05)


def test_randomized_response_with_a_quarter_less_noise_is_contradicted() -> None:
    # The twin: coins are turned around in three quarters of the cases that epsilon 1 asks for.
    rate = 1 - 0.75 / (1 + math.e)
    assert _contradicted(rate, 1.0, 200) > stats.binomial_critical(4_000, 0.05)


def _contradicted(rate: float, epsilon: float, coins: int) -> int:
    right = np.random.default_rng(8).binomial(coins, rate, size=4_000)
    bounds = {count: stats.epsilon_lower_bound(count, coins) for count in set(right.tolist())}
    return sum(bounds[count] > epsilon for count in right.tolist())

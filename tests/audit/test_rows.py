"""Judging rebuilt rows: what knows nothing about a person scores one half."""

from __future__ import annotations

import numpy as np
import pytest

from reticent import stats
from reticent.audit.rows import Space, center, fit_space, identified, worst
from reticent.dataset import Dataset

N = 80


def people(seed: int = 0, n: int = N) -> Dataset:
    rng = np.random.default_rng(seed)
    towns = np.array(["Bath", "York", None], dtype=object)
    words = np.array(["ache", "fever", "cough", "rash"], dtype=object)
    notes = [" ".join(["the patient has", *rng.choice(words, 2)]) for _ in range(n)]
    return Dataset({
        "age": rng.normal(50, 10, n), "town": towns[rng.integers(3, size=n)],
        "note": np.array(notes, dtype=object),
    })  # fmt: skip


@pytest.fixture(scope="module")
def space() -> Space:
    return fit_space(people(9, 300), ["age", "town", "note"])


def sample(n: int = N) -> stats.Resamples:
    return stats.resample(np.arange(n), np.random.default_rng(0), 200)


def auc(space: Space, guess: np.ndarray, alike: np.ndarray | None = None) -> float:
    truth = space(people())
    codes = np.zeros(N, dtype=np.intp) if alike is None else alike
    return float(identified(guess, truth, space, sample(), codes).auc[0])


def test_the_truth_itself_is_told_apart_from_everybody(space: Space) -> None:
    told = identified(space(people()), space(people()), space, sample(), np.zeros(N, np.intp))
    assert told.auc[0] == pytest.approx(1.0)
    assert told.score.accuracy.value == pytest.approx(1.0)
    assert told.score.more["exact"].value == pytest.approx(1.0)
    assert told.score.more["top1"].value == pytest.approx(1.0)


def test_one_guess_for_everybody_scores_one_half_exactly(space: Space) -> None:
    middle = center(space, people(9, 300), np.zeros(300, np.intp), np.zeros(N, np.intp))
    assert auc(space, middle) == pytest.approx(0.5, abs=1e-9)


def test_somebody_else_s_row_scores_one_half(space: Space) -> None:
    found = [auc(space, space(people(seed))) for seed in range(20, 30)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.03)


def test_what_is_known_anyway_earns_nothing(space: Space) -> None:
    towns = np.array([["Bath", "York", None].index(town) for town in people()["town"]])
    middle = center(space, people(9, 300), _towns(people(9, 300)), towns)
    assert auc(space, middle) > 0.6
    assert auc(space, middle, towns) == pytest.approx(0.5, abs=1e-9)


def _towns(rows: Dataset) -> np.ndarray:
    return np.array([["Bath", "York", None].index(town) for town in rows["town"]])


def test_equal_people_are_ties(space: Space) -> None:
    truth = np.tile(space(people())[:1], (N, 1))
    told = identified(truth, truth, space, sample(), np.zeros(N, np.intp))
    assert told.auc[0] == pytest.approx(0.5)
    assert worst(told.each, np.arange(N)) == ()


def test_a_prose_column_is_its_words_and_a_category_is_not(space: Space) -> None:
    assert set(space.words) == {"note"}
    assert "fever" in space.words["note"]
    assert "town" in space.encode.levels


def test_columns_are_right_within_a_tenth_of_the_spread(space: Space) -> None:
    rows, near = people(), people()["age"].copy()
    spread = people(9, 300)["age"].std()
    near[0] += 0.05 * spread
    near[1] += 0.5 * spread
    right = space.right(space(rows.replaced("age", near)), space(rows))
    assert right[:3, 0].tolist() == [1.0, 0.0, 1.0]
    assert right[:, 1:].min() == pytest.approx(1.0)


def test_the_space_of_some_columns_reads_the_same_numbers(space: Space) -> None:
    seen, some = space(people()), space.only(["note", "age"])
    kept = seen[:, space.of(["note", "age"])]
    first, last = some.spans["note"]
    assert (kept[:, first:last] == seen[:, slice(*space.spans["note"])]).all()
    assert some.right(kept, kept).shape == (N, 2)


def test_the_worst_hit_are_named_by_place() -> None:
    each = np.array([0.5, 0.9, 0.4, 0.99])
    assert worst(each, np.array([10, 11, 12, 13])) == (13, 11)

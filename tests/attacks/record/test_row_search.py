"""Climbing to rows that a model is surest of."""

from __future__ import annotations

import numpy as np
import pytest

from attacks.held import Scripted
from reticent.attacks.record.row_search import SWEEPS, VALUES, RowSearch, values_of
from reticent.dataset import Dataset
from reticent.targets.wrap import Metered

PEAK = {"age": 3, "income": 5, "hidden": 1}


def public(n: int = 40) -> Dataset:
    rng = np.random.default_rng(0)
    columns = {name: rng.integers(0, 8, n) for name in PEAK}
    return Dataset({**columns, "label": np.ones(n, dtype=int)})


def peaked(rows: Dataset) -> np.ndarray:
    hits = [np.asarray(rows[name] == value, dtype=float) for name, value in PEAK.items()]
    return np.asarray(0.1 + 0.3 * np.sum(hits, axis=0))


def test_it_ends_on_the_only_peak_and_claims_it_once() -> None:
    target = Scripted(peaked)
    claims = RowSearch().claim(target, public(), "label", np.random.default_rng(1))
    assert len(claims.rows) == 1
    assert {name: int(claims.rows[name][0]) for name in PEAK} == PEAK
    assert claims.confidence == pytest.approx([1.0])


def test_a_model_that_always_says_the_same_moves_nobody() -> None:
    flat = Scripted(lambda rows: np.full(len(rows), 0.5))
    claims = RowSearch().claim(flat, public(), "label", np.random.default_rng(1))
    assert {tuple(row) for row in claims.rows.frame()} == {tuple(row) for row in public().frame()}


def test_refused_rows_are_no_peaks() -> None:
    def shy(rows: Dataset) -> np.ndarray:
        return np.where(rows["age"] == PEAK["age"], np.nan, peaked(rows))

    claims = RowSearch().claim(Scripted(shy), public(), "label", np.random.default_rng(1))
    started = public()["age"] == PEAK["age"]
    assert (claims.rows["age"] != PEAK["age"]).any()
    assert np.isfinite(claims.confidence).all()
    assert started.any()


def test_it_asks_no_more_than_it_says() -> None:
    meter = Metered(Scripted(peaked))
    RowSearch().claim(meter, public(), "label", np.random.default_rng(1))
    assert meter.queries <= 40 + SWEEPS * 40 * 8 * len(PEAK)


def test_the_same_seed_claims_the_same() -> None:
    both = [RowSearch().claim(Scripted(peaked), public(), "label", np.random.default_rng(1))
            for _ in range(2)]  # fmt: skip
    assert both[0].rows.digest() == both[1].rows.digest()


class TestValues:
    def test_few_numbers_are_all_tried(self) -> None:
        assert values_of(np.array([3.0, 1.0, np.nan, 3.0])).tolist() == [1.0, 3.0]

    def test_many_numbers_by_quantiles_that_occur(self) -> None:
        numbers = np.random.default_rng(0).normal(size=500)
        found = values_of(numbers)
        assert len(found) == VALUES
        assert set(found) <= set(numbers)

    def test_of_many_words_the_commonest(self) -> None:
        words = np.array([f"w{place}" for place in range(50)] + ["often"] * 3 + [None], object)
        found = values_of(words)
        assert len(found) == VALUES
        assert found[0] == "often"
        assert None not in found.tolist()

"""The gate: class summaries of honest people, and the share of them that passes."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from people import guests
from reticent.dataset import Dataset
from reticent.errors import DataError
from reticent.randomness import generator
from reticent.targets.gate import FEWEST, fit_gate

COLUMNS = ["age", "dose", "city"]


def honest(n: int, seed: int = 0) -> Dataset:
    rows = guests(n, seed)
    return rows.replaced("y", np.where(rows["dose"] > 2, "high", "low").astype(object))


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_the_stated_share_of_fresh_honest_people_passes(share: float) -> None:
    # The threshold is a quantile of 5,000 held-out people (standard error at most .0071), so the
    # claim is share +- .04 (5 errors). n = 5,000 fresh people, statistic: how many pass, critical
    # values: the binomial's at 1e-6 around that band. The twin: a gate for .15 less is outside.
    fresh = honest(5_000, 9)
    low, high = binom.ppf(1e-6, 5_000, share - 0.04), binom.isf(1e-6, 5_000, share + 0.04)
    gate = fit_gate(honest(10_000), COLUMNS, "y", share, generator(0, "gate"))
    assert low <= gate.passes(fresh).sum() <= high
    less = fit_gate(honest(10_000), COLUMNS, "y", share - 0.15, generator(0, "gate"))
    assert less.passes(fresh).sum() < low


def test_who_is_far_from_everybody_is_refused() -> None:
    gate = fit_gate(honest(400), COLUMNS, "y", 0.9, generator(0, "gate"))
    far = honest(20).replaced("age", np.full(20, 400.0))
    assert not gate.passes(far).any()
    assert (gate.distance(far) > gate.farthest).all()


def test_a_gate_looks_at_its_columns_only() -> None:
    gate = fit_gate(honest(400), COLUMNS, "y", 0.9, generator(0, "gate"))
    rows = honest(60, 3)
    changed = rows.replaced("gene", rows["gene"][::-1]).replaced("y", rows["y"][::-1])
    assert set(gate.columns) == set(COLUMNS)
    assert (gate.distance(changed) == gate.distance(rows)).all()


def test_a_summary_stands_for_ten_people_at_least() -> None:
    rows = honest(200)
    labels = np.array(["common"] * 185 + ["rare"] * 15, dtype=object)  # 7 or 8 in either half
    gate = fit_gate(rows.replaced("y", labels), COLUMNS, "y", 0.9, generator(0, "gate"))
    assert len(gate.centers) == 1
    labels[:60] = "rare"
    gate = fit_gate(rows.replaced("y", labels), COLUMNS, "y", 0.9, generator(0, "gate"))
    assert len(gate.centers) == 2


def test_without_any_large_class_there_is_one_summary_of_all() -> None:
    rows = honest(100).replaced("y", np.arange(100.0))
    assert len(fit_gate(rows, COLUMNS, "y", 0.9, generator(0, "gate")).centers) == 1


def test_one_person_moves_the_gate_little() -> None:
    rows = honest(2_000)
    first = fit_gate(rows, COLUMNS, "y", 0.9, generator(0, "gate"))
    moved = rows["age"].copy()
    moved[0] += 30
    second = fit_gate(rows.replaced("age", moved), COLUMNS, "y", 0.9, generator(0, "gate"))
    asked = honest(500, 5)
    assert (first.passes(asked) != second.passes(asked)).mean() < 0.02


def test_too_few_honest_people_are_refused() -> None:
    with pytest.raises(DataError, match="39 non-members"):
        fit_gate(honest(4 * FEWEST - 1), COLUMNS, "y", 0.9, generator(0, "gate"))


def test_a_constant_column_makes_no_gate_infinite() -> None:
    rows = honest(100).replaced("dose", np.zeros(100))
    gate = fit_gate(rows, COLUMNS, "y", 0.9, generator(0, "gate"))
    assert np.isfinite(gate.distance(rows)).all()

"""The way back from vectors: found where there is one, not found where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from reticent.attacks import named
from reticent.attacks.embedding.inverter import Pairs
from reticent.attacks.embedding.ridge_inversion import ridge

INVERTERS = ("ridge_inversion", "mlp_inversion", "retrieval_inversion", "aligned_inversion")
Floats = NDArray[np.float64]


def world(m: int, noise: float = 0.0, seed: int = 0) -> tuple[Pairs, Floats, Floats]:
    """Inputs of 6 numbers around 2 directions, and vectors of 10 that mix them."""
    rng = np.random.default_rng(seed)
    axes, mix = rng.normal(size=(2, 6)), rng.normal(size=(6, 10))
    inputs = rng.normal(size=(600, 2)) @ axes + 0.1 * rng.normal(size=(600, 6))
    vectors = np.tanh(inputs @ mix / 4) + noise * rng.normal(size=(600, 10))
    public, asked = slice(0, 500), slice(500, 600)
    return Pairs(vectors[:m], inputs[:m], inputs[public]), vectors[asked], inputs[asked]


def missed(name: str, pairs: Pairs, vectors: Floats, truth: Floats) -> float:
    """The error as a share of the public mean's."""
    found = named(name).invert(pairs, vectors, np.random.default_rng(0))
    assert found.shape == truth.shape
    mean = pairs.public.mean(axis=0)
    return float(((found - truth) ** 2).sum() / ((truth - mean) ** 2).sum())


@pytest.mark.parametrize("name", INVERTERS)
def test_inputs_come_back(name: str) -> None:
    assert missed(name, *world(400)) < 0.25


@pytest.mark.parametrize("name", INVERTERS)
def test_from_shuffled_vectors_nothing_comes_back(name: str) -> None:
    pairs, vectors, truth = world(400)
    order = np.random.default_rng(1).permutation(len(truth))
    assert missed(name, pairs, vectors[order], truth) > 0.9


@pytest.mark.parametrize("name", INVERTERS)
def test_from_vectors_that_are_all_the_same_the_mean_comes_back(name: str) -> None:
    pairs, vectors, _ = world(400)
    flat = Pairs(np.ones_like(pairs.vectors), pairs.inputs, pairs.public)
    found = named(name).invert(flat, np.ones_like(vectors), np.random.default_rng(0))
    assert np.ptp(found, axis=0) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("m", [1, 2, 5])
@pytest.mark.parametrize("name", INVERTERS)
def test_hardly_any_pairs_are_no_error(name: str, m: int) -> None:
    assert np.isfinite(missed(name, *world(m)))


def test_alignment_needs_fewer_pairs_than_a_plain_map() -> None:
    both = {name: np.mean([missed(name, *world(6, 0.2, seed)) for seed in range(8)])
            for name in ("ridge_inversion", "aligned_inversion")}  # fmt: skip
    assert both["aligned_inversion"] < both["ridge_inversion"]


def test_the_penalty_is_chosen_on_pairs_left_out() -> None:
    rng = np.random.default_rng(0)
    seen, asked = rng.normal(size=(30, 25)), rng.normal(size=(200, 25))
    seen, noise = seen - seen.mean(0), rng.normal(size=(30, 1))
    found = ridge(seen, noise - noise.mean(0), asked)
    assert found.std() < 0.3, "noise is not learned by heart"

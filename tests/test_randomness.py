"""Randomness: repeatable and independent by name; keyed noise uniform and secret."""

from __future__ import annotations

import hashlib
import hmac

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstwo

from reticent.randomness import generator, keyed_uniforms, subkey, subseed

N = 8_000
KEY = b"k" * 32

# Kolmogorov-Smirnov: n = 8,000 samples, statistic D = the largest distance between the empirical
# and the uniform distribution function, critical value from its exact distribution at 1e-6.
CRITICAL_D = float(kstwo.isf(1e-6, N))


def distance(numbers: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """The Kolmogorov-Smirnov statistic against the uniform distribution on 0..1."""
    ranked = np.sort(numbers)
    steps = np.arange(len(ranked) + 1) / len(ranked)
    return float(max((steps[1:] - ranked).max(), (ranked - steps[:-1]).max()))


def records(n: int = N) -> list[bytes]:
    return [f"record {place}".encode() for place in range(n)]


def test_the_same_name_draws_the_same() -> None:
    first = generator(3, "bootstrap", "members").random(5)
    assert (first == generator(3, "bootstrap", "members").random(5)).all()


@pytest.mark.parametrize(
    ("seed", "names"),
    [
        (3, ("bootstrap", "others")),
        (4, ("bootstrap", "members")),
        (3, ("bootstrap",)),
        (3, ("bootstrapmembers",)),
        (3, ("members", "bootstrap")),
    ],
)
def test_another_name_or_seed_draws_something_else(seed: int, names: tuple[str, ...]) -> None:
    first = generator(3, "bootstrap", "members").random(5)
    assert not np.intersect1d(first, generator(seed, *names).random(5)).size


def test_streams_of_neighboring_names_are_uncorrelated() -> None:
    # n = 8,000 pairs, statistic sqrt(n) * correlation ~ N(0, 1), critical value 4.9 (two-sided
    # 1e-6).
    first, second = (generator(0, "shadow", place).standard_normal(N) for place in (0, 1))
    found = np.asarray(np.corrcoef(first, second))[0, 1] * np.sqrt(N)
    assert abs(found) < 4.9


@given(seed=st.integers(0, 2**63), name=st.text(max_size=10))
def test_a_subseed_fits_31_bits(seed: int, name: str) -> None:
    assert 0 <= subseed(seed, name) < 2**31 - 1
    assert subseed(seed, name) == subseed(seed, name)


def test_a_subkey_is_hkdf_by_rfc_5869() -> None:
    secret = bytes(range(40))
    drawn = hmac.new(bytes(32), secret, hashlib.sha256).digest()
    by_hand = hmac.new(drawn, b"reticent/noise\x01", hashlib.sha256).digest()
    assert subkey(secret, "noise") == by_hand
    assert subkey(secret, "sketch") != by_hand
    assert subkey(b"x" + secret, "noise") != by_hand


def test_keyed_uniforms_are_uniform() -> None:
    numbers = keyed_uniforms(KEY, records(), 1)[:, 0]
    assert distance(numbers) < CRITICAL_D
    assert ((numbers > 0) & (numbers < 1)).all()


def test_the_uniformity_test_can_fail() -> None:
    # The twin: numbers squeezed by a quarter are no longer uniform, and the same test says so.
    numbers = keyed_uniforms(KEY, records(), 1)[:, 0]
    assert distance(0.5 + (numbers - 0.5) * 0.75) > CRITICAL_D


def test_later_columns_are_uniform_and_independent_of_the_first() -> None:
    # 20 columns need three hash blocks. Per column the test above; between columns n = 8,000,
    # statistic sqrt(n) * correlation, critical value 6 over 19 pairs (1e-6 in all).
    numbers = keyed_uniforms(KEY, records(), 20)
    assert max(distance(numbers[:, column]) for column in (7, 8, 19)) < CRITICAL_D
    apart = np.asarray(np.corrcoef(numbers, rowvar=False))[0, 1:] * np.sqrt(N)
    assert np.abs(apart).max() < 6


@given(
    rows=st.lists(st.binary(max_size=20), min_size=1, max_size=6),
    width=st.integers(1, 20),
    key=st.binary(min_size=1, max_size=64),
)
def test_keyed_uniforms_depend_on_the_key_and_the_record_alone(
    rows: list[bytes], width: int, key: bytes
) -> None:
    together = keyed_uniforms(key, rows, width)
    for place, record in enumerate(rows):
        assert (together[place] == keyed_uniforms(key, [record], width)[0]).all()
        assert (together[place, :1] == keyed_uniforms(key, [record], 1)[0]).all()


def test_another_key_draws_something_else() -> None:
    first, second = (keyed_uniforms(key, records(50), 3) for key in (KEY, b"K" * 32))
    assert not (first == second).any()


def test_different_records_draw_different_numbers() -> None:
    assert len(np.unique(keyed_uniforms(KEY, records(), 1))) == N


def test_no_records_give_no_rows() -> None:
    assert keyed_uniforms(KEY, [], 4).shape == (0, 4)

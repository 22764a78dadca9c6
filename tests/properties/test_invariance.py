"""Laws of marginalize and noise: what an answer through a contract must not depend on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from people import GUEST_SCHEMA, Toy, guests, same
from reticent.contract import OUTPUTS, Abstain, Contract, Noise
from reticent.dataset import Dataset
from reticent.errors import ConfigError
from reticent.randomness import generator
from reticent.schema import Domain, Schema
from reticent.target import Answer, Target
from reticent.targets.contracted import behind, marginalize
from reticent.targets.gate import fit_gate
from reticent.targets.shape import noise

KEY = b"n" * 32
GENES = ["aa", "ab", "bb"]
ROWS = guests(40, seed=1)
HONEST = guests(200, seed=2).replaced("y", np.array(["u", "v"] * 100, dtype=object))
GATE = fit_gate(HONEST, ["age", "dose", "city"], "y", 0.8, generator(0, "gate"))
kinds = st.sampled_from(["scores", "label", "value"])
seeds = st.integers(0, 10_000)


@st.composite
def contracts(draw: st.DrawFn, tells: str) -> Contract:
    """Any contract that averages over the gene and holds for a model that tells this."""
    scores, value = tells == "scores", tells == "value"
    confident = scores and draw(st.booleans())
    refuses = Abstain(confidence=0.5) if confident else Abstain(honest=0.8)
    output = draw(st.sampled_from([name for name in OUTPUTS if name != "top_k" or not value]))
    return Contract(
        output=output,
        top_k=2 if output == "top_k" else None,
        marginalize=draw(st.sampled_from([("gene",), ("gene", "dose"), ("dose", "gene")])),
        abstain=draw(st.sampled_from([None, refuses])),
        noise=draw(st.sampled_from([None, Noise(0.1)])) if scores or value else None,
        decimals=draw(st.sampled_from([None, 0, 2])),
    )  # fmt: skip


def seen(tells: str, contract: Contract, key: bytes = KEY) -> Target:
    gate = GATE
    if "dose" in contract.marginalize:
        gate = fit_gate(HONEST, ["age", "city"], "y", 0.8, generator(0, "gate"))
    return behind(Toy(tells), contract, GUEST_SCHEMA, key=key, gate=gate)


# Marginalize ----------------------------------------------------------------------------------


@given(data=st.data(), tells=kinds, seed=seeds)
def test_a_marginalized_column_never_shows_in_the_answer(
    data: st.DataObject, tells: str, seed: int
) -> None:
    contract = data.draw(contracts(tells))
    target = seen(tells, contract)
    rng = np.random.default_rng(seed)
    plain = target.ask(ROWS)
    swapped = ROWS
    for name in contract.marginalize:
        swapped = swapped.replaced(name, rng.permutation(ROWS[name]))
    assert same(target.ask(swapped), plain)
    assert same(target.ask(ROWS.without(*contract.marginalize)), plain)
    assert same(target.ask(ROWS.replaced("gene", np.arange(40))), plain)
    assert target.ignores == frozenset(contract.marginalize)
    assert not target.ignores & set(target.columns)


def test_without_marginalize_the_column_does_show() -> None:
    swapped = ROWS.replaced("gene", ROWS["gene"][::-1].copy())
    target = behind(Toy(), Contract(output="scores"), GUEST_SCHEMA, key=KEY)
    assert not same(target.ask(ROWS), target.ask(swapped))


@pytest.mark.parametrize("tells", ["scores", "label", "value"])
def test_the_average_is_uniform_over_the_candidates(tells: str) -> None:
    model = Toy(tells)
    told = marginalize(model, {"gene": GENES, "dose": [0, 4]}).ask(ROWS)
    each = [
        model.ask(ROWS.replaced("gene", np.full(40, gene, dtype=object))
                  .replaced("dose", np.full(40, dose)))
        for gene in GENES for dose in (0, 4)
    ]  # fmt: skip
    if tells == "scores":
        assert told.scores is not None
        assert told.label is not None
        assert np.allclose(told.scores, np.mean([np.asarray(one.scores) for one in each], axis=0))
        assert (told.label == told.scores.argmax(axis=1)).all()
    if tells == "value":
        assert told.value is not None
        assert np.allclose(told.value, np.mean([np.asarray(one.value) for one in each], axis=0))
    if tells == "label":
        votes = np.mean([np.eye(3)[one.label] for one in each], axis=0)
        assert (told.label == votes.argmax(axis=1)).all()


def test_averaging_twice_over_different_columns_is_averaging_over_both() -> None:
    inner = marginalize(Toy(), {"gene": GENES})
    first = marginalize(inner, {"dose": [0, 4]}).ask(ROWS).scores
    second = marginalize(Toy(), {"gene": GENES, "dose": [0, 4]}).ask(ROWS).scores
    assert first is not None
    assert second is not None
    assert np.allclose(first, second, atol=1e-12)


def test_an_average_over_refusals_is_a_refusal() -> None:
    class Choosy(Toy):
        def ask(self, rows: Dataset) -> Answer:
            told = Toy.ask(self, rows)
            return Answer(told.label, told.scores, answered=rows["gene"] != "bb")

    told = marginalize(Choosy(), {"gene": GENES}).ask(ROWS)
    assert told.answered is not None
    assert told.label is not None
    assert told.scores is not None
    assert not told.answered.any()
    assert (told.label == -1).all()
    assert np.isnan(told.scores).all()


UNABLE: list[tuple[Contract, Schema, str]] = [
    (Contract(output="label", marginalize=("genes",)), GUEST_SCHEMA, "no such column"),
    (
        Contract(output="label", marginalize=("city",)),
        GUEST_SCHEMA,
        "neither its values nor its bins",
    ),
    (Contract(output="label", abstain=Abstain(honest=0.9)), GUEST_SCHEMA, "no gate"),
    (
        Contract(output="label", marginalize=("age",)),
        Schema.of(["age", "y"], {"y": "label"}, {"age": Domain(bins=tuple(range(1_003)))}),
        "1002 combinations",
    ),
]


@pytest.mark.parametrize(("contract", "schema", "found"), UNABLE)
def test_a_contract_that_cannot_hold_is_refused(
    contract: Contract, schema: Schema, found: str
) -> None:
    with pytest.raises(ConfigError, match=found):
        behind(Toy(), contract, schema, key=KEY)


def test_a_gate_on_a_marginalized_column_is_refused() -> None:
    contract = Contract(output="label", marginalize=("dose",), abstain=Abstain(honest=0.8))
    with pytest.raises(ConfigError, match=r"abstain\.honest"):
        behind(Toy(), contract, GUEST_SCHEMA, key=KEY, gate=GATE)


UNTOLD: list[tuple[str, Contract, str]] = [
    ("label", Contract(output="label", noise=Noise(0.1)), "noise"),
    ("label", Contract(output="label", abstain=Abstain(confidence=0.5)), "confidence"),
    ("value", Contract(output="label", abstain=Abstain(confidence=0.5)), "confidence"),
    ("value", Contract(output="top_k", top_k=1), "top_k"),
    ("value", Contract(output="scores", bands=(0.5,)), "bands"),
]


@pytest.mark.parametrize(("tells", "contract", "asked"), UNTOLD)
def test_a_step_that_needs_scores_is_refused_where_there_are_none(
    tells: str, contract: Contract, asked: str
) -> None:
    with pytest.raises(ConfigError, match=asked):
        behind(Toy(tells), contract, GUEST_SCHEMA, key=KEY)


# Noise ----------------------------------------------------------------------------------------

noisy_kinds = st.sampled_from(["scores", "value"])
STEPS = {"age": 0.1}


@given(seed=seeds, tells=noisy_kinds, size=st.integers(1, 40))
def test_noise_is_the_same_in_any_batch_and_order(seed: int, tells: str, size: int) -> None:
    target = noise(Toy(tells), 0.1, KEY)
    rows = np.random.default_rng(seed).integers(40, size=size)
    assert same(target.ask(ROWS.take(rows)), target.ask(ROWS).take(rows))


@given(seed=seeds, tells=noisy_kinds)
def test_noise_is_the_same_for_every_way_to_write_a_number(seed: int, tells: str) -> None:
    target = noise(Toy(tells), 0.1, KEY)
    rng = np.random.default_rng(seed)
    rows = ROWS.replaced("age", rng.integers(-2, 3, size=40).astype(float))
    plain = target.ask(rows)
    for kind in (np.int8, np.int64, np.float32):
        assert same(target.ask(rows.replaced("age", rows["age"].astype(kind))), plain)
    assert same(target.ask(rows.replaced("age", np.negative(np.negative(rows["age"])))), plain)
    flipped = np.where(rows["age"] == 0, -0.0, rows["age"])
    assert same(target.ask(rows.replaced("age", flipped)), plain)
    turned = Dataset({name: rows[name] for name in reversed(rows.names)})
    assert same(target.ask(turned), plain)
    assert same(target.ask(rows.replaced("more", np.arange(40))), plain)


@given(jitter=st.floats(-0.049, 0.049), tells=noisy_kinds)
def test_jitter_below_the_precision_draws_no_new_noise(jitter: float, tells: str) -> None:
    rows = ROWS.replaced("age", np.round(np.linspace(-0.2, 0.2, 40), 1))
    moved = rows.replaced("age", rows["age"] + jitter)
    drawn = [_noise_of(tells, asked) for asked in (rows, moved)]
    assert np.allclose(drawn[0], drawn[1], atol=1e-12)


def _noise_of(tells: str, rows: Dataset) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """What noise adds to a constant model, asked about these rows."""

    class Constant(Toy):
        def ask(self, rows: Dataset) -> Answer:
            n = len(rows)
            if self.tells == "value":
                return Answer(value=np.zeros(n))
            return Answer(np.zeros(n, np.intp), np.tile([0.5, 0.3, 0.2], (n, 1)))

    told = noise(Constant(tells), 0.01, KEY, STEPS).ask(rows)
    found = told.value if tells == "value" else told.scores
    assert found is not None
    return found


@given(seed=seeds, scale=st.sampled_from([1e-3, 0.05, 0.5, 5.0]))
def test_noise_never_changes_the_highest_class(seed: int, scale: float) -> None:
    rows = guests(200, seed)
    plain, told = Toy().ask(rows), noise(Toy(), scale, KEY).ask(rows)
    assert plain.scores is not None
    assert told.scores is not None
    assert (told.scores.argmax(axis=1) == plain.scores.argmax(axis=1)).all()
    assert (np.sort(told.scores, axis=1)[:, -1] > np.sort(told.scores, axis=1)[:, -2]).all()
    assert np.allclose(told.scores.sum(axis=1), 1)
    assert (told.scores >= 0).all()
    assert np.all(told.label == plain.label)


@given(scale=st.sampled_from([0.05, 5.0]), tells=noisy_kinds)
def test_every_answer_is_changed_and_each_key_changes_it_in_its_way(
    scale: float, tells: str
) -> None:
    rows = guests(200, 3)
    plain = Toy(tells).ask(rows)
    first, second = (noise(Toy(tells), scale, key).ask(rows) for key in (KEY, b"m" * 32))
    for one, other in ((plain, first), (plain, second)):
        part, changed = (a.value if tells == "value" else a.scores for a in (one, other))
        assert part is not None
        assert changed is not None
        apart = part != changed
        assert (apart if apart.ndim == 1 else apart.any(axis=1)).all()
    assert not same(first, second)


def test_noise_on_a_value_is_laplace_of_the_scale() -> None:
    # n = 6,000, statistic: the Kolmogorov-Smirnov distance to Laplace(0, 0.3), critical value at
    # 1e-6. The twin: noise of three quarters of the scale is farther.
    from scipy.stats import kstwo, laplace

    rows = guests(6_000, 4).replaced("age", np.arange(6_000.0))
    plain = Toy("value").ask(rows).value
    assert plain is not None
    distances = []
    for scale in (0.3, 0.225):
        told = noise(Toy("value"), scale, KEY).ask(rows).value
        assert told is not None
        ranked = laplace.cdf(np.sort(told - plain), scale=0.3)
        steps = np.arange(6_001) / 6_000
        distances.append(max((steps[1:] - ranked).max(), (ranked - steps[:-1]).max()))
    critical = kstwo.isf(1e-6, 6_000)
    assert distances[0] < critical < distances[1]


def test_an_internal_vector_does_not_pass_noise() -> None:
    contract = Contract(output="vector", noise=Noise(0.1))
    target = behind(Toy(), contract, GUEST_SCHEMA, key=KEY)
    assert target.ask(ROWS).vector is None

"""Laws of abstain and cut, and of the order of the steps: what an answer may hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from people import GUEST_SCHEMA, Toy, guests, same
from reticent.contract import OUTPUTS, Abstain, Contract, Noise, Output
from reticent.randomness import generator
from reticent.target import Answer, Reveals, Target
from reticent.targets.contracted import abstain, behind, marginalize
from reticent.targets.gate import fit_gate
from reticent.targets.shape import cut, noise

KEY = b"n" * 32
ROWS = guests(60, seed=1)
HONEST = guests(200, seed=2).replaced("y", np.array(["u", "v"] * 100, dtype=object))
GATE = fit_gate(HONEST, ["age", "dose", "city"], "y", 0.7, generator(0, "gate"))
KINDS = ["scores", "label", "value"]

REFUSE = Abstain(honest=0.7)


def contract(output: Output, **steps: object) -> Contract:
    top = {"top_k": 2} if output == "top_k" else {}
    return Contract(output=output, **top, **steps)  # type: ignore[arg-type]


def seen(model: Toy, given_: Contract) -> Target:
    return behind(model, given_, GUEST_SCHEMA, key=KEY, gate=GATE)


def able(tells: str, output: Output) -> bool:
    return not (tells == "value" and output == "top_k")


every_view = pytest.mark.parametrize(
    ("tells", "output"), [(t, o) for t in KINDS for o in OUTPUTS if able(t, o)]
)


# What an answer holds -------------------------------------------------------------------------

FIELDS: dict[tuple[str, str], set[str]] = {
    ("scores", "label"): {"label"},
    ("scores", "top_k"): {"label", "scores"},
    ("scores", "scores"): {"label", "scores"},
    ("scores", "vector"): {"label", "scores", "vector"},
}


@every_view
@pytest.mark.parametrize("refuse", [None, REFUSE])
def test_no_answer_holds_a_field_outside_its_contract(
    tells: str, output: Output, refuse: Abstain | None
) -> None:
    told = seen(Toy(tells), contract(output, abstain=refuse)).ask(ROWS)
    wanted = FIELDS.get((tells, output), {"label"} if tells == "label" else {"value"})
    wanted = {"answered"} if output == "none" else wanted | ({"answered"} if refuse else set())
    parts = ("label", "scores", "value", "vector", "answered")
    assert {name for name in parts if getattr(told, name) is not None} == wanted
    assert len(told) == len(ROWS)
    if output == "none":
        assert told.answered is not None
        assert not told.answered.any()


def flags(told: Answer) -> Reveals:
    found = Reveals.NOTHING
    if told.label is not None or told.value is not None:
        found |= Reveals.LABEL
    if told.scores is not None:
        found |= Reveals.TOP_K | (Reveals.SCORES if (told.scores != 0).all() else found)
    return found | (Reveals.VECTOR if told.vector is not None else found)


@every_view
@pytest.mark.parametrize("noisy", [None, Noise(0.05)])
def test_what_is_told_is_revealed_and_reveals_only_shrink(
    tells: str, output: Output, noisy: Noise | None
) -> None:
    if noisy and tells == "label":
        return
    model = Toy(tells)
    for refuse in (None, REFUSE):
        target = seen(model, contract(output, abstain=refuse, noise=noisy))
        allowed = model.reveals | (Reveals.ABSTAIN if refuse else Reveals.NOTHING)
        assert not target.reveals & ~allowed
        answered = target.ask(ROWS.take(np.flatnonzero(GATE.passes(ROWS))))
        assert not flags(answered) & ~target.reveals
    if output == "none":
        assert not target.reveals & ~(Reveals.ABSTAIN | Reveals.ANY_ROW)


@every_view
def test_refused_rows_tell_nothing(tells: str, output: Output) -> None:
    if output == "none":
        return
    passed = GATE.passes(ROWS)
    assert 5 < passed.sum() < 55
    for steps in ({}, {"decimals": 1}, {"bands": (0.3, 0.6)} if tells != "value" else {}):
        told = seen(Toy(tells), contract(output, abstain=REFUSE, **steps)).ask(ROWS)
        assert told.answered is not None
        assert (told.answered == passed).all()
        for part in (told.scores, told.value, told.vector):
            assert part is None or np.isnan(part[~passed]).all()
            assert part is None or not np.isnan(part[passed]).any()
        if told.label is not None:
            assert (told.label[~passed] == -1).all()
            assert (told.label[passed] >= 0).all()


def test_refused_rows_tell_nothing_through_noise_either() -> None:
    told = seen(Toy(), contract("top_k", abstain=REFUSE, noise=Noise(0.1))).ask(ROWS)
    assert told.scores is not None
    assert told.answered is not None
    assert np.isnan(told.scores[~told.answered]).all()
    assert not np.isnan(told.scores[told.answered]).any()


@given(floor=st.floats(0.34, 0.99))
def test_confidence_refuses_exactly_below_it(floor: float) -> None:
    told = seen(Toy(), contract("scores", abstain=Abstain(confidence=floor))).ask(ROWS)
    plain = Toy().ask(ROWS).scores
    assert plain is not None
    assert told.answered is not None
    assert (told.answered == (plain.max(axis=1) >= floor)).all()


# Cut, by brute force --------------------------------------------------------------------------


def scores_of(target: Target) -> NDArray[np.float64]:
    scores = target.ask(ROWS).scores
    assert scores is not None
    return scores


@given(decimals=st.integers(0, 6))
def test_decimals_are_pythons_rounding(decimals: int) -> None:
    plain, told = scores_of(Toy()), scores_of(cut(Toy(), contract("scores", decimals=decimals)))
    for before, after in zip(plain.ravel(), told.ravel(), strict=True):
        assert after == pytest.approx(round(float(before), decimals), abs=1e-12)
        assert abs(after - before) <= 0.5 * 10**-decimals + 1e-12


edges = st.lists(st.floats(0.01, 0.99), min_size=1, max_size=5, unique=True).map(sorted)


@given(bands=edges)
def test_bands_tell_the_highest_edge_that_is_not_above(bands: list[float]) -> None:
    plain, told = scores_of(Toy()), scores_of(cut(Toy(), contract("scores", bands=tuple(bands))))
    for before, after in zip(plain.ravel(), told.ravel(), strict=True):
        assert after == max(edge for edge in (0.0, *bands) if edge <= before)


@given(k=st.integers(1, 5))
def test_top_k_keeps_the_k_highest_and_nothing_else(k: int) -> None:
    told = scores_of(cut(Toy(), Contract(output="top_k", top_k=k)))
    for before, after in zip(scores_of(Toy()).tolist(), told.tolist(), strict=True):
        kept = sorted(before, reverse=True)[:k]
        assert after == [score if score in kept else 0.0 for score in before]


steps: st.SearchStrategy[dict[str, object]] = st.one_of(
    st.builds(dict, decimals=st.integers(0, 5)),
    st.builds(dict, bands=edges.map(tuple)),
    st.just({}),
)


@given(kind=st.sampled_from(KINDS), output=st.sampled_from(OUTPUTS), given_=steps)
def test_cutting_twice_is_cutting_once(
    kind: str, output: Output, given_: dict[str, object]
) -> None:
    if not able(kind, output) or (kind == "value" and "bands" in given_):
        return
    one = contract(output, **given_)
    once = cut(Toy(kind), one)
    assert same(cut(once, one).ask(ROWS), once.ask(ROWS))


def test_cut_leaves_the_inner_answer_alone() -> None:
    inner = Toy().ask(ROWS)

    class Fixed(Toy):
        def ask(self, rows: object) -> Answer:
            return inner

    before = scores_of(Toy()).copy()
    cut(Fixed(), Contract(output="top_k", top_k=1, decimals=0)).ask(ROWS)
    assert inner.scores is not None
    assert (inner.scores == before).all()


# The order ------------------------------------------------------------------------------------


def test_the_order_is_marginalize_abstain_noise_cut() -> None:
    full = contract(
        "top_k", marginalize=("gene",), abstain=Abstain(confidence=0.45), noise=Noise(0.2),
        decimals=2,
    )  # fmt: skip
    target = seen(Toy(), full)
    averaged = marginalize(Toy(), {"gene": ("aa", "ab", "bb")})
    by_hand = cut(noise(abstain(averaged, 0.45, None), 0.2, KEY, {"age": 0.1}), full)
    assert same(target.ask(ROWS), by_hand.ask(ROWS))
    wrong = [
        cut(abstain(noise(averaged, 0.2, KEY, {"age": 0.1}), 0.45, None), full),
        noise(cut(abstain(averaged, 0.45, None), contract("scores", decimals=2)), 0.2, KEY),
        cut(noise(marginalize(abstain(Toy(), 0.45, None), {"gene": ("aa", "ab", "bb")}), 0.2, KEY,
                  {"age": 0.1}), full),
    ]  # fmt: skip
    assert not any(same(target.ask(ROWS), one.ask(ROWS)) for one in wrong)


def test_a_regressor_answers_its_value_behind_every_output() -> None:
    plain = Toy("value").ask(ROWS)
    for output in ("label", "scores", "vector"):
        target = seen(Toy("value"), contract(output))
        assert same(target.ask(ROWS), plain)
    rounded = seen(Toy("value"), contract("label", decimals=1)).ask(ROWS).value
    assert plain.value is not None
    assert rounded is not None
    assert (rounded == np.round(plain.value, 1)).all()

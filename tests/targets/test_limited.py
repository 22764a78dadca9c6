"""``values_per_record``: the first few values of a record are answered truly, and no other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from people import GUEST_SCHEMA, Toy, guests, same
from reticent.contract import Abstain, Contract, Noise
from reticent.dataset import Dataset
from reticent.randomness import generator
from reticent.target import Answer, Reveals, Target
from reticent.targets.contracted import asked, behind
from reticent.targets.gate import fit_gate
from reticent.targets.limited import Asker, limited
from reticent.targets.shape import noise, shaper
from reticent.targets.wrap import Counting, Metered, Remembered, fresh

KEY = b"n" * 32
GENES = ["aa", "ab", "bb"]
ROWS = guests(30, seed=1)
HONEST = guests(200, seed=2).replaced("y", np.array(["u", "v"] * 100, dtype=object))
GATE = fit_gate(HONEST, ["age", "dose", "city"], "y", 0.7, generator(0, "gate"))
STEPS = GUEST_SCHEMA.precisions


def contract(limit: int | None = 1, **steps: object) -> Contract:
    return Contract(output="scores", marginalize=("gene",), values_per_record=limit, **steps)  # type: ignore[arg-type]


def seen(one: Contract, tells: str = "scores") -> Target:
    return behind(Toy(tells), one, GUEST_SCHEMA, key=KEY, gate=GATE)


def gene(name: str, rows: Dataset = ROWS) -> Dataset:
    return rows.replaced("gene", np.full(len(rows), name, dtype=object))


def bare(rows: Dataset, tells: str = "scores") -> Answer:
    told = Toy(tells).ask(rows)
    return Answer(told.label, told.scores, told.value)


AVERAGED = seen(contract(None))


@pytest.mark.parametrize("tells", ["scores", "label", "value"])
@pytest.mark.parametrize("limit", [1, 2])
def test_the_first_values_are_told_truly_and_the_rest_on_average(limit: int, tells: str) -> None:
    target, averaged = seen(contract(limit), tells), seen(contract(None), tells)
    for place, name in enumerate(GENES):
        truth = bare(gene(name), tells) if place < limit else averaged.ask(ROWS)
        assert same(target.ask(gene(name)), truth), name
    assert same(target.ask(gene("aa")), bare(gene("aa"), tells)), "the first is told again"
    assert same(target.ask(gene("zz")), averaged.ask(ROWS)), "no value of the domain, no answer"


@given(seed=st.integers(0, 10_000), limit=st.integers(1, 3))
def test_one_batch_is_many_single_questions(seed: int, limit: int) -> None:
    rng = np.random.default_rng(seed)
    rows = ROWS.take(rng.integers(4, size=40)).replaced(
        "gene", rng.choice(np.array(GENES, dtype=object), size=40)
    )
    one, other = seen(contract(limit)), seen(contract(limit))
    together = one.ask(rows)
    told = [other.ask(rows.take(slice(place, place + 1))).scores for place in range(40)]
    assert together.scores is not None
    assert np.array_equal(together.scores, np.concatenate([np.asarray(part) for part in told]))
    records: dict[bytes, set[bytes]] = {}
    truth = bare(rows).scores
    assert truth is not None
    for place in np.flatnonzero((together.scores == truth).all(axis=1)):
        row = rows.take(slice(place, place + 1))
        records.setdefault(row.without("gene").digest().encode(), set()).add(row["gene"][0])
    assert max(len(values) for values in records.values()) <= limit


def test_who_leaves_the_column_out_spends_nothing() -> None:
    target = seen(contract())
    assert same(target.ask(ROWS.without("gene")), AVERAGED.ask(ROWS))
    gaps = gene("aa")["gene"].copy()
    gaps[:10] = None
    told, truth = target.ask(ROWS.replaced("gene", gaps)), bare(gene("aa"))
    assert same(told.take(slice(10, None)), truth.take(slice(10, None)))
    assert same(told.take(slice(10)), AVERAGED.ask(ROWS).take(slice(10)))
    assert same(target.ask(gene("ab")).take(slice(10)), bare(gene("ab")).take(slice(10)))


def test_jitter_makes_no_new_record_and_every_value_counts() -> None:
    # age is recorded to a tenth: a question that is off by less is about the same person.
    target = seen(contract())
    target.ask(gene("aa"))
    jittered = gene("bb").replaced("age", ROWS["age"] + 0.03)
    assert same(target.ask(jittered), AVERAGED.ask(jittered))
    moved = gene("bb").replaced("age", ROWS["age"] + 0.3)
    assert same(target.ask(moved), bare(moved)), "the twin: farther off is another record"
    dose = Contract(output="scores", marginalize=("dose",), values_per_record=1)
    target = seen(dose)
    target.ask(ROWS)
    off = ROWS.replaced("dose", ROWS["dose"] + 1e-9)
    assert not same(target.ask(off), bare(off))


def test_refusing_is_decided_without_the_column() -> None:
    for refuse in (Abstain(confidence=0.45), Abstain(honest=0.7)):
        without = seen(contract(None, abstain=refuse)).ask(ROWS).answered
        assert without is not None
        assert 3 < without.sum() < 27
        target = seen(contract(abstain=refuse))
        assert target.reveals & Reveals.ABSTAIN
        for name in GENES:
            told = target.ask(gene(name))
            assert told.answered is not None
            assert (told.answered == without).all()
            assert told.scores is not None
            assert np.isnan(told.scores[~without]).all()
        truth, told = bare(gene("aa")).scores, fresh(target).ask(gene("aa"))
        assert truth is not None
        assert told.scores is not None
        assert np.array_equal(told.scores[without], truth[without])


def test_noise_belongs_to_the_question_that_was_answered() -> None:
    # With one noise for all of a record, two answers about it would cancel it.
    target = seen(contract(noise=Noise(0.05)))
    assert same(target.ask(gene("aa")), _noisy(gene("aa")))
    averaged = seen(contract(None, noise=Noise(0.05)))
    assert same(target.ask(gene("bb")), averaged.ask(ROWS))
    mixed = gene("aa").replaced("gene", np.where(np.arange(30) % 2, "aa", "ab").astype(object))
    told = target.ask(mixed)
    odd = np.arange(30) % 2 == 1
    assert same(told.take(np.flatnonzero(odd)), _noisy(gene("aa")).take(np.flatnonzero(odd)))
    assert same(told.take(np.flatnonzero(~odd)), averaged.ask(ROWS).take(np.flatnonzero(~odd)))


def _noisy(rows: Dataset) -> Answer:
    told = noise(Toy(), 0.05, KEY, STEPS).ask(rows)
    return Answer(told.label, told.scores)


def test_the_gateways_two_calls_are_the_audits_one() -> None:
    full = contract(2, noise=Noise(0.05), decimals=2, abstain=Abstain(confidence=0.45))
    both = limited(Toy(), asked(Toy(), full, GUEST_SCHEMA), full.marginalize, STEPS)
    shape = shaper(both.averaged, full, GUEST_SCHEMA, KEY, both.columns)
    target = seen(full)
    for name in GENES:
        truly = np.full(30, name != "bb")
        told = both.answer(gene(name), truly)
        assert same(shape(gene(name), told, truly), target.ask(gene(name)))


def test_records_and_values_are_told_apart_for_whoever_counts() -> None:
    both = limited(Toy(), AVERAGED, ("gene",), STEPS)
    trials = [both.trials(gene(name)) for name in GENES]
    records = [[one[0] for one in some if one] for some in trials]
    assert records[0] == records[1] == records[2]
    assert len(set(records[0])) == 30
    assert len({one[1] for some in trials for one in some if one}) == 3
    assert both.trials(ROWS.without("gene")) == [None] * 30
    assert same(both.ask(gene("aa")), AVERAGED.ask(ROWS)), "nobody in particular gets averages"


def test_a_new_principal_begins_anew_and_remembers_nothing() -> None:
    target = seen(contract())
    assert isinstance(target, Asker)
    assert isinstance(target, Counting)
    remembered = Remembered(target)
    remembered.ask(gene("aa"))
    assert same(remembered.ask(gene("bb")), AVERAGED.ask(ROWS))
    assert same(fresh(remembered).ask(gene("bb")), bare(gene("bb")))
    assert same(fresh(target).ask(gene("bb")), bare(gene("bb")))
    assert same(target.ask(gene("bb")), AVERAGED.ask(ROWS)), "the first one's count stays"


def test_a_target_that_does_not_count_is_met_as_it_is() -> None:
    for target in (Toy(), Remembered(Toy()), Remembered(AVERAGED), Metered(Toy())):
        assert fresh(target) is target

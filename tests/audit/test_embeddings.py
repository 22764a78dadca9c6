"""Vectors: inputs and hidden columns come back where they stand in them, and not otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import reticent
from reticent.audit.embeddings import Scene, exposed, measure
from reticent.audit.measure import View
from reticent.audit.options import Options
from reticent.audit.score import conclude
from reticent.dataset import Dataset
from reticent.errors import ModelError
from reticent.evidence import Evidence
from reticent.target import Answer
from reticent.targets.embedder import Embedder
from reticent.targets.kept import BrokenError

N, COLUMNS = 150, ["age", "income", "town", "ill"]
INVERTERS = {"ridge_inversion", "mlp_inversion", "retrieval_inversion", "aligned_inversion"}
MIX = np.random.default_rng(7).normal(size=(6, 12))


def people(seed: int, n: int = N) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    towns = np.array(["Bath", "Ely", "York"], dtype=object)
    return pd.DataFrame({
        "age": rng.normal(50, 10, n).round(), "income": rng.normal(30, 5, n).round(1),
        "town": towns[rng.integers(3, size=n)], "ill": rng.integers(0, 2, n),
        "label": rng.integers(0, 2, n),
    })  # fmt: skip


def numbers(frame: Any) -> np.ndarray:
    towns = [(frame["town"] == town).to_numpy(dtype=float) for town in ("Bath", "Ely", "York")]
    age = (frame["age"].to_numpy() - 50) / 10
    income = (frame["income"].to_numpy() - 30) / 5
    return np.column_stack([age, income, *towns, 2.0 * frame["ill"].to_numpy()])


def telling(frame: Any) -> np.ndarray:
    return np.tanh(numbers(frame) @ MIX / 5)


def case(encode: Any = telling, **more: Any) -> reticent.Case:
    return reticent.Case(
        model=Embedder(encode, COLUMNS), members=people(1), others=people(2),
        auxiliary=people(3), label="label", **more,
    )  # fmt: skip


def attacked(given: reticent.Case, attack: str = "embedding") -> Evidence:
    return reticent.audit(given, attacks=[attack])


def test_inputs_and_the_hidden_column_come_back() -> None:
    evidence = attacked(case(sensitive="ill"))
    assert {one.attack for one in evidence.findings} == INVERTERS
    for one in evidence.findings:
        assert one.verdict == "leaks", one.attack
        assert one.members.auc.value is not None
        assert one.members.auc.value > 0.9, (one.attack, one.hidden)
        assert one.memorization is not None
        assert one.memorization.value == pytest.approx(0, abs=0.05), "nobody's row was learned"
        assert one.queries == 2 * N
    assert {one.hidden for one in evidence.findings} == {"input", "ill"}


def test_vectors_drawn_at_random_give_nothing_away() -> None:
    def blind(frame: Any) -> np.ndarray:
        return np.random.default_rng(len(frame)).normal(size=(len(frame), 12))

    for one in attacked(case(blind, sensitive="ill")).findings:
        assert one.verdict != "leaks", (one.attack, one.hidden)


def test_a_hidden_column_that_the_encoder_never_got_does_not_come_back() -> None:
    given = case(sensitive="ill")
    seeing = Embedder(lambda frame: telling(frame.assign(ill=0)), COLUMNS[:3])
    for one in attacked(replace(given, model=seeing)).findings:
        assert (one.verdict == "leaks") == (one.hidden == "input"), (one.attack, one.hidden)


def test_one_vector_for_all_gives_nothing_away() -> None:
    flat = case(lambda frame: np.ones((len(frame), 4)), sensitive="ill")
    for one in attacked(flat).findings:
        assert one.verdict != "leaks"
        assert one.members.auc.value == pytest.approx(one.baseline_members.auc.value, abs=0.1)


def test_vectors_call_for_it_and_scores_do_not() -> None:
    assert {one.attack for one in reticent.audit(case()).findings} == INVERTERS


def test_few_pairs_are_the_attacker_s_not_ours() -> None:
    given = case().prepared()
    few = exposed(given, given.target, 0, pairs=8)
    assert isinstance(few, Scene)
    assert len(few.pairs.vectors) == 8
    assert len(few.pairs.public) == N
    none = exposed(given, given.target, 0, pairs=3)
    assert none == "3 public rows were answered with a vector, 5 are needed"


def test_embeddings_of_another_dimension_are_an_error_with_both_numbers() -> None:
    given = case().prepared()

    class Changed(Embedder):
        def ask(self, rows: Dataset) -> Answer:
            told = super().ask(rows)
            assert told.vector is not None
            mine = np.array_equal(rows["age"][:5], given.members["age"][:5])
            return Answer(vector=told.vector[:, :7] if mine else told.vector)

    with pytest.raises(ModelError, match="public rows have 12, other rows 7"):
        exposed(given, Changed(telling, COLUMNS), 0)


def test_an_endpoint_that_dies_midway_is_marked_and_not_called_safe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = Embedder.ask

    def dying(target: Embedder, rows: Dataset) -> Answer:
        if len(rows) == N - 1:
            raise BrokenError("an answer", "the endpoint is gone", "Start it again")
        return asked(target, rows)

    monkeypatch.setattr(Embedder, "ask", dying)
    given = replace(case(), others=people(2, N - 1))
    prepared = given.prepared()
    view = View("bare", "", prepared.target, lambda target: target, (), None)
    found = measure(prepared, [view], ["ridge_inversion"], Options(), lambda what: None)
    told = conclude(found.contrasts, reticent.Risk())[0]
    assert told.verdict == "underpowered"
    assert told.reason == "not finished: the endpoint is gone"


def test_a_label_alone_exposes_nothing() -> None:
    from sklearn.linear_model import LogisticRegression

    members = people(1).drop(columns="town")
    model = LogisticRegression().fit(members.drop(columns="label"), members["label"])
    given = reticent.Case(model=model, members=members, others=people(2).drop(columns="town"),
                          auxiliary=people(3).drop(columns="town"), label="label")  # fmt: skip
    found = reticent.audit(given, attacks=["ridge_inversion"],
                           contract=reticent.Contract(output="label")).findings[0]  # fmt: skip
    assert found.verdict == "not_applicable"
    assert "neither VECTOR nor SCORES" in found.reason

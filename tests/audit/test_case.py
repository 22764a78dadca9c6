"""A case brings its tables to one form, and refuses what does not hold together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from desk import INPUTS, people, tree
from reticent.audit.case import Case, Prepared, twins
from reticent.audit.checks import FEWEST, aligned, check_hidden, codes, halved, labelled
from reticent.dataset import Dataset
from reticent.errors import ConfigError, DataError, ModelError
from reticent.schema import Domain, Schema
from reticent.target import Answer
from reticent.targets.answers_file import Recorded


def prepared(**given: Any) -> Prepared:
    """Prepare the plain case, with something replaced."""
    plain: dict[str, Any] = {
        "model": tree(people(1)), "members": people(1), "others": people(2),
        "auxiliary": people(3), "label": "y", "sensitive": "s", "identifiers": ["name"],
    }  # fmt: skip
    return Case(**{**plain, **given}).prepared()


def one(column: Any) -> Dataset:
    """A table of one column."""
    return Dataset({"c": np.asarray(column)})


def test_tables_get_the_members_columns_and_order() -> None:
    turned = people(2)[["y", "s", "name", "educ", "age"]].assign(more=1)
    case = prepared(others=turned)
    assert case.others.names == case.members.names == ["name", *INPUTS, "y"]
    assert case.known == tuple(INPUTS)
    assert case.knows("s") == ["age", "educ", "y"]
    assert case.notes == ()


def test_what_the_attacker_knows_is_what_is_named() -> None:
    case = prepared(known="educ", knows_label=False)
    assert case.knows("s") == ["educ"]
    assert prepared(known=["s", "age"]).known == ("age", "s")
    with pytest.raises(ConfigError, match="nothing"):
        prepared(known="s", knows_label=False)


@pytest.mark.parametrize(
    ("column", "wanted", "kind"),
    [
        ([1, 2], [1.5, 2.0], "i"),
        ([True, False], [1, 0], "b"),
        ([1, 0], [True, False], "i"),
        ([np.nan, np.nan], np.array(["a", "b"], object), "O"),
        (np.array([None, None]), [1, 2], "f"),
        ([1, 2], np.array([None, None]), "i"),
        ([True, False], np.array([True, None]), "O"),
    ],
)
def test_columns_of_one_kind_pass(column: Any, wanted: Any, kind: str) -> None:
    assert aligned(one(column), one(wanted), "others")["c"].dtype.kind == kind


@pytest.mark.parametrize(
    ("column", "wanted", "told"),
    [
        (np.array(["a", "b"], object), [1, 2], "the members have numbers, others have text"),
        ([1, 2], np.array(["a", "b"], object), "the members have text, others have numbers"),
        (np.array([True, None]), [True, False], "true, false and gaps"),
        (np.array([None, None]), [True, False], "others have nothing"),
    ],
)
def test_columns_of_two_kinds_do_not(column: Any, wanted: Any, told: str) -> None:
    with pytest.raises(DataError, match=told):
        aligned(one(column), one(wanted), "others")


def test_people_are_numbered_by_the_person_column() -> None:
    rows = one(["b", "a", "b"])
    assert codes(rows, "c", "others").tolist() == [1, 0, 1]
    assert codes(rows, None, "others").tolist() == [0, 1, 2]


def test_others_are_halved_by_person_and_always_alike() -> None:
    rows = one(np.arange(60))
    people_ = np.arange(60) // 2
    first, second = halved(rows, people_)
    assert not {*people_[first[2]]} & {*people_[second[2]]}
    assert {*first[2], *second[2]} == set(range(60))
    assert first[0]["c"].tolist() == first[2].tolist()
    assert first[1].max() == len({*people_[first[2]]}) - 1
    assert halved(rows, people_)[0][2].tolist() == first[2].tolist()
    with pytest.raises(DataError, match="19 others are too few"):
        halved(one(np.arange(38)), np.arange(38) // 2)


def test_whoever_has_no_label_is_left_out_and_counted() -> None:
    schema = Schema.of(["c"], {"c": "label"})
    notes: list[str] = []
    rows, kept = labelled(one([1.0, np.nan, 3.0]), schema, "others", notes)
    assert (rows["c"].tolist(), kept.tolist()) == ([1.0, 3.0], [0, 2])
    assert notes == ["1 others are left out: they have no c."]


def test_recorded_answers_follow_the_people_they_are_about() -> None:
    told = {seed: tree(people(1)).predict_proba(people(seed)[INPUTS]) for seed in (1, 2)}
    answers = [Answer(scores.argmax(axis=1), scores) for scores in told.values()]
    model = Recorded(INPUTS, np.array([0, 1]), answers[0], answers[1])
    case = prepared(model=model, auxiliary=None)
    assert isinstance(case.target, Recorded)
    there = dict(zip(people(2)["name"], told[2][:, 1], strict=True))
    assert case.target.others.scores is not None
    expected = [there[name] for name in case.others["name"]]
    assert case.target.others.scores[:, 1].tolist() == expected
    with pytest.raises(ModelError, match="not one for every row"):
        prepared(model=Recorded(INPUTS, np.array([0, 1]), answers[0], answers[1].take(slice(9))))


def test_a_secret_that_all_others_share_is_noted() -> None:
    notes: list[str] = []
    tables = {"members": one([0, 1]), "others": one([1, 1]), "auxiliary": one([0, 1])}
    check_hidden("c", None, tables, notes)
    assert "what was memorized stays unmeasured" in notes[0]
    for name in ("members", "auxiliary"):
        with pytest.raises(DataError, match=f"{name} have 1 value"):
            check_hidden("c", None, {**tables, name: one([1, 1])}, [])


def test_a_domain_must_be_of_the_columns_kind() -> None:
    text = one(np.array(["a", "b"], object))
    tables = {"members": text, "others": text, "auxiliary": text}
    check_hidden("c", Domain(values=("a", "b"), public=True), tables, [])
    for domain in (Domain(values=(0, 1)), Domain(bins=(0, 1, 2))):
        with pytest.raises(ConfigError, match="in quotes"):
            check_hidden("c", domain, tables, [])


def test_a_domain_that_nobody_called_public_is_noted() -> None:
    assert "public = true" in prepared(domains={"s": Domain(values=(0, 1))}).notes[0]
    assert prepared(domains={"s": Domain(values=(0, 1), public=True)}).notes == ()


def test_few_people_are_refused_by_table() -> None:
    for name, fewest in FEWEST.items():
        rows = people(4, 60).sort_values("y", ascending=False)
        rows = pd.concat([rows[: fewest - 2], rows[-1:]]) if name != "members" else rows[:1]
        with pytest.raises(DataError):
            prepared(**{name: rows})


def test_gaps_are_asked_about_before_anything_is_trained() -> None:
    from sklearn.linear_model import LogisticRegression

    rows = people(2)
    model = LogisticRegression(max_iter=9999).fit(rows[INPUTS], rows["y"])
    gaps = people(3).astype({"age": float})
    gaps.loc[39, "age"] = np.nan
    with pytest.raises(DataError, match=r"answers about auxiliary .* age \(1 rows\)"):
        prepared(model=model, auxiliary=gaps)
    prepared(auxiliary=gaps)  # a tree takes them


def test_twins_are_rows_that_are_equal_whatever_their_number_type() -> None:
    assert twins(one([1, 2, 3]), one([2.0, 4.0])).tolist() == [False, True, False]

"""Reconstructed pictures judged: a planted person is found, a stranger under the name is not.

Each run's verdicts are at .05 over twice the number of findings; the planted ones must be below
one in a million, their twins must not be called.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

import reticent
from pictures import NAMES, PEOPLE, SHAPE, Album, album, faces, frame, learned
from reticent.audit.evaluator import Evaluator, nearest, trained
from reticent.audit.options import Options
from reticent.audit.run import audit
from reticent.errors import ConfigError, DataError
from reticent.exhibit import Exhibit, Picture
from reticent.finding import Finding

FALSE_ALARM = 1e-6
QUICK = ("label_batch", "latent_gradient", "latent_evolution")


@pytest.fixture(scope="module")
def book() -> Album:
    return album()


def case(book: Album, **changed: Any) -> reticent.Case:
    given: dict[str, Any] = {
        "model": learned(*book.members), "members": frame(*book.members),
        "others": frame(*book.others), "auxiliary": frame(*book.public), "label": "y",
        "sensitive": (), "shape": SHAPE,
    }  # fmt: skip
    given |= changed
    if hasattr(given["model"], "coef_"):  # asked about frames, as it should have been fitted
        given["model"].feature_names_in_ = np.array(NAMES, dtype=object)
    return reticent.Case(**given)


def found(case: reticent.Case, contract: Any = None, **options: Any) -> dict[str, Finding]:
    options.setdefault("attacks", QUICK)
    evidence = audit(case, {"view": contract}, Options(**options))
    return {one.attack: one for one in evidence.findings}


def test_people_in_the_model_are_found(book: Album) -> None:
    for name, one in found(case(book)).items():
        assert one.hidden == "appearance"
        assert one.verdict == "leaks", name
        assert one.p_adjusted is not None
        assert one.p_adjusted < FALSE_ALARM
        assert one.members.accuracy.value is not None
        assert one.members.accuracy.value > 0.7
        assert one.members.accuracy == one.members.more["top1"]
        assert one.baseline_members.accuracy.value is not None
        assert one.baseline_members.accuracy.value <= 1 / PEOPLE
        assert one.others is None
        assert one.memorization is None
        assert one.queries > 0


def test_a_model_trained_without_these_people_gives_none_away(book: Album) -> None:
    strangers = learned(*faces(PEOPLE, 6, 1, who=5))
    for name, one in found(case(book, model=strangers)).items():
        assert one.verdict != "leaks", name


def test_shuffled_names_give_nobody_away(book: Album) -> None:
    x, who = book.members
    shuffled = learned(x, np.random.default_rng(0).permutation(who))
    for name, one in found(case(book, model=shuffled)).items():
        assert one.verdict != "leaks", name


def test_labels_through_a_contract_are_enough(book: Album) -> None:
    told = found(case(book), reticent.Contract(output="label"))
    assert told["label_batch"].verdict == "leaks"
    assert told["latent_gradient"].verdict == "not_applicable"
    assert told["latent_gradient"].reason == "the target does not reveal GRADIENT"
    assert told["latent_evolution"].reason == "the target does not reveal TOP_K"


def test_an_evaluator_that_knows_nobody_gives_no_verdict(book: Album) -> None:
    x, who = book.others
    blind = replace(book, others=(x, np.random.default_rng(1).permutation(who)))
    one = found(case(blind), attacks=["label_batch"])["label_batch"]
    assert one.verdict == "underpowered"
    assert one.reason == "the evaluator does not know real pictures of these people apart"


def test_faces_run_where_the_columns_are_pictures_and_only_there(book: Album) -> None:
    told = found(case(book), attacks=None)
    assert set(told) >= {*QUICK, "label_sphere", "mi_face"}
    with pytest.raises(ConfigError, match="the model's columns are none"):
        found(case(book, shape=None), attacks=["face"])


def test_pictures_in_training_are_nearer_where_a_model_kept_them(book: Album) -> None:
    one = found(case(book))["latent_gradient"].members.more
    assert set(one) == {"top1", "top5", "chance", "real_pictures", "nearest_training",
                        "nearest_fresh", "nearer_training"}  # fmt: skip
    values = {name: rate.value or 0 for name, rate in one.items()}
    assert values["top5"] >= values["top1"]
    assert values["real_pictures"] > 0.8
    assert 0 < values["nearest_training"] < 0.5
    assert 0 < values["nearest_fresh"] < 0.5


# Cases ----------------------------------------------------------------------------------------


def test_without_public_pictures_half_of_the_people_are_the_attackers(book: Album) -> None:
    evidence = audit(case(book, auxiliary=None), {"view": None}, Options(attacks=["label_batch"]))
    one = evidence.findings[0]
    assert one.members.accuracy.n == PEOPLE // 2
    assert any("fewer than 2 pictures among the others" in note for note in evidence.notes)


def test_too_few_people_cannot_be_halved() -> None:
    few = Album(faces(3, 9, 1), faces(3, 9, 2), faces(15, 4, 3, who=9))
    with pytest.raises(DataError, match="none are given, and others show 3 people"):
        found(case(few, auxiliary=None))


def test_public_pictures_need_no_names(book: Album) -> None:
    nameless = frame(*book.public).assign(y=np.nan)
    assert found(case(book, auxiliary=nameless))["label_batch"].verdict == "leaks"


def test_public_pictures_of_the_same_people_are_told(book: Album) -> None:
    known = frame(*faces(PEOPLE, 3, 7))
    evidence = audit(case(book, auxiliary=known), {"view": None}, Options(attacks=["label_batch"]))
    assert any("12 of the 12 classes looked for" in note for note in evidence.notes)


def test_people_without_fresh_pictures_are_left_out_and_told(book: Album) -> None:
    x, who = book.others
    kept = who > 2
    few = replace(book, others=(x[kept], who[kept]))
    evidence = audit(case(few), {"view": None}, Options(attacks=["label_batch"]))
    assert evidence.findings[0].members.accuracy.n == PEOPLE - 3
    assert any(note.startswith("Not looked for: 3 classes have fewer") for note in evidence.notes)


def test_one_picture_a_person_is_too_few(book: Album) -> None:
    x, who = book.others
    once = np.unique(who, return_index=True)[1]
    with pytest.raises(DataError, match="Give at least 2 pictures of each person"):
        found(case(replace(book, others=(x[once], who[once]))))


def test_a_label_without_pictures_is_left_out(book: Album) -> None:
    x, who = book.members
    there = who < PEOPLE - 2
    model = learned(x, who)
    fewer = frame(x[there], who[there])
    evidence = audit(case(book, model=model, members=fewer), {"view": None},
                     Options(attacks=["label_batch"]))  # fmt: skip
    assert any("2 have no picture among the members" in note for note in evidence.notes)
    assert evidence.findings[0].members.accuracy.n == PEOPLE - 2


def test_a_shape_of_other_pixels_is_refused(book: Album) -> None:
    with pytest.raises(ConfigError, match=r"the shape \(8, 9\)"):
        found(case(book, shape=(8, 9)))


def test_a_regressor_has_no_classes_to_draw(book: Album) -> None:
    x, who = book.members
    model = LinearRegression().fit(pd.DataFrame(x, columns=NAMES), who * 1.0)
    with pytest.raises(ConfigError, match="the model is a regressor"):
        found(case(book, model=model), attacks=["label_batch"])


class Wide:
    """A decoder of another size."""

    width, reach = 3, 1.0

    def decode(self, z: Any) -> Any:
        return np.zeros((len(z), 65))

    def pull(self, z: Any, gradient: Any) -> Any:
        raise NotImplementedError


def test_a_decoder_of_another_size_is_refused(book: Album) -> None:
    with pytest.raises(DataError, match="it makes 65 numbers, the model takes 64 pixels"):
        found(case(book, decoder=Wide()))


# Exhibits -------------------------------------------------------------------------------------


def test_the_report_is_given_pictures_and_the_evidence_is_not(book: Album) -> None:
    shown: list[Exhibit] = []
    evidence = audit(case(book), {"view": None}, Options(attacks=QUICK, exhibit=shown.append))
    (one,) = shown
    assert len(one.rows) == 6
    assert all(len(row) == len(one.columns) for row in one.rows)
    pictures = [cell for row in one.rows for cell in row if isinstance(cell, Picture)]
    assert len(pictures) == 18
    assert all(cell.pixels.shape == SHAPE and cell.says for cell in pictures)
    assert min(cell.pixels.min() for cell in pictures) >= 0
    assert max(cell.pixels.max() for cell in pictures) <= 1
    assert sum(row[-1] == "the right person" for row in one.rows) >= 5
    assert b"pixels" not in evidence.to_json()


# The evaluator --------------------------------------------------------------------------------


def test_an_evaluator_knows_real_pictures_in_any_light(book: Album) -> None:
    judge = trained(*book.others, SHAPE)
    x, who = book.members
    assert (judge.rank(x, who) == 0).mean() > 0.85
    assert (judge.rank(x * 0.4 + 0.3, who) == judge.rank(x, who)).all()


def test_a_picture_of_nobody_is_nobody(book: Album) -> None:
    judge = trained(*book.others, SHAPE)
    ranks = judge.rank(np.full((PEOPLE, 64), 0.5), np.arange(PEOPLE))
    assert (ranks == 0).sum() <= 1


class Undecided:
    """A model of the evaluator's that looks like everybody to itself."""

    def decision_function(self, x: Any) -> Any:
        return np.zeros((len(x), PEOPLE))


def test_a_tie_is_no_identification() -> None:
    judge = Evaluator(np.zeros(64), np.eye(64), Undecided())
    assert (judge.rank(np.ones((PEOPLE, 64)), np.arange(PEOPLE)) == PEOPLE - 1).all()


def test_two_people_can_be_told_apart() -> None:
    x, who = faces(2, 5, 3)
    judge = trained(x, who, SHAPE)
    assert judge.scores(x).shape == (10, 2)
    assert (judge.rank(x, who) == 0).all()


def test_nearest_is_the_least_root_mean_square() -> None:
    x, pictures = np.array([[0.0, 1.0]]), np.array([[1.0, 1.0], [0.0, 0.5]])
    far, at = nearest(x, pictures)
    assert at[0] == 1
    assert np.isclose(far[0], np.sqrt(0.125))

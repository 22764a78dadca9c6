"""A released table read as conditions on people."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from reticent.attacks.release import Release, read_release
from reticent.dataset import Dataset
from reticent.errors import DataError

PEOPLE = pd.DataFrame(
    {"id": [1, 2, 3, 4], "age": [31, 38, 52, 70], "city": ["Oslo", "Rome", "Rome", None]}
)


def read(released: pd.DataFrame, **named: str) -> Release:
    table = Dataset.of(PEOPLE)
    return read_release(Dataset.of(released), [table, table], **named)


def fitting(released: pd.DataFrame) -> list[list[int]]:
    release = read(released)
    return [rows.tolist() for rows in release.fitting(release.encoded(Dataset.of(PEOPLE)))]


def test_exact_rows_fit_their_own_people() -> None:
    assert fitting(PEOPLE[["age", "city"]][::-1].iloc[1:]) == [[2], [1], [0], []]


def test_generalized_rows_fit_everybody_they_hold() -> None:
    released = pd.DataFrame({"age": ["30-39", "*", ">=60"], "city": ["{Oslo, Rome}", "Rome", "*"]})
    assert fitting(released) == [[0], [0, 1], [1], [2]]


def test_a_rounded_number_stands_for_what_rounds_to_it() -> None:
    table = Dataset.of(pd.DataFrame({"dose": [1.24, 1.25, 1.31, 1.349]}))
    release = read_release(Dataset.of(pd.DataFrame({"dose": [1.2, 1.3]})), [table])
    found = [rows.tolist() for rows in release.fitting(release.encoded(table))]
    assert found == [[0], [0, 1], [1], [1]]  # 1.25 may have been rounded either way


def test_agreeing_on_what_is_rare_tells_more() -> None:
    release = read(PEOPLE[["city"]].iloc[:2])
    ((_, alike),) = release.alike(release.encoded(Dataset.of(PEOPLE)))
    assert alike[0, 0] > alike[1, 1] > 0
    assert alike[0, 1] == alike[1, 0] == 0


def test_near_numbers_tell_part_of_it() -> None:
    table = Dataset.of(pd.DataFrame({"pay": np.arange(1000.0)}))
    release = read_release(Dataset.of(pd.DataFrame({"pay": [500.0]})), [table])
    (_, alike), *_ = release.alike(np.array([[500.0], [510.0], [600.0], [np.nan]]))
    assert alike[0, 0] > alike[1, 0] > 0
    assert alike[2, 0] == alike[3, 0] == 0


def test_a_renamed_column_names_the_nearest() -> None:
    with pytest.raises(DataError, match="did you mean 'age'"):
        read(PEOPLE[["age", "city"]].rename(columns={"age": "agee"}))


@pytest.mark.parametrize(
    ("released", "named", "says"),
    [
        (pd.DataFrame({"id": [1]}), {"person": "id"}, "no column of the members, and no score"),
        (pd.DataFrame({"age": [1]}), {"score": "risk"}, "has no such column"),
        (pd.DataFrame({"age": [1], "risk": ["hi"]}), {"score": "risk"}, "some cells are no number"),
        (pd.DataFrame({"city": ["Paris"]}), {}, "no cell is a value of the other tables"),
        (pd.DataFrame({"age": ["old"]}), {}, "1 of 1 cells are neither"),
    ],
)
def test_what_does_not_fit_is_told(
    released: pd.DataFrame, named: dict[str, str], says: str
) -> None:
    with pytest.raises(DataError, match=says):
        read(released, **named)


def test_a_score_is_found_by_its_usual_name_and_is_no_condition() -> None:
    release = read(PEOPLE[["age"]].assign(score=0.5))
    assert release.columns == ("age",)
    assert release.score is not None
    assert (len(release), len(read(pd.DataFrame({"score": [0.1, 0.2]})))) == (4, 2)

"""A file of answers: one row a person, columns named as the classes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reticent.dataset import Dataset
from reticent.errors import DataError, ModelError
from reticent.target import Reveals, Target
from reticent.targets.answers_file import Recorded, recorded

WORDS = np.array(["no", "yes"], dtype=object)
SECRET = 0.7351234


def table(**columns: list[Any]) -> Dataset:
    return Dataset({name: np.array(values) for name, values in columns.items()})


def of(members: Any, others: Any, labels: Any = WORDS, n: tuple[int, int] = (2, 1)) -> Recorded:
    return recorded(members, others, ["age"], n, labels)


GOOD = table(no=[0.9, 0.2], yes=[0.1, 0.8])
ONE = table(yes=[0.75], no=[0.25])


def test_columns_come_in_any_order() -> None:
    target = of(GOOD, ONE)
    assert isinstance(target, Target)
    assert target.members.scores is not None
    assert target.others.scores is not None
    assert target.members.scores.tolist() == [[0.9, 0.1], [0.2, 0.8]]
    assert target.others.scores.tolist() == [[0.25, 0.75]]
    assert target.members.label is not None
    assert target.members.label.tolist() == [0, 1]
    assert target.reveals == Reveals.LABEL | Reveals.TOP_K | Reveals.SCORES


def test_one_column_is_a_value() -> None:
    target = of(table(value=[1.0, 2.5]), table(said=[3.0]))
    assert target.classes is None
    assert target.reveals == Reveals.LABEL
    assert target.members.value is not None
    assert target.members.value.tolist() == [1.0, 2.5]


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["0", "1"], np.array([0, 1])),
        (["0", "1"], np.array([0.0, 1.0])),
        (["0.0", "1.0"], np.array([0, 1])),
        (["1234567", "1234568"], np.array([1234567, 1234568])),
        (["False", "True"], np.array([False, True])),
    ],
)
def test_a_class_is_named_as_its_number(names: list[str], labels: Any) -> None:
    one = Dataset({names[1]: np.array([0.7]), names[0]: np.array([0.3])})
    found = of(one, one, labels, (1, 1)).members.scores
    assert found is not None
    assert found.tolist() == [[0.3, 0.7]]


def test_a_csv_headed_by_numbers_is_read_as_one(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1,0\n.2,.8\n.3,.7\n")
    found = of(path, path, np.array([0, 1]), (2, 2)).members.scores
    assert found is not None
    assert found.tolist() == [[0.8, 0.2], [0.7, 0.3]]


WRONG: list[tuple[Dataset, Dataset, str]] = [
    (GOOD, GOOD, "2 rows for 1 people"),
    (ONE, ONE, "1 rows for 2 people"),
    (table(no=[0.9, 0.2], yes=[SECRET, 0.8]), ONE, "no probabilities"),
    (table(no=[1 + SECRET, 0.2], yes=[-SECRET, 0.8]), ONE, "no probabilities"),
    (table(no=[0.9, 0.2], yes=["x", "y"]), ONE, "not all its columns are numbers"),
    (table(no=[0.9, np.nan], yes=[0.1, SECRET]), ONE, "some are missing"),
    (table(no=[0.9, 0.2], maybe=[0.1, 0.8]), ONE, "no, maybe"),
    (table(no=[0.9, 0.2], yes=[0.1, 0.8], id=[1, 2]), ONE, "no, yes, id"),
    (table(value=[1.0, 2.0]), ONE, "its columns are value"),
    (GOOD, table(value=[1.0]), "its columns are value"),
]


@pytest.mark.parametrize(("members", "others", "found"), WRONG)
def test_a_file_that_does_not_fit_is_refused(members: Dataset, others: Dataset, found: str) -> None:
    with pytest.raises(DataError, match=found) as caught:
        of(members, others)
    assert "73512" not in str(caught.value)


def test_a_file_cannot_be_asked() -> None:
    with pytest.raises(ModelError, match="a file of answers"):
        of(GOOD, ONE).ask(table(age=[30]))

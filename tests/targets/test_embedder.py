"""An encoder as a target: its vectors are told, and checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reticent.dataset import Dataset
from reticent.errors import ModelError
from reticent.target import Reveals, Target
from reticent.targets.embedder import Embedder
from reticent.targets.wrap import Silent

ROWS = Dataset({"age": np.arange(4.0), "town": np.array(["a", "b", "c", None], dtype=object)})


def test_it_tells_vectors_and_nothing_else() -> None:
    target = Embedder(lambda rows: np.column_stack([rows[:, 0]] * 3), ["age"])
    assert isinstance(target, Target)
    assert target.reveals == Reveals.VECTOR | Reveals.ANY_ROW
    told = target.ask(ROWS)
    assert told.vector is not None
    assert told.vector.shape == (4, 3)
    assert told.scores is None


def test_beside_a_head_it_tells_what_the_head_tells() -> None:
    target = Embedder(lambda rows: rows, ["age"], Silent(["age"], np.array(["n", "y"])))
    assert Reveals.SCORES in target.reveals
    told = target.ask(ROWS)
    assert told.vector is not None
    assert told.scores is not None
    assert target.classes is not None


@pytest.mark.parametrize(
    ("encode", "found"),
    [
        (lambda rows: rows[:, 0], r"\(4,\)"),
        (lambda rows: rows[:2], r"\(2, 1\)"),
        (lambda rows: np.full((4, 2), np.nan), "4 rows"),
        (lambda rows: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_answers_out_of_shape_are_errors(encode: Any, found: str) -> None:
    with pytest.raises(ModelError, match=found):
        Embedder(encode, ["age"]).ask(ROWS)


def test_another_dimension_than_was_said_is_an_error() -> None:
    with pytest.raises(ModelError, match=r"vectors of shape \(4, 384\)"):
        Embedder(lambda rows: rows, ["age"], width=384).ask(ROWS)

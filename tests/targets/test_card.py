"""Cards: what a model takes and tells, kept for a start without its training data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest

from reticent.contract import Contract
from reticent.dataset import Dataset
from reticent.errors import ConfigError
from reticent.gateway.face import outputs
from reticent.target import Reveals
from reticent.targets.card import Card, card_of, class_name, kind_of, load_card, save_card
from reticent.targets.wrap import Silent

ROWS = Dataset.of(
    pd.DataFrame(
        {
            "age": np.array([1, 2, 3], dtype=np.int16),
            "dose": [0.5, None, 1.5],
            "city": ["Rome", None, "Oslo"],
            "ill": [True, False, True],
            "told": pd.Series([True, None, False], dtype=object),
            "y": ["u", "v", "u"],
        }
    )
)


def telling(*classes: str | float) -> Silent:
    """A model that tells these classes; none make it a regressor."""
    names = np.array(classes, dtype=object if isinstance(classes[0], str) else None)
    return Silent(["age"], names)


COLUMNS = ["age", "dose", "city", "ill", "told"]
CARD = card_of("0" * 64, "m", ROWS, COLUMNS, telling("u", "v"), "y")


def test_a_card_says_of_which_kind_each_column_is() -> None:
    assert CARD.kinds == ("integer", "number", "text", "boolean", "boolean")
    assert not CARD.numeric
    assert CARD.classes == ("u", "v")
    assert not CARD.integer_classes
    assert CARD.label == "y"


def test_numbers_as_classes_stay_numbers() -> None:
    values: list[Any] = [3, 3.0, True, 0.5, "x", float("inf")]
    assert [class_name(value) for value in values] == [3, 3, "True", "0.5", "x", "inf"]
    card = card_of("0", "m", ROWS, ["age"], telling(1.0, 2.0), "y")
    assert card.integer_classes
    assert card.labels.tolist() == [1, 2]
    regressor = card_of("0", "m", ROWS, ["age"], Silent(["age"], None), "y")
    assert regressor.classes is None
    assert not regressor.integer_classes
    assert regressor.labels.dtype.kind == "f"


def test_a_model_that_tells_no_scores_is_shown_without_them() -> None:
    mute = Silent(["age"], np.array(["u", "v"], dtype=object), Reveals.ANY_ROW | Reveals.LABEL)
    card = card_of("0", "m", ROWS, ["age"], mute, "y")
    assert not card.scores
    assert outputs(card, Contract(output="scores")) == ("label",)
    assert outputs(CARD, Contract(output="scores")) == ("label", "scores")


def test_a_word_is_shown_only_where_many_share_it() -> None:
    def words(*counts: int) -> tuple[str, ...]:
        column = [word for word, count in zip("ab", counts, strict=True) for _ in range(count)]
        rows = Dataset({"city": np.array([*column, None], dtype=object)})
        return card_of("0", "m", rows, ["city"], telling("u", "v"), "y").examples

    assert words(10, 3) == ("a",)
    assert words(9, 9) == ("",)


def test_an_empty_column_has_a_kind() -> None:
    assert kind_of(np.array([], dtype=object)) == "text"
    assert kind_of(np.array([np.nan])) == "number"


def test_the_frame_that_a_model_wants_is_made_from_its_card(tmp_path: Path) -> None:
    save_card(CARD, tmp_path / "card.json")
    card = load_card(tmp_path / "card.json", "0" * 64)
    assert card == CARD
    frame = Dataset(ROWS.select(COLUMNS).columns, card.like()).frame()
    assert frame["age"].dtype == np.int16
    assert frame["ill"].dtype == bool
    bare = msgspec.structs.replace(card, dtypes=())
    assert bare.like()["age"].dtype == np.int64


def test_an_unchanged_card_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    save_card(CARD, path)
    first = path.stat()
    save_card(CARD, path)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    save_card(msgspec.structs.replace(CARD, name="n"), path)
    assert load_card(path, CARD.model).name == "n"


def without(card: Card, **changes: Any) -> bytes:
    return msgspec.json.encode(msgspec.structs.replace(card, **changes))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (None, "there is none"),
        (b"{}", "cannot be read"),
        (b"Qx7", "cannot be read"),
        (without(CARD, kinds=("number",)), "fit together"),
        (without(CARD, dtypes=("float64",)), "fit together"),
        (without(CARD, dtypes=("O,O",) * 5), "fit together"),
        (without(CARD, kinds=("word",) * 5), "cannot be read"),
        (without(CARD, model="1" * 64), "has changed"),
    ],
)
def test_a_card_of_something_else_is_refused(
    tmp_path: Path, content: bytes | None, found: str
) -> None:
    path = tmp_path / "card.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=found) as caught:
        load_card(path, "0" * 64)
    assert "[data].members" in str(caught.value)

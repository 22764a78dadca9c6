"""What a served model takes and tells, kept beside it so that serving needs no training data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from reticent.column import Column, is_missing
from reticent.dataset import Dataset
from reticent.errors import ConfigError
from reticent.evidence import write
from reticent.files import empty_like
from reticent.target import Reveals, Target

Kind = Literal["number", "integer", "boolean", "text"]
SHARED = 10  # people who have a word, before it may be shown
DTYPES = {"number": "float64", "integer": "int64", "boolean": "bool", "text": "object"}


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """The face of a model.

    Attributes
    ----------
    model : SHA-256 of its file, or the address of an upstream server. name : as callers write it.
    columns, kinds : what it takes, in the schema's order, and of which kind each column is.
    classes : names of a classifier's classes, whole numbers or text; None for a regressor.
    scores : whether a classifier tells the probability of each class, or its label alone.
    label : what is predicted. vector : width of the internal representation, where there is one.
    dtypes : numpy's name of each column's type in the training table; empty: as its kind says.
    examples : for each column a word that at least 10 people share; empty where there is none.
    """

    model: str
    name: str
    columns: tuple[str, ...]
    kinds: tuple[Kind, ...]
    classes: tuple[int | str, ...] | None
    label: str
    scores: bool = True
    vector: int | None = None
    dtypes: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()

    @property
    def numeric(self) -> bool:
        """Whether all columns are numbers, so that one matrix can carry a row."""
        return "text" not in self.kinds

    @property
    def integer_classes(self) -> bool:
        """Whether every class is a whole number."""
        return self.classes is not None and all(isinstance(one, int) for one in self.classes)

    @property
    def labels(self) -> NDArray[Any]:
        """Known labels, for a model that does not name its classes; numbers for a regressor."""
        if self.classes is None:
            return np.zeros(1)
        return np.array(self.classes, dtype=None if self.integer_classes else object)

    @property
    def held(self) -> tuple[str, ...]:
        """numpy's name of the type in which a model on frames wants each column."""
        return self.dtypes or tuple(DTYPES[kind] for kind in self.kinds)

    def like(self) -> Any:
        """Return an empty frame of the training table's kind and types, as ``Dataset.like``."""
        pairs = zip(self.columns, self.held, strict=True)
        return empty_like({name: np.empty(0, dtype) for name, dtype in pairs})


def card_of(
    model: str, name: str, rows: Dataset, columns: Sequence[str], target: Target, label: str
) -> Card:
    """Describe a model by the table that it was trained on.

    Parameters
    ----------
    model : its file's SHA-256. rows : members. columns : that it takes, in the schema's order.
    target : that answers for it.
    """
    held, classes = [rows[column] for column in columns], target.classes
    return Card(
        model=model, name=name, columns=tuple(columns), kinds=tuple(map(kind_of, held)),
        classes=None if classes is None else tuple(map(class_name, classes.tolist())),
        scores=bool(target.reveals & Reveals.SCORES), label=label,
        dtypes=tuple(column.dtype.name for column in held), examples=tuple(map(_example, held)),
    )  # fmt: skip


def _example(column: Column) -> str:
    """Find a word of a text column that is so common that it is nobody's."""
    if kind_of(column) != "text":
        return ""
    words = Counter(word for word in column.tolist() if isinstance(word, str))
    word, people = next(iter(words.most_common(1)), ("", 0))
    return word if people >= SHARED else ""


def kind_of(column: Column) -> Kind:
    """Say what callers send for a column; a gap does not change that."""
    there = column[~is_missing(column)]
    if column.dtype.kind == "b" or (len(there) and all(isinstance(v, bool) for v in there)):
        return "boolean"
    if column.dtype.kind == "f":
        return "number"
    return "integer" if column.dtype.kind in "iu" else "text"


def class_name(value: object) -> int | str:
    """Name a class as callers read it: whole numbers stay numbers, the rest is text."""
    if isinstance(value, bool):
        return str(value)
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return int(value) if whole else str(value)  # type: ignore[call-overload]


def save_card(card: Card, path: Path) -> None:
    """Write a card as JSON, whole or not at all."""
    content = msgspec.json.format(msgspec.json.encode(card), indent=2)
    if not path.is_file() or path.read_bytes() != content:
        write(path, content)


def load_card(path: Path, model: str) -> Card:
    """Read the card of a model whose training data is not at hand.

    Parameters
    ----------
    model : SHA-256 of the model's file as it is now.

    Raises
    ------
    ConfigError : there is none, it cannot be read, or it is another model's.
    """
    asked, again = f"the card {path}", "Serve once where the table [data].members can be read"
    try:
        card = msgspec.json.decode(path.read_bytes(), type=Card)
    except FileNotFoundError:
        raise ConfigError(asked, "there is none, and no training data either", again) from None
    except (OSError, msgspec.DecodeError):
        raise ConfigError(asked, "it cannot be read", again) from None
    sizes = {len(card.columns), len(card.kinds), len(card.dtypes or card.kinds)}
    known = all(one in get_args(Kind) for one in card.kinds)
    if len(sizes) > 1 or not known or not set(card.dtypes) <= KNOWN:
        raise ConfigError(asked, "it does not fit together", again)
    if card.model != model:
        raise ConfigError(asked, "the model's file has changed since it was written", again)
    return card


KNOWN = {np.dtype(code).name for code in "?bhilqBHILQefdO"}  # what a column can be held in

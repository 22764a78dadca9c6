"""What a served model takes and tells, kept beside it so that serving needs no training data."""

from __future__ import annotations

from typing import Literal

import msgspec

Kind = Literal["number", "integer", "boolean", "text"]


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """The face of a model.

    Attributes
    ----------
    model : SHA-256 of its file, or the address of an upstream server. name : as callers write it.
    columns, kinds : what it takes, in the schema's order, and of which kind each column is.
    classes : names of a classifier's classes, whole numbers or text; None for a regressor.
    label : what is predicted. vector : width of the internal representation, where there is one.
    """

    model: str
    name: str
    columns: tuple[str, ...]
    kinds: tuple[Kind, ...]
    classes: tuple[int | str, ...] | None
    label: str
    vector: int | None = None

    @property
    def numeric(self) -> bool:
        """Whether all columns are numbers, so that one matrix can carry a row."""
        return "text" not in self.kinds

    @property
    def integer_classes(self) -> bool:
        """Whether every class is a whole number."""
        return self.classes is not None and all(isinstance(one, int) for one in self.classes)

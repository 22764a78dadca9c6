"""Models that answer with their own library: which columns they name, and in which frame."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reticent.column import Column
from reticent.dataset import Dataset
from reticent.errors import ModelError
from reticent.target import Answer, Target
from reticent.targets.load import parts_of
from reticent.targets.local import local
from reticent.targets.wrap import Around

UNNAMED = re.compile(r"Column_\d+")  # LightGBM's names for columns that had none


class Framed(Around):
    """A target whose rows come in the frame that it was fitted on, whatever they came in."""

    __slots__ = ("like",)

    def __init__(self, inner: Target, like: Any) -> None:
        self.inner, self.like = inner, like

    def ask(self, rows: Dataset) -> Answer:
        """Answer n rows in that frame."""
        return self.inner.ask(Dataset(rows.columns, self.like))


def named(model: Any, columns: Sequence[str]) -> list[str] | None:
    """Name the columns that a model was fitted on, in its own order, or None where it does not.

    Parameters
    ----------
    columns : of the data; LightGBM writes their blanks as underscores.
    """
    found = getattr(model, "feature_names_in_", None)
    if found is None and type(model).__name__ == "Booster":
        found = getattr(model, "feature_names", None)  # XGBoost
        if found is None and hasattr(model, "feature_name"):
            found = model.feature_name()
    if found is None or all(UNNAMED.fullmatch(str(name)) for name in found):
        return None
    written = {name.replace(" ", "_"): name for name in columns}
    return [str(name) if name in columns else written.get(name, str(name)) for name in found]


def in_order(names: Sequence[str] | None, columns: Sequence[str], path: Path) -> list[str]:
    """Return a model's columns in its own order: those it names, or all of the data's.

    Raises
    ------
    ModelError : it names some that the data lacks.
    """
    if lacking := [name for name in names or () if name not in columns]:
        raise ModelError(
            f"the model {path}", f"the data lacks its columns {', '.join(lacking)}",
            "Give each column its role: label, identifier",
        )  # fmt: skip
    return list(columns if names is None else names)


def native(model: Any, columns: list[str], like: Any, labels: Column) -> Framed:
    """Wrap a model to be asked row by row: in the frame it was fitted on, with one thread.

    Parameters
    ----------
    columns : in the model's order. like : an empty frame; a model fitted on arrays gets arrays.
    labels : known labels (n,), for a model that does not name its classes.
    """
    for part in parts_of(model):
        if hasattr(part, "n_jobs") and isinstance(getattr(part, "__dict__", None), dict):
            part.n_jobs = 1  # threads cost a single row more than they bring
    if type(model).__name__ == "Booster" and hasattr(model, "set_param"):
        model.set_param({"nthread": 1})
    arrays = hasattr(model, "n_features_in_") and named(model, columns) is None
    return Framed(local(model, columns, labels), None if arrays else like)

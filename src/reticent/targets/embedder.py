"""A model that gives vectors away: an encoder, alone or beside the model that it serves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.dataset import Dataset
from reticent.errors import ModelError, kind_and_place
from reticent.target import Answer, Reveals, Target
from reticent.targets.local import batches


@dataclass(frozen=True, slots=True)
class Embedder:
    """A target that answers rows with their vectors.

    Attributes
    ----------
    encode : a frame of the columns to vectors (n, d). columns : what it is given, in that order.
    head : the model whose labels and scores are told beside the vectors, if any.
    width : d, where it is known; None takes it from the first answer to each question.
    """

    encode: Callable[[Any], Any]
    columns: list[str]
    head: Target | None = None
    width: int | None = None

    @property
    def reveals(self) -> Reveals:
        """The vectors of any row, and what the head tells."""
        told = Reveals.ANY_ROW | Reveals.VECTOR
        return told if self.head is None else told | self.head.reveals

    @property
    def classes(self) -> NDArray[Any] | None:
        """The head's class names."""
        return None if self.head is None else self.head.classes

    @property
    def ignores(self) -> frozenset[str]:
        """Nothing: an encoder looks at every column."""
        return frozenset()

    def ask(self, rows: Dataset) -> Answer:
        """Answer n rows.

        Raises
        ------
        ModelError : the encoder raised, or returned no n vectors of one finite width.
        """
        told = Answer() if self.head is None else self.head.ask(rows)
        parts: list[NDArray[np.float64]] = []
        for batch in batches(rows.select(self.columns)):
            width = self.width if not parts else parts[0].shape[1]
            parts.append(self._vectors(batch, width))
        return replace(told, vector=np.concatenate(parts))

    def _vectors(self, rows: Dataset, width: int | None) -> NDArray[np.float64]:
        try:
            found = np.asarray(self.encode(rows.frame()), dtype=float)
        except Exception as error:  # noqa: BLE001 (an encoder can raise anything)
            raise ModelError(
                f"the vectors of {len(rows)} rows", f"the encoder raised {kind_and_place(error)}",
                "Check that it takes the columns " + ", ".join(self.columns),
            ) from None  # fmt: skip
        wanted = f"({len(rows)}, {'d' if width is None else width})"
        if found.ndim != 2 or len(found) != len(rows) or width not in (None, found.shape[1]):
            raise ModelError(
                f"vectors of shape {wanted}", f"the encoder answered {found.shape}",
                "Return one vector per row, all of one dimension",
            )  # fmt: skip
        if not np.isfinite(found).all():
            raise ModelError(
                "finite vectors", f"{(~np.isfinite(found)).any(axis=1).sum()} rows have others",
                "Mend the encoder's output",
            )  # fmt: skip
        return found

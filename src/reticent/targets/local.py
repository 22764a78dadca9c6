"""An estimator in memory: anything with ``predict_proba`` or ``predict`` on a frame."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.column import Column, is_numeric, places, plain, unique
from reticent.dataset import Dataset
from reticent.errors import ModelError, kind_and_place
from reticent.target import Answer, Leaves, Reveals, Upstream
from reticent.targets.network import Network, network_of
from reticent.targets.trees import Forest, forest_of

BATCH = 65_536  # rows a call: bounds the memory of a sweep, whatever the model keeps per row


@dataclass(frozen=True, slots=True)
class Local:
    """A fitted model and the columns it wants.

    Attributes
    ----------
    model : the estimator or pipeline itself.
    forest, network : its trees (``Reveals.STRUCTURE``), its layers (``Reveals.GRADIENT``), if any.
    predict : rows' frame to scores (n, k), labels (n,) or values (n,).
    says : which of the three: SCORES, LABEL of a classifier, or LABEL of a regressor.
    """

    model: Any
    columns: list[str]
    classes: NDArray[Any] | None
    predict: Callable[[Any], Any]
    forest: Forest | None = None
    gives_scores: bool = True
    network: Network | None = None

    @property
    def reveals(self) -> Reveals:
        """A model in memory answers any row; one made of trees also shows its leaves."""
        scores = self.classes is not None and self.gives_scores
        told = Reveals.ANY_ROW | Reveals.LABEL
        told |= Reveals.SCORES | Reveals.TOP_K if scores else Reveals.NOTHING
        told |= Reveals.GRADIENT if self.network else Reveals.NOTHING
        return told | (Reveals.STRUCTURE if self.forest else Reveals.NOTHING)

    @property
    def ignores(self) -> frozenset[str]:
        """Nothing: a bare model looks at every column."""
        return frozenset()

    def ask(self, rows: Dataset) -> Answer:
        """Answer n rows, in batches.

        Raises
        ------
        ModelError : the model raised, or answered out of shape.
        """
        told = np.concatenate([self._told(batch) for batch in batches(rows.select(self.columns))])
        if self.classes is None:
            return Answer(value=told)
        if not self.gives_scores:
            return Answer(label=positions(told, self.classes))
        return Answer(label=told.argmax(axis=1), scores=told)

    def leaves(self, rows: Dataset) -> Leaves:
        """Send n rows down every tree (STRUCTURE)."""
        if self.forest is None:
            raise ModelError(
                "the leaves of the model", "it is not made of trees", "Attack its answers"
            )
        parts = [self.forest.at(batch.frame()) for batch in batches(rows.select(self.columns))]
        return Leaves(np.concatenate(parts), *self.forest.read())

    def backward(
        self, x: NDArray[np.float64], upstream: Upstream
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Follow the answers to (n, d) inputs back to them (GRADIENT)."""
        if self.network is None:
            raise ModelError(
                "the gradient of the model", "its kind is not read here", "Attack its answers"
            )
        return self.network.backward(x, upstream)

    def _told(self, rows: Dataset) -> NDArray[Any]:
        numbers = self.classes is None or self.gives_scores
        k = len(self.classes) if self.classes is not None and self.gives_scores else None
        if not len(rows):
            return np.empty((0,) if k is None else (0, k))
        return checked(told_by(self.predict, rows), len(rows), k, numbers)


def told_by(predict: Callable[[Any], Any], rows: Dataset) -> NDArray[Any]:
    """Ask a model about a frame.

    Raises
    ------
    ModelError : it raised. Its own message may quote a record, so only its kind and place are told.
    """
    try:
        return np.asarray(predict(rows.frame()))
    except Exception as error:  # noqa: BLE001 (a model can raise anything)
        raise ModelError(
            f"an answer to {len(rows)} rows", f"the model raised {kind_and_place(error)}",
            "Check that it takes the columns " + ", ".join(rows.names),
        ) from None  # fmt: skip


def checked(told: NDArray[Any], n: int, k: int | None, numbers: bool) -> NDArray[Any]:
    """Check what a model told of n rows: (n, k) scores, or (n,) values or labels.

    Raises
    ------
    ModelError : another shape, text where numbers are wanted, or numbers that are not finite.
    """
    wanted = (n,) if k is None else (n, k)
    told = told[:, 0] if k is None and told.shape == (n, 1) else told
    if told.shape != wanted:
        raise ModelError(
            f"an answer of shape {wanted}", f"the model answered {told.shape}",
            "Return one row of class probabilities per person, or one number",
        )  # fmt: skip
    if numbers:
        try:
            told = told.astype(float)
        except (TypeError, ValueError):  # its message quotes the answer
            raise ModelError(
                "numbers for answers", "some are text", "Give the model a classes_ attribute"
            ) from None
    if told.dtype.kind == "f" and not _finite(told):
        raise ModelError(
            "finite answers", f"{(~np.isfinite(told)).sum()} are not", "Mend the model's output"
        )
    return told


def _finite(told: NDArray[Any]) -> bool:
    """Say whether all numbers are finite; of few, Python's sum tells four times as fast."""
    few = told.size <= 64 and math.isfinite(sum(told.ravel().tolist()))
    return few or bool(np.isfinite(told).all())


def batches(rows: Dataset, size: int = BATCH) -> Iterator[Dataset]:
    """Cut rows into batches; no rows make one empty batch."""
    for start in range(0, max(len(rows), 1), size):
        yield rows.take(slice(start, start + size))


def positions(labels: Column, classes: Column) -> NDArray[np.intp]:
    """Turn class names (n,) into their places among the classes; -1 for a name that is not one."""
    return places(plain(np.asarray(labels)), plain(np.asarray(classes)))


def local(model: Any, columns: list[str], labels: Column) -> Local:
    """Wrap a fitted estimator, pipeline, booster or callable.

    Parameters
    ----------
    labels : known labels (n,): what a callable or a booster's numbered classes stand for.

    Raises
    ------
    ModelError : nothing that can be asked.
    """
    model_type = type(model).__module__.partition(".")[0]
    if model_type in ("xgboost", "lightgbm") and type(model).__name__ == "Booster":
        from reticent.targets.boosters import booster

        return Local(model, columns, *booster(model, labels), forest=forest_of(model))
    if hasattr(model, "predict_proba"):
        named = list(getattr(model, "classes_", ()))
        if any(np.ndim(name) for name in named):
            raise ModelError("one label", "the model predicts several", "Give a model of one label")
        classes = np.asarray(model.classes_) if named else unique(labels)
        return Local(model, columns, classes, model.predict_proba, forest_of(model),
                     network=_network(model, columns))  # fmt: skip
    if hasattr(model, "predict"):
        names = np.asarray(model.classes_) if hasattr(model, "classes_") else None
        if names is None and not is_numeric(plain(np.asarray(labels))):
            names = unique(labels)  # text is predicted by classifiers only
        return Local(model, columns, names, model.predict, forest_of(model), gives_scores=False,
                     network=_network(model, columns))  # fmt: skip
    if callable(model):
        return Local(model, columns, unique(labels), model)
    raise ModelError(
        "a model",
        f"a {type(model).__name__} has neither predict_proba nor predict",
        "Give an estimator, a pipeline, a callable or a Target",
    )


def _network(model: Any, columns: list[str]) -> Network | None:
    """A model's layers, where they take the columns as they stand."""
    found = network_of(model)
    return found if found is not None and found.width == len(columns) else None


def callable_target(function: Callable[[Any], Any], rows: Dataset, columns: list[str],
                    labels: Column) -> Local:  # fmt: skip
    """Wrap a function of a frame: (n, k) probabilities, or (n,) labels or values.

    What it returns is seen on two rows: a matrix is scores; numbers that are no known label are
    a regressor's values.
    """
    first = rows.select(columns).take(slice(0, 2))
    told = told_by(function, first)
    classes = unique(labels)
    if told.ndim == 2 and told.shape[1] > 1:
        return Local(function, columns, classes, function)
    told = checked(told, len(first), None, numbers=False)
    named = bool((positions(told, classes) >= 0).all())
    return Local(function, columns, classes if named else None, function, gives_scores=False)

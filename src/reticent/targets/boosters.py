"""Native boosters of XGBoost and LightGBM, which number their classes and forget the names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.column import Column, unique
from reticent.errors import ModelError


def booster(model: Any, labels: Column) -> tuple[NDArray[Any] | None, Callable[[Any], Any]]:
    """Return the classes (None for regression) and the scoring function of a native booster.

    Parameters
    ----------
    labels : known labels (n,); sorted, they are what the booster's class numbers stand for.
    """
    objective = _objective(model)
    raw = _raw(model)
    if not any(word in objective for word in ("binary", "multi", "softprob", "softmax")):
        return None, raw
    if objective in ("multi:softmax", "binary:logitraw", "binary:hinge"):
        raise ModelError(
            "class probabilities",
            f"the booster's objective is {objective}",
            "Train with multi:softprob or binary:logistic, or wrap it in a callable",
        )
    return unique(labels), lambda frame: _two_columns(raw(frame))


def _objective(model: Any) -> str:
    if type(model).__module__.startswith("lightgbm"):
        return str(model.dump_model()["objective"]).split()[0]
    import json

    return str(json.loads(model.save_config())["learner"]["objective"]["name"])


def _raw(model: Any) -> Callable[[Any], Any]:
    if type(model).__module__.startswith("lightgbm"):
        return lambda frame: np.asarray(model.predict(frame))

    def ask(frame: Any) -> NDArray[Any]:
        from xgboost import DMatrix

        return np.asarray(model.predict(DMatrix(frame)))

    return ask


def _two_columns(scores: NDArray[Any]) -> NDArray[Any]:
    return np.column_stack([1 - scores, scores]) if scores.ndim == 1 else scores

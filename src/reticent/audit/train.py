"""Training another model like the target: for shadows, and for attribute canaries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from reticent.dataset import Dataset
from reticent.encoding import fit_encoding
from reticent.errors import ConfigError
from reticent.schema import Schema
from reticent.target import Target
from reticent.targets.local import local

Retrain = Callable[[Dataset, int], Target]
Fit = Callable[[Any, Any, int], Any]


def trainer(model: Any, source: Any, target: Target, schema: Schema) -> tuple[Retrain, bool]:
    """Return what trains another model like the target, and whether it is a stand-in.

    Parameters
    ----------
    model : the audited model. source : an estimator or function to train instead, or None.

    Raises
    ------
    ConfigError : ``source`` is given and cannot be cloned.
    """
    fit, surrogate = _fit(model, source, target)

    def train(rows: Dataset, seed: int) -> Target:
        model = fit(rows.select(schema.inputs).frame(), rows[schema.label], seed)
        return local(model, schema.inputs, rows[schema.label])

    return train, surrogate


def _fit(model: Any, given: Any, target: Target) -> tuple[Fit, bool]:
    if callable(given) and not hasattr(given, "fit"):
        return given, False
    from sklearn.base import clone

    source = model if given is None else given
    try:
        if not hasattr(source, "fit"):
            raise TypeError  # a booster, a callable, a Target: nothing to clone
        blank = clone(source)
    except (TypeError, RuntimeError):
        if given is None:
            return _surrogate(target.classes is None), True
        raise ConfigError(
            "train",
            f"a {type(source).__name__} cannot be cloned",
            "Give an unfitted estimator, or a function of frame, labels and seed",
        ) from None

    def fit(frame: Any, labels: Any, seed: int) -> Any:
        return _seeded(clone(blank), seed).fit(frame, labels)

    return fit, False


def _surrogate(regressor: bool) -> Fit:
    """A default random forest, the attacker's own guess at a model that they cannot train."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    def fit(frame: Any, labels: Any, seed: int) -> Any:
        rows = _as_dataset(frame)
        encode = fit_encoding(rows, rows.names)
        kind = RandomForestRegressor if regressor else RandomForestClassifier
        forest = kind(random_state=seed).fit(encode(rows), labels)
        ask = forest.predict if regressor else forest.predict_proba
        return _StandIn(lambda asked: ask(encode(_as_dataset(asked))), regressor, forest)

    return fit


class _StandIn:
    """A fitted stand-in with an estimator's face."""

    def __init__(self, ask: Callable[[Any], Any], regressor: bool, forest: Any) -> None:
        if regressor:
            self.predict = ask
        else:
            self.predict_proba, self.classes_ = ask, forest.classes_


def _as_dataset(frame: Any) -> Dataset:
    if isinstance(frame, np.ndarray):
        return Dataset({f"x{place}": frame[:, place] for place in range(frame.shape[1])})
    return Dataset.of(frame)


def _seeded(estimator: Any, seed: int) -> Any:
    """Give every step that draws the seed, so that a shadow is repeatable."""
    states = [name for name in estimator.get_params() if name.split("__")[-1] == "random_state"]
    return estimator.set_params(**dict.fromkeys(states, seed)) if states else estimator

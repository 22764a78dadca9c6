"""Training another model like the target: for shadows, for canaries, and to try advice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.dataset import Dataset
from reticent.encoding import Encoding, fit_encoding
from reticent.errors import ConfigError, ModelError, kind_and_place
from reticent.schema import Schema
from reticent.target import Target
from reticent.targets.local import Local, local, positions
from reticent.targets.trees import Forest

Fit = Callable[[Any, Any, int], Any]

# The parameter by which each kind of learner generalises, weakest first.
KNOBS: dict[str, tuple[float, ...]] = {
    "min_samples_leaf": (5, 20, 50, 100, 200),
    "min_child_samples": (50, 100, 200, 400),
    "min_child_weight": (20, 50, 100, 200),
}


@dataclass(frozen=True, slots=True)
class Trainer:
    """Trains models like the target.

    Attributes
    ----------
    blank : the unfitted estimator, None where a function or a stand-in is trained.
    surrogate : whether it is a stand-in of the attacker's own.
    classes : (k,) the target's class names, in which every trained model answers; None where the
        target is a regressor.
    """

    fit: Fit
    schema: Schema
    blank: Any = None
    surrogate: bool = False
    classes: NDArray[Any] | None = None

    def __call__(self, rows: Dataset, seed: int) -> Target:
        """Train a model on rows and return it as a target."""
        return self.wrapped(self.fitted(rows, seed), rows)

    def fitted(self, rows: Dataset, seed: int) -> Any:
        """Train a model on rows: what another process can do and send back.

        Raises
        ------
        ModelError : the estimator raised. Its message may quote a record, so its kind is told.
        """
        frame = rows.select(self.schema.inputs).frame()
        try:
            return self.fit(frame, rows[self.schema.label], seed)
        except Exception as error:  # noqa: BLE001 (an estimator can raise anything)
            raise ModelError(
                f"a model like the target, trained on {len(rows)} people",
                f"its estimator raised {kind_and_place(error)}",
                "Check that it can be fitted to the auxiliary data, or pass another one: train=",
            ) from None

    def wrapped(self, model: Any, rows: Dataset) -> Target:
        """Return a model that was trained on rows as a target."""
        return in_classes(local(model, self.schema.inputs, rows[self.schema.label]), self.classes)

    @property
    def knob(self) -> str | None:
        """The full name of the estimator's parameter that makes it generalise, if it has one."""
        names = [] if self.blank is None else list(self.blank.get_params())
        for knob in KNOBS:
            for name in names:
                if name.split("__")[-1] == knob:
                    return str(name)
        return None

    def settings(self) -> list[float]:
        """The values of the knob that generalise more than the present one."""
        knob = self.knob
        if knob is None:
            return []
        now = self.blank.get_params()[knob]
        least = now if isinstance(now, int | float) else 0
        return [value for value in KNOBS[knob.split("__")[-1]] if value > least]

    def turned(self, value: float) -> Trainer:
        """Return a trainer of the same estimator with its knob at another value."""
        from sklearn.base import clone

        blank = clone(self.blank).set_params(**{str(self.knob): value})
        return replace(self, fit=_fit_of(blank), blank=blank)


def trainer(model: Any, given: Any, target: Target, schema: Schema) -> Trainer:
    """Return what trains another model like the target.

    Parameters
    ----------
    model : the audited model. given : an estimator or function to train instead, or None.

    Raises
    ------
    ConfigError : ``given`` cannot be cloned.
    """
    if callable(given) and not hasattr(given, "fit"):
        return Trainer(given, schema, classes=target.classes)
    from sklearn.base import clone

    source = model if given is None else given
    try:
        if not hasattr(source, "fit"):
            raise TypeError  # a booster, a callable, a Target: nothing to clone
        blank = clone(source)
    except (TypeError, RuntimeError):
        if given is None:
            stand_in = _surrogate(target.classes is None)
            return Trainer(stand_in, schema, surrogate=True, classes=target.classes)
        raise ConfigError(
            "train",
            f"a {type(source).__name__} cannot be cloned",
            "Give an unfitted estimator, or a function of frame, labels and seed",
        ) from None
    if hasattr(blank, "predict_proba") and target.classes is None:
        raise ConfigError(
            "train", "it tells classes apart, and the model tells numbers", "Give a regressor"
        )
    return Trainer(_fit_of(blank), schema, blank, classes=target.classes)


def in_classes(model: Local, classes: NDArray[Any] | None) -> Local:
    """Let a model answer in the target's classes, though it may have seen fewer of them.

    A class that it never saw has score 0; one that the target does not know is left out.
    """
    own = model.classes
    if classes is None or own is None or own.tolist() == classes.tolist():
        return model
    places = positions(own, classes)
    known = places >= 0

    def spread(scores: Any) -> NDArray[np.float64]:
        told = np.asarray(scores)
        if told.shape != (len(told), len(own)):
            return told  # not what was asked for: the target's own check tells so
        wide = np.zeros((len(told), len(classes)))
        wide[:, places[known]] = told[:, known]
        return wide

    forest = model.forest and _in_classes(model.forest, spread)
    if not model.gives_scores:
        return replace(model, classes=classes, forest=forest, network=None)
    ask = model.predict
    return replace(
        model, classes=classes, predict=lambda rows: spread(ask(rows)), forest=forest, network=None
    )


def _in_classes(forest: Forest, spread: Callable[[Any], NDArray[np.float64]]) -> Forest:
    def read() -> tuple[tuple[NDArray[np.float64], ...], tuple[NDArray[np.float64], ...]]:
        weight, says = forest.read()
        return weight, tuple(map(spread, says))

    return Forest(forest.at, read)


def _fit_of(blank: Any) -> Fit:
    from sklearn.base import clone

    return lambda frame, labels, seed: _seeded(clone(blank), seed).fit(frame, labels)


def _seeded(estimator: Any, seed: int) -> Any:
    """Give every step that draws the seed, so that a shadow is repeatable."""
    states = [name for name in estimator.get_params() if name.split("__")[-1] == "random_state"]
    return estimator.set_params(**dict.fromkeys(states, seed)) if states else estimator


def _surrogate(regressor: bool) -> Fit:
    """A default random forest, the attacker's own guess at a model that they cannot train."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    def fit(frame: Any, labels: Any, seed: int) -> Any:
        rows = _as_dataset(frame)
        encode = fit_encoding(rows, rows.names)
        kind = RandomForestRegressor if regressor else RandomForestClassifier
        forest = kind(random_state=seed).fit(encode(rows), labels)
        return _Numbers(encode, forest) if regressor else _Classes(encode, forest)

    return fit


@dataclass(frozen=True, slots=True)
class _Numbers:
    """A fitted stand-in with a regressor's face."""

    encode: Encoding
    forest: Any

    def predict(self, asked: Any) -> Any:
        return self.forest.predict(self.encode(_as_dataset(asked)))


@dataclass(frozen=True, slots=True)
class _Classes:
    """A fitted stand-in with a classifier's face."""

    encode: Encoding
    forest: Any

    @property
    def classes_(self) -> Any:
        return self.forest.classes_

    def predict_proba(self, asked: Any) -> Any:
        return self.forest.predict_proba(self.encode(_as_dataset(asked)))


def _as_dataset(frame: Any) -> Dataset:
    if isinstance(frame, np.ndarray):
        return Dataset({f"x{place}": frame[:, place] for place in range(frame.shape[1])})
    return Dataset.of(frame)

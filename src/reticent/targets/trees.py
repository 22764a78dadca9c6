"""The leaves of models made of trees: what a white-box attacker reads in the model file.

One call sends all rows down all trees; nothing here works row by row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Counts = tuple[NDArray[np.float64], ...]


@dataclass(frozen=True, slots=True)
class Forest:
    """The trees inside a model.

    Attributes
    ----------
    at : a frame of n rows to the leaf (n, t) that each reaches in each tree.
    read : reads, the first time it is called, the share of training rows in each leaf and what it
        predicts (empty where the library does not keep that): ``Leaves.weight`` and ``.says``.
    """

    at: Callable[[Any], NDArray[np.intp]]
    read: Callable[[], tuple[Counts, Counts]]


def forest_of(model: Any) -> Forest | None:
    """Find the trees in an estimator, a pipeline's last step or a search's best estimator."""
    found = _found(model)
    return None if found is None else Forest(found.at, cache(found.read))


def _found(model: Any) -> Forest | None:
    model = getattr(model, "best_estimator_", model)
    if hasattr(model, "steps"):
        inner = _found(model.steps[-1][1])
        if inner is None or len(model.steps) == 1:
            return inner
        before = model[:-1]
        return Forest(lambda frame: inner.at(before.transform(frame)), inner.read)
    booster = type(model).__name__ == "Booster"
    for known in type(model).__mro__:
        kind = known.__module__.partition(".")[0]
        if kind == "xgboost":
            return _xgboost(model, booster)
        if kind == "lightgbm":
            return _lightgbm(model, booster)
    if hasattr(model, "tree_"):
        return Forest(lambda frame: _leaf(model.apply(frame)), lambda: _sklearn([model.tree_]))
    if hasattr(model, "apply") and hasattr(model, "estimators_"):
        trees = [tree.tree_ for tree in np.ravel(model.estimators_)]
        if isinstance(model.estimators_, np.ndarray):  # boosting: its leaves hold steps, no answers
            return Forest(
                lambda frame: _leaf(model.apply(np.asarray(frame))),
                lambda: (_sklearn(trees)[0], ()),
            )
        return Forest(lambda frame: _leaf(model.apply(frame)), lambda: _sklearn(trees))
    return None


def _leaf(at: NDArray[Any]) -> NDArray[np.intp]:
    return at.reshape(len(at), -1).astype(np.intp)


def _sklearn(trees: list[Any]) -> tuple[Counts, Counts]:
    weight = tuple(
        np.where(tree.children_left < 0, tree.n_node_samples / tree.n_node_samples[0], 0.0)
        for tree in trees
    )
    return weight, tuple(tree.value[:, 0, :] for tree in trees)


def _xgboost(model: Any, booster: bool) -> Forest:
    def at(frame: Any) -> NDArray[np.intp]:
        if not booster:  # all rounds, as the dump has them, also those after an early stop
            rounds = (0, model.get_booster().num_boosted_rounds())
            return _leaf(model.apply(frame, iteration_range=rounds))
        from xgboost import DMatrix

        return _leaf(model.predict(DMatrix(frame), pred_leaf=True))

    def read() -> tuple[Counts, Counts]:
        core = model if booster else model.get_booster()
        dumps = core.get_dump(with_stats=True, dump_format="json")
        return _shares([dict(_xgboost_leaves(json.loads(text))) for text in dumps]), ()

    return Forest(at, read)


def _xgboost_leaves(node: dict[str, Any]) -> Iterator[tuple[int, float]]:
    if "children" not in node:
        yield node["nodeid"], node["cover"]
    for child in node.get("children", ()):
        yield from _xgboost_leaves(child)


def _lightgbm(model: Any, booster: bool) -> Forest:
    def at(frame: Any) -> NDArray[np.intp]:
        return _leaf(np.asarray(model.predict(frame, pred_leaf=True)))

    def read() -> tuple[Counts, Counts]:
        core = model if booster else model.booster_
        trees = core.dump_model()["tree_info"]
        return _shares([dict(_lightgbm_leaves(t["tree_structure"])) for t in trees]), ()

    return Forest(at, read)


def _lightgbm_leaves(node: dict[str, Any]) -> Iterator[tuple[int, float]]:
    if "split_index" not in node:
        yield node.get("leaf_index", 0), node.get("leaf_count", 1)
    else:
        yield from _lightgbm_leaves(node["left_child"])
        yield from _lightgbm_leaves(node["right_child"])


def _shares(trees: list[dict[int, float]]) -> Counts:
    shares = []
    for tree in trees:
        share = np.zeros(max(tree) + 1)
        share[list(tree)] = list(tree.values())
        shares.append(share / share.sum())
    return tuple(shares)

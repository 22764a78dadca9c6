"""A model file into memory: by what it is, and only as far as it can be trusted."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from reticent.errors import MissingExtraError, ModelError, UntrustedModelError

RUNS_CODE = (".pkl", ".pickle", ".joblib")
SUFFIXES = (".onnx", ".skops", ".ubj", ".json", ".txt", *RUNS_CODE)


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hex.

    Raises
    ------
    ModelError : there is no such file.
    """
    if not path.is_file():
        raise ModelError(f"the model {path}", "there is no such file", "Check [model].path")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_estimator(path: Path, trust_pickle: str | None = None) -> Any:
    """Load a skops, XGBoost, LightGBM or vouched-for pickle file.

    Parameters
    ----------
    trust_pickle : the SHA-256 that a person vouches for; a hash in the project file never does.

    Raises
    ------
    UntrustedModelError : a pickle nobody vouched for, or types that skops does not know.
    ModelError : no such file, or not a kind that is read here.
    """
    found = digest(path)
    if path.suffix in RUNS_CODE:
        return _vouched(path, found, trust_pickle)
    if path.suffix == ".skops":
        return _skops(path)
    if path.suffix in (".ubj", ".json"):
        xgboost = _import("xgboost", path)
        model = xgboost.Booster()
        model.load_model(path)
        return model
    if path.suffix == ".txt":
        return _import("lightgbm", path).Booster(model_file=str(path))
    raise ModelError(
        f"the model {path}", f"{path.suffix or 'no suffix'} is not read here",
        f"Give one of: {', '.join(SUFFIXES)}",
    )  # fmt: skip


def _vouched(path: Path, found: str, trust_pickle: str | None) -> Any:
    if trust_pickle != found:
        problem = (
            "a pickle runs code when it is read"
            if trust_pickle is None
            else ("its SHA-256 is not the one given")
        )
        raise UntrustedModelError(
            f"the model {path}", problem,
            f"If you made this file, add: --trust-pickle {found}",
        )  # fmt: skip
    import joblib

    return joblib.load(path)


def _skops(path: Path) -> Any:
    try:
        from skops import io
    except ImportError:
        raise MissingExtraError(f"the model {path.name}", "skops", "serve") from None
    unknown = io.get_untrusted_types(file=path)
    if unknown:
        raise UntrustedModelError(
            f"the model {path}", f"it holds types that nobody reviewed: {', '.join(unknown)}",
            "Save it as ONNX, or without those steps",
        )  # fmt: skip
    model = io.load(path)
    check_trees(model, path)
    return model


def check_trees(model: Any, path: Path) -> None:
    """Refuse trees whose children point outside the tree or back: reading them leaves the memory.

    scikit-learn follows children without a check, so a crafted file could read anything.
    """
    import numpy as np

    steps = [step for _, step in getattr(model, "steps", [(None, model)])]
    for step in steps:
        grown = np.ravel(getattr(step, "estimators_", [step])).tolist()
        for tree in (one.tree_ for one in grown if hasattr(one, "tree_")):
            inner = tree.children_left >= 0
            here = np.flatnonzero(inner)
            left, right = tree.children_left[here], tree.children_right[here]
            forward = (left > here).all() and (right > here).all()
            inside = (left < tree.node_count).all() and (right < tree.node_count).all()
            split = tree.feature[here]
            if not (forward and inside and ((split >= 0) & (split < tree.n_features)).all()):
                raise UntrustedModelError(
                    f"the model {path}", "a tree's nodes do not form a tree", "Train it again"
                )


def _import(package: str, path: Path) -> Any:
    import importlib

    try:
        return importlib.import_module(package)
    except ImportError:
        raise ModelError(
            f"the model {path.name}", f"the package {package} is not installed",
            f"Install it with: pip install {package}",
        ) from None  # fmt: skip

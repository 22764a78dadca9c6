"""A model file into memory: by what it is, and only as far as it can be trusted."""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.errors import (
    MissingExtraError,
    ModelError,
    ReticentError,
    UntrustedModelError,
    kind_and_place,
)

RUNS_CODE = (".pkl", ".pickle", ".joblib")
REVIEWED = (  # types that skops does not vouch for: trees are checked, a Bunch is a dict
    "sklearn.utils._bunch.Bunch",
    "sklearn.tree._tree.Tree",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
)
SUFFIXES = (".onnx", ".skops", ".ubj", ".json", ".txt", *RUNS_CODE)

Codes = NDArray[np.intp]


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
        return from_bytes(vouched(path, found, trust_pickle), path)
    if path.suffix == ".skops":
        return from_bytes(path.read_bytes(), path)  # what is looked at is what is loaded
    if path.suffix in (".ubj", ".json"):
        return _told(path, lambda: _import("xgboost", path).Booster(model_file=path))
    if path.suffix == ".txt":
        return _told(path, lambda: _import("lightgbm", path).Booster(model_file=str(path)))
    raise ModelError(
        f"the model {path}", f"{path.suffix or 'no suffix'} is not read here",
        f"Give one of: {', '.join(SUFFIXES)}",
    )  # fmt: skip


def _told(path: Path, read: Callable[[], Any]) -> Any:
    """Read a model with its library, and tell in one form that it could not."""
    try:
        return read()
    except ReticentError:
        raise
    except MemoryError:
        raise UntrustedModelError(
            f"the model {path}", "reading it takes more memory than there is", "Save it as ONNX"
        ) from None
    except Exception as error:  # noqa: BLE001 (each library has its own, and a pickle any)
        raise ModelError(
            f"the model {path}", f"it cannot be read ({kind_and_place(error)})",
            "Save it again, with the versions of the packages that are installed here",
        ) from None  # fmt: skip


def from_bytes(content: bytes, path: Path) -> Any:
    """Load the bytes of a skops file, or of a pickle that a person vouched for.

    Parameters
    ----------
    path : their name; its suffix says which of the two they are.

    Raises
    ------
    UntrustedModelError, ModelError : as ``load_estimator`` does.
    """
    if path.suffix == ".skops":
        return _skops(content, path)
    import joblib

    return _told(path, lambda: joblib.load(io.BytesIO(content)))


def vouched(path: Path, found: str, trust_pickle: str | None) -> bytes:
    """Return the content of a pickle that a person vouches for, as it was hashed.

    Parameters
    ----------
    found : its SHA-256. trust_pickle : the one that the person gave.

    Raises
    ------
    UntrustedModelError : nobody did, or for another file.
    """
    if trust_pickle is None or trust_pickle.lower() != found:
        problem = (
            "a pickle runs code when it is read"
            if trust_pickle is None
            else ("its SHA-256 is not the one given")
        )
        raise UntrustedModelError(
            f"the model {path}", problem,
            f"If you made this file, add: --trust-pickle {found}",
        )  # fmt: skip
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != found:
        raise UntrustedModelError(
            f"the model {path}", "it changed while it was checked", "Find out who writes to it"
        )
    # From memory: what was hashed is what is read, whoever swaps the file in between.
    return content


def _skops(content: bytes, path: Path) -> Any:
    try:
        from skops import io as skops_io
    except ImportError:
        raise MissingExtraError(f"the model {path.name}", "skops", "serve") from None
    found = _told(path, lambda: skops_io.get_untrusted_types(data=content))
    unknown = [name for name in found if name not in REVIEWED]
    if unknown:
        raise UntrustedModelError(
            f"the model {path}", f"it holds types that nobody reviewed: {', '.join(unknown)}",
            "Save it as ONNX, or without those steps",
        )  # fmt: skip
    model = _told(path, lambda: skops_io.loads(content, trusted=found))
    check_trees(model, path)
    return model


def check_trees(model: Any, path: Path) -> None:
    """Refuse trees whose children or columns lie outside: reading them leaves the memory.

    scikit-learn follows both without a check, so a crafted file could read anything. The trees
    are looked for in every object of the model, however deep.
    """
    for part in parts_of(model):
        own = vars(part) if hasattr(part, "__dict__") else {}
        width = getattr(part, "n_features_in_", None)
        inner = [vars(one).get("tree_") for one in _flat(own.get("estimators_"))]
        wide = [tree for tree in [own.get("tree_"), *inner] if tree is not None]
        outside = any(width is None or tree.n_features > width for tree in wide)
        steps = _flat(own.get("_predictors"))
        if hasattr(part, "children_left"):
            here = np.flatnonzero(part.children_left >= 0)
            children = part.children_left[here], part.children_right[here]
            outside |= _stray(here, children, part.feature[here], part.node_count, part.n_features)
        for nodes in (step.nodes for step in steps):
            here = np.flatnonzero(nodes["is_leaf"] == 0)
            children = nodes["left"][here].astype(int), nodes["right"][here].astype(int)
            split = nodes["feature_idx"][here].astype(int)
            outside |= bool(nodes["is_categorical"].any())
            outside |= _stray(here, children, split, len(nodes), width or 0)
        if outside:
            raise UntrustedModelError(
                f"the model {path}", "a tree splits on categories or is none", "Save it as ONNX"
            )
    for part in parts_of(model):
        _check_stages(part, path)


def _check_stages(part: Any, path: Path) -> None:
    """Refuse boosting whose trees a round are not as many as it has places to write their sums."""
    stages = vars(part).get("estimators_") if hasattr(part, "__dict__") else None
    if not isinstance(stages, np.ndarray) or not hasattr(part, "_raw_predict_init"):
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names that a row of zeros does not have
            row = np.zeros((1, part.n_features_in_), np.float32)
            fits = part._raw_predict_init(row).shape == (1, *stages.shape[1:])
    except Exception:  # noqa: BLE001 (a crafted model can raise anything)
        fits = False
    if not fits:
        raise UntrustedModelError(
            f"the model {path}", "its trees write beyond their sums", "Save it as ONNX"
        )


def _stray(
    here: Codes, children: tuple[Codes, Codes], split: Codes, nodes: int, width: int
) -> bool:
    """Say whether a split looks beyond the columns, or a child is not a later node."""
    inside = all(bool(((child > here) & (child < nodes)).all()) for child in children)
    return not inside or not bool(((split >= 0) & (split < width)).all())


def _flat(several: Any) -> list[Any]:
    """Lay estimators out in a row, from a list, a list of lists, an array, or nothing."""
    if isinstance(several, np.ndarray):
        several = several.tolist()
    if not isinstance(several, list | tuple):
        return [] if several is None or not hasattr(several, "__dict__") else [several]
    return [one for part in several for one in (_flat(part) if part is not None else [])]


def parts_of(model: Any) -> Iterator[Any]:
    """Yield every object within a model once."""
    waiting, seen = [model], set()
    kept = []  # what was seen stays alive, or its identity could come again
    while waiting:
        part = waiting.pop()
        if id(part) in seen or isinstance(part, str | bytes | int | float | None):
            continue
        seen.add(id(part))
        kept.append(part)
        yield part
        if isinstance(part, dict):
            waiting += [*part.keys(), *part.values()]
        elif isinstance(part, list | tuple | set):
            waiting += part
        elif isinstance(part, np.ndarray):
            waiting += part.ravel().tolist() if part.dtype.kind == "O" else []
        else:
            waiting += getattr(part, "__dict__", {}).values()


def _import(package: str, path: Path) -> Any:
    import importlib

    try:
        return importlib.import_module(package)
    except ImportError:
        raise ModelError(
            f"the model {path.name}", f"the package {package} is not installed",
            f"Install it with: pip install {package}",
        ) from None  # fmt: skip

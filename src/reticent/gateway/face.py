"""One role's face of one model: what it may send, what it is told, and what it reads about both."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from reticent import __version__
from reticent.contract import Contract
from reticent.targets.card import Card

SHOWN_AS = {"number": "FP64", "integer": "INT64", "boolean": "INT64", "text": "BYTES"}


class Face:
    """One role's face of one model, prepared once.

    Attributes
    ----------
    outputs : names of what the role is told. booleans : places of the boolean columns.
    labels : (k + 1,) what a class is called in the answer; the last stands for a refusal.
    datatype : of the label.
    """

    def __init__(self, card: Card, contract: Contract) -> None:
        self.card, self.contract = card, contract
        self.outputs = outputs(card, contract)
        self.kinds = dict(zip(card.columns, card.kinds, strict=True))
        self.booleans = [p for p, kind in enumerate(card.kinds) if kind == "boolean"]
        self.numeric = card.numeric
        self.optional = frozenset(contract.marginalize)
        classes = card.classes or ()
        whole = card.integer_classes and not contract.abstain and contract.output != "top_k"
        self.datatype = "INT64" if whole else "BYTES"
        self.labels: NDArray[Any] = (
            np.array(classes, dtype=np.int64)
            if whole
            else np.array([*map(str, classes), ""], dtype=object)
        )


def outputs(card: Card, contract: Contract) -> tuple[str, ...]:
    """Name the outputs that a role is told, in order."""
    if contract.output == "none":
        return ()
    answered = ("answered",) if contract.abstain else ()
    if card.classes is None:
        return ("value", *answered)
    scores = ("scores",) if card.scores and contract.output != "label" else ()
    vector = ("vector",) if contract.output == "vector" and card.vector else ()
    return ("label", *scores, *vector, *answered)


_FACES: dict[tuple[int, int], Face] = {}


def face_of(card: Card, contract: Contract) -> Face:
    """Prepare a role's face of a model, or find it prepared; the same two objects have one."""
    face = _FACES.get((id(card), id(contract)))  # a face keeps both, so their ids stay theirs
    if face is None:
        if len(_FACES) > 1_000:
            _FACES.clear()
        face = _FACES[id(card), id(contract)] = Face(card, contract)
    return face


def server_metadata() -> bytes:
    """``GET /v2``."""
    told = {"name": "reticent", "version": __version__, "extensions": ["binary_tensor_data"]}
    return msgspec.json.encode(told)


def live(ok: bool = True) -> bytes:
    """``GET /v2/health/live``: it is, since it answers. Clients look for both words in both."""
    return msgspec.json.encode({"live": True, "ready": ok})


def ready(ok: bool) -> bytes:
    """``GET /v2/health/ready``; where it is not (503), an error too."""
    return msgspec.json.encode({"live": True, "ready": ok, **_error(ok)})


def model_ready(card: Card, ok: bool) -> bytes:
    """``GET /v2/models/NAME/ready``; where it is not (503), an error too."""
    return msgspec.json.encode({"name": card.name, "ready": ok, **_error(ok)})


def _error(ok: bool) -> dict[str, str]:
    return {} if ok else {"error": "not ready"}


def model_metadata(card: Card, contract: Contract) -> bytes:
    """``GET /v2/models/NAME`` as one role sees it.

    A column that may be left out has ``parameters.optional``; ``parameters.classes`` is there for
    who is told labels.
    """
    inputs: list[dict[str, Any]] = []
    for name, kind in zip(card.columns, card.kinds, strict=True):
        tensor: dict[str, Any] = {"name": name, "datatype": SHOWN_AS[kind], "shape": [-1]}
        if name in contract.marginalize:
            tensor["parameters"] = {"optional": True}
        inputs.append(tensor)
    face = face_of(card, contract)
    told: dict[str, Any] = {
        "name": card.name,
        "versions": ["1"],
        "platform": "reticent",
        "inputs": inputs,
        "outputs": [_shown(name, face) for name in face.outputs],
    }
    if "label" in face.outputs:
        told["parameters"] = {"classes": list(card.classes or ())}
    return msgspec.json.encode(told)


def _shown(output: str, face: Face) -> dict[str, Any]:
    k, top = len(face.card.classes or ()), face.contract.top_k
    width = k if top is None else min(top, k)
    wide: dict[str, list[int | None]] = {"scores": [width], "vector": [face.card.vector]}
    if top is not None:
        wide["label"] = [width]
    datatype = {"label": face.datatype, "answered": "BOOL"}.get(output, "FP64")
    return {"name": output, "datatype": datatype, "shape": [-1, *wide.get(output, ())]}

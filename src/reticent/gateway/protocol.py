"""What a caller of ``/v2`` sends and reads, for one role of one model.

Requests become a ``Dataset`` in the model's columns: any encoding, datatype or layout of the same
numbers makes the same one. Answers are told as far as the contract shows, and no error message
holds a value that was sent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.column import Column
from reticent.contract import Contract
from reticent.dataset import Dataset
from reticent.errors import ModelError, nearest
from reticent.gateway.face import (
    Face,
    face_of,
    live,
    model_metadata,
    model_ready,
    ready,
    server_metadata,
)
from reticent.target import Answer
from reticent.targets.card import Card
from reticent.targets.oip import (
    DTYPES,
    LENGTH,
    Part,
    Tensor,
    Unreadable,
    Wish,
    cells,
    read_request,
    write_response,
)

__all__ = [
    "Asked",
    "BadRequest",
    "live",
    "model_metadata",
    "model_ready",
    "read_rows",
    "ready",
    "server_metadata",
    "write_answer",
]

MAX_ROWS = 65_536  # of one request
LONG = 1 << 20  # bytes of a body that is not read before it is known to be of use
MAX_ID = 256  # characters of a request's id, which the answer repeats
TAKES = {
    "number": ("FP64", "FP32", "INT64"),
    "integer": ("FP64", "FP32", "INT64"),
    "boolean": ("FP64", "FP32", "INT64", "BOOL"),
    "text": ("BYTES",),
}
Cells = list[Any] | NDArray[Any]  # of one tensor, row by row
JSON = (b"content-type", b"application/json")
BINARY = (b"content-type", b"application/octet-stream")


class BadRequest(Exception):  # noqa: N818 (the word of the trade)
    """A request that cannot be answered.

    Parameters
    ----------
    message : what is wrong and what to send; never a value that was sent. status : as in HTTP.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status, self.message = status, message


@dataclass(slots=True)
class Asked:
    """A request, read.

    Attributes
    ----------
    rows : (n, columns) in the card's order, without those that were left out. missing : these.
    id : the caller's name for the request. outputs : the named ones, None for all; and for each
        whether it is wanted in bytes. binary : whether all are, where none was named.
    """

    rows: Dataset
    n: int
    missing: tuple[str, ...]
    id: str | None = None
    outputs: dict[str, bool] | None = None
    binary: bool = False


def read_rows(body: bytes, header_length: int | None, card: Card, contract: Contract) -> Asked:
    """Read the body of an infer request.

    Parameters
    ----------
    header_length : the value of Inference-Header-Content-Length, None where it is not there.

    Raises
    ------
    BadRequest : 413 for more than ``MAX_ROWS`` rows, 403 where the role is told nothing, else 400.
    """
    face = face_of(card, contract)
    if not face.outputs:
        raise BadRequest("this role is told nothing of the model's answers", 403)
    try:
        request, tail = read_request(body, header_length)
        parts = request.inputs
        n = _rows(parts, face)
        if len(body) > LONG and sum(math.prod(one.shape) for one in parts) > n * len(face.kinds):
            raise BadRequest("the inputs have more cells than rows and columns")
        found = cells(parts, tail)
    except Unreadable as error:
        raise BadRequest(str(error)) from None
    missing: tuple[str, ...] = ()
    if _is_matrix(parts, face):
        rows = _of_one(parts[0], found[0], face)
    else:
        rows = _of_columns(parts, found, n, face)
        missing = tuple(name for name in card.columns if name not in rows.columns)
    asked = Asked(rows, n, missing, request.id)
    if request.outputs or request.parameters or request.id:
        _wanted(request, asked, face)
    return asked


def _rows(parts: Sequence[Part], face: Face) -> int:
    """Return how many rows are asked; all tensors agree on it."""
    if not parts:
        raise BadRequest("inputs is empty: send one tensor per column")
    if len(parts) > len(face.kinds):
        raise BadRequest(f"there are more inputs than columns: {_list(face)}")
    n = parts[0].shape[0] if parts[0].shape else 0
    if len(parts) > 1 and any(part.shape[:1] != [n] for part in parts):
        raise BadRequest("the inputs have different numbers of rows")
    if n > MAX_ROWS:
        raise BadRequest(f"more than {MAX_ROWS} rows: send fewer at a time", 413)
    if n < 1:
        raise BadRequest("there are no rows: shapes are [n], [n,1] or [n,d] with n of 1 or more")
    return n


def _is_matrix(parts: Sequence[Part], face: Face) -> bool:
    """Say whether one tensor holds all columns; [n,1] named as a column holds that one."""
    one = parts[0]
    if len(parts) != 1 or len(one.shape) != 2:
        return False
    return one.shape[1] != 1 or one.name not in face.kinds


def _of_one(part: Part, found: Cells, face: Face) -> Dataset:
    """Read all columns from one tensor (n, d)."""
    card = face.card
    if not face.numeric:
        raise BadRequest("not all columns are numbers: send one tensor per column, named as it")
    if part.datatype not in TAKES["number"]:
        raise BadRequest("the tensor's datatype is none of FP64, FP32, INT64")
    if part.shape[1] != len(card.columns):
        raise BadRequest(f"the tensor is to have {len(card.columns)} columns: {_list(face)}")
    x = _numbers(part.datatype, found).reshape(part.shape)
    if face.booleans:
        _check_truths(x[:, face.booleans])
    return Dataset.of_matrix(x, card.columns)


def _of_columns(parts: Sequence[Part], found: list[Cells], n: int, face: Face) -> Dataset:
    """Read a tensor (n,) or (n, 1) for each column."""
    given: dict[str, tuple[str, Cells]] = {}
    shapes = [n], [n, 1]
    for place, part in enumerate(parts):
        name = part.name
        kind = face.kinds.get(name)
        if kind is None:
            close = nearest(name, list(face.kinds))
            raise BadRequest(f"input {place + 1} is no column{close}: {_list(face)}")
        if name in given:
            raise BadRequest(f"column {name!r} is there twice")
        if part.shape not in shapes:
            raise BadRequest(f"the shape of column {name!r} is to be [{n}] or [{n},1]")
        if part.datatype not in TAKES[kind]:
            takes = ", ".join(TAKES[kind])
            raise BadRequest(f"the datatype of column {name!r} is to be one of {takes}")
        given[name] = part.datatype, found[place]
    for name in face.kinds:
        if name not in given and name not in face.optional:
            raise BadRequest(f"column {name!r} is missing: send a tensor for each of {_list(face)}")
    return _table(given, face)


def _table(given: dict[str, tuple[str, Cells]], face: Face) -> Dataset:
    """Put columns into the card's order: into one matrix where the model wants numbers only."""
    numeric = [name for name, kind in face.kinds.items() if name in given and kind != "text"]
    x = np.empty((0, 0))
    if numeric:
        datatypes = {given[name][0] for name in numeric}
        if len(datatypes) == 1:
            x = _numbers(datatypes.pop(), [given[name][1] for name in numeric])
        else:
            x = np.array([_numbers(*given[name]) for name in numeric])
    truths = [place for place, name in enumerate(numeric) if face.kinds[name] == "boolean"]
    if truths:
        _check_truths(x[truths])
    if face.numeric:
        return Dataset.of_matrix(np.ascontiguousarray(x.T), tuple(numeric))
    columns: dict[str, Column] = dict(zip(numeric, x, strict=True))
    for name, kind in face.kinds.items():
        if kind == "text" and name in given:
            columns[name] = np.array(given[name][1], dtype=object)
    return Dataset({name: columns[name] for name in face.kinds if name in columns})


def _numbers(datatype: str, found: Any) -> NDArray[np.float64]:
    """Read numbers of one datatype. What stood in JSON is finite in 64 bits: its reader saw to it.

    Parameters
    ----------
    found : cells of a tensor, or a list of those of several.
    """
    try:
        if datatype == "FP64":
            x = np.array(found, dtype=np.float64)
        else:
            with np.errstate(over="raise"):
                x = np.array(found, dtype=DTYPES[datatype]).astype(np.float64)
    except (OverflowError, FloatingPointError):
        raise BadRequest("a number is beyond its datatype") from None
    if not (type(found) is list and type(found[0]) in (float, int)) and not np.isfinite(x).all():
        raise BadRequest("a number is not finite: NaN and infinity are refused")
    return x


def _check_truths(x: NDArray[np.float64]) -> None:
    if not ((x == 0) | (x == 1)).all():
        raise BadRequest("a boolean column holds something else than 0 and 1")


def _list(face: Face) -> str:
    names = face.card.columns
    return ", ".join(names[:40]) + (", ... (see the model's metadata)" if names[40:] else "")


def _wanted(request: Wish, asked: Asked, face: Face) -> None:
    """Note how the answer is to be written."""
    if request.id is not None and len(request.id) > MAX_ID:
        raise BadRequest(f"id is longer than {MAX_ID} characters")
    every = request.parameters is not None and bool(request.parameters.binary_data_output)
    asked.binary = every
    if not request.outputs:
        return
    asked.outputs = {}
    for output in request.outputs:
        if output.name not in face.outputs:
            raise BadRequest(f"the outputs that can be asked for are: {', '.join(face.outputs)}")
        if output.name in asked.outputs:
            raise BadRequest(f"output {output.name!r} is asked for twice")
        flags = output.parameters
        if flags is not None and (flags.classification or flags.shared_memory_region):
            raise BadRequest("outputs offer neither classification nor shared memory")
        own = None if flags is None else flags.binary_data
        asked.outputs[output.name] = every if own is None else own


def write_answer(
    answer: Answer, asked: Asked, card: Card, contract: Contract
) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Write what the contract in force left of an answer: headers and body.

    Parameters
    ----------
    answer : cut by the contract: scores (n, k), 0 where withheld and NaN where refused.

    Raises
    ------
    ModelError : the answer lacks what the contract tells, or refuses where it never does.
    """
    face = face_of(card, contract)
    told = _told(answer, face)
    if asked.outputs is None:
        binary = [asked.binary] * len(told)
    else:  # a contract may have become coarser since it was asked
        by_name = {tensor.name: tensor for tensor in told}
        wanted = {name: raw for name, raw in asked.outputs.items() if name in by_name}
        told, binary = [by_name[name] for name in wanted], list(wanted.values())
    length, body = write_response(card.name, told, binary, asked.id)
    if length is None:
        return [JSON], body
    return [BINARY, (LENGTH, b"%d" % length)], body


def _told(answer: Answer, face: Face) -> list[Tensor]:
    """Put an answer into tensors, in the order of the face's outputs."""
    output = face.contract.output
    if output == "none":
        return []
    told = []
    if face.card.classes is None:
        told.append(Tensor("value", "FP64", _there(answer.value)))
    elif output == "top_k":
        told += _falling(answer, face)
    else:
        told.append(_label(_there(answer.label), face))
        if output != "label" and answer.scores is not None:
            told.append(Tensor("scores", "FP64", answer.scores))
        if output == "vector" and answer.vector is not None:
            told.append(Tensor("vector", "FP64", answer.vector))
    if face.contract.abstain:
        told.append(Tensor("answered", "BOOL", _there(answer.answered)))
    return told


def _there(part: NDArray[Any] | None) -> NDArray[Any]:
    if part is None:
        raise ModelError("an answer", "it lacks what the contract tells", "Check the model")
    return part


def _label(label: NDArray[np.intp], face: Face) -> Tensor:
    if face.datatype == "INT64" and label.min() < 0:
        raise ModelError(
            "an answer", "it refuses a row, and the contract never does",
            "Give the role abstain as its server has it",
        )  # fmt: skip
    return Tensor("label", face.datatype, face.labels[label])


def _falling(answer: Answer, face: Face) -> list[Tensor]:
    """Order the highest m classes of each row: the predicted one first, ties as they are named."""
    scores, label = _there(answer.scores), _there(answer.label)
    m = min(face.contract.top_k or 1, scores.shape[1])
    each = np.arange(len(scores))
    keys = np.where(np.isnan(scores), 0.0, -scores)
    keys[each, label] = -np.inf
    order = np.argsort(keys, axis=1, kind="stable")[:, :m]
    names = face.labels[np.where((label < 0)[:, None], -1, order)]
    return [Tensor("label", "BYTES", names),
            Tensor("scores", "FP64", np.take_along_axis(scores, order, axis=1))]  # fmt: skip

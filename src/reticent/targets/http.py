"""A live endpoint: a client of the Open Inference Protocol v2.

What the server's metadata names decides what is asked and what is revealed: a gateway of this
project tells ``label``, ``scores``, ``value``, ``vector`` and ``answered``; the outputs of any
other server are told apart by their shapes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from reticent.column import Column, is_missing, unique
from reticent.dataset import Dataset
from reticent.errors import ModelError
from reticent.target import Answer, Reveals
from reticent.targets.answers_file import class_name
from reticent.targets.line import Line, Place, Reply, decoded, place_of
from reticent.targets.oip import DTYPES, LENGTH, Tensor, read_response, write_request
from reticent.targets.remote import exchanged, joined

BATCH = 1_024  # rows a request
ROUNDED = 0.05  # by which probabilities may miss a sum of 1
OURS = "reticent"  # the platform that a gateway of this project names
FLOATS = ("FP64", "FP32", "FP16")


class Slot(msgspec.Struct):
    """An input or an output, as metadata name it; -1 in a shape is any size."""

    name: str
    datatype: str
    shape: list[int]


class Metadata(msgspec.Struct):
    """What a server says about a model."""

    platform: str = ""
    inputs: list[Slot] = []
    outputs: list[Slot] = []
    parameters: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Outputs:
    """The names under which a server tells the parts of an answer; None: it does not."""

    label: str | None = None
    scores: str | None = None
    value: str | None = None
    vector: str | None = None
    answered: str | None = None

    @property
    def names(self) -> list[str]:
        """Those that there are."""
        told = (self.label, self.scores, self.value, self.vector, self.answered)
        return [name for name in told if name is not None]


@dataclass(frozen=True, slots=True)
class Http:
    """A model that is served somewhere.

    Attributes
    ----------
    inputs : what it takes: one slot per column, or a single one for a matrix.
    batch : rows a request, at most. sums : whether scores must sum to 1; a contract may cut them.
    """

    line: Line
    columns: list[str]
    classes: NDArray[Any] | None
    reveals: Reveals
    ignores: frozenset[str]
    inputs: list[Slot]
    outputs: Outputs
    batch: int = BATCH
    sums: bool = False

    def ask(self, rows: Dataset) -> Answer:
        """Answer n rows, in requests of at most ``batch``.

        Raises
        ------
        ModelError : the server refuses or cannot be understood, or its budget is spent.
        """
        if not self.outputs.names:  # a role that is told nothing
            return Answer(answered=np.zeros(len(rows), dtype=bool))
        parts = list(self.each(rows))
        return joined(parts) if parts else self._nothing()

    def each(self, rows: Dataset) -> Iterator[Answer]:
        """Answer n rows request by request; one too large for the server goes in halves."""
        for some, reply in exchanged(rows.select(self.columns), self.batch, self._sent):
            if reply.status != 200:
                raise self.line.refused(reply)
            told = decoded(self.line, partial(_tensors_of, reply), reply.body)
            yield self._answer(told, len(some))

    def _sent(self, rows: Dataset) -> Reply:
        _, body = write_request(self._tensors(rows), binary=False, outputs=self.outputs.names)
        return self.line.send("/infer", body, one=len(rows) == 1)

    def _tensors(self, rows: Dataset) -> list[Tensor]:
        gaps = [name for name in self.columns if is_missing(rows[name]).any()]
        if gaps:
            raise ModelError(
                f"an answer to {len(rows)} rows", f"the protocol has no gaps, and {', '.join(gaps)}"
                " has some", "Fill them as the model's makers did, or drop those rows",
            )  # fmt: skip
        if [slot.name for slot in self.inputs] == self.columns:
            return [_tensor(slot, rows[slot.name]) for slot in self.inputs]
        (slot,) = self.inputs
        cells = [_tensor(slot, rows[name]) for name in self.columns]
        kind = cells[0].datatype if len({one.datatype for one in cells}) == 1 else "FP64"
        data = np.stack([one.data for one in cells], axis=1).astype(DTYPES[kind])
        return [Tensor(slot.name, kind, data)]

    def _answer(self, told: dict[str, Tensor], n: int) -> Answer:
        names = self.outputs
        answered = self._part(told, names.answered, n)
        passed = np.ones(n, dtype=bool) if answered is None else answered.reshape(n).astype(bool)
        vector = self._part(told, names.vector, n)
        refused = None if answered is None else passed
        if self.classes is None:
            value = self._numbers(told, names.value, n, passed)
            if value is not None and value.size != n:
                raise self._strange("several values for one row")
            value = None if value is None else value.reshape(n)
            return Answer(None, None, value, vector, refused)
        scores = self._numbers(told, names.scores, n, passed)
        label = self._labels(told, n, passed)
        if scores is not None and label is not None and label.shape == scores.shape:
            scores = self._placed(scores, label)
        elif scores is not None and scores.shape != (n, len(self.classes)):
            raise self._strange("scores of another shape")
        elif scores is not None and self.sums and not sum_to_one(scores[passed]):
            raise self._strange("scores that are no probabilities")
        if label is not None:
            first = label.reshape(n, -1)[:, 0]
        elif scores is not None:
            first = np.where(passed, np.nan_to_num(scores).argmax(axis=1), -1)
        else:
            raise self._strange("neither label nor scores")
        return Answer(first, scores, None, vector, refused)

    def _placed(self, scores: NDArray[Any], label: NDArray[np.intp]) -> NDArray[np.float64]:
        """Put the scores of the few highest classes (n, m) in their places among all (n, k)."""
        assert self.classes is not None
        wide = np.zeros((len(scores), len(self.classes)))
        wide[np.isnan(scores[:, 0])] = np.nan
        there = label >= 0
        wide[np.nonzero(there)[0], label[there]] = scores[there]
        return wide

    def _labels(
        self, told: dict[str, Tensor], n: int, passed: NDArray[np.bool_]
    ) -> NDArray[np.intp] | None:
        """Read class names (n,) or, of the highest classes, (n, m) as their places."""
        found = self._part(told, self.outputs.label, n)
        if found is None:
            return None
        assert self.classes is not None
        places = {class_name(one): place for place, one in enumerate(self.classes.tolist())}
        flat = [places.get(class_name(one), -1) for one in found.ravel().tolist()]
        label = np.array(flat, dtype=np.intp).reshape(found.shape)
        label[~passed] = -1
        if (label[passed] < 0).any():
            raise self._strange("a class that is none of its own")
        return label

    def _numbers(
        self, told: dict[str, Tensor], name: str | None, n: int, passed: NDArray[np.bool_]
    ) -> NDArray[np.float64] | None:
        found = self._part(told, name, n)
        if found is None:
            return None
        if found.dtype.kind not in "iuf":
            raise self._strange("text where numbers are wanted")
        numbers = found.astype(float)
        numbers[~passed] = np.nan
        if not np.isfinite(numbers[passed]).all():
            raise self._strange("numbers that are not finite")
        return numbers

    def _part(self, told: dict[str, Tensor], name: str | None, n: int) -> NDArray[Any] | None:
        if name is None:
            return None
        if name not in told:
            raise self._strange(f"no output {name!r}")
        data = told[name].data
        if not data.ndim or len(data) != n:
            raise self._strange(f"another number of answers than {n}")
        return data

    def _strange(self, found: str) -> ModelError:
        return ModelError(
            f"an answer of {self.line.place}", f"it tells {found}",
            "Check that its metadata describe the model",
        )  # fmt: skip

    def _nothing(self) -> Answer:
        """The answer to no rows: nothing is sent for it."""
        names = self.outputs
        if self.classes is None:
            value = None if names.value is None else np.empty(0)
            return Answer(value=value)
        scores = np.empty((0, len(self.classes))) if names.scores else None
        return Answer(np.empty(0, np.intp), scores)


def http(
    url: str, columns: Sequence[str], labels: Column, *, key: str | None = None,
    name: str | None = None, rows_per_minute: int | None = None, line: Line | None = None,
) -> Http:  # fmt: skip
    """Look at a served model's metadata and return it as a target.

    Parameters
    ----------
    url : of the server, or of the model below it. name : the model's, where the address ends
        before it.
    columns : the data's, in the schema's order. labels : known labels (n,), for servers that do
        not name their classes.
    key : an access key, sent as a bearer token.
    rows_per_minute : what the contract allows; no request has more rows.
    line : how to reach it, where it is not the usual way.

    Raises
    ------
    ConfigError : an address that cannot be one.
    ModelError : nobody answers, or it takes or tells something else.
    """
    line = line or Line(place_of(url, name), key)
    reply = line.send()
    if reply.status != 200:
        raise line.refused(reply)
    about: Metadata = decoded(line, msgspec.json.Decoder(Metadata).decode, reply.body)
    wanted = _wanted(about.inputs, list(columns), line.place)
    named = (about.parameters or {}).get("classes")
    classes: NDArray[Any] | None = classes_of(named, labels)
    outputs = _outputs(about.outputs, len(named) if isinstance(named, list) else None)
    told = (outputs.value, outputs.label, outputs.scores) != (None, None, None)
    nothing = not about.outputs and about.platform == OURS
    if not told and not nothing:
        raise ModelError(
            f"the model at {line.place}", "its metadata name no output that can be read",
            "Describe its outputs: a label, scores, or a value",
        )  # fmt: skip
    if outputs.label is None and outputs.scores is None:
        classes = None
    batch = min(BATCH, rows_per_minute or BATCH)
    reveals = _reveals(outputs, about.outputs, classes)
    return Http(line, wanted, classes, reveals, frozenset(columns) - frozenset(wanted),
                about.inputs, outputs, batch, about.platform != OURS)  # fmt: skip


def _wanted(inputs: list[Slot], columns: list[str], place: Place) -> list[str]:
    """The columns that the server takes: those it names, or all of them side by side."""
    names = [slot.name for slot in inputs]
    lacking = [name for name in names if name not in columns]
    if names and not lacking:
        return names
    if len(inputs) == 1 and len(inputs[0].shape) == 2 and inputs[0].shape[1] in (-1, len(columns)):
        return columns
    found = f"it wants {', '.join(lacking)}" if lacking else "its metadata name no inputs"
    raise ModelError(
        f"the model at {place}", found, "Give the table whose columns it was deployed with"
    )


def classes_of(named: Any, labels: Column) -> NDArray[Any]:
    """The server's class names, written as the data's labels are; the labels where it names none.

    A class that no label is called by keeps the server's name.
    """
    known = unique(labels)
    if not isinstance(named, list) or not named:
        return known
    mine = {class_name(one): one for one in known.tolist()}
    found = [mine.get(class_name(one), one) for one in named]
    numbers = all(isinstance(one, int | float) for one in found)
    return np.array(found) if numbers else np.array(found, dtype=object)


def sum_to_one(scores: NDArray[np.float64]) -> bool:
    """Say whether each row (n, k) is a distribution, give or take what rounding does."""
    return bool((scores > -ROUNDED).all() and (np.abs(scores.sum(axis=1) - 1) < ROUNDED).all())


def _outputs(slots: list[Slot], classes: int | None) -> Outputs:
    """Tell outputs apart: by the gateway's names, else by their shapes and types."""
    names = {slot.name for slot in slots}
    own = {name: name for name in ("label", "scores", "value", "vector", "answered")
           if name in names}  # fmt: skip
    if len(own) == len(slots) and slots:
        return Outputs(**own)
    found: dict[str, str] = {}
    for slot in slots:
        wide = len(slot.shape) == 2 and slot.shape[1] != 1
        if slot.datatype in FLOATS:
            if wide and (classes is None or slot.shape[1] in (-1, classes)):
                found.setdefault("scores", slot.name)
            elif not wide:
                found.setdefault("value", slot.name)
        elif not wide:
            found.setdefault("label", slot.name)
    if "scores" in found or "label" in found:
        found.pop("value", None)
    return Outputs(**found)


def _reveals(names: Outputs, slots: list[Slot], classes: NDArray[Any] | None) -> Reveals:
    told = Reveals.ANY_ROW
    if names.label is not None or names.value is not None or names.scores is not None:
        told |= Reveals.LABEL
    if names.scores is not None and classes is not None:
        shapes = {slot.name: slot.shape for slot in slots}
        shape = shapes[names.scores]
        few = shape == shapes.get(names.label or "") or shape[-1] not in (-1, len(classes))
        told |= Reveals.TOP_K | (Reveals.NOTHING if few else Reveals.SCORES)
    if names.vector is not None:
        told |= Reveals.VECTOR
    return told | (Reveals.NOTHING if names.answered is None else Reveals.ABSTAIN)


def _tensor(slot: Slot, column: Column) -> Tensor:
    """Write a column (n,) in the type that the server names, or in FP64 where it would be cut."""
    kind = slot.datatype
    if kind == "BYTES" or column.dtype.kind == "O":
        return Tensor(slot.name, "BYTES", np.array([str(one) for one in column.tolist()], object))
    whole = kind not in FLOATS and column.dtype.kind == "f"
    if kind not in DTYPES or (whole and (column != np.round(column)).any()):
        kind = "FP64"
    return Tensor(slot.name, kind, column.astype(DTYPES[kind]))


def _tensors_of(reply: Reply, body: bytes) -> dict[str, Tensor]:
    length = reply.headers.get(LENGTH.decode())
    return read_response(body, None if length is None else int(length))

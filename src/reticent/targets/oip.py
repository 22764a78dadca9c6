"""Open Inference Protocol v2 on the wire, both directions: JSON, and its binary tensor extension.

A message is a JSON object, behind which the raw bytes of binary tensors may follow; the header
``Inference-Header-Content-Length`` says where the JSON ends. Text (BYTES) has each element's
length before it, four bytes little-endian. Numbers are little-endian, elements row by row.

https://github.com/kserve/open-inference-protocol (rest_open_inference_protocol, binary_data)
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype("?"),
    **{f"{sign}INT{8 * size}": np.dtype(f"<{sign.lower() or 'i'}{size}")
       for sign in ("U", "") for size in (1, 2, 4, 8)},
    **{f"FP{8 * size}": np.dtype(f"<f{size}") for size in (2, 4, 8)},
    "BYTES": np.dtype(object),
}  # fmt: skip
T = TypeVar("T")
NOTHING = msgspec.Raw()
MOST_AXES = 32
LONG = 1 << 16  # bytes of JSON that are looked at before they are read
LENGTH = b"inference-header-content-length"  # the header that says where the JSON ends


class Unreadable(Exception):  # noqa: N818 (it is about the message, not about us)
    """A message that is not in this protocol. Its text never holds a value that was sent."""


class Tensor(msgspec.Struct, frozen=True):
    """A named array; a Struct, which is built in a fifth of a frozen dataclass's time.

    Attributes
    ----------
    datatype : one of ``DTYPES``. data : of any shape; BYTES hold str, in UTF-8 on the wire.
    """

    name: str
    datatype: str
    data: NDArray[Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the array."""
        return self.data.shape


class Flags(msgspec.Struct, omit_defaults=True):
    """The parameters that change how a message is read or written; others are left aside."""

    binary_data_size: int | None = None
    binary_data: bool | None = None
    binary_data_output: bool | None = None
    shared_memory_region: msgspec.Raw = NOTHING
    classification: msgspec.Raw = NOTHING


class Part(msgspec.Struct):
    """A tensor as it stands in a message, without its cells."""

    name: str
    datatype: str
    shape: list[int]
    parameters: Flags | None = None


class Output(Part):
    """A tensor of an answer, its cells not read yet; it may have more fields than we know."""

    data: msgspec.Raw = NOTHING


class Input(Part, forbid_unknown_fields=True):
    """A tensor of a request, its cells not read yet."""

    data: msgspec.Raw = NOTHING


class Floats(Part, forbid_unknown_fields=True):
    """A tensor of a request, read: its cells are floats, or behind the JSON."""

    data: list[float] | None = None


class Named(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """An output that is asked for."""

    name: str
    parameters: Flags | None = None


class Wish(msgspec.Struct, kw_only=True):
    """What a caller asks for. Some send ``model_name`` and ``model_version``, which are unused."""

    outputs: list[Named] | None = None
    id: str | None = None
    parameters: Flags | None = None
    model_name: str | None = None
    model_version: str | None = None


class Request(Wish, forbid_unknown_fields=True):
    """A request whose tensors are not read yet."""

    inputs: list[Input]


class Quick(Wish, forbid_unknown_fields=True):
    """A request of floats."""

    inputs: list[Floats]


class Response(msgspec.Struct):
    """What a server answers, and what else it says is left aside."""

    outputs: list[Output]


class _Shown(msgspec.Struct, omit_defaults=True):
    """A tensor to be written."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: list[Any] | None = None
    parameters: dict[str, int] | None = None


class _Reply(msgspec.Struct, omit_defaults=True):
    model_name: str
    model_version: str
    outputs: list[_Shown]
    id: str | None = None


_REQUEST = msgspec.json.Decoder(Request)
_QUICK = msgspec.json.Decoder(Quick)
_RESPONSE = msgspec.json.Decoder(Response)
_JSON = msgspec.json.Encoder()


def read_request(
    body: bytes, header_length: int | None = None
) -> tuple[Request | Quick, memoryview]:
    """Read the JSON of a request: it, and the bytes behind it.

    Short ones are first read as floats, which most are: that spares them a second reading.

    Raises
    ------
    Unreadable : not a request.
    """
    head, tail = _split(body, header_length)
    if len(head) < LONG:
        try:
            quick = _QUICK.decode(head)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return _decoded(_REQUEST, head), tail
        if all(part.data is None or part.datatype in ("FP64", "FP32") for part in quick.inputs):
            return quick, tail
    return _decoded(_REQUEST, head), tail


def read_response(body: bytes, header_length: int | None = None) -> dict[str, Tensor]:
    """Read an answer: its tensors by name; a gap among numbers is NaN.

    Raises
    ------
    Unreadable : not an answer.
    """
    head, tail = _split(body, header_length)
    parts = _decoded(_RESPONSE, head).outputs
    read = cells(parts, tail, gaps=True)
    return {
        part.name: Tensor(part.name, part.datatype, _array(part, found))
        for part, found in zip(parts, read, strict=True)
    }


def write_request(
    tensors: Sequence[Tensor], *, binary: bool = True, outputs: Sequence[str] = ()
) -> tuple[int | None, bytes]:
    """Write a request: the length of its JSON where bytes follow (else None), and the body.

    Parameters
    ----------
    binary : whether numbers and texts travel as bytes, in both directions.
    outputs : which are wanted; none named: all.
    """
    shown, tail = _shown(tensors, [binary] * len(tensors))
    asked: dict[str, Any] = {"inputs": shown, "parameters": {"binary_data_output": binary}}
    if outputs:
        flags = Flags(binary_data=binary)
        asked["outputs"] = [Named(name, flags) for name in outputs]
    return _joined(_JSON.encode(asked), tail)


def write_response(
    model: str, tensors: Sequence[Tensor], binary: Sequence[bool], id: str | None = None  # noqa: A002
) -> tuple[int | None, bytes]:  # fmt: skip
    """Write an answer: the length of its JSON where bytes follow (else None), and the body.

    ``binary`` says of each tensor whether its cells stand behind the JSON.
    """
    shown, tail = _shown(tensors, binary)
    return _joined(_JSON.encode(_Reply(model, "1", shown, id)), tail)


def cells(
    parts: Sequence[Part], tail: memoryview, *, gaps: bool = False
) -> list[list[Any] | NDArray[Any]]:
    """Read the cells of a message's tensors, row by row: as many as each one's shape says.

    Those that stood in the JSON come as Python's values, which may be beyond their datatype, those
    behind it as an array in it.

    Parameters
    ----------
    tail : the bytes behind the JSON. gaps : whether null may stand among numbers, as None.

    Raises
    ------
    Unreadable : shapes, datatypes and cells do not fit together.
    """
    read: list[list[Any] | NDArray[Any]] = []
    at = 0
    for place, part in enumerate(parts, 1):
        size = None if part.parameters is None else part.parameters.binary_data_size
        try:
            if size is None:
                read.append(_in_json(part, gaps))
            else:
                read.append(_behind_json(part, tail, at, size))
                at += size
        except Unreadable as error:
            raise Unreadable(f"tensor {place}: {error}") from None
    if at != len(tail):
        raise Unreadable(f"{len(tail) - at} bytes follow that no tensor accounts for")
    return read


def _array(part: Part, found: list[Any] | NDArray[Any]) -> NDArray[Any]:
    """Put a tensor's cells into its shape and type."""
    try:
        with np.errstate(over="ignore"):  # beyond the range of a small float is infinite
            return np.array(found, dtype=DTYPES[part.datatype]).reshape(part.shape)
    except (OverflowError, ValueError):  # an integer or an axis
        raise Unreadable("a number or the shape is out of range") from None


def _split(body: bytes, header_length: int | None) -> tuple[bytes, memoryview]:
    if header_length is None:
        return body, memoryview(b"")
    if not 0 <= header_length <= len(body):
        raise Unreadable("Inference-Header-Content-Length is beyond the body")
    return body[:header_length], memoryview(body)[header_length:]


def _decoded(decoder: msgspec.json.Decoder[T], text: bytes | msgspec.Raw) -> T:
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        raise Unreadable(_plainly(str(error))) from None
    except RecursionError:
        raise Unreadable("the JSON is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unreadable("the JSON is malformed") from None


def _plainly(message: str) -> str:
    """Keep messages about types and places; others, about unknown fields, quote what was sent."""
    if message.startswith(("Expected `", "Object missing required field")):
        return message
    return "a field is unknown" if "unknown field" in message else "a number is out of range"


def _count(part: Part) -> int:
    """Return how many cells a tensor has."""
    if part.datatype not in DTYPES:
        raise Unreadable(f"its datatype is none of {', '.join(DTYPES)}")
    if len(part.shape) > MOST_AXES or (part.shape and min(part.shape) < 0):
        raise Unreadable("its shape is negative, or has too many axes")
    if part.parameters is not None and part.parameters.shared_memory_region:
        raise Unreadable("shared memory is not offered")
    return math.prod(part.shape)


_CELL = {"BOOL": bool, "BYTES": str, "FP16": float, "FP32": float, "FP64": float}
_FLAT: dict[str, msgspec.json.Decoder[Any]] = {}
_NESTED: dict[str, msgspec.json.Decoder[Any]] = {}
for _name in DTYPES:
    _cell: Any = _CELL.get(_name, int)
    _FLAT[_name] = msgspec.json.Decoder(list[_cell])
    _NESTED[_name] = msgspec.json.Decoder(list[list[_cell]])
_ROWS = re.compile(rb"\[\s*\[")
_GAPS: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[float | None])


def _in_json(part: Part, gaps: bool) -> list[Any]:
    """Read cells that stand in the JSON, in one list or in one for each row."""
    count = _count(part)
    if isinstance(part, Floats):
        found: list[Any] | None = part.data
    elif isinstance(part, Input | Output) and part.data:
        found = _cells(part, part.data, count, gaps)
    else:
        found = None
    if found is None:
        raise Unreadable("it has neither data nor binary_data_size")
    if len(found) != count:
        raise Unreadable(f"its data have {len(found)} cells, its shape another number")
    return found


def _cells(part: Part, data: msgspec.Raw, count: int, gaps: bool) -> list[Any]:
    """Read cells, but not more of them than there should be: each is 32 bytes once read."""
    if len(data) > LONG and part.datatype != "BYTES" and bytes(data).count(b",") >= count:
        raise Unreadable("its data have more cells than its shape")
    flat: msgspec.json.Decoder[list[Any]] = _FLAT[part.datatype]
    if gaps and part.datatype.startswith("FP"):
        flat = _GAPS
    try:
        return _decoded(flat, data)
    except Unreadable:
        if len(part.shape) != 2 or not _ROWS.match(data):
            raise
        rows = _decoded(_NESTED[part.datatype], data)
        if len(rows) != part.shape[0] or any(len(row) != part.shape[1] for row in rows):
            raise Unreadable("its data are not of its shape") from None
        return [cell for row in rows for cell in row]


def _behind_json(part: Part, tail: memoryview, at: int, size: int) -> list[Any] | NDArray[Any]:
    """Read cells that stand behind the JSON, from a place on."""
    count, dtype = _count(part), DTYPES[part.datatype]
    if getattr(part, "data", None) not in (None, NOTHING):
        raise Unreadable("it has both data and binary_data_size")
    if not 0 <= size <= len(tail) - at:
        raise Unreadable("its binary_data_size is beyond the body")
    raw = tail[at : at + size]
    if part.datatype == "BYTES":
        return _texts(raw, count)
    if size != count * dtype.itemsize:
        raise Unreadable(f"its data have {len(raw)} bytes, its shape another number")
    if part.datatype == "BOOL":
        return np.asarray(np.frombuffer(raw, np.uint8) != 0)
    return np.frombuffer(raw, dtype)


def _texts(raw: memoryview, count: int) -> list[str]:
    texts: list[str] = []
    at = 0
    while at < len(raw):
        start = at + 4
        at = start + int.from_bytes(raw[at:start], "little")
        if start > len(raw) or at > len(raw) or len(texts) == count:
            raise Unreadable("its texts are not of their lengths")
        try:
            texts.append(str(raw[start:at], "utf-8"))
        except UnicodeDecodeError:
            raise Unreadable("a text is not UTF-8") from None
    if len(texts) != count:
        raise Unreadable(f"its data have {len(texts)} cells, its shape another number")
    return texts


def _shown(tensors: Iterable[Tensor], binary: Sequence[bool]) -> tuple[list[_Shown], list[bytes]]:
    shown, tail = [], []
    for tensor, raw in zip(tensors, binary, strict=True):
        data = tensor.data
        if raw:
            behind = _behind(tensor)
            tail.append(behind)
            size = {"binary_data_size": len(behind)}
            shown.append(_Shown(tensor.name, tensor.datatype, data.shape, None, size))
        else:
            shown.append(_Shown(tensor.name, tensor.datatype, data.shape, data.ravel().tolist()))
    return shown, tail


def _behind(tensor: Tensor) -> bytes:
    if tensor.datatype != "BYTES":
        return tensor.data.astype(DTYPES[tensor.datatype], copy=False).tobytes()
    texts = [text.encode() for text in tensor.data.ravel().tolist()]
    return b"".join(len(text).to_bytes(4, "little") + text for text in texts)


def _joined(head: bytes, tail: list[bytes]) -> tuple[int | None, bytes]:
    return (len(head), b"".join([head, *tail])) if tail else (None, head)

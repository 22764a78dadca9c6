"""The wire format: what is written is read back, in any encoding, and nothing else gets through."""

from __future__ import annotations

import json
import struct
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from reticent.targets.oip import (
    DTYPES,
    Tensor,
    Unreadable,
    cells,
    read_request,
    read_response,
    write_request,
    write_response,
)

SECRET = "Qx7Zanzibar"
NUMBERS = sorted(set(DTYPES) - {"BYTES"})


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    datatype = draw(st.sampled_from(sorted(DTYPES)))
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))
    name = draw(st.text(max_size=8))
    if datatype == "BYTES":
        data: NDArray[Any] = draw(
            hnp.arrays(object, shape, elements=st.text(max_size=6), fill=None)
        )
        return Tensor(name, datatype, data)
    numbers = {"allow_infinity": False} if datatype.startswith("FP") else {}
    elements = hnp.from_dtype(DTYPES[datatype], **numbers)  # type: ignore[arg-type]
    return Tensor(name, datatype, draw(hnp.arrays(DTYPES[datatype], shape, elements=elements)))


@given(st.lists(tensors(), max_size=4, unique_by=lambda one: one.name), st.data())
def test_what_is_written_is_read(told: list[Tensor], data: st.DataObject) -> None:
    binary = [data.draw(st.booleans()) for _ in told]
    length, body = write_response("m", told, binary, "one")
    read = read_response(body, length)
    assert list(read) == [tensor.name for tensor in told]
    for tensor in told:
        found = read[tensor.name]
        assert (found.datatype, found.shape) == (tensor.datatype, tensor.shape)
        assert found.data.dtype == tensor.data.dtype
        same = tensor.datatype.startswith("FP")
        np.testing.assert_array_equal(found.data, tensor.data) if same else None
        assert same or found.data.tolist() == tensor.data.tolist()
    assert json.loads(body[:length])["id"] == "one"
    assert (length is None) == (not any(binary))


@given(st.lists(tensors(), min_size=1, max_size=4), st.booleans())
def test_a_request_is_written_as_it_is_read(sent: list[Tensor], binary: bool) -> None:
    sent = [
        Tensor(t.name, t.datatype, np.nan_to_num(t.data) if t.data.dtype.kind == "f" else t.data)
        for t in sent
    ]
    length, body = write_request(sent, binary=binary, outputs=["label"])
    request, tail = read_request(body, length)
    found = cells(request.inputs, tail)
    for tensor, part, cell in zip(sent, request.inputs, found, strict=True):
        assert (part.name, tuple(part.shape)) == (tensor.name, tensor.shape)
        assert np.asarray(cell, tensor.data.dtype).tolist() == tensor.data.ravel().tolist()
    assert request.outputs is not None
    assert request.outputs[0].parameters is not None
    assert request.outputs[0].parameters.binary_data is binary


@given(st.binary(max_size=300), st.none() | st.integers(-3, 400))
def test_any_bytes_are_read_or_refused(body: bytes, length: int | None) -> None:
    for read in (read_request, read_response):
        try:
            read(body, length)
        except Unreadable:
            continue


def part(**changed: Any) -> dict[str, Any]:
    return {"name": "a", "datatype": "FP64", "shape": [2], "data": [1, 2.5], **changed}


def told(*parts: dict[str, Any], tail: bytes = b"") -> dict[str, Tensor]:
    head = json.dumps({"outputs": parts}).encode()
    return read_response(head + tail, len(head))


def raw(datatype: str, shape: list[int], size: int) -> dict[str, Any]:
    sized = {"binary_data_size": size}
    return {"name": "a", "datatype": datatype, "shape": shape, "parameters": sized}


TEXT = struct.pack("<I", 2) + b"ab"


@pytest.mark.parametrize(
    ("given_", "tail", "found"),
    [
        (part(datatype="TEXT"), b"", "its datatype is none of BOOL, "),
        (part(shape=[3]), b"", "have 2 cells, its shape another"),
        (part(shape=[1]), b"", "have 2 cells, its shape another"),
        (part(shape=[-1, -2]), b"", "negative"),
        (part(shape=[10**18]), b"", "have 2 cells"),
        (part(shape=[0, 10**30], data=[]), b"", "out of range"),
        (part(shape=[10**18] * 1_000_000), b"", "too many axes"),
        (part(shape="ab"), b"", "Expected `array`, got `str`"),
        (part(data=[1, SECRET]), b"", r"Expected `float.*got `str` - at `\$\[1\]`"),
        (part(data=[[1, 2]]), b"", "Expected `float.*got `array`"),
        (part(data=[[1], [2, 3]], shape=[2, 1]), b"", "not of its shape"),
        (part(data=[[[1]], [[2]]], shape=[2, 1]), b"", "Expected `float`, got `array`"),
        (part(data=None), b"", "Expected `array`, got `null`"),
        (part(datatype="INT64", data=[1, 2.5]), b"", "Expected `int`, got `float`"),
        (part(datatype="INT64", data=[1, 2**63]), b"", "out of range"),
        (part(datatype="BYTES"), b"", "Expected `str`, got `int`"),
        (part(datatype="BOOL"), b"", "Expected `bool`, got `int`"),
        ({"name": "a", "datatype": "FP64", "shape": [2]}, b"", "neither data nor binary_data_size"),
        ({"name": "a"}, b"", "Object missing required field `datatype`"),
        (part(parameters={"shared_memory_region": SECRET}), b"", "shared memory"),
        (part(parameters={"binary_data_size": 16}), b"x" * 16, "both data and"),
        (part(), b"x", "1 bytes follow"),
        (raw("FP64", [2], 8), b"x" * 8, "have 8 bytes"),
        (raw("FP64", [2], 16), b"x" * 8, "beyond the body"),
        (raw("FP64", [2], -16), b"x" * 16, "beyond the body"),
        (raw("FP64", [10**18], 8), b"x" * 8, "have 8 bytes"),
        (raw("BYTES", [1], 5), TEXT[:5], "not of their lengths"),
        (raw("BYTES", [1], 2), TEXT[:2], "not of their lengths"),
        (raw("BYTES", [1], 12), TEXT * 2, "not of their lengths"),
        (raw("BYTES", [2], 6), TEXT, "have 1 cells"),
        (raw("BYTES", [1], 6), b"\x02\0\0\0\xff\xff", "not UTF-8"),
        (raw("BYTES", [1], 6), b"\xff\xff\xff\xffab", "not of their lengths"),
    ],
)
def test_what_does_not_fit_is_refused_without_its_values(
    given_: dict[str, Any], tail: bytes, found: str
) -> None:
    with pytest.raises(Unreadable, match=found) as caught:
        told(given_, tail=tail)
    assert SECRET not in str(caught.value)
    assert "2.5" not in str(caught.value)


def test_a_request_with_unknown_words_is_refused_and_an_answer_with_them_is_read() -> None:
    odd = part(**{SECRET: 1})
    with pytest.raises(Unreadable, match="a field is unknown") as caught:
        read_request(json.dumps({"inputs": [odd]}).encode())
    assert SECRET not in str(caught.value)
    assert told(odd)["a"].data.tolist() == [1.0, 2.5]


def test_cells_may_be_nested_as_their_rows_are() -> None:
    assert told(part(shape=[2, 1], data=[[1], [2.5]]))["a"].data.tolist() == [[1.0], [2.5]]


def test_a_gap_in_an_answer_is_no_number() -> None:
    assert np.isnan(told(part(data=[1, None]))["a"].data[1])
    nothing = np.array([np.nan, 1.0])
    length, body = write_response("m", [Tensor("scores", "FP64", nothing)], [False])
    assert b'"data":[null,1.0]' in body
    length, body = write_response("m", [Tensor("scores", "FP64", nothing)], [True])
    assert np.isnan(read_response(body, length)["scores"].data[0])


@pytest.mark.parametrize("depth", [100, 200_000])
def test_deep_json_is_refused(depth: int) -> None:
    for body in (
        b"[" * depth,
        b'{"outputs":' * depth,
        b'{"outputs":[{"name":"a","datatype":"FP64","shape":[1],"data":' + b"[" * depth,
        b'{"outputs":[{"name":"a","datatype":"FP64","shape":[1],"x":' + b'{"a":' * depth,
    ):
        with pytest.raises(Unreadable):
            read_response(body)


@pytest.mark.parametrize("length", [-1, 10**9])
def test_a_header_length_beyond_the_body_is_refused(length: int) -> None:
    with pytest.raises(Unreadable, match="beyond the body"):
        read_request(b'{"inputs":[]}', length)


def test_bytes_are_little_endian_and_texts_have_their_lengths() -> None:
    """As in the extension's own examples: an interoperable byte order, not this machine's."""
    numbers = Tensor("a", "INT32", np.array([1, -2]))
    length, body = write_response("m", [numbers], [True])
    assert body[length:] == b"\x01\0\0\0\xfe\xff\xff\xff"
    length, body = write_response("m", [Tensor("a", "BYTES", np.array(["ab"], object))], [True])
    assert body[length:] == TEXT


def test_a_long_list_is_not_read_where_the_shape_is_short() -> None:
    """16 million cells would be half a gigabyte, and they stand in 32 MB of JSON."""
    for datatype, cell in (("FP64", b"1,"), ("INT64", b"1,"), ("BOOL", b"true,")):
        head = b'{"inputs":[{"name":"a","datatype":"%b","shape":[1,2],"data":[' % datatype.encode()
        body = head + cell * 1_000_000 + cell[:-1] + b"]}]}"
        request, tail = read_request(body)
        tracemalloc.start()
        with pytest.raises(Unreadable, match="more cells than its shape"):
            cells(request.inputs, tail)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2 * len(body)


@pytest.mark.parametrize("cell", [1.5, 1, "a", True])
def test_long_and_short_requests_are_read_alike(cell: Any) -> None:
    datatype = {float: "FP64", int: "INT64", str: "BYTES", bool: "BOOL"}[type(cell)]
    for times in (3, 60_000):
        for nested in (False, True):
            given_ = part(
                datatype=datatype, shape=[times, 1], data=[[cell] if nested else cell] * times
            )
            request, tail = read_request(json.dumps({"inputs": [given_]}).encode())
            found = cells(request.inputs, tail)[0]
            assert list(found) == [cell] * times
            assert {type(one) for one in found} == {type(cell)}

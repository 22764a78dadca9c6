"""Requests of any encoding, datatype and layout; answers of every contract; nothing besides."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from reticent.contract import Abstain, Contract
from reticent.dataset import Dataset
from reticent.errors import ModelError
from reticent.gateway import protocol
from reticent.gateway.protocol import MAX_ROWS, Asked, BadRequest, read_rows, write_answer
from reticent.target import Answer
from reticent.targets.card import Card, Kind
from reticent.targets.oip import DTYPES, Tensor, read_response, write_request

NAN = float("nan")
SCORES, LABEL = Contract(output="scores"), Contract(output="label")
UNSURE = Abstain(confidence=0.6)
SECRET = "Qx7Zanzibar"


def card(**kinds: Kind) -> Card:
    return Card(
        model="0", name="m", columns=tuple(kinds), kinds=tuple(kinds.values()),
        classes=("no", "yes", "perhaps"), label="y",
    )  # fmt: skip


NUMBERS = card(a="number", b="integer", c="boolean")
MIXED = card(a="number", t="text", c="boolean")
INTEGERS = Card(
    model="0", name="m", columns=("a",), kinds=("number",), classes=(3, -5, 8), label="y"
)
REGRESSOR = Card(model="0", name="m", columns=("a",), kinds=("number",), classes=None, label="y")


def tensor(name: str, datatype: str, shape: list[int], data: list[Any], **more: Any) -> Any:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data, **more}


def read(of: Card, *inputs: Any, contract: Contract = SCORES, **more: Any) -> Asked:
    return read_rows(json.dumps({"inputs": inputs, **more}).encode(), None, of, contract)


def equal(one: Dataset, other: Dataset) -> bool:
    same = {
        name: column.dtype == other[name].dtype and column.tolist() == other[name].tolist()
        for name, column in one.columns.items()
    }
    return one.names == other.names and all(same.values()) and one.digest() == other.digest()


# Requests

HALVES = st.integers(-(2**22), 2**22).map(lambda half: half / 2)  # the same number in 32 bits
WHOLES = st.integers(-(2**22), 2**22)
ROWS = st.lists(st.tuples(HALVES, WHOLES, st.booleans()), min_size=1, max_size=5)


@given(ROWS, st.data())
def test_a_row_is_the_same_in_every_encoding_datatype_and_layout(
    rows: list[tuple[float, int, bool]], data: st.DataObject
) -> None:
    expected = read(
        NUMBERS,
        tensor("input", "FP64", [len(rows), 3], np.array(rows, dtype=float).ravel().tolist()),
    ).rows
    kinds = {"a": ["FP64", "FP32"], "b": ["FP64", "FP32", "INT64"],
             "c": ["FP64", "FP32", "INT64", "BOOL"]}  # fmt: skip
    sent = []
    for place, (name, datatypes) in enumerate(kinds.items()):
        datatype = data.draw(st.sampled_from(datatypes))
        column = np.array([row[place] for row in rows], DTYPES[datatype])
        wide = data.draw(st.booleans())
        sent.append(Tensor(name, datatype, column[:, None] if wide else column))
    sent = data.draw(st.permutations(sent))
    length, body = write_request(sent, binary=data.draw(st.booleans()))
    by_column = read_rows(body, length, NUMBERS, SCORES)
    assert by_column.missing == ()
    assert by_column.n == len(rows)
    assert equal(by_column.rows, expected)
    datatype = data.draw(st.sampled_from(["FP64", "FP32"]))
    matrix = np.array(rows, DTYPES[datatype])
    length, body = write_request(
        [Tensor("whatever", datatype, matrix)], binary=data.draw(st.booleans())
    )
    assert equal(read_rows(body, length, NUMBERS, SCORES).rows, expected)
    nested = read(NUMBERS, tensor("input", datatype, list(matrix.shape), matrix.tolist()))
    assert equal(nested.rows, expected)


@given(st.lists(st.tuples(HALVES, st.text(max_size=5), st.booleans()), min_size=1, max_size=4))
def test_texts_are_the_same_in_json_and_bytes(rows: list[tuple[float, str, bool]]) -> None:
    texts: NDArray[Any] = np.empty(len(rows), object)
    texts[:] = [row[1] for row in rows]
    sent = [
        Tensor("t", "BYTES", texts),
        Tensor("a", "FP64", np.array([row[0] for row in rows])),
        Tensor("c", "INT64", np.array([int(row[2]) for row in rows])),
    ]
    found = []
    for binary in (False, True):
        length, body = write_request(sent, binary=binary)
        found.append(read_rows(body, length, MIXED, SCORES).rows)
    assert equal(*found)
    assert found[0].names == ["a", "t", "c"]
    assert found[0]["t"].tolist() == texts.tolist()


def test_what_cannot_be_said_in_32_bits_is_what_the_bytes_would_say() -> None:
    said = read(NUMBERS, tensor("input", "FP32", [1, 3], [0.1, 1, 1])).rows["a"]
    length, body = write_request([Tensor("input", "FP32", np.array([[0.1, 1, 1]], np.float32))])
    assert said.tolist() == read_rows(body, length, NUMBERS, SCORES).rows["a"].tolist()
    assert said.tolist() == [float(np.float32(0.1))]


def test_a_marginalized_column_may_be_left_out_of_columns() -> None:
    hides = Contract(output="scores", marginalize=("b",))
    a, c = tensor("a", "FP64", [1], [1]), tensor("c", "INT64", [1], [1])
    asked = read(NUMBERS, c, a, contract=hides)
    assert asked.rows.names == ["a", "c"]
    assert asked.missing == ("b",)
    asked = read(MIXED, tensor("a", "FP64", [1], [1]), c,
                 contract=Contract(output="scores", marginalize=("t",)))  # fmt: skip
    assert asked.missing == ("t",)
    with pytest.raises(
        BadRequest, match="column 'b' is missing: send a tensor for each of a, b, c"
    ):
        read(NUMBERS, c, a)
    with pytest.raises(BadRequest, match="is to have 3 columns"):
        read(NUMBERS, tensor("input", "FP64", [1, 2], [1, 1]), contract=hides)


def test_one_tensor_is_a_column_where_it_is_named_so() -> None:
    one = card(a="text")
    assert read(one, tensor("a", "BYTES", [2, 1], ["u", "v"])).rows["a"].tolist() == ["u", "v"]
    assert read(INTEGERS, tensor("input", "FP64", [2, 1], [1, 2])).rows["a"].tolist() == [1, 2]
    assert read(INTEGERS, tensor("a", "FP64", [2], [1, 2])).rows["a"].tolist() == [1, 2]


A, B, C = (tensor(name, "FP64", [1], [1]) for name in "abc")
WHOLE = tensor("input", "FP64", [1, 3], [1, 1, 1])
BAD: list[tuple[Card, list[Any], str]] = [
    (NUMBERS, [], "inputs is empty"),
    (NUMBERS, [tensor("input", "FP64", [1, 2], [1, 1])], "is to have 3 columns: a, b, c"),
    (NUMBERS, [tensor("input", "FP64", [1, 3], [1, 1, 1, 1])], "have 4 cells"),
    (NUMBERS, [tensor("input", "FP64", [1, 3], [1, 1])], "have 2 cells"),
    (NUMBERS, [A, B, tensor("c", "INT64", [1], [1, 1])], "have 2 cells"),
    (NUMBERS, [tensor("input", "FP64", [3], [1, 1, 1])], "input 1 is no column: a, b, c"),
    (NUMBERS, [tensor("input", "FP64", [1, 1, 3], [1, 1, 1])], "input 1 is no column"),
    (NUMBERS, [tensor("input", "FP64", [0, 3], [])], "there are no rows"),
    (NUMBERS, [tensor("input", "FP64", [], [1])], "there are no rows"),
    (NUMBERS, [tensor("input", "BYTES", [1, 3], ["1", "1", "1"])], "none of FP64, FP32, INT64"),
    (NUMBERS, [tensor("input", "INT32", [1, 3], [1, 1, 1])], "none of FP64, FP32, INT64"),
    (NUMBERS, [tensor("input", "FP64", [1, 3], [1, 1, 0.5])], "boolean column holds something"),
    (NUMBERS, [tensor("input", "FP64", [1, 3], [1, 1, None])], "got `null`"),
    (NUMBERS, [tensor("input", "FP32", [1, 3], [1e39, 1, 1])], "beyond its datatype"),
    (NUMBERS, [tensor("input", "INT64", [1, 3], [2**63, 1, 1])], "beyond its datatype"),
    (NUMBERS, [A, B, tensor("c", "INT64", [1], [2])], "boolean column holds something"),
    (NUMBERS, [A, B, tensor("c", "INT64", [1], [10**400])], "beyond its datatype"),
    (NUMBERS, [A, B, tensor(SECRET, "FP64", [1], [1])], "input 3 is no column: a, b, c"),
    (card(age="number", b="number"), [tensor("agee", "FP64", [1], [1])], "did you mean 'age'"),
    (NUMBERS, [A, A, B], "column 'a' is there twice"),
    (NUMBERS, [A, B, C, A], "more inputs than columns"),
    (NUMBERS, [A, B, tensor("c", "FP64", [2], [1, 1])], "different numbers of rows"),
    (NUMBERS, [A, B, tensor("c", "FP64", [1, 2], [1, 1])], r"'c' is to be \[1\] or \[1,1\]"),
    (NUMBERS, [A, B, tensor("c", "BYTES", [1], [SECRET])], "one of FP64, FP32, INT64, BOOL"),
    (NUMBERS, [tensor("a", "BOOL", [1], [True]), B, C], "'a' is to be one of FP64, FP32, INT64"),
    (MIXED, [WHOLE], "not all columns are numbers"),
    (MIXED, [A, C, tensor("t", "FP64", [1], [1])], "'t' is to be one of BYTES"),
    (MIXED, [A, C, tensor("t", "BYTES", [1], [None])], "got `null`"),
]


@pytest.mark.parametrize(("of", "inputs", "found"), BAD)
def test_a_bad_request_says_what_to_send(of: Card, inputs: list[Any], found: str) -> None:
    with pytest.raises(BadRequest, match=found) as caught:
        read(of, *inputs)
    assert caught.value.status == 400
    assert SECRET not in caught.value.message


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("datatype", ["FP64", "FP32"])
def test_only_finite_numbers_pass(number: float, datatype: str) -> None:
    matrix = np.array([[1, number, 1]], DTYPES[datatype])
    for sent in (
        [Tensor("input", datatype, matrix)],
        [Tensor(name, datatype, matrix[:, at]) for at, name in enumerate("abc")],
    ):
        length, body = write_request(sent)
        with pytest.raises(BadRequest, match="not finite"):
            read_rows(body, length, NUMBERS, SCORES)
    for word in ("NaN", "Infinity", "1e999"):
        text = json.dumps({"inputs": [WHOLE]}).replace("[1, 1, 1]", f"[1,{word},1]").encode()
        with pytest.raises(BadRequest):
            read_rows(text, None, NUMBERS, SCORES)


def test_too_many_rows_are_refused_before_they_are_read() -> None:
    most = np.ones((MAX_ROWS, 3))
    length, body = write_request([Tensor("input", "FP64", most)])
    assert read_rows(body, length, NUMBERS, SCORES).n == MAX_ROWS
    for rows in (MAX_ROWS + 1, 10**6, 10**300):
        with pytest.raises(BadRequest, match="more than 65536 rows") as caught:
            read(NUMBERS, tensor("input", "FP64", [rows, 3], [1.0]))
        assert caught.value.status == 413


HEAD = b'{"inputs":[{"name":"input","datatype":"FP64","shape":[1,3],"data":'
HUGE = [
    b"[" * 1_000_000,
    HEAD + b"[" * 1_000_000,
    HEAD + b'{"a":' * 300_000,
    HEAD + b"[1,1,1]" + b',"x":' + b"[" * 500_000 + b"]" * 500_000 + b"}]}",
    HEAD + b"[" + b"1," * 1_000_000 + b"1]}]}",
    HEAD + b"[" + b"9" * 1_000_000 + b",1,1]}]}",
    b'{"inputs":[{"name":"input","datatype":"FP64","data":[],"shape":['
    + b"9," * 500_000
    + b"9]}]}",
    b'{"inputs":[{"name":"input","datatype":"FP64","data":[],"shape":[1,' + b"9" * 4_000 + b"]}]}",
    json.dumps({"inputs": [A] * 20_000}).encode(),
    json.dumps({"inputs": [A, B, tensor("x" * 1_000_000, "FP64", [1], [1])]}).encode(),
    json.dumps({"inputs": [WHOLE], "outputs": [{"name": "scores"}] * 50_000}).encode(),
    json.dumps({"inputs": [WHOLE], "id": "x" * 1_000_000}).encode(),
    json.dumps({"inputs": [WHOLE]}).encode() + b" " * 1_000_000 + b"x",
]


@pytest.mark.parametrize("body", HUGE, ids=range(len(HUGE)))
def test_a_huge_body_is_refused_in_bounded_time(body: bytes) -> None:
    began = time.process_time()
    with pytest.raises(BadRequest) as caught:
        read_rows(body, None, NUMBERS, SCORES)
    assert time.process_time() - began < 1
    assert len(caught.value.message) < 400


GOOD = json.dumps({"inputs": [A, B, C], "outputs": [{"name": "scores"}], "id": "one"}).encode()
PIECES = [
    b'"inputs"', b'"data"', b'"shape"', b'"BYTES"', b'"\xff"', b'"\\ud800"', b"null", b"[[", b"-1",
    b"1e400", b"{}", b"true", b'"binary_data_size":8,', *(GOOD[i : i + 9] for i in range(0, 90, 9)),
]  # fmt: skip
WORDS_OF_IT = ["inputs", "name", "data", "shape", "datatype", "parameters", "id"]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    body = bytearray(GOOD)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body)))
        body[at : at + draw(st.integers(0, 12))] = draw(
            st.sampled_from(PIECES) | st.binary(max_size=4)
        )
    return bytes(body)


@given(
    mutated() | st.binary(max_size=200) | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
            st.sampled_from(WORDS_OF_IT), inner
        ),
    ).map(lambda value: json.dumps(value).encode()),
    st.none() | st.integers(-2, 300),
    st.sampled_from([NUMBERS, MIXED, REGRESSOR]),
)  # fmt: skip
@example(
    b'{"inputs":[{"name":"\\ud800\\ud800","datatype":"FP64","shape":[1],"data":[1]}]}',
    None,
    NUMBERS,
)
@example(GOOD[:-1] + b"\xff}", None, NUMBERS)
@example(GOOD, 5, NUMBERS)
def test_any_bytes_are_read_or_refused(body: bytes, length: int | None, of: Card) -> None:
    try:
        asked = read_rows(body, length, of, SCORES)
    except BadRequest:
        return
    assert asked.n == len(asked.rows) > 0


# What is wanted


@pytest.mark.parametrize(
    ("contract", "of", "names"),
    [
        (LABEL, NUMBERS, "label"),
        (SCORES, NUMBERS, "label, scores"),
        (Contract(output="top_k", top_k=2, abstain=UNSURE), NUMBERS, "label, scores, answered"),
        (Contract(output="vector"), NUMBERS, "label, scores"),
        (SCORES, REGRESSOR, "value"),
    ],
)
def test_only_what_the_contract_holds_can_be_asked_for(
    contract: Contract, of: Card, names: str
) -> None:
    inputs = [tensor(name, "FP64", [1], [1]) for name in of.columns]
    for other in ("vector", SECRET):
        with pytest.raises(BadRequest, match=f"can be asked for are: {names}$"):
            read(of, *inputs, contract=contract, outputs=[{"name": other}])


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"outputs": [{"name": "scores"}, {"name": "scores"}]}, "'scores' is asked for twice"),
        ({"outputs": [{"name": "scores", "parameters": {"classification": 2}}]}, "classification"),
        ({"outputs": [{"name": "label", "parameters": {"shared_memory_region": "x"}}]}, "shared"),
        ({"id": "x" * 257}, "longer than 256"),
        ({"ouputs": []}, "a field is unknown"),
    ],
)
def test_what_is_not_offered_is_refused(more: dict[str, Any], found: str) -> None:
    with pytest.raises(BadRequest, match=found):
        read(NUMBERS, WHOLE, **more)


def test_a_role_that_is_told_nothing_gets_403() -> None:
    with pytest.raises(BadRequest) as caught:
        read(NUMBERS, WHOLE, contract=Contract(output="none"))
    assert caught.value.status == 403


# Answers

TOLD = Answer(np.array([1, 2]), np.array([[0.2, 0.5, 0.3], [0.1, 0.3, 0.6]]))
REFUSED = Answer(np.array([1, -1]), np.array([[0.2, 0.5, 0.3], [NAN, NAN, NAN]]),
                 answered=np.array([True, False]))  # fmt: skip


def written(answer: Answer, of: Card, contract: Contract, **wanted: Any) -> dict[str, Any]:
    asked = Asked(Dataset({}), len(answer), (), **wanted)
    headers, body = write_answer(answer, asked, of, contract)
    assert headers == [(b"content-type", b"application/json")]
    told = json.loads(body)
    assert (told.pop("model_name"), told.pop("model_version")) == ("m", "1")
    shown = {one["name"]: (one["datatype"], one["shape"], one["data"]) for one in told["outputs"]}
    return {**told, "outputs": shown}


WORDS = ("BYTES", [2], ["yes", "perhaps"])
ALL = ("FP64", [2, 3], [0.2, 0.5, 0.3, 0.1, 0.3, 0.6])
TOP = Answer(np.array([1, 2]), np.array([[0, 0.5, 0.3], [0, 0.3, 0.6]]))
EXPECTED: list[tuple[Answer, Card, Contract, dict[str, Any]]] = [
    (TOLD, NUMBERS, LABEL, {"label": WORDS}),
    (TOLD, NUMBERS, SCORES, {"label": WORDS, "scores": ALL}),
    (TOLD, INTEGERS, LABEL, {"label": ("INT64", [2], [-5, 8])}),
    (REFUSED, INTEGERS, Contract(output="label", abstain=UNSURE),
     {"label": ("BYTES", [2], ["-5", ""]), "answered": ("BOOL", [2], [True, False])}),
    (REFUSED, NUMBERS, Contract(output="scores", abstain=UNSURE),
     {"label": ("BYTES", [2], ["yes", ""]), "answered": ("BOOL", [2], [True, False]),
      "scores": ("FP64", [2, 3], [0.2, 0.5, 0.3, None, None, None])}),
    (TOP, NUMBERS, Contract(output="top_k", top_k=2),
     {"label": ("BYTES", [2, 2], ["yes", "perhaps", "perhaps", "yes"]),
      "scores": ("FP64", [2, 2], [0.5, 0.3, 0.6, 0.3])}),
    (TOP, INTEGERS, Contract(output="top_k", top_k=1),
     {"label": ("BYTES", [2, 1], ["-5", "8"]), "scores": ("FP64", [2, 1], [0.5, 0.6])}),
    (TOP, NUMBERS, Contract(output="top_k", top_k=7),
     {"label": ("BYTES", [2, 3], ["yes", "perhaps", "no", "perhaps", "yes", "no"]),
      "scores": ("FP64", [2, 3], [0.5, 0.3, 0, 0.6, 0.3, 0])}),
    (REFUSED, NUMBERS, Contract(output="top_k", top_k=2, abstain=UNSURE),
     {"label": ("BYTES", [2, 2], ["yes", "perhaps", "", ""]),
      "scores": ("FP64", [2, 2], [0.5, 0.3, None, None]),
      "answered": ("BOOL", [2], [True, False])}),
    (Answer(TOLD.label, TOLD.scores, None, np.array([[1.0, 2], [3, 4]])), NUMBERS,
     Contract(output="vector"),
     {"label": WORDS, "scores": ALL, "vector": ("FP64", [2, 2], [1, 2, 3, 4])}),
    (Answer(value=np.array([1.5, 2])), REGRESSOR, LABEL, {"value": ("FP64", [2], [1.5, 2])}),
    (Answer(value=np.array([1.5, NAN]), answered=np.array([True, False])), REGRESSOR,
     Contract(output="vector", abstain=UNSURE),
     {"value": ("FP64", [2], [1.5, None]), "answered": ("BOOL", [2], [True, False])}),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "of", "contract", "expected"), EXPECTED)
def test_an_answer_is_written_as_its_contract_says(
    answer: Answer, of: Card, contract: Contract, expected: dict[str, Any]
) -> None:
    assert written(answer, of, contract) == {"outputs": expected}
    length, body = write_answer(answer, Asked(Dataset({}), 2, (), binary=True), of, contract)
    headers = dict(length)
    assert headers[b"content-type"] == b"application/octet-stream"
    found = read_response(body, int(headers[b"inference-header-content-length"]))
    for name, (datatype, shape, data) in expected.items():
        assert (found[name].datatype, list(found[name].shape)) == (datatype, shape)
        numbers = found[name].data.ravel().tolist()
        assert [None if cell != cell else cell for cell in numbers] == data


@pytest.mark.parametrize(("answer", "of", "contract", "expected"), EXPECTED)
def test_metadata_promise_what_is_written(
    answer: Answer, of: Card, contract: Contract, expected: dict[str, Any]
) -> None:
    if answer.vector is not None:
        of = Card(**{name: getattr(of, name) for name in of.__struct_fields__} | {"vector": 2})
    told = json.loads(protocol.model_metadata(of, contract))
    shown = {one["name"]: (one["datatype"], one["shape"][1:]) for one in told["outputs"]}
    assert shown == {name: (kind, shape[1:]) for name, (kind, shape, _) in expected.items()}
    classes = {} if of.classes is None else {"classes": list(of.classes)}
    assert told.get("parameters", {}) == classes


def test_ties_are_told_in_the_order_of_the_classes_behind_the_predicted_one() -> None:
    tied = Answer(np.array([2]), np.array([[0.3, 0.3, 0.3]]))
    told = written(tied, NUMBERS, Contract(output="top_k", top_k=3))["outputs"]
    assert told["label"][2] == ["perhaps", "no", "yes"]


def test_outputs_come_as_they_were_asked_for() -> None:
    asked = read(NUMBERS, WHOLE, id="one", outputs=[
        {"name": "scores", "parameters": {"binary_data": True}}, {"name": "label"}])  # fmt: skip
    headers, body = write_answer(TOLD.take(slice(1)), asked, NUMBERS, SCORES)
    length = int(dict(headers)[b"inference-header-content-length"])
    told = json.loads(body[:length])
    assert told["id"] == "one"
    assert [one["name"] for one in told["outputs"]] == ["scores", "label"]
    assert told["outputs"][0]["parameters"] == {"binary_data_size": 24}
    assert told["outputs"][1]["data"] == ["yes"]
    assert np.frombuffer(body[length:]).tolist() == [0.2, 0.5, 0.3]
    every = read(NUMBERS, WHOLE, parameters={"binary_data_output": True}, outputs=[
        {"name": "scores", "parameters": {"binary_data": False}}, {"name": "label"}])  # fmt: skip
    assert every.outputs == {"scores": False, "label": True}


def test_a_contract_that_became_coarser_tells_less_than_was_asked_for() -> None:
    asked = {"outputs": {"scores": False, "label": False}}
    assert written(TOLD, NUMBERS, LABEL, **asked)["outputs"] == {"label": WORDS}


def test_a_refusal_is_never_written_as_a_class() -> None:
    with pytest.raises(ModelError, match="refuses a row"):
        written(REFUSED, INTEGERS, SCORES)
    assert written(REFUSED, NUMBERS, LABEL)["outputs"]["label"][2] == ["yes", ""]


# Metadata and health


def test_metadata_show_no_more_than_the_contract() -> None:
    hides = Contract(output="none", marginalize=("b",))
    told = json.loads(protocol.model_metadata(NUMBERS, hides))
    assert told["outputs"] == []
    assert "parameters" not in told
    assert told["inputs"] == [
        {"name": "a", "datatype": "FP64", "shape": [-1]},
        {"name": "b", "datatype": "INT64", "shape": [-1], "parameters": {"optional": True}},
        {"name": "c", "datatype": "INT64", "shape": [-1]},
    ]
    assert b"perhaps" not in protocol.model_metadata(NUMBERS, hides)
    assert json.loads(protocol.model_metadata(NUMBERS, LABEL))["parameters"]["classes"]


def test_both_health_bodies_hold_both_words() -> None:
    assert json.loads(protocol.live()) == {"live": True, "ready": True}
    assert json.loads(protocol.ready(True)) == {"live": True, "ready": True}
    assert json.loads(protocol.ready(False)) == {
        "live": True, "ready": False, "error": "not ready"}  # fmt: skip
    assert json.loads(protocol.model_ready(NUMBERS, False))["error"] == "not ready"
    assert json.loads(protocol.model_ready(NUMBERS, True)) == {"name": "m", "ready": True}
    assert json.loads(protocol.server_metadata())["extensions"] == ["binary_tensor_data"]

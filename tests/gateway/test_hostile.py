"""Callers who mean harm, or whose software does: a clear refusal, and the next one is served."""

from __future__ import annotations

import gzip
import json
import struct
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import issuer

from .alive import COLUMNS, PATH, ROW, TOML, Alive, asking, copied
from .line import GOOD, Line, head, told

OIDC = """
[oidc]
issuer = "https://login.example"
audience = "reticent"
jwks = "keys.json"
roles = {analyst = "clinic"}
"""


@pytest.fixture(scope="module")
def gateway(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alive]:
    """One gateway for all who mean harm: each has to leave it as it was."""
    site = copied(built, tmp_path_factory.mktemp("hostile") / "site", TOML + OIDC)
    (site.folder / "keys.json").write_bytes(issuer.jwks(issuer.signing("RSA", "a")))
    with site.alive() as alive:
        yield alive


@pytest.fixture(scope="module")
def key(gateway: Alive) -> str:
    return gateway.site.key("clinic")


@pytest.fixture(autouse=True)
def unharmed(gateway: Alive, key: str) -> Iterator[None]:
    """Whatever a test did, the next honest request is served."""
    yield
    told = gateway.ask(key)
    assert (told.status, told.output("label")) == (200, ["yes"])


# What is no request ---------------------------------------------------------------------------

BROKEN = {
    "garbage": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "words": (b"hello, is anybody there?\r\n\r\n", 400),
    "another protocol": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "a port": (b"CONNECT here:443 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a negative length": (head("", "Content-Length: -5", length=None), 400),
    "no number": (head("", "Content-Length: five", length=None), 400),
    "an endless number": (head("", "Content-Length: " + "9" * 40, length=None), 400),
    "two lengths": (head("", "Content-Length: 3", length=5) + b"{}   ", 400),
    "length and chunks": (head("", "Transfer-Encoding: chunked", length=4) + b"0\r\n\r\n", 400),
    "broken chunks": (head("", "Transfer-Encoding: chunked", length=None) + b"zz\r\n\r\n", 400),
    "other encodings": (head("", "Transfer-Encoding: gzip", length=None) + b"xx", 400),
    "a header without a colon": (b"GET /v2 HTTP/1.1\r\nHost: x\r\nnonsense\r\n\r\n", 400),
    "a folded header": (b"GET /v2 HTTP/1.1\r\nHost: x\r\nA: b\r\n c: d\r\n\r\n", 400),
    "a NUL in a header": (b"GET /v2 HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n", 400),
    "bytes in the path": (b"GET /v2/\xff\xfe HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "a huge header": (head("", "X: " + "a" * 70_000), 431),
    "many headers": (head("", *[f"X-{place}: {'a' * 90}" for place in range(900)]), 431),
    "a huge path": (head(path="/" + "a" * 70_000, method="GET", length=None), 431),
    "a head without end": (b"GET /v2 HTTP/1.1\r\nX: " + b"a" * 400_000, 431),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_no_request_is_refused_and_the_line_closed(gateway: Alive, name: str) -> None:
    data, status = BROKEN[name]
    with Line(gateway.port) as line:
        line.send(data)
        reply = line.reply()
        assert reply.status == status
        assert reply.error
        assert line.closed()


# What is a request, and none that can be answered -----------------------------------------------


def tensor(name: str, data: Any, shape: Sequence[int] = (1,), kind: str = "") -> dict[str, Any]:
    return {"name": name, "shape": shape, "datatype": kind or COLUMNS.get(name, "FP64"),
            "data": data}  # fmt: skip


def with_age(**changed: Any) -> bytes:
    """An honest body but for one tensor."""
    body = json.loads(GOOD)
    body["inputs"][0].update(changed)
    return json.dumps(body).encode()


BODIES = {
    "nothing": b"", "no JSON": b"{", "no object": b"[]", "null": b"null", "a number": b"1e999",
    "no UTF-8": b'{"inputs": "\xff"}', "no inputs": b'{"inputs": []}',
    "inputs of another kind": b'{"inputs": {"a": 1}}',
    "deep": b'{"inputs": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "deep data": with_age().replace(b"[44]", b"[" * 100_000 + b"44" + b"]" * 100_000),
    "deep and elsewhere": b'{"id": ' + b'{"a":' * 200_000 + b"1" + b"}" * 200_000 + b"}",
    "too many cells": with_age(data=[1, 2]), "too few cells": with_age(data=[]),
    "too many rows": with_age(shape=[2]), "no rows": with_age(shape=[0], data=[]),
    "a negative shape": with_age(shape=[-1]), "a huge shape": with_age(shape=[10**30]),
    "a huge flat shape": with_age(shape=[1, 10**18]), "a wide shape": with_age(shape=[1] * 5000),
    "text for a number": with_age(data=["44"]), "a gap": with_age(data=[None]),
    "another datatype": with_age(datatype="BYTES"), "no datatype": with_age(datatype="FP65"),
    "a number beyond": with_age(data=[10**40]),
    "NaN": with_age(datatype="FP64").replace(b"[44]", b"[NaN]"),
    "infinity": with_age(datatype="FP64").replace(b"[44]", b"[Infinity]"),
    "beyond a double": with_age(datatype="FP64").replace(b"[44]", b"[1e400]"),
    "beyond a float": with_age(datatype="FP32", data=[1e39]),
    "another name": with_age(name="aeg"), "a column twice": with_age(name="hours", datatype="FP64"),
    "shared memory": with_age(parameters={"shared_memory_region": "x"}),
    "bytes that are not there": with_age(parameters={"binary_data_size": 8}),
    "an unknown field": GOOD[:-1] + b', "role": "admin"}',
    "an unknown output": GOOD[:-1] + b', "outputs": [{"name": "vector"}]}',
    "a long id": GOOD[:-1] + b', "id": "' + b"a" * 300 + b'"}',
}  # fmt: skip


@pytest.mark.parametrize("name", BODIES)
def test_what_cannot_be_answered_is_said(gateway: Alive, key: str, name: str) -> None:
    began = time.monotonic()
    reply = gateway.send("POST", PATH, BODIES[name], key)
    assert (reply.status, bool(reply.error)) == (400, True)
    assert time.monotonic() - began < 2
    for value in ("44", "38.5", "Bonn", "aeg", "admin"):
        assert value not in reply.error


def binary(size: int, raw: bytes, *more: str) -> tuple[list[str], bytes]:
    body = json.loads(GOOD)
    body["inputs"][1] = {**body["inputs"][1], "parameters": {"binary_data_size": size}}
    del body["inputs"][1]["data"]
    text = json.dumps(body).encode()
    return [f"Inference-Header-Content-Length: {len(text)}", *more], text + raw


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_no_number_that_is_none_in_bytes_either(gateway: Alive, key: str, number: float) -> None:
    for value, status in ((number, 400), (38.5, 200)):
        more, body = binary(8, struct.pack("<d", value))
        assert told(gateway, head(key, *more, length=len(body)) + body).status == status


@pytest.mark.parametrize("length", ["-1", "999999", "1e3", "0x10", "9" * 30, ""])
def test_a_false_length_of_the_json(gateway: Alive, key: str, length: str) -> None:
    reply = told(gateway, head(key, f"Inference-Header-Content-Length: {length}") + GOOD)
    assert (reply.status, bool(reply.error)) == (400, True)


def test_a_million_rows_are_too_many(gateway: Alive, key: str) -> None:
    body = asking(*[ROW] * 10**6)
    began = time.monotonic()
    reply = gateway.send("POST", PATH, body, key)
    assert (reply.status, "65536 rows" in reply.error) == (413, True)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("more", [["Content-Encoding: gzip"], ["Content-Encoding: zstd"]])
def test_a_compressed_body_is_not_opened(gateway: Alive, key: str, more: list[str]) -> None:
    body = gzip.compress(bytes(1 << 20))
    reply = told(gateway, head(key, *more, length=len(body)) + body)
    assert (reply.status, bool(reply.error)) == (415, True)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404), ("GET", "/admin/keys", 404), ("GET", "/metrics", 404),
        ("GET", "/v2/models/other", 404), ("GET", "/v2/models/forest/versions/2", 404),
        ("OPTIONS", "*", 404), ("GET", "/v2/../v2", 404), ("GET", "/v2/%2e%2e/etc/passwd", 404),
        ("POST", "/v2/models/other/infer", 404), ("POST", "/v2/repository/models/a/load", 404),
        ("GET", PATH, 405), ("DELETE", PATH, 405), ("POST", "/v2", 405), ("TRACE", "/v2", 405),
        ("OPTIONS", PATH, 405), ("PUT", "/v2/health/live", 405),
        ("POST", PATH + "?key=rtc_a_b", 400), ("POST", PATH + "?x", 400),
        ("GET", "/v2/models/forest?key=rtc_a_b", 400),
    ],
)  # fmt: skip
def test_what_is_not_there(gateway: Alive, key: str, method: str, path: str, status: int) -> None:
    reply = gateway.send(method, path, None if method == "GET" else b"{}", key)
    assert (reply.status, bool(reply.error)) == (status, True)
    assert "rtc_" not in reply.error
    if status == 405:
        assert reply.headers["allow"]


def test_a_head_is_a_get_without_its_body(gateway: Alive) -> None:
    whole = gateway.send("GET", "/v2")
    alone = gateway.send("HEAD", "/v2")
    assert (alone.status, alone.body) == (200, b"")
    assert alone.headers == whole.headers


def test_the_local_listener_has_the_same_bounds(gateway: Alive, key: str) -> None:
    for data, status in [BROKEN["words"], BROKEN["a huge header"],
                         (head(key, path="/admin/keys", length=100 << 20), 405),
                         (head(key, path="/metrics", method="GET", length=100 << 20), 200),
                         (head(key, path="/admin/keys", method="GET", length=None), 403),
                         ]:  # fmt: skip
        with Line(gateway.admin_port) as line:
            line.send(data)
            assert line.reply().status == status
            if b"104857600" in data:
                line.send(bytes(1 << 20))
                assert line.closed()


# Who nobody knows -------------------------------------------------------------------------------


def test_one_key_at_a_time(gateway: Alive, key: str) -> None:
    twice = told(gateway, head(key, f"Authorization: Bearer {key}") + GOOD)
    other = told(gateway, head(key, "Authorization: Bearer nonsense") + GOOD)
    none = told(gateway, head() + GOOD)
    assert twice.status == other.status == none.status == 401
    assert twice.body == other.body == none.body


def test_tokens_that_prove_nothing(gateway: Alive) -> None:
    now = time.time()
    said = issuer.claims(iat=now - 10, exp=now + 60)
    good, public = issuer.signing("RSA", "a"), issuer.jwks(issuer.signing("RSA", "a"))
    tokens = {
        "honest": issuer.token(good, said),
        "expired": issuer.token(good, issuer.claims(iat=now - 900, exp=now - 600)),
        "none": issuer.unsigned({"alg": "none", "kid": "a"}, said),
        "None": issuer.unsigned({"alg": "None", "kid": "a"}, said),
        "HS256 of the public key": issuer.shared(public, said, kid="a"),
        "foreign": issuer.token(issuer.signing("RSA", "b"), said),
        "foreign by the same name": issuer.token(issuer.signing("P-256", "a"), said, "ES256"),
        "of another audience": issuer.token(good, {**said, "aud": "other"}),
        "cut": issuer.token(good, said)[:-9],
        "dots": "a.b.c", "long": "a" * 30_000,
    }  # fmt: skip
    replies = {name: gateway.ask(one) for name, one in tokens.items()}
    assert replies.pop("honest").status == 200
    assert {(one.status, one.body) for one in replies.values()} == {
        (401, gateway.ask("rtc_aaaaaaaaaaaa_b").body)
    }


# Sizes and lengths ------------------------------------------------------------------------------


def peak(gateway: Alive) -> float:
    """Most memory that the server ever had, in MB."""
    status = Path(f"/proc/{gateway.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def test_a_body_of_100_megabytes(gateway: Alive, key: str) -> None:
    before, size, part = peak(gateway), 100 << 20, bytes(1 << 20)
    with Line(gateway.port) as line:  # told by its length
        line.send(head(key, length=size))
        reply = line.reply()
        assert (reply.status, bool(reply.error)) == (413, True)
        while line.send(part):  # what still comes is thrown away, until the line is closed
            pass
    with Line(gateway.port) as line:  # whose sender reads only in the end
        line.send(head(key, length=size))
        assert all(line.send(part) for _ in range(100))
        assert line.reply().status == 413
        assert line.closed()
    with Line(gateway.port) as line:  # without a length
        line.send(head(key, "Transfer-Encoding: chunked", length=None))
        chunk = b"%x\r\n%s\r\n" % (len(part), part)
        assert sum(line.send(chunk) for _ in range(100)) > 30
        assert line.reply().status == 413
        assert line.closed()
    assert peak(gateway) - before < 120


def test_large_bodies_that_lie_about_themselves(gateway: Alive, key: str) -> None:
    """Each byte of such a body could become an object of 32."""
    before, many = peak(gateway), 7 << 20
    tensors = {
        "wide": tensor("age", "@", [60_000, 250]), "nested": tensor("age", "@", [60_000, 250]),
        "more": tensor("age", "@", [60_000]), "texts": tensor("town", "@", [60_000]),
    }  # fmt: skip
    cells = {"nested": b"[],", "texts": b'"",'}
    for name, one in tensors.items():
        data = b"[" + (cells.get(name, b"0,") * many)[:-1] + b"]"
        body = json.dumps({"inputs": [one]}).encode().replace(b'"@"', data)
        assert gateway.send("POST", PATH, body, key).status == 400
    inputs = b'{"name":"age","datatype":"INT64","shape":[1],"data":[1]},' * (many // 16)
    body = b'{"inputs": [' + inputs[:-1] + b"]}"
    assert gateway.send("POST", PATH, body, key).status == 400
    assert peak(gateway) - before < 300


def test_who_is_not_known_sends_no_large_body(gateway: Alive) -> None:
    with Line(gateway.port) as line:
        line.send(head("rtc_aaaaaaaaaaaa_b", length=30 << 20) + bytes(1 << 20))
        assert line.reply().status == 401
        line.send(bytes(1 << 20))
        assert line.closed()


def test_what_follows_an_early_refusal_is_no_request(gateway: Alive, key: str) -> None:
    hidden = head(key) + GOOD
    for data in (head(key, length=100 << 20), head(key, "Content-Encoding: br", length=10**6),
                 head(key, path=PATH + "?a", length=10**6)):  # fmt: skip
        with Line(gateway.port) as line:
            line.send(data + b"   " + hidden)
            assert line.reply().status in (400, 413, 415)
            line.send(hidden)
            assert line.closed()


def test_a_body_longer_than_its_length(gateway: Alive, key: str) -> None:
    with Line(gateway.port) as line:
        line.send(head(key, length=len(GOOD) - 4) + GOOD)
        reply = line.reply()
        assert (reply.status, bool(reply.error)) == (400, True)
        assert line.closed()
    with Line(gateway.port) as line:  # a whole request, and garbage behind it
        line.send(head(key) + GOOD + b"\x00\x01garbage\r\n\r\n")
        assert line.reply().status == 200
        assert line.closed()


def test_one_after_the_other_on_one_line(gateway: Alive, key: str) -> None:
    with Line(gateway.port) as line:
        line.send((head(key) + GOOD) * 50)
        for _ in range(50):
            assert line.reply().status == 200
    with Line(gateway.port) as line:  # byte by byte
        data = head(key) + GOOD
        for place in range(len(data)):
            line.send(data[place : place + 1])
        assert line.reply().status == 200


def test_who_hangs_up_in_the_middle(gateway: Alive, key: str) -> None:
    for data in (b"GET", head(key), head(key) + GOOD[:9], head(key) + GOOD):
        with Line(gateway.port) as line:
            line.send(data)


def test_who_says_100_continue_is_told_to(gateway: Alive, key: str) -> None:
    with Line(gateway.port) as line:
        line.send(head(key, "Expect: 100-continue"))
        assert line.socket.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        line.send(GOOD)
        assert line.reply().status == 200
    with Line(gateway.port) as line:
        line.send(head(key, "Expect: 100-continue", length=100 << 20))
        assert line.reply().status == 413


def test_who_asks_for_another_protocol_gets_this_one(gateway: Alive, key: str) -> None:
    more = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")  # fmt: skip
    assert told(gateway, head("", *more, method="GET", path="/v2", length=None)).status == 200

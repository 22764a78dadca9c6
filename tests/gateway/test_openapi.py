"""The description of the public listener: true of what is written, silent about the model."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from reticent.gateway import app, guard, openapi, protocol
from reticent.gateway.openapi import BAD, document
from reticent.targets.card import Card

CARD = Card(
    model="0", name="a model", columns=("income",), kinds=("number",), classes=("rich", "poor"),
    label="y",
)  # fmt: skip
TOLD = json.loads(document(CARD))
OPERATIONS = [
    (path, method, operation)
    for path, methods in TOLD["paths"].items()
    for method, operation in methods.items()
]


def test_neither_columns_nor_classes_are_named() -> None:
    for word in (b"income", b"rich", b"poor"):
        assert word not in document(CARD)


def test_the_model_is_found_under_both_of_its_paths() -> None:
    infer = [path for path, method, _ in OPERATIONS if method == "post"]
    assert infer == ["/v2/models/a%20model/infer", "/v2/models/a%20model/versions/1/infer"]


def test_every_reference_leads_somewhere() -> None:
    named = set(re.findall(r'"#/components/schemas/(\w+)"', document(CARD).decode()))
    assert named == set(TOLD["components"]["schemas"])


def test_every_status_that_the_gateway_replies_with_is_described() -> None:
    raised: set[int] = set()
    for module in (app, guard, protocol):
        source = Path(str(module.__file__)).read_text()
        for one, other in re.findall(r"RefusedError\(\s*(\d{3})|BadRequest\(.*, (\d{3})\)", source):
            raised.add(int(one or other))
    assert raised >= {400, 401, 403, 413, 503}
    assert raised <= set(BAD), "give the new status its words"
    said = {int(status) for *_, operation in OPERATIONS for status in operation["responses"]}
    assert said - {200} == set(BAD) - {404, 405}  # these two belong to no operation


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        ("Server", protocol.server_metadata()),
        ("Health", protocol.live()),
        ("Health", protocol.ready(False)),
        ("ModelReady", protocol.model_ready(CARD, True)),
    ],
)
def test_bodies_have_the_described_fields(schema: str, body: bytes) -> None:
    described: dict[str, Any] = openapi.SCHEMAS[schema]
    told = json.loads(body)
    assert set(described["required"]) <= set(told) <= set(described["properties"])

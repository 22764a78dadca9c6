"""The OpenAPI 3.1 description of the public listener: every path, status and body that occurs.

It is the same for every reader and names no column or class: what a role sees of the model stands
in the model's metadata, behind its key.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any
from urllib.parse import quote

import msgspec

from reticent import __version__
from reticent.gateway.protocol import MAX_ID, MAX_ROWS
from reticent.targets.card import Card

Part = dict[str, Any]

BAD = {
    400: "The request cannot be read: the message says what is to be sent.",
    401: "The key is unknown, expired, revoked or malformed, or there is none.",
    403: "The role may not do this, or not from this address.",
    404: "There is no such address.",
    405: "The address takes another method.",
    408: "The body did not arrive in time.",
    413: f"The body is too large, or has more than {MAX_ROWS} rows.",
    415: "The body is compressed.",
    429: "A budget is spent; nothing was debited.",
    500: "The model could not answer.",
    502: "The server behind the gateway could not answer.",
    503: "Not ready, too busy, or no record can be kept, so there is no answer.",
}
PRIVATE = (400, 401, 403, 503)  # of what needs a key
LENGTH: Part = {
    "name": "Inference-Header-Content-Length",
    "in": "header",
    "description": "Length of the JSON, where binary tensors follow it.",
    "schema": {"type": "integer", "minimum": 0},
}


@lru_cache(maxsize=8)
def document(card: Card) -> bytes:
    """Write the description for one model, as JSON."""
    name = quote(card.name)
    paths: Part = {
        "/v2": {"get": _get("Server metadata", "Server")},
        "/v2/health/live": {"get": _get("Whether it lives", "Health")},
        "/v2/health/ready": {"get": _get("Whether it can answer", "Health", (503,))},
        "/openapi.json": {"get": _get("This description", "Description")},
    }
    for path in (f"/v2/models/{name}", f"/v2/models/{name}/versions/1"):
        paths[path] = {"get": _get("What this role sees of the model", "Model", PRIVATE, True)}
        paths[f"{path}/ready"] = {"get": _get("Whether it can answer", "ModelReady", (503,))}
        paths[f"{path}/infer"] = {"post": _infer()}
    told = {
        "openapi": "3.1.0",
        "info": {
            "title": f"The guarded model {card.name}",
            "version": __version__,
            "description": "Open Inference Protocol v2 with the binary tensor extension.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }
    return msgspec.json.encode(told)


def _get(summary: str, schema: str, bad: tuple[int, ...] = (), private: bool = False) -> Part:
    told: Part = {
        "summary": summary,
        "security": [{"key": []}] if private else [],
        "responses": {"200": _json("Answered.", schema), **_refusals(*bad, 500)},
    }
    return told


def _infer() -> Part:
    answered: Part = _json("Answered, as far as the role's contract shows.", "Answer")
    answered["content"]["application/octet-stream"] = {}
    answered["headers"] = {LENGTH["name"]: {"schema": LENGTH["schema"]}}
    return {
        "summary": "Ask for predictions",
        "security": [{"key": []}],
        "parameters": [LENGTH],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": _of("Ask")},
                "application/octet-stream": {},
            },
        },
        "responses": {"200": answered, **_refusals(*PRIVATE, 408, 413, 415, 429, 500, 502)},
    }


def _refusals(*statuses: int) -> Part:
    told = {str(status): _json(BAD[status], "Error") for status in sorted(statuses)}
    for status in ("429", "503"):
        if status in told:
            seconds = {"schema": {"type": "integer", "minimum": 0}}
            told[status]["headers"] = {"Retry-After": seconds}
    return told


def _json(description: str, schema: str) -> Part:
    return {
        "description": description,
        "content": {"application/json": {"schema": _of(schema)}},
    }


def _of(schema: str) -> Part:
    return {"$ref": f"#/components/schemas/{schema}"}


def _object(required: str, **properties: Part) -> Part:
    told = {"type": "object", "properties": properties}
    return {**told, "required": required.split()} if required else told


def _closed(required: str, **properties: Part) -> Part:
    return {**_object(required, **properties), "additionalProperties": False}


def _list(items: Part, **more: Any) -> Part:
    return {"type": "array", "items": items, **more}


TEXT: Part = {"type": "string"}
TRUTH: Part = {"type": "boolean"}
SIZE: Part = {"type": "integer", "minimum": 0}
SHAPE = _list({"type": "integer", "minimum": -1})
FLAGS = _object("", binary_data=TRUTH, binary_data_output=TRUTH, binary_data_size=SIZE)
CELL: Part = {"type": ["number", "string", "boolean", "null"]}
TAKEN: Part = {"type": "string", "enum": ["FP64", "FP32", "INT64", "BYTES", "BOOL"]}
TOLD: Part = {"type": "string", "enum": ["FP64", "INT64", "BYTES", "BOOL"]}

SCHEMAS: Part = {
    "Error": _object("error", error=TEXT),
    "Server": _object("name version extensions", name=TEXT, version=TEXT, extensions=_list(TEXT)),
    "Health": _object("live ready", live=TRUTH, ready=TRUTH, error=TEXT),
    "ModelReady": _object("name ready", name=TEXT, ready=TRUTH, error=TEXT),
    "Description": _object("openapi paths", openapi=TEXT, paths={"type": "object"}),
    "Shown": _object(
        "name datatype shape", name=TEXT, datatype=TOLD, shape=SHAPE, parameters={"type": "object"}
    ),
    "Model": _object(
        "name versions platform inputs outputs",
        name=TEXT,
        versions=_list(TEXT),
        platform=TEXT,
        inputs=_list(_of("Shown")),
        outputs=_list(_of("Shown")),
        parameters=_object("", classes=_list({"type": ["string", "integer"]})),
    ),
    "Input": {
        **_closed(
            "name datatype shape",
            name={**TEXT, "description": "A column; any name for one tensor [n,d] of all columns."},
            datatype=TAKEN,
            shape=_list(SIZE, minItems=1, maxItems=2),
            parameters=FLAGS,
            data={"type": "array", "description": "Cells row by row, or a list for each row."},
        ),
    },
    "Ask": _closed(
        "inputs",
        inputs=_list(_of("Input"), minItems=1),
        outputs={
            "type": ["array", "null"],
            "items": _closed("name", name=TEXT, parameters=FLAGS),
        },
        id={"type": ["string", "null"], "maxLength": MAX_ID},
        parameters=FLAGS,
        model_name=TEXT,
        model_version=TEXT,
    ),
    "Output": _object(
        "name datatype shape", name=TEXT, datatype=TOLD, shape=SHAPE,
        data=_list(CELL), parameters=FLAGS,
    ),
    "Answer": _object(
        "model_name model_version outputs", model_name=TEXT, model_version=TEXT, id=TEXT,
        outputs=_list(_of("Output")),
    ),
}  # fmt: skip

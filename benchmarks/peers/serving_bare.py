"""The denominator: an ASGI handler that predicts and does nothing else. ``MODEL PORT``.

As fast as it can be written in Python: typed decoding of just the fields that are needed, one
conversion to numpy, one run, the answer encoded from flat lists.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from benchmarks.peers.serving_onnx import predictor, serve

HEAD = [(b"content-type", b"application/json")]


class Tensor(msgspec.Struct):
    """An input of the Open Inference Protocol."""

    shape: list[int]
    data: list[float]


class Request(msgspec.Struct):
    """A request with one tensor."""

    inputs: list[Tensor]


class Output(msgspec.Struct):
    """An output of the protocol."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Any]


class Response(msgspec.Struct):
    """A response."""

    model_name: str
    outputs: list[Output]


read = msgspec.json.Decoder(Request).decode
write = msgspec.json.Encoder().encode
predict = predictor()


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Answer one request."""
    del scope
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message["body"]
    if not body:  # a look whether it is there
        content = b"{}"
    else:
        one = read(body).inputs[0]
        label, scores = predict(one.data, one.shape)
        n = len(label)
        told = [
            Output("label", "INT64", [n], label),
            Output("scores", "FP64", [n, len(scores) // n], scores),
        ]
        content = write(Response("forest", told))
    length = (b"content-length", b"%d" % len(content))
    await send({"type": "http.response.start", "status": 200, "headers": [*HEAD, length]})
    await send({"type": "http.response.body", "body": content})


if __name__ == "__main__":
    serve(app)

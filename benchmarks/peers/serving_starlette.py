"""The same model behind Starlette, as its documentation shows it, unguarded. ``MODEL PORT``."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from benchmarks.peers.serving_onnx import predictor, serve

predict = predictor()


async def infer(request: Request) -> Response:
    """Answer one request."""
    asked = await request.json()
    one = asked["inputs"][0]
    label, scores = predict(one["data"], one["shape"])
    n = len(label)
    return JSONResponse({
        "model_name": "forest",
        "outputs": [
            {"name": "label", "datatype": "INT64", "shape": [n], "data": label},
            {"name": "scores", "datatype": "FP64", "shape": [n, len(scores) // n],
             "data": scores},
        ],
    })  # fmt: skip


async def ready(request: Request) -> Response:
    """Say that it is there."""
    del request
    return JSONResponse({"ready": True})


app = Starlette(
    routes=[
        Route("/v2/health/ready", ready),
        Route("/v2/models/forest/infer", infer, methods=["POST"]),
    ]
)

if __name__ == "__main__":
    serve(app)

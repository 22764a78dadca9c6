"""The same model behind FastAPI with models for request and response, unguarded. ``MODEL PORT``."""
# mypy: disallow-subclassing-any=False, disallow-untyped-decorators=False
# mypy: warn-unused-ignores=False, disallow-any-unimported=False

from typing import Any

from fastapi import FastAPI  # type: ignore[import-not-found]
from pydantic import BaseModel  # type: ignore[import-not-found]

from benchmarks.peers.serving_onnx import predictor, serve

predict = predictor()
app = FastAPI()


class Tensor(BaseModel):
    """A tensor of the Open Inference Protocol."""

    name: str
    shape: list[int]
    datatype: str
    data: list[float] | list[int]


class Request(BaseModel):
    """A request."""

    inputs: list[Tensor]


class Response(BaseModel):
    """A response."""

    model_name: str
    outputs: list[Tensor]


@app.get("/v2/health/ready")
async def ready() -> dict[str, Any]:
    """Say that it is there."""
    return {"ready": True}


@app.post("/v2/models/forest/infer")
async def infer(request: Request) -> Response:
    """Answer one request."""
    one = request.inputs[0]
    label, scores = predict(one.data, one.shape)
    n = len(label)
    told = [
        Tensor(name="label", datatype="INT64", shape=[n], data=label),
        Tensor(name="scores", datatype="FP64", shape=[n, len(scores) // n], data=scores),
    ]
    return Response(model_name="forest", outputs=told)


if __name__ == "__main__":
    serve(app)

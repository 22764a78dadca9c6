"""What the unguarded servers share: a session of one thread, and the same uvicorn settings."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import onnxruntime
import uvicorn


def session() -> tuple[Any, str, str]:
    """Load the model named by the first argument: the session, its input, its scores' output."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    made = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
    return made, made.get_inputs()[0].name, made.get_outputs()[1].name


def predictor() -> Any:
    """Return a function from a nested or flat list and its shape to labels and scores."""
    made, given, scores = session()
    run = made.run

    def predict(data: Any, shape: Any) -> tuple[list[int], list[float]]:
        rows = np.array(data, dtype=np.float32).reshape(shape)
        found = run([scores], {given: rows})[0]
        return found.argmax(axis=1).tolist(), found.ravel().tolist()

    return predict


def serve(app: Any) -> None:
    """Serve an ASGI app on the port named by the second argument, with nothing to slow it."""
    uvicorn.run(
        app, host="127.0.0.1", port=int(sys.argv[2]), loop="uvloop", http="httptools", ws="none",
        lifespan="off", access_log=False, log_level="error", server_header=False,
        date_header=False, proxy_headers=False, backlog=2048,
    )  # fmt: skip

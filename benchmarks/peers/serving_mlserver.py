"""The same model behind MLServer, unguarded, as a runtime of its own kind. ``MODEL PORT``.

Without worker processes, metrics and access log: what MLServer itself calls its fastest settings
for a small model.
"""
# mypy: disallow-subclassing-any=False, disallow-untyped-decorators=False
# mypy: warn-unused-ignores=False, disallow-any-unimported=False

import asyncio
import sys
from typing import Any

from mlserver import MLModel, MLServer, ModelSettings, Settings  # type: ignore[import-not-found]
from mlserver.codecs import NumpyCodec  # type: ignore[import-not-found]
from mlserver.types import InferenceRequest, InferenceResponse  # type: ignore[import-not-found]

from benchmarks.peers.serving_onnx import session


class Forest(MLModel):
    """The forest as an MLServer model."""

    async def load(self) -> bool:
        """Load the session."""
        self._session, self._given, self._scores = session()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer one request."""
        rows = NumpyCodec.decode_input(payload.inputs[0])
        found: Any = self._session.run([self._scores], {self._given: rows.astype("float32")})[0]
        return InferenceResponse(
            model_name=self.name,
            outputs=[
                NumpyCodec.encode_output("label", found.argmax(axis=1)),
                NumpyCodec.encode_output("scores", found.astype("float64")),
            ],
        )


async def main() -> None:
    """Serve until stopped."""
    settings = Settings(
        host="127.0.0.1", http_port=int(sys.argv[2]), grpc_port=int(sys.argv[3]), debug=False,
        parallel_workers=0, metrics_endpoint=None, load_models_at_startup=False,
    )  # fmt: skip
    await MLServer(settings).start([ModelSettings(name="forest", implementation=Forest)])


if __name__ == "__main__":
    asyncio.run(main())

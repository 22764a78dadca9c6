"""Five checks of a live gateway with kserve.InferenceRESTClient: URL MODEL KEY.

A line each, ``ok`` or not. It runs in its own process and environment (``requirements.txt`` beside
it): kserve and tritonclient.grpc cannot share one.
"""

from __future__ import annotations

import asyncio
import json
import sys
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

TYPES = {"FP64": np.float64, "INT64": np.int64, "BYTES": np.object_}


class Checks:
    """The checks, in order; each returns whether it holds."""

    def __init__(self, url: str, model: str, key: str) -> None:
        self.client = InferenceRESTClient(RESTConfig(protocol="v2"))
        self.url, self.model, self.key = url, model, key

    @property
    def headers(self) -> dict[str, str]:
        """Fresh ones each time: the client adds its own to those it is given."""
        return {"Authorization": f"Bearer {self.key}"}

    async def live(self) -> bool:
        return await self.client.is_server_live(self.url) is True

    async def ready(self) -> bool:
        return await self.client.is_server_ready(self.url) is True

    async def model_ready(self) -> bool:
        return bool(await self.client.is_model_ready(self.url, self.model))

    async def infer_json(self) -> bool:
        return await self.infer(False)

    async def infer_binary(self) -> bool:
        return await self.infer(True)

    async def infer(self, binary: bool) -> bool:
        """Two equal rows have equal answers, of the shapes that the metadata promise."""
        metadata = self.metadata()
        inputs = []
        for column in metadata["inputs"]:
            cells: Any = np.ones(2, TYPES[column["datatype"]])
            if column["datatype"] == "BYTES":
                cells[:] = "a"
            inputs.append(InferInput(column["name"], [2], column["datatype"]))
            inputs[-1].set_data_from_numpy(cells, binary_data=binary)
        told = await self.client.infer(
            self.url, InferRequest(self.model, inputs, "one"), self.model, self.headers
        )
        for output in metadata["outputs"]:
            array = told.get_output_by_name(output["name"]).as_numpy()
            if list(array.shape) != [2, *output["shape"][1:]]:
                return False
            if not np.array_equal(array[0], array[1], equal_nan=array.dtype.kind == "f"):
                return False
        return bool(told.id == "one" and told.model_name == self.model)

    def metadata(self) -> dict[str, Any]:
        """The client has no call for it."""
        asked = urllib.request.Request(f"{self.url}/v2/models/{self.model}", headers=self.headers)
        with urllib.request.urlopen(asked) as reply:
            found: dict[str, Any] = json.load(reply)
        return found


async def main(url: str, model: str, key: str) -> int:
    checks = Checks(url, model, key)
    each: list[Callable[[], Awaitable[bool]]] = [
        checks.live, checks.ready, checks.model_ready, checks.infer_json, checks.infer_binary,
    ]  # fmt: skip
    failed = 0
    for check in each:
        try:
            told = "ok" if await check() else "FAILED"
        except Exception as error:  # noqa: BLE001 (a client may raise anything)
            told = f"FAILED {type(error).__name__}: {error}"
        failed += told != "ok"
        sys.stdout.write(f"{check.__name__} {told}\n")
    await checks.client.close()
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:4])))

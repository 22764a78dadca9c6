"""Ten checks of a live gateway with tritonclient.http: URL MODEL KEY. A line each, ``ok`` or not.

It runs in its own process and environment (``requirements.txt`` beside it) and knows nothing of
reticent: inputs and outputs are what the server's metadata say.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import tritonclient.http as triton

TYPES = {"FP64": np.float64, "INT64": np.int64, "BYTES": np.object_}


class Checks:
    """The checks, in order; each returns whether it holds."""

    def __init__(self, url: str, model: str, key: str) -> None:
        self.client = triton.InferenceServerClient(url.removeprefix("http://"))
        self.model, self.headers = model, {"Authorization": f"Bearer {key}"}

    def live(self) -> bool:
        return bool(self.client.is_server_live())

    def ready(self) -> bool:
        return bool(self.client.is_server_ready())

    def server_metadata(self) -> bool:
        return "binary_tensor_data" in self.client.get_server_metadata()["extensions"]

    def model_ready(self) -> bool:
        return bool(self.client.is_model_ready(self.model))

    def model_metadata(self) -> bool:
        told = self.metadata()
        return told["name"] == self.model and bool(told["inputs"]) and bool(told["outputs"])

    def json_in_json_out(self) -> bool:
        return self.agrees(self.infer(False, False))

    def json_in_binary_out(self) -> bool:
        return self.agrees(self.infer(False, True))

    def binary_in_json_out(self) -> bool:
        return self.agrees(self.infer(True, False))

    def binary_both_ways(self) -> bool:
        return self.agrees(self.infer(True, True))

    def no_outputs_named(self) -> bool:
        result = self.client.infer(self.model, self.inputs(True), headers=dict(self.headers))
        return self.agrees({name: result.as_numpy(name) for name in self.names()})

    def metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.get_model_metadata(self.model, headers=self.headers)
        return found

    def names(self) -> list[str]:
        return [output["name"] for output in self.metadata()["outputs"]]

    def inputs(self, binary: bool) -> list[Any]:
        made = []
        for column in self.metadata()["inputs"]:
            cells: Any = np.ones(2, TYPES[column["datatype"]])
            if column["datatype"] == "BYTES":
                cells[:] = "a"
            made.append(triton.InferInput(column["name"], [2], column["datatype"]))
            made[-1].set_data_from_numpy(cells, binary_data=binary)
        return made

    def infer(self, binary_in: bool, binary_out: bool) -> dict[str, Any]:
        names = self.names()
        wanted = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in names]
        result = self.client.infer(
            self.model, self.inputs(binary_in), outputs=wanted, headers=dict(self.headers)
        )
        return {name: result.as_numpy(name) for name in names}

    def agrees(self, told: dict[str, Any]) -> bool:
        """Two equal rows have equal answers, of the shapes that the metadata promise."""
        for output in self.metadata()["outputs"]:
            array = told[output["name"]]
            if array is None or list(array.shape) != [2, *output["shape"][1:]]:
                return False
            if not np.array_equal(array[0], array[1], equal_nan=array.dtype.kind == "f"):
                return False
            if output["name"] == "scores" and not np.all((array >= 0) & (array <= 1)):
                return False
            if output["name"] == "label" and not self.named(array):
                return False
        return True

    def named(self, labels: Any) -> bool:
        classes = {str(name) for name in self.metadata()["parameters"]["classes"]}
        words = [one.decode() if isinstance(one, bytes) else str(one) for one in labels.ravel()]
        return set(words) <= classes


def main(url: str, model: str, key: str) -> int:
    checks = Checks(url, model, key)
    each: list[Callable[[], bool]] = [
        checks.live, checks.ready, checks.server_metadata, checks.model_ready,
        checks.model_metadata, checks.json_in_json_out, checks.json_in_binary_out,
        checks.binary_in_json_out, checks.binary_both_ways, checks.no_outputs_named,
    ]  # fmt: skip
    failed = 0
    for check in each:
        try:
            told = "ok" if check() else "FAILED"
        except Exception as error:  # noqa: BLE001 (a client may raise anything)
            told = f"FAILED {type(error).__name__}: {error}"
        failed += told != "ok"
        sys.stdout.write(f"{check.__name__} {told}\n")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))

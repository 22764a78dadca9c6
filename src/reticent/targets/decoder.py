"""A user's decoder: what makes pictures of points, from an ONNX file or a PyTorch module."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.errors import ConfigError, ModelError
from reticent.target import Upstream
from reticent.targets.network import Network
from reticent.targets.onnx import graph_and_session
from reticent.targets.onnx_layers import network_of_graph

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Graph:
    """An ONNX graph from points (n, q) to pictures (n, ...).

    Attributes
    ----------
    network : its layers, where it is one chain that can be followed back.
    """

    session: Any
    network: Network | None

    def forward(self, z: Floats) -> Floats:
        """Make pictures of n points."""
        name = self.session.get_inputs()[0].name
        made = self.session.run(None, {name: z.astype(np.float32)})[0]
        return np.asarray(made, dtype=float).reshape(len(z), -1)

    def backward(self, z: Floats, upstream: Upstream) -> tuple[Floats, Floats]:
        """Make pictures (n, d) of n points, and take a gradient by them back to the points."""
        if self.network is None:
            raise ModelError(
                "the decoder's gradient", "its graph is no chain of known operators",
                "Give a PyTorch module from Python, or leave latent_gradient out",
            )  # fmt: skip
        return self.network.backward(z, upstream)


def load_decoder(path: Path) -> tuple[Graph, int]:
    """Load an ONNX decoder: it, and the width q of its points.

    Raises
    ------
    ConfigError : another kind of file, or not one input of a fixed width.
    ModelError, UntrustedModelError, MissingExtraError : as loading an ONNX model does.
    """
    asked = f"the decoder {path}"
    if path.suffix != ".onnx":
        raise ConfigError(
            asked, f"{path.suffix or 'no suffix'} is not read here",
            "Export it with torch.onnx.export, or pass the module from Python: Case(decoder=...)",
        )  # fmt: skip
    graph, session = graph_and_session(path)
    inputs = session.get_inputs()
    width = inputs[0].shape[-1] if len(inputs) == 1 and len(inputs[0].shape) == 2 else None
    if not isinstance(width, int):
        raise ConfigError(
            asked, "it does not take one matrix of points, each of a fixed width",
            "Export it with one input (n, width)",
        )  # fmt: skip
    made = session.get_outputs()[0].name
    return Graph(session, network_of_graph(graph, made, logits=False)), width

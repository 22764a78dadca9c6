"""Descend among pixels with adversarial-robustness-toolbox: ``art_faces.py GIVEN.npz FOUND.npz``.

Runs in that project's own environment, on the very weights that the caller trained.
"""

from __future__ import annotations

import sys
import time
from importlib.metadata import version
from typing import Any

import numpy as np
import torch  # type: ignore[import-not-found]
from art.attacks.inference.model_inversion import MIFace  # type: ignore[import-not-found]
from art.estimators.classification import PyTorchClassifier  # type: ignore[import-not-found]


def network(kind: str, weights: list[Any]) -> tuple[Any, tuple[int, ...]]:
    """Build the caller's network, ending in probabilities, and say what it takes."""
    nn = torch.nn
    shape: tuple[int, ...]
    if kind == "mlp":
        hidden = weights[0].shape[0]
        layers, shape = [nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 10)], (64,)
    else:
        layers = [nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Flatten(),
                  nn.Linear(256, 10)]  # fmt: skip
        shape = (1, 8, 8)
    model = nn.Sequential(*layers, nn.Softmax(dim=1))
    with torch.no_grad():
        for own, given in zip(model.parameters(), weights, strict=True):
            own.copy_(torch.as_tensor(given))
    return model.eval(), shape


def main(given_path: str, found_path: str) -> None:
    """Descend once at each batch size, and write the pictures with their CPU time."""
    torch.set_num_threads(1)
    given = np.load(given_path)
    weights = [given[f"w{place}"] for place in range(int(given["count"]))]
    model, shape = network(str(given["kind"]), weights)
    classifier = PyTorchClassifier(
        model, loss=torch.nn.NLLLoss(), input_shape=shape, nb_classes=10, clip_values=(0.0, 1.0),
        device_type="cpu",
    )  # fmt: skip
    found: dict[str, Any] = {"version": version("adversarial-robustness-toolbox")}
    for size in given["sizes"].tolist():
        attack = MIFace(
            classifier, max_iter=int(given["steps"]), learning_rate=float(given["rate"]),
            batch_size=size, verbose=False,
        )  # fmt: skip
        started = time.process_time()
        made = attack.infer(None, np.arange(10))
        found[f"seconds{size}"] = time.process_time() - started
        found[f"made{size}"] = made.reshape(10, -1)
    np.savez(found_path, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""PyTorch modules as targets; without torch these are skipped (pip install "reticent[torch]")."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from reticent.dataset import Dataset
from reticent.errors import ModelError
from reticent.target import Differentiable, Reveals
from reticent.targets.network import Network, softmax
from reticent.targets.torch import Module, is_module, torch_target

NAMES = [f"x{pixel}" for pixel in range(64)]
X = np.random.default_rng(0).random((5, 64))


def test_another_model_is_no_module() -> None:
    assert not is_module(np.array)
    assert not is_module(Network(()))


@pytest.fixture
def torch() -> Any:
    found = pytest.importorskip("torch", reason="torch is an extra")
    found.manual_seed(0)
    return found


def convolutions(torch: Any, *end: Any) -> Any:
    nn = torch.nn
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.Tanh(), nn.AvgPool2d(2), nn.Flatten(),
                         nn.Linear(36, 3), *end)  # fmt: skip


def follows(target: Differentiable) -> bool:
    way = np.random.default_rng(1).standard_normal((5, 64))

    def first(logits: Any) -> Any:
        return np.eye(3)[np.zeros(len(logits), dtype=int)]

    _, gradient = target.backward(X, first)
    ahead, behind = (target.backward(X + step * way, first)[0][:, 0] for step in (1e-2, -1e-2))
    return np.allclose((ahead - behind) / 2e-2, (gradient * way).sum(axis=1), atol=1e-3)


def test_a_small_chain_is_written_as_matrices(torch: Any) -> None:
    module = convolutions(torch)
    target = torch_target(module, NAMES, np.arange(3), (8, 8))
    assert isinstance(target.network, Network)
    assert is_module(module)
    assert Reveals.GRADIENT in target.reveals
    told = target.ask(Dataset.of_matrix(X, NAMES)).scores
    made = module(torch.as_tensor(X.reshape(5, 1, 8, 8), dtype=torch.float32)).detach().numpy()
    assert told is not None
    assert np.allclose(told, softmax(made.astype(float)), atol=1e-5)
    assert follows(target)


def test_another_module_is_followed_by_torch(torch: Any) -> None:
    target = torch_target(convolutions(torch, torch.nn.LogSoftmax(1)), NAMES, np.arange(3), (8, 8))
    assert isinstance(target.network, Module)
    assert follows(target)


def test_a_module_of_probabilities_is_not_squashed_twice(torch: Any) -> None:
    module = convolutions(torch, torch.nn.Softmax(1))
    target = torch_target(module, NAMES, np.arange(3), (8, 8))
    told = target.ask(Dataset.of_matrix(X, NAMES)).scores
    made = module(torch.as_tensor(X.reshape(5, 1, 8, 8), dtype=torch.float32)).detach().numpy()
    assert told is not None
    assert np.allclose(told, made, atol=1e-5)
    assert follows(target)


def test_channels_last_are_given_as_torch_wants_them(torch: Any) -> None:
    nn = torch.nn
    module = nn.Sequential(nn.Conv2d(4, 2, 3), nn.Flatten(), nn.Linear(8, 3))
    target = torch_target(module, NAMES, np.arange(3), (4, 4, 4))
    moved = torch.as_tensor(X.reshape(5, 4, 4, 4), dtype=torch.float32).movedim(-1, 1)
    told = target.ask(Dataset.of_matrix(X, NAMES)).scores
    assert told is not None
    assert np.allclose(told, softmax(module(moved).detach().numpy().astype(float)), atol=1e-5)


def test_a_module_that_fits_no_row_is_refused(torch: Any) -> None:
    with pytest.raises(ModelError, match="neither as 64 numbers nor as a picture"):
        torch_target(torch.nn.Linear(63, 3), NAMES, np.arange(3))
    with pytest.raises(ModelError, match="it tells 4, the members have 3"):
        torch_target(torch.nn.Linear(64, 4), NAMES, np.arange(3))

"""Descent among pixels beside adversarial-robustness-toolbox (ART), on digits.

ART runs in its own environment, whose Python ``RETICENT_ART_PYTHON`` names.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.faces import digit_split
from benchmarks.table import CannotRunError, Table, plain
from benchmarks.white_box_peer import SETUP
from reticent.attacks.face.mi_face import RATE, STEPS, descend
from reticent.attacks.faces import Held
from reticent.audit.evaluator import trained
from reticent.target import Target
from reticent.targets.torch import torch_target

PEER = Path(__file__).parent / "peers" / "art_faces.py"
SIZES = (1, 10)  # ART's default, and all classes at once
REPEATS = 15
NEVER = 2.0  # a confidence that stops nobody
Floats = NDArray[np.float64]


def measure() -> Table:
    """The same descent on the same weights, for the same number of steps."""
    python = os.environ.get("RETICENT_ART_PYTHON", "")
    if not Path(python).is_file():
        raise CannotRunError(f"no environment with the peer: {SETUP}")
    model, x, y, held, target = digit_split(100)
    judge = trained(held.images, model.predict(held.images), (8, 8))
    layers = [part for pair in zip(model.coefs_, model.intercepts_, strict=True) for part in pair]
    tasks = [("perceptron, 64 hidden", "mlp", target, [np.asarray(one.T) for one in layers])]
    if find_spec("torch") is not None:
        network = _convolutions(x, y)
        weights = [one.detach().numpy() for one in network.parameters()]
        made = torch_target(network, list(held.columns), np.arange(10), (8, 8))
        tasks.append(("2 convolutions, PyTorch", "cnn", made, weights))
    rows, release = [], ""
    for says, kind, one, weights in tasks:
        found, release = _art(python, kind, weights)
        rows.append((says, *_compared(one, held, judge, found)))
    return Table(
        head=("model", "ours, ms", "ART best, ms", "ratio", "ART default, ms", "ratio",
              "identified, ours", "ART", "confidence, ours", "ART"),
        rows=rows,
        notes=(
            f"All ten digits, {STEPS} steps at rate {RATE} from black, none stopping early (by "
            "default ours stops a class that is sure; ART goes on to its limit). CPU time, one "
            f"thread, one process each: ART once, ours the median of {REPEATS} runs. *best*: all "
            "ten in one batch; *default*: batches of one. *identified*: by linear discriminants "
            "on pictures that the model never saw.",
        ),
        versions=(f"ART {release}",),
    )  # fmt: skip


def _compared(target: Target, held: Held, judge: Any, found: Any) -> tuple[str, ...]:
    times = []
    for _ in range(REPEATS):
        started = time.process_time()
        made = descend(target, held, STEPS, RATE, NEVER)
        times.append((time.process_time() - started) * 1e3)
    ours = float(np.median(times))
    best, default = (float(found[f"seconds{size}"]) * 1e3 for size in reversed(SIZES))
    theirs = found[f"made{SIZES[1]}"].astype(float)
    right = [float((judge.rank(x, np.arange(10)) == 0).mean()) for x in (made, theirs)]
    sure = [_confidence(target, held, x) for x in (made, theirs)]
    took = [f"{ours:.0f}"]
    for one in (best, default):
        took += [f"{one:,.0f}", f"{one / ours:.0f}"]
    return (*took, *map(plain, right), *map(plain, sure))


def _confidence(target: Target, held: Held, pictures: Floats) -> float:
    from reticent.attacks.faces import shown

    scores = shown(target, held, pictures).scores
    assert scores is not None
    return float(scores[np.arange(10), np.arange(10)].mean())


def _convolutions(x: Floats, y: NDArray[np.intp]) -> Any:
    """A small convolutional network on digits, of logits."""
    import torch  # type: ignore[import-not-found]

    torch.manual_seed(0)
    torch.set_num_threads(1)
    nn = torch.nn
    model = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU(),
                          nn.Flatten(), nn.Linear(256, 10))  # fmt: skip
    given = torch.as_tensor(x.reshape(-1, 1, 8, 8), dtype=torch.float32)
    wanted, optimizer = torch.as_tensor(y), torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(given), wanted).backward()
        optimizer.step()
    return model


def _art(python: str, kind: str, weights: list[Any]) -> tuple[Any, str]:
    """Hand the same weights to the peer's environment."""
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "given.npz", Path(folder) / "found.npz"
        named = {f"w{place}": one for place, one in enumerate(weights)}
        np.savez(given, kind=kind, count=len(weights), steps=STEPS, rate=RATE,
                 sizes=np.array(SIZES), **named)  # fmt: skip
        run = subprocess.run(
            [python, str(PEER), str(given), str(found)], capture_output=True, text=True, check=False
        )
        if run.returncode != 0:
            last = (run.stderr.strip().splitlines() or ["no message"])[-1]
            raise CannotRunError(f"the peer failed ({last}); {SETUP}")
        answer = dict(np.load(found))
        return answer, str(answer["version"])

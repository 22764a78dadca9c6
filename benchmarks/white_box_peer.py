"""White-box inversion of a tree beside adversarial-robustness-toolbox (ART).

ART runs in its own environment, whose Python ``RETICENT_ART_PYTHON`` names.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.people import ADULT
from benchmarks.table import CannotRunError, Table, plain
from reticent.attacks import named
from reticent.attacks.known import Hidden, Known
from reticent.dataset import Dataset
from reticent.targets.local import local

PEER = Path(__file__).parent / "peers" / "art_white_box.py"
ATTACKED = 5_000
REPEATS = 25
SETUP = (
    "set RETICENT_ART_PYTHON to the Python of an environment of its own, in which first "
    "`pip install torch==2.13.0` and then "
    "`pip install adversarial-robustness-toolbox==1.20.1 packaging` were run"
)


@dataclass(frozen=True, slots=True)
class Task:
    """A tree, the column to be guessed, and the label that both attackers are told.

    Attributes
    ----------
    depth : of the tree; 0 is a full one. truth : told is the true label, else the prediction.
    """

    column: str
    depth: int
    truth: bool = False

    @property
    def says(self) -> str:
        """The tree and the label, in words."""
        tree = f"depth {self.depth}" if self.depth else "full"
        return f"{tree}, {'true label' if self.truth else 'its prediction'}"


TASKS = (
    Task("marital_status", 0), Task("marital_status", 8), Task("relationship", 0),
    Task("relationship", 8), Task("relationship", 8, truth=True),
)  # fmt: skip


def measure() -> Table:
    """Attack the same trees with both."""
    python = os.environ.get("RETICENT_ART_PYTHON", "")
    if not Path(python).is_file():
        raise CannotRunError(f"no environment with the peer: {SETUP}")
    rows, release = [], ""
    for task in TASKS:
        row, release = _compare(task, python)
        rows.append(row)
    return Table(
        head=("guessed column", "tree, told label", "ours, ms", "ART, ms", "ratio",
              "same guesses", "ours right", "ART right"),
        rows=rows,
        notes=(
            f"{ATTACKED:,} training rows of Adult, all columns as whole numbers in one array, the "
            "same scikit-learn tree (checked node by node), the same labels and the same priors; "
            "ours counts the priors in its time. CPU time in one process each: ART once over all "
            f"rows (not scaled from fewer), ours the median of {REPEATS} runs (range). Both take "
            "the one value that agrees with the label; where several agree, ours weighs those and "
            "ART weighs all values, where none agrees ours takes the commonest value and ART "
            "weighs leaf sizes: that explains the guesses that differ.",
        ),
        versions=(f"ART {release}",),
    )  # fmt: skip


@cache
def _numbers() -> tuple[pd.DataFrame, NDArray[np.intp]]:
    """Adult with every category as a whole number (n, d), and its labels (n,)."""
    frame = ADULT.read()
    x = frame.drop(columns=ADULT.label)
    codes = {
        name: x[name].to_numpy(dtype=float)
        if pd.api.types.is_numeric_dtype(x[name])
        else np.unique(x[name].to_numpy(dtype=str), return_inverse=True)[1].astype(float)
        for name in x
    }
    return pd.DataFrame(codes), np.asarray(frame[ADULT.label] == ">50K", dtype=np.intp)


def _compare(task: Task, python: str) -> tuple[tuple[str, ...], str]:
    """One row of the table, and ART's version."""
    from sklearn.tree import DecisionTreeClassifier

    x, y = _numbers()
    tree = DecisionTreeClassifier(random_state=0, max_depth=task.depth or None)
    tree.fit(x.to_numpy(), y)
    attacked = x.iloc[:ATTACKED]
    told = y[:ATTACKED] if task.truth else tree.predict(attacked.to_numpy())
    known = _known(task, attacked, told)
    times, guessed = _ours(tree, x.columns.tolist(), known)
    theirs = _art(task, python, known, told)
    if theirs["tree"] != _digest(tree):
        raise CannotRunError("the peer fitted another tree: give it this scikit-learn version")
    truth, art = attacked[task.column].to_numpy(), np.array(theirs["guesses"])
    ours, middle = np.array(times) * 1e3, float(np.median(times)) * 1e3
    row = (
        f"`{task.column}` ({len(known.hidden.values)} values)", task.says,
        f"{middle:.1f} ({ours.min():.1f} to {ours.max():.1f})", f"{theirs['seconds'] * 1e3:,.0f}",
        f"{theirs['seconds'] * 1e3 / middle:,.0f}", plain(float((guessed == art).mean()), 3),
        plain(float((guessed == truth).mean()), 3), plain(float((art == truth).mean()), 3),
    )  # fmt: skip
    return row, theirs["version"]


def _known(task: Task, attacked: pd.DataFrame, told: NDArray[np.intp]) -> Known:
    """What our attacker holds: the rows without the column, the labels, and all training rows."""
    x, _ = _numbers()
    rows = _matrix(attacked.drop(columns=task.column)).replaced(ADULT.label, told)
    hidden = Hidden(task.column, np.unique(x[task.column].to_numpy()))
    nothing = np.zeros((len(rows), len(hidden.values)))
    return Known(rows, hidden, ADULT.label, True, _matrix(x), nothing)


def _matrix(frame: pd.DataFrame) -> Dataset:
    """Columns of a plain array: no frame is made of them, as ART makes none."""
    return Dataset({str(name): frame[name].to_numpy() for name in frame})


def _ours(tree: Any, columns: list[str], known: Known) -> tuple[list[float], NDArray[np.float64]]:
    """CPU seconds of several runs, and the guesses."""
    attack, target = named("fredrikson_leaf_counts"), local(tree, columns, tree.classes_)
    times = []
    for _ in range(REPEATS):
        started = time.process_time()
        guess = attack.guess(target, known, np.random.default_rng(0))
        times.append(time.process_time() - started)
    return times, known.hidden.values[guess.scores.argmax(axis=1)]


def _art(task: Task, python: str, known: Known, told: NDArray[np.intp]) -> dict[str, Any]:
    """Hand the same task to the peer's environment."""
    x, y = _numbers()
    print(f"ART on {task.column}, {task.says}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "given.npz", Path(folder) / "found.json"
        np.savez(
            given, x=x.to_numpy(), y=y, depth=task.depth, column=list(x).index(task.column),
            known=x.iloc[:ATTACKED].drop(columns=task.column).to_numpy(), told=told,
            values=known.hidden.values, priors=known.prior,
        )  # fmt: skip
        run = subprocess.run(
            [python, str(PEER), str(given), str(found)], capture_output=True, text=True, check=False
        )
        if run.returncode != 0:
            last = (run.stderr.strip().splitlines() or ["no message"])[-1]
            raise CannotRunError(f"the peer failed ({last}); {SETUP}")
        answer: dict[str, Any] = json.loads(found.read_text(encoding="utf-8"))
        return answer


def _digest(tree: Any) -> str:
    nodes = tree.tree_.threshold.tobytes() + tree.tree_.n_node_samples.tobytes()
    return hashlib.sha256(nodes).hexdigest()

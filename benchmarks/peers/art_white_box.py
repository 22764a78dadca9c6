"""Invert a tree with adversarial-robustness-toolbox: ``art_white_box.py GIVEN.npz FOUND.json``.

Runs in that project's own environment. The tree is refitted with the same parameters on the same
rows; a digest of its nodes goes back, so that the caller can check that it is the same tree.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from art.attacks.inference import attribute_inference  # type: ignore[import-not-found]
from art.estimators.classification import scikitlearn  # type: ignore[import-not-found]
from sklearn.tree import DecisionTreeClassifier


def main(given_path: str, found_path: str) -> None:
    """Fit, attack once, and write the guesses with their CPU time."""
    given = np.load(given_path)
    depth = int(given["depth"]) or None
    tree = DecisionTreeClassifier(random_state=0, max_depth=depth).fit(given["x"], given["y"])
    model = scikitlearn.ScikitlearnDecisionTreeClassifier(tree)
    attack = attribute_inference.AttributeInferenceWhiteBoxDecisionTree(
        model, attack_feature=int(given["column"])
    )
    asked = {"values": given["values"].tolist(), "priors": given["priors"].tolist()}
    attack.infer(given["known"][:2], given["told"][:2], **asked)  # what a first call loads, untimed
    started = time.process_time()
    guesses = attack.infer(given["known"], given["told"], **asked)
    seconds = time.process_time() - started
    nodes = tree.tree_.threshold.tobytes() + tree.tree_.n_node_samples.tobytes()
    found = {
        "seconds": seconds,
        "guesses": np.asarray(guesses).tolist(),
        "tree": hashlib.sha256(nodes).hexdigest(),
        "version": version("adversarial-robustness-toolbox"),
    }
    Path(found_path).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])

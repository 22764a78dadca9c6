"""Run sacroml's likelihood ratio attack: ``sacroml_lira.py GIVEN.npz FOUND.json``.

Runs in that project's own environment, and in a folder that it may fill. The time of the fits
themselves is taken apart from everything else that the attack does.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from sacroml.attacks import target  # type: ignore[import-not-found]
from sacroml.attacks.likelihood_attack import LIRAAttack  # type: ignore[import-not-found]
from sacroml.attacks.model_sklearn import SklearnModel  # type: ignore[import-not-found]
from sklearn.linear_model import LogisticRegression


def main(given_path: str, found_path: str) -> None:
    """Fit the target, attack it once, and write the CPU time with the AUC."""
    logging.disable(logging.CRITICAL)
    given = np.load(given_path)
    x, y, n = given["x"], given["y"], int(given["members"])
    model = LogisticRegression(max_iter=int(given["most"]), random_state=0).fit(x[:n], y[:n])
    fits: list[float] = []
    plain = SklearnModel.fit

    def fit(self: Any, *rows: Any) -> Any:
        started = time.process_time()
        done = plain(self, *rows)
        fits.append(time.process_time() - started)
        return done

    SklearnModel.fit = fit
    case = target.Target(
        model=model, dataset_name="adult", X_train=x[:n], y_train=y[:n], X_test=x[n:], y_test=y[n:],
        X_train_orig=x[:n], y_train_orig=y[:n], X_test_orig=x[n:], y_test_orig=y[n:],
    )  # fmt: skip
    attack = LIRAAttack(
        output_dir="out", write_report=False, n_shadow_models=int(given["shadows"]),
        mode="online-carlini", fix_variance=True,
    )  # fmt: skip
    started = time.process_time()
    attack.attack(case)
    seconds = time.process_time() - started
    found = {
        "seconds": seconds, "fits": sum(fits), "fitted": len(fits),
        "auc": float(attack.attack_metrics[0]["AUC"]),
        "coefficients": float(np.abs(model.coef_).sum()), "version": version("sacroml"),
    }  # fmt: skip
    Path(found_path).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Shadow fits on a real Ray cluster of two nodes, one of whose workers is killed midway."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from people import TRAITS, memorizing, survey
from reticent.audit.case import Case
from reticent.audit.fits import Fits, fit_all
from reticent.audit.options import BARE, Options
from reticent.audit.run import audit
from reticent.audit.train import Trainer
from reticent.dataset import Dataset
from reticent.errors import ModelError

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
INPUTS = [*TRAITS, "s"]
FITS = 8


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    ray = pytest.importorskip("ray", reason='ray is missing: pip install "reticent[ray]"')
    there = import_module("ray.cluster_utils").Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1}
    )
    there.add_node(num_cpus=1)
    there.wait_for_nodes()
    ray.init(address=there.address, log_to_driver=False)
    yield there
    ray.shutdown()
    there.shutdown()


def trainer(fit: Any) -> Trainer:
    members = survey(60, 1)
    model = DecisionTreeClassifier(random_state=0).fit(members[INPUTS], members["y"])
    return Case(model=model, members=members, others=survey(60, 2), auxiliary=survey(60, 3),
                label="y", sensitive=(), train=fit).prepared().train  # fmt: skip


def slowly(folder: Path, killed: int | None = None) -> Any:
    """A fit that leaves a note of its worker and node; the fit of one seed is killed once."""

    def fit(frame: Any, labels: Any, seed: int) -> Any:
        node = import_module("ray").get_runtime_context().get_node_id()
        (folder / f"{seed}-{os.getpid()}").write_text(node)
        time.sleep(0.4)
        if seed == killed and not (folder / "killed").exists():
            (folder / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return DecisionTreeClassifier(random_state=seed, splitter="random").fit(frame, labels)

    return fit


def check(models: list[Any]) -> None:
    """The same models as were trained here."""
    rows, asked = survey(60, 5), survey(60, 4)[INPUTS]
    assert len(models) == FITS
    for seed, model in enumerate(models):
        here = DecisionTreeClassifier(random_state=seed, splitter="random")
        here.fit(rows[INPUTS], rows["y"])
        assert np.array_equal(model.predict_proba(asked), here.predict_proba(asked))


def test_a_worker_is_killed_midway_and_nothing_is_lost(cluster: Any, tmp_path: Path) -> None:
    jobs = [(Dataset.of(survey(60, 5)), seed) for seed in range(FITS)]
    check(fit_all(trainer(slowly(tmp_path, killed=3)), jobs, "ray"))
    notes = [path for path in tmp_path.iterdir() if path.name != "killed"]
    tries = [sum(path.name.startswith(f"{seed}-") for path in notes) for seed in range(FITS)]
    assert tries == [2 if seed == 3 else 1 for seed in range(FITS)], "only that one again"
    assert len({path.read_text() for path in notes}) == 2, "both nodes worked"


def test_a_node_is_lost_midway_and_nothing_is_lost(cluster: Any, tmp_path: Path) -> None:
    node = cluster.add_node(num_cpus=2)
    cluster.wait_for_nodes()

    def pull() -> None:
        while len(list(tmp_path.iterdir())) < FITS // 2:
            time.sleep(0.05)
        cluster.remove_node(node, allow_graceful=False)

    puller = threading.Thread(target=pull)
    puller.start()
    jobs = [(Dataset.of(survey(60, 5)), seed) for seed in range(FITS)]
    models = fit_all(trainer(slowly(tmp_path)), jobs, "ray")
    puller.join()
    check(models)


def test_an_estimator_that_raises_is_told_as_here(cluster: Any) -> None:
    def fit(frame: Any, labels: Any, seed: int) -> Any:
        raise ValueError("a record")

    jobs = [(Dataset.of(survey(60, 5)), 0)]
    with pytest.raises(ModelError, match="its estimator raised ValueError") as told:
        fit_all(trainer(fit), jobs, "ray")
    assert "a record" not in str(told.value)


def test_an_audit_on_the_cluster_finds_the_same(cluster: Any) -> None:
    members = survey(100, 1)
    case = Case(model=memorizing(members, 10), members=members, others=survey(100, 2),
                auxiliary=survey(100, 3), label="y", sensitive="s")  # fmt: skip
    options = {"attacks": ["rmia", "yeom"], "advice": False}
    there = audit(case, {BARE: None}, Options(backend="ray", fits=Fits(), **options))  # type: ignore[arg-type]
    here = audit(case, {BARE: None}, Options(**options))  # type: ignore[arg-type]
    assert there.findings == here.findings

"""Fits: known by content, kept in memory and on disk, and never opened unless they are ours."""

from __future__ import annotations

import os
import pickle
import time
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

from people import Rote, memorizing, survey
from reticent.audit.case import Case
from reticent.audit.fits import KEPT, Fits, fit_all, named_by
from reticent.audit.options import BARE, Options
from reticent.audit.run import audit
from reticent.audit.train import Trainer
from reticent.dataset import Dataset
from reticent.errors import ModelError

ROWS = Dataset.of(survey(60, 1))
KEY = b"k" * 32
MODULE = import_module("reticent.audit.fits")  # `reticent.audit` is a function, too


def trainer(model: Any = None, train: Any = None) -> Trainer:
    rows = survey(60, 1)
    model = DecisionTreeClassifier(random_state=0) if model is None else model
    fitted = model.fit(rows[["a", "b", "c", "s"]], rows["y"])
    case = Case(model=fitted, members=rows, others=survey(60, 2), auxiliary=survey(60, 3),
                label="y", sensitive=(), train=train)  # fmt: skip
    return case.prepared().train


class Counted:
    """Counts the fits that are begun."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = 0
        plain = Trainer.fitted

        def fitted(train: Trainer, rows: Dataset, seed: int) -> Any:
            self.begun += 1
            return plain(train, rows, seed)

        monkeypatch.setattr(Trainer, "fitted", fitted)


def test_what_was_trained_is_not_trained_again(monkeypatch: pytest.MonkeyPatch) -> None:
    counted, fits, train = Counted(monkeypatch), Fits(), trainer()
    jobs = [(ROWS, 0), (ROWS, 1), (ROWS.take(slice(0, 30)), 0)]
    first = fit_all(train, jobs, fits=fits)
    assert counted.begun == 3
    assert all(a is b for a, b in zip(first, fit_all(trainer(), jobs, fits=fits), strict=True))
    assert counted.begun == 3
    fit_all(train, jobs)
    assert counted.begun == 6, "without fits, nothing is remembered"


@pytest.mark.parametrize(
    "other",
    [
        lambda: (trainer(DecisionTreeClassifier(random_state=0, max_depth=3)), ROWS, 0),
        lambda: (trainer(), ROWS, 1),
        lambda: (trainer(), ROWS.take(slice(0, 59)), 0),
        lambda: (trainer(), ROWS.replaced("y", ROWS["y"][::-1].copy()), 0),
        lambda: (trainer(), ROWS.replaced("a", ROWS["a"].astype(float)), 0),
    ],
)
def test_another_fit_has_another_name(other: Any) -> None:
    assert named_by(*other()) != named_by(trainer(), ROWS, 0)


def test_long_parameters_are_told_apart() -> None:
    """Their text is cut in the middle, their content is not."""
    one, two = np.arange(5000.0), np.arange(5000.0)
    two[2500] = -1
    assert repr(one) == repr(two)
    weights = [make_pipeline(FunctionTransformer(kw_args={"given": array}),
                             DecisionTreeClassifier()) for array in (one, two)]  # fmt: skip
    trainers = [replace(trainer(), blank=model) for model in weights]
    assert named_by(trainers[0], ROWS, 0) != named_by(trainers[1], ROWS, 0)


def test_code_without_a_version_is_known_in_this_process_only(tmp_path: Path) -> None:
    assert isinstance(named_by(trainer(), ROWS, 0), str)
    assert not isinstance(named_by(trainer(Rote()), ROWS, 0), str)
    mine = make_pipeline(FunctionTransformer(func=survey), DecisionTreeClassifier())
    assert not isinstance(named_by(replace(trainer(), blank=mine), ROWS, 0), str)
    nameless = make_pipeline(FunctionTransformer(func=lambda x: x), DecisionTreeClassifier())
    assert not isinstance(named_by(replace(trainer(), blank=nameless), ROWS, 0), str)

    def fit(frame: Any, labels: Any, seed: int) -> Any:
        return DecisionTreeClassifier().fit(frame, labels)

    given = trainer(train=fit)
    assert not isinstance(named_by(given, ROWS, 0), str)
    fits = Fits(tmp_path, KEY)
    assert fit_all(given, [(ROWS, 0)], fits=fits)[0] is fit_all(given, [(ROWS, 0)], fits=fits)[0]
    assert not list(tmp_path.iterdir())


def test_its_key_is_never_shown(tmp_path: Path) -> None:
    assert repr(Fits()) == "Fits()"
    assert repr(Fits(tmp_path, KEY)) == f"Fits({str(tmp_path)!r})"


def test_memory_holds_so_many_and_the_oldest_goes() -> None:
    fits = Fits()
    for place in range(KEPT + 1):
        fits.put(("place", place), place)
    assert fits.get(("place", 0)) is None
    assert fits.get(("place", KEPT)) == KEPT


# On disk --------------------------------------------------------------------------------------


def test_a_fit_outlives_the_process_that_made_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "shadows"
    first = fit_all(trainer(), [(ROWS, 0)], fits=Fits(folder, KEY))[0]
    (path,) = folder.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    counted = Counted(monkeypatch)
    again = fit_all(trainer(), [(ROWS, 0)], fits=Fits(folder, KEY))[0]
    assert counted.begun == 0
    frame = survey(60, 4)[["a", "b", "c", "s"]]
    assert np.array_equal(first.predict_proba(frame), again.predict_proba(frame))


OPENED: list[int] = []


def spring() -> str:
    OPENED.append(1)
    return "sprung"


class Trap:
    """Runs when it is opened."""

    def __reduce__(self) -> tuple[Any, ...]:
        return spring, ()


@pytest.mark.parametrize("wrong", ["other key", "no mac", "another name", "cut"])
def test_what_others_could_write_is_never_opened(
    tmp_path: Path, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    OPENED.clear()
    name = named_by(trainer(), ROWS, 0)
    assert isinstance(name, str)
    path = tmp_path / f"{name}.fit"
    ours = Fits(tmp_path, KEY)
    if wrong == "other key":
        Fits(tmp_path, b"x" * 32).put(name, Trap())
    elif wrong == "no mac":
        path.write_bytes(b"\0" * 32 + pickle.dumps(Trap()))
    elif wrong == "another name":
        ours.put("f" * 64, Trap())
        (tmp_path / f"{'f' * 64}.fit").replace(path)
    else:
        ours.put(name, Trap())
        path.write_bytes(path.read_bytes()[:-1])
    counted = Counted(monkeypatch)
    model = fit_all(trainer(), [(ROWS, 0)], fits=Fits(tmp_path, KEY))[0]
    assert counted.begun == 1
    assert isinstance(model, DecisionTreeClassifier)
    assert not OPENED
    assert Fits(tmp_path, KEY).get(name) is not None, "ours takes its place"


def test_without_a_key_nothing_lies_on_disk(tmp_path: Path) -> None:
    fit_all(trainer(), [(ROWS, 0)], fits=Fits(tmp_path / "shadows", None))
    assert not (tmp_path / "shadows").exists()


def test_a_disk_that_cannot_be_written_costs_only_the_time(tmp_path: Path) -> None:
    (tmp_path / "shadows").write_text("a file where the folder should be")
    assert fit_all(trainer(), [(ROWS, 0)], fits=Fits(tmp_path / "shadows", KEY))


def test_the_oldest_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MODULE, "MOST_BYTES", 4000)
    fits, now = Fits(tmp_path, KEY), time.time()
    for place in range(6):
        fits.put(f"{place:064}", b"x" * 900)
        os.utime(tmp_path / f"{place:064}.fit", (now - 100 + place,) * 2)
    left = sorted(path.name[63] for path in tmp_path.iterdir())
    assert left == ["2", "3", "4", "5"]
    os.utime(tmp_path / f"{3:064}.fit", (now - 8 * 86_400,) * 2)
    fits.put(f"{7:064}", b"x")
    left = sorted(path.name[63] for path in tmp_path.iterdir())
    assert left == ["2", "4", "5", "7"], "a week is long enough"
    fits.put("f" * 64, b"x" * 2000)
    assert not (tmp_path / f"{'f' * 64}.fit").exists(), "one that would fill a quarter stays out"


# Backends -------------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", [None, "threading"])
def test_every_backend_trains_the_same(backend: str | None) -> None:
    models = fit_all(trainer(), [(ROWS, seed) for seed in range(3)], backend)
    here = fit_all(trainer(), [(ROWS, seed) for seed in range(3)])
    frame = survey(60, 4)[["a", "b", "c", "s"]]
    for one, other in zip(models, here, strict=True):
        assert np.array_equal(one.predict_proba(frame), other.predict_proba(frame))


def test_a_lost_worker_costs_only_its_own_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []

    def lossy(train: Trainer, jobs: Any, backend: str | None) -> Any:
        for place, job in enumerate(jobs):
            begun.append(job[1])
            if len(begun) == 3:
                raise OSError("the worker was killed")
            yield place, train.fitted(*job)

    monkeypatch.setattr(MODULE, "_trained", lossy)
    models = fit_all(trainer(), [(ROWS, seed) for seed in range(4)], "loky")
    assert all(isinstance(one, DecisionTreeClassifier) for one in models)
    assert begun == [0, 1, 2, 2, 3]


def test_workers_that_keep_dying_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(train: Trainer, jobs: Any, backend: str | None) -> Any:
        raise OSError("killed")

    monkeypatch.setattr(MODULE, "_trained", lost)
    with pytest.raises(ModelError, match="2 were lost with their workers, 3 times"):
        fit_all(trainer(), [(ROWS, 0), (ROWS, 1)], "loky")


def test_an_estimator_that_raises_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []

    def fit(frame: Any, labels: Any, seed: int) -> Any:
        begun.append(seed)
        raise ValueError("nothing of this is told")

    with pytest.raises(ModelError, match="its estimator raised ValueError"):
        fit_all(trainer(train=fit), [(ROWS, 7), (ROWS, 8)])
    assert begun == [7]


def test_audits_that_share_fits_train_once(monkeypatch: pytest.MonkeyPatch) -> None:
    members = survey(100, 1)
    case = Case(model=memorizing(members, 5), members=members, others=survey(100, 2),
                auxiliary=survey(100, 3), label="y", sensitive="s")  # fmt: skip
    options = Options(attacks=["yeom", "rmia"], canaries=False, advice=False)
    first = audit(case, {BARE: None}, options)
    counted = Counted(monkeypatch)
    again = audit(case, {BARE: None}, options)
    assert counted.begun == 0
    assert first.findings == again.findings
    assert isinstance(members, pd.DataFrame)

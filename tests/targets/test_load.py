"""Model files: nothing runs code unless a person vouched for that very file."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from skops import io

from people import TRAITS, Rote, memorizing, survey
from reticent.errors import ModelError, UntrustedModelError
from reticent.targets.load import RUNS_CODE, check_trees, digest, load_estimator

INPUTS = [*TRAITS, "s"]
PEOPLE = survey(120, seed=1)
FRAME, LABELS = PEOPLE[INPUTS], PEOPLE["y"]


class Bomb:
    """A pickle that leaves a file behind when it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("suffix", RUNS_CODE)
@pytest.mark.parametrize("trust", [None, "0" * 64, ""])
def test_a_pickle_nobody_vouched_for_is_not_read(
    tmp_path: Path, suffix: str, trust: str | None
) -> None:
    path, mark = tmp_path / f"model{suffix}", tmp_path / "ran"
    path.write_bytes(pickle.dumps(Bomb(mark)))
    wanted = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(UntrustedModelError) as caught:
        load_estimator(path, trust)
    assert f"--trust-pickle {wanted}" in str(caught.value)
    assert not mark.exists()
    load_estimator(path, wanted)  # the bomb is armed: what was refused would have run
    assert mark.exists()


@pytest.mark.parametrize("spell", [str.lower, str.upper])
def test_a_pickle_with_its_hash_is_read(tmp_path: Path, spell: Callable[[str], str]) -> None:
    path = tmp_path / "model.joblib"
    model = memorizing(PEOPLE, 3)
    joblib.dump(model, path)
    found = load_estimator(path, spell(digest(path)))
    assert (found.predict(FRAME) == model.predict(FRAME)).all()


def test_the_digest_is_sha_256(tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    path.write_bytes(b"abc")
    assert digest(path) == hashlib.sha256(b"abc").hexdigest()


def test_a_missing_file_and_an_unknown_kind_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no such file"):
        load_estimator(tmp_path / "none.skops")
    (tmp_path / "model.h5").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"\.h5 is not read here"):
        load_estimator(tmp_path / "model.h5")


@pytest.mark.parametrize("name", ["m.skops", "m.json", "m.ubj", "m.txt"])
def test_garbage_is_refused_without_telling_its_text(
    tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    path.write_bytes(b"Qx7Zanzibar")
    with pytest.raises(ModelError) as caught:
        load_estimator(path)
    assert "Qx7Zanzibar" not in str(caught.value)


def test_native_boosters_are_read(tmp_path: Path) -> None:
    labels = np.arange(120) % 2
    first = xgboost.train(
        {"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(FRAME, label=labels), 2
    )
    second = lightgbm.train(
        {"objective": "binary", "verbose": -1, "num_threads": 1},
        lightgbm.Dataset(FRAME, label=labels), 2,
    )  # fmt: skip
    for name in ("m.json", "m.ubj"):
        first.save_model(tmp_path / name)
        found = load_estimator(tmp_path / name)
        asked = xgboost.DMatrix(FRAME)
        assert np.allclose(found.predict(asked), first.predict(asked))
    second.save_model(tmp_path / "m.txt")
    found = load_estimator(tmp_path / "m.txt")
    assert np.allclose(found.predict(FRAME), np.asarray(second.predict(FRAME)))


# skops ----------------------------------------------------------------------------------------

MODELS: dict[str, Any] = {
    "linear": LogisticRegression(max_iter=500),
    "tree": DecisionTreeClassifier(),
    "forest": RandomForestClassifier(3),
    "boosting": GradientBoostingClassifier(n_estimators=2),
    "histogram": HistGradientBoostingClassifier(max_iter=2),
    "bagged": BaggingClassifier(RandomForestClassifier(2), 2, max_features=0.5),
    "voting": VotingClassifier(
        [("a", RandomForestClassifier(2)), ("b", DecisionTreeClassifier())], voting="soft"
    ),
    "pipeline": make_pipeline(StandardScaler(), RandomForestClassifier(2)),
}


@pytest.fixture(params=MODELS)
def fitted(request: pytest.FixtureRequest) -> Any:
    from sklearn.base import clone

    return clone(MODELS[request.param]).fit(FRAME, LABELS)


def test_a_skops_model_loads_and_says_the_same(tmp_path: Path, fitted: Any) -> None:
    path = tmp_path / "model.skops"
    io.dump(fitted, path)
    found = load_estimator(path)
    assert (found.predict_proba(FRAME) == fitted.predict_proba(FRAME)).all()


def test_a_skops_file_of_unknown_types_is_refused_and_they_are_named(tmp_path: Path) -> None:
    path = tmp_path / "model.skops"
    io.dump(Rote(), path)
    with pytest.raises(UntrustedModelError, match=r"people\.Rote"):
        load_estimator(path)


def _grown(model: Any) -> list[Any]:
    """Every tree of a forest."""
    return [one.tree_ for one in np.ravel(getattr(model, "estimators_", [model])).tolist()]


def left(tree: Any) -> None:
    tree.children_left[0] = tree.node_count + 1_000


def right(tree: Any) -> None:
    tree.children_right[0] = -7


def back(tree: Any) -> None:
    tree.children_left[0] = 0


def column(tree: Any) -> None:
    tree.feature[0] = 1_000


def negative(tree: Any) -> None:
    tree.feature[0] = -2


TAMPER = [left, right, back, column, negative]


@pytest.mark.parametrize("tamper", TAMPER)
@pytest.mark.parametrize("name", ["tree", "forest", "boosting", "pipeline", "voting"])
def test_a_tree_that_leaves_itself_is_refused(
    tmp_path: Path, name: str, tamper: Callable[[Any], None]
) -> None:
    from sklearn.base import clone

    model = clone(MODELS[name]).fit(FRAME, LABELS)
    inner = model[-1] if name == "pipeline" else model.estimators_[0] if name == "voting" else model
    check_trees(model, Path("m"))
    tamper(_grown(inner)[-1])
    path = tmp_path / "model.skops"
    io.dump(model, path)
    with pytest.raises(UntrustedModelError, match="a tree"):
        load_estimator(path)


@pytest.mark.parametrize(
    ("field", "value"), [("left", 10_000), ("right", 0), ("feature_idx", 99), ("is_categorical", 1)]
)
def test_a_histogram_tree_that_leaves_itself_is_refused(
    tmp_path: Path, field: str, value: int
) -> None:
    model = HistGradientBoostingClassifier(max_iter=2).fit(FRAME, LABELS)
    model._predictors[1][0].nodes[field][0] = value
    path = tmp_path / "model.skops"
    io.dump(model, path)
    with pytest.raises(UntrustedModelError, match="a tree"):
        load_estimator(path)


@pytest.mark.parametrize("start", ["zero", None])
def test_boosting_that_writes_beyond_its_sums_is_refused(start: str | None) -> None:
    model = GradientBoostingClassifier(n_estimators=2, init=start).fit(FRAME, LABELS)
    check_trees(model, Path("m"))
    model.n_trees_per_iteration_ = 1
    if start is None:
        model.init_.class_prior_ = model.init_.class_prior_[:1]
    with pytest.raises(UntrustedModelError, match="beyond"):
        check_trees(model, Path("m"))


def test_trees_of_more_columns_than_their_owner_are_refused() -> None:
    forest = RandomForestClassifier(2).fit(FRAME, LABELS)
    forest.n_features_in_ = 2
    with pytest.raises(UntrustedModelError):
        check_trees(forest, Path("m"))
    tree = DecisionTreeClassifier().fit(FRAME, LABELS)
    tree.n_features_in_ = 2
    with pytest.raises(UntrustedModelError):
        check_trees(make_pipeline(StandardScaler(), tree), Path("m"))

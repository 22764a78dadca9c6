"""Membership attacks on Adult, beside each other and beside two peers.

The peers run in environments of their own, whose Pythons ``RETICENT_SACROML_PYTHON`` and
``RETICENT_ART_PYTHON`` name.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.people import ADULT
from benchmarks.table import CannotRunError, Table, plain, spread
from reticent import stats
from reticent.attacks import named
from reticent.attacks.membership.candidates import (
    Candidates,
    Membership,
    Reference,
    confidences,
    insides,
)
from reticent.attacks.membership.lira import Lira, likelihood_ratio
from reticent.attacks.membership.rmia import Rmia
from reticent.audit.case import Case, Prepared
from reticent.audit.memberships import hits_at
from reticent.audit.references import Pool, pool_of, train_references
from reticent.dataset import Dataset
from reticent.target import Target

PEERS = Path(__file__).parent / "peers"
SIDE = 5_000  # members, and as many others
SPLITS = 3
MANY, FEW = 32, 4
REPEATS = 5
MOST = 1_000  # iterations of the logistic regression
THEIRS: dict[str, tuple[int, dict[str, int]]] = {
    "its default": (4, {}),
    "5 iterations, at most 1,000 evaluations": (60, {"max_iter": 5, "max_eval": 1_000}),
}

Floats = NDArray[np.float64]


# Adult ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ran:
    """One attack on one split: scores (n,), CPU seconds with the fits of its references."""

    scores: Floats
    seconds: float


def adult() -> Table:
    """Every attack on a default forest, against LiRA with 32 shadow models."""
    splits = [_split(seed) for seed in range(SPLITS)]
    rows = []
    for name in splits[0][0]:
        ran = [(one[name], one[f"lira, {MANY}"], member) for one, member in splits]
        areas, hits, gains = zip(*(_judged(*one) for one in ran), strict=True)
        seconds = [one[0].seconds for one in ran]
        share = np.median([one[0].seconds / one[1].seconds for one in ran])
        apart = "; ".join(f"{plain(g[0], 3)} ({plain(g[1], 3)} to {plain(g[2], 3)})" for g in gains)
        rows.append((name, spread(areas, 3), spread(hits, 3), apart, f"{np.median(seconds):.1f}",
                     plain(float(share))))  # fmt: skip
    return Table(
        head=("attack, references", "AUC", "TPR at 1 %", f"AUC less that of lira, {MANY}",
              "CPU s", "of its time"),
        rows=rows,
        notes=(
            f"Adult, {SIDE:,} members and {SIDE:,} others, a default forest (100 full trees) "
            f"behind one-hot columns, {SPLITS} random splits: the median (range); differences of "
            "each split with the 5 % and 95 % quantiles of a paired bootstrap over people. CPU "
            "seconds of one attack with the fits of its references, on one thread. `rmia, "
            f"{FEW}, ratio alone` is the paper's score; `lira` chooses the floor of a score on its "
            "own shadow models, `lira, 32, floor 1e-5` does not.",
        ),
    )  # fmt: skip


def _judged(
    one: Ran, lira: Ran, member: NDArray[np.bool_]
) -> tuple[float, float, tuple[float, float, float]]:
    sample = stats.resample(np.arange(len(member)), np.random.default_rng(0), draws=400)
    mine, theirs = (stats.auc(sample, ran.scores, member) for ran in (one, lira))
    apart = mine - theirs
    hits = float(hits_at(sample, one.scores, member, 0.01)[0])
    return float(mine[0]), hits, (float(apart[0]), *stats.percentile(apart))


def _split(seed: int) -> tuple[dict[str, Ran], NDArray[np.bool_]]:
    case = _forest(seed)
    pool = pool_of(case)
    few, few_seconds = _references(case, pool, seed, FEW)
    many, many_seconds = _references(case, pool, seed + 100, MANY)
    floored: Any = _Floored()
    asked: list[tuple[str, Membership, Candidates, float]] = [
        ("rmia, 4", named("rmia"), few, few_seconds),
        ("rmia, 4, ratio alone", Rmia(weigh=False), few, few_seconds),
        ("rmia_offline, 4", named("rmia_offline"), few, few_seconds),
        ("lira, 4", named("lira"), few, few_seconds),
        ("lira, 32", named("lira"), many, many_seconds),
        ("lira, 32, floor 1e-5", floored, many, many_seconds),
        ("lira_offline, 32", named("lira_offline"), many, many_seconds),
        ("loss_threshold", named("loss_threshold"), few, 0.0),
        ("label_boundary, 4", named("label_boundary"), few, few_seconds),
        ("label_boundary, 0", named("label_boundary"), replace(few, references=()), 0.0),
    ]  # fmt: skip
    found = {}
    for name, attack, held, fits in asked:
        started = time.process_time()
        scores = attack.score(case.target, held, np.random.default_rng(seed))
        found[name] = Ran(scores, fits + time.process_time() - started)
    return found, pool.member


class _Floored(Lira):
    """LiRA with a fixed floor under the scores."""

    def score(self, target: Target, people: Candidates, rng: np.random.Generator) -> Floats:
        """Score n people."""
        del rng
        return likelihood_ratio(*confidences(target, people), insides(people), 1e-5)


def _references(case: Prepared, pool: Pool, seed: int, count: int) -> tuple[Candidates, float]:
    started = time.process_time()
    models = train_references(case, pool, seed, count=count)
    seconds = time.process_time() - started
    held = [Reference(one.target, one.inside) for one in models]
    return Candidates(pool.rows, case.label, held, case.auxiliary), seconds


def _tables(seed: int) -> list[pd.DataFrame]:
    frame = ADULT.read().sample(3 * SIDE, random_state=seed).reset_index(drop=True)
    return [frame[k * SIDE : (k + 1) * SIDE].reset_index(drop=True) for k in range(3)]


def _forest(seed: int) -> Prepared:
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    members, others, auxiliary = _tables(seed)
    words = make_column_selector(dtype_exclude="number")
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    encode = make_column_transformer((one_hot, words), remainder="passthrough")
    model = make_pipeline(encode, RandomForestClassifier(random_state=seed))
    model.fit(members.drop(columns=ADULT.label), members[ADULT.label])
    return Case(model=model, members=members, others=others, auxiliary=auxiliary,
                label=ADULT.label, sensitive=()).prepared()  # fmt: skip


# Beside sacroml -------------------------------------------------------------------------------


def lira_peer() -> Table:
    """LiRA with 32 shadow models of a logistic regression, beside sacroml's."""
    case, given = _logistic()
    given |= {"members": SIDE, "most": MOST, "shadows": MANY}
    theirs = [_peer("sacroml_lira.py", "RETICENT_SACROML_PYTHON", SACROML, given)
              for _ in range(3)]  # fmt: skip
    weight = float(np.abs(case.train.blank.fit(given["x"][:SIDE], given["y"][:SIDE]).coef_).sum())
    if abs(theirs[0]["coefficients"] - weight) > 1e-6 * weight:
        raise CannotRunError("the peer fitted another model: give it this scikit-learn version")
    whole, fits, area = zip(*(_ours(case) for _ in range(REPEATS)), strict=True)
    other = [one["seconds"] for one in theirs]
    rest = [one["seconds"] - one["fits"] for one in theirs]
    mine = np.array(whole) - np.array(fits)
    rows = [
        ("the whole attack", *_ratio(list(whole), other), plain(area[0], 3),
         plain(theirs[0]["auc"], 3)),
        ("all but the 32 fits", *_ratio(mine.tolist(), rest), plain(area[0], 3),
         plain(theirs[0]["auc"], 3)),
    ]  # fmt: skip
    return Table(
        head=("what", "ours, s", "sacroml, s", "ratio", "AUC, ours", "AUC, sacroml"),
        rows=rows,
        notes=(
            f"Adult, {SIDE:,} members and {SIDE:,} others, all columns as standardized numbers, "
            "the same logistic regression (checked), online attack with one variance for all. CPU "
            f"time in one process each, medians of {REPEATS} and 3 runs. Ours names each fit by "
            "its content, trains 32 references, asks them, chooses the floor and scores; theirs "
            "trains 32, saves and loads them, scores, and tests each record's shadow answers for "
            "normality.",
        ),
        versions=(f"sacroml {theirs[0]['version']}",),
    )  # fmt: skip


def _ours(case: Prepared) -> tuple[float, float, float]:
    """CPU seconds of the whole attack and of its fits, and its AUC."""
    fits: list[float] = []
    plainly = case.train.fit

    def fit(frame: Any, labels: Any, seed: int) -> Any:
        began = time.process_time()
        model = plainly(frame, labels, seed)
        fits.append(time.process_time() - began)
        return model

    timed = replace(case, train=replace(case.train, fit=fit))
    started = time.process_time()
    pool = pool_of(timed)
    held, _ = _references(timed, pool, 0, MANY)
    scores = named("lira").score(case.target, held, np.random.default_rng(0))
    seconds = time.process_time() - started
    once = stats.Resamples(np.ones((len(scores), 1), dtype=np.int16))
    return seconds, sum(fits), float(stats.auc(once, scores, pool.member)[0])


def _logistic() -> tuple[Prepared, dict[str, Any]]:
    from sklearn.linear_model import LogisticRegression

    x, y = _numbers()
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    model = LogisticRegression(max_iter=MOST, random_state=0).fit(x[:SIDE], y[:SIDE])
    return _matrices(model, x, y), {"x": x[: 2 * SIDE], "y": y[: 2 * SIDE]}


def _matrices(model: Any, x: Floats, y: NDArray[np.intp]) -> Prepared:
    names = [f"x{place}" for place in range(x.shape[1])]
    parts = [Dataset.of_matrix(np.column_stack([x[k : k + SIDE], y[k : k + SIDE]]), [*names, "y"])
             for k in (0, SIDE, 2 * SIDE)]  # fmt: skip
    return Case(model=model, members=parts[0], others=parts[1], auxiliary=parts[2], label="y",
                sensitive=()).prepared()  # fmt: skip


def _numbers() -> tuple[Floats, NDArray[np.intp]]:
    """Three parts of Adult as whole numbers (n, d), and the labels (n,)."""
    frame = pd.concat(_tables(0), ignore_index=True)
    columns = frame.drop(columns=ADULT.label)
    codes = [
        columns[name].to_numpy(dtype=float)
        if pd.api.types.is_numeric_dtype(columns[name])
        else pd.factorize(columns[name], sort=True)[0].astype(float)
        for name in columns
    ]
    return np.column_stack(codes), np.asarray(frame[ADULT.label] == ">50K", dtype=np.intp)


# Beside ART -----------------------------------------------------------------------------------


def label_peer() -> Table:
    """Membership from labels alone, on the forest, beside adversarial-robustness-toolbox."""
    from sklearn.ensemble import RandomForestClassifier

    x, y = _numbers()
    x = ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32).astype(float)
    forest = RandomForestClassifier(random_state=0).fit(x[:SIDE].astype(np.float32), y[:SIDE])
    case = _matrices(forest, x, y)
    rows, release = [], ""
    for says, (side, settings) in THEIRS.items():
        at = np.r_[0:side, SIDE : SIDE + side]
        given = {"x": x[:SIDE], "y": y[:SIDE], "asked": x[at], "labels": y[at],
                 "settings": json.dumps(settings)}  # fmt: skip
        theirs = _peer("art_label_only.py", "RETICENT_ART_PYTHON", ART, given)
        if not np.allclose(theirs["answers"], forest.predict_proba(x[at])[:, 1]):
            raise CannotRunError("the peer fitted another forest: give it this scikit-learn")
        rows += _beside(case, at, says, theirs)
        release = theirs["version"]
    return Table(
        head=("rows", "theirs", "ours", "ours, ms a row", "ART, ms a row", "ratio", "AUC, ours",
              "AUC, ART"),
        rows=rows,
        notes=(
            f"Adult, all columns as standardized numbers, the same default forest of {SIDE:,} "
            "members (its answers are checked); as many others as members are asked about. ART "
            "walks to the boundary row by row (HopSkipJump); ours moves all rows at once, 33 "
            "queries a row, and with references on 4 more forests (their fits are counted, "
            f"spread over {2 * SIDE:,} rows). CPU time; AUCs of ours over all {2 * SIDE:,} rows, "
            "of ART over the rows asked.",
        ),
        versions=(f"ART {release}",),
    )  # fmt: skip


def _beside(
    case: Prepared, at: NDArray[np.intp], says: str, theirs: dict[str, Any]
) -> list[tuple[str, ...]]:
    pool = pool_of(case)
    slow = theirs["seconds"] / len(at) * 1e3
    once = stats.Resamples(np.ones((len(at), 1), dtype=np.int16))
    other = float(stats.auc(once, np.array(theirs["member"]), pool.member[at])[0])
    found: list[tuple[str, ...]] = []
    for name, count in (("alone", 0), ("with 4 references", FEW)):
        started = time.process_time()
        held, _ = _references(case, pool, 0, count)
        scores = named("label_boundary").score(case.target, held, np.random.default_rng(0))
        fast = (time.process_time() - started) / len(pool.rows) * 1e3
        every = stats.Resamples(np.ones((len(scores), 1), dtype=np.int16))
        area = float(stats.auc(every, scores, pool.member)[0])
        found.append((f"{len(at)}", says, name, f"{fast:.2f}", f"{slow:,.0f}",
                      f"{slow / fast:,.0f}", plain(area, 3), plain(other, 3)))  # fmt: skip
    return found


# Peers ----------------------------------------------------------------------------------------

SACROML = "first `pip install torch==2.13.0` and then `pip install sacroml==2.0.1`"
ART = (
    "first `pip install torch==2.13.0` and then "
    "`pip install adversarial-robustness-toolbox==1.20.1 packaging`"
)


def _peer(script: str, variable: str, how: str, given: dict[str, Any]) -> dict[str, Any]:
    """Hand a task to a peer's environment."""
    python = os.environ.get(variable, "")
    setup = f"set {variable} to the Python of an environment of its own, in which {how} were run"
    if not Path(python).is_file():
        raise CannotRunError(f"no environment with the peer: {setup}")
    with tempfile.TemporaryDirectory() as folder:
        task, found = Path(folder) / "given.npz", Path(folder) / "found.json"
        np.savez(task, **given)
        run = subprocess.run(
            [python, str(PEERS / script), str(task), str(found)],
            capture_output=True, text=True, check=False, cwd=folder,
        )  # fmt: skip
        if run.returncode != 0:
            last = (run.stderr.strip().splitlines() or ["no message"])[-1]
            raise CannotRunError(f"the peer failed ({last}); {setup}")
        answer: dict[str, Any] = json.loads(found.read_text(encoding="utf-8"))
        return answer


def _ratio(ours: list[float], theirs: list[float]) -> tuple[str, str, str]:
    mine, other = float(np.median(ours)), float(np.median(theirs))
    return f"{mine:.2f}", f"{other:.2f}", f"{other / mine:.0f}"

"""What an informed adversary knows of a model: its kind, its preparation and its parameters.

Linear and Gaussian naive Bayes models are functions of sums over their training rows. Whoever
holds all rows but one, and the sums, holds the one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reticent.column import is_missing, is_numeric, places, plain
from reticent.dataset import Dataset
from reticent.target import Reveals, Target

Floats = NDArray[np.float64]
Kind = Literal["logistic", "ridge", "bayes"]
SAME = 1e-9  # of two prepared rows: what is less is no difference


@dataclass(frozen=True, slots=True)
class Recipe:
    """A model as an informed adversary sees it.

    Attributes
    ----------
    kind : which equations its parameters solve. prepare : rows to what its last step takes (n, d).
    penalty : the weight of the squared norm of the coefficients in the sum over the rows.
    weights : (k, d) and offsets (k,): of a linear model; k is 1 for a number or for two classes.
    means : (k, d) and counts (k,): of naive Bayes.
    classes : (k,) the class names of a classifier.
    """

    kind: Kind
    prepare: Callable[[Dataset], Floats]
    classes: NDArray[Any] | None
    penalty: float = 0.0
    weights: Floats | None = None
    offsets: Floats | None = None
    means: Floats | None = None
    counts: Floats | None = None


def recipe_of(target: Target) -> Recipe | str:
    """Read a bare model; a reason where it is none that can be solved."""
    before, last = _parted(getattr(target, "model", None))
    kind = type(last).__name__
    if not type(last).__module__.startswith("sklearn."):
        return "the target is no linear or naive Bayes model of scikit-learn in memory"

    def prepare(rows: Dataset) -> Floats:
        seen = rows.select(target.columns).frame()
        for step in before:
            seen = step.transform(seen)
        seen = seen.toarray() if hasattr(seen, "toarray") else seen
        return np.asarray(seen, dtype=float)

    if kind == "GaussianNB":
        return Recipe("bayes", prepare, last.classes_, means=np.asarray(last.theta_, float),
                      counts=np.asarray(last.class_count_, float))  # fmt: skip
    if kind not in ("LogisticRegression", "LinearRegression", "Ridge"):
        return "the target is no logistic, linear, ridge or Gaussian naive Bayes model"
    if unsolved := _unsolved(last):
        return unsolved
    kept = Recipe(
        "logistic" if kind == "LogisticRegression" else "ridge", prepare,
        getattr(last, "classes_", None), _penalty(last),
    )  # fmt: skip
    return replace(kept, weights=np.atleast_2d(np.asarray(last.coef_, float)),
                   offsets=np.atleast_1d(np.asarray(last.intercept_, float)))  # fmt: skip


def _parted(model: Any) -> tuple[list[Any], Any]:
    """The steps that prepare a pipeline's rows, and its last; pipelines may lie in pipelines."""
    before: list[Any] = []
    while hasattr(model, "steps"):
        before += [step for _, step in model.steps[:-1] if step not in (None, "passthrough")]
        model = model.steps[-1][1]
    return before, model


def _unsolved(last: Any) -> str:
    """Why a linear model's equations are others than those solved here, or nothing."""
    told = last.get_params()
    if not told.get("fit_intercept", True):
        return "the model was fitted without an intercept"
    if told.get("class_weight") is not None or told.get("positive"):
        return "the model was fitted with class weights or constraints"
    if told.get("l1_ratio") not in (None, 0, 0.0) or told.get("penalty") in ("l1", "elasticnet"):
        return "the model was fitted with an absolute penalty"
    if told.get("solver") == "liblinear":
        return "the solver liblinear shrinks the intercept too"
    return ""


def _penalty(last: Any) -> float:
    told = last.get_params()
    if "C" in told:
        return 0.0 if told.get("penalty", "") is None else 1.0 / float(told["C"])
    return float(told.get("alpha", 0.0))


def learned(recipe: Recipe, target: Target, rows: Dataset) -> Recipe | str:
    """Learn a linear model's parameters from its answers to rows, by solving linear equations.

    Tramer et al. 2016, USENIX Security: log-odds of unrounded scores are linear in the row.
    """
    if recipe.kind == "bayes":
        return "the parameters of a naive Bayes model are not open, and its scores do not fix them"
    told = target.ask(rows)
    if recipe.kind == "ridge":
        answers = None if told.value is None else told.value[:, None]
    elif Reveals.SCORES in target.reveals and told.scores is not None:
        answers = _log_odds(told.scores)
    else:
        answers = None
    if answers is None:
        return "the target does not reveal SCORES, and its parameters are not open"
    there = np.isfinite(answers).all(axis=1)
    if not there.any():
        return "the target refused every row"
    seen = np.column_stack([recipe.prepare(rows)[there], np.ones(int(there.sum()))])
    solved = np.linalg.lstsq(seen, answers[there], rcond=None)[0].T
    found = np.asarray(solved, dtype=np.float64)
    return replace(recipe, weights=found[:, :-1], offsets=found[:, -1])


def _log_odds(scores: Floats) -> Floats:
    """Log-odds (n, 1) of two classes, or log-scores about their mean (n, k)."""
    log = np.log(np.clip(scores, 1e-12, 1.0))
    return log[:, 1:] - log[:, :1] if scores.shape[1] == 2 else log - log.mean(1, keepdims=True)


# Solving --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Sums:
    """What the known rows add to the equations, each row apart.

    Attributes
    ----------
    one : (n, k) each row's part of the intercepts' equations, or its indicator of its class.
    all_ : (n, k, d) each row's part of the coefficients' equations.
    """

    one: Floats
    all_: Floats


def sums(recipe: Recipe, rows: Dataset, label: str) -> Sums:
    """Work out the known rows' parts."""
    seen, labels = recipe.prepare(rows), rows[label]
    if recipe.kind == "ridge":
        assert recipe.weights is not None
        assert recipe.offsets is not None
        one = seen @ recipe.weights.T + recipe.offsets - labels.astype(float)[:, None]
        return Sums(one, one[:, :, None] * seen[:, None, :])
    assert recipe.classes is not None
    codes = places(plain(np.asarray(labels)), plain(np.asarray(recipe.classes)))
    own = np.asarray(codes[:, None] == np.arange(len(recipe.classes)), dtype=float)
    if recipe.kind == "logistic":
        own = _softmax(recipe, seen) - own
    one = own[:, 1:] if recipe.weights is not None and len(recipe.weights) == 1 else own
    return Sums(one, one[:, :, None] * seen[:, None, :])


def _softmax(recipe: Recipe, seen: Floats) -> Floats:
    assert recipe.weights is not None
    assert recipe.offsets is not None
    odds = seen @ recipe.weights.T + recipe.offsets
    if odds.shape[1] == 1:
        odds = np.column_stack([np.zeros(len(odds)), odds])
    odds = np.exp(odds - odds.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def solve(recipe: Recipe, known: Sums, without: NDArray[np.intp]) -> Floats:
    """Return the missing row as the model's last step took it, once for each row left out: (n, d).

    Linear models: at the optimum, the sum over all rows of residual times (row, 1), plus penalty
    times coefficients, is 0; so what the known rows leave over is the missing row's part, whose
    last entry is its residual. Naive Bayes: a class's mean times its count, less the known rows.

    Parameters
    ----------
    without : (n,) the row that the adversary lacks; -1: they hold all, and look for one more.
    """
    left = np.maximum(without, 0)
    kept = np.asarray(without < 0, dtype=float)
    one = known.one.sum(axis=0) - known.one[left] * (1 - kept)[:, None]
    rest = known.all_.sum(axis=0) - known.all_[left] * (1 - kept)[:, None, None]
    if recipe.kind == "bayes":
        assert recipe.means is not None
        assert recipe.counts is not None
        lacking, sums_ = recipe.counts - one, recipe.means * recipe.counts[:, None] - rest
        return np.asarray(sums_[np.arange(len(without)), lacking.argmax(axis=1)])
    assert recipe.weights is not None
    residual, part = -one, -(rest + recipe.penalty * recipe.weights)
    square = (residual**2).sum(axis=1)
    found = np.einsum("nk,nkd->nd", residual, part) / np.where(square > 0, square, 1.0)[:, None]
    return np.asarray(found)


def decode(recipe: Recipe, found: Floats, known: Dataset, columns: list[str]) -> Dataset:
    """Turn prepared rows (n, d) back into rows, column by column, by trying values.

    Parameters
    ----------
    known : rows that the adversary holds: the first is the one that values are tried on.
    """
    first = known.take(np.zeros(1, dtype=np.intp))
    origin = recipe.prepare(first)[0]
    made: dict[str, Any] = {}
    for name in columns:
        column = known[name]
        seen = column[~is_missing(column)]
        if is_numeric(column) and len(np.unique(seen)) > 1:
            ends = np.array([seen.min(), seen.max()], dtype=float)
            low, high = recipe.prepare(first.repeated(2).replaced(name, ends))
            slope = high - low
            if (slope**2).sum() > SAME:
                moves = np.abs(slope) > SAME
                share = (found - low)[:, moves] @ slope[moves] / (slope[moves] ** 2).sum()
                made[name] = np.clip(ends[0] + share * (ends[1] - ends[0]), *_wide(ends))
                continue
        made[name] = _nearest(recipe, found, first, name, column, origin)
    return Dataset(made, known.like)


def _wide(ends: Floats) -> tuple[float, float]:
    """No number further out than the known ones by their whole range."""
    room = ends[1] - ends[0]
    return float(ends[0] - room), float(ends[1] + room)


def _nearest(
    recipe: Recipe, found: Floats, first: Dataset, name: str, column: NDArray[Any], origin: Floats
) -> NDArray[Any]:
    """The value of one column whose prepared form lies nearest, where it changes that form."""
    values = np.array(sorted(set(column[~is_missing(column)].tolist()), key=str), column.dtype)
    tried = recipe.prepare(first.repeated(len(values)).replaced(name, values))
    moves = (np.abs(tried - origin) > SAME).any(axis=0)
    apart = ((found[:, None, moves] - tried[None, :, moves]) ** 2).sum(axis=2)
    return np.asarray(values[apart.argmin(axis=1)])

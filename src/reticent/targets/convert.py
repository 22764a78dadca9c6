"""scikit-learn models into ONNX graphs that say what the model says, or not at all.

A graph is asked about the same rows as the model: given ones, and made-up ones on both sides of
the thresholds at which the model's answer jumps, where graphs in 32 bits disagree first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.column import is_missing, is_numeric
from reticent.dataset import Dataset, stack
from reticent.errors import ReticentError
from reticent.target import Answer, Reveals, Target
from reticent.targets.load import parts_of
from reticent.targets.onnx import Onnx, opened

TOLERANCE = 1e-5  # of scores; of values, as a share of those beyond 1
MOST_THRESHOLDS = 4_096  # asked three times each; of more, these are drawn
COMBINED = 2_000  # rows with every column at one of its thresholds
SEARCHED = 128  # places where a jump of the answer is searched by halving
FOREIGN = "reticent: no such word"

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Conversion:
    """What became of a model: its graph, or why there is none, in one sentence."""

    graph: bytes | None
    how: str


def converted(model: Any, known: Target, sample: Dataset) -> Conversion:
    """Convert a fitted estimator and compare the graph with it.

    Parameters
    ----------
    model : the estimator. known : the same, to be asked about rows of its columns.
    sample : rows to start from, with the frame that the model was fitted on.
    """
    names = known.columns
    sample = sample.select(names)
    whole = ~np.any([is_missing(sample[name]) for name in names], axis=0)
    sample = sample.take(np.flatnonzero(whole))
    if not len(sample):
        return Conversion(None, "native because no row of the training table is complete")
    try:
        rows = questions(model, known, sample)
        told = known.ask(rows)
    except ReticentError as error:
        return Conversion(None, f"native because the model fails beside its rows ({error.found})")
    reason = "skl2onnx does not convert it"
    for content in graphs(model, sample, bool(known.reveals & Reveals.SCORES)):
        try:
            graph = opened(content, Path("the converted model"), names, _labels(known), 1)
            found = difference(told, known, graph, rows)
        except ReticentError as error:
            found = error.found
        if found is None:
            how = f"converted to ONNX, which agrees with the model on {len(rows):,} rows"
            return Conversion(content, how)
        reason = f"its conversion to ONNX does not agree: {found}"
    return Conversion(None, f"native because {reason}")


def _labels(known: Target) -> NDArray[Any]:
    return np.zeros(1) if known.classes is None else known.classes


def difference(told: Answer, known: Target, graph: Onnx, rows: Dataset) -> str | None:
    """Say how a graph differs from the model, or None where it says the same of n rows.

    Of two classes that are as likely as each other, to the tolerance, either may be the label.

    Parameters
    ----------
    told : what the model answered.
    """
    names = [None if one.classes is None else one.classes.tolist() for one in (known, graph)]
    if names[0] != names[1] or any(isinstance(name, bool) for name in names[0] or ()):
        return "its classes have other names"
    said = graph.ask(rows)
    if told.value is not None and said.value is not None:
        apart = np.abs(told.value - said.value) / np.maximum(1.0, np.abs(told.value))
    elif told.scores is not None and said.scores is not None:
        apart = np.abs(told.scores - said.scores).max(axis=1)
        top = np.sort(told.scores, axis=1)[:, -2:]
        other = (told.label != said.label) & (top[:, 1] - top[:, 0] > TOLERANCE)
        apart = np.where(other, np.maximum(apart, 2 * TOLERANCE), apart)
    elif told.scores is None and said.scores is None and told.value is None and said.value is None:
        assert told.label is not None
        assert said.label is not None
        apart = (told.label != said.label).astype(float)
    else:
        return "it tells something else"
    off = apart > TOLERANCE
    if not off.any():
        return None
    return f"{off.sum():,} of {len(rows):,} rows are answered otherwise, by {apart.max():.2g}"


# Graphs ---------------------------------------------------------------------------------------


def graphs(model: Any, sample: Dataset, scores: bool) -> Iterator[bytes]:
    """Yield graphs of a model, the cheapest to ask first; none where it does not convert.

    Numbers go in as one matrix, in 32 bits, then in 64; or each column goes in by itself.

    Parameters
    ----------
    scores : whether the model tells them; a graph of one that does not may tell labels only.
    """
    import skl2onnx
    from skl2onnx.common import data_types as kinds

    d = len(sample.names)
    numeric = all(sample[name].dtype.kind in "iufb" for name in sample.names)
    narrow, wide = kinds.FloatTensorType, kinds.DoubleTensorType
    broad = [[("input", kind([None, d]))] for kind in (narrow, wide)] if numeric else []
    apart = [[(name, _tensor(sample, name, kind, kinds)) for name in sample.names]
             for kind in (narrow, wide)]  # fmt: skip
    for signature in broad + apart:
        try:
            graph = skl2onnx.to_onnx(model, initial_types=signature)
        except Exception:  # noqa: BLE001, S112 (any converter can raise anything)
            continue
        if not scores and len(graph.graph.output) > 1:
            del graph.graph.output[1:]
        _round_before_trees(graph)
        yield graph.SerializeToString()


def _tensor(sample: Dataset, name: str, number: Any, kinds: Any) -> Any:
    column = sample[name]
    return (number if is_numeric(column) or column.dtype.kind == "b" else kinds.StringTensorType)(
        [None, 1]
    )


def _round_before_trees(graph: Any) -> None:
    """Round to 32 bits what goes into trees, as scikit-learn does, in a graph of 64."""
    import onnx

    nodes = list(graph.graph.node)
    del graph.graph.node[:]
    for place, node in enumerate(nodes):
        if node.op_type.startswith("TreeEnsemble"):
            rounded = f"rounded_{place}"
            cast = onnx.helper.make_node("Cast", [node.input[0]], [rounded], to=1)
            graph.graph.node.append(cast)
            node.input[0] = rounded
        graph.graph.node.append(node)


# Rows -----------------------------------------------------------------------------------------


def questions(model: Any, known: Target, sample: Dataset) -> Dataset:
    """Make rows on which a graph that is not the model would show it.

    Parameters
    ----------
    sample : complete rows (m, d) of the model's columns.
    """
    rng = np.random.default_rng(0)
    free = [name for name in sample.names if is_numeric(sample[name])]
    x = np.array([sample[name] for name in free], dtype=float).reshape(len(free), -1).T
    picks = [np.arange(len(sample))]
    cells = [x]
    if free:
        for pick, made in (_at_splits(model, sample.names, free, x, rng),
                           _at_jumps(known, sample, free, x, rng)):  # fmt: skip
            picks.append(pick)
            cells.append(made)
    rows = _table(sample, free, np.concatenate(picks), np.concatenate(cells))
    return _with_foreign_words(rows, known, sample)


def _table(sample: Dataset, free: list[str], pick: NDArray[np.intp], x: Floats) -> Dataset:
    """Put numbers (n, free) into copies of sample rows (n,), in the form that callers' have."""
    names = sample.names
    if all(sample[name].dtype.kind in "iufb" for name in names):
        wide = np.empty((len(pick), len(names)))
        for place, name in enumerate(names):
            wide[:, place] = x[:, free.index(name)] if name in free else sample[name][pick]
        return Dataset.of_matrix(wide, names, sample.like)
    columns = {n: x[:, free.index(n)] if n in free else sample[n][pick] for n in names}
    return Dataset(columns, sample.like)


def _at_splits(
    model: Any, names: list[str], free: list[str], x: Floats, rng: np.random.Generator
) -> tuple[NDArray[np.intp], Floats]:
    """Rows at the thresholds of every tree, as 32 bits read them, and one step to either side."""
    place = np.array([free.index(n) if n in free else -1 for n in names], dtype=np.intp)
    found = [np.empty((0, 2))]
    for part in parts_of(model):
        if hasattr(part, "children_left") and hasattr(part, "threshold"):
            inner = (part.children_left >= 0) & (part.feature < len(names))
            at = place[part.feature[inner]]
            found.append(np.column_stack([at, part.threshold[inner]])[at >= 0])
    splits = np.unique(np.concatenate(found), axis=0)
    if len(splits) > MOST_THRESHOLDS:
        splits = splits[rng.choice(len(splits), MOST_THRESHOLDS, replace=False)]
    column, at = splits[:, 0].astype(np.intp), splits[:, 1].astype(np.float32)
    lower, upper = (np.nextafter(at, np.float32(way)) for way in (-np.inf, np.inf))
    values = np.concatenate([lower, at, upper, splits[:, 1]]).astype(float)
    column = np.tile(column, 4)
    pick = rng.integers(len(x), size=len(values))
    made = x[pick]
    made[np.arange(len(made)), column] = values
    other = rng.integers(len(x), size=COMBINED)
    mixed = x[other]
    for j in range(len(free)):
        pool = np.concatenate([values[column == j], x[:, j]])
        mixed[:, j] = rng.choice(pool, size=COMBINED)
    return np.concatenate([pick, other]), np.concatenate([made, mixed])


def _at_jumps(
    known: Target, sample: Dataset, free: list[str], x: Floats, rng: np.random.Generator
) -> tuple[NDArray[np.intp], Floats]:
    """Rows on both sides of where the answer jumps, found by halving, whatever the model is."""
    pick = rng.integers(len(x), size=SEARCHED)
    column = rng.integers(len(free), size=SEARCHED)
    each = np.arange(SEARCHED)

    def rows(values: Floats) -> Floats:
        made = x[pick]
        made[each, column] = values
        return made

    def told(values: Floats) -> Floats:
        answer = known.ask(_table(sample, free, pick, rows(values)))
        for part in (answer.scores, answer.value, answer.label):
            if part is not None:
                return np.asarray(part, dtype=float).reshape(SEARCHED, -1)
        raise AssertionError

    low, high = x.min(axis=0)[column], x.max(axis=0)[column]
    below, above = told(low), told(high)
    while True:
        middle = low + (high - low) / 2
        if ((middle <= low) | (middle >= high)).all():
            break
        found = told(middle)
        under = np.abs(found - below).max(axis=1) <= np.abs(found - above).max(axis=1)
        low, high = np.where(under, middle, low), np.where(under, high, middle)
    sides = [low, high, low.astype(np.float32).astype(float), high.astype(np.float32).astype(float)]
    return np.tile(pick, len(sides)), np.concatenate([rows(side) for side in sides])


def _with_foreign_words(rows: Dataset, known: Target, sample: Dataset) -> Dataset:
    """Add rows with a word that the model never saw, where it answers such rows."""
    for name in sample.names:
        if sample[name].dtype.kind != "O":
            continue
        foreign = rows.take(slice(0, 8))
        foreign = foreign.replaced(name, np.full(len(foreign), FOREIGN, dtype=object))
        try:
            known.ask(foreign)
        except ReticentError:
            continue
        rows = stack(rows, foreign)
    return rows

"""A target behind a contract: marginalize, abstain, noise, cut, in that order.

Each step takes a target and returns one. The gateway and the audit call the same ``behind``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.contract import Contract
from reticent.dataset import Dataset, row_tokens
from reticent.errors import ConfigError
from reticent.randomness import keyed_uniforms
from reticent.schema import Schema, Value
from reticent.target import Answer, Reveals, Target
from reticent.targets.gate import Gate

MOST_COMBINATIONS = 1_000  # evaluations a row that a marginalized answer may cost
MARGIN = 1e-9  # by which the highest class leads at least, under noise


@dataclass(frozen=True, slots=True)
class Step:
    """A target whose answers were changed by one step of a contract."""

    columns: list[str]
    classes: NDArray[Any] | None
    reveals: Reveals
    ignores: frozenset[str]
    answer: Callable[[Dataset], Answer]

    def ask(self, rows: Dataset) -> Answer:
        """Answer n rows through the step."""
        return self.answer(rows)


def behind(
    target: Target,
    contract: Contract,
    schema: Schema,
    *,
    key: bytes,
    gate: Gate | None = None,
) -> Target:
    """Put a target behind a contract.

    Parameters
    ----------
    key : the model's noise key, one for all roles and callers.
    gate : who is answered, where the contract abstains by likeness to honest people.

    Raises
    ------
    ConfigError : the contract cannot hold for this model or schema.
    """
    seen = target
    if contract.marginalize:
        seen = marginalize(seen, _candidates(contract.marginalize, schema, target))
    if contract.abstain:
        seen = abstain(seen, contract.abstain.confidence, gate)
    if contract.noise:
        steps = {name: domain.precision for name, domain in schema.domains.items()}
        seen = noise(seen, contract.noise.scale, key, steps)
    return cut(seen, contract)


def marginalize(target: Target, candidates: Mapping[str, Sequence[Value]]) -> Target:
    """Average answers uniformly over all combinations of the columns' candidate values."""
    choices = list(product(*candidates.values()))
    if len(choices) > MOST_COMBINATIONS:
        raise ConfigError(
            "marginalize", f"{len(choices)} combinations a row", "Marginalize fewer columns or bins"
        )

    def answer(rows: Dataset) -> Answer:
        grid = rows.select([n for n in rows.columns if n not in candidates]).repeated(len(choices))
        for place, name in enumerate(candidates):
            values = np.array([choice[place] for choice in choices], dtype=_dtype(candidates[name]))
            grid = grid.replaced(name, np.repeat(values, len(rows)))
        told = target.ask(grid)
        return _average(told, len(choices), target.classes)

    columns = [name for name in target.columns if name not in candidates]
    ignores = target.ignores | frozenset(candidates)
    return Step(columns, target.classes, target.reveals & ~Reveals.STRUCTURE, ignores, answer)


def _average(told: Answer, times: int, classes: NDArray[Any] | None) -> Answer:
    def mean(part: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        if part is None:
            return None
        averaged: NDArray[np.float64] = part.reshape(times, -1, *part.shape[1:]).mean(axis=0)
        return averaged

    scores, label = mean(told.scores), None
    if classes is not None and told.label is not None:
        votes = scores
        if votes is None:
            votes = mean((told.label[:, None] == np.arange(len(classes))).astype(float))
        assert votes is not None
        label = votes.argmax(axis=1)
    answer = Answer(label, scores, mean(told.value), mean(told.vector))
    if told.answered is None:
        return answer
    return refused(answer, np.asarray(told.answered.reshape(times, -1).all(axis=0)))


def abstain(target: Target, confidence: float | None, gate: Gate | None) -> Target:
    """Refuse rows below a confidence, or that the gate does not pass."""
    if confidence is not None and not target.reveals & Reveals.SCORES:
        raise ConfigError("abstain.confidence", "the model tells no scores", "Use honest = 0.9")
    if confidence is None and (gate is None or set(gate.columns) & target.ignores):
        raise ConfigError(
            "abstain.honest", "there is no gate on the columns that stay",
            "Fit one on honest people who are not members",
        )  # fmt: skip

    def answer(rows: Dataset) -> Answer:
        told = target.ask(rows)
        if confidence is None:
            assert gate is not None
            return refused(told, gate.passes(rows))
        assert told.scores is not None
        return refused(told, told.scores.max(axis=1) >= confidence)

    return Step(target.columns, target.classes, target.reveals | Reveals.ABSTAIN, target.ignores,
                answer)  # fmt: skip


def refused(told: Answer, passed: NDArray[np.bool_]) -> Answer:
    """Withhold everything from the rows that did not pass."""

    def keep(part: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        if part is None:
            return None
        return np.where(passed.reshape(-1, *[1] * (part.ndim - 1)), part, np.nan)

    label = None if told.label is None else np.where(passed, told.label, -1)
    answered = passed if told.answered is None else passed & told.answered
    return Answer(label, keep(told.scores), keep(told.value), keep(told.vector), answered)


def noise(
    target: Target, scale: float, key: bytes, steps: Mapping[str, float | None] | None = None
) -> Target:
    """Add Laplace noise that is a keyed function of the question; the highest class stays highest.

    Parameters
    ----------
    steps : column to the precision it is recorded at, so that a jittered question is the same one.
    """
    if target.classes is not None and not target.reveals & Reveals.SCORES:
        raise ConfigError("noise", "the model tells no scores to add it to", "Leave it out")

    def answer(rows: Dataset) -> Answer:
        told = target.ask(rows)
        shape = (len(rows), 1) if told.scores is None else told.scores.shape
        records = row_tokens(canonical(rows.select(target.columns), steps or {}))
        draws = _laplace(keyed_uniforms(key, records, shape[1])) * scale
        if told.scores is None:
            assert told.value is not None
            return replace(told, value=told.value + draws[:, 0], vector=None)
        return replace(told, scores=_noisy(told.scores, draws), vector=None)

    reveals = target.reveals & ~(Reveals.VECTOR | Reveals.GRADIENT | Reveals.STRUCTURE)
    return Step(target.columns, target.classes, reveals, target.ignores, answer)


def canonical(rows: Dataset, steps: Mapping[str, float | None]) -> Dataset:
    """Round each column to its declared precision, so that equal questions look equal."""
    for name, step in steps.items():
        if step is not None and name in rows.columns:
            rows = rows.replaced(name, np.round(rows[name].astype(float) / step) * step)
    return rows


def _laplace(uniforms: NDArray[np.float64]) -> NDArray[np.float64]:
    centered = uniforms - 0.5
    drawn: NDArray[np.float64] = -np.sign(centered) * np.log1p(-2 * np.abs(centered))
    return drawn


def _noisy(scores: NDArray[np.float64], draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add the noise within 0..1, swap the highest class back to the top, and normalize.

    The margin keeps it alone at the top where several ended at 1, or all at 0.
    """
    noisy = np.clip(scores + draws, 0.0, 1.0)
    each = np.arange(len(scores))
    was, now = scores.argmax(axis=1), noisy.argmax(axis=1)
    noisy[each, was], noisy[each, now] = noisy[each, now], noisy[each, was]
    noisy[each, was] += MARGIN
    even: NDArray[np.float64] = noisy / noisy.sum(axis=1, keepdims=True)
    return even


def cut(target: Target, contract: Contract) -> Target:
    """Tell no more of an answer than the contract's output, digits, bands or top classes."""
    reveals = _cut_reveals(target, contract)

    def answer(rows: Dataset) -> Answer:
        if contract.output == "none":
            return Answer(answered=np.zeros(len(rows), dtype=bool))
        told = target.ask(rows)
        value = None if told.value is None else _coarse(told.value, contract.decimals, None)
        if contract.output == "label" or told.scores is None:
            return Answer(told.label, None, value, None, told.answered)
        scores = _coarse(told.scores, contract.decimals, contract.bands)
        if contract.top_k is not None:
            lowest = np.argsort(-told.scores, axis=1, kind="stable")[:, contract.top_k :]
            withheld = np.where(np.isnan(scores[:, :1]), np.nan, 0.0)  # a refusal stays one
            np.put_along_axis(scores, lowest, withheld, axis=1)
        vector = told.vector if reveals & Reveals.VECTOR else None
        return Answer(told.label, scores, value, vector, told.answered)

    return Step(target.columns, target.classes, reveals, target.ignores, answer)


def _cut_reveals(target: Target, contract: Contract) -> Reveals:
    if contract.output == "top_k" and target.classes is None:
        raise ConfigError('output = "top_k"', "a regressor has no classes", 'Use "scores"')
    if contract.bands is not None and target.classes is None:
        raise ConfigError("bands", "a regressor tells no scores", "Use decimals")
    told = {
        "none": Reveals.NOTHING,
        "label": Reveals.LABEL,
        "top_k": Reveals.LABEL | Reveals.TOP_K,
        "scores": Reveals.LABEL | Reveals.TOP_K | Reveals.SCORES,
        "vector": Reveals.LABEL | Reveals.TOP_K | Reveals.SCORES | Reveals.VECTOR,
    }[contract.output]
    return target.reveals & (told | Reveals.ABSTAIN | Reveals.ANY_ROW)


def _coarse(
    numbers: NDArray[np.float64], decimals: int | None, bands: tuple[float, ...] | None
) -> NDArray[np.float64]:
    if decimals is not None:
        return np.round(numbers, decimals)
    if bands is None:
        return numbers.copy()
    lower = np.array([0.0, *bands])[np.searchsorted(bands, numbers, side="right")]
    return np.where(np.isnan(numbers), np.nan, lower)


def _candidates(names: Sequence[str], schema: Schema, target: Target) -> dict[str, Sequence[Value]]:
    for name in names:
        if name not in target.columns:
            raise ConfigError(
                f"marginalize {name!r}", "the model has no such column",
                f"Use one of: {', '.join(target.columns)}",
            )  # fmt: skip
    return {name: schema.candidates(name) for name in names}


def _dtype(values: Sequence[Value]) -> Any:
    return object if any(isinstance(value, str) for value in values) else None

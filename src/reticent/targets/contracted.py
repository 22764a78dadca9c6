"""A target behind a contract: marginalize, abstain, noise, cut, in that order.

``asked`` is what happens before there is an answer, ``shaper`` what happens to it afterwards, and
``behind`` is both. The gateway, which records and watches in between, and the audit call the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.contract import Contract
from reticent.dataset import Dataset
from reticent.errors import ConfigError
from reticent.schema import Schema, Value
from reticent.target import Answer, Reveals, Target
from reticent.targets.gate import Gate
from reticent.targets.limited import Asker, limited
from reticent.targets.shape import Step, shaper

OPEN = Reveals.STRUCTURE | Reveals.GRADIENT  # what is no longer the model's once answers change
MOST_COMBINATIONS = 1_000  # evaluations a row that a marginalized answer may cost


def behind(
    target: Target,
    contract: Contract,
    schema: Schema,
    *,
    key: bytes,
    gate: Gate | None = None,
) -> Target:
    """Put a target behind a contract.

    With ``values_per_record`` the target counts what one principal tries, in memory.

    Parameters
    ----------
    key : the model's noise key, one for all roles and callers.
    gate : who is answered, where the contract abstains by likeness to honest people.

    Raises
    ------
    ConfigError : the contract cannot hold for this model or schema.
    """
    seen = asked(target, contract, schema, gate=gate)
    shape = shaper(seen, contract, schema, key, target.columns)
    if contract.values_per_record is not None and contract.output != "none":
        both = limited(target, seen, contract.marginalize, schema.precisions)
        return Asker(both, shape, contract.values_per_record)

    def answer(rows: Dataset) -> Answer:
        return shape(rows, Answer() if contract.output == "none" else seen.ask(rows))

    return Step(seen.columns, seen.classes, shape.reveals, seen.ignores, answer)


def asked(
    target: Target, contract: Contract, schema: Schema, *, gate: Gate | None = None
) -> Target:
    """Let a contract ask for the caller: marginalize and abstain, the steps before an answer.

    Raises
    ------
    ConfigError : the contract cannot hold for this model or schema.
    """
    seen = target
    if contract.marginalize:
        seen = marginalize(seen, _candidates(contract.marginalize, schema, target))
    if contract.abstain:
        seen = abstain(seen, contract.abstain.confidence, gate)
    return seen


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
    return Step(columns, target.classes, target.reveals & ~OPEN, ignores, answer)


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

    reveals = target.reveals & ~OPEN | Reveals.ABSTAIN
    return Step(target.columns, target.classes, reveals, target.ignores, answer)


def refused(told: Answer, passed: NDArray[np.bool_]) -> Answer:
    """Withhold everything from the rows that did not pass."""

    def keep(part: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        if part is None:
            return None
        return np.where(passed.reshape(-1, *[1] * (part.ndim - 1)), part, np.nan)

    label = None if told.label is None else np.where(passed, told.label, -1)
    answered = passed if told.answered is None else passed & told.answered
    return Answer(label, keep(told.scores), keep(told.value), keep(told.vector), answered)


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

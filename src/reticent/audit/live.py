"""A live endpoint in the place of the model: what is deployed is what is attacked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.audit.case import Prepared
from reticent.audit.measure import Guard, View, training_errors
from reticent.audit.options import Options
from reticent.contract import Contract
from reticent.dataset import Dataset
from reticent.errors import ConfigError, ModelError
from reticent.evidence import NotRun
from reticent.target import Answer, Reveals, Target
from reticent.targets.answers_file import Recorded
from reticent.targets.kept import Kept
from reticent.targets.local import positions
from reticent.targets.remote import Remote
from reticent.targets.shape import cut
from reticent.targets.wrap import Around

PROBED = 32  # auxiliary people about whom an endpoint is asked beforehand
TOLD = Reveals.LABEL | Reveals.TOP_K | Reveals.SCORES | Reveals.VECTOR | Reveals.ABSTAIN
PARTS = ("label", "scores", "value", "vector", "answered")
UNTRAINED = NotRun("canaries", "a live endpoint cannot be trained again with coins")


class Sorted(Around):
    """A classifier that names the model's classes in another order."""

    __slots__ = ("_from", "_places")

    def __init__(self, inner: Target, model: Target) -> None:
        assert inner.classes is not None
        assert model.classes is not None
        self.inner, self._from = inner, positions(model.classes, inner.classes)
        self._places = positions(inner.classes, model.classes)

    @property
    def classes(self) -> NDArray[Any]:
        """The model's class names, in its order."""
        assert self.inner.classes is not None
        return np.asarray(self.inner.classes[self._from])

    def ask(self, rows: Dataset) -> Answer:
        """Answer n rows in the model's classes."""
        told = self.inner.ask(rows)
        scores = None if told.scores is None else told.scores[:, self._from]
        label = told.label
        if label is not None:
            label = np.where(label < 0, -1, self._places[np.maximum(label, 0)])
        return replace(told, label=label, scores=scores)


def view_of(
    live: Target, case: Prepared, name: str, contract: Contract | None, guard: Guard
) -> View:
    """One configuration in which an endpoint answers, its shadows yet to be trained.

    Parameters
    ----------
    guard : what puts a shadow behind the contract that the endpoint is said to keep.

    Raises
    ------
    ConfigError, ModelError : it is another model, or does not keep that contract.
    """
    target = in_place(live, case)
    errors = _published(case, contract)
    if contract is None:
        return View(name, "", target, without_contract(live), (), errors)
    if not isinstance(case.target, Recorded | Remote | Kept):
        keeps(target, case, name, contract, guard(case.target).reveals)
    return View(name, contract.digest, target, guard, (), errors)


def in_place(live: Target, case: Prepared) -> Target:
    """Let an endpoint stand for the model that the shadows resemble.

    Raises
    ------
    ModelError : it tells other classes, or wants columns that the model does not.
    """
    model = case.target
    if not live.reveals & Reveals.LABEL:
        return live
    kinds = [None if one.classes is None else one.classes.tolist() for one in (live, model)]
    if kinds[0] is None or kinds[1] is None:
        alike = kinds[0] == kinds[1]
    else:
        alike = set(kinds[0]) == set(kinds[1])
    if not alike:
        sizes = ["no classes" if kind is None else f"{len(kind)} classes" for kind in kinds]
        raise ModelError(
            "the endpoint as the project's model", f"it tells {sizes[0]}, the model {sizes[1]}"
            if sizes[0] != sizes[1] else "their classes have other names",
            "Name the endpoint of the model in [model]",
        )  # fmt: skip
    return live if kinds[0] == kinds[1] else Sorted(live, model)


def keeps(live: Target, case: Prepared, name: str, contract: Contract, promised: Reveals) -> None:
    """Try whether an endpoint keeps a contract, on auxiliary people.

    An attacker whose shadows answer through the contract learns to look where it leaves something
    over; an endpoint that does not keep it is not seen by them, so it is refused beforehand.

    Parameters
    ----------
    promised : what the model reveals behind the contract.

    Raises
    ------
    ConfigError : it tells more or less, or its answers change with a column that is averaged over.
    """
    asked = f"the endpoint as the view of {name!r}"
    do = "Deploy this project file, and give a key of that role; or leave out --role"
    if (live.reveals ^ promised) & TOLD:
        told, wanted = (_words(one) for one in (live.reveals, promised))
        raise ConfigError(asked, f"it tells {told}, the contract says {wanted}", do)
    if contract.values_per_record is not None or contract.output == "none":
        return
    rows = case.auxiliary.take(slice(0, PROBED))
    for column in set(contract.marginalize) & set(live.columns):
        values = case.schema.candidates(column)
        grid = rows.repeated(len(values)).replaced(column, np.repeat(np.array(values), len(rows)))
        parts = live.ask(grid)
        first = np.tile(np.arange(len(rows)), len(values))
        if not alike(parts, parts.take(first)):
            found = f"its answers change with {column!r}, which the contract averages over"
            raise ConfigError(asked, found, do)


def alike(first: Answer, second: Answer) -> bool:
    """Say whether two answers to the same rows are the same."""
    pairs = ((getattr(first, part), getattr(second, part)) for part in PARTS)
    return all(
        one is other is None or np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
        for one, other in pairs
    )


def _words(told: Reveals) -> str:
    names = [flag.name.lower() for flag in TOLD if flag & told and flag.name]
    return ", ".join(names) or "nothing"


def quietly(options: Options) -> Options:
    """Leave out what only a model in hand can be asked for: canaries and advice."""
    return replace(options, canaries=False, advice=False)


def without_contract(live: Target) -> Guard:
    """Let shadows tell no more than an endpoint whose contract nobody named."""
    scores = live.reveals & (Reveals.SCORES | Reveals.TOP_K) or live.classes is None
    return lambda shadow: cut(shadow, Contract(output="scores" if scores else "label"))


def notes(contracts: Mapping[str, Contract | None]) -> tuple[str, ...]:
    """What a reader must know of findings about a live endpoint."""
    told = ["The target is a live endpoint; every query was sent to it."]
    if any(contract is None for contract in contracts.values()):
        told.append(
            "No role was named: the attacker's shadows answer without a contract. Name the role of "
            "the key for the contract-aware attack."
        )
    if any(one is not None and one.values_per_record is not None for one in contracts.values()):
        told.append(
            "The endpoint counts values_per_record over the whole audit: the attack that asked "
            "first had the true answers, and the utility is of what was left. Use a new auditor "
            "key for each attack."
        )
    return tuple(told)


def _published(case: Prepared, contract: Contract | None) -> NDArray[np.float64] | None:
    """The training error that the model's makers publish, where it may be worked out here.

    It needs answers to the members' true rows. Where only an endpoint that counts values can be
    asked, that very question would tell it which value to answer truly: then it is unknown.
    """
    counts = contract is not None and contract.values_per_record is not None
    if counts and isinstance(case.target, Remote | Kept):
        return None
    return training_errors(case.target, case.members, case.label)

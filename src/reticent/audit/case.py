"""A case: a model, the people it was trained on, people it never saw, and what is to be hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.audit.train import Trainer, trainer
from reticent.dataset import Dataset, is_missing, row_tokens
from reticent.errors import ConfigError, DataError, ModelError
from reticent.evidence import fingerprint
from reticent.schema import Domain, Role, Schema
from reticent.target import Target
from reticent.targets.answers_file import Recorded
from reticent.targets.local import callable_target, local, positions


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What an audit is given.

    Attributes
    ----------
    model : anything with ``predict_proba`` or ``predict`` on the members' kind of frame, a
        callable, or a Target.
    members : frame of the people it was trained on, complete. others : people it never saw.
    auxiliary : people whose data the attacker holds; by default one half of the others.
    label, sensitive : what the model predicts; the column (or columns) to be hidden.
    person : the column that says whose row it is. identifiers : columns the model never gets.
    known : columns that the attacker knows; by default all others. knows_label : the label too.
    train : an unfitted estimator, or a function (frame, labels, seed) to a fitted model, where
        the model itself cannot be cloned and refitted.
    domains : column to what is publicly known of its values.
    model_digest : SHA-256 of the model's file; by default of its answers to the members.
    """

    model: Any
    members: Any
    others: Any
    label: str
    sensitive: str | Sequence[str]
    auxiliary: Any = None
    person: str | None = None
    identifiers: Sequence[str] = ()
    known: Sequence[str] | None = None
    knows_label: bool = True
    train: Any = None
    domains: Mapping[str, Domain] = field(default_factory=dict)
    model_digest: str = ""

    def prepared(self) -> Prepared:
        """Check the case and bring it to one form.

        Raises
        ------
        ConfigError, DataError, ModelError : it does not hold together; each says what to do.
        """
        return _prepare(self)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A case that was checked: tables with the same columns in the same order.

    Attributes
    ----------
    train : rows and a seed to a new target of the same kind.
    members_people, ... : (n,) codes of whose row it is. notes : what the user should be told.
    """

    target: Target
    schema: Schema
    members: Dataset
    others: Dataset
    auxiliary: Dataset
    members_people: NDArray[np.intp]
    others_people: NDArray[np.intp]
    auxiliary_people: NDArray[np.intp]
    known: tuple[str, ...]
    knows_label: bool
    train: Trainer
    notes: tuple[str, ...]
    model_digest: str

    @property
    def label(self) -> str:
        """The column that the model predicts."""
        return self.schema.label

    def knows(self, hidden: str) -> list[str]:
        """The columns that the attacker holds when one is hidden, the label last if they do."""
        columns = [name for name in self.known if name != hidden]
        return [*columns, self.label] if self.knows_label else columns


def _prepare(case: Case) -> Prepared:
    members = Dataset.of(case.members)
    schema = _schema(case, members)
    others = _aligned(Dataset.of(case.others), members, "others")
    _refuse_overlap(members, others, schema.person, "others")
    whose = _codes(others, schema.person)
    notes = []
    if case.auxiliary is None:
        (others, whose), (auxiliary, theirs) = _halved(others, whose)
        notes.append(
            f"No auxiliary data: others was split by person, {len(auxiliary)} rows for the "
            f"attacker and {len(others)} to be judged on."
        )
    else:
        auxiliary = _aligned(Dataset.of(case.auxiliary), members, "auxiliary")
        _refuse_overlap(members, auxiliary, schema.person, "auxiliary")
        theirs = _codes(auxiliary, schema.person)
    _check_label(members, schema)
    target = _target(case.model, members, schema)
    train = trainer(case.model, case.train, target, schema)
    if train.surrogate:
        notes.append(
            "The model cannot be trained again: shadow models are default random forests, the "
            "attacker's own guess at it. Pass train=estimator for shadows of its kind."
        )
    return Prepared(
        target=target, schema=schema, members=members, others=others, auxiliary=auxiliary,
        members_people=_codes(members, schema.person), others_people=whose,
        auxiliary_people=theirs, known=_known(case, schema, members),
        knows_label=case.knows_label, train=train, notes=tuple(notes),
        model_digest=case.model_digest or _digest(target, members),
    )  # fmt: skip


def _digest(target: Target, members: Dataset) -> str:
    """Name a model in memory by what it answers to its members."""
    told = target.members if isinstance(target, Recorded) else target.ask(members)
    parts = [told.label, told.scores, told.value]
    return fingerprint([part.tobytes().hex() for part in parts if part is not None])


def _schema(case: Case, members: Dataset) -> Schema:
    sensitive = [case.sensitive] if isinstance(case.sensitive, str) else list(case.sensitive)
    if case.label in sensitive:
        raise ConfigError(
            f"sensitive column {case.label!r}", "it is the label, which the attacker may know",
            "Name a column that the model takes; to attack labels, use membership attacks",
        )  # fmt: skip
    if not sensitive:
        raise ConfigError("the sensitive column", "none is named", "Name at least one")
    roles: dict[str, Role] = dict.fromkeys(case.identifiers, "identifier")
    roles.update(dict.fromkeys(sensitive, "sensitive"))
    roles[case.label] = "label"
    return Schema.of(members.names, roles, dict(case.domains), case.person)


def _aligned(rows: Dataset, members: Dataset, name: str) -> Dataset:
    """Bring a table to the members' columns and order; a missing column is an error."""
    missing = [column for column in members.names if column not in rows.columns]
    if missing:
        raise DataError(
            f"the table {name}", f"it lacks the members' columns {', '.join(missing)}",
            "Give both tables the same columns, in any order",
        )  # fmt: skip
    for column in members.names:
        if (rows[column].dtype.kind == "O") != (members[column].dtype.kind == "O"):
            raise DataError(
                f"column {column!r}", f"numbers in one table and text in the other ({name})",
                "Write it alike in all tables",
            )  # fmt: skip
    return Dataset(rows.select(members.names).columns, members.like)


def _codes(rows: Dataset, person: str | None) -> NDArray[np.intp]:
    if person is None:
        return np.arange(len(rows))
    if is_missing(rows[person]).any():
        raise DataError(f"the person column {person!r}", "some rows have none", "Fill or drop them")
    return np.unique(rows[person].astype(str), return_inverse=True)[1]


def _refuse_overlap(members: Dataset, rows: Dataset, person: str | None, name: str) -> None:
    if person is None:
        return
    both = set(members[person].tolist()) & set(rows[person].tolist())
    if both:
        raise DataError(
            f"members and {name} as different people", f"{len(both)} of them are in both tables",
            f"Take them out of {name}: the model has seen them",
        )  # fmt: skip


def _halved(others: Dataset, people: NDArray[np.intp]) -> list[tuple[Dataset, NDArray[np.intp]]]:
    """Split others by person into two halves, the same ones in every run."""
    side = np.random.default_rng(0).permutation(int(people.max()) + 1)[people] % 2
    halves = [np.flatnonzero(side == one) for one in (0, 1)]
    if not all(len(rows) for rows in halves):
        raise DataError("others", f"{len(others)} people cannot be halved", "Give auxiliary data")
    return [(others.take(rows), np.unique(people[rows], return_inverse=True)[1]) for rows in halves]


def _check_label(members: Dataset, schema: Schema) -> None:
    label = members[schema.label]
    if is_missing(label).any():
        raise DataError(
            f"the label {schema.label!r}", f"{is_missing(label).sum()} members have none",
            "Drop those rows: the model was not trained on them",
        )  # fmt: skip
    if len(set(label.tolist())) < 2:
        raise DataError(
            f"the label {schema.label!r}", "all members have the same one",
            "Attack a model that tells classes apart",
        )  # fmt: skip


def _target(model: Any, members: Dataset, schema: Schema) -> Target:
    if isinstance(model, Target):
        return model
    labels = members[schema.label]
    if callable(model) and not hasattr(model, "predict"):
        return callable_target(model, members, schema.inputs, labels)
    target = local(model, schema.inputs, labels)
    if target.classes is not None:
        strange = (positions(labels, target.classes) < 0).mean()
        if strange > 0:
            raise ModelError(
                f"the label {schema.label!r}",
                f"{strange:.0%} of the members' labels are none of the model's classes",
                "Give the label that the model was trained on",
            )  # fmt: skip
    return target


def _known(case: Case, schema: Schema, members: Dataset) -> tuple[str, ...]:
    inputs = [name for name in schema.inputs if name in members.columns]
    if case.known is None:
        return tuple(inputs)
    for name in case.known:
        if name not in inputs:
            raise ConfigError(
                f"known column {name!r}", "the model has no such column",
                f"Use some of: {', '.join(inputs)}",
            )  # fmt: skip
    return tuple(name for name in inputs if name in case.known)


def twins(rows: Dataset, others: Dataset) -> NDArray[np.bool_]:
    """Mark the rows (n,) that have an equal row among the others."""
    there = set(row_tokens(others))
    return np.array([token in there for token in row_tokens(rows)], dtype=bool)

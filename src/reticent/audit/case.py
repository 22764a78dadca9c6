"""A case: a model, the people it was trained on, people it never saw, and what is to be hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.audit.checks import (
    TABLES,
    aligned,
    check_answers,
    check_classes,
    check_hidden,
    check_label,
    check_people,
    codes,
    halved,
    labelled,
    refuse_same,
    table,
)
from reticent.audit.train import Trainer, trainer
from reticent.column import unique
from reticent.dataset import Dataset, row_tokens
from reticent.errors import ConfigError, ModelError, nearest
from reticent.evidence import fingerprint
from reticent.schema import Domain, Role, Schema
from reticent.target import Target
from reticent.targets.answers_file import Recorded
from reticent.targets.local import callable_target, local, positions
from reticent.targets.torch import is_module, torch_target


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What an audit is given.

    Attributes
    ----------
    model : anything with ``predict_proba`` or ``predict`` on the members' kind of frame, a
        callable, or a Target.
    members : frame of the people it was trained on, complete. others : people it never saw.
    auxiliary : people whose data the attacker holds; by default one half of the others.
    label, sensitive : what the model predicts; the column (or columns) to be hidden, if any.
    person : the column that says whose row it is. identifiers : columns the model never gets.
    known : columns that the attacker knows; by default all others. knows_label : the label too.
    train : an unfitted estimator, or a function (frame, labels, seed) to a fitted model, where
        the model itself cannot be cloned and refitted.
    domains : column to what is publicly known of its values.
    model_digest : SHA-256 of the model's file; by default of its answers to the members.
    shape : of one input, where the columns are an image's pixels. decoder : what makes such images
        of points, where the attacker has one: see ``attacks.latent``.
    released : frame of a table that was given out about the members. score : its column of the
        model's scores.
    """

    model: Any
    members: Any
    others: Any
    label: str
    sensitive: str | Sequence[str] = ()
    auxiliary: Any = None
    person: str | None = None
    identifiers: Sequence[str] = ()
    known: Sequence[str] | None = None
    knows_label: bool = True
    train: Any = None
    domains: Mapping[str, Domain] = field(default_factory=dict)
    model_digest: str = ""
    shape: tuple[int, ...] | None = None
    decoder: Any = None
    released: Any = None
    score: str | None = None

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
    shape: tuple[int, ...] | None = None
    decoder: Any = None
    released: Dataset | None = None
    score: str | None = None

    @property
    def label(self) -> str:
        """The column that the model predicts."""
        return self.schema.label

    def knows(self, hidden: str) -> list[str]:
        """The columns that the attacker holds when one is hidden, the label last if they do."""
        columns = [name for name in self.known if name != hidden]
        return [*columns, self.label] if self.knows_label else columns


def _prepare(case: Case) -> Prepared:
    notes: list[str] = []
    members = table(case.members, "members")
    schema = _schema(case, members)
    check_label(members, schema)
    refuse_same({n: getattr(case, n) for n in TABLES})
    others, places = labelled(aligned(case.others, members, "others"), schema, "others", notes)
    whose = codes(others, schema.person, "others")
    pictured = case.shape is not None and len(case.shape) > 1
    if case.auxiliary is None:
        shown = codes(others, schema.label, "others") if pictured else None
        (others, whose, half), (auxiliary, theirs, _) = halved(others, whose, shown)
        places = places[half]
        notes.append(
            f"No auxiliary data: others was split by person, {len(auxiliary)} rows for the "
            f"attacker and {len(others)} to be judged on."
        )
    else:
        auxiliary = aligned(case.auxiliary, members, "auxiliary")
        if not pictured:  # public pictures need no names
            auxiliary, _ = labelled(auxiliary, schema, "auxiliary", notes)
        theirs = codes(auxiliary, schema.person, "auxiliary")
    tables = {"members": members, "others": others, "auxiliary": auxiliary}
    people = codes(members, schema.person, "members"), whose, theirs
    check_people(tables, people, schema.person)
    target = _target(case.model, tables, places, schema, case.shape)
    check_answers(target, tables)
    for column in schema.sensitive:
        check_hidden(column, schema.domains.get(column), tables, notes)
    train = trainer(case.model, case.train, target, schema)
    if train.surrogate:
        notes.append(
            "The model cannot be trained again: shadow models are default random forests, the "
            "attacker's own guess at it. Pass train=estimator for shadows of its kind."
        )
    if not pictured:
        check_classes(auxiliary, schema, target)
    return Prepared(
        target=target, schema=schema, members=members, others=others, auxiliary=auxiliary,
        members_people=people[0], others_people=whose, auxiliary_people=theirs,
        known=_known(case, schema), knows_label=case.knows_label, train=train,
        notes=tuple(notes), model_digest=case.model_digest or _digest(target, members),
        shape=_shape(case.shape, schema), decoder=case.decoder,
        released=None if case.released is None else table(case.released, "released"),
        score=case.score,
    )  # fmt: skip


def _digest(target: Target, members: Dataset) -> str:
    """Name a model in memory by what it answers to its members."""
    told = target.members if isinstance(target, Recorded) else target.ask(members)
    parts = [told.label, told.scores, told.value, told.vector]
    return fingerprint([part.tobytes().hex() for part in parts if part is not None])


# Columns and their roles ----------------------------------------------------------------------


def _schema(case: Case, members: Dataset) -> Schema:
    sensitive = _list(case.sensitive)
    identifiers = [name for name in _list(case.identifiers) if name != case.person]
    if case.label in sensitive:
        raise ConfigError(
            f"sensitive column {case.label!r}", "it is the label, which the attacker may know",
            "Name a column that the model takes; to attack labels, use membership attacks",
        )  # fmt: skip
    named = [*dict.fromkeys(sensitive), *dict.fromkeys(identifiers), case.label]
    named += [] if case.person is None else [case.person]
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise ConfigError(
            f"column {twice[0]!r}", "it has two roles",
            "Make it one of: label, sensitive, identifier, person",
        )  # fmt: skip
    roles: dict[str, Role] = dict.fromkeys(identifiers, "identifier")
    roles.update(dict.fromkeys(sensitive, "sensitive"))
    roles[case.label] = "label"
    return Schema.of(members.names, roles, dict(case.domains), case.person)


def _shape(shape: tuple[int, ...] | None, schema: Schema) -> tuple[int, ...] | None:
    if shape is not None and prod(shape) != len(schema.inputs):
        raise ConfigError(
            f"the shape {shape}", f"the model takes {len(schema.inputs)} columns",
            "Give the height, width and channels of one image",
        )  # fmt: skip
    return shape


def _list(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _known(case: Case, schema: Schema) -> tuple[str, ...]:
    inputs = schema.inputs
    known = inputs if case.known is None else _list(case.known)
    for name in known:
        if name not in inputs:
            told = "it is the label" if name == schema.label else "the model has no such column"
            raise ConfigError(
                f"known column {name!r}", f"{told}{nearest(name, inputs)}",
                f"Use some of: {', '.join(inputs)}; the label is known by label = true",
            )  # fmt: skip
    for hidden in schema.sensitive:
        if not case.knows_label and not set(known) - {hidden}:
            raise ConfigError(
                f"what the attacker knows when {hidden!r} is hidden", "nothing",
                "Name a column in knows, or let them know the label",
            )  # fmt: skip
    return tuple(name for name in inputs if name in known)


# The model ------------------------------------------------------------------------------------


def _target(
    model: Any, tables: Mapping[str, Dataset], places: NDArray[np.intp], schema: Schema,
    shape: tuple[int, ...] | None,
) -> Target:  # fmt: skip
    members = tables["members"]
    if isinstance(model, Recorded):
        return _recorded(model, members, places)
    labels = members[schema.label]
    if isinstance(model, Target):
        target: Target = model
    elif is_module(model):
        return torch_target(model, schema.inputs, unique(labels), shape)
    elif callable(model) and not hasattr(model, "predict"):
        return callable_target(model, members, schema.inputs, labels)
    else:
        target = local(model, _columns(model, schema), labels)
    if target.classes is not None:
        strange = (positions(labels, target.classes) < 0).mean()
        if strange > 0:
            raise ModelError(
                f"the label {schema.label!r}",
                f"{strange:.0%} of the members' labels are none of the model's classes",
                "Give the label that the model was trained on, written alike",
            )  # fmt: skip
    return target


def _recorded(model: Recorded, members: Dataset, places: NDArray[np.intp]) -> Recorded:
    """Keep the answers about the others who are judged."""
    if len(model.members) != len(members) or len(model.others) <= places.max():
        raise ModelError(
            "recorded answers", "not one for every row of members and others",
            "Record one per row, in the order of the tables",
        )  # fmt: skip
    return replace(model, others=model.others.take(places))


def _columns(model: Any, schema: Schema) -> list[str]:
    """The model's columns in its own order, where it names them."""
    named = getattr(model, "feature_names_in_", None)
    own = schema.inputs if named is None else [str(name) for name in named]
    if extra := [name for name in schema.inputs if name not in own]:
        raise ModelError(
            "the model's columns", f"the data has {', '.join(extra)}, which the model never got",
            f'Give the role "identifier" to: {", ".join(extra)}',
        )  # fmt: skip
    if lacking := [name for name in own if name not in schema.inputs]:
        raise ModelError(
            "the model's columns", f"the data lacks {', '.join(lacking)} as features",
            "Give the table that the model was trained on",
        )  # fmt: skip
    return own


def twins(rows: Dataset, others: Dataset) -> NDArray[np.bool_]:
    """Mark the rows (n,) that have an equal row among the others."""
    there = set(row_tokens(others))
    return np.array([token in there for token in row_tokens(rows)], dtype=bool)

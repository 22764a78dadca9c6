"""What a case must hold together: its tables, its people, its hidden columns, its answers.

Every check says what was asked, what was found and what to do, in names and counts: no message
holds a value of a person's record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.column import Column, is_missing
from reticent.dataset import Dataset
from reticent.errors import ConfigError, DataError, ModelError
from reticent.schema import Domain, Schema
from reticent.target import Target
from reticent.targets.answers_file import Recorded

TABLES = ("members", "others", "auxiliary")
FEWEST = {"members": 2, "others": 2, "auxiliary": 10}  # people without whom nothing can be run
PROBED = 8  # rows with gaps that the model is asked about beforehand

Codes = NDArray[np.intp]


# Tables ---------------------------------------------------------------------------------------


def table(frame: Any, name: str) -> Dataset:
    """Read a frame; one without rows is an error."""
    rows = Dataset.of(frame)
    if not len(rows):
        raise DataError(f"the table {name}", "it has no rows", "Give at least one row")
    return rows


def aligned(frame: Any, members: Dataset, name: str) -> Dataset:
    """Bring a table to the members' columns and order; a missing column is an error."""
    rows = table(frame, name)
    missing = [column for column in members.names if column not in rows.columns]
    if missing:
        raise DataError(
            f"the table {name}", f"it lacks the members' columns {', '.join(missing)}",
            "Give both tables the same columns, in any order",
        )  # fmt: skip
    columns = {n: _alike(rows[n], members[n], n, name) for n in members.names}
    return Dataset(columns, members.like)


def _alike(column: Column, wanted: Column, name: str, of: str) -> Column:
    """Check that a column is of the members' kind; one without any value is of every kind."""
    kinds = _kind(column), _kind(wanted)
    numeric = {"numbers", "true and false"}
    if kinds[0] == kinds[1] or set(kinds) == numeric or kinds[1] == "nothing":
        return column
    if kinds[0] == "nothing" and kinds[1] != "true and false":
        return np.full(len(column), np.nan if kinds[1] == "numbers" else None)
    if kinds == ("true and false", "true, false and gaps"):
        return column.astype(object)
    raise DataError(
        f"column {name!r}", f"the members have {kinds[1]}, {of} have {kinds[0]}",
        "Write it alike in all tables",
    )  # fmt: skip


def _kind(column: Column) -> str:
    there = column[~is_missing(column)]
    if not len(there):
        return "nothing"
    if column.dtype.kind != "O":
        return "true and false" if column.dtype.kind == "b" else "numbers"
    return "true, false and gaps" if all(isinstance(o, bool) for o in there) else "text"


def labelled(rows: Dataset, schema: Schema, name: str, notes: list[str]) -> tuple[Dataset, Codes]:
    """Leave out the people without a label: the rows that stay, and their places."""
    kept = np.flatnonzero(~is_missing(rows[schema.label]))
    lost = len(rows) - len(kept)
    if lost:
        notes.append(f"{lost} {name} are left out: they have no {schema.label}.")
    return (rows.take(kept) if lost else rows), kept


def check_label(members: Dataset, schema: Schema) -> None:
    """Refuse a label that members lack, or that is the same for all."""
    label = members[schema.label]
    if is_missing(label).any():
        raise DataError(
            f"the label {schema.label!r}", f"{is_missing(label).sum()} members have none",
            "Drop those rows: the model was not trained on them",
        )  # fmt: skip
    if len(set(label.tolist())) < 2:
        raise DataError(
            f"the label {schema.label!r}", "all members have the same one",
            "Attack a model whose answers differ, with the label that it was trained on",
        )  # fmt: skip


# People ---------------------------------------------------------------------------------------


def codes(rows: Dataset, person: str | None, name: str) -> Codes:
    """Number the people (n,) that the rows belong to; without a person column each row is one."""
    if person is None:
        return np.arange(len(rows))
    gaps = is_missing(rows[person])
    if gaps.any():
        raise DataError(
            f"the person column {person!r}", f"{gaps.sum()} rows of {name} have none",
            "Fill or drop them",
        )  # fmt: skip
    return np.unique(rows[person].astype(str), return_inverse=True)[1]


def refuse_same(given: Mapping[str, Any]) -> None:
    """Refuse one table given twice: without a person column nobody else could tell."""
    for first, second in combinations(given, 2):
        if given[first] is given[second] is not None:
            raise DataError(
                f"{first} and {second} as different people", "they are one and the same table",
                f"Give {second} other people",
            )  # fmt: skip


def check_people(tables: Mapping[str, Dataset], codes: Sequence[Codes], person: str | None) -> None:
    """Refuse people who stand in two tables, and tables of too few people."""
    for first, second in combinations(tables, 2):
        if person is None:
            break
        both = set(tables[first][person].tolist()) & set(tables[second][person].tolist())
        if both:
            why = (
                "the model has seen them" if first == "members" else "the attacker would know them"
            )
            raise DataError(
                f"{first} and {second} as different people", f"{len(both)} of them are in both",
                f"Take them out of {second}: {why}",
            )  # fmt: skip
    for (name, rows), whose in zip(tables.items(), codes, strict=True):
        count = int(whose.max()) + 1 if len(rows) else 0
        if count < FEWEST[name]:
            raise DataError(
                f"the table {name}", f"{count} people with a label",
                f"Give at least {FEWEST[name]}; a verdict needs hundreds",
            )  # fmt: skip


def halved(
    others: Dataset, people: Codes, shown: Codes | None = None
) -> list[tuple[Dataset, Codes, Codes]]:
    """Split others by person into two halves, the same ones in every run: rows, people, places.

    Parameters
    ----------
    shown : who is on each picture (n,), where the rows are pictures: all of one person stay in
        one half, or the attacker would begin with pictures of whom they look for.
    """
    count = int(people.max()) + 1 if len(others) else 0
    if count < 2 * FEWEST["auxiliary"]:
        raise DataError(
            "auxiliary people", f"none are given, and {count} others are too few to be halved",
            f"Give auxiliary data, or at least {2 * FEWEST['auxiliary']} others",
        )  # fmt: skip
    if shown is None:
        shown = people
    elif shown.max() + 1 < 2 * FEWEST["others"]:
        raise DataError(
            "auxiliary pictures", f"none are given, and others show {shown.max() + 1} people",
            "Give public pictures as auxiliary data; they need no names",
        )  # fmt: skip
    side = np.random.default_rng(0).permutation(int(shown.max()) + 1)[shown] % 2
    halves = [np.flatnonzero(side == one) for one in (0, 1)]
    return [(others.take(at), np.unique(people[at], return_inverse=True)[1], at) for at in halves]


# What is hidden -------------------------------------------------------------------------------


def check_hidden(
    column: str, domain: Domain | None, tables: Mapping[str, Dataset], notes: list[str]
) -> None:
    """Refuse a hidden column that cannot be guessed: one value, or none of the candidates."""
    text = any(isinstance(value, str) for value in tables["members"][column].tolist())
    if domain is not None and domain.candidates is not None:
        _check_domain(column, domain, text)
        if not domain.public:
            notes.append(
                f"The candidates of {column} were never said to be public: in its domain, write "
                "public = true once anybody may know them."
            )
    for name, rows in tables.items():
        values = rows[column][~is_missing(rows[column])].tolist()
        told = f"{name} have {len(set(values))} value of it"
        if domain is not None and domain.values is not None:
            values = [value for value in values if value in domain.values]
            told = f"{name} have {len(set(values))} of the {len(domain.values)} in its domain"
        if len(set(values)) > 1:
            continue
        if name == "others" and values:
            notes.append(f"All others have the same {column}: what was memorized stays unmeasured.")
            continue
        raise DataError(
            f"the sensitive column {column!r}", told.replace("0 value", "no value"),
            "Attack a column that differs between people, and write its domain as the data has it",
        )  # fmt: skip


def _check_domain(column: str, domain: Domain, text: bool) -> None:
    wrong = [value for value in domain.values or () if isinstance(value, str) != text]
    if wrong or (text and domain.values is None and domain.bins is not None):
        raise ConfigError(
            f"the domain of {column!r}",
            f"the data has {'text' if text else 'numbers'}, the domain something else",
            f"Write the values as the data has them, {'in quotes' if text else 'without quotes'}",
        )  # fmt: skip


# Answers and classes ---------------------------------------------------------------------------


def check_answers(target: Target, tables: Mapping[str, Dataset]) -> None:
    """Ask about a few people before anything is trained, those with gaps above all."""
    if isinstance(target, Recorded):
        return
    target.ask(tables["members"].take(slice(0, 2)))
    for name, rows in tables.items():
        gaps = {one: is_missing(rows[one]) for one in target.columns if is_missing(rows[one]).any()}
        if not gaps:
            continue
        some = np.flatnonzero(np.any(list(gaps.values()), axis=0))[:PROBED]
        try:
            target.ask(rows.take(some))
        except ModelError as error:
            told = ", ".join(f"{one} ({gap.sum()} rows)" for one, gap in gaps.items())
            raise DataError(
                f"answers about {name} with missing values",
                f"the model takes none ({error.found}); some are missing in {told}",
                "Fill them as the model's makers did, or drop those rows",
            ) from None  # fmt: skip


def check_classes(auxiliary: Dataset, schema: Schema, target: Target) -> None:
    """Refuse auxiliary people of one class: no shadow model can be trained on them."""
    if target.classes is not None and len(set(auxiliary[schema.label].tolist())) < 2:
        raise DataError(
            f"the label {schema.label!r}", "all auxiliary people have the same one",
            "Give auxiliary people of every class: the attacker trains models on them",
        )  # fmt: skip

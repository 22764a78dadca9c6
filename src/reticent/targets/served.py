"""A model file, ready to be asked row by row: as a graph where one agrees, else as it is."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from reticent.column import Column, is_missing
from reticent.dataset import Dataset
from reticent.errors import ModelError, UntrustedModelError
from reticent.evidence import fingerprint, write
from reticent.target import Target
from reticent.targets.card import Card, card_of, load_card, save_card
from reticent.targets.child import Report, looked_at
from reticent.targets.load import RUNS_CODE, digest, from_bytes, load_estimator, vouched
from reticent.targets.native import in_order, named, native
from reticent.targets.onnx import input_names, load_onnx, opened

COMPARED = 500  # members that a graph and its model are both asked about
PACKAGES = ("skl2onnx", "scikit-learn", "onnxruntime", "onnx", "numpy", "reticent")


@dataclass(frozen=True, slots=True)
class Served:
    """A model, ready.

    Attributes
    ----------
    target : to be asked. card : its face, as callers see it.
    costly : whether a row takes so long that it is asked in threads, merged with others.
    how : which of its forms answers, and why, in one sentence.
    """

    target: Target
    card: Card
    costly: bool
    how: str


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a model before it is loaded.

    Attributes
    ----------
    rows : some complete members, to compare with; none where the training table is not at hand.
    columns : in the schema's order. labels : known labels (n,). like : an empty frame.
    """

    rows: Dataset
    columns: list[str]
    labels: Column
    like: Any


class Kept(msgspec.Struct, frozen=True):
    """A conversion of an earlier start, beside its graph.

    Attributes
    ----------
    how, names : as the child told. graph : SHA-256 of the graph; None: there is none.
    asked : of the columns and their types. packages : versions of what took part.
    """

    how: str
    names: tuple[str, ...] | None
    graph: str | None
    asked: str
    packages: dict[str, str]


def served(
    path: Path, state: Path, *, name: str, label: str, columns: list[str],
    members: Dataset | None, trust_pickle: str | None = None,
) -> Served:  # fmt: skip
    """Load a model file to serve it, and keep its card and its graph for the next start.

    Parameters
    ----------
    state : the project's folder of state. name : of the model, as callers write it.
    label : the column that it predicts. columns : its inputs, in the schema's order.
    members : the training table; None where it is not at hand, and the card has to do.
    trust_pickle : the SHA-256 of a pickle that a person vouches for.

    Raises
    ------
    ConfigError : no training table, and no card of this very file.
    UntrustedModelError, ModelError, MissingExtraError, DataError : it cannot be served.
    """
    found = digest(path)
    if members is None:
        card = msgspec.structs.replace(load_card(state / "card.json", found), name=name)
        known = _from_card(card)
    else:
        known = Known(_complete(members.select(columns)), columns, members[label], members.like)
    target, costly, how = _form(path, state, found, known, trust_pickle)
    if members is not None:
        target.ask(known.rows.take(slice(0, 1)))  # better now than at the first request
        taken = [column for column in columns if column in target.columns]
        card = card_of(found, name, members, taken, target, label)
        save_card(card, state / "card.json")
    return Served(target, card, costly, how)


def _from_card(card: Card) -> Known:
    empty = {name: np.empty(0, dtype) for name, dtype in zip(card.columns, card.held, strict=True)}
    return Known(Dataset(empty), list(card.columns), card.labels, card.like())


def _complete(rows: Dataset) -> Dataset:
    """Draw some rows without gaps: a gateway takes no others."""
    gaps = np.any([is_missing(column) for column in rows.columns.values()], axis=0)
    whole = np.flatnonzero(~gaps)
    drawn = np.random.default_rng(0).permutation(whole)[:COMPARED]
    return rows.take(np.sort(drawn))


def _form(
    path: Path, state: Path, found: str, known: Known, trust_pickle: str | None
) -> tuple[Target, bool, str]:
    """Choose the form in which a model answers: the target, whether it is costly, and why."""
    if path.suffix == ".onnx":
        names = input_names(path)
        in_order(names, known.columns, path)
        columns = [name for name in known.columns if names is None or name in names]
        return load_onnx(path, columns, known.labels, threads=1), False, "ONNX, as given"
    if path.suffix not in (".skops", *RUNS_CODE):
        model = load_estimator(path)
        target = _native(model, named(model, known.columns), known, path)
        return target, True, "native because its own library reads and asks it"
    content = _content(path, found, trust_pickle)
    report = _kept(state, found, known, path)
    if report is None:
        report = _look(path, content, known)
        if len(known.rows):
            _keep(report, state, found, known, path)
    if report.graph is None:
        return _native(from_bytes(content, path), report.names, known, path), True, report.how
    columns = in_order(report.names, known.columns, path)
    return opened(report.graph, path, columns, known.labels, threads=1), False, report.how


def _native(model: Any, names: Any, known: Known, path: Path) -> Target:
    return native(model, in_order(names, known.columns, path), known.like, known.labels)


def _content(path: Path, found: str, trust_pickle: str | None) -> bytes:
    """Read a skops file or a pickle once: what was hashed is what is looked at and loaded."""
    if path.suffix in RUNS_CODE:
        return vouched(path, found, trust_pickle)
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != found:
        raise UntrustedModelError(
            f"the model {path}", "it changed while it was checked", "Find out who writes to it"
        )
    return content


def _look(path: Path, content: bytes, known: Known) -> Report:
    """Have a child convert a model; a pickle that breaks it was vouched for, and stays native."""
    try:
        return looked_at(path, content, known.columns, known.rows, known.labels)
    except ModelError as error:
        if path.suffix not in RUNS_CODE:
            raise
        model = from_bytes(content, path)
        names = named(model, known.columns)
        how = f"native because it could not be converted: {error.found}"
        return Report("native", how, None if names is None else tuple(names))


# What is kept for the next start --------------------------------------------------------------


def _packages() -> dict[str, str]:
    return {name: metadata.version(name) for name in PACKAGES}


def _asked(known: Known, names: tuple[str, ...] | None, path: Path) -> str:
    columns = in_order(names, known.columns, path)
    return fingerprint([*columns, *(known.rows[name].dtype.name for name in columns)])


def _keep(report: Report, state: Path, found: str, known: Known, path: Path) -> None:
    place = state / "models" / f"{found}.onnx"
    graph = None
    if report.graph is not None:
        graph = hashlib.sha256(report.graph).hexdigest()
        write(place, report.graph)
    asked = _asked(known, report.names, path)
    kept = Kept(report.how, report.names, graph, asked, _packages())
    write(place.with_suffix(".json"), msgspec.json.encode(kept))


def _kept(state: Path, found: str, known: Known, path: Path) -> Report | None:
    """Read what an earlier start found out of this very file, if all that it rests on is alike."""
    place = state / "models" / f"{found}.onnx"
    try:
        kept = msgspec.json.decode(place.with_suffix(".json").read_bytes(), type=Kept)
        graph = None if kept.graph is None else place.read_bytes()
    except (OSError, msgspec.DecodeError):
        return None
    whole = graph is None or hashlib.sha256(graph).hexdigest() == kept.graph
    if not whole or kept.packages != _packages() or kept.asked != _asked(known, kept.names, path):
        return None
    return Report("native" if graph is None else "converted", kept.how, kept.names, graph)

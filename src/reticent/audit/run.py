"""An audit from end to end: Case -> Known -> Guess -> Finding -> Evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from reticent import __version__
from reticent.audit.advice import advise
from reticent.audit.canaries import toss
from reticent.audit.case import Case, Prepared
from reticent.audit.found import Found
from reticent.audit.live import UNTRAINED, notes, quietly, view_of
from reticent.audit.measure import Guard, Subject, View, measure, subject, training_errors
from reticent.audit.options import Options
from reticent.audit.score import Contrast, conclude
from reticent.audit.shadows import ShadowModel, train_shadows
from reticent.audit.utility import as_rate, loss, utility
from reticent.contract import Contract, Policy
from reticent.dataset import Dataset
from reticent.errors import ConfigError
from reticent.evidence import (
    Advice,
    Attacker,
    Configuration,
    Evidence,
    NotRun,
    Subjects,
    dated,
    fingerprint,
)
from reticent.finding import Rate
from reticent.randomness import generator
from reticent.schema import Schema
from reticent.target import Reveals, Target
from reticent.targets.answers_file import Recorded
from reticent.targets.contracted import behind
from reticent.targets.gate import Gate, fit_gate
from reticent.targets.kept import BrokenError

Floats = NDArray[np.float64]
FAMILIES = {  # beside attacks on hidden columns: what measures them, in the order they are told
    "membership": "memberships",
    "face": "faces",
    "record": "records",
    "embedding": "embeddings",
    "linkage": "linkages",
}
LEADING = ("rmia", "latent_gradient", "latent_evolution", "label_sphere")  # fixed beforehand


@dataclass(frozen=True, slots=True)
class Measured:
    """One case in several configurations, measured and not yet judged."""

    contrasts: list[Contrast]
    worth: list[tuple[Configuration, Floats | None]]
    notes: tuple[str, ...]
    not_run: tuple[NotRun, ...]
    subjects: Subjects
    attacker: Attacker
    advice: tuple[Advice, ...] = ()


def audit(
    case: Case,
    contracts: Mapping[str, Contract | None],
    options: Options,
    live: Target | None = None,
) -> Evidence:
    """Attack a case in each configuration and conclude.

    Parameters
    ----------
    contracts : configuration name to contract; None is the bare model.
    live : an endpoint that is attacked in the model's place; shadows answer through the contract
        that it is said to enforce.
    """
    return conclude_all([examine(case.prepared(), contracts, options, live=live)], options)


def examine(
    case: Prepared,
    contracts: Mapping[str, Contract | None],
    options: Options,
    subjects: dict[str, Subject] | None = None,
    live: Target | None = None,
) -> Measured:
    """Measure every attack on every sensitive column behind every contract.

    Parameters
    ----------
    subjects : hidden column to its baseline, where the same people were examined before; what is
        missing is added.
    live : an endpoint that is attacked in the model's place.
    """
    options = options if live is None else quietly(options)
    # Contracts first: one that cannot hold is told before anything is trained.
    views = [_view(case, name, contract, options, live) for name, contract in contracts.items()]
    wanted = called(case, views, options)
    tracked = Steps(options, case, contracts, wanted)
    subjects = {} if subjects is None else subjects
    contrasts: list[Contrast] = []
    not_run: tuple[NotRun, ...] = ()
    if options.names and case.schema.sensitive:
        not_run = () if live is None else (UNTRAINED,)
        views = _imputed(case, views, subjects, options, tracked)
        for view in views:
            for column in case.schema.sensitive:
                contrasts += measure(
                    case, view, subjects[column], options.names, options.seed, tracked
                )
        if options.canaries:
            found, not_run = toss(case, views, subjects, options, tracked)
            contrasts = _beside(contrasts, found)
    advice = _advice(case, contrasts, contracts, subjects, options, tracked)
    parts = [
        _of_family(one, names, case, views, options, tracked) for one, names in wanted.items()
    ]  # fmt: skip
    contrasts += [one for part in parts for one in part.contrasts]
    not_run += tuple(one for part in parts for one in part.not_run)
    itself = "the model itself" if live is None else "as the endpoint answers"
    worth = [_worth(case, view, contracts[view.name], options.seed, itself) for view in views]
    about = _subjects(case, contracts)
    told = _notes(case, subjects) + (() if live is None else notes(contracts))
    told += tuple(note for part in parts for note in part.notes)
    return Measured(contrasts, worth, told, not_run, about,
                    Attacker(case.known, case.knows_label), advice)  # fmt: skip


def _of_family(
    name: str, attacks: Sequence[str], case: Prepared, views: Sequence[View], options: Options,
    step: Steps,
) -> Found:  # fmt: skip
    """Measure one family; where an endpoint broke off, what it had found is not kept."""
    measured = import_module(f"reticent.audit.{FAMILIES[name]}").measure
    try:
        found: Found = measured(case, views, attacks, options, step)
    except BrokenError as error:
        reason = f"not finished: {error.found}"
        return Found([], tuple(NotRun(attack, reason) for attack in attacks))
    order = [view.name for view in views]
    contrasts = [
        replace(one, finding=msgspec.structs.replace(one.finding, family=name))
        for one in found.contrasts
    ]
    contrasts.sort(key=lambda one: (order.index(one.finding.configuration), *_place(one)))
    return replace(found, contrasts=contrasts)


def _place(one: Contrast) -> tuple[bool, int]:
    """Where a finding stands in its view: what could not be run last, the expected best first."""
    name = one.finding.attack
    return one.advantage is None, LEADING.index(name) if name in LEADING else len(LEADING)


def called(case: Prepared, views: Sequence[View], options: Options) -> dict[str, list[str]]:
    """The families beside the hidden columns that are to be run, and their attacks.

    Raises
    ------
    ConfigError : there is nothing to attack.
    """
    for_it = {
        "face": case.shape is not None and len(case.shape) > 1,
        "embedding": any(Reveals.VECTOR in view.target.reveals for view in views),
        "linkage": case.released is not None,
    }
    wanted = {one: options.of(one, for_it.get(one, False)) for one in FAMILIES}
    if not case.schema.sensitive and (
        not any(wanted.values()) or (options.attacks and options.names)
    ):
        raise ConfigError(
            "the sensitive column", "none is named",
            'Add: NAME = "sensitive"; or ask for attacks without one: --attacks membership',
        )  # fmt: skip
    return {one: names for one, names in wanted.items() if names}


def _imputed(
    case: Prepared, views: Sequence[View], subjects: dict[str, Subject], options: Options,
    step: Steps,
) -> list[View]:  # fmt: skip
    """Train shadows for the views, and the baselines that are missing."""
    models = _shadows(case, options, step)
    for column in case.schema.sensitive:
        step(f"imputing {column} without the model")
        if column not in subjects:
            subjects[column] = subject(case, column, options.seed)
    return [replace(view, models=models) for view in views]


def _advice(
    case: Prepared, contrasts: Sequence[Contrast], contracts: Mapping[str, Contract | None],
    subjects: Mapping[str, Subject], options: Options, step: Steps,
) -> tuple[Advice, ...]:  # fmt: skip
    """Ask for advice on the columns that the bare model gives away."""
    bare = [name for name, contract in contracts.items() if contract is None]
    leaking = [
        found.hidden
        for found in conclude(list(contrasts), options.risk)
        if found.verdict == "leaks" and found.configuration in bare
    ]
    columns = dict.fromkeys(leaking) if options.advice else ()
    given = (advise(case, subjects[column], options, step) for column in columns)
    return tuple(one for one in given if one is not None)


def conclude_all(
    runs: Sequence[Measured], options: Options, order: Sequence[str] | None = None
) -> Evidence:
    """Judge everything that was measured as one run.

    Parameters
    ----------
    order : the configurations in the order they are to be told; utility is lost against the first.
    """
    contrasts = [one for run in runs for one in run.contrasts]
    worth = [one for run in runs for one in run.worth]
    if order is not None:
        contrasts.sort(key=lambda one: order.index(one.finding.configuration))
        worth.sort(key=lambda one: order.index(one[0].name))
    created, expires = dated()
    return Evidence(
        reticent_version=__version__, created=created, expires=expires, seed=options.seed,
        subjects=_joined([run.subjects for run in runs]),
        findings=tuple(conclude(contrasts, options.risk)),
        configurations=tuple(
            msgspec.structs.replace(one, utility_loss=loss(worth[0][1], own, one.utility.n))
            if place else one
            for place, (one, own) in enumerate(worth)
        ),
        attacker=runs[0].attacker, risk=options.risk,
        notes=tuple(dict.fromkeys(note for run in runs for note in run.notes)),
        not_run=tuple(one for run in runs for one in run.not_run),
        advice=tuple(one for run in runs for one in run.advice),
        self_test=options.self_test,
    )  # fmt: skip


class Steps:
    """Counts the steps of a run, so that progress can tell the time left."""

    def __init__(
        self, options: Options, case: Prepared, contracts: Mapping[str, object],
        wanted: Mapping[str, Sequence[str]],
    ) -> None:  # fmt: skip
        columns, attacks = len(case.schema.sensitive), len(options.names)
        columns = columns if attacks else 0
        self._total = 1 + columns + columns * len(contracts) * (attacks + 1 + options.canaries)
        if options.advice and None in contracts.values():
            self._total += columns * len(case.train.settings())
        self._total += len(contracts) * sum(map(len, wanted.values()))
        self._done = 0
        self._tell = options.progress

    def __call__(self, what: str) -> None:
        """Tell that the next step begins."""
        self._tell(min(self._done, self._total), self._total, what)
        self._done += 1


def _shadows(case: Prepared, options: Options, step: Steps) -> list[ShadowModel]:
    step(f"training {options.shadows} shadow models")
    return train_shadows(
        case.train, case.auxiliary, case.auxiliary_people, options.seed,
        count=options.shadows, backend=options.backend, fits=options.fits,
    )  # fmt: skip


def _view(
    case: Prepared, name: str, contract: Contract | None, options: Options, live: Target | None
) -> View:
    """One configuration, its shadows yet to be trained."""
    if contract is not None and isinstance(case.target, Recorded) and live is None:
        raise ConfigError(
            f"the view {name!r} of recorded answers", "there is no model to ask through a contract",
            "Leave the roles out, or give the model itself",
        )  # fmt: skip
    guard = guard_of(case, contract, options)
    if live is not None:
        return view_of(live, case, name, contract, guard)
    digest = "" if contract is None else contract.digest
    errors = training_errors(case.target, case.members, case.label)
    return View(name, digest, guard(case.target), guard, (), errors)


def guard_of(case: Prepared, contract: Contract | None, options: Options) -> Guard:
    """Return what puts a target behind a contract, with the key and the gate that it needs."""
    if contract is None:
        return lambda target: target
    key = options.noise_key or generator(options.seed, "noise").bytes(32)
    gate = None
    if contract.abstain and contract.abstain.honest is not None:
        gate = gate_for(
            case.auxiliary, case.schema, contract, contract.abstain.honest, options.seed
        )
    return lambda target: behind(target, contract, case.schema, key=key, gate=gate)


def gate_for(honest: Dataset, schema: Schema, contract: Contract, share: float, seed: int) -> Gate:
    """Fit the gate of one contract on honest people, on the columns that it does not marginalize.

    Raises
    ------
    DataError : too few honest people.
    """
    columns = [name for name in schema.inputs if name not in contract.marginalize]
    return fit_gate(honest, columns, schema.label, share, generator(seed, "gate"))


def _worth(
    case: Prepared, view: View, contract: Contract | None, seed: int, itself: str
) -> tuple[Configuration, Floats | None]:
    n = len(case.others)
    try:
        own = utility(case, view.target, seed)
        worth = as_rate(own, n)
    except BrokenError as error:
        own, worth = None, Rate.none(n, f"not finished: {error.found}")
    says = itself if contract is None else contract.summary()
    measure: Literal["accuracy", "r2"] = "r2" if view.target.classes is None else "accuracy"
    return Configuration(view.name, says, view.contract, worth, measure=measure), own


def _beside(contrasts: list[Contrast], found: list[Contrast]) -> list[Contrast]:
    """Put each configuration's canary findings behind its other findings on the same column."""
    keyed = {(one.finding.configuration, one.finding.hidden): one for one in found}
    placed: list[Contrast] = []
    for place, one in enumerate(contrasts):
        placed.append(one)
        key = (one.finding.configuration, one.finding.hidden)
        following = contrasts[place + 1].finding if place + 1 < len(contrasts) else None
        if following is None or (following.configuration, following.hidden) != key:
            placed += [keyed[key]] if key in keyed else []
    return placed


def _notes(case: Prepared, subjects: Mapping[str, Subject]) -> tuple[str, ...]:
    notes = list(case.notes)
    for column, one in subjects.items():
        aucs = ", ".join(f"{name} {area:.3f}" for name, area in one.imputation.aucs.items())
        notes.append(f"Baseline for {column}: {one.imputation.learner} (AUC on auxiliary: {aucs}).")
        for name, side in (("members", one.members), ("others", one.others)):
            lost = len(side.people.truth) - len(side.people.there)
            if lost:
                notes.append(
                    f"{lost} {name} are left out for {column}: no value, or one that is not "
                    "among the candidates."
                )
    return tuple(notes)


def _subjects(case: Prepared, contracts: Mapping[str, Contract | None]) -> Subjects:
    policy = Policy({name: one for name, one in contracts.items() if one is not None})
    data = fingerprint([rows.digest() for rows in (case.members, case.others, case.auxiliary)])
    return Subjects(case.model_digest, data, policy.digest)


def _joined(parts: Sequence[Subjects]) -> Subjects:
    if len(parts) == 1:
        return parts[0]
    return Subjects(*(fingerprint([getattr(one, field) for one in parts])
                      for field in Subjects.__struct_fields__))  # fmt: skip

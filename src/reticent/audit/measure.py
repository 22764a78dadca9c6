"""One configuration measured: every attack on every hidden column, beside its baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from reticent import stats
from reticent.attacks import named
from reticent.attacks.attack import Guess, obstacle
from reticent.attacks.baseline.imputation import Imputation, impute
from reticent.attacks.grid import as_known
from reticent.attacks.known import Hidden, Known, Shadow, apart, hide
from reticent.audit.case import Prepared, twins
from reticent.audit.harm import worst_rows, worst_subgroup
from reticent.audit.score import Contrast, Judged, Scored, judged, scored
from reticent.audit.shadows import ShadowModel, shadows_of
from reticent.dataset import Dataset
from reticent.finding import Finding
from reticent.randomness import generator, subseed
from reticent.target import Answer, Target
from reticent.targets.answers_file import Recorded
from reticent.targets.kept import BrokenError
from reticent.targets.local import positions
from reticent.targets.wrap import Metered, Remembered, fresh

Floats = NDArray[np.float64]
Guard = Callable[[Target], Target]
Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Side:
    """Members or others, ready to be attacked: what is known of them, and the truth apart."""

    rows: Dataset
    people: Judged
    imputed: Floats
    baseline: Scored
    twin: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Subject:
    """One hidden column of a case: its values, its no-model baseline and both sides.

    It depends on the people only, so all configurations share it.
    """

    hidden: Hidden
    imputation: Imputation
    members: Side
    others: Side


def subject(case: Prepared, column: str, seed: int) -> Subject:
    """Fit the no-model baseline for one hidden column and judge it on both sides."""
    hidden = hide(column, case.schema.domains.get(column), case.auxiliary)
    imputation = impute(case.auxiliary, case.auxiliary_people, hidden, case.knows(column),
                        subseed(seed, "impute", column))  # fmt: skip
    shares = np.bincount(
        np.maximum(hidden.codes(case.auxiliary[column]), 0), minlength=len(hidden.values)
    ).astype(float)
    compared = [*case.schema.inputs, case.label]
    both = case.members.select(compared), case.others.select(compared)

    def side(rows: Dataset, codes: NDArray[np.intp], name: str, twin: NDArray[np.bool_]) -> Side:
        sample = stats.resample(codes, generator(seed, "bootstrap", name))
        people = judged(hidden, rows[column], sample, shares)
        imputed = imputation.log_probability(rows)
        return Side(rows, people, imputed, scored(Guess(imputed), people), twin)

    return Subject(
        hidden,
        imputation,
        side(case.members, case.members_people, "members", twins(both[0], both[1])),
        side(case.others, case.others_people, "others", twins(both[1], both[0])),
    )


@dataclass(frozen=True, slots=True)
class View:
    """One configuration: a name, a contract's digest, the guarded target and its shadows' guard."""

    name: str
    contract: str
    target: Target
    guard: Guard
    models: Sequence[ShadowModel]
    errors: Floats | None


def training_errors(target: Target, members: Dataset, label: str) -> Floats | None:
    """What a model's makers publish of its training error: counts, or its width (1, 1).

    None for an encoder, which tells no answer that could be wrong.
    """
    told = target.members if isinstance(target, Recorded) else target.ask(members)
    if told.value is None and told.label is None:
        return None
    labels = members[label]
    if target.classes is None:
        assert told.value is not None
        return np.array([[np.std(labels.astype(float) - told.value)]])
    assert told.label is not None
    k = len(target.classes)
    counts = np.zeros((k, k))
    places = positions(labels, target.classes)
    there = (places >= 0) & (told.label >= 0)
    np.add.at(counts, (places[there], told.label[there]), 1)
    return counts


def measure(
    case: Prepared, view: View, subject: Subject, attacks: Sequence[str], seed: int, step: Step
) -> list[Contrast]:
    """Run attacks on one hidden column in one configuration; the best comes first.

    The best is chosen on shadow models, where the attacker knows the truth, never on the people
    it is reported on.
    """
    shadows = shadows_of(view.models, view.guard, subject.hidden, case.auxiliary,
                         case.auxiliary_people, subject.imputation.held_out)  # fmt: skip
    target = Remembered(view.target)
    sides = {"members": subject.members, "others": subject.others}
    notebook: dict[str, Any] = {}
    seen = [
        _known(case, view, subject, side, name, shadows, notebook) for name, side in sides.items()
    ]
    found: dict[str, Contrast] = {}
    for name in attacks:
        step(f"{view.name}: {name} on {subject.hidden.column}")
        reason = obstacle(named(name), target, seen[0])
        if reason is not None:
            found[name] = _not_applicable(view, subject, name, reason)
            continue
        # Both sides draw alike: a difference between them is never the attack's own chance.
        draws = (view.name, subject.hidden.column, name)
        try:
            on_members, queries = guessed(name, target, seen[0], generator(seed, *draws))
            on_others, _ = guessed(name, target, seen[1], generator(seed, *draws))
        except BrokenError as error:
            found[name] = _unfinished(view, subject, name, error)
            continue
        found[name] = contrast(view, subject, name, on_members, on_others, queries,
                               case.knows(subject.hidden.column))  # fmt: skip
    able = [name for name in found if found[name].advantage is not None]
    step(f"{view.name}: choosing on shadows")
    rank = rehearse(able, seen[0], shadows, seed)
    order = sorted(found, key=lambda name: (-rank.get(name, 0.0), name))
    return [found[name] for name in order[:1]] + [found[name] for name in sorted(order[1:])]


def guessed(name: str, target: Target, known: Known, rng: np.random.Generator) -> tuple[Guess, int]:
    """Let one attack guess, and say how many queries that took.

    It begins as a new principal, before the target and before every shadow: what another attack
    tried is not counted against it.
    """
    shadows = [replace(shadow, target=fresh(shadow.target)) for shadow in known.shadows]
    meter = Metered(fresh(target))
    guess = named(name).guess(meter, replace(known, shadows=shadows), rng)
    return guess, meter.queries


def _known(
    case: Prepared, view: View, subject: Subject, side: Side, name: str,
    shadows: Sequence[Shadow], notebook: dict[str, Any],
) -> Known:  # fmt: skip
    column = subject.hidden.column
    return Known(
        rows=side.rows.select(case.knows(column)),
        hidden=subject.hidden,
        label=case.label,
        knows_label=case.knows_label,
        auxiliary=case.auxiliary,
        imputed=side.imputed,
        shadows=shadows,
        observed=_recorded(view.target, name),
        errors=view.errors,
        notebook=notebook,
    )


def _recorded(target: Target, name: str) -> Answer | None:
    """The answers that were given away about the people: those of a file, none of a model."""
    if not isinstance(target, Recorded):
        return None
    return target.members if name == "members" else target.others


def rehearse(
    names: Sequence[str], known: Known, shadows: Sequence[Shadow], seed: int, held: int = 2
) -> Mapping[str, float]:
    """Attack held-out shadows whose members' truth the attacker has: name to mean macro AUC.

    People of a held-out shadow are taken out of the others, or an attack that learned them by
    heart would win.
    """
    areas: dict[str, list[float]] = {name: [] for name in names}
    for place, shadow in enumerate(shadows[:held]):
        rest = [apart(other, shadow) for p, other in enumerate(shadows) if p != place]
        view = replace(as_known(shadow, known), shadows=[one for one in rest if len(one.truth)])
        once = stats.Resamples(np.ones((len(shadow.truth), 1), dtype=np.int16))
        for name in names:
            guess, _ = guessed(name, shadow.target, view, generator(seed, "rehearse", name))
            areas[name].append(float(stats.macro_auc(once, guess.scores, shadow.truth)[0]))
    return {name: float(np.nanmean(found)) if found else 0.0 for name, found in areas.items()}


def contrast(
    view: View, subject: Subject, name: str, on_members: Guess, on_others: Guess, queries: int,
    known: Sequence[str],
) -> Contrast:  # fmt: skip
    """Hold one attack's guesses against the truth and the baseline, on both sides."""
    members, others = subject.members, subject.others
    hit, missed = scored(on_members, members.people), scored(on_others, others.people)
    advantage = hit.auc - members.baseline.auc
    beyond = missed.auc - others.baseline.auc
    unmeasured = np.isnan(advantage[0])
    alone = np.flatnonzero(~members.twin)
    finding = _blank(view, subject, name)
    finding = msgspec.structs.replace(
        finding,
        members=hit.score, others=missed.score, queries=queries,
        twins=int(members.twin.sum()),
        without_twins=scored(on_members.take(alone), members.people.take(alone)).score.auc,
        worst_subgroup=worst_subgroup(on_members, members.people, members.rows.select(known)),
        worst_rows=worst_rows(on_members, members.imputed, members.people),
    )  # fmt: skip
    if unmeasured:
        reason = hit.score.auc.reason or members.baseline.score.auc.reason
        return Contrast(
            msgspec.structs.replace(finding, verdict="underpowered", reason=reason), None, None, 0
        )
    differs = not np.isnan(beyond[0])
    fewest = min(members.people.fewest, others.people.fewest) if differs else members.people.fewest
    averaged = members.people.k if members.people.k > 2 else 1
    return Contrast(finding, advantage, advantage - beyond if differs else None, fewest, averaged)


def _not_applicable(view: View, subject: Subject, name: str, reason: str) -> Contrast:
    finding = msgspec.structs.replace(_blank(view, subject, name), reason=reason)
    return Contrast(finding, None, None, 0)


def _unfinished(view: View, subject: Subject, name: str, error: BrokenError) -> Contrast:
    finding = _blank(view, subject, name)
    reason = f"not finished: {error.found}"
    finding = msgspec.structs.replace(finding, verdict="underpowered", reason=reason)
    return Contrast(finding, None, None, 0)


def _blank(view: View, subject: Subject, name: str) -> Finding:
    """A finding of an attack that has not been run, beside its baseline."""
    return msgspec.structs.replace(
        Finding.blank(view.name, view.contract, name, subject.hidden.column),
        baseline_members=subject.members.baseline.score,
        baseline_others=subject.others.baseline.score,
    )

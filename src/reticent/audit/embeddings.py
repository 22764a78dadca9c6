"""Embedding inversion measured: inputs and hidden columns behind exposed vectors or scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from reticent import stats
from reticent.attacks import named
from reticent.attacks.attack import Guess
from reticent.attacks.embedding.inverter import Inverter, Pairs
from reticent.attacks.known import Hidden, hide
from reticent.audit.case import Prepared
from reticent.audit.found import Found
from reticent.audit.measure import View
from reticent.audit.options import Options
from reticent.audit.rows import Space, center, fit_space, identified, worst
from reticent.audit.score import Contrast, Scored, judged, scored
from reticent.column import places, unique
from reticent.dataset import Dataset
from reticent.errors import ModelError
from reticent.finding import Finding, Verdict
from reticent.randomness import generator
from reticent.target import Answer, Reveals, Target
from reticent.targets.answers_file import Recorded
from reticent.targets.kept import BrokenError
from reticent.targets.wrap import Metered, fresh

HIDDEN = "input"
PEOPLE = 400  # on each side who are looked for: they are compared two by two
PAIRS = 1_000  # public rows whose vectors the attacker asks for
FEWEST = 5  # pairs, below which nothing is learned

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


def measure(
    case: Prepared,
    views: Sequence[View],
    names: Sequence[str],
    options: Options,
    step: Callable[[str], None],
) -> Found:
    """Run the inverters on the input and on every sensitive column, in every view."""
    contrasts: list[Contrast] = []
    notes: list[str] = []
    for view in views:
        scene, verdict = _scene(case, view, options.seed)
        for name in names:
            step(f"{view.name}: {name}")
            if isinstance(scene, Scene):
                contrasts += inverted(case, view, scene, name, options.seed)
                continue
            finding = msgspec.structs.replace(
                Finding.blank(view.name, view.contract, name, HIDDEN), reason=scene, verdict=verdict
            )
            contrasts.append(Contrast(finding, None, None, 0))
        if isinstance(scene, Scene):
            notes.append(scene.said)
    return Found(contrasts, notes=tuple(dict.fromkeys(notes)))


def _scene(case: Prepared, view: View, seed: int) -> tuple[Scene | str, Verdict]:
    """What is exposed in a view, asked once for all inverters; else why not, and the verdict."""
    try:
        return exposed(case, view.target, seed), "not_applicable"
    except BrokenError as error:
        return f"not finished: {error.found}", "underpowered"


# What is exposed ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Side:
    """People whose vectors are exposed.

    Attributes
    ----------
    at : their places in the table. vectors : (n, d), NaN where the target refused.
    truth : (n, p) their inputs as numbers. alike : (n,) codes of what is known anyway.
    """

    rows: Dataset
    at: Codes
    vectors: Floats
    truth: Floats
    sample: stats.Resamples
    alike: Codes


@dataclass(frozen=True, slots=True)
class Scene:
    """Public pairs, and the two sides.

    Attributes
    ----------
    columns : the input's. codes : of what is known anyway, of the public rows.
    """

    space: Space
    columns: list[str]
    pairs: Pairs
    codes: Codes
    sides: tuple[Side, Side]
    queries: int
    said: str


def exposed(case: Prepared, target: Target, seed: int, pairs: int = PAIRS) -> Scene | str:
    """Ask for the vectors of public rows and of the people; a reason where there are none.

    Parameters
    ----------
    pairs : how many public rows the attacker asks for at most.

    Raises
    ------
    ModelError : the vectors are not of one dimension.
    """
    if isinstance(target, Recorded):
        return "answers were recorded, there is no model to ask about public rows"
    if not target.reveals & (Reveals.VECTOR | Reveals.SCORES):
        return "the target reveals neither VECTOR nor SCORES"
    meter = Metered(fresh(target))
    columns = list(target.columns)
    space = fit_space(case.auxiliary, list(dict.fromkeys([*columns, *case.schema.sensitive])))
    labels = unique(case.auxiliary[case.label]) if case.knows_label else np.array([])
    public = space(case.auxiliary)
    codes = places(case.auxiliary[case.label], labels)
    rng = generator(seed, "embedding", "pairs")
    chosen = np.sort(rng.permutation(len(public))[:pairs])
    vectors = vectors_of(meter.ask(case.auxiliary.take(chosen)))
    there = np.isfinite(vectors).all(axis=1)
    if there.sum() < FEWEST:
        return f"{there.sum()} public rows were answered with a vector, {FEWEST} are needed"
    held = Pairs(vectors[there], public[chosen][there], public)
    sides = tuple(_side(case, meter, space, labels, name, seed) for name in ("members", "others"))
    for side in sides:
        if side.vectors.shape[1] != vectors.shape[1]:
            raise ModelError(
                "embeddings of one dimension",
                f"public rows have {vectors.shape[1]}, other rows {side.vectors.shape[1]}",
                "Ask one version of one model for all of them",
            )  # fmt: skip
    kind = "vectors" if Reveals.VECTOR in target.reveals else "scores"
    said = (
        f"Embedding inversion from {kind} of width {vectors.shape[1]} with {there.sum()} public "
        f"pairs, on {len(sides[0].at)} members and {len(sides[1].at)} others."
    )
    queries = len(chosen) + len(sides[0].at)
    return Scene(space, columns, held, codes, (sides[0], sides[1]), queries, said)


def vectors_of(told: Answer) -> Floats:
    """The exposed vectors (n, d): the representation, else log-scores about their mean."""
    if told.vector is not None:
        return np.asarray(told.vector, dtype=float)
    assert told.scores is not None
    log = np.log(np.clip(told.scores, 1e-6, 1.0))
    return np.asarray(log - log.mean(axis=1, keepdims=True))


def _side(
    case: Prepared, target: Target, space: Space, labels: NDArray[np.generic], name: str, seed: int
) -> Side:
    rows, people = (
        (case.members, case.members_people) if name == "members"
        else (case.others, case.others_people)
    )  # fmt: skip
    rng = generator(seed, "embedding", name)
    at = np.sort(rng.choice(len(rows), min(PEOPLE, len(rows)), replace=False)).astype(np.intp)
    some = rows.take(at)
    whose = np.unique(people[at], return_inverse=True)[1].astype(np.intp)
    sample = stats.resample(whose, generator(seed, "bootstrap", name))
    alike = places(some[case.label], labels)
    return Side(some, at, vectors_of(target.ask(some)), space(some), sample, alike)


# Inverting ------------------------------------------------------------------------------------


def inverted(case: Prepared, view: View, scene: Scene, name: str, seed: int) -> list[Contrast]:
    """Let one inverter loose on both sides: a contrast for the input, one a sensitive column."""
    attack: Inverter = named(name)
    guesses = [_guess(attack, scene, side, seed) for side in scene.sides]
    free = [center(scene.space, case.auxiliary, scene.codes, side.alike) for side in scene.sides]
    return [_input(view, scene, name, guesses, free)] + [
        _hidden(case, view, scene, name, column, guesses) for column in case.schema.sensitive
    ]


def _guess(attack: Inverter, scene: Scene, side: Side, seed: int) -> Floats:
    """The inputs (n, p); of those whom the target refused, the public mean."""
    there = np.asarray(np.isfinite(side.vectors).all(axis=1))
    found = np.tile(scene.pairs.public.mean(axis=0), (len(side.vectors), 1))
    if there.any():
        rng = generator(seed, "embedding", attack.name)
        found[there] = attack.invert(scene.pairs, side.vectors[there], rng)
    return found


def _input(
    view: View, scene: Scene, name: str, guesses: Sequence[Floats], free: Sequence[Floats]
) -> Contrast:
    keep = scene.space.of(scene.columns)
    own = scene.space.only(scene.columns)
    told = [identified(guess[:, keep], side.truth[:, keep], own, side.sample, side.alike)
            for guess, side in zip(guesses, scene.sides, strict=True)]  # fmt: skip
    base = [identified(guess[:, keep], side.truth[:, keep], own, side.sample, side.alike)
            for guess, side in zip(free, scene.sides, strict=True)]  # fmt: skip
    finding = msgspec.structs.replace(
        Finding.blank(view.name, view.contract, name, HIDDEN),
        members=told[0].score, others=told[1].score, baseline_members=base[0].score,
        baseline_others=base[1].score, queries=scene.queries,
        worst_rows=worst(told[0].each, scene.sides[0].at),
    )  # fmt: skip
    advantage, beyond = told[0].auc - base[0].auc, told[1].auc - base[1].auc
    fewest = min(len(side.at) for side in scene.sides)
    return Contrast(finding, advantage, advantage - beyond, fewest)


def _hidden(
    case: Prepared, view: View, scene: Scene, name: str, column: str, guesses: Sequence[Floats]
) -> Contrast:
    """One sensitive column, against its frequency among public people with the same label."""
    hidden = hide(column, case.schema.domains.get(column), case.auxiliary)
    codes = hidden.codes(case.auxiliary[column])
    shares = np.bincount(np.maximum(codes, 0), minlength=len(hidden.values)).astype(float)
    both: list[tuple[Scored, Scored]] = []
    fewest = []
    for guess, side in zip(guesses, scene.sides, strict=True):
        people = judged(hidden, side.rows[column], side.sample, shares)
        fewest.append(people.fewest)
        prior = _prior(codes, scene.codes, side.alike, len(hidden.values))
        both.append((scored(_scores(scene.space, hidden, column, guess), people),
                     scored(Guess(prior), people)))  # fmt: skip
    finding = msgspec.structs.replace(
        Finding.blank(view.name, view.contract, name, column), queries=scene.queries,
        members=both[0][0].score, others=both[1][0].score,
        baseline_members=both[0][1].score, baseline_others=both[1][1].score,
    )  # fmt: skip
    advantage, beyond = (one.auc - base.auc for one, base in both)
    if np.isnan(advantage[0]):
        reason = both[0][0].score.auc.reason
        finding = msgspec.structs.replace(finding, verdict="underpowered", reason=reason)
        return Contrast(finding, None, None, 0)
    if np.isnan(beyond[0]):
        return Contrast(finding, advantage, None, fewest[0])
    return Contrast(finding, advantage, advantage - beyond, min(fewest))


def _prior(codes: Codes, known: Codes, asked: Codes, k: int) -> Floats:
    """How common each value is among public people of the same label: (n, k), as logarithms."""
    found = {}
    for code in set(asked.tolist()):
        here = codes[(known == code) & (codes >= 0)]
        counts = np.bincount(here, minlength=k) + 1 / k
        found[code] = np.log(counts / counts.sum())
    return np.array([found[code] for code in asked.tolist()])


def _scores(space: Space, hidden: Hidden, column: str, guess: Floats) -> Guess:
    """Read a column's candidates off guessed inputs: by nearness, or by the indicator's size."""
    first, last = space.spans[column]
    said = guess[:, first:last] * np.sqrt(2)
    if column in space.encode.levels:
        levels = space.encode.levels[column]
        at = [levels.get(value, -1) for value in hidden.values.tolist()]
        likely = np.where(np.array(at) >= 0, said[:, at], 0.0)
        return Guess(np.asarray(np.log(np.clip(likely, 1e-3, None))))
    mean, spread, _ = space.encode.numeric[column]
    value = said[:, 0] * spread + mean
    apart = (value[:, None] - hidden.values.astype(float)) / spread
    return Guess(np.asarray(-(apart**2)), value if hidden.numeric else None)

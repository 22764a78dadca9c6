"""Record reconstruction measured: claimed rows against training rows and rows of fresh people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from reticent import stats
from reticent.attacks import named
from reticent.attacks.record.informed import Informed
from reticent.attacks.record.row_search import Claims, RowSearch
from reticent.audit.case import Prepared
from reticent.audit.found import Found
from reticent.audit.measure import View
from reticent.audit.options import Options
from reticent.audit.rows import (
    SAME,
    Space,
    Told,
    center,
    fit_space,
    identified,
    mean_rate,
    squared,
    worst,
)
from reticent.audit.score import Contrast, rate
from reticent.column import unique
from reticent.dataset import Dataset
from reticent.encoding import fit_encoding
from reticent.finding import Finding, Rate, Score, Verdict
from reticent.randomness import generator
from reticent.target import Target
from reticent.targets.answers_file import Recorded
from reticent.targets.kept import BrokenError
from reticent.targets.wrap import Metered, fresh

HIDDEN = "record"
PEOPLE = 3_000  # of each label whom claims are held against, members and others alike
DRAWS = stats.DRAWS
LACKING = 300  # people on each side whom the informed adversary looks for, one after the other
FEWEST = 10  # people near whom the claims lie, below which nothing is said

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


def measure(
    case: Prepared,
    views: Sequence[View],
    names: Sequence[str],
    options: Options,
    step: Callable[[str], None],
) -> Found:
    """Run the attacks on whole records in every view."""
    contrasts, notes = [], []
    for view in views:
        for name in names:
            step(f"{view.name}: {name}")
            found, told = _attacked(case, view, name, options.seed)
            contrasts.append(found)
            notes += told
    return Found(contrasts, notes=tuple(dict.fromkeys(notes)))


def _attacked(case: Prepared, view: View, name: str, seed: int) -> tuple[Contrast, list[str]]:
    attack: Any = named(name)
    blank = Finding.blank(view.name, view.contract, name, HIDDEN)
    if reason := _obstacle(attack, view.target):
        return _none(blank, reason), []
    try:
        if isinstance(attack, RowSearch):
            return _searched(case, view, attack, blank, seed)
        return _informed(case, view, attack, blank, seed), []
    except BrokenError as error:
        return _none(blank, f"not finished: {error.found}", "underpowered"), []


def _obstacle(attack: Any, target: Target) -> str:
    if isinstance(target, Recorded):
        return "answers were recorded, there is no model to ask"
    lacking = attack.needs & ~target.reveals
    if lacking:
        return f"the target does not reveal {' and '.join(one.name or '' for one in lacking)}"
    if isinstance(attack, RowSearch) and target.classes is None:
        return "the target is a regressor"
    return ""


def _none(blank: Finding, reason: str, verdict: Verdict = "not_applicable") -> Contrast:
    finding = msgspec.structs.replace(blank, reason=reason, verdict=verdict)
    return Contrast(finding, None, None, 0)


# Claims ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Crowd:
    """As many members as others of each label.

    Attributes
    ----------
    seen : (n, p) the rows as numbers. at : their places in the table. people : whose they are.
    """

    rows: Dataset
    seen: Floats
    at: Codes
    people: Codes


def _searched(
    case: Prepared, view: View, attack: RowSearch, blank: Finding, seed: int
) -> tuple[Contrast, list[str]]:
    target = Metered(fresh(view.target))
    columns = list(target.columns)
    public = case.auxiliary.select([*columns, case.label])
    claims = attack.claim(target, public, case.label, generator(seed, view.name, attack.name))
    space = fit_space(case.auxiliary, columns)
    crowds = _crowds(case, space, seed)
    ours = Nearest.of(space, claims.rows, crowds, case.label, seed)
    if ours.fewest < FEWEST:
        reason = (
            f"the search ended in {len(claims.rows)} different rows near about {ours.fewest} "
            f"people; it takes {FEWEST} to tell memory from chance"
        )
        blank = msgspec.structs.replace(blank, queries=target.queries)
        return _none(blank, reason, "underpowered"), []
    free = {name: Nearest.of(space, rows, crowds, case.label, seed)
            for name, rows in _free(claims, public, case.label, seed).items()}  # fmt: skip
    best = max(free, key=lambda name: float(free[name].auc[0]))
    finding = msgspec.structs.replace(
        blank, queries=target.queries,
        members=ours.score(0), others=ours.score(1),
        baseline_members=free[best].score(0), baseline_others=free[best].score(1),
        worst_rows=ours.worst_rows(crowds[0].at),
    )  # fmt: skip
    said = (
        f"{attack.name}: {len(claims.rows)} rows are claimed; the best without the model is "
        f"{best}. AUC is how often a claim lies nearer to a member than to one of as many others."
    )
    return Contrast(finding, ours.auc - free[best].auc, None, ours.fewest), [said]


def _crowds(case: Prepared, space: Space, seed: int) -> tuple[Crowd, Crowd]:
    """Draw as many members as others of each label."""
    rng = generator(seed, "record", "people")
    kept: tuple[list[Codes], list[Codes]] = ([], [])
    for label in unique(case.members[case.label]).tolist():
        both = [np.flatnonzero(rows[case.label] == label) for rows in (case.members, case.others)]
        count = min(PEOPLE, *map(len, both))
        for place, at in enumerate(both):
            kept[place].append(np.sort(rng.choice(at, count, replace=False)))
    sides = (case.members, case.members_people), (case.others, case.others_people)
    found = []
    for (rows, people), at in zip(sides, map(np.concatenate, kept), strict=True):
        found.append(Crowd(rows.take(at), space(rows.take(at)), at, people[at]))
    return found[0], found[1]


def _dense(people: Codes) -> Codes:
    return np.unique(people, return_inverse=True)[1].astype(np.intp)


def _most(crowds: tuple[Crowd, Crowd]) -> int:
    return 1 + max(int(crowd.people.max()) for crowd in crowds)


def _free(claims: Claims, public: Dataset, label: str, seed: int) -> dict[str, Dataset]:
    """What would be claimed without the model: public rows, the commonest, columns at random."""
    rng = generator(seed, "record", "free")
    made = {name: claims.starts[name].copy() for name in claims.starts.names}
    for value in unique(claims.starts[label]).tolist():
        ours = np.flatnonzero(claims.starts[label] == value)
        theirs = np.flatnonzero(public[label] == value)
        for name in public.names:
            if name != label:
                made[name][ours] = public[name][rng.choice(theirs, len(ours))]
    seen = fit_encoding(public, public.names)(public)
    _, first, count = np.unique(seen, axis=0, return_index=True, return_counts=True)
    common = first[np.argsort(-count, kind="stable")[: len(claims.rows)]]
    return {"public rows": claims.starts, "the commonest public rows": public.take(common),
            "columns drawn one by one": Dataset(made, public.like)}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Nearest:
    """Claims beside the people nearest to them on each side.

    A model that was trained on neither side could as well have been shown the other one: then the
    side of each person is a coin, and so are all claims that lie nearest to that person together.
    The spread of the AUC is that of these coins, whoever they fall on.

    Attributes
    ----------
    auc : replicates of how often a claim lies nearer to a member, ties counting one half.
    near, apart, right : (c, 2) the nearest row, its squared distance, the columns that agree.
    person : (c,) the nearest person on either side.
    """

    auc: Floats
    near: Codes
    apart: Floats
    right: Floats
    person: Codes

    @classmethod
    def of(
        cls, space: Space, rows: Dataset, crowds: tuple[Crowd, Crowd], label: str, seed: int
    ) -> Nearest:
        """Look for the nearest people with the claim's label."""
        seen, each = space(rows), np.arange(len(rows))
        near = np.zeros((len(rows), 2), dtype=np.intp)
        apart, right = np.zeros((len(rows), 2)), np.zeros((len(rows), 2))
        for side, crowd in enumerate(crowds):
            far = squared(seen, crowd.seen)
            far[rows[label][:, None] != crowd.rows[label][None, :]] = np.inf
            near[:, side] = far.argmin(axis=1)
            apart[:, side] = far[each, near[:, side]]
            right[:, side] = space.right(seen, crowd.seen[near[:, side]]).mean(axis=1)
        gap = np.where(apart[:, 0] == apart[:, 1], 0.0, apart[:, 1] - apart[:, 0])
        wins = np.where(np.abs(gap) <= SAME, 0.5, np.asarray(gap > 0, dtype=float))
        side = apart.argmin(axis=1)
        whose = np.where(side == 0, crowds[0].people[near[:, 0]], crowds[1].people[near[:, 1]])
        coins = generator(seed, "record", "sides").choice([-0.5, 0.5], (_most(crowds), 2, DRAWS))
        swayed = wins.mean() + coins[whose, side].mean(axis=0)
        auc = np.append(wins.mean(), swayed)
        return cls(auc, near, apart, right, whose * 2 + side)

    @property
    def fewest(self) -> int:
        """How many people the claims lie nearest to, each counting by its share of the claims."""
        share = np.unique(self.person, return_counts=True)[1] / len(self.person)
        return int(1 / (share**2).sum())

    def score(self, side: int) -> Score:
        """The claims as reconstructions of the members (0) or of the others (1)."""
        n = len(self.near)
        once = stats.resample(np.arange(n), np.random.default_rng(side))
        auc = self.auc if side == 0 else 1 - self.auc
        exact = np.asarray(self.apart[:, side] <= SAME, dtype=float)
        nothing = Rate.none(n, "a row has no classes")
        return Score(mean_rate(self.right[:, side], once), rate(auc, n, max(self.fewest, 1)),
                     nothing, nothing, {"exact": mean_rate(exact, once)})  # fmt: skip

    def worst_rows(self, at: Codes) -> tuple[int, ...]:
        """Row numbers of members whose row is claimed and lies nearer than any other person's."""
        hit = np.flatnonzero(self.apart[:, 0] < self.apart[:, 1] - SAME)
        order = hit[np.argsort(self.apart[hit, 0], kind="stable")]
        return tuple(dict.fromkeys(int(at[one]) for one in self.near[order, 0]))[:10]


# The informed adversary -----------------------------------------------------------------------


def _informed(case: Prepared, view: View, attack: Informed, blank: Finding, seed: int) -> Contrast:
    target = Metered(fresh(view.target))
    asked = target if view.contract else view.target
    columns = list(view.target.columns)
    known = case.members.select([*columns, case.label])
    recipe = attack.recipe(case.target, asked, known)
    if isinstance(recipe, str):
        return _none(blank, recipe)
    space = fit_space(case.auxiliary, columns)
    sides, free = [], []
    for name in ("members", "others"):
        at, people = _asked(case, name, seed)
        rng = generator(seed, "record", "lacking", name)
        without = at if name == "members" else rng.choice(len(known), len(at))
        truth = space((case.members if name == "members" else case.others).take(at))
        sample = stats.resample(people, generator(seed, "bootstrap", name))
        guess = space(attack.rebuild(recipe, known, case.label, without, columns))
        alike = np.zeros(len(at), dtype=np.intp)
        sides.append(identified(guess, truth, space, sample, alike))
        free.append(_without(space, case, truth, sample, alike, rng))
        if name == "members":
            told = worst(sides[0].each, at)
    advantage, beyond = sides[0].auc - free[0].auc, sides[1].auc - free[1].auc
    finding = msgspec.structs.replace(
        blank, queries=target.queries, members=sides[0].score, others=sides[1].score,
        baseline_members=free[0].score, baseline_others=free[1].score, worst_rows=told,
    )  # fmt: skip
    fewest = min(len(one.each) for one in sides)
    return Contrast(finding, advantage, advantage - beyond, fewest)


def _asked(case: Prepared, name: str, seed: int) -> tuple[Codes, Codes]:
    """Whom the adversary looks for on one side: places, and whose row each is."""
    people = case.members_people if name == "members" else case.others_people
    count = min(LACKING, len(people))
    rng = generator(seed, "record", "asked", name)
    at = np.sort(rng.choice(len(people), count, replace=False)).astype(np.intp)
    return at, _dense(people[at])


def _without(
    space: Space, case: Prepared, truth: Floats, sample: stats.Resamples, alike: Codes,
    rng: np.random.Generator,
) -> Told:  # fmt: skip
    """The best of two guesses without the model: the middle of each column, a row at random."""
    nobody = np.zeros(len(case.auxiliary), dtype=np.intp)
    middle = center(space, case.auxiliary, nobody, np.zeros(len(truth), dtype=np.intp))
    drawn = space(case.auxiliary.take(rng.choice(len(case.auxiliary), len(truth))))
    both = [identified(guess, truth, space, sample, alike) for guess in (middle, drawn)]
    return max(both, key=lambda told: told.score.accuracy.value or 0.0)

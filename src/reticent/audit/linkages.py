"""Linkage measured: whose row a released one is, and what it tells of a person.

People whose rows had no part in the release are the control group, and public people's rows in
the release's place are the attack without it. A finding tells shares of tries, not AUC.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from reticent import stats
from reticent.attacks import named
from reticent.audit.case import Prepared
from reticent.audit.found import Found
from reticent.audit.linked import Held, Tried, hold, inferred, linked, looked_up, singled_out
from reticent.audit.measure import View
from reticent.audit.options import Options
from reticent.audit.score import FAMILY, Contrast, rate
from reticent.exhibit import Exhibit
from reticent.finding import Finding, Rate, Score
from reticent.randomness import generator
from reticent.target import Reveals

HIDDEN = "link"
FINGERPRINT = "score_fingerprint"
SHARE = "a link is right or wrong: there is nothing to rank"
NO_RELEASE = "no released table is given: name one in [data].released, or Case(released=...)"

Floats = NDArray[np.float64]
Run = Callable[[Any, Held, int], tuple[Tried, Tried] | str]
RUNS: dict[str, Run] = {"linkability": linked, "inference": inferred}


def measure(
    case: Prepared,
    views: Sequence[View],
    names: Sequence[str],
    options: Options,
    step: Callable[[str], None],
) -> Found:
    """Run linkage attacks; those that ask no model are told once, under the first view.

    Raises
    ------
    DataError : the released table does not fit the case.
    """
    if case.released is None:
        return Found([_void(view, name, NO_RELEASE) for view in views for name in names])
    held = hold(case, case.released, case.score, options.seed)
    plan = [(view, name) for view in views for name in names if view is views[0] or _asks(name)]
    tries = wanted(options.risk.max_advantage, FAMILY / (2 * len(plan)))
    contrasts = []
    for view, name in plan:
        step(f"{view.name}: {name}")
        contrasts.append(_measured(view, name, held, tries))
    shown = [
        one.finding
        for one in contrasts
        if one.finding.attack == FINGERPRINT and one.finding.queries
    ]
    if shown:
        options.exhibit(_exhibit(shown))
    return Found(contrasts, notes=_notes(held, tries))


def wanted(limit: float, level: float) -> int:
    """How many tries a side make an effect as large as the limit seen, whatever the rates.

    The difference of two shares of n tries has a variance of at most 1/(2n); it is seen at
    ``level``, one-sided, with 80 % power where the limit is that many standard errors.
    """
    from scipy.stats import norm

    quantiles = float(norm.isf(level) + norm.isf(1 - stats.POWER))
    return math.ceil(quantiles**2 / (2 * limit**2))


def _asks(name: str) -> bool:
    return bool(named(name).needs & ~Reveals.NOTHING)


def _measured(view: View, name: str, held: Held, tries: int) -> Contrast:
    attack = named(name)
    if name == FINGERPRINT:
        found = looked_up(attack, held, view.target, tries)
        if isinstance(found, str):
            return _void(view, name, found)
        return contrast(view, name, found[0], found[1], held.seed, found[2])
    if not len(held.others):
        return _void(view, name, "everybody is in the release: nobody is left to compare with")
    pair = RUNS.get(name, singled_out)(attack, held, tries)
    if isinstance(pair, str):
        return _void(view, name, pair)
    return contrast(view, name, pair[0], pair[1], held.seed)


def _void(view: View, name: str, reason: str) -> Contrast:
    blank = Finding.blank(view.name, view.contract, name, HIDDEN)
    return Contrast(replace(blank, reason=reason), None, None, 0)


def contrast(
    view: View, name: str, inside: Tried, outside: Tried | None, seed: int, queries: int = 0
) -> Contrast:
    """Hold shares of right tries on people in the release against the same on others.

    Whether a release knows the population better than public people's rows do is not its leak, so
    the advantage is over others. A fingerprint's is over the same people's links without the
    score: its links were checked, and others can only be linked falsely.
    """
    hit = _Shares(inside, seed, "members")
    finding = replace(
        Finding.blank(view.name, view.contract, name, HIDDEN),
        members=hit.score(), baseline_members=hit.chance(), queries=queries,
    )  # fmt: skip
    own = hit.right - hit.without
    if outside is None:
        return Contrast(finding, own, None, hit.people)
    missed = _Shares(outside, seed, "others")
    finding = replace(finding, others=missed.score(), baseline_others=missed.chance())
    if name == FINGERPRINT:
        return Contrast(finding, own, None, hit.people)
    beyond = own - (missed.right - missed.without)
    return Contrast(finding, hit.right - missed.right, beyond, min(hit.people, missed.people))


class _Shares:
    """Shares of right tries on one side, with the same bootstrap draws for each.

    Attributes
    ----------
    right, without : replicates of the share with the release and without. people : how many.
    """

    def __init__(self, tried: Tried, seed: int, side: str) -> None:
        whose = np.unique(tried.people, return_inverse=True)[1]
        rng = generator(seed, "linkage", "bootstrap", side)
        self._tried, self.people = tried, int(whose.max()) + 1
        self._sample = stats.resample(whose, rng)
        self.right, self.without = self._share(tried.hits), self._share(tried.chance)
        # Where few tries are right, their own spread understates it: one more is drawn about
        # each side (Agresti and Caffo 2000, doi:10.1080/00031305.2000.10474560).
        self.right[1:] += (rng.poisson(1, len(self.right) - 1) - 1) / self.people

    def _share(self, hits: Floats) -> Floats:
        return stats.mae(self._sample, hits, np.zeros(len(hits)))

    def _score(self, hits: Floats, more: dict[str, Floats]) -> Score:
        none = Score.none(len(hits), SHARE)
        told = {name: rate(self._share(one), len(one), self.people) for name, one in more.items()}
        return replace(none, accuracy=rate(self._share(hits), len(hits), self.people), more=told)

    def score(self) -> Score:
        """The share of right tries."""
        return self._score(self._tried.hits, self._tried.more)

    def chance(self) -> Score:
        """The share of right tries without the release, or without the model."""
        return self._score(self._tried.chance, {})


def _notes(held: Held, tries: int) -> tuple[str, ...]:
    notes = [
        "Linkage is told in shares of right tries, held against people whose rows had no part in "
        "the release; attacks that ask no model are told once, under the first configuration."
    ]
    fewer = min(len(held.members), len(held.others))
    if fewer < tries:
        notes.append(
            f"Linkage: {tries:,} tries a side would show an effect as large as the limit, whatever "
            f"the rates; there are {fewer:,} rows of people."
        )
    return tuple(notes)


def _exhibit(shown: Sequence[Finding]) -> Exhibit:
    """How many people a kept score names, by its digits."""
    rows = []
    for one in shown:
        for name, told in one.members.more.items():
            digits = "as released" if name == "unique" else name.rpartition("_")[2]
            falsely = one.others.more[name] if one.others else Rate.none(0, "")
            rows.append((one.configuration, digits, _percent(told), _percent(falsely)))
    return Exhibit(
        "Released scores that name a person",
        "Asked about a person's record, the model answers with a score; counted are the people "
        "whose score fits exactly one released row, by the digits that are kept.",
        ("view", "digits of the score", "people in the release", "people not in it, falsely"),
        tuple(rows),
    )


def _percent(share: Rate) -> str:
    return "–" if share.value is None else f"{100 * share.value:.1f} %"

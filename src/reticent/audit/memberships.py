"""Membership measured: can the model tell its members from people that it never saw?

The question is about people: where somebody has several rows, their scores are averaged. Who knows
nothing ranks members and others alike, so the baseline is one half; that holds only where the two
differ by nothing but the training, and a learner without the model tries to tell them apart first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from reticent import stats
from reticent.attacks import named
from reticent.attacks.attack import Guess
from reticent.attacks.known import Hidden
from reticent.attacks.membership.candidates import Candidates, Reference, obstacle
from reticent.audit.case import Prepared, twins
from reticent.audit.epsilon import coins_of, one_run
from reticent.audit.found import Found
from reticent.audit.harm import WORST_ROWS, worst_subgroup
from reticent.audit.measure import View
from reticent.audit.options import Options
from reticent.audit.references import Pool, ReferenceModel, pool_of, train_references
from reticent.audit.score import Contrast, Judged, rate, scored
from reticent.dataset import Dataset
from reticent.encoding import fit_encoding
from reticent.finding import Finding, Rate, Score
from reticent.randomness import generator, subseed
from reticent.target import Answer, Target
from reticent.targets.answers_file import Recorded
from reticent.targets.kept import BrokenError
from reticent.targets.wrap import Around, Metered, Remembered, fresh

HIDDEN = "membership"
RARE = {"tpr_at_1pct": (0.01, 100), "tpr_at_01pct": (0.001, 10_000)}  # share, others it needs
TRIED = 4_000  # people on whom a learner without the model is tried

Floats = NDArray[np.float64]
Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Judges:
    """The people (p) of a pool, ready to be judged.

    Attributes
    ----------
    pool : their rows. first : (p,) one row of each. member : (p,) the truth. blind : what a learner
    without the model tells of it. twins : members with an equal row among the others.
    """

    pool: Pool
    first: NDArray[np.intp]
    member: NDArray[np.bool_]
    sample: stats.Resamples
    blind: Rate
    twins: int

    def by_person(self, scores: Floats) -> Floats:
        """Average the scores (n,) of each person's rows: (p,)."""
        total = np.bincount(self.pool.people, weights=scores, minlength=len(self.member))
        return np.asarray(total / np.bincount(self.pool.people, minlength=len(self.member)))


def measure(
    case: Prepared, views: Sequence[View], names: Sequence[str], options: Options, step: Step
) -> Found:
    """Run membership attacks on the members and others of a case, in each view."""
    step(f"training {options.references} references")
    pool = pool_of(case)
    models = train_references(case, pool, options.seed, count=options.references,
                              backend=options.backend, fits=options.fits)  # fmt: skip
    people = _judges(pool, options.seed)
    found = []
    for view in views:
        target = _answering(view.target, pool)
        references = [(Remembered(view.guard(one.target)), one) for one in models]
        for name in names:
            step(f"{view.name}: {name}")
            held = _candidates(case, pool, references)
            found.append(_contrast(view, name, target, held, people, options.seed))
    return Found(found, notes=_notes(case, people))


def _candidates(
    case: Prepared, pool: Pool, references: Sequence[tuple[Target, ReferenceModel]]
) -> Candidates:
    """What the attacker holds; they meet every reference as somebody new."""
    held = [Reference(fresh(target), model.inside) for target, model in references]
    return Candidates(pool.rows, case.label, held, case.auxiliary)


def _contrast(
    view: View, name: str, target: Target, held: Candidates, people: Judges, seed: int
) -> Contrast:
    blank = _blank(view, name, people)
    reason = obstacle(named(name), target, held)
    if reason is not None:
        return Contrast(msgspec.structs.replace(blank, reason=reason), None, None, 0)
    meter = Metered(fresh(target))
    rng = generator(seed, HIDDEN, view.name, name)
    try:
        scores = people.by_person(named(name).score(meter, held, rng))
    except BrokenError as error:
        reason = f"not finished: {error.found}"
        finding = msgspec.structs.replace(blank, verdict="underpowered", reason=reason)
        return Contrast(finding, None, None, 0)
    judged, guess = _judged(scores, people)
    hit = scored(guess, judged)
    if np.isnan(hit.auc[0]):
        finding = msgspec.structs.replace(
            blank, verdict="underpowered", reason=hit.score.auc.reason
        )
        return Contrast(finding, None, None, 0)
    more = _more(scores, people, seed)
    finding = msgspec.structs.replace(
        blank, members=msgspec.structs.replace(hit.score, more=more), queries=meter.queries,
        worst_subgroup=worst_subgroup(guess, judged, held.rows.take(people.first)),
        worst_rows=_worst(scores, people), verdict="underpowered",
    )  # fmt: skip
    return Contrast(finding, hit.auc - 0.5, None, judged.fewest)


def _blank(view: View, name: str, people: Judges) -> Finding:
    n, share = len(people.member), float(people.member.mean())
    half, odds = Rate(0.5, 0.5, 0.5, n), max(share, 1 - share)
    nothing = Rate(0.0, 0.0, 0.0, n)
    baseline = Score(Rate(odds, odds, odds, n), half, nothing, Rate(share, share, share, n))
    return msgspec.structs.replace(
        Finding.blank(view.name, view.contract, name, HIDDEN),
        baseline_members=baseline, twins=people.twins,
    )  # fmt: skip


def _judged(scores: Floats, people: Judges) -> tuple[Judged, Guess]:
    """Scores as a guess: as many people are called members as there are, those who rank highest."""
    from scipy.stats import rankdata

    n = len(scores)
    odds = _logit(rankdata(scores) / (n + 1)) - _logit(1 - people.member.mean())
    truth = people.member.astype(np.intp)
    judged = Judged(truth, None, people.sample, 2, 1, Hidden(HIDDEN, np.arange(2)))
    return judged, Guess(np.column_stack([np.zeros(n), odds]))


def _logit(share: Floats) -> Floats:
    return np.asarray(np.log(share / (1 - share)))


def _more(scores: Floats, people: Judges, seed: int) -> dict[str, Rate]:
    """Hits at few false alarms, what is proven of epsilon, and a learner without the model."""
    n, others = len(scores), int((~people.member).sum())
    more = {}
    for name, (share, least) in RARE.items():
        if others >= least:
            hits = hits_at(people.sample, scores, people.member, share)
            more[name] = rate(hits, n, int(share * others))
    coins = coins_of(people.member, generator(seed, HIDDEN, "coins"))
    if len(coins):
        bound = one_run(scores[coins], people.member[coins]).epsilon
        more["epsilon_lower_bound"] = Rate(bound, bound, None, len(coins))
    more["without_model_auc"] = people.blind
    return more


def hits_at(
    sample: stats.Resamples, scores: Floats, positive: NDArray[np.bool_], share: float
) -> Floats:
    """Share of positives found where at most ``share`` of the others are called so: (draws + 1,).

    Where the threshold falls among ties, each of those tied takes the same part of it.
    """
    order = np.argsort(-scores, kind="stable")
    order = order[: _enough(scores[order], positive[order], share, sample)]
    ranked = scores[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]]))
    weights = sample.weights[order].astype(np.float32)
    right = np.add.reduceat(weights * positive[order][:, None], starts, axis=0)
    wrong = np.add.reduceat(weights * ~positive[order][:, None], starts, axis=0)
    allowed = share * sample.weights[~positive].sum(axis=0, dtype=np.float64)
    left = allowed - (np.cumsum(wrong, axis=0, dtype=np.float64) - wrong)
    part = np.where(wrong > 0, np.clip(left / np.maximum(wrong, 1), 0, 1), left > -1e-9)
    total = sample.weights[positive].sum(axis=0, dtype=np.float64)
    return np.asarray((right * part).sum(axis=0) / np.maximum(total, 1))


def _enough(
    ranked: Floats, positive: NDArray[np.bool_], share: float, sample: stats.Resamples
) -> int:
    """How many of the highest to look at, so that every draw finds its threshold among them."""
    wrong = np.cumsum(~positive)
    most = int(3 * share * wrong[-1]) + 50
    if most >= wrong[-1] or len(sample) < 2 * most:
        return len(ranked)
    last = ranked[int(np.searchsorted(wrong, most))]
    return int(np.searchsorted(-ranked, -last, side="right"))


def _worst(scores: Floats, people: Judges) -> tuple[int, ...]:
    """Row numbers of the members who stand out most: above 99 % of the others."""
    above = np.quantile(scores[~people.member], 0.99, method="higher")
    order = np.argsort(-scores, kind="stable")
    members = [p for p in order if people.member[p] and scores[p] > above][:WORST_ROWS]
    return tuple(int(people.first[p]) for p in members)


# The people -----------------------------------------------------------------------------------


def _judges(pool: Pool, seed: int) -> Judges:
    _, first = np.unique(pool.people, return_index=True)
    member = pool.member[first]
    sample = stats.resample(np.arange(len(first)), generator(seed, "bootstrap", HIDDEN))
    blind = _without_model(pool.rows.take(first), member, sample, seed)
    rows = pool.rows.take(np.flatnonzero(pool.member)), pool.rows.take(np.flatnonzero(~pool.member))
    return Judges(pool, first, member, sample, blind, int(twins(*rows).sum()))


def _without_model(
    rows: Dataset, member: NDArray[np.bool_], sample: stats.Resamples, seed: int
) -> Rate:
    """The AUC at which a forest tells members from others by their records alone."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    tried = np.sort(generator(seed, HIDDEN, "blind").permutation(len(rows))[:TRIED])
    truth, fewest = member[tried], int(min(member[tried].sum(), (~member[tried]).sum()))
    if fewest < 2 * stats.FEW:
        return Rate.none(len(tried), "too few people")
    seen = rows.take(tried)
    x = np.nan_to_num(fit_encoding(seen, seen.names).codes(seen), nan=-1e9)
    state = subseed(seed, HIDDEN, "blind")
    forest = RandomForestClassifier(50, min_samples_leaf=5, random_state=state)
    folds = StratifiedKFold(3, shuffle=True, random_state=state)
    told = cross_val_predict(forest, x, truth, cv=folds, method="predict_proba")[:, 1]
    return rate(stats.auc(sample.take(tried), told, truth), len(tried), fewest)


def differ(blind: Rate) -> bool:
    """Say whether people can be told apart without the model, by twice the width of its bound."""
    if blind.value is None or blind.low is None:
        return False
    return 2 * blind.low - blind.value > 0.5


def _notes(case: Prepared, people: Judges) -> tuple[str, ...]:
    notes = []
    if differ(people.blind):
        notes.append(
            "Members and others differ without the model: a learner tells them apart from their "
            f"records alone (AUC {people.blind.value:.3f}). Membership findings count that as a "
            "leak; give others that were drawn like the members."
        )
    if case.train.surrogate:
        notes.append(
            "The references of membership attacks are default random forests, not models of the "
            "target's kind: findings may be too low. Pass train=estimator."
        )
    return tuple(notes)


class Released(Around):
    """A file of answers that is asked about exactly the people whom it answers, in order."""

    __slots__ = ("_answer",)

    def __init__(self, inner: Recorded) -> None:
        self.inner, self._answer = inner, _joined(inner.members, inner.others)

    def ask(self, rows: Dataset) -> Answer:
        """Answer the members and others, in that order."""
        return self._answer if len(rows) == len(self._answer) else self.inner.ask(rows)


def _answering(target: Target, pool: Pool) -> Target:
    if isinstance(target, Recorded):
        assert len(target.members) + len(target.others) == len(pool.rows)
        return Released(target)
    return Remembered(target)


def _joined(first: Answer, second: Answer) -> Answer:
    def both(name: str) -> NDArray[np.generic] | None:
        one, two = getattr(first, name), getattr(second, name)
        return None if one is None or two is None else np.concatenate([one, two])

    return Answer(**{name: both(name) for name in Answer.__dataclass_fields__})  # type: ignore[arg-type]

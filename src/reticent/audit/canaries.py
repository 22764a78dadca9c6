"""Attribute canaries: an exact test of what a training procedure does with a sensitive column.

The hidden value of a random share of the members is replaced by a coin before training; the model
is trained once, and the attacks guess the coins. Nothing but the model can know a coin, so the
baseline is 1/2 by construction and the test against 1/2 is exact, with one training run serving
all coins (after Steinke, Nasr and Jagielski 2023, arXiv:2305.08846, who do it for membership).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from reticent import stats
from reticent.attacks import named
from reticent.attacks.attack import Guess, obstacle
from reticent.attacks.known import Hidden, Known
from reticent.audit.case import Prepared
from reticent.audit.measure import Guard, Subject, View, guessed, rehearse, training_errors
from reticent.audit.options import Options
from reticent.audit.score import Contrast, Judged, scored
from reticent.audit.shadows import Coins, shadows_of, train_shadows
from reticent.audit.utility import loss, utility
from reticent.evidence import NotRun
from reticent.finding import Finding, Rate, Score
from reticent.randomness import generator, subseed
from reticent.target import Target
from reticent.targets.wrap import Remembered

SHARE = 0.2  # of the members who get a coin: accuracy on fresh people moved by at most .01
NAME = "canaries"


@dataclass(frozen=True, slots=True)
class Tossed:
    """A model that was trained with coins, and what its attackers hold.

    Attributes
    ----------
    known : what the attacker holds about the members with a coin, behind a contract.
    people : (m,) whose row each is. truth : (p,) which of the pair each person got.
    sample : resamples of the people. hidden : the column, with the pair as its values.
    """

    target: Target
    known: Callable[[Guard], Known]
    people: NDArray[np.intp]
    truth: NDArray[np.intp]
    sample: stats.Resamples
    hidden: Hidden


def toss(
    case: Prepared, views: Sequence[View], subjects: Mapping[str, Subject], options: Options,
    step: Callable[[str], None],
) -> tuple[list[Contrast], tuple[NotRun, ...]]:  # fmt: skip
    """Train once with coins in each sensitive column; let attacks guess them in each view."""
    if case.train.surrogate:
        return [], (NotRun(NAME, "the model cannot be trained again: pass train=estimator"),)
    found = []
    for column in case.schema.sensitive:
        coined = _train(case, subjects[column].hidden, options)
        for view in views:
            step(f"{view.name}: coins in {column}")
            found.append(_guess(case, view, coined, options))
    return found, ()


def _train(case: Prepared, hidden: Hidden, options: Options) -> Tossed:
    coins = Coins(hidden.column, _pair(hidden, case), SHARE)
    rng = generator(options.seed, NAME, hidden.column)
    rows, stake = coins.toss(case.members, case.members_people, rng)
    target = case.train(rows, subseed(options.seed, NAME, hidden.column))
    pair = Hidden(hidden.column, coins.pair)
    models = train_shadows(
        case.train, case.auxiliary, case.auxiliary_people, subseed(options.seed, NAME, "shadows"),
        count=options.shadows, coins=coins, backend=options.backend, fits=options.fits,
    )  # fmt: skip
    even = np.zeros((len(case.auxiliary), 2))
    errors = training_errors(target, rows, case.label)
    mine = rows.take(stake)

    def known(guard: Guard) -> Known:
        shadows = shadows_of(models, guard, pair, case.auxiliary, case.auxiliary_people, even)
        return Known(
            mine.select(case.knows(hidden.column)), pair, case.label, case.knows_label,
            case.auxiliary, np.zeros((len(mine), 2)), shadows, errors=errors,
        )  # fmt: skip

    _, first, people = np.unique(case.members_people[stake], return_index=True, return_inverse=True)
    truth = pair.codes(mine[hidden.column])[first]
    sample = stats.resample(np.arange(len(truth)), generator(options.seed, "bootstrap", NAME))
    return Tossed(target, known, people, truth, sample, pair)


def _pair(hidden: Hidden, case: Prepared) -> NDArray[np.generic]:
    """The two values a coin chooses between: the two commonest, or a number's outer quarters."""
    codes = hidden.codes(case.auxiliary[hidden.column])
    k = len(hidden.values)
    if hidden.numeric:
        return hidden.values[[k // 4, k - 1 - k // 4]]
    return hidden.values[np.sort(np.argsort(-np.bincount(codes[codes >= 0], minlength=k))[:2])]


def _guess(case: Prepared, view: View, coined: Tossed, options: Options) -> Contrast:
    """Choose the best attack on shadows with coins, and let it guess."""
    known = coined.known(view.guard)
    target = Remembered(view.guard(coined.target))
    blank = _blank(view, coined.hidden.column, len(coined.truth))
    able = [name for name in options.names
            if obstacle(named(name), target, known) is None]  # fmt: skip
    if not able:
        reason = "none of the attacks can be run here"
        return Contrast(msgspec.structs.replace(blank, reason=reason), None, None, 0)
    rank = rehearse(able, known, known.shadows, options.seed)
    best = max(able, key=lambda name: rank[name])
    rng = generator(options.seed, NAME, view.name, coined.hidden.column, best)
    told, queries = guessed(best, target, known, rng)
    guess = by_person(told, coined.people)
    people = Judged(coined.truth, None, coined.sample, 2, 1, coined.hidden)
    hit = scored(guess, people)
    right = int((guess.scores.argmax(axis=1) == coined.truth).sum())
    finding = msgspec.structs.replace(
        blank, members=_with_epsilon(hit.score, guess, coined, case, view, options),
        queries=queries, reason=best, verdict="underpowered",
    )  # fmt: skip
    p = stats.binomial_p(right, len(coined.truth))
    return Contrast(finding, hit.auc - 0.5, None, people.fewest, exact=p)


def by_person(guess: Guess, people: NDArray[np.intp]) -> Guess:
    """Add up what is said about each person's rows: one coin is one guess, so the test is exact.

    Parameters
    ----------
    guess : about (m) rows. people : (m,) codes 0..p-1 of whose they are.
    """
    scores = np.zeros((int(people.max()) + 1, guess.scores.shape[1]))
    np.add.at(scores, people, guess.scores)
    return Guess(scores)


def _with_epsilon(
    score: Score, guess: Guess, coined: Tossed, case: Prepared, view: View, options: Options
) -> Score:
    """Add what the coins prove of epsilon, and what they cost in accuracy."""
    n = len(coined.truth)
    bound = epsilon(guess, coined.truth)
    plain = utility(case, view.target, options.seed)
    cost = loss(plain, utility(case, view.guard(coined.target), options.seed), len(case.others))
    more = {"epsilon_lower_bound": Rate(bound, bound, None, n), "utility_cost": cost}
    return msgspec.structs.replace(score, more=more)


def epsilon(guess: Guess, truth: NDArray[np.intp], level: float = 0.05) -> float:
    """Bound the attribute's epsilon from below at confidence ``1 - level``.

    Two numbers of guesses were fixed beforehand, all and the surest fifth, each at half the level.
    """
    sure = np.abs(guess.scores[:, 1] - guess.scores[:, 0])
    right = guess.scores.argmax(axis=1) == truth
    order = np.argsort(-sure, kind="stable")
    counts = (len(truth), max(len(truth) // 5, 1))
    return max(stats.epsilon_lower_bound(int(right[order[:m]].sum()), m, level / 2) for m in counts)


def _blank(view: View, column: str, n: int) -> Finding:
    half = Rate(0.5, 0.5, 0.5, n)
    nobody = Rate.none(n, "coins: the baseline is one half by construction")
    return msgspec.structs.replace(
        Finding.blank(view.name, view.contract, NAME, column),
        baseline_members=Score(half, half, nobody, half),
    )

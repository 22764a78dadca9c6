"""What an attacker learns from their own references, whose members they know.

Each reference stands in for the target once, and is attacked with the references of the other
pairs. That chooses a setting, or weighs what a person's own answer and the references' say.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from reticent import stats
from reticent.attacks.membership.candidates import Floats, Inside, means

ROWS = 2_000  # people on whom a setting is chosen
REHEARSED = 4  # references that stand in for the target when one is
LEARNED = 8  # references that stand in for it when signals are weighed
MANY = 8_000  # rehearsed answers from which trees learn, too
NARROW = 64  # columns of records that they are given
PLAIN = 8  # features of a signal that are no products
PAIRS = 2  # pairs of references, without which nothing can be rehearsed
FLOOR = 0.02  # keeps log-odds and ratios of answers of exactly 0 or 1 finite

Score = Callable[[Floats, Floats, Inside], Floats]  # own (n,), references (k, n), inside (k, n)


def others_than(place: int, count: int) -> NDArray[np.intp]:
    """The references of the other pairs: a reference's own partner would give it away."""
    every = np.arange(count)
    return np.asarray(every[every // 2 != place // 2])


def chosen(makers: list[Score], signals: Floats, inside: Inside) -> Score:
    """Choose the way of scoring that tells the references' own members best.

    Parameters
    ----------
    makers : ways to score; the first is taken where nothing can be rehearsed.
    signals : (k, n) of the references. inside : (k, n).
    """
    if len(signals) < 2 * PAIRS or len(makers) == 1:
        return makers[0]
    step = max(signals.shape[1] // ROWS, 1)
    return max(makers, key=lambda one: rehearsed(one, signals[:, ::step], inside[:, ::step]))


def rehearsed(score: Score, signals: Floats, inside: Inside) -> float:
    """The mean AUC of a way of scoring on the first references themselves."""
    once = stats.Resamples(np.ones((signals.shape[1], 1), dtype=np.int16))
    areas = []
    for place in range(min(len(signals), REHEARSED)):
        rest = others_than(place, len(signals))
        told = score(signals[place], signals[rest], inside[rest])
        areas.append(float(stats.auc(once, told, inside[place])[0]))
    return float(np.mean(areas))


def weighed(
    own: Floats, references: Floats, inside: Inside, records: Floats | None = None
) -> Floats:
    """Weigh several signals at once by what is learned on the references: log-odds (n,).

    A reference is rehearsed without its pair, so the target is judged without each pair in turn,
    and the log-odds are averaged: what was learned is used as it was learned. The learner is a
    logistic regression; on many people half of its word goes to boosted trees, which also see the
    records and so learn of whom such models are unsure.

    Parameters
    ----------
    own : (s, n) signals of the target, each between 0 and 1. references : (k, s, n).
    inside : (k, n) with k at least 4, in pairs that share nobody.
    records : (n, d) the people's records as numbers, NaN where missing.
    """
    k = len(references)
    pairs = [others_than(place, k) for place in range(k)]
    rehearsed = range(min(k, LEARNED))
    known = [features(references[p], references[pairs[p]], inside[pairs[p]]) for p in rehearsed]
    asked = [features(own, references[rest], inside[rest]) for rest in pairs[::2]]
    truth = inside[: len(known)].ravel()
    found = [_regression(known, truth, asked)]
    if len(truth) >= MANY and records is not None and records.shape[1] <= NARROW:
        found.append(_boosted(known, truth, asked, records))
    return np.asarray(np.mean(found, axis=0))


def _regression(known: list[Floats], truth: NDArray[np.bool_], asked: list[Floats]) -> Floats:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    learner = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
    learner.fit(np.concatenate(known), truth)
    return np.asarray(np.mean([learner.decision_function(one) for one in asked], axis=0))


def _boosted(
    known: list[Floats], truth: NDArray[np.bool_], asked: list[Floats], records: Floats
) -> Floats:
    from sklearn.ensemble import HistGradientBoostingClassifier

    def beside(one: Floats) -> Floats:
        return np.column_stack([one[:, :PLAIN], records])

    learner = HistGradientBoostingClassifier(
        max_iter=150, learning_rate=0.06, max_leaf_nodes=15, min_samples_leaf=50,
        early_stopping=False, random_state=0,
    )  # fmt: skip
    learner.fit(np.concatenate([beside(one) for one in known]), truth)
    return np.asarray(np.mean([learner.decision_function(beside(one)) for one in asked], axis=0))


def features(own: Floats, references: Floats, inside: Inside) -> Floats:
    """What is weighed, of each signal (n, 17 s): itself, OUT and IN, as shares and as log-odds.

    Then the ratio of itself to the mean of both, its logarithm, and products of two.
    """
    columns = []
    for place, signal in enumerate(own):
        shares = [signal, *means(references[:, place], inside)]
        middle = (shares[1] + shares[2]) / 2
        against = np.maximum((signal + FLOOR) / (middle + FLOOR), FLOOR)
        columns += [*shares, *map(logit, shares), against, np.log(against)]
        columns += _products(shares) + _products([logit(signal), logit(middle)])
    return np.column_stack(columns)


def _products(parts: list[Floats]) -> list[Floats]:
    return [one * two for place, one in enumerate(parts) for two in parts[place:]]


def logit(share: Floats, floor: float = FLOOR) -> Floats:
    """Log-odds (n,) with both sides kept above 0."""
    held = np.clip(share, 0, 1)
    return np.asarray(np.log((held + floor) / (1 - held + floor)))

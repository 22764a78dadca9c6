"""What a configuration is still worth: right answers about people the model never saw."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reticent import stats
from reticent.audit.case import Prepared
from reticent.audit.score import rate
from reticent.finding import Rate
from reticent.randomness import generator
from reticent.target import Target
from reticent.targets.answers_file import Recorded
from reticent.targets.local import positions
from reticent.targets.wrap import fresh


def utility(case: Prepared, target: Target, seed: int) -> NDArray[np.float64] | None:
    """Replicates of accuracy (or R2) on others; None where the target tells nothing usable.

    All configurations share their resamples, so their differences are paired.
    """
    told = target.others if isinstance(target, Recorded) else fresh(target).ask(case.others)
    sample = stats.resample(case.others_people, generator(seed, "bootstrap", "others"))
    labels = case.others[case.label]
    if target.classes is None:
        if told.value is None:
            return None
        value = np.where(np.isnan(told.value), np.nanmean(labels.astype(float)), told.value)
        return stats.r2(sample, value, labels.astype(float))
    if told.label is None:
        return None
    truth = positions(labels, target.classes)
    return stats.accuracy(sample, np.where(told.label < 0, -2, told.label), truth)


def as_rate(replicates: NDArray[np.float64] | None, n: int) -> Rate:
    """The rate of some replicates, or none with the reason."""
    return Rate.none(n, "it tells no labels") if replicates is None else rate(replicates, n)


def loss(first: NDArray[np.float64] | None, then: NDArray[np.float64] | None, n: int) -> Rate:
    """How much of the first configuration's utility is lost, paired by person."""
    if first is None or then is None:
        return Rate.none(n, "one of the two tells no labels")
    return rate(first - then, n)

"""Shadow models: the attacker trains the target's like on auxiliary people, many times over.

They are trained once per model and answer through whichever contract is in force.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.known import Hidden, Shadow
from reticent.audit.fits import Fits, fit_all
from reticent.audit.train import Trainer
from reticent.dataset import Dataset
from reticent.randomness import generator, subseed
from reticent.target import Target
from reticent.targets.wrap import Remembered, fresh

COUNT = 6  # shadows a model: half calibrate, and the choice of the best attack holds one out
Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Coins:
    """A hidden column whose value is tossed for a share of the people before training.

    Attributes
    ----------
    column : the column. pair : the two values. share : of the people.
    """

    column: str
    pair: NDArray[np.generic]
    share: float

    def toss(self, rows: Dataset, people: Codes, rng: np.random.Generator) -> tuple[Dataset, Codes]:
        """Return the rows with coins in place, and which rows have one. One person, one coin."""
        count = int(people.max()) + 1
        tossed = rng.permutation(count) < round(self.share * count)
        coin = rng.integers(2, size=count)
        values = rows[self.column].copy()
        mine = tossed[people]
        values = (
            values.astype(np.result_type(values, self.pair)) if values.dtype != object else values
        )
        values[mine] = self.pair[coin[people[mine]]]
        return rows.replaced(self.column, values), np.flatnonzero(mine)


@dataclass(frozen=True, slots=True)
class ShadowModel:
    """One trained shadow.

    Attributes
    ----------
    rows : its members as it was trained on. at : their rows in the auxiliary data.
    stake : which of them have something to guess: all, or those with a coin. rest : other rows.
    """

    target: Target
    rows: Dataset
    at: Codes
    stake: Codes
    rest: Codes


def train_shadows(
    train: Trainer,
    auxiliary: Dataset,
    people: Codes,
    seed: int,
    *,
    count: int = COUNT,
    coins: Coins | None = None,
    backend: str | None = None,
    fits: Fits | None = None,
) -> list[ShadowModel]:
    """Train shadows, each on a random half of the auxiliary people.

    Parameters
    ----------
    backend : the name of a joblib backend that the fits are handed to; None trains here.
    fits : what was trained before.
    """
    plans = [_plan(auxiliary, people, seed, place, coins) for place in range(count)]
    # Models travel between processes; what is wrapped around them here need not.
    jobs = [(rows, subseed(seed, "shadow", place)) for place, (rows, *_) in enumerate(plans)]
    models = fit_all(train, jobs, backend, fits)
    return [ShadowModel(train.wrapped(model, plan[0]), *plan)
            for model, plan in zip(models, plans, strict=True)]  # fmt: skip


def _plan(
    auxiliary: Dataset, people: Codes, seed: int, place: int, coins: Coins | None
) -> tuple[Dataset, Codes, Codes, Codes]:
    rng = generator(seed, "shadow", place)
    inside = rng.permutation(int(people.max()) + 1)[people] % 2 == 0
    at, rest = np.flatnonzero(inside), np.flatnonzero(~inside)
    rows = auxiliary.take(at)
    if coins is None:
        return rows, at, np.arange(len(at)), rest
    rows, stake = coins.toss(rows, np.unique(people[at], return_inverse=True)[1], rng)
    return rows, at, stake, rest


def shadows_of(
    models: Sequence[ShadowModel],
    guard: Callable[[Target], Target],
    hidden: Hidden,
    auxiliary: Dataset,
    people: Codes,
    imputed: NDArray[np.float64],
) -> list[Shadow]:
    """See shadows through a contract, from one hidden column.

    Parameters
    ----------
    imputed : (n, k) imputation's log-probability of every auxiliary person, from other people.
    """
    found = []
    for model in models:
        truth = hidden.codes(model.rows[hidden.column])
        stake = model.stake[truth[model.stake] >= 0]
        rows, target, at = model.rows.take(stake), Remembered(guard(model.target)), model.at[stake]
        found.append(
            Shadow(target, rows, people[at], truth[stake], imputed[at], fresh(target).ask(rows),
                   auxiliary.take(model.rest))
        )  # fmt: skip
    return found

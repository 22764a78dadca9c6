"""When to refuse: unlike anything the model was made for.

A gate on the distance to single training rows is an oracle of its own: its refusal bit alone told
members' true value. So a gate is fitted on honest people who are not members, as class summaries,
on the columns that the contract does not marginalize.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reticent.dataset import Dataset
from reticent.encoding import Encoding, fit_encoding
from reticent.errors import DataError

FEWEST = 10  # people behind one class summary


@dataclass(frozen=True, slots=True)
class Gate:
    """Passes rows near one of a few class summaries.

    Attributes
    ----------
    centers : (c, d) mean of each class. whiten : (d, d) inverse root of the pooled covariance.
    farthest : the largest distance that still passes.
    """

    encode: Encoding
    centers: NDArray[np.float64]
    whiten: NDArray[np.float64]
    farthest: float

    @property
    def columns(self) -> list[str]:
        """The columns that decide."""
        return self.encode.columns

    def passes(self, rows: Dataset) -> NDArray[np.bool_]:
        """Say for each of n rows whether it is answered."""
        return self.distance(rows) <= self.farthest

    def distance(self, rows: Dataset) -> NDArray[np.float64]:
        """Return the distance (n,) of each row to the nearest class summary."""
        points = self.encode(rows) @ self.whiten
        centers = self.centers @ self.whiten
        apart = ((points[:, None, :] - centers[None, :, :]) ** 2).sum(axis=2)
        nearest: NDArray[np.float64] = np.sqrt(apart.min(axis=1))
        return nearest


def fit_gate(
    honest: Dataset, columns: list[str], label: str, share: float, rng: np.random.Generator
) -> Gate:
    """Fit class summaries on half of some honest non-members and the threshold on the other.

    Parameters
    ----------
    honest : people who are not members, with their label.
    columns : what the gate may look at: the model's inputs less the marginalized ones.
    share : of honest people who shall pass.

    Raises
    ------
    DataError : too few honest people.
    """
    from sklearn.covariance import LedoitWolf

    if len(honest) < 4 * FEWEST:
        raise DataError(
            "a gate for honest people", f"only {len(honest)} non-members are at hand",
            f"Give at least {4 * FEWEST}, or abstain below a confidence",
        )  # fmt: skip
    order = rng.permutation(len(honest))
    fitted, held = honest.take(order[::2]), honest.take(order[1::2])
    encode = fit_encoding(fitted, columns)
    points = encode(fitted)
    labels = fitted[label].astype(str)
    large = [name for name in np.unique(labels) if (labels == name).sum() >= FEWEST]
    groups = [points[labels == name] for name in large] or [points]
    spread = LedoitWolf().fit(np.concatenate([group - group.mean(axis=0) for group in groups]))
    size, axes = np.linalg.eigh(spread.covariance_)
    whiten = axes / np.sqrt(np.maximum(size, size.max() * 1e-9 + 1e-12))
    gate = Gate(encode, np.array([group.mean(axis=0) for group in groups]), whiten, 0.0)
    return Gate(encode, gate.centers, whiten, float(np.quantile(gate.distance(held), share)))

"""The people that benchmarks attack: one survey that statsmodels ships, three of shared data.

Shared data is read in place, in ``../shared/data`` beside the project, and is never copied.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.table import ROOT, CannotRunError

SHARED = ROOT.parent / "shared" / "data"


@dataclass(frozen=True, slots=True)
class People:
    """One data set and what is hidden in it.

    Attributes
    ----------
    name : how tables call it. read : reads the whole frame. label, sensitive : two of its columns.
    """

    name: str
    read: Callable[[], pd.DataFrame]
    label: str
    sensitive: str

    def values(self) -> tuple[Any, ...]:
        """The sensitive column's values, in rising order."""
        return tuple(sorted(self.read()[self.sensitive].unique().tolist()))

    def thirds(self, seed: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """Split at random into members, auxiliary people and people the model never sees."""
        frame = self.read()
        order, n = np.random.default_rng(seed).permutation(len(frame)), len(frame) // 3
        members, auxiliary, others = (
            frame.iloc[order[place * n : (place + 1) * n]].reset_index(drop=True)
            for place in range(3)
        )
        return members, auxiliary, others


def shared(name: str) -> pd.DataFrame:
    """Read one shared table.

    Raises
    ------
    CannotRunError : it is not there.
    """
    return pd.read_parquet(place(name))


def place(name: str) -> Path:
    """Find one shared file.

    Raises
    ------
    CannotRunError : it is not there.
    """
    path = SHARED / name
    if not path.exists():
        raise CannotRunError(
            f"shared/data/{name} is missing: it is looked for in ../shared/data from the "
            "project's root (the data is licensed to be read there and is not part of the project)"
        )
    return path


@cache
def _fair() -> pd.DataFrame:
    from statsmodels.datasets import fair

    frame: pd.DataFrame = fair.load_pandas().data
    return frame.assign(affairs=(frame["affairs"] > 0).astype(int))


@cache
def _steak() -> pd.DataFrame:
    """The 331 people who eat steak and answered everything."""
    frame = shared("steak_full.parquet")
    eaters = frame[frame["steak"] == "Yes"].drop(columns=["respondent_id", "steak"])
    return eaters.dropna().reset_index(drop=True)


@cache
def _gss() -> pd.DataFrame:
    return shared("mehnaz_gss_15235.parquet")


@cache
def _adult() -> pd.DataFrame:
    return shared("adult_train.parquet")


@cache
def _adult_married() -> pd.DataFrame:
    """Married or not, without ``relationship``, which says so, and without ``fnlwgt``.

    ``fnlwgt``, a survey weight of 21,648 values, is nearly a name: a forest keeps people by it.
    """
    frame = _adult().drop(columns=["relationship", "fnlwgt"])
    married = frame["marital_status"].str.startswith("Married")
    return frame.assign(marital_status=np.where(married, "married", "single"))


AFFAIRS = People("Fair's affairs survey", _fair, "rate_marriage", "affairs")
STEAK = People("FiveThirtyEight steak survey", _steak, "steak_prep", "cheated")
GSS = People("General Social Survey", _gss, "hapmar", "xmovie")
ADULT = People("Adult, marital status (7 values)", _adult, "income", "marital_status")
ADULT_MARRIED = People(
    "Adult, married or not, no `relationship`, no `fnlwgt`",
    _adult_married,
    "income",
    "marital_status",
)

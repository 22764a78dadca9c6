"""Fixtures that several folders share."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # small models: threads cost more than they bring

import pandas as pd
import pytest

from people import guests, survey
from reticent.dataset import Dataset


@pytest.fixture(scope="session")
def members() -> pd.DataFrame:
    """300 people who answered a survey that nothing explains."""
    return survey(300, seed=1)


@pytest.fixture
def few_guests() -> Dataset:
    """Eleven rows of mixed columns."""
    return guests(11)

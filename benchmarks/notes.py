"""Made-up notes about made-up patients, in many wordings: text with a condition in it."""

from __future__ import annotations

import numpy as np
import pandas as pd

CONDITIONS = {
    "diabetes": ("type 2 diabetes", "high blood sugar", "insulin resistance"),
    "depression": ("low mood for months", "a depressive episode", "loss of interest in life"),
    "asthma": ("wheezing at night", "asthma", "a tight chest when running"),
    "hypertension": ("raised blood pressure", "hypertension", "readings above 150 over 95"),
}
TOWNS = ("Leeds", "Bristol", "Cardiff", "York", "Exeter", "Dundee", "Norwich", "Belfast")
WORK = ("teacher", "bus driver", "nurse", "farmer", "accountant", "cook", "electrician", "student")
SAYS = (
    "{age} year old {work} from {town}, seen today with {sign}.",
    "The patient, a {work} living in {town}, aged {age}, reports {sign}.",
    "Follow-up of a {age} year old {work} ({town}): {sign}, advised to return in {weeks} weeks.",
    "{sign} in a {work} of {age}, {town}. Review after {weeks} weeks.",
    "Letter to the practice in {town}: your patient, {age}, a {work}, presents with {sign}.",
)


def notes(n: int, seed: int) -> pd.DataFrame:
    """Draw n notes: their ``text``, the ``condition`` in it, and a ``label`` that says nothing."""
    rng = np.random.default_rng([seed, 3])
    names = list(CONDITIONS)
    conditions = [names[place] for place in rng.integers(len(names), size=n)]
    texts = [
        str(rng.choice(SAYS)).format(
            age=rng.integers(18, 90), work=rng.choice(WORK), town=rng.choice(TOWNS),
            sign=rng.choice(CONDITIONS[one]), weeks=rng.integers(2, 13),
        )
        for one in conditions
    ]  # fmt: skip
    return pd.DataFrame({"text": texts, "condition": conditions, "label": rng.integers(0, 2, n)})

"""Everybody else's rows and the model: the one row that is missing (Balle 2022)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.record.recipe import Recipe, decode, learned, recipe_of, solve, sums
from reticent.dataset import Dataset
from reticent.target import Reveals, Target


class Informed:
    """Which row explains what the known rows do not?"""

    name = "informed"
    title = "the one unknown training row, solved for from all others and the parameters"
    paper = "Balle, Cherubin and Hayes 2022, IEEE S&P, arXiv:2201.04845"
    threat_model = (
        "Holds every training row but one, and knows the learning algorithm with its settings and "
        "how columns are prepared. Reads the parameters of the bare model; behind a contract it "
        "learns those of a linear model from unrounded scores of the rows that it holds. The "
        "worst case that differential privacy is meant for, not a likely attacker."
    )
    cost = "none where the parameters are open; else one row per known person, once for everybody"
    null_result = (
        "It solves linear, ridge, logistic (squared penalty) and Gaussian naive Bayes models "
        "only, and a solver that stops early blurs what it finds. Behind rounded scores it does "
        "not ask until the rounding averages away. Other models may keep a row that a numerical "
        "search would find."
    )
    needs = Reveals.LABEL | Reveals.ANY_ROW

    def recipe(self, bare: Target, target: Target, known: Dataset) -> Recipe | str:
        """What is known of the model in this view; a reason where that is too little.

        Parameters
        ----------
        bare : the model. target : the same model as the attacker meets it. known : their rows.
        """
        found = recipe_of(bare)
        if isinstance(found, str) or getattr(target, "model", None) is not None:
            return found
        return learned(found, target, known)

    def rebuild(
        self, recipe: Recipe, known: Dataset, label: str, without: NDArray[np.intp],
        columns: list[str],
    ) -> Dataset:  # fmt: skip
        """Rebuild one missing row (n) for each known row that is left out."""
        found = solve(recipe, sums(recipe, known, label), without)
        return decode(recipe, np.nan_to_num(found), known, columns)

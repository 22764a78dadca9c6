"""The attacker who asks about each person once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.attack import Guess
from reticent.attacks.grid import complete, label_places
from reticent.attacks.known import Known
from reticent.attacks.learner import learned_guess
from reticent.dataset import Dataset
from reticent.target import Answer, Reveals, Target


class SingleQuery:
    """Ask under the value that imputation finds likeliest, and learn from shadows what it means."""

    name = "single_query"
    title = "one question per person, under the likeliest value"
    paper = "This project; it measures what a limit of one value per record leaves over"
    threat_model = (
        "Asks one row per person. Holds the other columns (or some), complete rows of auxiliary "
        "people, the learning algorithm and the contract."
    )
    cost = "one row per person"
    null_result = "A second question about the same person may tell what the first did not."
    needs = Reveals.LABEL | Reveals.ANY_ROW
    needs_label = False
    needs_classes = False
    needs_records = False

    def guess(self, target: Target, known: Known, rng: np.random.Generator) -> Guess:
        """Guess from (n) rows asked."""

        def features(asked: Target, view: Known) -> NDArray[np.float64]:
            place = view.imputed.argmax(axis=1)
            rows = complete(asked, view, rng)
            values = np.tile(view.hidden.values[place], len(rows) // len(view.rows))
            told = asked.ask(rows.replaced(view.hidden.column, values))
            said = describe_answer(told, asked, view, rows)
            return np.concatenate([said, place[:, None]], axis=1)

        return learned_guess(self.name, features, target, known, rng)


def describe_answer(
    told: Answer, target: Target, known: Known, rows: Dataset
) -> NDArray[np.float64]:
    """Lay out one answer per person: (n, f) scores or label, the true label's score, refusals."""
    n, times = len(known.rows), max(len(rows) // len(known.rows), 1)
    blocks = [np.ones((len(told), 0))]
    scores = told.scores
    if scores is None and told.label is not None and target.classes is not None:
        scores = (told.label[:, None] == np.arange(len(target.classes))).astype(float)
    if scores is not None:
        scores = np.nan_to_num(scores)
        blocks += [scores, scores.max(axis=1, keepdims=True)]
        if known.knows_label:
            places = np.tile(label_places(target, known.rows[known.label]), times)
            blocks.append(scores[np.arange(len(told)), np.maximum(places, 0)][:, None])
    if told.value is not None:
        value = np.nan_to_num(told.value)[:, None]
        blocks.append(value)
        if known.knows_label:
            truth = np.tile(known.rows[known.label].astype(float), times)[:, None]
            blocks.append(np.abs(value - truth))
    if told.answered is not None:
        blocks.append(told.answered[:, None].astype(float))
    laid = np.concatenate(blocks, axis=1)
    return np.asarray(laid.reshape(times, n, -1).mean(axis=0))

"""Judging rebuilt rows: is a guess nearer to its own person than to other people?

A guess that knows nothing about a person in particular, however plausible, is as near to others
with the same label as to them: its identification AUC is 1/2, whatever the columns are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reticent import stats
from reticent.audit.score import rate
from reticent.column import is_numeric
from reticent.dataset import Dataset
from reticent.encoding import Encoding, fit_encoding
from reticent.finding import Rate, Score

TEXT = 3  # words in a cell, on average, from which a column is prose and not a category
WORDS = 400  # of the public texts that are counted, the commonest
CLOSE = 0.1  # standard deviations within which a number counts as right
SAME = 1e-9  # squared distance below which two rows are one
WORST = 10

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Space:
    """Rows as numbers in which two random people lie about one apart in each column.

    Attributes
    ----------
    encode : of the columns that are no prose. words : prose column to its words' places.
    spans : column to its numbers' places among all (first, after the last).
    """

    encode: Encoding
    words: dict[str, dict[str, int]]
    spans: dict[str, tuple[int, int]]

    def __call__(self, rows: Dataset) -> Floats:
        """Return the rows as numbers (n, p)."""
        parts = [self.encode(rows) / np.sqrt(2)]
        parts += [_counted(rows[name], known) for name, known in self.words.items()]
        return np.concatenate(parts, axis=1)

    def right(self, guess: Floats, truth: Floats) -> Floats:
        """Say of each column of each guess (n, c) whether it is right; prose: the words' F1."""
        found = []
        for name, (first, last) in self.spans.items():
            said, true = guess[:, first:last], truth[:, first:last]
            if name in self.words:
                found.append(_overlap(said, true))
            elif name in self.encode.levels:
                found.append(np.asarray(said.argmax(1) == true.argmax(1), dtype=float))
            else:
                close = np.abs(said[:, 0] - true[:, 0]) * np.sqrt(2) <= CLOSE
                found.append(close.astype(float))
        return np.column_stack(found)

    def of(self, columns: Sequence[str]) -> NDArray[np.intp]:
        """The places of some columns' numbers."""
        return np.concatenate([np.arange(*span) for span in self._ordered(columns).values()])

    def only(self, columns: Sequence[str]) -> Space:
        """The space of some columns, whose numbers stand where ``of`` takes them from."""
        spans, place = {}, 0
        for name, (first, last) in self._ordered(columns).items():
            spans[name] = (place, place + last - first)
            place += last - first
        return Space(self.encode, self.words, spans)

    def _ordered(self, columns: Sequence[str]) -> dict[str, tuple[int, int]]:
        return {name: span for name, span in self.spans.items() if name in columns}


def fit_space(public: Dataset, columns: Sequence[str]) -> Space:
    """Learn from public rows how the named columns become numbers."""
    prose = [name for name in columns if _is_prose(public[name])]
    encode = fit_encoding(public, [name for name in columns if name not in prose])
    words = {name: _vocabulary(public[name]) for name in prose}
    spans, place = {}, 0
    widths = [(name, 1 + marked) for name, (_, _, marked) in encode.numeric.items()]
    widths += [(name, len(levels)) for name, levels in encode.levels.items()]
    widths += [(name, len(known)) for name, known in words.items()]
    for name, width in widths:
        spans[name] = (place, place + width)
        place += width
    return Space(encode, words, spans)


def _is_prose(column: NDArray[np.generic]) -> bool:
    if column.dtype != object or is_numeric(column):
        return False
    texts = [value for value in column.tolist() if isinstance(value, str)]
    return bool(texts) and float(np.mean([len(_split(text)) for text in texts])) >= TEXT


def _split(text: object) -> list[str]:
    return re.findall(r"\w+", text.lower()) if isinstance(text, str) else []


def _vocabulary(column: NDArray[np.generic]) -> dict[str, int]:
    seen = Counter(word for text in column.tolist() for word in set(_split(text)))
    ranked = sorted((word for word in seen if seen[word] > 1), key=lambda w: (-seen[w], w))
    return {word: place for place, word in enumerate(ranked[:WORDS])}


def _counted(column: NDArray[np.generic], known: dict[str, int]) -> Floats:
    """Which known words (n, w) a text has, each text of length 1 where it has any."""
    found = np.zeros((len(column), len(known)))
    for row, text in enumerate(column.tolist()):
        for word in set(_split(text)) & known.keys():
            found[row, known[word]] = 1.0
    return np.asarray(found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1.0))


def _overlap(said: Floats, true: Floats) -> Floats:
    """F1 (n,) of the words: as many of the surest are taken as the text has."""
    count = (true > 0).sum(axis=1)
    rank = np.argsort(np.argsort(-said, axis=1, kind="stable"), axis=1)
    hits = ((rank < count[:, None]) & (true > 0)).sum(axis=1)
    return np.asarray(hits / np.maximum(count, 1), dtype=float)


# Identification -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Told:
    """How well guesses (n, p) tell n people apart.

    Attributes
    ----------
    score : with the identification AUC in ``auc``. auc : its replicates.
    each : (n,) how many of the others each guess excludes, as a share.
    """

    score: Score
    auc: Floats
    each: Floats


def squared(first: Floats, second: Floats) -> Floats:
    """Squared distances (n, m)."""
    apart = (first**2).sum(1)[:, None] + (second**2).sum(1) - 2 * first @ second.T
    return np.asarray(np.maximum(apart, 0.0))


def identified(
    guess: Floats, truth: Floats, space: Space, sample: stats.Resamples, alike: Codes
) -> Told:
    """Judge guesses about people against the people they could be mistaken for.

    Parameters
    ----------
    alike : (n,) codes; only people of the same code are compared: what is known anyway.
    """
    apart = squared(guess, truth)
    own = np.diag(apart)[:, None]
    close = SAME * (1 + own)
    beats = np.where(apart > own + close, 1.0, np.where(apart < own - close, 0.0, 0.5))
    rivals = np.asarray(alike[:, None] == alike, dtype=float)
    np.fill_diagonal(rivals, 0.0)
    weights = sample.weights.astype(float)
    over = (weights * ((beats * rivals) @ weights)).sum(axis=0)
    under = (weights * (rivals @ weights)).sum(axis=0)
    areas = np.divide(over, under, out=np.full(len(over), np.nan), where=under > 0)
    n, pairs = len(guess), np.maximum(rivals.sum(axis=1), 1.0)
    right = space.right(guess, truth)
    alone = np.asarray(((beats < 1) & (rivals > 0)).sum(axis=1) == 0, dtype=float)
    score = Score(
        accuracy=mean_rate(right.mean(axis=1), sample), auc=rate(areas, n, n),
        mcc=Rate.none(n, "a row has no classes"),
        precision_at_5pct=Rate.none(n, "a row has no classes"),
        more={"top1": mean_rate(alone, sample),
              "exact": mean_rate(np.asarray(right.min(axis=1) >= 1, dtype=float), sample)},
    )  # fmt: skip
    return Told(score, areas, (beats * rivals).sum(axis=1) / pairs)


def mean_rate(each: Floats, sample: stats.Resamples) -> Rate:
    """The mean of numbers between 0 and 1, one a person, with its bounds."""
    weights = sample.weights.astype(float)
    return rate(each @ weights / np.maximum(weights.sum(axis=0), 1.0), len(each), len(each))


def worst(each: Floats, at: Codes) -> tuple[int, ...]:
    """Row numbers of the people who are told apart best, of those above chance."""
    order = np.argsort(-each, kind="stable")[:WORST]
    return tuple(int(at[place]) for place in order if each[place] > 0.5)


def center(space: Space, rows: Dataset, codes: Codes, asked: Codes) -> Floats:
    """The commonest value or the median of each column among rows of the same code: (n, p).

    Parameters
    ----------
    codes : of the rows. asked : (n,) the codes that are asked for; -1 or unseen: among all rows.
    """
    seen = space(rows)
    middle = {code: _middle(space, seen[codes == code]) for code in set(codes.tolist())}
    everybody = _middle(space, seen)
    return np.array([middle.get(code, everybody) for code in asked.tolist()])


def _middle(space: Space, seen: Floats) -> Floats:
    found = np.median(seen, axis=0)
    for name, (first, last) in space.spans.items():
        if name in space.words:
            found[first:last] = seen[:, first:last].mean(axis=0)
        elif name in space.encode.levels:
            share = seen[:, first:last].sum(axis=0)
            found[first:last] = (share == share.max()) / np.sqrt(2)
    return np.asarray(found)

"""What one cell of a released table may say: a value, a range, a set, or nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from reticent.column import Column
from reticent.errors import DataError

NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
RANGE = re.compile(rf"([\[(]?)\s*({NUMBER}|-inf)\s*(?:-|–|,|\.\.|to)\s*({NUMBER}|inf)\s*([\])]?)")
BOUND = re.compile(rf"(<=|>=|<|>|≤|≥)\s*({NUMBER})")
BEYOND = re.compile(rf"({NUMBER})\s*\+")
NOTHING = ("*", "")
DIGITS = 9  # of a fraction, beyond which a number counts as exact

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


def decimals(numbers: Floats) -> int:
    """How many digits behind the point the finest of some numbers has, at most ``DIGITS``."""
    told = numbers[np.isfinite(numbers)]
    for digits in range(DIGITS):
        off = np.abs(np.round(told, digits) - told)
        if (off <= 1e-12 * np.maximum(np.abs(told), 1)).all():
            return digits
    return DIGITS


def numbers_of(released: Column, name: str) -> tuple[Floats, Floats]:
    """Read cells of text as the lowest and the highest number (m,) that each holds.

    Raises
    ------
    DataError : cells that are neither a number, a range nor a gap; they are counted, not quoted.
    """
    read = {cell: _bounds(cell) for cell in set(released.tolist())}
    strange = {cell for cell, bounds in read.items() if bounds is None}
    if strange:
        wrong = sum(cell in strange for cell in released.tolist())
        raise DataError(
            f"column {name!r} of the released table",
            f"{wrong} of {len(released)} cells are neither a number nor a range",
            "Write a range as 30-39, [30, 40), <30 or 65+, and * for what was left out",
        )  # fmt: skip
    bounds = np.array([read[cell] for cell in released.tolist()], dtype=float).reshape(-1, 2)
    return bounds[:, 0], bounds[:, 1]


def _bounds(cell: object) -> tuple[float, float] | None:
    text = "" if cell is None else str(cell).strip()
    if text in NOTHING:
        return -np.inf, np.inf
    if re.fullmatch(NUMBER, text):
        return float(text), float(text)
    if found := RANGE.fullmatch(text):
        low, high = float(found[2]), float(found[3])
        return (
            float(np.nextafter(low, np.inf)) if found[1] == "(" else low,
            float(np.nextafter(high, -np.inf)) if found[4] == ")" else high,
        )
    if found := BEYOND.fullmatch(text):
        return float(found[1]), np.inf
    if found := BOUND.fullmatch(text):
        edge, open_ = float(found[2]), found[1] in "<>"
        if found[1][0] in "<≤":
            return -np.inf, float(np.nextafter(edge, -np.inf)) if open_ else edge
        return float(np.nextafter(edge, np.inf)) if open_ else edge, np.inf
    return None


def words_of(released: Column, words: Mapping[object, int]) -> tuple[Codes, NDArray[np.bool_]]:
    """Read cells of words: which distinct cell each is (m,), and the words that each holds.

    A set is written ``{a, b}`` or ``a|b``; a cell that is a known word is that word.

    Returns
    -------
    The cells' codes, and (cells, words + 1), the last column for words that nobody knows.
    """
    distinct = list(dict.fromkeys(released.tolist()))
    place = {cell: at for at, cell in enumerate(distinct)}
    holds = np.zeros((len(distinct), len(words) + 1), dtype=bool)
    for at, cell in enumerate(distinct):
        if cell is None or (cell not in words and str(cell).strip() in NOTHING):
            holds[at] = True
        else:
            holds[at, [words[one] for one in _set(cell, words) if one in words]] = True
    return np.array([place[cell] for cell in released.tolist()], dtype=np.intp), holds


def _set(cell: object, words: Mapping[object, int]) -> list[object]:
    if cell in words or not isinstance(cell, str):
        return [cell]
    text = cell.strip()
    inside = text[1:-1] if text[:1] + text[-1:] in ("{}", "[]") else text
    parts = inside.split("|" if "|" in inside else ",")
    return [part.strip().strip("'\"") for part in parts]

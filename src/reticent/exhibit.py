"""What a report shows beside its numbers: pictures and small tables, never part of the evidence.

A reconstruction may be somebody's face. Whoever keeps evidence for years must not keep that, so
exhibits go to the report of the run and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture.

    Attributes
    ----------
    pixels : (h, w) gray, or (h, w, 3), from 0 to 1. says : what it shows, for who cannot see it.
    """

    pixels: NDArray[np.float64]
    says: str = ""


@dataclass(frozen=True, slots=True)
class Exhibit:
    """Rows of words and pictures.

    Attributes
    ----------
    title, caption : in plain words. columns : headings. rows : as many cells each.
    """

    title: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | Picture, ...], ...]

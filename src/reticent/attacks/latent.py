"""The space in which an attacker looks for a picture: what public pictures have in common.

A search among all pixels finds noise that the model takes for a person. A search among pictures
that look like people finds people.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from reticent.errors import DataError

Floats = NDArray[np.float64]

FEWEST = 10  # public pictures that make eigenfaces; with fewer, smooth waves have to do
MOST = 2_000  # pictures that a decomposition looks at
KEPT = 0.95  # of the public pictures' variance
TEMPER = 0.25  # how far the axes keep their own lengths: 1 is all of it, 0 makes them alike
WAVES = 120


class Decoder(Protocol):
    """What makes pictures of points.

    Attributes
    ----------
    width : numbers q of a point; points of public pictures spread about 1 in each.
    reach : how far out a first look for all classes goes.
    """

    @property
    def width(self) -> int:
        """How many numbers q a point has."""
        ...

    @property
    def reach(self) -> float:
        """How far out a first look for all classes goes."""
        ...

    def decode(self, z: Floats) -> Floats:
        """Make pictures (n, d) of points (n, q)."""
        ...

    def pull(self, z: Floats, gradient: Floats) -> Floats:
        """Take a gradient by pictures (n, d) back to one by points (n, q)."""
        ...


@dataclass(frozen=True, slots=True)
class Axes:
    """Pictures as a center and steps along axes.

    Attributes
    ----------
    center : (d,). axes : (q, d), as long as a usual step is.
    """

    center: Floats
    axes: Floats
    reach: float = 3.0

    @property
    def width(self) -> int:
        """How many axes there are."""
        return len(self.axes)

    def decode(self, z: Floats) -> Floats:
        """Make pictures (n, d) of points (n, q)."""
        return self.center + z @ self.axes

    def pull(self, z: Floats, gradient: Floats) -> Floats:  # noqa: ARG002 (other decoders bend)
        """Take a gradient by pictures back to one by points."""
        return gradient @ self.axes.T


def eigenfaces(images: Floats, kept: float = KEPT, temper: float = TEMPER) -> Axes:
    """Main axes of public pictures (m, d) (Turk and Pentland 1991, doi:10.1162/jocn.1991.3.1.71).

    Pose and light take up the longest axes, and who it is the shorter ones. A search in steps of
    the axes' own lengths spends itself on the former, so the lengths are tempered; together they
    keep the pictures' spread.
    """
    center = images.mean(axis=0)
    _, spread, axes = np.linalg.svd(images - center, full_matrices=False)
    share = np.cumsum(spread**2) / max(float((spread**2).sum()), 1e-12)
    q = max(int(np.searchsorted(share, kept)) + 1, 1)
    lengths = np.maximum(spread[:q], 1e-9) / np.sqrt(len(images))
    steps = lengths**temper
    steps *= np.sqrt((lengths**2).sum() / (steps**2).sum())
    return Axes(center, steps[:, None] * axes[:q])


def waves(shape: tuple[int, ...], middle: float, spread: float, most: int = WAVES) -> Axes:
    """Smooth waves over a picture, for somebody who has no public ones.

    The cosines of lowest frequency, shorter as they get finer, as in natural pictures (Field 1987,
    doi:10.1364/JOSAA.4.002379).

    Parameters
    ----------
    shape : height, width and, if there are any, channels. spread : of a pixel.
    """
    high, wide = shape[0], shape[1]
    fine = np.add.outer(np.arange(high) ** 2.0, np.arange(wide) ** 2.0)
    places = np.argsort(fine, axis=None, kind="stable")[1 : min(most, high * wide - 1) + 1]
    rows, columns = np.unravel_index(places, (high, wide))
    up = np.cos(np.pi * rows[:, None] * (np.arange(high) + 0.5) / high)
    along = np.cos(np.pi * columns[:, None] * (np.arange(wide) + 0.5) / wide)
    flat = (up[:, :, None] * along[:, None, :]).reshape(len(places), -1)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    steps = (1 + fine.ravel()[places]) ** (-TEMPER)
    depth = int(np.prod(shape[2:], dtype=int))
    steps *= spread * np.sqrt(high * wide * depth / (steps**2).sum())
    return Axes(np.full(high * wide * depth, middle), steps[:, None] * np.repeat(flat, depth, 1))


def latent(images: Floats, shape: tuple[int, ...], low: float, high: float) -> Axes:
    """The space of public pictures, or of smooth waves where there are too few."""
    if len(images) >= FEWEST and float(np.ptp(images, axis=0).max()) > 0:
        return eigenfaces(images[:MOST])
    return waves(shape, (low + high) / 2, (high - low) / 5)


@dataclass(frozen=True, slots=True)
class Given:
    """A user's own decoder, such as a generator trained on public pictures.

    Attributes
    ----------
    model : with ``forward`` from points to pictures and ``backward`` as a ``Network`` has.
    """

    model: Any
    width: int
    reach: float = 1.0

    def decode(self, z: Floats) -> Floats:
        """Make pictures (n, d) of points (n, q)."""
        return np.asarray(self.model.forward(z), dtype=float).reshape(len(z), -1)

    def pull(self, z: Floats, gradient: Floats) -> Floats:
        """Take a gradient by pictures back to one by points."""
        found: Floats = self.model.backward(z, lambda _: gradient)[1]
        return found


def check_decoder(decoder: Decoder, pixels: int) -> None:
    """Refuse a decoder whose pictures are not the model's.

    Raises
    ------
    DataError : another number of pixels.
    """
    made = decoder.decode(np.zeros((1, decoder.width))).shape[1]
    if made != pixels:
        raise DataError(
            "the decoder's pictures", f"it makes {made} numbers, the model takes {pixels} pixels",
            "Give a decoder of pictures of the model's size",
        )  # fmt: skip

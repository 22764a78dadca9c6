"""Pictures inside a page."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray

from reticent.exhibit import Picture
from reticent.report.picture import png, source


def unpacked(file: bytes) -> NDArray[np.uint8]:
    """Read the pixels (h, w, channels) of a PNG that filters no line."""
    at, parts = 8, {}
    while at < len(file):
        size, name = struct.unpack(">I4s", file[at : at + 8])
        content = file[at + 8 : at + 8 + size]
        check = struct.unpack(">I", file[at + 8 + size : at + 12 + size])[0]
        assert check == zlib.crc32(name + content)
        parts[name] = content
        at += 12 + size
    width, height, bits, kind = struct.unpack(">IIBB", parts[b"IHDR"][:10])
    assert bits == 8
    lines = np.frombuffer(zlib.decompress(parts[b"IDAT"]), np.uint8).reshape(height, -1)
    assert not lines[:, 0].any()
    return lines[:, 1:].reshape(height, width, {0: 1, 2: 3}[kind])


@pytest.mark.parametrize("shape", [(3, 5), (4, 2, 1), (4, 2, 3)])
def test_a_picture_comes_back_from_its_file(shape: tuple[int, ...]) -> None:
    pixels = np.linspace(0.0, 1.0, int(np.prod(shape))).reshape(shape)
    found = unpacked(png(Picture(pixels)))
    assert np.abs(found / 255 - pixels.reshape(found.shape)).max() <= 0.5 / 255


def test_what_lies_beyond_black_and_white_is_black_or_white() -> None:
    found = unpacked(png(Picture(np.array([[-3.0, 7.0, np.nan]]))))
    assert found.ravel().tolist() == [0, 255, 0]


def test_an_address_holds_the_picture() -> None:
    assert source(Picture(np.zeros((2, 2)))).startswith("data:image/png;base64,iVBORw0KGgo")

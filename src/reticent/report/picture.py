"""Pictures inside a page, without a library that draws."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode

import numpy as np

from reticent.exhibit import Picture

SIGNATURE = b"\x89PNG\r\n\x1a\n"
KINDS = {1: 0, 3: 2}  # channels to the format's kind of color


def source(picture: Picture) -> str:
    """A picture as an address that holds it, for an ``img``."""
    return "data:image/png;base64," + b64encode(png(picture)).decode()


def png(picture: Picture) -> bytes:
    """A picture as a PNG file (ISO/IEC 15948) of 8 bits a channel."""
    pixels = np.nan_to_num(np.clip(picture.pixels, 0.0, 1.0))
    cells = np.round(255 * pixels.reshape(*pixels.shape[:2], -1)).astype(np.uint8)
    height, width, channels = cells.shape
    lines = np.zeros((height, 1 + width * channels), dtype=np.uint8)  # each begins: not filtered
    lines[:, 1:] = cells.reshape(height, -1)
    head = struct.pack(">IIBBBBB", width, height, 8, KINDS[channels], 0, 0, 0)
    body = zlib.compress(lines.tobytes(), 9)
    parts = (b"IHDR", head), (b"IDAT", body), (b"IEND", b"")
    return SIGNATURE + b"".join(_part(name, content) for name, content in parts)


def _part(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

"""What honest queries look like, as a file: a machine that serves needs no people's data."""

from __future__ import annotations

import io
from dataclasses import fields
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from reticent.errors import ConfigError
from reticent.evidence import whole
from reticent.monitor.points import Axes, Manifold
from reticent.monitor.reference import Gaps, Reference

ARRAY = 1  # code of an array among what msgpack knows
FORMAT = 2


def save_reference(reference: Reference, path: Path) -> None:
    """Write a reference, whole or not at all; its tokens are worthless without the key."""
    content = msgspec.msgpack.encode([FORMAT, _parts(reference)], enc_hook=_packed)
    with whole(path, 0o600) as beside:
        beside.write_bytes(sha256(content).digest() + content)


def load_reference(path: Path, columns: tuple[str, ...], groups: list[list[str]]) -> Reference:
    """Read a reference for the same columns.

    Raises
    ------
    ConfigError : there is none, it cannot be read, or it is about other columns.
    """
    asked, again = f"the reference {path}", "Serve once where [data].others can be read"
    try:
        raw = path.read_bytes()
        if sha256(raw[32:]).digest() != raw[:32]:  # half a file, or another
            raise ValueError
        found, parts = msgspec.msgpack.decode(raw[32:], ext_hook=_array)
        if found != FORMAT:
            raise ValueError
        axes, gaps, manifold = Axes(**parts.pop("axes")), parts.pop("gaps"), parts.pop("manifold")
        reference = Reference(
            axes=axes, gaps=Gaps(**gaps),
            manifold=None if manifold is None else Manifold(**manifold),
            groups=tuple(tuple(group) for group in parts.pop("groups")), **parts,
        )  # fmt: skip
    except FileNotFoundError:
        raise ConfigError(asked, "there is none, and no honest people either", again) from None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, msgspec.DecodeError):
        raise ConfigError(asked, "it cannot be read", again) from None
    known = (tuple(axes.columns), [list(group) for group in reference.groups])
    if known != (columns, groups):
        raise ConfigError(asked, "it is about other columns than the model's", again)
    return reference


def _parts(record: Any) -> dict[str, Any]:
    """The fields of a record and of the records in it."""
    return {
        one.name: _parts(value) if hasattr(value, "__dataclass_fields__") else value
        for one in fields(record)
        for value in [getattr(record, one.name)]
    }


def _packed(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        file = io.BytesIO()
        np.lib.format.write_array(file, value, allow_pickle=False)
        return msgspec.msgpack.Ext(ARRAY, file.getvalue())
    return value.item()  # a number of numpy's


def _array(code: int, content: memoryview) -> Any:
    if code != ARRAY:
        raise ValueError(code)
    return np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)

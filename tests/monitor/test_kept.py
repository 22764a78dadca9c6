"""A reference as a file."""

from __future__ import annotations

import stat
from dataclasses import fields, is_dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reticent.dataset import Dataset
from reticent.errors import ConfigError
from reticent.monitor.kept import load_reference, save_reference
from reticent.monitor.reference import Reference, fit_reference
from reticent.monitor.sketch import Sketcher

from .asking import KEY, TABLES, world


def read(path: Path, name: str) -> Reference:
    made = world(name)
    return load_reference(path, made.reference.axes.columns, made.groups)


def same(one: Any, other: Any) -> bool:
    """Whether two are alike to the last bit, lists being tuples."""
    if is_dataclass(one):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    if isinstance(one, np.ndarray):
        kinds = (one.dtype, one.shape) == (other.dtype, other.shape)
        return bool(kinds and one.tobytes() == other.tobytes())
    if isinstance(one, list | tuple):
        pairs = zip(one, other, strict=True)
        return len(one) == len(other) and all(same(a, b) for a, b in pairs)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other)


@pytest.mark.parametrize("name", TABLES)
def test_what_was_written_is_read_to_the_last_bit(name: str, tmp_path: Path) -> None:
    reference, path = world(name).reference, tmp_path / "reference.bin"
    save_reference(reference, path)
    found = read(path, name)
    assert same(found, reference)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    rows = world(name).people(50, 9)
    assert np.array_equal(found.axes(rows)[0], reference.axes(rows)[0])
    for group in range(len(reference.groups)):
        for record in [*list(reference.alike[group])[:20], 7]:
            assert found.chance(group, record) == reference.chance(group, record)
    save_reference(found, path)  # and once more
    assert same(read(path, name), reference)


def test_bins_gaps_and_strange_levels_are_kept(tmp_path: Path) -> None:
    words = ["", "None", "é", "Z" * 10_000, "a\x00b", None]
    honest = Dataset({"income": np.arange(60.0), "age": np.where(np.arange(60) % 9, 1.0, np.nan),
                      "word": np.array(words * 10, dtype=object)})  # fmt: skip
    sketcher = Sketcher(KEY, honest.names, [["income"]])
    reference = fit_reference(honest, honest.names, [["income"]], sketcher,
                              np.random.default_rng(0), {"income": [0.0, 10.0, 60.0]})  # fmt: skip
    save_reference(reference, tmp_path / "kept")
    found = load_reference(tmp_path / "kept", tuple(honest.names), [["income"]])
    assert same(found, reference)
    assert reference.axes.bins
    assert reference.axes.levels
    assert np.array_equal(found.axes(honest)[0], reference.axes(honest)[0])


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kept") / "reference.bin"
    save_reference(world("clinic", 60).reference, path)
    return path


def test_no_file_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path / "none", "clinic")
    assert "there is none" in str(caught.value)
    assert "[data].others" in str(caught.value)
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path, "clinic")


def test_other_columns_or_groups_are_refused(kept: Path) -> None:
    columns = world("clinic").reference.axes.columns
    for known, groups in [
        (columns[::-1], [["gene"]]), (columns[:-1], [["gene"]]), (columns, []),
        (columns, [["town"]]), (columns, [["gene", "town"]]),
    ]:  # fmt: skip
        with pytest.raises(ConfigError, match="other columns"):
            load_reference(kept, known, groups)
    assert load_reference(kept, columns, [["gene"]]).axes.columns


def summed(parts: Any) -> bytes:
    """What a later version might write, with the right sum."""
    content = msgspec.msgpack.encode(parts)
    return sha256(content).digest() + content


FOREIGN: dict[str, Any] = {
    "nothing": b"",
    "text": b"[data]\n",
    "a pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00]\x94(K\x01K\x02e.",
    "another format": summed([2, {}]),
    "no parts": summed([1, {}]),
    "a number": summed([1, 3]),
    "a list": summed([1]),
    "foreign parts": summed([1, {"axes": {}, "gaps": {}, "manifold": None, "groups": 3}]),
    "another code": summed([1, msgspec.msgpack.Ext(9, b"x")]),
    "without a sum": msgspec.msgpack.encode([1, {}]),
    "an array of objects": msgspec.msgpack.encode(
        [1, msgspec.msgpack.Ext(1, b"\x93NUMPY\x01\x00\x16\x00{'descr':'|O','shape':(1,)}")]
    ),
    "a huge array": msgspec.msgpack.encode(
        [1, msgspec.msgpack.Ext(1, b"\x93NUMPY\x01\x00\x46\x00" + str(
            {"descr": "<f8", "fortran_order": False, "shape": (1 << 60,)}
        ).ljust(0x46).encode())]
    ),
    "deep": b"\x91" * 100_000,
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "foreign"
    path.write_bytes(FOREIGN[name])
    with pytest.raises(ConfigError, match="cannot be read"):
        read(path, "clinic")


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_a_damaged_file_is_refused(kept: Path, tmp_path: Path, data: st.DataObject) -> None:
    """Whatever bytes: never anything but a ConfigError."""
    whole = kept.read_bytes()
    if data.draw(st.booleans()):
        damaged = whole[: data.draw(st.integers(0, len(whole) - 1))]
    else:
        at = data.draw(st.integers(0, len(whole) - 1) | st.integers(0, 400))
        damaged = whole[:at] + data.draw(st.binary(min_size=1, max_size=4)) + whole[at + 1 :]
    if damaged == whole:
        return
    path = tmp_path / "damaged"
    path.write_bytes(damaged)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_reference(path, world("clinic").reference.axes.columns, [["gene"]])

"""Model files in a child process: whatever reading one does, it stays there and comes to an end.

Pickles stand for the worst that a file could do, for they run any code; the child does not ask who
vouches for them.
"""

from __future__ import annotations

import io
import os
import pickle
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from skops import io as skops_io

from people import TRAITS, Rote, memorizing, survey
from reticent.dataset import Dataset
from reticent.errors import MissingExtraError, ModelError, UntrustedModelError
from reticent.targets import child
from reticent.targets.child import Report, looked_at

INPUTS = [*TRAITS, "s"]
PEOPLE = survey(60, seed=1)
ROWS = Dataset.of(PEOPLE)


def look(content: bytes, name: str = "model.pkl", **limits: Any) -> Report:
    return looked_at(Path(name), content, INPUTS, ROWS, ROWS["y"], **limits)


class Doing:
    """A pickle that calls something when it is read."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call[0], self.call[1:]


def bomb(*call: Any) -> bytes:
    return pickle.dumps(Doing(*call))


@pytest.mark.slow
def test_a_model_comes_back_as_a_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    told = look(skops_io.dumps(memorizing(PEOPLE, 3)), "model.skops")
    assert told.kind == "converted"
    assert told.names == tuple(INPUTS)
    assert told.graph is not None
    assert "agrees" in told.how


def vast() -> bytes:
    """A linear model of some hundred bytes whose first array says that it holds 64 GiB."""
    given = skops_io.dumps(LogisticRegression(max_iter=500).fit(PEOPLE[INPUTS], PEOPLE["y"]))
    out, header = io.BytesIO(), io.BytesIO()
    claim = {"descr": "<f8", "fortran_order": False, "shape": (1 << 33,)}
    np.lib.format.write_array_header_1_0(header, claim)
    with zipfile.ZipFile(io.BytesIO(given)) as old, zipfile.ZipFile(out, "w") as new:
        arrays = [name for name in old.namelist() if name.endswith(".npy")]
        for name in old.namelist():
            new.writestr(name, header.getvalue() if name == arrays[0] else old.read(name))
    return out.getvalue()


def test_a_file_that_wants_all_memory_is_refused() -> None:
    with pytest.raises(UntrustedModelError, match="more memory than there is"):
        look(vast(), "model.skops")


@pytest.mark.slow
def test_memory_beyond_the_room_is_not_there() -> None:
    """The same bytes are had where there is room for them: the limit is what refused them."""
    content = bomb(bytearray, 64 << 20)
    with pytest.raises(UntrustedModelError, match="memory"):
        look(content, room=32 << 20)
    with pytest.raises(ModelError, match="neither") as caught:  # it was read, and is no model
        look(content, room=256 << 20)
    assert not isinstance(caught.value, UntrustedModelError)


def test_a_file_that_computes_for_ever_is_stopped() -> None:
    with pytest.raises(UntrustedModelError, match="SIGXCPU"):
        look(bomb(exec, "while True: pass"), seconds=1)


@pytest.mark.slow
def test_a_file_that_waits_for_ever_is_stopped() -> None:
    with pytest.raises(UntrustedModelError, match="SIGKILL"):
        look(bomb(time.sleep, 600), patience=15)


def test_a_file_that_crashes_its_reader_is_refused() -> None:
    with pytest.raises(UntrustedModelError, match="SIGABRT"):
        look(bomb(os.abort))


@pytest.mark.slow
def test_a_file_that_writes_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    with pytest.raises(ModelError, match="OSError"):
        look(bomb(Path.write_text, mark, "x"))
    assert not mark.exists() or not mark.read_bytes()


def test_the_child_holds_no_secret_and_cannot_speak_for_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a file prints goes nowhere; what it finds in the environment is no secret."""
    monkeypatch.setenv("RETICENT_SECRET", "Qx7Zanzibar")
    code = (
        "import os\nprint('forged', flush=True)\nos.write(1, b'forged')\n"
        "if 'Qx7Zanzibar' in str(os.environ): os.abort()"
    )
    with pytest.raises(ModelError, match="neither") as caught:
        look(bomb(exec, code))
    assert not isinstance(caught.value, UntrustedModelError)


@pytest.mark.slow
def test_types_that_nobody_reviewed_are_named() -> None:
    with pytest.raises(UntrustedModelError, match=r"people\.Rote") as caught:
        look(skops_io.dumps(Rote()), "model.skops")
    assert caught.value.asked == "the model model.skops"


def test_a_missing_package_is_named_before_anything_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(child, "needed", lambda path: ["there_is_no_such_package"])
    with pytest.raises(MissingExtraError, match="there_is_no_such_package"):
        look(b"")

"""Faces from a project file: pictures in npz files, a report with pictures, clear errors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from skl2onnx import to_onnx

from pictures import album, learned
from reticent.cli import main

Floats = NDArray[np.float64]
BOOK = album()
PROJECT = """
[data]
members = "enrolled.npz"
others = "fresh.npz"
auxiliary = "public.npz"
[columns]
y = "label"
[model]
path = "faces.onnx"
[roles.partner]
output = "label"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, (x, y) in (
        ("enrolled", BOOK.members),
        ("fresh", BOOK.others),
        ("public", BOOK.public),
    ):
        np.savez(tmp_path / f"{name}.npz", x=x.reshape(-1, 8, 8).astype(np.float32), y=y)
    model = to_onnx(learned(*BOOK.members), BOOK.members[0][:1].astype(np.float32))
    (tmp_path / "faces.onnx").write_bytes(model.SerializeToString())
    (tmp_path / "reticent.toml").write_text(PROJECT)
    return tmp_path


def audited(project: Path, *more: str) -> Result:
    asked = ["audit", str(project / "reticent.toml"), "--out", str(project / "out"), "--quiet"]
    return CliRunner().invoke(main, [*asked, *more])


def test_an_audit_draws_faces_bare_and_through_a_contract(project: Path) -> None:
    result = audited(project, "--attacks", "latent_gradient,label_batch")
    assert result.exit_code == 1, result.output
    evidence = json.loads((project / "out" / "evidence.json").read_text())
    verdicts = {
        (one["configuration"], one["attack"]): one["verdict"] for one in evidence["findings"]
    }
    assert verdicts == {
        ("bare", "latent_gradient"): "leaks", ("bare", "label_batch"): "leaks",
        ("partner", "latent_gradient"): "not_applicable", ("partner", "label_batch"): "leaks",
    }  # fmt: skip
    report = (project / "out" / "report.html").read_text()
    assert "What bare shows of 6 classes" in report
    assert "reconstruction by" in report


def test_a_projects_own_decoder_is_looked_in(project: Path) -> None:
    from onnx import TensorProto, helper

    spread, axes = np.linalg.svd(BOOK.public[0] - 0.5, full_matrices=False)[1:]
    steps = (spread[:20, None] / np.sqrt(60) * axes[:20]).astype(np.float32)
    held = [helper.make_tensor("w", TensorProto.FLOAT, steps.shape, steps.ravel().tolist()),
            helper.make_tensor("b", TensorProto.FLOAT, (64,), [0.5] * 64)]  # fmt: skip
    kind = helper.make_tensor_value_info
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["z", "w", "b"], ["x"])], "decoder",
        [kind("z", TensorProto.FLOAT, ["n", 20])], [kind("x", TensorProto.FLOAT, ["n", 64])], held,
    )  # fmt: skip
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 13)])
    (project / "decoder.onnx").write_bytes(model.SerializeToString())
    text = PROJECT.replace('"faces.onnx"', '"faces.onnx"\ndecoder = "decoder.onnx"')
    (project / "reticent.toml").write_text(text)
    result = audited(project, "--attacks", "latent_gradient")
    assert result.exit_code == 1, result.output
    evidence = json.loads((project / "out" / "evidence.json").read_text())
    assert evidence["findings"][0]["verdict"] == "leaks"


@pytest.mark.parametrize(("shape", "says"), [((4, 16), "members have 8 x 8, others 4 x 16"),
                                             ((8, 9), "members have 8 x 8, others 8 x 9")])  # fmt: skip
def test_pictures_of_different_sizes_are_refused(
    shape: tuple[int, int], says: str, project: Path
) -> None:
    np.savez(project / "fresh.npz", x=np.zeros((48, *shape), np.float32), y=BOOK.others[1])
    result = audited(project, "--attacks", "face")
    assert result.exit_code == 2
    assert says in result.output


def test_one_picture_a_person_exits_with_2(project: Path) -> None:
    x, y = BOOK.others
    once = np.unique(y, return_index=True)[1]
    np.savez(project / "fresh.npz", x=x[once].reshape(-1, 8, 8).astype(np.float32), y=y[once])
    result = audited(project, "--attacks", "face")
    assert result.exit_code == 2
    assert "Give at least 2 pictures of each person" in result.output


def test_pictures_of_many_sizes_in_one_file_exit_with_2(project: Path) -> None:
    x = np.empty(48, dtype=object)
    x[:] = [np.zeros((8, 8 + place % 2)) for place in range(48)]
    np.savez(project / "fresh.npz", x=x, y=BOOK.others[1], allow_pickle=True)
    result = audited(project, "--attacks", "face")
    assert result.exit_code == 2
    assert "it holds no plain arrays x and y" in result.output

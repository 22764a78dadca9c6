"""Faces from a project file: pictures in npz files, a report with pictures, clear errors."""

from __future__ import annotations

import numpy as np
import pytest
from skl2onnx import to_onnx

from desk import Desk
from pictures import album, learned

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
def booth(desk: Desk) -> Desk:
    """A desk with pictures, and a model of them."""
    tables = {"enrolled": BOOK.members, "fresh": BOOK.others, "public": BOOK.public}
    for name, (x, y) in tables.items():
        np.savez(desk.folder / f"{name}.npz", x=x.reshape(-1, 8, 8).astype(np.float32), y=y)
    model = to_onnx(learned(*BOOK.members), BOOK.members[0][:1].astype(np.float32))
    (desk.folder / "faces.onnx").write_bytes(model.SerializeToString())
    desk.toml(PROJECT)
    return desk


def found(booth: Desk, attacks: str) -> dict[tuple[str, str], str]:
    """Configuration and attack to verdict."""
    told = booth.run("audit", "reticent.toml", "--quiet", "--attacks", attacks)
    assert told.code == 1, told.err
    return {(one.configuration, one.attack): one.verdict for one in booth.evidence().findings}


def test_an_audit_draws_faces_bare_and_through_a_contract(booth: Desk) -> None:
    assert found(booth, "latent_gradient,label_batch") == {
        ("bare", "latent_gradient"): "leaks", ("bare", "label_batch"): "leaks",
        ("partner", "latent_gradient"): "not_applicable", ("partner", "label_batch"): "leaks",
    }  # fmt: skip
    report = (booth.folder / "reticent-out" / "report.html").read_text()
    assert "What bare shows of 6 classes" in report
    assert "reconstruction by" in report


def test_a_projects_own_decoder_is_looked_in(booth: Desk) -> None:
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
    (booth.folder / "decoder.onnx").write_bytes(model.SerializeToString())
    booth.swap('"faces.onnx"', '"faces.onnx"\ndecoder = "decoder.onnx"')
    assert found(booth, "latent_gradient")[("bare", "latent_gradient")] == "leaks"


@pytest.mark.parametrize("shape", [(4, 16), (8, 9)], ids=["as many pixels", "more pixels"])
def test_pictures_of_different_sizes_are_refused(shape: tuple[int, int], booth: Desk) -> None:
    np.savez(booth.folder / "fresh.npz", x=np.zeros((48, *shape), np.float32), y=BOOK.others[1])
    told = booth.refused("audit", "reticent.toml", "--quiet")
    assert f"members have 8 x 8, others {shape[0]} x {shape[1]}" in told


def test_one_picture_a_person_is_refused(booth: Desk) -> None:
    x, y = BOOK.others
    once = np.unique(y, return_index=True)[1]
    np.savez(booth.folder / "fresh.npz", x=x[once].reshape(-1, 8, 8).astype(np.float32), y=y[once])
    assert "at least 2 pictures of each person" in booth.refused(
        "audit", "reticent.toml", "--quiet"
    )


def test_pictures_of_many_sizes_in_one_file_are_refused(booth: Desk) -> None:
    x = np.empty(48, dtype=object)
    x[:] = [np.zeros((8, 8 + place % 2)) for place in range(48)]
    np.savez(booth.folder / "fresh.npz", x=x, y=BOOK.others[1], allow_pickle=True)
    told = booth.refused("audit", "reticent.toml", "--quiet")
    assert "it holds no plain arrays x and y" in told

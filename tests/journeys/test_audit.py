"""A project from its file to its evidence: what is handled, what is left out, what is written."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from desk import AGE, INPUTS, NAME, QUICK, TOML, Desk, discreet, people, tree

COMMAND = [sys.executable, "-m", "reticent"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "120"}


def timeless(path: Path) -> dict[str, object]:
    """Read evidence without what changes from run to run."""
    told: dict[str, object] = json.loads(path.read_bytes())
    return {name: value for name, value in told.items() if name not in
            ("created", "expires", "previous")}  # fmt: skip


def test_a_run_writes_evidence_and_a_report_and_the_next_is_chained(desk: Desk) -> None:
    desk.add("[roles.partner]\noutput = 'scores'\ndecimals = 1\n")
    told = desk.audit("--quiet")
    assert (told.out, told.err) == ("", "")
    out = desk.folder / "reticent-out"
    first = (out / "evidence.json").read_bytes()
    before = timeless(out / "evidence.json")
    assert [one.configuration for one in desk.evidence().findings] == ["bare", "partner"]
    assert {path.name for path in out.iterdir()} == {"evidence.json", "report.html"}
    page = (out / "report.html").read_text()
    assert NAME not in page
    assert str(AGE) not in page

    told = desk.audit("--json")
    digest = hashlib.sha256(first).hexdigest()
    assert (out / "history" / f"{digest}.json").read_bytes() == first
    assert json.loads(told.out)["previous"] == digest
    assert told.out.strip().encode() == (out / "evidence.json").read_bytes()
    assert timeless(out / "evidence.json") == before  # the same seed, the same findings


def test_a_role_is_attacked_alone_and_a_limit_decides_the_status(desk: Desk) -> None:
    desk.add("[roles.partner]\noutput = 'label'\n")
    told = desk.audit("--role", "partner")
    assert told.code == 0  # the quick attack needs scores
    assert [one.name for one in desk.evidence().configurations] == ["partner"]
    desk.swap("'label'", "'scores'")
    desk.add("[risk]\nmax_advantage = -1.0\n")
    assert desk.audit("--role", "partner", "--quiet").code == 1


def test_what_is_left_out_is_said(desk: Desk) -> None:
    """Gaps in features, in the hidden column, in the label; strangers' values; another order."""
    desk.swap('auxiliary = "public.csv"\n', "")
    desk.swap("public = true", "public = false")
    members, others = people(1).astype({"age": float, "s": float}), people(2).astype({"y": object})
    members.loc[3, "age"] = np.nan
    members.loc[[4, 5], "s"] = np.nan
    members.loc[6, "s"] = 7
    members.loc[7, "educ"] = -3
    others.loc[0, "y"] = np.nan
    desk.table("members", members)
    desk.table("others", others[["y", "s", "name", "educ", "age"]])
    told = desk.audit()
    notes = " ".join(desk.evidence().notes)
    assert "1 others are left out: they have no y." in notes
    assert "others was split by person, 19 rows for the attacker and 20" in notes
    assert "3 members are left out for s" in notes
    assert "write public = true" in notes
    assert "others was split by person" in " ".join(told.out.split())


def test_text_persons_and_the_hidden_column_anywhere(desk: Desk) -> None:
    """Text for label and secret, several rows a person, the secret first, equal rows counted."""
    desk.toml(TOML.replace('name = "identifier"\n', "").replace("[0, 1]", '["no", "yes"]'))
    desk.swap("[columns]", 'person = "name"\n[columns]')
    frames = {}
    for place, name in enumerate(("members", "others", "public")):
        rows = people(place + 1 if place else 2)  # members and others are equal but in name
        rows["name"] = [f"{NAME}-{place}-{row // 2}" for row in range(40)]
        rows["s"] = np.where(rows["s"] == 1, "yes", "no")
        rows["y"] = np.where(rows["y"] == 1, "ill", "well")
        frames[name] = rows[["s", "name", "age", "educ", "y"]]
        desk.table(name, frames[name])
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder
    from skops import io

    encode = ColumnTransformer([("s", OneHotEncoder(), ["s"])], remainder="passthrough")
    model = make_pipeline(encode, DecisionTreeClassifier(random_state=0))
    io.dump(
        model.fit(frames["members"][["s", "age", "educ"]], frames["members"]["y"]), "model.skops"
    )
    told = desk.audit()
    assert "yes" not in told.err
    assert desk.evidence().findings[0].twins == 40


def test_twenty_people(desk: Desk) -> None:
    for name, seed in (("members", 1), ("others", 2), ("public", 3)):
        desk.table(name, people(seed, 20))
    desk.audit()
    assert desk.evidence().findings[0].members.auc.n == 20


def test_a_pickle_needs_its_hash_typed(desk: Desk) -> None:
    import joblib

    joblib.dump(tree(people(1)), "model.joblib")
    desk.swap("model.skops", "model.joblib")
    digest = hashlib.sha256(Path("model.joblib").read_bytes()).hexdigest()
    desk.add(f"sha256 = '{digest}'\n")  # the file's own word never trusts a pickle
    line = f"reticent audit reticent.toml --seed 3 --trust-pickle {digest}"
    assert f"type: {line}\n" in desk.refused("audit", "reticent.toml", "--seed", "3")
    wrong = ("audit", "reticent.toml", "--trust-pickle", "0" * 64, "--seed", "3")
    message = desk.refused(*wrong)
    assert "its SHA-256 is not the one given" in message
    assert f"type: {line}\n" in message
    desk.audit("--trust-pickle", digest.upper())
    assert desk.evidence().subjects.model == digest


def test_a_broken_pickle_is_told(desk: Desk) -> None:
    Path("model.pkl").write_text(NAME)
    desk.swap("model.skops", "model.pkl")
    digest = hashlib.sha256(NAME.encode()).hexdigest()
    assert "it cannot be read" in desk.refused("audit", "reticent.toml", "--trust-pickle", digest)


def onnx(path: str, model: object, width: int) -> None:
    """Write a model as an ONNX file that takes one matrix."""
    from skl2onnx import to_onnx

    Path(path).write_bytes(to_onnx(model, np.zeros((1, width), np.float32)).SerializeToString())


@pytest.mark.filterwarnings("ignore")  # of the converter
def test_an_onnx_file(desk: Desk) -> None:
    rows = people(1)
    onnx(
        "model.onnx", DecisionTreeClassifier(random_state=0).fit(rows[INPUTS].values, rows["y"]), 3
    )
    desk.swap("model.skops", "model.onnx")
    desk.audit()
    assert "cannot be trained again" in " ".join(desk.evidence().notes)


@pytest.mark.filterwarnings("ignore")  # of the converter
def test_a_regressor(desk: Desk) -> None:
    rows = people(1)
    grown = DecisionTreeRegressor(random_state=0).fit(rows[INPUTS].values, rows["y"].astype(float))
    onnx("model.onnx", grown, 3)
    desk.swap("model.skops", "model.onnx")
    desk.tables(y=lambda frame: frame["y"] + frame["educ"] / 10)
    desk.audit()
    assert desk.evidence().configurations[0].measure == "r2"


@pytest.mark.parametrize("halved", [False, True])
def test_recorded_answers(desk: Desk, halved: bool) -> None:
    model = tree(people(1))
    for name, seed in (("a", 1), ("b", 2)):
        scores = model.predict_proba(people(seed)[INPUTS])
        pd.DataFrame(scores, columns=["0", "1"]).to_csv(f"{name}.csv", index=False)
    desk.swap('path = "model.skops"', 'answers = {members = "a.csv", others = "b.csv"}')
    if halved:
        desk.swap('auxiliary = "public.csv"\n', "")
    told = desk.run("audit", "reticent.toml", "--attacks", "observed", "--quiet")
    assert (told.code, told.out, told.err) == (1, "", "")
    (found, *_) = desk.evidence().findings
    assert (found.attack, found.verdict) == ("observed", "underpowered")
    assert desk.evidence().configurations[0].utility.n == (20 if halved else 40)


def test_a_class_that_only_members_have(desk: Desk) -> None:
    """Shadow models that never saw a class still answer in the model's classes."""
    desk.tables(y=lambda frame: np.where(frame["y"] == 1, "b", "a"))
    rows = people(1).assign(y=lambda frame: np.where(frame["y"] == 1, "b", "a"))
    rows.loc[0, "y"] = "zz"
    desk.table("members", rows)
    from skops import io

    io.dump(tree(rows), "model.skops")
    told = desk.run("audit", "reticent.toml", "--attacks", "learned,fredrikson_leaf_counts",
                    "--no-canaries", "--quiet")  # fmt: skip
    assert told.err == ""


@pytest.mark.slow
def test_stopped_midway_it_leaves_what_was_there(desk: Desk) -> None:
    desk.audit("--quiet")
    out = desk.folder / "reticent-out"
    before = {path: path.read_bytes() for path in out.iterdir()}
    with subprocess.Popen(
        [*COMMAND, "audit", "reticent.toml", "--self-test"], cwd=desk.folder, env=ENVIRONMENT,
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as run:  # fmt: skip
        # The first line of progress: it is at work, and the self-test alone takes seconds more.
        assert run.stderr is not None
        assert run.stderr.readline().startswith("[")
        assert run.poll() is None
        run.send_signal(signal.SIGINT)
        told, said = run.communicate(timeout=60)
    assert run.returncode == 2
    assert told == ""
    assert "Stopped." in said
    assert "Traceback" not in said
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    assert not desk.left_over()


@pytest.mark.slow
def test_in_a_process_of_its_own_only_the_result_is_on_standard_output(desk: Desk) -> None:
    def run(*typed: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *typed], cwd=desk.folder, env={**ENVIRONMENT, **more}, text=True,
            capture_output=True, check=False,
        )  # fmt: skip

    told = run("audit", "reticent.toml", *QUICK, "--json")
    assert told.returncode == 1
    json.loads(told.stdout)
    told = run("audit", "reticent.toml", *QUICK, "--quiet")
    assert (told.stdout, told.stderr) == ("", "")
    for more in ({}, {"NO_COLOR": "1", "FORCE_COLOR": ""}):
        told = run("audit", "reticent.toml", *QUICK, **more)
        assert "\x1b" not in told.stdout + told.stderr
        assert NAME not in told.stdout + told.stderr


@pytest.mark.slow
def test_the_self_test_alone(desk: Desk) -> None:
    told = desk.run("audit", "--self-test", "--json")
    assert told.code == 0
    assert json.loads(told.out)["passed"] is True
    discreet(told)


@pytest.mark.slow
def test_fits_on_other_processes_give_the_same_findings(desk: Desk) -> None:
    desk.audit()
    before = timeless(desk.folder / "reticent-out" / "evidence.json")
    desk.audit("--backend", "loky")
    assert timeless(desk.folder / "reticent-out" / "evidence.json") == before

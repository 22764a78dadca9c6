"""``reticent init`` writes a project file that parses, is marked where it guessed, and audits."""

from __future__ import annotations

import hashlib
import json
import tomllib
from itertools import pairwise
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier

from desk import INPUTS, NAME, Desk, people, tree
from reticent.cli.init import domain_text, project_text
from reticent.dataset import Dataset


def fresh(desk: Desk) -> None:
    """Name the columns as people do, and take the project file away."""
    for name, seed in (("members", 1), ("others", 2)):
        desk.table(name, people(seed, 60).rename(columns={"s": "smoker", "name": "patient_id"}))
    (desk.folder / "reticent.toml").unlink()


def model() -> DecisionTreeClassifier:
    """A tree of the columns that ``fresh`` writes."""
    return tree(people(1, 60).rename(columns={"s": "smoker"}), ["age", "educ", "smoker"])


def confirmed(desk: Desk) -> dict[str, dict[str, object]]:
    """Check the file that was written and confirm its guesses."""
    text = (desk.folder / "reticent.toml").read_text()
    read = tomllib.loads(text)
    assert read["columns"]["smoker"] == "sensitive"
    assert read["columns"]["y"] == "label"
    assert read["data"] | {"person": ""} == {
        "members": "members.csv", "others": "others.csv", "person": ""
    }  # fmt: skip
    assert read["domains"]["smoker"] == {"values": [0, 1], "public": False}
    for line in text.splitlines():
        if line.endswith(('"label"', '"sensitive"')) or "public = false" in line:
            assert "# guessed" in line, line
    assert NAME not in text
    desk.toml(text.replace("public = false", "public = true"))
    return read


def test_a_skops_file(desk: Desk) -> None:
    from skops import io

    fresh(desk)
    io.dump(model(), "model.skops")
    told = desk.run("init", "model.skops", "members.csv", "--others", "others.csv")
    assert (told.code, told.err) == (0, "")
    assert "4 guesses are marked" in told.out
    assert told.out.endswith("  reticent audit reticent.toml\n")
    assert confirmed(desk)["data"]["person"] == "patient_id"
    # people of one name stand in both tables of this test: they are told apart by the row
    for name, seed in (("members", 1), ("others", 2)):
        frame = people(seed, 60).rename(columns={"s": "smoker", "name": "patient_id"})
        desk.table(name, frame.assign(patient_id=frame["patient_id"] + f"-{seed}"))
    desk.audit()


def test_a_pickle_prints_the_line_to_type(desk: Desk) -> None:
    fresh(desk)
    joblib.dump(model(), "model.joblib")
    digest = hashlib.sha256(Path("model.joblib").read_bytes()).hexdigest()
    line = f"init model.joblib members.csv --others others.csv --trust-pickle {digest}"
    assert f"type: reticent {line}\n" in desk.refused(*line.split()[:-2])
    told = desk.run(*line.split(), "--json")
    assert json.loads(told.out) == {
        "wrote": "reticent.toml", "guesses": 4,
        "next": f"reticent audit reticent.toml --trust-pickle {digest}",
    }  # fmt: skip
    confirmed(desk)


@pytest.mark.filterwarnings("ignore")  # of the converter
def test_an_onnx_file_of_one_matrix_names_no_columns(desk: Desk) -> None:
    from skl2onnx import to_onnx

    fresh(desk)
    graph = to_onnx(model().fit(people(1)[INPUTS].values, people(1)["y"]), np.zeros((1, 3), "f"))
    Path("model.onnx").write_bytes(graph.SerializeToString())
    told = desk.run("init", "model.onnx", "members.csv", "--others", "others.csv", "--quiet")
    assert (told.code, told.out, told.err) == (0, "", "")
    assert 'y = "label"  # guessed: the last column' in Path("reticent.toml").read_text()
    confirmed(desk)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["model.skops", "members.csv"], "it is there already. Give another: --out NAME"),
        (["model.skops", "nowhere.csv", "--out", "a.toml"], "there is no such file"),
        (["nowhere.skops", "members.csv", "--out", "a.toml"], "there is no such file"),
        (["members.csv", "members.csv", "--out", "a.toml"], "is not read here"),
        (["model.skops", "members.csv", "--others", "no.csv", "--out", "a.toml"], "no such file"),
        (["model.skops", "members.csv", "--out", "members.csv/a.toml"], "is a file"),
        (["model.skops"], "DATA"),
    ],
)
def test_what_it_refuses(desk: Desk, typed: list[str], words: str) -> None:
    assert words in desk.refused("init", *typed)


def test_columns_that_the_data_lacks(desk: Desk) -> None:
    desk.table("members", people(1).drop(columns="educ"))
    desk.table("others", people(2).drop(columns="age"))
    message = desk.refused("init", "model.skops", "members.csv", "--out", "a.toml")
    assert "the data lacks educ" in message
    message = desk.refused(
        "init", "model.skops", "members.csv", "--others", "others.csv", "--out", "a.toml"
    )
    assert "it lacks the columns age" in message


def test_strange_names_are_quoted_and_no_column_has_two_roles() -> None:
    rows = Dataset.of(
        pd.DataFrame({"case no.": [1, 2], 'the "x"': [0, 1], "b": [1, 2], "y": [0, 1]})
    )
    text = project_text(Path("m.skops"), Path("d.csv"), None, rows, ['the "x"', "b"], Path())
    assert tomllib.loads(text)["columns"] == {
        "y": "label", 'the "x"': "sensitive", "case no.": "identifier"
    }  # fmt: skip


def test_a_text_of_many_values_is_not_written_down() -> None:
    column = np.array([f"{NAME}{row}" for row in range(30)], dtype=object)
    text = domain_text("illness", column)
    assert NAME not in text
    assert tomllib.loads(text) == {}


@pytest.mark.parametrize("numbers", [np.arange(17, 91), np.linspace(-1e-9, 1e9, 50)])
def test_bins_rise_and_hold_every_value(numbers: np.ndarray) -> None:
    bins = tomllib.loads(domain_text("age", numbers))["age"]["bins"]
    assert all(low < high for low, high in pairwise(bins))
    assert bins[0] <= numbers.min()
    assert bins[-1] > numbers.max()

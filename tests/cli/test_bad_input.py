"""Bad input is told clearly, with status 2, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from desk import INPUTS, NAME, Desk, people

Spoil = Callable[[Desk], object]


def spoiled(name: str, row: int, column: str, value: Any) -> Spoil:
    """Put one value into one cell of one table."""
    seed = {"members": 1, "others": 2, "public": 3}[name]

    def spoil(desk: Desk) -> None:
        frame = people(seed).astype({column: object})
        frame.loc[row, column] = value
        desk.table(name, frame)

    return spoil


def everywhere(column: str, value: object) -> Spoil:
    """Put one value into a column of every table."""
    return lambda desk: desk.tables(**{column: value})


def rows(name: str, text: str) -> Spoil:
    """Write a table as it is."""
    return lambda desk: (desk.folder / f"{name}.csv").write_text(text)


def swap(old: str, new: str) -> Spoil:
    """Change the project file."""
    return lambda desk: desk.swap(old, new)


def lines(text: str) -> Spoil:
    """Add to the project file."""
    return lambda desk: desk.add(text)


def fewer(name: str, count: int) -> Spoil:
    """Keep only some people of a table."""
    seed = {"members": 1, "others": 2, "public": 3}[name]
    return lambda desk: desk.table(name, people(seed, count))


def both(*spoils: Spoil) -> Spoil:
    """Do several things."""

    def spoil(desk: Desk) -> None:
        for one in spoils:
            one(desk)

    return spoil


TABLES: dict[str, tuple[Spoil, str]] = {
    "missing file": (swap("members.csv", "nowhere.csv"), "nowhere.csv: there is no such file"),
    "a folder": (swap("members.csv", "."), "is not read here"),
    "unknown suffix": (swap("members.csv", "members.xlsx"), "xlsx"),
    "missing others": (swap('others = "others.csv"', ""), 'Add to [data]: others = "fresh.csv"'),
    "missing others file": (swap("others.csv", "nowhere.csv"), "there is no such file"),
    "members as others": (swap("others.csv", "./members.csv"), "one and the same file"),
    "others as auxiliary": (swap("public.csv", "others.csv"), "one and the same file"),
    "empty csv": (rows("members", ""), "it has no rows"),
    "header only": (rows("members", "name,age,educ,s,y\n"), "it has no rows"),
    "broken csv": (rows("others", f"name,age\n1,2\n1,2,3,4,5,6,{NAME}\n1,2\n"), "others.csv"),
    "no header": (rows("members", f"{NAME},52,3,0,1\n{NAME},61,2,1,1\n"), "not the columns' names"),
    "a stranger's header": (rows("members", "u,v\n1,2\n3,4\n"), "none of the columns in [columns]"),
    "header in others": (
        lambda desk: desk.table("others", people(2).rename(columns={"age": "Age"})),
        "it lacks the members' columns age",
    ),
    "double columns": (
        rows("members", "name,age,educ,s,s,y\n" + "a,1,2,0,1,0\n" * 9),
        "two columns are named 's'",
    ),
    "nameless column": (rows("members", ",age,,s,y\n1,1,2,0,1\n"), "a column has no name"),
    "unknown column": (swap('s = "sens', 'sex = "sens'), "no such column"),
    "unknown near column": (
        swap('y = "label"', 'y = "label"\neducation = "feature"'),
        "no such column",
    ),
    "column only members have": (
        lambda desk: desk.table("members", people(1).assign(more=1)),
        "it lacks the members' columns more",
    ),
    "column no model takes": (everywhere("more", 1), 'Give the role "identifier" to: more'),
    "column the model lacks": (swap("[domains]", 'educ = "identifier"\n[domains]'), "lacks educ"),
    "text among numbers": (
        spoiled("members", 3, "age", NAME),
        "column 'age': the members have text",
    ),
    "text among others": (spoiled("others", 3, "age", NAME), "others have text"),
    "text for the model": (everywhere("age", NAME), "the model raised"),
    "no label": (spoiled("members", 3, "y", np.nan), "1 members have none"),
    "one class": (everywhere("y", 1), "all members have the same one"),
    "one class in auxiliary": (
        lambda desk: desk.table("public", people(3).assign(y=1)),
        "all auxiliary people have the same one",
    ),
    "another label": (everywhere("y", people(1)["age"]), "of the members' labels are none"),
    "text label": (everywhere("y", [NAME, "b"] * 20), "of the members' labels are none"),
    "constant sensitive": (everywhere("s", 1), "members have 1 of the 2 in its domain"),
    "constant in auxiliary": (
        lambda desk: desk.table("public", people(3).assign(s=1)),
        "auxiliary have 1 of the 2",
    ),
    "no sensitive value": (everywhere("s", np.nan), "members have 0 of the 2"),
    "not among candidates": (swap("[0, 1]", "[7, 8]"), "members have 0 of the 2 in its domain"),
    "candidates of text": (swap("[0, 1]", '["a", "b"]'), "without quotes"),
    "too few auxiliary": (fewer("public", 9), "Give at least 10"),
    "too few others": (fewer("others", 1), "Give at least 2"),
    "too few to halve": (
        both(swap('auxiliary = "public.csv"', ""), fewer("others", 19)),
        "at least 20 others",
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_a_bad_table_is_refused(desk: Desk, name: str) -> None:
    spoil, words = TABLES[name]
    spoil(desk)
    assert words in desk.refused("audit", "reticent.toml")


PROJECTS: dict[str, tuple[Spoil, str]] = {
    "broken": (lines("[data"), "it is not TOML"),
    "a key twice": (lines("path = 'x'\n"), "it is not TOML"),
    "unknown key": (swap("members =", "memberz ="), "did you mean 'members'?"),
    "unknown table": (lines("[rolez.a]\noutput = 'label'\n"), "did you mean 'roles'?"),
    "unknown role key": (lines("[roles.a]\noutput='label'\nmarginalise=['s']\n"), "'marginalize'"),
    "wrong type": (swap('"members.csv"', "3"), "data.members: it is a whole number. Give text"),
    "a text for a list": (
        lines("[attacker]\nknows = 'age'\n"),
        "attacker.knows: it is text. Give a list",
    ),
    "a number for a table": (lambda desk: desk.toml("data = 3\n"), "[columns]"),
    "no [data]": (
        lambda desk: desk.toml("[model]\npath='x'\n"),
        'Add: [data] with members = "train.csv"',
    ),
    "no [model]": (swap('[model]\npath = "model.skops"', ""), "Add: [model] with path"),
    "unknown column role": (swap('"sensitive"', '"sensitiv"'), "(did you mean 'sensitive'?)"),
    "no output": (lines("[roles.a]\ndecimals = 1\n"), "Add to [roles.a]: output"),
    "unknown output": (lines("[roles.a]\noutput = 'labels'\n"), "roles.a.output: 'labels' is none"),
    "two labels": (
        swap('y = "label"', 'y = "label"\neduc = "label"'),
        'Write one line: NAME = "label"',
    ),
    "label as sensitive": (
        swap('y = "label"', 'y = "sensitive"'),
        'Write one line: NAME = "label"',
    ),
    "no sensitive column": (swap('s = "sensitive"', ""), 'Add: NAME = "sensitive"'),
    "no domain": (
        swap("s = {values = [0, 1], public = true}", ""),
        "Add to [domains]: s = {values = [ONE, OTHER], public = true}",
    ),
    "bounds alone": (swap("values = [0, 1]", "min = 0, max = 1"), "Add to [domains]: s = {values"),
    "one candidate": (swap("[0, 1]", "[0]"), "[domains.s] a domain's values"),
    "falling bins": (swap("values = [0, 1]", "bins = [1, 0]"), "they do not rise"),
    "noise 0": (lines("[roles.a]\noutput='scores'\nnoise={scale=0}\n"), "[roles.a] noise.scale"),
    "noise nan": (
        lines("[roles.a]\noutput='scores'\nnoise={scale=nan}\n"),
        "not a positive number",
    ),
    "abstain twice": (
        lines("[roles.a]\noutput='scores'\nabstain={honest=0.9,confidence=0.5}\n"),
        "2 rules are given",
    ),
    "abstain never": (lines("[roles.a]\noutput='scores'\nabstain={}\n"), "0 rules are given"),
    "abstain above 1": (
        lines("[roles.a]\noutput='scores'\nabstain={honest=9}\n"),
        "between 0 and 1",
    ),
    "two scales": (
        lines(
            "[roles.a]\noutput='scores'\nnoise={scale=0.1}\n"
            "[roles.b]\noutput='scores'\nnoise={scale=0.2}\n"
        ),
        "two of them cancel",
    ),
    "a role named bare": (lines("[roles.bare]\noutput='label'\n"), "the model itself"),
    "a reserved role": (lines("[roles.admin]\noutput='label'\n"), "the name is reserved"),
    "average unknown": (
        lines("[roles.a]\noutput='label'\nmarginalize=['eduk']\n"),
        "did you mean 'educ'?",
    ),
    "average without domain": (
        lines("[roles.a]\noutput='label'\nmarginalize=['age']\n"),
        "Add to [domains]: age = {bins = [LOWEST, ..., HIGHEST]",
    ),
    "knows unknown": (lines("[attacker]\nknows = ['agee']\n"), "did you mean 'age'?"),
    "knows the label": (lines("[attacker]\nknows = ['y']\n"), "label = true"),
    "knows nothing": (lines("[attacker]\nknows = []\nlabel = false\n"), "Name a column in knows"),
    "no such model": (swap("model.skops", "nowhere.skops"), "there is no such file"),
    "model of another kind": (swap("model.skops", "members.csv"), "is not read here"),
    "no model": (swap('path = "model.skops"', ""), 'Add: path = "model.onnx"'),
    "an endpoint": (swap('path = "model.skops"', 'url = "http://127.0.0.1:9"'), "endpoint"),
    "another hash": (lines("sha256 = '00'\n"), "its SHA-256 is not the one in [model].sha256"),
    "an unknown person": (swap("[columns]", 'person = "idd"\n[columns]'), "no such column"),
    "person is the label": (swap("[columns]", 'person = "y"\n[columns]'), "it has two roles"),
    "person is sensitive": (swap("[columns]", 'person = "s"\n[columns]'), "it has two roles"),
}


@pytest.mark.parametrize("name", PROJECTS)
def test_a_bad_project_is_refused(desk: Desk, name: str) -> None:
    spoil, words = PROJECTS[name]
    spoil(desk)
    assert words in desk.refused("audit", "reticent.toml")


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        (["audit"], "Name one: reticent audit reticent.toml"),
        (["audit", "nowhere.toml"], "Write one: reticent init MODEL DATA"),
        (["audit", "."], "Name a file that can be read"),
        (["audit", "reticent.toml", "--role", "x"], "add [roles.NAME]"),
        (["audit", "reticent.toml", "--attacks", "lerned"], "did you mean 'learned'?"),
        (["audit", "reticent.toml", "--attacks", " , "], "it names none"),
        (["audit", "reticent.toml", "--backend", "lokyy"], "did you mean 'loky'?"),
        (["audit", "reticent.toml", "--seed", "-1"], "--seed"),
        (["audit", "reticent.toml", "--sede", "1"], "--seed"),
        (["audit", "reticent.toml", "--out", "members.csv"], "is a file. Give another: --out DIR"),
        (["audit", "reticent.toml", "--out", "members.csv/in"], "Give another: --out DIR"),
        (["audit", "reticent.toml", "--out", "/proc/nowhere"], "Give another: --out DIR"),
        (["demo", "--out", "members.csv"], "Give another: --out DIR"),
        (["audi"], "did you mean 'audit'?"),
        (["attacks", "show", "lomai"], "did you mean 'lomia'?"),
    ],
)
def test_a_bad_command_line_is_refused(desk: Desk, typed: list[str], words: str) -> None:
    assert words in desk.refused(*typed)


def test_a_role_is_named_when_another_is_near(desk: Desk) -> None:
    desk.add("[roles.partner]\noutput = 'label'\n")
    message = desk.refused("audit", "reticent.toml", "--role", "partnr")
    assert "did you mean 'partner'?" in message


def test_gaps_that_the_model_does_not_take_are_told_by_column(desk: Desk) -> None:
    from sklearn.linear_model import LogisticRegression
    from skops import io

    rows_ = people(2)
    io.dump(LogisticRegression(max_iter=9999).fit(rows_[INPUTS], rows_["y"]), "model.skops")
    for name in ("members", "others", "public"):
        for column in ("age", "s"):
            desk.tables()
            spoiled(name, 3, column, np.nan)(desk)
            message = desk.refused("audit", "reticent.toml")
            where = "auxiliary" if name == "public" else name
            assert f"answers about {where} with missing values" in message
            assert f"{column} (1 rows)" in message


@pytest.mark.parametrize(
    ("first", "second", "less"),
    [("members", "others", "others"), ("members", "public", "auxiliary"),
     ("others", "public", "auxiliary")],
)  # fmt: skip
def test_one_person_in_two_tables_is_refused(
    desk: Desk, first: str, second: str, less: str
) -> None:
    desk.swap('name = "identifier"\n', "")
    desk.swap("[columns]", 'person = "name"\n[columns]')
    for place, name in enumerate(("members", "others", "public")):
        shared = name in (first, second)
        frame = people(place + 1)
        frame["name"] = [f"{NAME}{9 if shared and row < 3 else place}-{row}" for row in range(40)]
        desk.table(name, frame)
    message = desk.refused("audit", "reticent.toml")
    assert "3 of them are in both" in message
    assert f"Take them out of {less}" in message


def test_a_row_without_a_person_is_refused(desk: Desk) -> None:
    desk.swap('name = "identifier"\n', "")
    desk.swap("[columns]", 'person = "name"\n[columns]')
    for name, seed in (("others", 2), ("public", 3)):
        desk.table(name, people(seed).assign(name=[f"{seed}-{row}" for row in range(40)]))
    spoiled("members", 3, "name", np.nan)(desk)
    assert "1 rows of members have none" in desk.refused("audit", "reticent.toml")

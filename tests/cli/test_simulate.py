"""``reticent simulate``: a trace and its key, from the user's own tables, and nothing else."""

from __future__ import annotations

import csv
import json
import stat

import pandas as pd
import pytest

from desk import AGE, INPUTS, NAME, Desk, discreet
from reticent.monitor.simulate.run import BEHAVIORS
from reticent.monitor.trace import read_trace

FEW = ("--honest", "12", "--attacks", "8")
ROLE = '[roles.clinic]\noutput = "label"\nmarginalize = ["s"]\n[roles.shut]\noutput = "none"\n'
OUT = ("simulate", "reticent.toml", "-o", "trace.csv")


def mute(desk: Desk) -> None:
    """Have nobody answer, which takes less time."""
    desk.swap('path = "model.skops"', 'answers = {members = "a.csv", others = "b.csv"}')


def test_a_trace_and_its_key(desk: Desk) -> None:
    told = desk.run(*OUT, *FEW, "--quiet")
    assert (told.code, told.out, told.err) == (0, "", "")
    trace, keys = desk.folder / "trace.csv", desk.folder / "trace.key.csv"
    assert stat.S_IMODE(trace.stat().st_mode) == 0o600
    sessions = {session.caller: session for session in read_trace(trace, INPUTS)}
    key = list(csv.DictReader(keys.read_text().splitlines()))
    assert [one["caller"] for one in key] == list(sessions)
    assert {one["kind"] for one in key} == {"honest", "attack"}
    for one in key:
        assert BEHAVIORS[one["behavior"]].attack is (one["kind"] == "attack")
        assert (one["begins"] == "") is (one["kind"] == "honest")
        session = sessions[one["caller"]]
        assert session.at is not None
        assert session.source is not None
        assert session.answered is not None
        assert session.confidence is not None
    assert not desk.left_over()[1:]  # but .reticent


def test_the_same_seed_writes_the_same_files(desk: Desk) -> None:
    mute(desk)
    found = []
    for seed in ("3", "3", "4"):
        assert desk.run(*OUT, *FEW, "--seed", seed).code == 0
        found.append([(desk.folder / n).read_bytes() for n in ("trace.csv", "trace.key.csv")])
    assert found[0] == found[1]
    assert found[0][0] != found[2][0]


def test_what_a_person_is_told(desk: Desk) -> None:
    told = desk.run(*OUT, *FEW)
    assert told.code == 0
    discreet(told)
    assert "behavior" in told.out
    assert "sweep " in told.out
    assert "Trace: trace.csv (it holds people's values)" in told.out
    assert "Key: trace.key.csv" in told.out
    assert "Left out, because a row is no image or signal: frames" in told.out


def test_json(desk: Desk) -> None:
    mute(desk)
    told = desk.run(
        "simulate", "reticent.toml", "-o", "out/t.parquet", *FEW, "--json", "--seed", "1"
    )
    found = json.loads(told.out)
    assert found["trace"] == "out/t.parquet"
    assert found["key"] == "out/t.key.csv"
    assert sum(one["runs"] for one in found["behaviors"] if one["kind"] == "attack") == 8
    assert sum(one["runs"] for one in found["behaviors"] if one["kind"] == "honest") == 12
    assert found["queries"] == sum(one["queries"] for one in found["behaviors"])
    sessions = read_trace(desk.folder / "out" / "t.parquet", INPUTS)
    assert found["callers"] == len(sessions)
    assert found["queries"] == sum(map(len, sessions))


def test_only_what_is_named(desk: Desk) -> None:
    mute(desk)
    told = desk.run(*OUT, *FEW, "--behavior", "fairness", "--behavior", "map_two", "--json")
    assert [one["behavior"] for one in json.loads(told.out)["behaviors"]] == ["fairness", "map_two"]


def test_a_roles_view(desk: Desk) -> None:
    desk.add(ROLE)
    assert desk.run(*OUT, *FEW, "--role", "clinic").code == 0
    head = (desk.folder / "trace.csv").read_text().splitlines()[0]
    assert "label" in head
    assert "confidence" not in head
    desk.run(*OUT, "--role", "clinic", "--behavior", "map_two", "--attacks", "1")
    (session,) = read_trace(desk.folder / "trace.csv", INPUTS)
    assert session.label is not None
    pairs = session.label.reshape(-1, 2)
    assert (pairs[:, 0] == pairs[:, 1]).all(), "averaged over s, both ask the same"
    desk.run(*OUT, "--behavior", "map_two", "--attacks", "1")
    (session,) = read_trace(desk.folder / "trace.csv", INPUTS)
    assert session.label is not None
    pairs = session.label.reshape(-1, 2)
    assert (pairs[:, 0] != pairs[:, 1]).any()


def test_recorded_answers_answer_nobody(desk: Desk) -> None:
    mute(desk)
    told = desk.run(*OUT, *FEW)
    assert told.code == 0
    assert "Left out, because no model answers: finite_difference" in told.out
    assert (desk.folder / "trace.csv").read_text().startswith("caller,at,source,age,educ,s\n")


def test_the_list(desk: Desk) -> None:
    told = desk.run("simulate", "--list")
    assert told.code == 0
    assert [line.split()[0] for line in told.out.splitlines()[1:] if line[0] != " "] == [*BEHAVIORS]
    assert "[permission: audit]" in " ".join(told.out.split())
    assert "[not detectable: one ordinary query per record]" in " ".join(told.out.split())


REFUSED = {
    "a wrong suffix": (("-o", "trace.json"), "", "Give one of: .csv, .parquet"),
    "over the members": (("-o", "members.csv"), "", "the project itself uses members.csv"),
    "over the others": (("-o", "./others.csv"), "", "the project itself uses others.csv"),
    "a folder in the way": (("-o", "reticent.toml/t.csv"), "", "is a file"),
    "an unknown behavior": (("--behavior", "swep"), "", "did you mean 'sweep'"),
    "what cannot be": (("--behavior", "frames"), "", "a row is no image or signal"),
    "nobody": (("--honest", "0", "--attacks", "0"), "", "leave nobody"),
    "an unknown role": (("--role", "clinik"), ROLE, "did you mean 'clinic'"),
    "a role that is told nothing": (("--role", "shut"), ROLE, "it is told nothing"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused(desk: Desk, name: str) -> None:
    typed, added, message = REFUSED[name]
    desk.add(added)
    output = () if "-o" in typed else ("-o", "trace.csv")
    if name != "an unknown behavior":  # told before anything is loaded
        mute(desk)
    assert message in desk.refused("simulate", "reticent.toml", *output, *FEW, *typed)


def test_without_other_people(desk: Desk) -> None:
    desk.swap('others = "others.csv"\nauxiliary = "public.csv"\n', "")
    assert "[data] names neither others nor auxiliary" in desk.refused(*OUT)
    desk.swap('members = "members.csv"\n', 'members = "members.csv"\nauxiliary = "public.csv"\n')
    mute(desk)
    assert desk.run(*OUT, *FEW).code == 0


def test_attackers_hold_the_auxiliary_people_and_honest_callers_ask_about_the_others(
    desk: Desk,
) -> None:
    mute(desk)
    known = {}
    for name, table in (("inversion_network", "public"), ("lookups", "others")):
        desk.run(*OUT, "--behavior", name, "--honest", "3", "--attacks", "1")
        sessions = read_trace(desk.folder / "trace.csv", INPUTS)
        asked = {
            tuple(row) for one in sessions for row in zip(*one.rows.columns.values(), strict=True)
        }
        frame = pd.read_csv(desk.folder / f"{table}.csv")
        known[name] = asked & set(frame[INPUTS].itertuples(index=False, name=None))
        share = len(known[name]) / len(asked)
        assert share > 0.6 if name == "lookups" else share == 1
    assert known["inversion_network"]


def test_no_name_and_no_members_age_is_told(desk: Desk) -> None:
    mute(desk)
    told = desk.run(*OUT, "--behavior", "membership", "--attacks", "3")
    discreet(told)
    text = (desk.folder / "trace.csv").read_text()
    assert NAME not in text  # an identifier never reaches a model
    assert str(AGE) in text
    assert "it holds people's values" in told.out

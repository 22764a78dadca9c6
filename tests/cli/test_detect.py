"""``reticent detect``: a trace in, a line per alert out, and an exit status that says it all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from desk import INPUTS, Desk, discreet, people
from reticent.cli.project import load_project
from reticent.cli.watched import REFERENCE, kept_reference, reference_of, sketcher_of
from reticent.dataset import Dataset
from reticent.monitor.kept import save_reference
from reticent.schema import Schema

KEYS = ["caller", "query", "detector", "reason", "promise"]
DETECT = ("detect", "reticent.toml")
ROLES = '[roles.clinic]\noutput = "label"\nmarginalize = ["s"]\n[roles.shut]\noutput = "none"\n'
STUDY = '[roles.study]\noutput = "scores"\npermit = ["what_if"]\nrows_per_day = 100\n'


def mute(desk: Desk) -> None:
    """Have nobody answer, which takes less time."""
    desk.swap('path = "model.skops"', 'answers = {members = "a.csv", others = "b.csv"}')


def calls(caller: str, n: int, seed: int) -> pd.DataFrame:
    """Ordinary questions about people."""
    rows = people(seed, n)[INPUTS]
    rows.insert(0, "caller", caller)
    return rows


def sweep(caller: str, n: int = 30, seed: int = 31) -> pd.DataFrame:
    """Everybody with both values of s."""
    rows = calls(caller, n, seed)
    rows = rows.loc[rows.index.repeat(2)].reset_index(drop=True)
    rows["s"] = np.arange(len(rows)) % 2
    return rows


def written(desk: Desk, *parts: pd.DataFrame, name: str = "trace.csv") -> str:
    table = pd.concat(parts, ignore_index=True)
    path = desk.folder / name
    table.to_parquet(path) if name.endswith("parquet") else table.to_csv(path, index=False)
    return name


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def quick(desk: Desk) -> Desk:
    """A desk where no model answers."""
    mute(desk)
    return desk


# What comes out ---------------------------------------------------------------------------------


def test_a_line_for_each_alert_and_nothing_else(quick: Desk) -> None:
    trace = written(quick, calls("bob", 40, 32), sweep("ann"), calls("cy", 40, 33))
    told = quick.run(*DETECT, trace, "--json")
    assert (told.code, told.err) == (1, "")
    found = lines(told.out)
    assert found
    for line in found:
        assert list(line) == KEYS
        assert line["caller"] == "ann"
        assert isinstance(line["query"], int)
        assert 0 <= line["query"] < 60
        assert line["detector"] == "sweep"
        assert "1 %" in line["promise"] or "stolen key" in line["promise"]
    assert found[0]["query"] < 30


def test_a_quiet_trace_is_status_0(quick: Desk) -> None:
    trace = written(quick, calls("bob", 40, 32), calls("cy", 40, 33))
    told = quick.run(*DETECT, trace, "--json")
    assert (told.code, told.out, told.err) == (0, "", "")
    told = quick.run(*DETECT, trace)
    assert told.code == 0
    assert "0 of 2 callers are alarmed" in told.out
    told = quick.run(*DETECT, trace, "--quiet")
    assert (told.code, told.out, told.err) == (0, "", "")


def test_what_a_person_is_told(quick: Desk) -> None:
    told = quick.run(*DETECT, written(quick, sweep("ann"), calls("bob", 40, 32)))
    assert told.code == 1
    text = " ".join(told.out.split())
    assert "ann" in text
    assert "sweep" in text
    assert "1 of 2 callers are alarmed." in text
    assert "not detectable: one query per record" in text
    assert "promise nothing without --calibrate" in text


def test_who_stands_out_of_all_callers_is_told_with_its_promise(quick: Desk) -> None:
    """One alarm in many callers may be chance; whom e-BH chooses is told."""
    honest = [calls(f"bob {place}", 20, 50 + place) for place in range(30)]
    trace = written(quick, sweep("ann"), sweep("cy", 3, 44), *honest)
    text = " ".join(quick.run(*DETECT, trace).out.split())
    assert "2 of 32 callers are alarmed." in text
    assert "Of all 32 together 1 stand out by the written allowance: ann." in text
    assert "on average at most 1 % keep to it" in text
    alone = written(quick, sweep("cy", 3, 44))
    assert "stand out" not in quick.run(*DETECT, alone).out


def test_parquet_is_read_alike(quick: Desk) -> None:
    parts = sweep("ann"), calls("bob", 40, 32)
    told = [quick.run(*DETECT, written(quick, *parts, name=name), "--json")
            for name in ("t.csv", "t.parquet")]  # fmt: skip
    assert told[0] == told[1]
    assert told[0].code == 1


def test_a_second_look_finds_the_same(quick: Desk) -> None:
    """Whatever key the tokens were made with."""
    trace = written(quick, sweep("ann"), sweep("cy", 25, 44), calls("bob", 40, 32))
    told = [quick.run(*DETECT, trace, "--json") for _ in range(2)]
    assert told[0] == told[1]


def test_a_callers_rows_are_one_session_wherever_they_stand(quick: Desk) -> None:
    parts = sweep("ann"), calls("bob", 60, 32)
    apart = quick.run(*DETECT, written(quick, *parts), "--json").out
    table = pd.concat(parts, ignore_index=True)
    turns = table.iloc[np.arange(120).reshape(2, 60).T.ravel()]
    assert quick.run(*DETECT, written(quick, turns), "--json").out == apart


def test_accounts_across_callers_are_a_line_for_each(quick: Desk) -> None:
    """Ten accounts share a sweep; hardly two people of this table are alike."""
    rows = sweep("", 200, 45)
    rows["age"] = np.arange(400) // 2
    rows["caller"] = [f"account {p}" for p in np.random.default_rng(0).permutation(400) % 10]
    honest = [calls(f"honest {seed}", 8, 100 + seed).assign(age=1_000 + 8 * seed + np.arange(8))
              for seed in range(30)]  # fmt: skip
    found = lines(quick.run(*DETECT, written(quick, rows, *honest), "--json").out)
    linked = [line for line in found if line["detector"] == "linked"]
    assert len(linked) >= 8
    assert len({line["caller"] for line in linked}) == len(linked)
    sizes = rows["caller"].value_counts()
    assert all(line["query"] == sizes[line["caller"]] - 1 for line in linked)


# Calibration ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "words"), [(98, "1 honest sessions are missing"), (99, "")])
def test_one_session_too_few_says_so(quick: Desk, n: int, words: str) -> None:
    honest = written(quick, *[calls(f"h{seed}", 6, 200 + seed) for seed in range(n)], name="h.csv")
    told = quick.run(*DETECT, written(quick, calls("bob", 20, 32)), "--calibrate", honest)
    assert told.code == 0
    assert "promise nothing without" not in told.out
    assert ("missing" in told.out) is bool(words)
    assert words in " ".join(told.out.split())


def test_alpha_is_what_is_promised(quick: Desk) -> None:
    trace = written(quick, sweep("ann"))
    found = lines(quick.run(*DETECT, trace, "--alpha", "0.2", "--json").out)
    strict = lines(quick.run(*DETECT, trace, "--alpha", "0.0001", "--json").out)
    assert "20 %" in found[0]["promise"]
    assert "0.01 %" in strict[0]["promise"]
    assert found[0]["query"] < strict[0]["query"]
    for bad in ("0", "0.5", "-1", "x"):
        assert quick.run(*DETECT, trace, "--alpha", bad).code == 2


# Roles and answers ------------------------------------------------------------------------------


def test_a_roles_answers_are_filled_in_from_the_model(desk: Desk) -> None:
    """A role that abstains: who is always refused is found, though no answer was recorded."""
    desk.add('[roles.wary]\noutput = "label"\nabstain = {honest = 0.9}\n')
    strange = calls("ann", 60, 46)
    strange["age"], strange["educ"] = 9_000 + np.arange(60), -500 + np.arange(60)
    trace = written(desk, strange, calls("bob", 60, 47))
    told = desk.run(*DETECT, trace, "--role", "wary", "--json")
    assert told.code == 1
    assert {(one["caller"], one["detector"]) for one in lines(told.out)} == {("ann", "refusals")}
    assert desk.run(*DETECT, trace, "--json").code == 0, "bare, nobody is refused"


def test_recorded_answers_are_taken_as_they_are(quick: Desk) -> None:
    rows = calls("ann", 60, 48).assign(answered=["false"] * 57 + ["true"] * 3)
    quick.add('[roles.wary]\noutput = "label"\nabstain = {honest = 0.9}\n')
    found = lines(quick.run(*DETECT, written(quick, rows), "--role", "wary", "--json").out)
    assert {one["detector"] for one in found} == {"refusals"}


def test_a_permitted_role_may_sweep(quick: Desk) -> None:
    quick.add(STUDY)
    trace = written(quick, sweep("ann"))
    assert quick.run(*DETECT, trace, "--role", "study", "--json").code == 0
    honest = written(quick, *[calls(f"h{seed}", 6, 200 + seed) for seed in range(99)], name="h.csv")
    assert quick.run(*DETECT, trace, "--role", "study", "--calibrate", honest).code == 0


def test_a_role_that_is_told_nothing_is_watched_all_the_same(desk: Desk) -> None:
    desk.add(ROLES)
    told = desk.run(*DETECT, written(desk, sweep("ann")), "--role", "shut", "--json")
    assert told.code == 1


def test_a_marginalized_column_need_not_be_sent(quick: Desk) -> None:
    quick.add(ROLES)
    trace = written(quick, sweep("ann").assign(s=np.nan), calls("bob", 40, 32))
    told = quick.run(*DETECT, trace, "--role", "clinic", "--json")
    assert (told.code, told.out, told.err) == (0, "", "")
    some = sweep("ann")
    some["s"] = some["s"].where(np.arange(60) % 2 == 0)
    assert quick.run(*DETECT, written(quick, some), "--role", "clinic").code == 0
    assert quick.run(*DETECT, written(quick, sweep("ann")), "--role", "clinic").code == 1


def test_declared_limits(quick: Desk) -> None:
    quick.add("[monitor]\nrows_per_hour = 20\n")
    rows = calls("ann", 40, 32)
    assert quick.run(*DETECT, written(quick, rows), "--json").code == 0, "no times, no rate"
    timed = rows.assign(at=[f"2026-01-31T12:{place:02d}:00Z" for place in range(40)])
    (line,) = lines(quick.run(*DETECT, written(quick, timed), "--json").out)
    assert (line["detector"], line["query"]) == ("volume", 20)
    assert "no error rate is promised" in line["promise"]
    gaps = timed.assign(at=timed["at"].where(np.arange(40) % 2 == 0))
    assert quick.run(*DETECT, written(quick, gaps), "--json").code == 0
    turned = timed.iloc[::-1]
    assert quick.run(*DETECT, written(quick, turned), "--json").code == 1


# Odd callers and cells --------------------------------------------------------------------------

ODD = [
    "\x1b[31mred\x1b[0m\x07",
    "new\nline",
    "<script>",
    "x" * 10_000,
    "a b " * 2_500,
    " ",
    "\u202eabc",
]


@pytest.mark.parametrize("name", ODD, ids=range(len(ODD)))
def test_a_caller_may_be_named_anything(quick: Desk, name: str) -> None:
    trace = written(quick, sweep(name), calls("bob", 20, 32), name="t.parquet")
    told = quick.run(*DETECT, trace)
    assert told.code == 1
    assert all(one.isprintable() or one == "\n" for one in told.out)
    assert len(told.out) < 6_000
    found = lines(quick.run(*DETECT, trace, "--json").out)
    assert {line["caller"] for line in found} == {name}


def test_strange_cells_are_no_error(quick: Desk) -> None:
    rows = calls("ann", 30, 32).astype(object)
    rows.loc[3, INPUTS] = None
    rows.loc[4, "age"] = 1e300
    rows.loc[5, "educ"] = -1e300
    told = quick.run(*DETECT, written(quick, rows), "--json")
    assert (told.code, told.err) == (0, "")


def test_words_where_numbers_belong_are_no_traceback(quick: Desk) -> None:
    rows = calls("ann", 30, 32).astype(object)
    rows.loc[3, "age"] = "forty"
    told = quick.run(*DETECT, written(quick, rows), "--json")
    assert told.code in (0, 2)
    assert "that it does not know" not in told.err


# What is refused --------------------------------------------------------------------------------


def test_an_empty_trace_is_refused(quick: Desk) -> None:
    trace = written(quick, calls("ann", 1, 32).iloc[:0])
    assert "it has no rows" in quick.refused(*DETECT, trace)
    assert "no such file" in quick.refused(*DETECT, "gone.csv")
    full = written(quick, calls("ann", 2, 32), name="full.csv")
    assert "it has no rows" in quick.refused(*DETECT, full, "--calibrate", trace)


def test_another_models_trace_is_refused(quick: Desk) -> None:
    trace = written(quick, calls("ann", 3, 32).drop(columns="educ"))
    assert "lacks the model's columns educ" in quick.refused(*DETECT, trace)


def test_without_honest_people_the_line_to_add_is_told(quick: Desk) -> None:
    trace = written(quick, sweep("ann"))
    quick.swap('others = "others.csv"\nauxiliary = "public.csv"\n', "")
    told = quick.refused(*DETECT, trace)
    assert "neither others nor auxiliary" in told
    assert 'others = "fresh.csv"' in told


def test_too_few_honest_people_are_refused(quick: Desk) -> None:
    trace = written(quick, sweep("ann"))
    quick.swap('auxiliary = "public.csv"\n', "")
    quick.table("others", people(2, 12))
    assert "only 12 non-members" in quick.refused(*DETECT, trace)


def test_an_unknown_role_is_refused(quick: Desk) -> None:
    quick.add(ROLES)
    trace = written(quick, sweep("ann"))
    assert "did you mean 'clinic'" in quick.refused(*DETECT, trace, "--role", "clinik")


def test_nobody_is_named_in_what_is_told(desk: Desk) -> None:
    """The trace asks about the members themselves."""
    rows = pd.read_csv(desk.folder / "members.csv")[INPUTS]
    rows.insert(0, "caller", "ann")
    swept = rows.loc[rows.index.repeat(2)].assign(s=np.arange(80) % 2)
    for more in ((), ("--json",)):
        told = desk.run(*DETECT, written(desk, swept), *more)
        assert told.code == 1
        discreet(told)


# What honest people look like -------------------------------------------------------------------


def known(desk: Desk) -> bytes:
    """What is learned, as bytes, with a fixed key."""
    plan = load_project(Path("reticent.toml"))
    schema = Schema.of([*INPUTS, "name", "y"], plan.tables.columns, plan.tables.domains)
    sketcher, groups = sketcher_of(plan, schema, INPUTS, bytes(32))
    path = desk.folder / "known.bin"
    save_reference(reference_of(plan, INPUTS, groups, sketcher), path)
    return path.read_bytes()


def test_what_is_learned_never_depends_on_the_members(desk: Desk) -> None:
    """Whoever watches when a detector fires learns nothing of them: it was never given them."""
    first = known(desk)
    desk.table("members", people(77, 25).assign(age=1_000))
    assert known(desk) == first
    (desk.folder / "members.csv").unlink()
    assert known(desk) == first
    desk.table("others", people(78))
    assert known(desk) != first


def test_a_machine_without_people_uses_what_was_kept(desk: Desk) -> None:
    plan = load_project(Path("reticent.toml"))
    schema = Schema.of([*INPUTS, "name", "y"], plan.tables.columns, plan.tables.domains)
    plan.state.mkdir()
    first, reason = kept_reference(plan, schema, INPUTS, bytes(32))
    assert first is not None
    assert reason == ""
    for name in ("others", "public"):
        (desk.folder / f"{name}.csv").unlink()
    again, reason = kept_reference(plan, schema, INPUTS, bytes(32))
    assert again is not None
    assert reason == ""
    rows = Dataset.of(people(5)[INPUTS])
    assert np.array_equal(again.axes(rows)[0], first.axes(rows)[0])
    (plan.state / REFERENCE).write_bytes(b"half a file")
    gone, reason = kept_reference(plan, schema, INPUTS, bytes(32))
    assert gone is None
    assert "cannot be read" in reason
    (plan.state / REFERENCE).unlink()
    gone, reason = kept_reference(plan, schema, INPUTS, bytes(32))
    assert gone is None
    assert "there is none" in reason

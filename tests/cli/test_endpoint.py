"""Endpoints that cost: templates, caps, prices, what breaks off, and the trace that is left."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from desk import AGE, INPUTS, NAME, QUICK, Desk, people
from reticent.cli.project import load_project
from reticent.cli.served import load_served
from reticent.dataset import Dataset
from reticent.evidence import Evidence, load
from reticent.finding import Finding
from reticent.monitor.trace import read_trace
from reticent.targets.local import local
from served import Canned, Served, serving

KEY = "rtc_abcdefghijkl_secretsecret"
TEMPLATE = {
    "path": "/score",
    "headers": {"Authorization": "Token $key"},
    "body": {"instances": "$rows"},
    "batch": 16,
    "classes": [0, 1],
    "answer": {"scores": "predictions[].p"},
}
TWO = ("--attacks", "imputation_likelihood,csmia", "--no-canaries")


class Scoring(Served):
    """The desk's tree behind a protocol of nobody's; it fails for good after some rows."""

    lives: int
    says: Canned
    pause: float = 0.0
    other: str = KEY

    def reply(self, path: str, key: str | None, body: bytes) -> Canned:
        self.seen.append((path, key))
        if key not in (f"Token {KEY}", f"Token {self.other}") or path != "/score":
            return 401, {}, b"Xanthippe"
        cells = json.loads(body)["instances"]
        time.sleep(self.pause)
        if sum(self.asked) + len(cells) > self.lives:
            return self.says
        self.asked.append(len(cells))
        rows = Dataset({name: np.array([row[name] for row in cells]) for name in INPUTS})
        told = self.target.ask(rows).scores
        assert told is not None
        return 200, {}, json.dumps({"predictions": [{"p": one} for one in told.tolist()]}).encode()


@contextmanager
def deployed(lives: int = 1 << 30, says: Canned = (500, {}, b"Xanthippe, 41")) -> Iterator[Scoring]:
    rows = people(1)
    grown = DecisionTreeClassifier(random_state=0).fit(rows[INPUTS].to_numpy(), rows["y"])
    with serving(local(grown, INPUTS, rows["y"].to_numpy()), {}) as served:
        served.__class__ = Scoring
        assert isinstance(served, Scoring)
        served.lives, served.says = lives, says
        yield served


@pytest.fixture
def project(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("RETICENT_KEY", KEY)
    monkeypatch.setattr("reticent.cli.endpoint.REPEATS", 0)
    (desk.folder / "request.json").write_text(json.dumps(TEMPLATE))
    desk.swap('path = "model.skops"', 'path = "model.skops"\ntemplate = "request.json"')
    return desk


@pytest.fixture
def two(project: Desk) -> Desk:
    """A project with two hidden columns, so that one can be finished and the other not."""
    project.swap('s = "sensitive"', 's = "sensitive"\neduc = "sensitive"')
    project.swap("[model]", "educ = {values = [1, 2, 3, 4, 5], public = true}\n[model]")
    return project


def told(finding: Finding) -> object:
    return finding.members, finding.others, finding.advantage, finding.memorization, finding.verdict


def scores(evidence: Evidence) -> dict[tuple[str, str], object]:
    return {(one.attack, one.hidden): told(one) for one in evidence.findings}


def answers(desk: Desk) -> list[Path]:
    return list((desk.folder / ".reticent").rglob("*.bin"))


# Asked as anybody writes it ---------------------------------------------------------------------


def test_an_endpoint_with_a_template_gives_the_scores_of_the_model_in_process(
    project: Desk,
) -> None:
    project.run("audit", "reticent.toml", *QUICK)
    before = scores(project.evidence())
    with deployed() as served:
        project.audit("--url", served.url)
        assert served.asked
        assert max(served.asked) == 16
    assert scores(project.evidence()).items() <= before.items()
    assert not answers(project)


def test_the_endpoint_may_be_the_model_itself(project: Desk) -> None:
    with deployed() as served:
        project.swap('path = "model.skops"', f'url = "{served.url}"')
        project.audit()
        assert served.asked
        note = f"The endpoint was asked {sum(served.asked)} rows in {len(served.asked)} requests."
    assert note in project.evidence().notes
    assert any("cannot be trained again" in note for note in project.evidence().notes)


def test_the_gateway_may_stand_in_front(project: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RETICENT_UPSTREAM_KEY", KEY)
    with deployed() as served:
        project.swap('path = "model.skops"', f'url = "{served.url}"')
        made, schema = load_served(load_project(project.folder / "reticent.toml"), None)
        rows = Dataset.of(people(2)).select(INPUTS)
        told, own = made.target.ask(rows), served.target.ask(Dataset(rows.columns))
    assert schema.inputs == INPUTS
    assert (made.card.name, made.card.scores) == ("model", True)
    assert told.scores is not None
    assert own.scores is not None
    assert (told.scores == own.scores).all()


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"answer": {"scores": "predictions[].q"}}, "predictions[0] is an object of 1 name, which has"),
    ({"answer": {"label": "predictions[].p"}}, "a class that is none of the data's"),
    ({"path": "/other"}, "does not know the key"),
    ({"bodi": 1}, "did you mean 'body'"),
    ({"classes": [0, 1, 2]}, "3 classes, the model 2 classes"),
]


@pytest.mark.parametrize(("change", "found"), WRONG)
def test_a_template_that_does_not_fit(project: Desk, change: dict[str, Any], found: str) -> None:
    (project.folder / "request.json").write_text(json.dumps(TEMPLATE | change))
    with deployed() as served:
        message = project.run("audit", "reticent.toml", *QUICK, "--url", served.url)
    assert message.code == 2
    assert found in message.err
    assert not (project.folder / ".reticent").exists()
    assert not (project.folder / "reticent-out").exists()


# Broken off, and gone on with -------------------------------------------------------------------

ENDS: list[tuple[Canned, str]] = [
    ((500, {}, b"Xanthippe, 41"), "it failed (status 500)"),
    ((0, {}, b""), "the line broke"),
    ((200, {}, b"<html>Xanthippe"), "it is HTML, not JSON"),
    ((200, {}, b'{"predictions": [{"p": [2.5, 7]}]}'), "entries for 16 rows"),
    ((429, {"Retry-After": "40000"}, b"Xanthippe"), "its budget is spent"),
]


@pytest.mark.parametrize(("says", "found"), ENDS)
def test_whatever_the_end_it_is_told_and_the_answers_are_kept(
    project: Desk, says: Canned, found: str
) -> None:
    with deployed(lives=40, says=says) as served:
        stopped = project.run("audit", "reticent.toml", *QUICK, "--url", served.url)
    assert (stopped.code, stopped.out) == (2, "")
    assert found in stopped.err
    assert "32 answers are kept: the same command asks only the rest" in stopped.err
    assert "Xanthippe" not in stopped.err
    assert len(answers(project)) == 1
    assert not (project.folder / "reticent-out").exists(), "no attack had come to an end"


def test_what_broke_off_goes_on_and_ends_as_if_nothing_had_happened(project: Desk) -> None:
    with deployed() as served:
        project.audit("--url", served.url)
        whole, all_rows = scores(project.evidence()), sum(served.asked)
    again = ("audit", "reticent.toml", *QUICK, "--out", "again")
    with deployed(lives=100) as served:
        stopped = project.run(*again, "--url", served.url)
        assert "90 answers are kept" in stopped.err
        (kept,) = answers(project)
        raw = kept.read_bytes()
        assert kept.stat().st_mode & 0o077 == 0
        served.lives = 1 << 30
        del served.asked[:]
        ended = project.run(*again, "--url", served.url, "--json")
        assert ended.code in (0, 1), ended.err
        assert sum(served.asked) == all_rows - 90
    evidence = json.loads(ended.out)
    assert any("90 answers are those of an audit that broke off" in n for n in evidence["notes"])
    assert scores(load(project.folder / "again" / "evidence.json")) == whole
    assert not (project.folder / ".reticent").exists()
    for mark in (NAME, str(AGE), KEY):
        assert mark.encode() not in raw
        assert mark not in stopped.err + ended.err + ended.out


def test_what_was_finished_is_kept_and_the_rest_is_marked(two: Desk) -> None:
    seen = {(row.age, row.s) for seed in (1, 2) for row in people(seed).itertuples()}
    with deployed(lives=5 * len(seen)) as served:
        stopped = two.run("audit", "reticent.toml", *TWO, "--url", served.url)
    assert stopped.code == 2
    assert "it failed (status 500)" in stopped.err
    evidence = two.evidence()
    found = {(one.attack, one.hidden): one for one in evidence.findings}
    assert set(found) == {(a, c) for a in ("imputation_likelihood", "csmia") for c in ("s", "educ")}
    for (_, column), one in found.items():
        assert (one.advantage.value is not None) == (column == "educ")
        if column == "s":
            assert (one.verdict, one.reason[:13]) == ("underpowered", "not finished:")
    assert not evidence.within_limits
    assert evidence.notes[0].startswith("NOT COMPLETE: it failed (status 500)")
    assert ("the rest", "not finished: it failed (status 500)") in [
        (one.attack, one.reason) for one in evidence.not_run
    ]
    assert "NOT COMPLETE" in (two.folder / "reticent-out" / "report.html").read_text()
    with deployed() as served:  # at another address: nothing is known of it
        two.run("audit", "reticent.toml", *TWO, "--url", served.url)
        assert sum(served.asked) > 5 * len(seen)
    assert len(answers(two)) == 1


def test_what_one_key_was_told_is_not_told_to_another(
    project: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with deployed(lives=40) as served:
        for key in (KEY, "rtc_other"):  # another role, with other answers
            served.other, served.lives = key, sum(served.asked) + 40
            monkeypatch.setenv("RETICENT_KEY", key)
            stopped = project.run("audit", "reticent.toml", *QUICK, "--url", served.url)
            assert "32 answers are kept" in stopped.err
        assert sum(served.asked) == 64
    assert len(answers(project)) == 2


@pytest.mark.slow
def test_a_killed_audit_goes_on_where_it_was(project: Desk) -> None:
    typed = ["audit", "reticent.toml", *QUICK, "--url"]
    with deployed() as served:
        project.audit("--url", served.url)
        whole, all_rows = scores(project.evidence()), sum(served.asked)
    with deployed() as served:
        served.pause = 0.2
        killed = subprocess.Popen([sys.executable, "-m", "reticent", *typed, served.url],
                                  stderr=subprocess.DEVNULL)  # fmt: skip
        while sum(served.asked) < 100:
            assert killed.poll() is None
            time.sleep(0.01)
        killed.kill()
        killed.wait()
        time.sleep(0.5)
        served.pause, before = 0.0, sum(served.asked)
        project.audit("--url", served.url)
        again = sum(served.asked) - before
    assert scores(project.evidence()) == whole
    # A request of 16 rows was perhaps on its way.
    assert all_rows - before <= again <= all_rows - before + 16
    assert not (project.folder / ".reticent").exists()


def test_a_cap_ends_an_audit_and_a_higher_one_goes_on(project: Desk) -> None:
    with deployed() as served:
        stopped = project.run("audit", "reticent.toml", *QUICK, "--url", served.url,
                              "--max-queries", "50")  # fmt: skip
        assert stopped.code == 2
        assert "the cap of 50 rows is reached. Raise it with --max-queries" in stopped.err
        assert sum(served.asked) == 50
        project.audit("--url", served.url, "--max-queries", "500")
        rows = sum(served.asked)
        del served.asked[:]
        project.audit("--url", served.url)
        assert sum(served.asked) == rows, "no row was asked twice"


def test_where_nothing_can_be_kept_the_audit_goes_on(project: Desk) -> None:
    (project.folder / ".reticent").write_text("a file")
    with deployed() as served:
        ended = project.run("audit", "reticent.toml", *QUICK, "--url", served.url)
    assert ended.code in (0, 1), ended.err


# Priced and recorded ----------------------------------------------------------------------------


def test_a_dry_run_asks_nothing_and_tells_what_would_be_asked(project: Desk) -> None:
    project.swap("[model]", "[model]\nprice = 0.002")
    with deployed() as served:
        url = ("--url", served.url)
        ran = project.run("audit", "reticent.toml", *QUICK, *url, "--dry-run", "--json")
        assert not served.seen
        assert not (project.folder / "reticent-out").exists()
        forecast = json.loads(ran.out)
        above = project.run("audit", "reticent.toml", *QUICK, *url, "--dry-run", "--max-queries",
                            str(forecast["rows"] - 1))  # fmt: skip
        project.audit(*url)
        assert (ran.code, above.code) == (0, 1)
        rows, requests = sum(served.asked), len(served.asked)
    assert forecast == {
        "rows": rows, "requests": requests, "price": 0.002, "cost": round(rows * 0.002, 6),
    }  # fmt: skip
    cost = f"{rows * 0.002:.2f}"
    assert above.out == (
        f"This audit would ask {rows} rows in {requests} requests; at 0.002 a row: {cost}.\n"
    )
    assert f"at 0.002 a row: {cost}." in project.evidence().notes[0]


def test_the_trace_of_an_audit_shows_a_detector_the_attack(project: Desk) -> None:
    trace = "trace.parquet"
    with deployed() as served:
        project.audit("--url", served.url, "--trace", trace)
        rows = sum(served.asked)
    assert (project.folder / trace).stat().st_mode & 0o077 == 0
    ran = project.run("detect", "reticent.toml", trace, "--json")
    assert ran.code == 1, ran.err
    alerts = [json.loads(line) for line in ran.out.splitlines()]
    assert {one["caller"] for one in alerts} == {"audit"}
    assert "sweep" in {one["detector"] for one in alerts}
    assert all(one["query"] < rows for one in alerts)


def test_a_trace_holds_what_was_told_also_where_it_broke_off(project: Desk) -> None:
    with deployed(lives=40) as served:
        stopped = project.run("audit", "reticent.toml", *QUICK, "--url", served.url,
                              "--trace", "trace.csv")  # fmt: skip
        assert stopped.code == 2
        (session,) = read_trace(project.folder / "trace.csv", INPUTS)
        assert len(session) == sum(served.asked) == 32
        told = served.target.ask(Dataset(session.rows.columns))
    assert session.label is not None
    assert session.confidence is not None
    assert session.answered is not None
    assert told.scores is not None
    assert session.label.tolist() == told.label.tolist()  # type: ignore[union-attr]
    assert session.confidence.tolist() == told.scores.max(axis=1).tolist()
    assert session.answered.all()


@pytest.mark.parametrize("option", [("--max-queries", "5"), ("--trace", "t.csv"), ("--dry-run",)])
def test_without_an_endpoint_there_is_nothing_to_cap_price_or_record(
    project: Desk, option: tuple[str, ...]
) -> None:
    refused = project.refused("audit", "reticent.toml", *QUICK, *option)
    assert f"{option[0]}: nothing is asked of an endpoint" in refused


def test_a_trace_of_no_known_kind(project: Desk) -> None:
    refused = project.refused("audit", "reticent.toml", "--url", "http://127.0.0.1:9",
                              "--trace", "t.txt")  # fmt: skip
    assert "Name a .csv or .parquet file" in refused

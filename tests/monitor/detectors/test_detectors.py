"""What every detector keeps to."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from monitor.asking import GENES, ROLE, clinic, swept, token, world
from reticent.dataset import stack
from reticent.monitor import detectors
from reticent.monitor.detectors import DETECTORS, detector_named
from reticent.monitor.detectors.detector import Promise, Query
from reticent.monitor.memory import Memory, Rules
from reticent.monitor.settings import Monitor
from reticent.monitor.trail import Sight

FOLDER = Path(detectors.__file__).parent
PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "detection.md"
EVERY = Monitor(rows_per_hour=100, rows_per_second=5.0, networks_per_day=2)


def test_the_list_and_the_folder_agree() -> None:
    files = {path.stem for path in FOLDER.glob("*.py")} - {"__init__", "detector"}
    assert set(DETECTORS) == files


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_says_what_it_is(name: str) -> None:
    kind = detector_named(name)
    assert kind.name == name
    assert kind.__module__ == f"{detectors.__name__}.{name}"
    assert kind.__name__.lower() == name
    assert kind.promise in get_args(Promise)
    for words in (kind.sees, kind.blind, kind.source):
        assert words == words.strip() != ""
    assert len(kind.sees.split()) > 1
    assert len(kind.blind.split()) > 1
    assert "__slots__" in vars(kind), "there are thousands of them"


@pytest.mark.parametrize("name", DETECTORS)
def test_the_docs_name_every_detector(name: str) -> None:
    text = PAGE.read_text()
    assert re.search(rf"`{name}`", text), f"{PAGE.name} says nothing of `{name}`"


def everything() -> Memory:
    """A caller whom every detector watches: numbers of few values and many others."""
    made = world("clinic")
    return made.watch(EVERY, {ROLE: Rules(refusals=0.3)}).memory(token("ann"), ROLE)


def test_every_detector_is_at_work_somewhere() -> None:
    names = {one.name for one in everything().all}
    rules = {ROLE: Rules(refusals=0.3)}
    names |= {one.name for one in world("survey").watch(EVERY, rules).memory(b"a", ROLE).all}
    assert names == set(DETECTORS)


@pytest.mark.parametrize("name", ["clinic", "survey"])
def test_the_same_queries_give_the_same_evidence(name: str) -> None:
    made = world(name)
    hidden = made.groups[0][0]
    values = GENES if name == "clinic" else (0.0, 1.0, 2.0)
    rows = stack(swept(made.people(20, 3), hidden, values), made.people(60, 4))

    def evidence() -> list[tuple[str, float, str]]:
        watch = made.watch(EVERY, {ROLE: Rules(refusals=0.3)})
        made.ask(watch, rows)
        return [
            (one.name, one.evidence, one.reason())
            for one in watch.memory(token("ann"), ROLE).all
        ]  # fmt: skip

    first = evidence()
    assert first == evidence()
    assert len({found for _, found, _ in first}) > 3


def test_no_value_of_a_row_stands_in_a_reason() -> None:
    made = world("clinic")
    watch = made.watch(EVERY, {ROLE: Rules(refusals=0.3)})
    rows = swept(clinic(30, 3), "gene", GENES)
    made.ask(watch, rows)
    words = " ".join(one.reason() for one in watch.memory(token("ann"), ROLE).all)
    cells = {str(cell) for name in rows.names for cell in rows[name].tolist()}
    assert not {word.strip(",.") for word in words.split()} & cells


@pytest.mark.parametrize("limit", ["volume", "frequency", "source"])
def test_a_limit_is_passed_where_it_says(limit: str) -> None:
    """At the limit nothing is said; one more is more than 1."""
    kind, most = detector_named(limit), 10
    one = kind(most)  # type: ignore[call-arg]
    factor = 10 if limit == "frequency" else 1
    for place in range(most * factor):
        one.observe(Query(1e9, place, bytes([place]), Sight(), False, False))
    assert one.evidence < 1
    one.observe(Query(1e9, 0, b"another", Sight(), False, False))
    assert one.evidence >= 1
    assert str(most) in one.reason()


@pytest.mark.parametrize("limit", ["volume", "frequency", "source"])
def test_a_limit_begins_anew_and_a_clock_may_jump(limit: str) -> None:
    kind = detector_named(limit)
    one = kind(3)  # type: ignore[call-arg]
    for place in range(100):
        one.observe(Query(1e9, place, bytes([place]), Sight(), False, False))
    full = one.evidence
    one.observe(Query(1e9 - 5_000, 0, b"x", Sight(), False, False))
    if limit != "frequency":
        assert one.evidence >= full, "whoever sets the clock back is not rid of what was counted"
    one.observe(Query(1e9 + 90_000, 0, b"y", Sight(), False, False))
    assert one.evidence < 1
    one.observe(Query(0.0, 0, b"z", Sight(), False, False))
    assert one.evidence < 1


@pytest.mark.parametrize("limit", ["volume", "frequency", "source"])
def test_a_query_without_a_time_does_not_count(limit: str) -> None:
    one = detector_named(limit)(3)  # type: ignore[call-arg]
    for place in range(100):
        one.observe(Query(float("nan"), place, bytes([place]), Sight(), False, False))
    assert one.evidence < 1

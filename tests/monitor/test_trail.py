"""What is remembered of one caller between queries."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from reticent.dataset import Dataset, stack
from reticent.monitor.memory import Memory, Rules
from reticent.monitor.points import Axes
from reticent.monitor.reference import Reference, fit_reference, token_pairs
from reticent.monitor.settings import Monitor
from reticent.monitor.sketch import Sketcher
from reticent.monitor.trail import RECORDS, Measure, Sight, Trail
from reticent.monitor.watch import Watch

from .asking import GENES, ROLE, World, clinic, survey, swept, token, world

KIB = 1024


def sights(
    made: World, rows: Dataset, confidence: np.ndarray[Any, Any] | None = None
) -> list[Sight]:
    """How each row relates to those before it."""
    trail, reference = Trail(Measure.of(made.reference)), made.reference
    points, gaps = reference.axes(rows)
    groups = len(made.groups)
    pairs = token_pairs(made.sketcher(rows), groups) if groups else [[] for _ in range(len(rows))]
    told = np.zeros(len(rows)) if confidence is None else confidence
    return [
        trail.see(point, tokens, float(told[place]), gaps)
        for place, (point, tokens) in enumerate(zip(points, pairs, strict=True))
    ]


def rows_of(rows: Dataset, *places: int) -> Dataset:
    return rows.take(np.array(places))


# What is seen -----------------------------------------------------------------------------------


def test_each_value_of_a_record_counts_once() -> None:
    rows = swept(clinic(1, 3), "gene", GENES)
    found = sights(world("clinic"), rows_of(rows, 0, 0, 1, 0, 1, 2, 3, 2))
    assert [one.repeat for one in found] == [False, True, False, True, True, False, False, True]
    assert [one.exact for one in found if not one.repeat] == [1, 2, 3, 3]
    assert [one.fresh for one in found if not one.repeat] == [0, 2, 3, 0], "a person counts once"


def test_a_record_is_remembered_beyond_the_window_of_points() -> None:
    rows = swept(clinic(1, 3), "gene", GENES)
    between = clinic(RECORDS - 2, 4)
    first, last = rows_of(rows, 0), rows_of(rows, 1)
    assert sights(world("clinic"), stack(first, between, last))[-1].exact == 2
    again = sights(world("clinic"), stack(first, between, first))[-1]
    assert (again.repeat, again.exact) == (True, 0)
    more = clinic(RECORDS, 4)
    assert sights(world("clinic"), stack(first, more, last))[-1].exact == 1


def test_a_row_that_is_near_is_the_same_person() -> None:
    one = clinic(1, 3)
    moved = one.replaced("m1", one["m1"] + 0.3).replaced("m2", one["m2"] - 0.3)
    other = moved.replaced("gene", np.array(["aa" if one["gene"][0] != "aa" else "bb"], object))
    found = sights(world("clinic"), stack(one, other, moved))
    assert (found[1].near, found[1].fresh) == (2, 2)
    assert found[2].back
    assert not sights(world("clinic"), clinic(40, 5))[-1].back
    far = one.replaced("m1", one["m1"] + 30).replaced("m2", one["m2"] - 30)
    far = far.replaced("m3", one["m3"] + 30).replaced("gene", np.array(["cc"], object))
    assert sights(world("clinic"), stack(one, far))[1].near == 1


def test_an_edit_is_of_another_column_than_the_sensitive_one() -> None:
    one = clinic(1, 3)
    edit = one.replaced("m1", one["m1"] + 8)
    gene = one.replaced("gene", np.array(["aa" if one["gene"][0] != "aa" else "bb"], object))
    found = sights(world("clinic"), stack(one, edit, gene))
    assert [bool(sight.edit) for sight in found] == [False, True, False]


def test_the_confidence_of_rows_about_a_person_climbs() -> None:
    rows = stack(*[clinic(1, 3) for _ in range(12)])
    draws = np.random.default_rng(0)
    for name in (f"m{place}" for place in range(10)):
        rows = rows.replaced(name, rows[name] + 0.5 * draws.normal(size=12))
    told = np.array([0.5, 0.6, 0.55, 0.7, 0.7, 0.8, 0.75, 0.9, 0.2, 0.91, 0.3, 0.99])
    found = sights(world("clinic"), rows, told)
    records = [place for place in range(2, 12) if told[place] > told[:place].max()]
    assert [place for place, one in enumerate(found) if one.climbs and place > 1] == records


def test_exact_repeats_change_nothing() -> None:
    """Each query asked three times over: what is seen of the fresh ones is the same."""
    made = world("clinic")
    rows = stack(swept(clinic(10, 3), "gene", GENES), clinic(20, 4))
    thrice = rows.take(np.repeat(np.arange(len(rows)), 3))
    once = sights(made, rows)
    again = sights(made, thrice)
    assert [one for place, one in enumerate(again) if place % 3 == 0] == once
    assert all(one.repeat for place, one in enumerate(again) if place % 3)


@pytest.mark.parametrize("name", ["clinic", "survey", "wide"])
def test_events_that_come_twice_change_no_evidence(name: str) -> None:
    made = world(name)
    rows = made.people(50, 3)
    if made.groups:
        values = GENES if name == "clinic" else (0.0, 1.0, 2.0)
        rows = stack(swept(made.people(10, 4), made.groups[0][0], values), rows)
    watches = made.watch(), made.watch()
    made.ask(watches[0], rows)
    for place in range(len(rows)):
        made.ask(watches[1], rows_of(rows, place, place), at_once=True)
        made.ask(watches[1], rows_of(rows, place))
    one, two = (watch.memory(token("ann"), ROLE) for watch in watches)
    assert [d.evidence for d in one.all] == pytest.approx([d.evidence for d in two.all])
    assert two.queries == 3 * one.queries


# Odd rows ---------------------------------------------------------------------------------------


def gone(rows: Dataset, *names: str) -> Dataset:
    for name in names or rows.names:
        column = rows[name]
        empty = None if column.dtype.kind == "O" else np.nan
        rows = rows.replaced(name, np.full(len(rows), empty, dtype=column.dtype))
    return rows


def test_what_was_not_sent_is_no_value_that_was_tried() -> None:
    made, people = world("clinic"), clinic(40, 3)
    rows = stack(*[
        part for place in range(40)
        for part in (rows_of(people, place), gone(rows_of(people, place), "gene"))
    ])  # fmt: skip
    assert max(one.exact for one in sights(made, rows)) == 1
    memory = made.alone(rows)
    assert memory.contract < 2


@pytest.mark.parametrize("name", ["clinic", "survey", "wide"])
def test_rows_without_any_cell_are_no_error_and_no_attack(name: str) -> None:
    made = world(name)
    rows = gone(made.people(30, 3))
    watch = made.watch(calibrated=True)
    assert made.ask(watch, stack(made.people(10, 4), rows, made.people(10, 5))) == []
    assert made.ask(watch, rows, at_once=True) == []


def test_unknown_categories_and_long_texts_are_no_error_and_no_attack() -> None:
    made, rows = world("clinic"), clinic(60, 3)
    strange = np.array([f"{'x' * (10_000 if p % 2 else 3)}{p}" for p in range(60)], dtype=object)
    for name in ("town", "gene"):
        watch = made.watch(calibrated=True)
        assert made.ask(watch, rows.replaced(name, strange)) == []


def test_a_sweep_over_unknown_values_is_found() -> None:
    made = world("clinic")
    assert made.ask(made.watch(), swept(clinic(15, 3), "gene", ("zz", "yy", "xx" * 5_000)))


@pytest.mark.parametrize("cell", [1e300, -1e300, np.inf, -np.inf, 1e-300])
def test_numbers_out_of_all_bounds_are_no_error(cell: float) -> None:
    made = world("clinic")
    rows = clinic(30, 3)
    for name in ("m0", "m5"):
        rows = rows.replaced(name, np.where(np.arange(30) % 3 == 0, cell, rows[name]))
    made.ask(made.watch(calibrated=True), rows)
    made.ask(made.watch(calibrated=True), rows, at_once=True)


def test_asked_at_once_or_one_by_one_is_seen_alike() -> None:
    """A row more in a request changes nothing about the others, gaps or not."""
    made = world("clinic")
    rows = stack(swept(clinic(10, 3), "gene", GENES), gone(clinic(8, 4), "m1", "town"),
                 clinic(40, 5))  # fmt: skip
    rows = rows.take(np.random.default_rng(0).permutation(len(rows)))
    watches = made.watch(), made.watch()
    made.ask(watches[0], rows)
    made.ask(watches[1], rows, at_once=True)
    one, two = (watch.memory(token("ann"), ROLE) for watch in watches)
    assert [d.evidence for d in one.all] == pytest.approx([d.evidence for d in two.all])


# Size -------------------------------------------------------------------------------------------

SHARED = (Monitor, Reference, Measure, Axes, type, Watch)


def parts(thing: Any, seen: set[int]) -> Iterator[Any]:
    """Everything that belongs to one caller, and to no other."""
    if id(thing) in seen or isinstance(thing, SHARED):
        return
    seen.add(id(thing))
    yield thing
    if isinstance(thing, np.ndarray):
        return
    slots = [getattr(thing, name) for kind in type(thing).__mro__
             for name in getattr(kind, "__slots__", ()) if hasattr(thing, name)]  # fmt: skip
    inside = list(vars(thing).values()) if hasattr(thing, "__dict__") else []
    if isinstance(thing, dict):
        inside += [*thing, *thing.values()]
    elif isinstance(thing, list | tuple | set):
        inside += list(thing)
    for one in [*slots, *inside]:
        if not isinstance(one, int | float | str | bytes | type(None)) or isinstance(one, bytes):
            yield from parts(one, seen)


def size(memory: Memory) -> int:
    """Bytes of one caller's memory, arrays and numbers included."""
    total = 0
    for one in parts(memory, set()):
        own = one.nbytes if isinstance(one, np.ndarray) and one.base is not None else 0
        total += max(sys.getsizeof(one), own)
        if isinstance(one, list | set | tuple):
            total += sum(sys.getsizeof(x) for x in one if isinstance(x, int | float))
    return total


def columns(n: int, seed: int, d: int) -> Dataset:
    """A table of d numbers, half of them of few values, the last one sensitive."""
    rng = np.random.default_rng([seed, d])
    x = rng.normal(size=(n, d))
    x[:, ::2] = rng.integers(9, size=x[:, ::2].shape)
    x[:, -1] = rng.integers(4, size=n)
    return Dataset.of_matrix(x, tuple(f"q{place}" for place in range(d)))


def of_columns(d: int, text: bool = False) -> World:
    def people(n: int, seed: int) -> Dataset:
        rows = columns(n, seed, d)
        words = np.array([f"word {seed + place % 9}" for place in range(n)], dtype=object)
        return rows.replaced("q0", words) if text else rows

    honest, hidden = people(400, 1), [[f"q{d - 1}"]]
    sketcher = Sketcher(bytes(32), honest.names, hidden)
    fitted = fit_reference(honest, honest.names, hidden, sketcher, np.random.default_rng(0))
    return World(people, sketcher, fitted, hidden)


def test_a_callers_memory_stays_below_32_kib_after_10_000_queries() -> None:
    """30 columns; honest rows, sweeps and an optimizer's, from many networks."""
    made = of_columns(30)
    limits = Monitor(rows_per_hour=10, rows_per_second=1.0, networks_per_day=5)
    watch = made.watch(limits, {ROLE: Rules(refusals=0.3)}, calibrated=True)
    noisy = columns(4_000, 2, 30)
    for name in noisy.names:
        noisy = noisy.replaced(name, noisy[name] + np.random.default_rng(7).normal(size=4_000))
    rows = stack(noisy, swept(columns(1_500, 3, 30), "q29", (0.0, 1.0, 2.0, 3.0)))
    for start in range(0, len(rows), 50):
        some = rows.take(slice(start, start + 50))
        sources = [bytes([start % 251, place]) for place in range(len(some))]
        watch.observe(made.event(some), some, None, sources=sources)
    memory = watch.memory(token("ann"), ROLE)
    assert memory.queries == 10_000
    assert 8 * KIB < size(memory) < 32 * KIB, size(memory)


@pytest.mark.parametrize(("make", "most"), [("wide", 32), ("numbers", 32), ("text", 72)])
def test_many_columns_make_no_larger_memory(make: str, most: int) -> None:
    """400 columns; where one holds text, rows are not projected, and fewer of them are kept."""
    made = world("wide") if make == "wide" else of_columns(400, make == "text")
    watch, rows = made.watch(), made.people(600, 3)
    if make != "wide":
        rows = stack(rows, swept(made.people(50, 4), "q399", (0.0, 1.0, 2.0)))
    made.ask(watch, rows, at_once=True)
    assert size(watch.memory(token("ann"), ROLE)) < most * KIB


def test_ever_new_queries_make_no_larger_memory() -> None:
    made = world("survey")
    watch, sizes = made.watch(), []
    for seed in range(6):
        rows = survey(500, 100 + seed)
        noise = np.random.default_rng(seed).normal(size=500)
        made.ask(watch, rows.replaced("q0", rows["q0"] + noise), at_once=True)
        sizes.append(size(watch.memory(token("ann"), ROLE)))
    assert max(sizes[1:]) <= 1.1 * sizes[1]
    assert sizes[-1] < 32 * KIB

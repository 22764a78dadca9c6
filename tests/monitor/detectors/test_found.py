"""Each detector finds its attack, planted here, and is silent about the honest twin of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from monitor.asking import (
    GENES,
    ROLE,
    clinic,
    jittered,
    mixed,
    numbers_of,
    refused,
    scored,
    survey,
    swept,
    token,
    wide,
    world,
)
from reticent.dataset import Dataset, stack
from reticent.monitor.memory import Rules
from reticent.monitor.settings import Monitor
from reticent.target import Answer

VALUES: dict[str, tuple[Any, ...]] = {"clinic": GENES, "survey": (0.0, 1.0, 2.0, 3.0)}
NAMES = ("clinic", "survey")
TABLES: dict[str, Callable[[int, int], Dataset]] = {
    "clinic": clinic,
    "survey": survey,
    "wide": wide,
}


def evidence(
    name: str, rows: Dataset, answer: Answer | None = None, **settings: Any
) -> dict[str, float]:
    """What each detector makes of one caller who asked these rows, in units of what is enough.

    For contract promises that is 1 / alpha.
    """
    made = world(name)
    rules = {ROLE: Rules(refusals=0.3)}
    watch = made.watch(Monitor(**settings), rules)
    made.ask(watch, rows, answer=answer, at_once=True)
    memory = watch.memory(token("ann"), ROLE)
    found = {one.name: one.bets.value * watch.settings.alpha for one in memory.bets}
    return found | {one.name: one.peak for one in memory.sessions}


def silent(name: str, rows: Dataset, answer: Answer | None = None) -> bool:
    return max(evidence(name, rows, answer).values()) < 1


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng([seed, 9])


def corrections(name: str, n: int, one_in: int) -> Dataset:
    """People asked about once each; of one in so many a cell was wrong and is corrected."""
    hidden, people, found = world(name).groups[0][0], TABLES[name](n, 21), []
    others = TABLES[name](n, 22)
    for place in range(n):
        row = people.take(slice(place, place + 1))
        found.append(row)
        if place % one_in == 0:
            column = [hidden, *people.names][place // one_in % (len(people.names) + 1)]
            found.append(row.replaced(column, others[column][place : place + 1]))
    return stack(*found)


def in_depth(name: str, settings: int = 40) -> Dataset:
    """One person, several columns and the sensitive one, all against all."""
    hidden, one = world(name).groups[0][0], TABLES[name](1, 23)
    first, second, *_ = numbers_of(one)
    rows = []
    for place in range(settings):
        step = {first: place % 7, second: place // 7}
        row = one
        for column, by in step.items():
            row = row.replaced(column, one[column] + (by if name == "survey" else 6.0 * by))
        rows.append(swept(row, hidden, VALUES[name]))
    return stack(*rows)


def visits(name: str, n: int = 60, times: int = 4) -> Dataset:
    """The same patients again, two measurements of whom have changed."""
    people = TABLES[name](n, 24)
    rows, (first, second, *_) = people.take(np.tile(np.arange(n), times)), numbers_of(people)
    if name == "clinic":
        return jittered(rows, [first, second], 0.4, rng())
    moved = rows.replaced(first, (rows[first] + np.arange(len(rows)) % 5) % 5)
    return moved.replaced(second, (rows[second] + np.arange(len(rows)) % 3) % 6)


def visits_of(moved: float, corrected: bool) -> Dataset:
    """Forty patients, five visits each; of every third the gene was found out at the last one."""
    people = clinic(40, 24)
    rows = people.take(np.tile(np.arange(40), 5))
    rows = jittered(rows, numbers_of(rows), moved, rng())
    late = corrected & (np.arange(200) >= 160) & (np.arange(200) % 3 == 0)
    other = np.array([GENES[GENES.index(one) - 1] for one in rows["gene"]], dtype=object)
    return rows.replaced("gene", np.where(late, other, rows["gene"]))


# Honest callers ---------------------------------------------------------------------------------

HONEST: dict[str, Callable[[str], Dataset]] = {
    "people once each": lambda name: TABLES[name](400, 20),
    "corrections": lambda name: corrections(name, 400, 15),
    "one person in depth": in_depth,
    "follow-up visits": visits,
    "two people in depth among others": lambda name: mixed(
        rng(), TABLES[name](300, 20),
        *[swept(TABLES[name](1, 30 + p), world(name).groups[0][0], VALUES[name]) for p in (0, 1)]),
    "the same row all day": lambda name: TABLES[name](1, 25).take(np.zeros(2_000, dtype=int)),
    "the same batch every hour": lambda name: TABLES[name](100, 26).take(
        np.tile(np.arange(100), 12)),
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", HONEST)
def test_honest_callers_alarm_no_detector(kind: str, name: str) -> None:
    assert silent(name, HONEST[kind](name)), evidence(name, HONEST[kind](name))


@pytest.mark.parametrize("moved", [{"shift": 1.0}, {"shift": -2.0}, {"scale": 0.7}, {"scale": 1.5}])
def test_a_population_that_moved_alarms_no_detector(moved: dict[str, float]) -> None:
    assert silent("clinic", clinic(400, 27, **moved))


def test_another_subgroup_alarms_no_detector() -> None:
    people = clinic(2_000, 28)
    assert silent("clinic", people.take(np.flatnonzero(people["m0"] > 5)))


# Attacks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shuffled", [False, True])
def test_a_sweep_over_people_is_found_and_depth_is_not(name: str, shuffled: bool) -> None:
    """Twelve people asked about in breadth; the twin asks about one person, as often."""
    rows = swept(TABLES[name](12, 2), world(name).groups[0][0], VALUES[name])
    if shuffled:
        rows = mixed(rng(), rows)
    found = evidence(name, rows)
    assert found["sweep"] > 1
    assert found["coverage"] > 1
    depth = evidence(name, in_depth(name, 12))
    assert depth["sweep"] < 1
    assert depth["coverage"] < 1


@pytest.mark.parametrize("name", NAMES)
def test_two_candidates_are_found_by_sweep_alone(name: str) -> None:
    rows = swept(TABLES[name](25, 2), world(name).groups[0][0], VALUES[name][:2])
    found = evidence(name, rows)
    assert found["sweep"] > 1
    assert found["coverage"] < 1


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("cover", [1, 9])
def test_cover_traffic_hides_no_sweep(name: str, cover: int) -> None:
    rows = swept(TABLES[name](40, 2), world(name).groups[0][0], VALUES[name])
    parts = mixed(rng(), rows, TABLES[name](cover * len(rows), 29))
    assert evidence(name, parts)["coverage"] > 1


@pytest.mark.parametrize("by", [0.02, 0.05])
def test_jitter_is_found_and_follow_up_visits_are_not(by: float) -> None:
    rows = swept(clinic(40, 2), "gene", GENES)
    rows = jittered(rows, numbers_of(rows), by, rng())
    found = evidence("clinic", rows)
    assert found["jitter"] > 1
    assert found["coverage"] > 1
    assert found["sweep"] < 1  # no record came back exactly
    for moved, corrected in ((0.4, False), (0.03, False), (0.03, True)):
        later = evidence("clinic", visits_of(moved, corrected))
        assert later["jitter"] < 1
        assert later["coverage"] < 1


def test_jitter_within_a_step_of_few_values_is_found() -> None:
    rows = swept(survey(40, 2), "s", VALUES["survey"])
    for column in numbers_of(rows):
        rows = rows.replaced(column, rows[column] + rng(1).uniform(-0.2, 0.2, len(rows)))
    assert evidence("survey", rows)["jitter"] > 1


@pytest.mark.parametrize("name", NAMES)
def test_coverage_is_found_and_corrections_are_not(name: str) -> None:
    hidden = world(name).groups[0][0]
    people = TABLES[name](300, 2)
    rows = stack(people, swept(people.take(slice(0, 6)), hidden, VALUES[name]))
    assert evidence(name, mixed(rng(2), rows))["coverage"] > 1
    assert evidence(name, corrections(name, 300, 12))["coverage"] < 1


def test_a_sweep_over_a_column_of_many_levels_is_found() -> None:
    """Forty professions: none of them is taken for a missing one."""
    from reticent.monitor.reference import fit_reference
    from reticent.monitor.sketch import Sketcher
    from reticent.monitor.watch import Watch

    jobs = np.array([f"job {place:02d}" for place in range(40)], dtype=object)

    def people(n: int, seed: int) -> Dataset:
        return survey(n, seed).without("s").replaced("job", rng(seed).choice(jobs, n))

    honest = people(500, 1)
    sketcher = Sketcher(bytes(32), honest.names, [["job"]])
    reference = fit_reference(honest, honest.names, [["job"]], sketcher, rng())
    watch = Watch(Monitor(), reference, 1, {ROLE: Rules()})
    made = world("survey")
    late = swept(people(15, 2), "job", jobs[-4:].tolist())
    event = type(made)(people, sketcher, reference, [["job"]]).event(late)
    assert watch.observe(event, late, None)


@pytest.mark.parametrize("share", [0.95, 1.0])
def test_refusals_are_found_and_a_bad_batch_is_not(share: float) -> None:
    people = clinic(200, 31)
    probing = rng().random(200) < share
    assert evidence("clinic", people, refused(probing))["refusals"] > 1
    usual = np.arange(200) % 10 < 3
    assert evidence("clinic", people, refused(usual))["refusals"] < 1
    batch = people.take(slice(0, 5)), refused(np.ones(5, dtype=bool))
    assert evidence("clinic", *batch, burst=4)["refusals"] < 1
    assert evidence("clinic", *batch, burst=0)["refusals"] > 1
    same = clinic(1, 31).take(np.zeros(200, dtype=int))
    assert evidence("clinic", same, refused(np.ones(200, dtype=bool)))["refusals"] < 1


def climbing(seed: int, generations: int = 30, size: int = 10, step: float = 0.1) -> Dataset:
    """An evolution strategy around one person: all numbers change at once."""
    one, draws = clinic(1, seed), rng(seed)
    rows = one.take(np.zeros(generations * size, dtype=int))
    for column in numbers_of(rows):
        drift = np.repeat(np.cumsum(draws.normal(size=generations)), size)
        noise = draws.normal(size=len(rows))
        rows = rows.replaced(column, rows[column] + 10 * step * (0.3 * drift + noise))
    return rows


def test_spread_finds_an_optimizer_and_no_people() -> None:
    assert evidence("clinic", climbing(2))["spread"] > 1
    assert evidence("clinic", clinic(300, 32))["spread"] < 1
    assert evidence("clinic", in_depth("clinic"))["spread"] < 1


def test_finite_differences_are_found() -> None:
    """Each number in turn by next to nothing, and again from where that leads."""
    one, rows = clinic(1, 33), []
    for start in range(8):
        base = jittered(one.take(np.zeros(2, dtype=int)), [], 0, rng()).take(slice(0, 1))
        for column in numbers_of(one):
            base = base.replaced(column, one[column] + 0.2 * start)
        rows.append(base)
        rows += [base.replaced(c, base[c] + 0.05) for c in numbers_of(one)]
    assert evidence("clinic", stack(*rows))["spread"] > 1


def test_an_optimizer_is_found_among_many_columns() -> None:
    one, draws = wide(1, 34), rng(3)
    x = np.asarray(one.matrix(one.names))
    step = 0.05 * np.asarray(wide(300, 35).matrix(one.names)).std(axis=0)
    steps = np.cumsum(draws.normal(size=(200, 400)) * step, axis=0) * 0.3
    rows = Dataset.of_matrix(x + steps + draws.normal(size=(200, 400)) * step, tuple(one.names))
    assert max(evidence("wide", rows).values()) > 1
    assert silent("wide", wide(300, 36))


def test_few_cells_of_many_are_told_from_all() -> None:
    """A person changes some, again and again; finite differences change each once."""
    row, x = wide(1, 37), np.asarray(wide(1, 37).matrix(wide(1, 37).names))
    size = np.asarray(wide(300, 35).matrix(row.names)).std(axis=0)
    edits, steps = np.repeat(x, 120, axis=0), np.repeat(x, 120, axis=0)
    for at in range(1, 120):
        edits[at, 100 + at % 4] += (at / 60 - 1) * size[100 + at % 4]
        steps[at, at] += size[at]
    assert silent("wide", Dataset.of_matrix(edits, tuple(row.names)))
    assert evidence("wide", Dataset.of_matrix(steps, tuple(row.names)))["spread"] > 1


def test_manifold_finds_noise_and_no_population_that_moved() -> None:
    rows, draws = clinic(200, 37), rng(4)
    for place in range(10):
        rows = rows.replaced(f"m{place}", 100 * place + 25 * draws.normal(size=200))
    assert evidence("clinic", rows)["manifold"] > 1
    for moved in ({"shift": 2.0}, {"scale": 1.3}):
        assert evidence("clinic", clinic(200, 37, **moved))["manifold"] < 1


def test_a_row_with_gaps_hides_no_other_row_from_the_manifold() -> None:
    """Else one missing cell in each request would blind it."""
    rows, draws = clinic(200, 37), rng(4)
    for place in range(10):
        rows = rows.replaced(f"m{place}", 100 * place + 25 * draws.normal(size=200))
    rows = rows.replaced("m3", np.where(np.arange(200) % 10 == 0, np.nan, rows["m3"]))
    assert evidence("clinic", rows)["manifold"] > 1


def test_climb_finds_a_rising_confidence_and_no_column_tried_in_order() -> None:
    rows = climbing(2)
    rising = scored(np.linspace(0.5, 0.99, len(rows)))
    assert evidence("clinic", rows, rising)["climb"] > 1
    still = scored(0.5 + 0.4 * rng(5).random(len(rows)))
    assert evidence("clinic", rows, still)["climb"] < 1
    one = clinic(1, 38).take(np.zeros(60, dtype=int))
    ordered = one.replaced("m1", one["m1"] + np.linspace(-20, 20, 60))
    assert evidence("clinic", ordered, scored(np.linspace(0.5, 0.99, 60)))["climb"] < 1


def test_a_refused_row_hides_no_climb() -> None:
    """A refused row has no confidence; the climb goes on from those that have."""
    rows = climbing(2)
    rising = np.linspace(0.5, 0.99, len(rows))
    rising[5::40] = np.nan
    assert evidence("clinic", rows, scored(rising))["climb"] > 1


def test_grid_finds_values_that_nobody_has_and_no_shift() -> None:
    rows = survey(120, 39)
    for column in numbers_of(rows):
        rows = rows.replaced(column, rows[column] + rng(6).normal(size=120))
    assert evidence("survey", rows)["grid"] > 1
    shifted = survey(120, 39)
    for column in numbers_of(shifted):
        shifted = shifted.replaced(column, shifted[column] + 3)
    assert evidence("survey", shifted)["grid"] < 1

"""Each honest behavior does what it says, the ones that look like attacks too."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest

from monitor.simulate.worlds import PIXELS, form, numbers, register, silent, survey
from people import guests
from reticent.column import is_missing
from reticent.dataset import Dataset, row_tokens
from reticent.monitor.simulate.play import DAY, Play, another, changed, human, woven
from reticent.monitor.simulate.run import BEHAVIORS, simulate
from reticent.monitor.simulate.world import World
from reticent.randomness import generator


def plays(name: str, world: World | None = None, run: int = 0) -> list[Play]:
    return BEHAVIORS[name].play(world or register(), generator(13, name, run))


def differing(rows: Dataset) -> list[list[str]]:
    """The columns in which each row differs from the one before."""
    return [
        [name for name in rows.names if rows[name][place] != rows[name][place - 1]]
        for place in range(1, len(rows))
    ]


def revisits(rows: Dataset, column: str) -> int:
    """Records that were asked with two or more values of a column."""
    found: dict[bytes, set[object]] = defaultdict(set)
    for record, value in zip(row_tokens(rows.without(column)), rows[column].tolist(), strict=True):
        found[record].add(value)
    return sum(len(values) > 1 for values in found.values())


@pytest.mark.parametrize("name", ["lookups", "heavy_tailed", "subgroup", "export", "retries",
                                  "clinic_days", "probes", "load_test"])  # fmt: skip
def test_who_only_looks_up_asks_true_records(name: str) -> None:
    known = set(row_tokens(register().patients))
    for run in range(4):
        for play in plays(name, run=run):
            assert set(row_tokens(play.rows)) <= known
            assert revisits(play.rows, "gene") == 0


def test_again_and_again() -> None:
    (play,) = plays("retries")
    assert 0 < len(play.rows) - len(set(row_tokens(play.rows))) < len(play.rows) / 1.5
    assert len(set(row_tokens(plays("probes")[0].rows))) == 1
    assert len(set(row_tokens(plays("load_test")[0].rows))) < 8
    gaps = np.diff(plays("probes")[0].at)
    assert gaps.std() / gaps.mean() < 0.05


def test_sessions_have_a_heavy_tail() -> None:
    sizes = [len(plays("heavy_tailed", run=run)[0].rows) for run in range(200)]
    assert np.median(sizes) < 15
    assert max(sizes) > 200


def test_clinic_days_come_in_batches_a_day_apart() -> None:
    (play,) = plays("clinic_days")
    jumps = np.diff(play.at)
    assert (jumps > DAY / 2).sum() >= 1
    assert np.median(jumps) < 1
    assert len(set(row_tokens(play.rows))) < len(play.rows)


def test_corrections_change_one_column_of_any_kind_and_end_right() -> None:
    known, seen = set(row_tokens(register().patients)), Counter[str]()
    for run in range(30):
        (play,) = plays("corrections", run=run)
        tokens = row_tokens(play.rows)
        wrong = [place for place, token in enumerate(tokens) if token not in known]
        for place, names in enumerate(differing(play.rows)):
            if place in wrong and len(names) <= 2:
                seen.update(names)
        last = {token for place, token in enumerate(tokens) if place not in wrong}
        assert len(last) > 0.6 * len(tokens)
    assert set(seen) == set(register().columns)


def test_follow_ups_change_measurements_and_nothing_else() -> None:
    for run in range(6):
        (play,) = plays("follow_ups", run=run)
        patients = {(city, gene) for city, gene in
                    zip(play.rows["city"], play.rows["gene"], strict=True)}  # fmt: skip
        assert len(patients) <= 9
        assert play.at[-1] >= 7 * DAY
        assert revisits(play.rows, "gene") <= 1


def test_a_nightly_list_hardly_changes() -> None:
    for run in range(4):
        rows = plays("nightly", run=run)[0].rows
        counts = Counter(row_tokens(rows))
        nights = max(counts.values())
        assert sum(count == nights for count in counts.values()) > 0.8 * len(rows) / nights


def test_an_export_is_sorted() -> None:
    rows = plays("export")[0].rows
    sorted_ = [name for name in rows.names if list(rows[name]) == sorted(rows[name])]
    assert len(sorted_) >= 1


def test_gaps_are_filled_in_later() -> None:
    found = 0
    for run in range(10):
        rows = plays("gaps", run=run)[0].rows
        torn = np.any([is_missing(rows[name]) for name in rows.names], axis=0)
        for place in np.flatnonzero(torn[:-1] & ~torn[1:]):
            same = all(
                is_missing(rows[name])[place] or rows[name][place] == rows[name][place + 1]
                for name in rows.names
            )
            found += same
    assert found > 20


def test_defaults_stay_in_half_of_the_fields() -> None:
    rows = plays("defaults")[0].rows
    top = [max(Counter(rows[name].tolist()).values()) / len(rows) for name in rows.names]
    assert sum(share > 0.45 for share in top) >= 2
    assert max(top) < 1 or len(set(row_tokens(rows))) > 1


def test_colleagues_share_patients() -> None:
    found = plays("handover")
    first, second = (set(row_tokens(play.rows)) for play in found[:2])
    shared = len(first & second)
    assert shared >= 3
    assert found[1].at[0] > found[0].at[0]


def test_a_celebrity_is_looked_up_by_all() -> None:
    found = plays("celebrity")
    counts = Counter(token for play in found for token in set(row_tokens(play.rows)))
    assert max(counts.values()) >= len(found) / 3
    assert len(found) >= 4


def test_a_class_tries_the_same_cases() -> None:
    found = plays("classroom")
    cases = set.intersection(*(set(row_tokens(play.rows)) for play in found))
    assert 2 <= len(cases) <= 5
    assert len(found) >= 8


@pytest.mark.parametrize("name", ["drift_mean", "drift_scale"])
def test_drift_moves_the_mean_or_the_spread(name: str) -> None:
    look = register().looks["age"]
    moved, wider = [], []
    for run in range(20):
        age = plays(name, run=run)[0].rows["age"].astype(float)
        moved.append(abs(age.mean() - look.center) / look.spread)
        wider.append(abs(np.log(age.std() / look.spread)))
    assert (np.median(moved) > 0.4) == (name == "drift_mean")
    assert (np.median(wider) > 0.3) == (name == "drift_scale")


def test_a_subgroup_is_alike() -> None:
    narrower = []
    for run in range(10):
        rows = plays("subgroup", run=run)[0].rows
        kinds = [len(set(rows[name])) == 1 for name in ("city", "gene", "dose")]
        ratio = rows["age"].astype(float).std() / register().looks["age"].spread
        narrower.append(any(kinds) or ratio < 0.8 or len(set(rows["dose"])) < 5)
    assert np.mean(narrower) > 0.8


def test_a_shared_key_comes_from_many_networks() -> None:
    (session,) = simulate(silent(), 0, 1, 0, ["front_desk"]).sessions
    assert session.source is not None
    assert len(set(session.source)) >= 3


def test_readings_of_a_camera_or_at_a_bedside_hardly_differ() -> None:
    image = numbers(PIXELS)
    (play,) = plays("frames", image)
    x = np.column_stack([play.rows[name] for name in play.rows.names])
    near = np.median(np.linalg.norm(np.diff(x, axis=0), axis=1))
    people = np.column_stack([image.people[name] for name in image.columns])
    assert near < 0.2 * np.median(np.linalg.norm(np.diff(people, axis=0), axis=1))
    (play,) = plays("bedside")
    assert {name for names in differing(play.rows) for name in names} <= {"age", "dose"}
    assert len(set(play.rows["gene"])) == 1


# Analysts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "most"), [("what_if_one", 1), ("what_if_few", 8)])
def test_what_if_stays_with_few_patients_and_varies_several_columns(name: str, most: int) -> None:
    seen, sensitive = Counter[str](), 0
    for run in range(20):
        rows = plays(name, run=run)[0].rows
        seen.update(name for names in differing(rows) for name in names if len(names) == 1)
        sensitive += revisits(rows, "gene") > 0
        assert len(set(rows["age"])) <= 26 * most
        assert revisits(rows, "gene") <= 3 * most
    assert set(seen) == set(register().columns)
    assert sensitive >= 4


def test_a_grid_is_all_pairs_of_two_columns() -> None:
    for run in range(10):
        rows = plays("what_if_grid", run=run)[0].rows
        varied = [name for name in rows.names if len(set(rows[name])) > 1]
        sizes = Counter(tuple(rows[n][place] for n in rows.names) for place in range(len(rows)))
        assert max(sizes.values()) <= 3
        assert len(varied) >= 2


def test_a_live_form_changes_one_field_at_a_time() -> None:
    (play,) = plays("live_form")
    ones = [len(names) == 1 for names in differing(play.rows)]
    assert np.mean(ones) > 0.5


def test_an_audit_asks_with_every_value() -> None:
    rows = plays("fairness")[0].rows
    assert revisits(rows, "gene") == len(rows) / 3


def test_explainers_change_many_columns() -> None:
    rows = plays("permutation")[0].rows
    assert all(revisits(rows, name) > 5 for name in rows.names)
    assert len(set(plays("perturbation")[0].rows["age"])) > 40
    mixed = plays("coalitions")[0].rows
    assert all(len(set(mixed[name])) > 1 for name in mixed.names)


# Parts ----------------------------------------------------------------------------------------


def test_another_value_is_another_one() -> None:
    rng = np.random.default_rng(0)
    for world in (form(), survey()):
        for name, look in world.looks.items():
            current = world.people[name]
            drawn = another(look, current, rng)
            assert (drawn != current).all(), name
            assert drawn.dtype == current.dtype or look.numeric


def test_changed_rows_are_changed_where_they_should_be() -> None:
    rows = guests(5)
    found = changed(rows, np.array([1, 3]), "dose", np.array([0.5, 9.5]))
    assert found["dose"][[1, 3]].tolist() == [0.5, 9.5]
    assert (found["dose"][[0, 2, 4]] == rows["dose"][[0, 2, 4]]).all()
    assert (found["age"] == rows["age"]).all()


def test_weaving_keeps_both_orders() -> None:
    rng = np.random.default_rng(0)
    first, second = guests(20, 5), guests(30, 6)
    mixed, begins = woven(first, second, rng)
    tokens, one, two = row_tokens(mixed), row_tokens(first), row_tokens(second)
    assert [token for token in tokens if token in one] == one
    assert [token for token in tokens if token in two] == two
    assert tokens[begins] == one[0]


def test_people_at_a_desk_sleep() -> None:
    at = human(np.random.default_rng(0), 3000, 40.0)
    assert (at % DAY <= 8 * 3600).all()
    assert at[-1] > DAY

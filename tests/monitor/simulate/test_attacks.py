"""Each attack does what it says: what it varies, on whom, how often, and that it gets there."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.simulate.worlds import form, numbers, register, survey
from people import GUEST_SCHEMA, guests
from reticent.dataset import Dataset, row_tokens
from reticent.monitor.simulate.attacks import ATTACKS
from reticent.monitor.simulate.play import HOUR, Play
from reticent.monitor.simulate.run import simulate
from reticent.monitor.simulate.space import Space
from reticent.monitor.simulate.world import World
from reticent.randomness import generator

GENES = {"aa", "ab", "bb"}


def plays(name: str, world: World | None = None, run: int = 0) -> list[Play]:
    return ATTACKS[name].play(world or register(), generator(11, name, run))


def tried(rows: Dataset, column: str = "gene") -> list[list[str]]:
    """The values of one column that each record was asked with, in order."""
    found: dict[bytes, list[str]] = defaultdict(list)
    for record, value in zip(row_tokens(rows.without(column)), rows[column].tolist(), strict=True):
        found[record].append(value)
    return list(found.values())


def members(rows: Dataset) -> NDArray[np.bool_]:
    """Which rows are members but for the sensitive column."""
    known = set(row_tokens(register().members.without("gene")))
    return np.array([token in known for token in row_tokens(rows.without("gene"))])


@pytest.mark.parametrize(
    "name", ["sweep", "sweep_shuffled", "sweep_by_value", "sweep_few", "sweep_slow",
             "sweep_human", "sweep_roaming"],
)  # fmt: skip
def test_a_sweep_tries_every_candidate_on_members(name: str) -> None:
    (play,) = plays(name)
    assert members(play.rows).all()
    assert all(set(values) == GENES for values in tried(play.rows))
    assert play.begins == 0


def test_the_order_of_sweeps() -> None:
    straight = plays("sweep")[0].rows["gene"].reshape(-1, 3)
    assert (straight == straight[0]).all()
    shuffled = plays("sweep_shuffled")[0].rows["gene"]
    assert len(set(map(tuple, shuffled[: len(shuffled) // 3 * 3].reshape(-1, 3)))) > 3
    lists = plays("sweep_by_value")[0].rows["gene"].reshape(3, -1)
    assert all(len(set(one)) == 1 for one in lists)


def test_map_two_tries_the_two_most_common_values() -> None:
    people = guests(300, 1)
    gene = people["gene"].copy()
    gene[:250] = np.where(np.arange(250) % 2 == 0, "ab", "bb")
    known = people.replaced("gene", gene)
    world = World.of(people, known, GUEST_SCHEMA)
    assert all(values == ["ab", "bb"] for values in tried(plays("map_two", world)[0].rows))


def test_several_sensitive_columns_are_swept_one_by_one_or_in_turn() -> None:
    seen = set()
    for run in range(12):
        income = plays("sweep", survey(), run)[0].rows["income"]
        swept = np.isin(income, survey().candidates["income"])
        seen.add("income" if swept.all() else "ill" if swept.mean() < 0.2 else "both")
    assert seen == {"income", "ill", "both"}


def test_how_fast() -> None:
    assert np.median(np.diff(plays("sweep_slow")[0].at)) > HOUR / 2
    assert np.median(np.diff(plays("sweep")[0].at)) < 5
    human = np.diff(plays("sweep_human")[0].at)
    assert human.std() / human.mean() > 0.5


@pytest.mark.parametrize("name", ["sweep_jittered", "sweep_jittered_far"])
def test_jitter_makes_every_record_new_and_stays_near(name: str) -> None:
    spread = register().looks["age"].spread
    known = np.sort(register().members["age"].astype(float))
    for run in range(4):
        rows = plays(name, run=run)[0].rows
        assert set(rows["gene"]) == GENES
        age = rows["age"].astype(float)
        off = np.abs(age[:, None] - known).min(axis=1)
        assert off.max() < 0.5 * spread
        assert np.mean([len(values) == 1 for values in tried(rows)]) > 0.9
    city = plays(name)[0].rows["city"]
    held = np.array([len(set(city[at : at + 3])) for at in range(0, len(city) - 2, 3)])
    assert (held > 1).any() == (name == "sweep_jittered_far")


@pytest.mark.parametrize(
    ("name", "share"), [("sweep_half_covered", 0.5), ("sweep_covered", 0.9), ("sweep_buried", 0.98)]
)
def test_cover(name: str, share: float) -> None:
    (play,) = plays(name)
    counts = [len(set(values)) for values in tried(play.rows)]
    attack = 3 * sum(count == 3 for count in counts)
    assert abs(attack / len(play.rows) - (1 - share)) < 0.01
    first = next(place for place, hit in enumerate(tried_at(play.rows)) if hit)
    assert play.begins == first


def tried_at(rows: Dataset) -> list[bool]:
    """Whether each row belongs to a record that was asked with every value."""
    tokens = row_tokens(rows.without("gene"))
    found: dict[bytes, set[str]] = defaultdict(set)
    for record, value in zip(tokens, rows["gene"].tolist(), strict=True):
        found[record].add(value)
    return [found[token] == GENES for token in tokens]


@pytest.mark.parametrize(("name", "accounts"), [("collude_10", 10), ("collude_100", 100)])
def test_colluders_complete_each_other_and_none_completes_alone(name: str, accounts: int) -> None:
    found = plays(name)
    assert len(found) == accounts
    together: dict[bytes, set[str]] = defaultdict(set)
    for play in found:
        assert all(len(set(values)) == 1 for values in tried(play.rows))
        tokens = row_tokens(play.rows.without("gene"))
        for record, value in zip(tokens, play.rows["gene"].tolist(), strict=True):
            together[record].add(value)
    assert all(values == GENES for values in together.values())


def test_colluders_take_turns_or_cover() -> None:
    turns = plays("collude_in_turn")
    assert max(len(play.rows) for play in turns) - min(len(play.rows) for play in turns) <= 1
    for play in plays("collude_covered"):
        assert 0.3 < members(play.rows).mean() < 0.9
        assert members(play.rows)[play.begins]


def test_accounts_in_one_room_have_one_address() -> None:
    rooms = []
    for seed in range(6):
        made = simulate(form(), seed, 0, 1, ["collude_10"])
        assert len(made.sessions) == 10
        rooms.append(len({place for one in made.sessions for place in set(one.source or ())}))
    assert min(rooms) <= 2  # one room, and where some of them go now and then
    assert max(rooms) >= 10


@pytest.mark.parametrize("name", ["stolen_key", "stolen_key_climb"])
def test_a_stolen_key_works_honestly_first_and_moves(name: str) -> None:
    made = simulate(form(), 1, 0, 1, [name])
    (session,), (one,) = made.sessions, made.key
    assert one.begins is not None
    assert one.begins >= 20
    assert session.source is not None
    assert session.at is not None
    assert len(set(session.source[: one.begins])) == len(set(session.source[one.begins :])) == 1
    assert session.source[0] != session.source[-1]
    before = np.diff(session.at[: one.begins])
    assert np.median(before) > 10 * np.median(np.diff(session.at[one.begins :]))


def test_one_record_alone() -> None:
    for run in range(4):
        rows = plays("deep_dive", run=run)[0].rows
        assert set(rows["gene"]) == GENES
        first = rows.take(slice(0, 1))
        differs = [sum(rows[name][place] != first[name][0] for name in ("age", "dose", "city"))
                   for place in range(len(rows))]  # fmt: skip
        assert max(differs) <= 1


@pytest.mark.parametrize("name", ["membership", "inversion_network"])
def test_what_nobody_can_see_asks_each_record_once(name: str) -> None:
    (play,) = plays(name)
    known = {*row_tokens(register().members), *row_tokens(register().public)}
    tokens = row_tokens(play.rows)
    assert set(tokens) <= known
    assert len(set(tokens)) == len(tokens)


def test_noise_is_within_what_could_be_written_and_neighbors_are_near() -> None:
    rows = plays("noise")[0].rows
    look = register().looks["age"]
    assert look.low <= rows["age"].min() < look.center - 2 * look.spread
    assert look.center + 2 * look.spread < rows["age"].max() <= look.high
    near = plays("neighbors")[0].rows
    steps = np.abs(np.diff(near["age"].astype(float)))
    assert np.median(steps) < look.spread / 2


# Climbing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["finite_difference", "evolution", "evolution_rounded", "evolution_latent"]
)
@pytest.mark.parametrize("width", [6, 144])
def test_climbing_gets_there(name: str, width: int) -> None:
    world, gains = numbers(width), []
    assert world.target is not None
    for run in range(6):
        rows = plays(name, world, run)[0].rows
        scores = world.target.ask(rows).scores
        assert scores is not None
        part = len(rows) // 5
        wanted = int(np.argmax(scores[-part:].mean(axis=0)))
        gains.append(scores[-part:, wanted].mean() - scores[:part, wanted].mean())
    assert np.median(gains) > 0.2


def labels(rows: Dataset) -> NDArray[np.intp]:
    target = numbers().target
    assert target is not None
    label = target.ask(rows).label
    assert label is not None
    return label


def test_walking_keeps_the_label_that_it_began_with() -> None:
    kept = []
    for run in range(12):
        label = labels(plays("label_walk", numbers(), run)[0].rows)
        began = np.bincount(label[10:40]).argmax()
        kept.append((label[len(label) // 2 :] == began).mean())
    assert np.median(kept) > 0.7


def test_a_sphere_grows_as_long_as_the_label_stays() -> None:
    sizes, kept = [], []
    for run in range(12):
        rows = plays("growing_sphere", numbers(), run)[0].rows
        points, label = Space(numbers(), whole=False).points(rows), labels(rows)
        sizes.append(points[-12:].std(axis=0).mean() / points[20:32].std(axis=0).mean())
        kept.append((label[-60:] == np.bincount(label[20:32]).argmax()).mean())
    assert np.median(sizes) > 1.2
    assert np.median(kept) > 0.85


def test_walking_along_a_border_stays_near_it() -> None:
    world = numbers()
    assert world.target is not None
    rows = plays("boundary_walk", world)[0].rows
    scores = world.target.ask(rows.take(slice(len(rows) // 2, None))).scores
    elsewhere = world.target.ask(world.public).scores
    assert scores is not None
    assert elsewhere is not None

    def margin(told: NDArray[np.float64]) -> float:
        ordered = np.sort(told, axis=1)
        return float(np.median(ordered[:, -1] - ordered[:, -2]))

    assert margin(scores) < margin(elsewhere)


def test_points_and_rows_are_two_ways_to_write_one_thing() -> None:
    space = Space(form(), whole=True)
    rows = form().public.take(slice(0, 50))
    points = space.points(rows)
    assert points.shape == (50, space.width)
    back = space.rows(points)
    assert back["city"].tolist() == rows["city"].tolist()
    assert np.allclose(back["age"].astype(float), rows["age"].astype(float))
    far = space.rows(np.full((1, space.width), 1e6))
    assert far["age"][0] == form().looks["age"].high
    assert space.rows(points + 0.3)["dose"].dtype.kind in "if"
    assert (space.rows(points + 0.3)["dose"] % 1 == 0).all()
    assert (Space(form(), whole=False).rows(points + 0.3)["dose"] % 1 != 0).any()

"""A simulation: what everybody does is lawful, seeded, answered and named in the key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from monitor.simulate.worlds import PIXELS, form, numbers, silent, survey
from monitor.test_trace import equal
from people import GUEST_SCHEMA, Toy, guests
from reticent.column import is_missing
from reticent.contract import Abstain, Contract
from reticent.dataset import Dataset
from reticent.errors import ConfigError, DataError
from reticent.monitor.simulate.analysts import ANALYSTS
from reticent.monitor.simulate.attacks import ATTACKS
from reticent.monitor.simulate.honest import HONEST
from reticent.monitor.simulate.play import Behavior
from reticent.monitor.simulate.programs import PROGRAMS
from reticent.monitor.simulate.run import BEHAVIORS, MONDAY, Simulation, answers, simulate
from reticent.monitor.simulate.world import World
from reticent.monitor.trace import read_trace, write_trace
from reticent.randomness import generator
from reticent.schema import Schema
from reticent.targets.contracted import behind

WORLDS: dict[str, Callable[[], World]] = {
    "form": form, "label": lambda: form("label"), "value": lambda: form("value"),
    "silent": silent, "numbers": numbers, "image": lambda: numbers(PIXELS), "survey": survey,
}  # fmt: skip
ANY = {
    "retries", "probes", "export", "load_test", "lookups", "clinic_days", "heavy_tailed",
    "drift_mean", "drift_scale", "subgroup",
}  # fmt: skip


@pytest.mark.parametrize("name", BEHAVIORS)
@pytest.mark.parametrize("world", WORLDS)
def test_every_behavior_is_lawful_in_every_world(world: str, name: str) -> None:
    made, one = WORLDS[world](), BEHAVIORS[name]
    if one.lacks(made):
        return
    for run in range(2):
        plays = one.play(made, generator(3, name, run))
        again = one.play(made, generator(3, name, run))
        assert plays
        for play, twin in zip(plays, again, strict=True):
            n = len(play.rows)
            assert play.rows.names == made.columns
            assert n == len(play.at) > 0
            assert (np.diff(play.at) >= 0).all()
            assert play.at[0] >= 0
            assert (play.begins is None) is not one.attack
            assert play.begins is None or 0 <= play.begins < n
            assert play.moved is None or 0 < play.moved < n
            assert play.rows.digest() == twin.rows.digest()
            assert (play.at == twin.at).all()


def test_the_names_are_the_functions_and_each_says_what_it_does() -> None:
    assert len(BEHAVIORS) == sum(map(len, (HONEST, PROGRAMS, ANALYSTS, ATTACKS)))
    for name, one in BEHAVIORS.items():
        assert one.play.__name__ == name
        assert one.says.endswith(".")
        assert len(one.says) < 100
        assert one.attack is (name in ATTACKS)
        assert one.permission in ("", "what_if", "explain", "audit")
        assert not (one.permission and one.attack)
        assert not one.hides or one.attack


@pytest.mark.parametrize("name", BEHAVIORS)
def test_what_a_world_lacks(name: str) -> None:
    one = BEHAVIORS[name]
    assert not one.lacks(form()) or one.shape == "signal"
    if one.sensitive:
        assert one.lacks(numbers()) == "no column is sensitive"
    if one.needs:
        assert one.lacks(silent()) == "no model answers"
        assert not one.lacks(form("value")), "a value can be climbed"
    if name in ANY:
        assert not any(one.lacks(WORLDS[world]()) for world in WORLDS)
    if one.shape == "form":
        assert one.lacks(numbers(PIXELS)) in ("nobody types 144 columns", "no column is sensitive")


def test_scores_are_not_climbed_where_labels_are_all() -> None:
    assert BEHAVIORS["evolution"].lacks(form("label")) == "the answers tell too little"
    assert not BEHAVIORS["label_walk"].lacks(form("label"))


# A whole simulation ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made() -> Simulation:
    return simulate(form(), seed=7, honest=120, attacks=60)


def test_everybody_is_in_the_key(made: Simulation) -> None:
    assert [session.caller for session in made.sessions] == [one.caller for one in made.key]
    assert len({one.caller for one in made.key}) == len(made.key)
    runs = {(one.behavior, one.run) for one in made.key}
    assert sum(BEHAVIORS[name].attack for name, _ in runs) == 60
    assert sum(not BEHAVIORS[name].attack for name, _ in runs) == 120
    assert not {one.behavior for one in made.key} & {
        n for n, b in BEHAVIORS.items() if b.permission
    }
    for session, one in zip(made.sessions, made.key, strict=True):
        assert one.attack is BEHAVIORS[one.behavior].attack
        assert (one.begins is None) is not one.attack
        assert one.begins is None or one.begins < len(session)
    starts = [session.at[0] for session in made.sessions if session.at is not None]
    assert len(starts) == len(made.sessions)
    assert starts == sorted(starts)
    assert min(starts) >= MONDAY


def test_attacks_are_played_alike_and_honest_work_as_it_is_common(made: Simulation) -> None:
    runs = Counter(name for name, _ in {(one.behavior, one.run) for one in made.key})
    attacks = [runs[name] for name in ATTACKS]
    assert max(attacks) - min(attacks) <= 1
    shares = {n: b.share for n, b in BEHAVIORS.items()
              if not (b.attack or b.permission or b.lacks(form()))}  # fmt: skip
    for name, share in shares.items():
        assert abs(runs[name] - 120 * share / sum(shares.values())) <= 1


def test_names_tell_nothing_of_who_attacks(made: Simulation) -> None:
    order = [one.attack for one in sorted(made.key, key=lambda one: one.caller)]
    n, k = len(order), sum(order)
    ranks = np.flatnonzero(order) + 1
    z = (ranks.mean() - (n + 1) / 2) / np.sqrt((n + 1) * (n - k) / (12 * k))
    assert abs(z) < 5.0  # rank sum of n names; a false alarm at most once in a million


def test_a_seed_is_all_there_is_to_it(made: Simulation) -> None:
    again = simulate(form(), seed=7, honest=120, attacks=60)
    assert again.key == made.key
    assert all(equal(one, two) for one, two in zip(made.sessions, again.sessions, strict=True))
    other = simulate(form(), seed=8, honest=120, attacks=60)
    assert not any(
        one.rows.digest() == two.rows.digest()
        for one, two in zip(made.sessions[:20], other.sessions, strict=False)
    )


def test_what_one_behavior_draws_does_not_depend_on_the_others(made: Simulation) -> None:
    alone = simulate(form(), seed=7, honest=4, attacks=2, behaviors=["lookups", "sweep"])
    assert {one.behavior for one in alone.key} == {"lookups", "sweep"}
    found = {(one.behavior, one.run): session for one, session in
             zip(made.key, made.sessions, strict=True)}  # fmt: skip
    for one, session in zip(alone.key, alone.sessions, strict=True):
        twin = found[one.behavior, one.run]
        assert twin.rows.digest() == session.rows.digest()
        assert twin.at is not None
        assert (twin.at == session.at).all()


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_simulation_is_a_trace(made: Simulation, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"trace{suffix}"
    write_trace(path, made.sessions)
    found = read_trace(path, form().columns, text=["city", "gene"])
    assert len(found) == len(made.sessions)
    assert all(equal(one, two) for one, two in zip(made.sessions, found, strict=True))


def test_progress_is_told() -> None:
    told: list[tuple[int, int, str]] = []
    simulate(silent(), 0, 3, 2, ["lookups", "sweep"], lambda *one: told.append(one))
    assert told == [(0, 5, "lookups"), (1, 5, "lookups"), (2, 5, "lookups"), (3, 5, "sweep"),
                    (4, 5, "sweep")]  # fmt: skip


def test_a_permission_is_played_when_it_is_named() -> None:
    found = simulate(form(), 0, 6, 0, ["fairness", "coalitions"])
    assert Counter(one.behavior for one in found.key) == {"fairness": 3, "coalitions": 3}


def test_what_cannot_be_played_is_said() -> None:
    found = simulate(silent(), 0, 1, 1, ["lookups", "evolution"])
    assert found.left_out == {"evolution": "no model answers"}
    assert [one.behavior for one in found.key] == ["lookups"]
    with pytest.raises(ConfigError, match="behavior 'evolution': no model answers"):
        simulate(silent(), 0, 1, 1, ["evolution"])
    with pytest.raises(ConfigError, match="did you mean 'sweep'"):
        simulate(silent(), 0, 1, 1, ["sweeep"])


# Answers --------------------------------------------------------------------------------------


def test_answers_are_the_models(made: Simulation) -> None:
    target, names = Toy(), np.array(["u", "v", "w"], dtype=object)
    for session in made.sessions[:30]:
        whole = ~np.any([is_missing(session.rows[name]) for name in target.columns], axis=0)
        assert session.answered is not None
        assert (session.answered == whole).all()
        told = target.ask(session.rows.take(np.flatnonzero(whole)))
        assert told.label is not None
        assert told.scores is not None
        assert session.label is not None
        assert session.confidence is not None
        assert (session.label[whole] == names[told.label]).all()
        assert all(label is None for label in session.label[~whole])
        assert (session.confidence[whole] == told.scores.max(axis=1)).all()
        assert np.isnan(session.confidence[~whole]).all()


def test_gaps_are_refused() -> None:
    rows = guests(6)
    age = rows["age"].copy()
    age[2] = np.nan
    answered, label, confidence = answers(Toy(), rows.replaced("age", age))
    assert answered is not None
    assert answered.tolist() == [True, True, False, True, True, True]
    answered, label, confidence = answers(Toy(), rows.replaced("age", np.full(6, np.nan)))
    assert answered is not None
    assert not answered.any()
    assert label is None
    assert confidence is None


def test_what_a_role_is_told() -> None:
    people = guests(400, 2)
    contract = Contract(output="label", marginalize=("gene",), values_per_record=1)
    target = behind(Toy(), contract, GUEST_SCHEMA, key=b"k" * 32)
    world = World.of(guests(300, 1), people, GUEST_SCHEMA, target)
    found = simulate(world, 0, 2, 2, ["lookups", "sweep"])
    bare, names = Toy(), np.array(["u", "v", "w"], dtype=object)
    for session in found.sessions:
        assert session.confidence is None
        assert session.label is not None
    attack = next(s for s, one in zip(found.sessions, found.key, strict=True) if one.attack)
    told = bare.ask(attack.rows)
    assert told.label is not None
    assert attack.label is not None
    true = names[told.label]
    first = np.arange(len(true)) % 3 == 0
    assert (attack.label[first] == true[first]).all()
    assert (attack.label[~first] != true[~first]).any(), "beyond one value it is the average"


def test_refusals_have_no_label() -> None:
    contract = Contract(output="scores", abstain=Abstain(confidence=0.6))
    target = behind(Toy(), contract, GUEST_SCHEMA, key=b"k" * 32)
    answered, label, confidence = answers(target, guests(200))
    assert answered is not None
    assert label is not None
    assert confidence is not None
    assert 20 < answered.sum() < 180
    assert [one is None for one in label] == (~answered).tolist()
    assert (np.isnan(confidence) == ~answered).all()


def test_a_regressors_values_and_numbered_classes_are_numbers() -> None:
    _, label, confidence = answers(Toy("value"), guests(5))
    assert label is not None
    assert label.dtype.kind == "f"
    assert confidence is None
    _, label, _ = answers(numbers().target, numbers().people.take(slice(0, 5)))
    assert label is not None
    assert set(label.tolist()) <= {10.0, 20.0, 30.0}


def test_a_model_that_tells_nothing_answers_nobody() -> None:
    target = behind(Toy(), Contract(output="none"), GUEST_SCHEMA, key=b"k" * 32)
    answered, label, confidence = answers(target, guests(3))
    assert answered is not None
    assert not answered.any()
    assert label is None
    assert confidence is None


# The world ------------------------------------------------------------------------------------


def test_what_a_world_looks_like() -> None:
    world = survey()
    assert world.candidates["income"].tolist() == [20, 40, 60, 80]
    assert world.candidates["ill"].tolist() == [0, 1]
    assert not world.looks["smokes"].numeric
    assert world.numeric == ["income", "ill", "age"]
    assert world.looks["age"].whole
    age = world.public["age"].astype(float)
    assert world.looks["age"].center == age.mean()
    assert world.looks["age"].spread == age.std()
    assert len(world.patients) > len(world.people)


def test_a_world_without_whole_people_is_refused() -> None:
    torn = guests(5).replaced("age", np.full(5, np.nan))
    with pytest.raises(DataError, match="the table of people: every row has an empty cell"):
        World.of(guests(5), torn, GUEST_SCHEMA)


def test_people_with_gaps_are_left_aside() -> None:
    age = guests(9)["age"].copy()
    age[:4] = np.nan
    assert len(World.of(guests(9).replaced("age", age), guests(5), GUEST_SCHEMA).members) == 5


def test_bytes_have_room_to_move() -> None:
    rng = np.random.default_rng(0)
    pixels = Dataset({f"x{place}": rng.integers(256, size=99).astype(np.uint8)
                      for place in range(4)})  # fmt: skip
    world = World.of(pixels, pixels, Schema.of([*pixels.names, "y"], {"y": "label"}))
    far = [BEHAVIORS["drift_mean"].play(world, generator(0, run))[0].rows for run in range(8)]
    assert max(rows[name].max() for rows in far for name in rows.names) > 255


def test_a_sensitive_column_that_never_differs_is_not_swept() -> None:
    rows = guests(20)
    alike = rows.replaced("dose", np.zeros(20, int))
    schema = Schema.of(["age", "dose", "city", "gene", "y"], {"y": "label", "dose": "sensitive"})
    world = World.of(alike, alike, schema)
    assert not world.candidates
    assert "dose" not in world.numeric


def test_a_behavior_is_its_first_line() -> None:
    def play(world: World, rng: np.random.Generator) -> list[object]:
        """Say this.

        Not this.
        """
        return []

    assert Behavior(play).says == "Say this."  # type: ignore[arg-type]

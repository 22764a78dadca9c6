"""Membership attacks against written answers: what they find, and that they find no more."""

from __future__ import annotations

import numpy as np
import pytest

from attacks.membership.halves import ALL, Says, halves, planted
from reticent import stats
from reticent.attacks import ATTACKS, family, named
from reticent.attacks.membership.candidates import (
    Candidates,
    Floats,
    Reference,
    confidences,
    insides,
    means,
    obstacle,
)
from reticent.attacks.membership.label_boundary import LabelBoundary, moved
from reticent.attacks.membership.lira import beyond_out, likelihood_ratio, moments
from reticent.attacks.membership.rehearsal import chosen, logit, others_than
from reticent.attacks.membership.rmia import Rmia, dominated, ratio
from reticent.dataset import Dataset
from reticent.target import Answer, Reveals

NAMES = [name for name in ATTACKS if family(name) == "membership"]
REFERENCED = ["lira", "lira_offline", "rmia", "rmia_offline"]
RNG = np.random.default_rng(0)


def area(scores: Floats, member: np.ndarray) -> float:
    once = stats.Resamples(np.ones((len(scores), 1), dtype=np.int16))
    return float(stats.auc(once, scores, member)[0])


def test_the_family_is_in_the_list() -> None:
    assert NAMES == ["label_boundary", "lira", "lira_offline", "loss_threshold", "rmia",
                     "rmia_offline"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_planted_lift_is_found_and_the_same_seed_finds_the_same(name: str) -> None:
    target, people, member = planted()
    found = named(name).score(target, people, np.random.default_rng(1))
    again = named(name).score(target, people, np.random.default_rng(1))
    assert np.array_equal(found, again)
    assert np.isfinite(found).all()
    least = 0.9 if name in REFERENCED else 0.6
    assert area(found, member) > least


@pytest.mark.parametrize("name", NAMES)
def test_what_was_never_trained_on_is_not_found(name: str) -> None:
    """The references learn what a lift looks like; the target has none."""
    areas = []
    for seed in range(5):
        _, people, _ = planted(seed=seed)
        target, _, member = planted(seed=seed, lift=0.0)
        areas.append(area(named(name).score(target, people, RNG), member))
    # The mean of 5 AUCs of 200 against 200: standard error .029 / sqrt(5) = .013, 4.75 of them.
    assert abs(np.mean(areas) - 0.5) < 0.062


@pytest.mark.parametrize("name", NAMES)
def test_a_constant_target_ties_or_tells_nothing_of_members(name: str) -> None:
    _, people, _ = planted(n=200)
    for told in (0.5, 0.0, 1.0):
        target = Says(np.full(200, told))
        flat = [Reference(Says(np.full(200, told)), one.inside) for one in people.references]
        people = Candidates(people.rows, "y", flat, people.rows)
        found = named(name).score(target, people, RNG)
        assert np.isfinite(found).all()
        assert np.ptp(found) < 1e-9


def test_references_beat_one_threshold_for_all() -> None:
    target, people, member = planted(lift=0.15)
    areas = {name: area(named(name).score(target, people, RNG), member) for name in NAMES}
    for name in REFERENCED:
        assert areas[name] > areas["loss_threshold"] + 0.05, areas


def test_ranking_by_the_ratio_is_the_papers_score_for_every_gamma() -> None:
    rng = np.random.default_rng(0)
    own, outs, ins = rng.uniform(0.01, 1, (3, 60))
    population = ratio(*rng.uniform(0.01, 1, (3, 40)))
    mine = ratio(own, outs, ins)
    for gamma in (0.5, 1.0, 2.0):
        pairs = np.array([(one / population >= gamma).mean() for one in mine])
        assert np.array_equal(dominated(mine, population, gamma), pairs)
        order = np.argsort(mine)
        assert (np.diff(pairs[order]) >= 0).all()


def test_a_few_references_leave_the_papers_ratio_alone() -> None:
    target, people, _ = planted(k=2)
    own, told = confidences(target, people)
    wanted = ratio(own, *means(told, insides(people)))
    assert np.array_equal(Rmia().score(target, people, RNG), wanted)
    four = planted(k=4)
    assert not np.array_equal(Rmia().score(*four[:2], RNG), Rmia(weigh=False).score(*four[:2], RNG))


def test_lira_agrees_with_a_slow_reading_of_the_paper() -> None:
    rng = np.random.default_rng(2)
    inside = halves(30, 8)
    own, told = rng.uniform(0.05, 0.95, 30), rng.uniform(0.05, 0.95, (8, 30))
    logs, seen = logit(told, 1e-3), logit(own, 1e-3)
    apart = {True: [], False: []}  # type: dict[bool, list[float]]
    for row in range(30):
        for side in (True, False):
            mine = logs[inside[:, row] == side, row]
            apart[side] += list(mine - mine.mean())
    spread = {side: np.sum(np.square(one)) / (len(one) - 30) for side, one in apart.items()}
    for row in range(30):
        mean = {side: logs[inside[:, row] == side, row].mean() for side in (True, False)}
        fit = {s: -((seen[row] - mean[s]) ** 2) / 2 / spread[s] - np.log(spread[s]) / 2
               for s in (True, False)}  # fmt: skip
        found = likelihood_ratio(own, told, inside, 1e-3)[row]
        assert found == pytest.approx(fit[True] - fit[False], rel=1e-4)
        off = beyond_out(own, told, inside, 1e-3)[row]
        assert off == pytest.approx((seen[row] - mean[False]) / np.sqrt(spread[False]), rel=1e-4)


def test_many_references_give_each_record_its_own_spread() -> None:
    rng = np.random.default_rng(0)
    few, many = halves(10, 8), halves(10, 64)
    assert len(set(moments(rng.normal(size=(8, 10)), few)[2])) == 1
    assert len(set(moments(rng.normal(size=(64, 10)), many)[2])) == 10


def test_a_record_on_one_side_only_gets_the_other_by_the_mean_gap() -> None:
    inside = np.array([[True, True, False], [False, True, True]])
    outs, ins = means(np.array([[0.9, 0.8, 0.4], [0.5, 0.6, 0.8]]), inside)
    assert ins == pytest.approx([0.9, 0.7, 0.8])
    assert outs == pytest.approx([0.5, 0.3, 0.4])


def test_many_people_are_also_weighed_by_their_records() -> None:
    """Only half of the people are memorized, and their records say which."""

    def area_of(seed: int) -> float:
        rng, n = np.random.default_rng([seed, 29]), 2_500
        kind, easy, member = rng.integers(2, size=n), rng.uniform(0.2, 0.5, n), rng.random(n) < 0.5

        def says(inside: np.ndarray, lift: float = 0.2) -> Says:
            return Says(easy + lift * inside * kind + rng.normal(0, 0.1, n))

        rows = Dataset({"at": np.arange(n), "y": np.ones(n, dtype=np.intp), "kind": kind})
        held = [Reference(says(one), one) for one in halves(n, 4, seed)]
        blind = Candidates(rows.without("kind"), "y", held, rows)
        seeing = Candidates(rows, "y", held, rows)
        target, none = says(member), says(member, lift=0.0)
        assert abs(area(Rmia().score(none, seeing, RNG), member) - 0.5) < 0.058, "5 x .0115"
        return area(Rmia().score(target, seeing, RNG), member) - area(
            Rmia().score(target, blind, RNG), member
        )

    assert area_of(0) > 0.005


def test_a_partner_never_stands_beside_the_one_it_gives_away() -> None:
    assert others_than(2, 6).tolist() == [0, 1, 4, 5]


def test_a_setting_is_chosen_on_the_references() -> None:
    _, people, _ = planted()
    target, told = confidences(people.references[0].target, people)

    def wrong(own: Floats, rest: Floats, inside: np.ndarray) -> Floats:
        return -own

    def right(own: Floats, rest: Floats, inside: np.ndarray) -> Floats:
        return own - means(rest, inside)[0]

    assert chosen([wrong, right], told, insides(people)) is right
    assert chosen([wrong, right], told[:2], insides(people)[:2]) is wrong, "nothing to rehearse"
    del target


# What is told ---------------------------------------------------------------------------------


def rows_of(n: int) -> Dataset:
    return Dataset({"at": np.arange(n), "y": np.ones(n, dtype=np.intp)})


class Fixed(Says):
    """A target with one written answer."""

    def __init__(self, answer: Answer, reveals: Reveals, regressor: bool = False) -> None:
        super().__init__(np.zeros(len(answer)), reveals)
        self._answer, self._regressor = answer, regressor

    @property
    def classes(self) -> np.ndarray | None:
        return None if self._regressor else np.arange(3)

    def ask(self, rows: Dataset) -> Answer:
        return self._answer


def confidence(answer: Answer, reveals: Reveals = ALL, regressor: bool = False) -> list[float]:
    people = Candidates(rows_of(len(answer)), "y", (), rows_of(1))
    return list(confidences(Fixed(answer, reveals, regressor), people)[0])


def test_scores_labels_and_refusals_become_confidences() -> None:
    scores = np.array([[0.2, 0.7, 0.1], [np.nan] * 3])
    label = np.array([1, -1])
    assert confidence(Answer(label, scores)) == pytest.approx([0.7, 1 / 3])
    assert confidence(Answer(label), Reveals.LABEL) == pytest.approx([1.0, 1 / 3])
    nobody = Answer(answered=np.zeros(2, dtype=bool))
    assert confidence(nobody, Reveals.NOTHING) == pytest.approx([1 / 3] * 2)


def test_withheld_classes_share_what_is_left() -> None:
    top = Answer(np.array([0]), np.array([[0.8, 0.0, 0.0]]))
    assert confidence(top, Reveals.LABEL | Reveals.TOP_K) == pytest.approx([0.1])
    assert confidence(top) == [0.0], "where all scores are told, 0 is a score"


def test_a_regressors_error_is_a_likelihood() -> None:
    near, far = confidence(Answer(value=np.array([1.1, 4.0])), Reveals.LABEL, regressor=True)
    assert 1 >= near > 0.9
    assert far < 0.7


def test_an_attack_that_cannot_run_says_why() -> None:
    mute = Says(np.ones(3), Reveals.NOTHING)
    people = Candidates(rows_of(3), "y", (), rows_of(3))
    assert obstacle(named("rmia"), mute, people) == "the target does not reveal LABEL"
    assert obstacle(named("rmia"), Says(np.ones(3)), people) == "it needs 2 references"
    recorded = Says(np.ones(3), Reveals.LABEL | Reveals.SCORES)
    wanted = "the target does not reveal ANY_ROW"
    assert obstacle(named("label_boundary"), recorded, people) == wanted
    number = Fixed(Answer(value=np.zeros(3)), ALL, regressor=True)
    assert obstacle(named("label_boundary"), number, people) == "the target is a regressor"


# Labels alone ---------------------------------------------------------------------------------


def test_everybody_moves_at_once_and_the_price_is_as_said() -> None:
    target, people, _ = planted(n=100, reveals=Reveals.LABEL | Reveals.ANY_ROW)
    LabelBoundary().score(target, people, np.random.default_rng(0))
    assert target.asked == [100] * 33, "one batch a step"
    assert "33 rows" in LabelBoundary.cost


def test_a_growing_share_of_cells_becomes_another_persons() -> None:
    rows = Dataset({"a": np.zeros(4000), "b": np.array(["x"] * 4000, dtype=object),
                    "y": np.ones(4000)})  # fmt: skip
    donors = Dataset({"a": np.ones(5), "b": np.array(["z"] * 5, dtype=object), "y": np.zeros(5)})
    found = moved(rows, ["a", "b"], donors, 0.3, np.random.default_rng(0))
    # Shares of 4,000 draws at .3: standard error .0072, 5 of them.
    assert found["a"].mean() == pytest.approx(0.3, abs=0.037)
    assert (found["b"] == "z").mean() == pytest.approx(0.3, abs=0.037)
    assert (found["y"] == 1).all(), "the label is not moved"

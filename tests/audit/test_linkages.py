"""Linkage: a planted leak is found, and its twin without the copied rows or scores is not.

Each finding's test is at .05 over twice the number of findings of its run. The planted leak must
be found at one in a million; its twin must not be called.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

import reticent
from reticent.attacks import ATTACKS, family, named
from reticent.attacks.claims import Predicates
from reticent.attacks.release import read_release
from reticent.audit.linkages import wanted
from reticent.audit.linked import halves, isolated
from reticent.contract import Contract, Noise
from reticent.dataset import Dataset
from reticent.errors import DataError
from reticent.exhibit import Exhibit
from reticent.finding import Finding
from reticent.randomness import generator
from reticent.schema import Domain

N = 300
FALSE_ALARM = 1e-6
TABLE = [name for name in ATTACKS if family(name) == "linkage" and name != "score_fingerprint"]
TRAITS = ["a", "b", "c", "d", "city", "pay"]


def crowd(seed: int, n: int = N) -> pd.DataFrame:
    """Made-up people: whole numbers, a city, a secret that nothing tells, and a label."""
    rng = np.random.default_rng([seed, 3])
    frame = pd.DataFrame({name: rng.integers(40, size=n) for name in "abcd"})
    frame["city"] = rng.choice(np.array(["Lima", "Oslo", "Rome"], dtype=object), size=n)
    frame["pay"] = rng.integers(3_000, size=n)
    frame["s"] = rng.integers(4, size=n)
    return frame.assign(y=rng.integers(2, size=n), id=seed * 10_000 + np.arange(n))


class Sum:
    """A model whose score tells people apart."""

    def __call__(self, rows: pd.DataFrame) -> NDArray[np.float64]:
        told = rows[["a", "b", "c", "d"]].to_numpy() @ np.array([1.0, 0.61803, 0.7071, 0.4142])
        score = (told % 10) / 10
        return np.column_stack([1 - score, score])


def case(released: Any, **changed: Any) -> reticent.Case:
    given = {
        "model": Sum(), "members": crowd(1), "others": crowd(2), "auxiliary": crowd(3),
        "label": "y", "sensitive": "s", "person": "id", "released": released,
        "train": lambda frame, labels, seed: Sum(),
        "domains": {"s": Domain(values=(0, 1, 2, 3), public=True)},
    }  # fmt: skip
    return reticent.Case(**{**given, **changed})


def findings(
    released: Any, attacks: list[str], contracts: Mapping[str, Contract | None] | None = None,
    **changed: Any,
) -> dict[tuple[str, str], Finding]:  # fmt: skip
    evidence = reticent.audit(
        case(released, **changed), contracts or {"bare": None}, attacks=attacks
    )
    return {(one.configuration, one.attack): one for one in evidence.findings}


def mixed(copied: int) -> pd.DataFrame:
    """A synthetic table with some members' rows among those of people who are nowhere else."""
    rows = pd.concat([crowd(1)[:copied], crowd(9)[copied:]]).drop(columns="id")
    return rows.sample(frac=1, random_state=0)


def generalized(rows: pd.DataFrame) -> pd.DataFrame:
    """Two numbers in bands of five, one left out, a city of two."""
    band = {name: [f"{5 * (v // 5)}-{5 * (v // 5) + 4}" for v in rows[name]] for name in "ab"}
    city = ["{Oslo, Rome}" if one != "Lima" else one for one in rows["city"]]
    return rows[["c", "s"]].assign(**band, d="*", city=city)


@pytest.fixture(scope="module")
def planted() -> dict[tuple[str, str], Finding]:
    return findings(mixed(N // 2), TABLE)


@pytest.fixture(scope="module")
def clean() -> dict[tuple[str, str], Finding]:
    return findings(mixed(0), TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_copied_rows_are_found(name: str, planted: dict[tuple[str, str], Finding]) -> None:
    found = planted["bare", name]
    assert found.verdict == "leaks"
    assert found.hidden == "link"
    assert found.queries == 0
    assert found.p_adjusted is not None
    assert found.p_adjusted < (FALSE_ALARM if name != "singling_out_univariate" else 0.05)


@pytest.mark.parametrize("name", TABLE)
def test_a_release_of_other_people_is_no_leak(
    name: str, clean: dict[tuple[str, str], Finding]
) -> None:
    found = clean["bare", name]
    assert found.verdict in ("no_leak_found", "underpowered")
    assert found.advantage.low is not None
    assert found.advantage.low <= 0


def test_copies_are_linked_as_often_as_there_are_any(
    planted: dict[tuple[str, str], Finding],
) -> None:
    rate = planted["bare", "linkability"].members.accuracy
    assert rate.low is not None
    assert rate.high is not None
    assert rate.low < 0.5 < rate.high + 0.05


def test_a_generalized_release_is_read() -> None:
    found = findings(generalized(crowd(1)), ["singling_out_multivariate", "inference"])
    assert {one.verdict for one in found.values()} == {"leaks"}
    fresh = findings(generalized(crowd(9)), ["singling_out_multivariate", "inference"])
    assert not {one.verdict for one in fresh.values()} & {"leaks", "not_applicable"}


def test_columns_in_any_order_of_a_subset_are_enough(
    planted: dict[tuple[str, str], Finding],
) -> None:
    found = findings(mixed(N)[["s", "b", "a", "c"]], ["linkability"])
    assert found["bare", "linkability"].verdict == "leaks"


@pytest.mark.parametrize(
    ("released", "attack", "says"),
    [
        (crowd(1)[["a"]], "linkability", "fewer than two columns"),
        (crowd(1)[["a"]], "singling_out_multivariate", "no condition of its kind"),
        (crowd(1)[TRAITS], "inference", "no sensitive column was released"),
        (crowd(1)[TRAITS], "score_fingerprint", "kept no score"),
        (crowd(1)[TRAITS].assign(score=0.5), "score_fingerprint", "nobody says whose row"),
        (None, "linkability", "no released table is given"),
    ],
)
def test_an_attack_that_cannot_run_says_why(released: Any, attack: str, says: str) -> None:
    found = findings(released, [attack])["bare", attack]
    assert found.verdict == "not_applicable"
    assert says in found.reason


def test_owners_that_nobody_knows_are_refused() -> None:
    with pytest.raises(DataError, match="none of them is a member"):
        findings(crowd(9), ["linkability"])


def test_owners_say_who_is_in_the_release() -> None:
    """Half of the members and a third of the others were given out; the rest are the control."""
    released = pd.concat([crowd(1)[: N // 2], crowd(2)[: N // 3]])
    found = findings(released, ["linkability"])["bare", "linkability"]
    assert found.verdict == "leaks"
    assert found.others is not None
    assert found.members.accuracy.value is not None
    assert found.members.accuracy.value > 0.9
    assert found.others.accuracy.value is not None
    assert found.others.accuracy.value < 0.1


# Fingerprints ---------------------------------------------------------------------------------


def scored(rows: pd.DataFrame, digits: int | None = None) -> pd.DataFrame:
    score = Sum()(rows)[:, 1]
    kept = rows[["city", "id"]].assign(score=score if digits is None else np.round(score, digits))
    return kept.sample(frac=1, random_state=0)


VIEWS = {
    "bare": None, "rounded": Contract(output="scores", decimals=1),
    "label": Contract(output="label"), "noise": Contract(output="scores", noise=Noise(0.01)),
    "none": Contract(output="none"),
}  # fmt: skip


@pytest.fixture(scope="module")
def named_people() -> dict[tuple[str, str], Finding]:
    return findings(scored(crowd(1)), ["score_fingerprint"], VIEWS)


def share(found: Finding, name: str) -> float:
    value = found.members.more[name].value
    assert value is not None
    return value


def test_a_score_names_people_by_its_digits(
    named_people: dict[tuple[str, str], Finding],
) -> None:
    found = named_people["bare", "score_fingerprint"]
    shares = [share(found, f"unique_at_{digits}") for digits in (1, 2, 3, 4)]
    assert shares == sorted(shares)
    assert shares[0] < 0.05
    assert shares[-1] > 0.9
    assert share(found, "unique") > 0.9
    assert (found.verdict, found.queries, found.memorization) == ("leaks", N, None)
    assert found.p_adjusted is not None
    assert found.p_adjusted < FALSE_ALARM
    assert found.others is not None
    assert found.others.accuracy.value is not None
    assert found.others.accuracy.value < 0.05


def test_a_contract_is_known_to_the_attacker(
    named_people: dict[tuple[str, str], Finding],
) -> None:
    """Coarser answers link fewer people, each still more than the cells without a score."""
    values = [
        named_people[view, "score_fingerprint"].members.accuracy.value or 0.0
        for view in ("label", "rounded", "noise", "bare")
    ]
    assert values == sorted(values)
    without = named_people["bare", "score_fingerprint"].baseline_members.accuracy.value
    assert without is not None
    assert without < values[0]
    assert named_people["none", "score_fingerprint"].verdict == "not_applicable"


@pytest.mark.parametrize("digits", [1, 2])
def test_a_release_that_was_rounded_is_held_against_the_full_answer(digits: int) -> None:
    found = findings(scored(crowd(1), digits), ["score_fingerprint"])["bare", "score_fingerprint"]
    own = findings(scored(crowd(1)), ["score_fingerprint"])["bare", "score_fingerprint"]
    assert share(found, "unique") == pytest.approx(share(own, f"unique_at_{digits}"), abs=0.03)


@pytest.mark.parametrize("how", ["constant", "shuffled", "another model's"])
def test_scores_that_are_nobodys_link_nobody(how: str) -> None:
    released = scored(crowd(1))
    rng = np.random.default_rng(0)
    scores: dict[str, NDArray[np.float64]] = {
        "constant": np.full(N, 0.5), "shuffled": rng.permutation(released["score"].to_numpy()),
        "another model's": rng.random(N),
    }  # fmt: skip
    released["score"] = scores[how]
    found = findings(released, ["score_fingerprint"])["bare", "score_fingerprint"]
    assert found.verdict in ("no_leak_found", "underpowered")
    assert found.advantage.value is not None
    assert found.advantage.value < 0.02


def test_ties_share_the_pick() -> None:
    """Two people with one record and one score: either row is right for one of them."""
    members = pd.concat([crowd(1)[: N // 2]] * 2, ignore_index=True)
    members["id"] = np.arange(N)
    found = findings(scored(members).drop(columns="city"), ["score_fingerprint"], members=members)[
        "bare", "score_fingerprint"
    ]
    assert found.members.accuracy.value == pytest.approx(0.5, abs=0.01)
    assert share(found, "unique") == 0


def test_a_named_score_and_an_exhibit() -> None:
    shown: list[Exhibit] = []
    released = scored(crowd(1)).rename(columns={"score": "risk"})
    evidence = reticent.audit(
        case(released, score="risk"), attacks=["score_fingerprint"], exhibit=shown.append
    )
    assert evidence.findings[0].verdict == "leaks"
    assert [row[1] for row in shown[0].rows] == ["as released", "1", "2", "3", "4"]
    assert b"exhibit" not in evidence.to_json()
    with pytest.raises(DataError, match="no such column"):
        findings(released, ["score_fingerprint"])


# Parts ----------------------------------------------------------------------------------------


def test_tries_follow_the_limit() -> None:
    assert wanted(0.015, 0.01) == pytest.approx(4 * wanted(0.03, 0.01), abs=4)
    assert wanted(0.03, 0.05 / 8) == 6196


def test_a_condition_is_held_against_every_person() -> None:
    people = Dataset.of(pd.DataFrame({"a": [1, 1, 2, 3, 3], "b": ["x", "y", "x", "y", "y"]}))
    release = read_release(people, [people])
    both, first = [True, True], [True, False]
    said = Predicates(
        np.array([0, 0, 2, 3, 3]), np.array([both, first, first, both, both]), np.zeros(5)
    )
    encoded = release.encoded(people)
    assert isolated(release, said, encoded, np.arange(5)).tolist() == [0, -1, 2, -1, -1]
    assert isolated(release, said, encoded, np.array([0, 0, 1, 2, 2])).tolist() == [0, 0, 1, 2, 2]


def test_halves_are_about_as_telling() -> None:
    table = Dataset.of(crowd(3))
    release = read_release(table.select(TRAITS), [table])
    assert sorted(map(len, (halves(release), set(TRAITS) - set(halves(release))))) == [3, 3]


@pytest.mark.parametrize("name", ["singling_out_univariate", "singling_out_multivariate"])
def test_conditions_differ_and_repeat(name: str) -> None:
    table = Dataset.of(crowd(3))
    release = read_release(table.select(TRAITS), [table])
    first, again = (named(name).predicates(release, 50, generator(1, name)) for _ in range(2))
    assert (first.row == again.row).all()
    assert (first.columns == again.columns).all()
    keys = {(row, *mask) for row, mask in zip(first.row, first.columns.tolist(), strict=True)}
    assert len(keys) == len(first)
    sizes = first.columns.sum(axis=1)
    assert (sizes == 1).all() if name.endswith("univariate") else (sizes >= 2).all()

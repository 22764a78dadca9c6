"""What every attack of the list owes: its papers, its repeatability, and that it can find.

A new attack is one file and one line in the list; these tests run over the list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import reticent
import reticent.attacks
from people import TRAITS, Rote, blind, memorizing, survey
from reticent.attacks import ATTACKS, family, named
from reticent.attacks.known import Hidden, Known, Shadow
from reticent.contract import Abstain
from reticent.dataset import Dataset
from reticent.errors import ConfigError
from reticent.finding import Finding
from reticent.randomness import generator
from reticent.schema import Schema
from reticent.target import Reveals, Target
from reticent.targets.answers_file import Recorded
from reticent.targets.contracted import behind
from reticent.targets.local import local

FOLDER = Path(reticent.attacks.__file__).parent
DOCS = Path(__file__).parents[2] / "docs" / "reference" / "attacks"
INPUTS = [*TRAITS, "s"]
FALSE_ALARM = 1e-6  # of one run over all attacks: p_adjusted is multiplied by the number of tests
REFUSING = reticent.Contract(output="scores", abstain=Abstain(confidence=0.5))
N = 200  # members, others and auxiliary people each
CHEAP = {"shadows": 3, "canaries": False, "advice": False}

SAYS = re.compile(r"^    threat_model(: ClassVar\[str\])? =", re.MULTILINE)
COLUMNS = [name for name in ATTACKS if family(name) == "attribute"]

every_attack = pytest.mark.parametrize("name", ATTACKS)
on_columns = pytest.mark.parametrize("name", COLUMNS)


# The list -------------------------------------------------------------------------------------


def test_files_and_list_agree() -> None:
    listed = {entry.partition(":")[0].replace(".", "/") + ".py" for entry in ATTACKS.values()}
    families = {name.partition("/")[0] for name in listed}
    files = {
        str(path.relative_to(FOLDER)): path.read_text()
        for one in families
        for path in (FOLDER / one).glob("*.py")
    }
    assert listed <= set(files)
    assert {name for name, text in files.items() if SAYS.search(text)} == listed


def test_the_list_is_in_order() -> None:
    assert list(ATTACKS) == sorted(ATTACKS)


def test_an_unknown_attack_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'yeom'"):
        named("yoem")


@every_attack
def test_an_attack_states_what_it_is(name: str) -> None:
    attack = named(name)
    assert attack.name == name
    assert type(attack).__name__ == "".join(map(str.title, name.split("_")))
    module, _, entry = ATTACKS[name].partition(":")
    assert entry == type(attack).__name__
    assert name.startswith(module.partition(".")[2])  # a variant stands beside what it varies
    for said in (attack.title, attack.threat_model, attack.null_result, type(attack).__doc__):
        assert said is not None
        assert len(said.split()) > 3
    assert attack.cost
    assert isinstance(attack.needs, Reveals)


@on_columns
def test_an_attack_on_columns_states_what_it_needs(name: str) -> None:
    attack = named(name)
    assert attack.needs
    flags = (attack.needs_label, attack.needs_classes, attack.needs_records)
    assert all(isinstance(flag, bool) for flag in flags)


@every_attack
def test_an_attack_names_its_paper(name: str) -> None:
    paper = named(name).paper
    years = [int(word) for word in paper.replace(",", " ").split() if word.isdigit()]
    assert paper.startswith("This project") or any(1990 < year < 2100 for year in years)


@every_attack
@pytest.mark.skipif(not DOCS.is_dir(), reason="the reference has not been generated")
def test_an_attack_has_a_page(name: str) -> None:
    assert named(name).paper[:20] in (DOCS / f"{name}.md").read_text()


# What it finds --------------------------------------------------------------------------------


def told_from(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Let ``s`` decide the label three times in four: then a score about a person tells it."""
    sure = np.random.default_rng(seed).random(len(rows)) < 0.75
    label = np.where(sure == (rows["s"] == 1), "v", "u").astype(object)
    return rows.assign(y=label)


def recorded_case() -> reticent.Case:
    """Released answers of a logistic model; the model itself stays closed."""
    members, others, auxiliary = (told_from(survey(N, seed), seed) for seed in (1, 2, 3))
    model = LogisticRegression().fit(members[INPUTS], members["y"])
    asked = local(model, INPUTS, members["y"].to_numpy())
    told = [asked.ask(Dataset.of(rows)) for rows in (members, others)]
    return reticent.Case(
        model=Recorded(INPUTS, asked.classes, told[0], told[1]), members=members, others=others,
        auxiliary=auxiliary, label="y", sensitive="s", train=LogisticRegression(),
    )  # fmt: skip


def case(model: object, members: pd.DataFrame) -> reticent.Case:
    return reticent.Case(
        model=model, members=members, others=survey(N, 2), auxiliary=survey(N, 3), label="y",
        sensitive="s",
    )  # fmt: skip


Contracts = Mapping[str, reticent.Contract | None]


def findings(case: reticent.Case, contracts: Contracts, attacks: list[str]) -> dict[str, Finding]:
    evidence = reticent.audit(case, contracts, attacks=attacks, **CHEAP)
    return {found.attack: found for found in evidence.findings}


ASKING = [name for name in COLUMNS if name not in ("observed", "refusals")]


@pytest.fixture(scope="module")
def planted(members: pd.DataFrame) -> dict[str, Finding]:
    """Each attack on a leak of its kind: a forest that memorized, a model that refuses whom it
    does not know, and released scores."""
    members = members[:N]
    rote = Rote().fit(members[INPUTS], members["y"])
    return {
        **findings(case(memorizing(members), members), {"bare": None}, ASKING),
        **findings(case(rote, members), {"refusing": REFUSING}, ["refusals"]),
        **findings(recorded_case(), {"released": None}, ["observed"]),
    }


@pytest.fixture(scope="module")
def drawn_later(members: pd.DataFrame) -> dict[str, Finding]:
    """Each attack on a coin that was tossed after training, which the model never received."""
    members = members[:N]
    model = blind(members)
    coins = np.random.default_rng(5).integers(2, size=len(members))
    asked = local(model, INPUTS, members["y"].to_numpy())
    later = members.assign(s=coins)
    others = survey(N, 2)
    told = [asked.ask(Dataset.of(rows)) for rows in (later, others)]
    closed = Recorded(INPUTS, asked.classes, told[0], told[1])
    released = reticent.Case(
        model=closed, members=later, others=others, auxiliary=survey(N, 3), label="y",
        sensitive="s", train=model,
    )  # fmt: skip
    return {
        **findings(case(model, later), {"bare": None}, ASKING),
        **findings(case(model, later), {"refusing": REFUSING}, ["refusals"]),
        **findings(released, {"released": None}, ["observed"]),
    }


# The claim: an attack's p-value, adjusted for all tests of its run, is below 1e-6 on the planted
# leak of 200 members, and not below it on a coin. The statistic is the advantage over imputation
# in standard errors of the paired bootstrap; each test is the other's twin.


@on_columns
def test_a_planted_leak_is_found_by_more_than_its_interval(
    name: str, planted: dict[str, Finding]
) -> None:
    found = planted[name]
    assert found.verdict == "leaks"
    assert found.advantage.low is not None
    assert found.advantage.low > 0.05
    assert found.p_adjusted is not None
    assert found.p_adjusted < FALSE_ALARM
    assert (found.queries == 0) == (name == "observed")


@on_columns
def test_a_coin_tossed_after_training_is_not_found(
    name: str, drawn_later: dict[str, Finding]
) -> None:
    found = drawn_later[name]
    assert found.verdict != "not_applicable"
    assert found.p_adjusted is not None
    assert found.p_adjusted > FALSE_ALARM


# What it repeats ------------------------------------------------------------------------------


def shadow(seed: int) -> Shadow:
    """A forest behind the refusing contract, seen by whoever trained it."""
    rows = survey(60, seed)
    table, target = Dataset.of(rows), guarded(rows)
    return Shadow(
        target, table, np.arange(60), table["s"].astype(np.intp), np.zeros((60, 2)),
        target.ask(table), Dataset.of(survey(60, seed + 1)),
    )  # fmt: skip


def guarded(rows: pd.DataFrame) -> Target:
    asked = local(memorizing(rows, 5), INPUTS, rows["y"].to_numpy())
    schema = Schema.of([*INPUTS, "y"], {"y": "label", "s": "sensitive"})
    return behind(asked, REFUSING, schema, key=b"k")


@on_columns
def test_the_same_seed_gives_the_same_guess(name: str) -> None:
    rows = survey(60, 1)
    target = guarded(rows)
    if name == "fredrikson_leaf_counts":
        target = local(memorizing(rows, 5), INPUTS, rows["y"].to_numpy())
    table = Dataset.of(rows)
    known = Known(
        rows=table.select([*TRAITS, "y"]), hidden=Hidden("s", np.array([0, 1])), label="y",
        knows_label=True, auxiliary=Dataset.of(survey(60, 3)), imputed=np.zeros((60, 2)),
        shadows=[shadow(11), shadow(13)], observed=target.ask(table),
    )  # fmt: skip
    first, second = (named(name).guess(target, known, generator(4, name)) for _ in range(2))
    assert first.scores.shape == (60, 2)
    assert np.isfinite(first.scores).all()
    assert (first.scores == second.scores).all()

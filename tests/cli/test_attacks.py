"""``reticent attacks``: the list, and what one attack says of itself."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from reticent.attacks import ATTACKS, families, family, named
from reticent.cli import status
from reticent.cli.attacks import described, ordered

Tells = Callable[..., str]
KEYS = ["name", "family", "title", "paper", "threat_model", "needs", "cost", "null_result"]


@pytest.fixture
def told_by(capsys: pytest.CaptureFixture[str]) -> Tells:
    """Run a command that must succeed; what it says."""

    def tell(*typed: str) -> str:
        assert status(list(typed)) == 0
        return capsys.readouterr().out

    return tell


def test_the_list_names_every_attack_below_its_family(told_by: Tells) -> None:
    lines = told_by("attacks", "list").splitlines()
    heads = {one: place for place, line in enumerate(lines) for one in families()
             if line.startswith(f"{one} ") and "cost in queries" in line}  # fmt: skip
    assert sorted(heads, key=lambda one: heads[one]) == ordered()
    assert sorted(ordered()) == sorted(families())
    for name in ATTACKS:
        place = next(n for n, line in enumerate(lines) if line.startswith(f"{name} "))
        above = [one for one in ordered() if heads[one] < place]
        assert above[-1] == family(name)


def test_the_list_as_json_has_a_line_for_each(told_by: Tells) -> None:
    told = [json.loads(line) for line in told_by("attacks", "list", "--json").splitlines()]
    assert [one["name"] for one in told] == list(ATTACKS)
    assert all(list(one) == KEYS and all(one.values()) for one in told)


@pytest.mark.parametrize("name", ATTACKS)
def test_show_tells_everything_that_an_attack_says_of_itself(told_by: Tells, name: str) -> None:
    told = " ".join(told_by("attacks", "show", name).split())
    about = described(name)
    for key in KEYS:
        assert " ".join(about[key].split()) in told, key
    assert json.loads(told_by("attacks", "show", name, "--json")) == about


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_says_what_it_costs(name: str) -> None:
    assert len(named(name).cost.split()) > 2
    assert described(name)["family"] == family(name)


def test_an_unknown_attack_names_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert status(["attacks", "show", "yoem"]) == 2
    assert "did you mean 'yeom'" in capsys.readouterr().err

"""``reticent attacks``: the list, and what one attack says of itself."""

from __future__ import annotations

import json

import pytest

from desk import Desk
from reticent.attacks import ATTACKS, families, family, named
from reticent.cli.attacks import described, ordered

KEYS = ["name", "family", "title", "paper", "threat_model", "needs", "cost", "null_result"]


def test_the_list_names_every_attack_below_its_family(desk: Desk) -> None:
    lines = desk.run("attacks", "list").out.splitlines()
    heads = {one: place for place, line in enumerate(lines) for one in families()
             if line.startswith(f"{one} ") and "cost in queries" in line}  # fmt: skip
    assert sorted(heads, key=lambda one: heads[one]) == ordered()
    assert sorted(ordered()) == sorted(families())
    for name in ATTACKS:
        place = next(n for n, line in enumerate(lines) if line.startswith(f"{name} "))
        above = [one for one in ordered() if heads[one] < place]
        assert above[-1] == family(name)


def test_the_list_as_json_has_a_line_for_each(desk: Desk) -> None:
    told = [json.loads(line) for line in desk.run("attacks", "list", "--json").out.splitlines()]
    assert [one["name"] for one in told] == list(ATTACKS)
    assert all(list(one) == KEYS and all(one.values()) for one in told)


@pytest.mark.parametrize("name", ATTACKS)
def test_show_tells_everything_that_an_attack_says_of_itself(desk: Desk, name: str) -> None:
    told = " ".join(desk.run("attacks", "show", name).out.split())
    about = described(name)
    for key in KEYS:
        assert " ".join(about[key].split()) in told, key
    assert json.loads(desk.run("attacks", "show", name, "--json").out) == about


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_says_what_it_costs(name: str) -> None:
    assert len(named(name).cost.split()) > 2
    assert described(name)["family"] == family(name)


def test_an_unknown_attack_names_the_nearest(desk: Desk) -> None:
    assert "did you mean 'yeom'" in desk.refused("attacks", "show", "yoem")

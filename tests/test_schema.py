"""Schema: roles, domains, and every error that they refuse with."""

from __future__ import annotations

import msgspec
import pytest

from reticent.errors import ConfigError
from reticent.schema import Domain, Role, Schema

COLUMNS = ["id", "age", "affairs", "y"]


@pytest.mark.parametrize(
    ("domain", "candidates"),
    [
        (Domain(values=("a", "b")), ("a", "b")),
        (Domain(values=(0, 1, 2), bins=(0, 5, 10)), (0, 1, 2)),
        (Domain(bins=(0, 5, 20)), (2.5, 12.5)),
        (Domain(min=0, max=3), None),
        (Domain(), None),
    ],
)
def test_candidates_are_the_values_else_the_midpoints(
    domain: Domain, candidates: tuple[object, ...] | None
) -> None:
    assert domain.candidates == candidates


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({"bins": (1,)}, "bins"),
        ({"bins": (1, 1)}, "bins"),
        ({"bins": (3, 2)}, "bins"),
        ({"values": ()}, "values"),
        ({"values": ("a",)}, "values"),
        ({"values": ("a", "a")}, "values"),
        ({"precision": 0}, "precision"),
        ({"precision": -1.0}, "precision"),
        ({"min": 2.0, "max": 1.0}, "bounds"),
    ],
)
def test_a_domain_that_makes_no_sense_is_refused(given: dict[str, object], asked: str) -> None:
    with pytest.raises(ConfigError, match=asked):
        Domain(**given)  # type: ignore[arg-type]


def test_a_domain_is_not_public_unless_it_says_so() -> None:
    assert not Domain(values=(0, 1)).public


def test_an_unknown_key_of_a_domain_is_an_error() -> None:
    with pytest.raises(msgspec.ValidationError, match="vales"):
        msgspec.json.decode(b'{"vales": [0, 1]}', type=Domain)


def test_unnamed_columns_are_features_and_the_person_has_no_role() -> None:
    schema = Schema.of(COLUMNS, {"y": "label", "affairs": "sensitive"}, person="id")
    assert schema.roles == {"age": "feature", "affairs": "sensitive", "y": "label"}
    assert (schema.label, schema.sensitive) == ("y", ["affairs"])
    assert schema.inputs == ["age", "affairs"]


def test_identifiers_are_no_inputs() -> None:
    schema = Schema.of(COLUMNS, {"y": "label", "id": "identifier"})
    assert schema.inputs == ["age", "affairs"]
    assert schema.having("identifier") == ["id"]


def test_names_come_in_the_order_of_the_table() -> None:
    roles: dict[str, Role] = {"affairs": "sensitive", "y": "label", "age": "sensitive"}
    assert Schema.of(COLUMNS, roles).sensitive == ["age", "affairs"]


@pytest.mark.parametrize(
    ("roles", "domains", "person"),
    [
        ({"agee": "feature", "y": "label"}, {}, None),
        ({"y": "label"}, {"agee": Domain()}, None),
        ({"y": "label"}, {}, "agee"),
    ],
)
def test_a_column_that_is_not_there_names_the_nearest(
    roles: dict[str, Role], domains: dict[str, Domain], person: str | None
) -> None:
    with pytest.raises(ConfigError, match="did you mean 'age'"):
        Schema.of(COLUMNS, roles, domains, person)


@pytest.mark.parametrize("roles", [{}, {"y": "label", "age": "label"}])
def test_there_is_exactly_one_label(roles: dict[str, Role]) -> None:
    with pytest.raises(ConfigError, match="the label"):
        Schema.of(COLUMNS, roles)

"""Contracts and policies: every contradiction refused, digests that name them."""

from __future__ import annotations

import msgspec
import pytest

from reticent.contract import OUTPUTS, Abstain, Contract, Noise, Policy
from reticent.errors import ConfigError


@pytest.mark.parametrize("output", OUTPUTS)
def test_every_output_is_accepted(output: str) -> None:
    top = {"top_k": 2} if output == "top_k" else {}
    assert Contract(output=output, **top).output == output  # type: ignore[arg-type]


def test_output_has_no_default() -> None:
    with pytest.raises(TypeError, match="output"):
        Contract()  # type: ignore[call-arg]


WRONG: list[tuple[dict[str, object], str]] = [
    ({"output": "all"}, "output"),
    ({"output": "top_k"}, "top_k"),
    ({"output": "top_k", "top_k": 0}, "top_k"),
    ({"output": "label", "top_k": 2}, "top_k"),
    ({"decimals": 1, "bands": (0.5,)}, "decimals and bands"),
    ({"decimals": -1}, "decimals"),
    ({"decimals": 16}, "decimals"),
    ({"bands": ()}, "bands"),
    ({"bands": (0.5, 0.5)}, "bands"),
    ({"bands": (0.8, 0.2)}, "bands"),
    ({"bands": (0.0, 0.5)}, "bands"),
    ({"bands": (0.5, 1.0)}, "bands"),
    ({"rows_per_minute": 0}, "rows_per_minute"),
    ({"rows_per_day": -5}, "rows_per_day"),
    ({"role_rows_per_day": 0}, "role_rows_per_day"),
    ({"values_per_record": 0, "marginalize": ("a",)}, "values_per_record"),
    ({"values_per_record": 1}, "values_per_record"),
    ({"cidr": ("10.0.0.0/33",)}, "cidr"),
    ({"cidr": ("home",)}, "cidr"),
    ({"marginalize": "affairs"}, "marginalize"),
]


@pytest.mark.parametrize(("given", "asked"), WRONG)
def test_a_contradiction_is_refused_and_named(given: dict[str, object], asked: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Contract(**{"output": "scores", **given})  # type: ignore[arg-type]
    assert caught.value.asked == asked


@pytest.mark.parametrize("scale", [0.0, -0.1, float("inf"), float("nan")])
def test_noise_has_a_positive_scale(scale: float) -> None:
    with pytest.raises(ConfigError, match=r"noise\.scale"):
        Noise(scale)


@pytest.mark.parametrize(
    "given",
    [{}, {"honest": 0.9, "confidence": 0.6}, {"honest": 0.0}, {"honest": 1.0}, {"confidence": 2}],
)
def test_abstain_wants_one_rule_between_0_and_1(given: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="abstain"):
        Abstain(**given)


def test_an_unknown_key_is_an_error() -> None:
    with pytest.raises(msgspec.ValidationError, match="outputs"):
        msgspec.json.decode(b'{"output": "label", "outputs": 1}', type=Contract)


def test_the_digest_is_stable_under_key_order_and_lists() -> None:
    first = msgspec.json.decode(
        b'{"output": "scores", "marginalize": ["a"], "decimals": 1}', type=Contract
    )
    second = msgspec.json.decode(
        b'{"decimals": 1, "output": "scores", "marginalize": ["a"]}', type=Contract
    )
    third = Contract(output="scores", marginalize=["a"], decimals=1)  # type: ignore[arg-type]
    assert first.digest == second.digest == third.digest
    assert first == third
    assert hash(first) == hash(third)


CHANGES: list[dict[str, object]] = [
    {"output": "label"},
    {"marginalize": ("b",)},
    {"marginalize": ("a", "b")},
    {"abstain": Abstain(honest=0.9)},
    {"noise": Noise(0.05)},
    {"decimals": 2},
    {"decimals": None, "bands": (0.5,)},
    {"rows_per_day": 1},
    {"internal_only": True},
    {"cidr": ("10.0.0.0/8",)},
    {"permit": ("audit",), "rows_per_day": 9},
]


@pytest.mark.parametrize("change", CHANGES)
def test_the_digest_changes_with_every_part(change: dict[str, object]) -> None:
    contract = Contract(output="scores", marginalize=("a",), decimals=1)
    assert msgspec.structs.replace(contract, **change).digest != contract.digest


def test_a_contract_survives_json() -> None:
    contract = Contract(
        output="top_k", top_k=2, marginalize=("a",), abstain=Abstain(confidence=0.6),
        noise=Noise(0.05), bands=(0.2, 0.5), rows_per_day=10, cidr=("10.0.0.0/8",),
    )  # fmt: skip
    assert msgspec.json.decode(msgspec.json.encode(contract), type=Contract) == contract


def test_the_summary_tells_the_steps_in_their_order() -> None:
    contract = Contract(
        output="top_k", top_k=2, marginalize=("a", "b"), abstain=Abstain(honest=0.9),
        noise=Noise(0.05), decimals=1,
    )  # fmt: skip
    assert contract.summary() == "averaged over a, b; may refuse; noise 0.05; top 2; 1 decimals"
    assert Contract(output="scores", bands=(0.2, 0.5)).summary() == "scores; bands 0.2, 0.5"
    few = Contract(output="label", marginalize=("a",), values_per_record=1)
    assert few.summary() == "averaged over a beyond 1 value of a record; label"


def test_a_permission_has_a_budget_of_its_own_and_is_told() -> None:
    with pytest.raises(ConfigError, match="budget of its own"):
        Contract(output="label", permit=("what_if",))
    with pytest.raises(ConfigError, match="'what-if' is none of its values"):
        Contract(output="label", permit=("what-if",), rows_per_day=5)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="one text"):
        Contract(output="label", permit="audit", rows_per_day=5)  # type: ignore[arg-type]
    both = Contract(output="label", permit=["what_if", "audit"], rows_per_day=5)  # type: ignore[arg-type]
    assert both.permit == ("what_if", "audit")
    assert both.summary() == "label; permitted: what_if, audit"
    assert msgspec.json.decode(msgspec.json.encode(both), type=Contract) == both


def test_contracts_from_before_there_were_permissions_are_named_as_they_were() -> None:
    known = "15d87e6d57532e143a83073ee38e63394d0b4a945bc7946f69b1694eaa881961"
    contract = Contract(output="label", marginalize=("a",), rows_per_day=5)
    assert contract.digest == known


@pytest.mark.parametrize("name", ["admin", "observer"])
def test_a_reserved_role_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="reserved"):
        Policy({name: Contract(output="label")})


def test_one_model_has_one_noise_scale() -> None:
    quiet, loud = (Contract(output="scores", noise=Noise(scale)) for scale in (0.05, 0.1))
    with pytest.raises(ConfigError, match=r"noise\.scale"):
        Policy({"partner": quiet, "public": loud})
    Policy({"partner": quiet, "public": quiet, "staff": Contract(output="label")})


def test_a_policy_is_named_by_all_its_roles_in_any_order() -> None:
    label, scores = Contract(output="label"), Contract(output="scores")
    policy = Policy({"a": label, "b": scores})
    assert policy.digest == Policy({"b": scores, "a": label}).digest
    assert policy.digest != Policy({"a": scores, "b": label}).digest
    assert policy.digest != Policy({"a": label}).digest

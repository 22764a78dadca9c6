"""``audit --url``: a live endpoint is attacked in the model's place, with the same result."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pandas as pd
import pytest
from sklearn.tree import DecisionTreeClassifier

from desk import AGE, INPUTS, Desk, people
from reticent.cli.endpoint import key_of
from reticent.cli.loaded import load_case
from reticent.cli.project import load_project
from reticent.contract import Abstain, Contract
from reticent.errors import ConfigError
from reticent.evidence import Evidence
from reticent.finding import Finding
from reticent.schema import Domain, Schema
from reticent.target import Target
from reticent.targets.contracted import behind
from reticent.targets.local import local
from served import Served, metadata, serving

KEY = "rtc_abcdefghijkl_secretsecret"
ROLES = """
[roles.clinic]
output = "scores"
decimals = 2
[roles.partner]
output = "label"
marginalize = ["s"]
[roles.tried]
output = "scores"
marginalize = ["s"]
values_per_record = 1
[roles.shut]
output = "none"
"""
CONTRACTS = {
    "clinic": Contract(output="scores", decimals=2),
    "partner": Contract(output="label", marginalize=("s",)),
    "tried": Contract(output="scores", marginalize=("s",), values_per_record=1),
    "shut": Contract(output="none"),
}
ATTACKS = {
    "clinic": "learned,imputation_likelihood",
    "partner": "label_likelihood,fredrikson_confusion",
    "tried": "imputation_likelihood,fredrikson_confusion",
}
SCHEMA = Schema.of([*INPUTS, "y"], {"y": "label", "s": "sensitive"}, {"s": Domain(values=(0, 1))})


@contextmanager
def deployed(contract: Contract | None) -> Iterator[Served]:
    """Serve the desk's tree behind a contract, as a gateway would."""
    rows = people(1)
    grown = DecisionTreeClassifier(random_state=0).fit(rows[INPUTS].to_numpy(), rows["y"])
    model: Target = local(grown, INPUTS, rows["y"].to_numpy())
    target = model if contract is None else behind(model, contract, SCHEMA, key=b"k" * 32)
    extra = [name for name in INPUTS if name not in target.columns]
    kinds = dict.fromkeys(INPUTS, "INT64")
    with serving(target, metadata(target, kinds, extra=extra), key=KEY) as served:
        yield served


@pytest.fixture
def project(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("RETICENT_KEY", KEY)
    desk.swap('path = "model.skops"', 'path = "model.skops"\nname = "toy"')
    desk.add(ROLES)
    return desk


def pairs(rows: pd.DataFrame) -> set[tuple[int, int]]:
    """What distinguishes people whose secret is not known."""
    return set(zip(rows["age"], rows["educ"], strict=True))


def told(finding: Finding) -> object:
    return finding.members, finding.others, finding.advantage, finding.memorization, finding.verdict


def scores(evidence: Evidence) -> dict[str, object]:
    return {finding.attack: told(finding) for finding in evidence.findings}


@pytest.mark.parametrize("role", ["clinic", "partner", "tried"])
def test_the_live_score_is_the_one_in_process(project: Desk, role: str) -> None:
    attacks = ATTACKS[role]
    project.run("audit", "reticent.toml", "--role", role, "--attacks", attacks, "--no-canaries")
    before = project.evidence()
    with deployed(CONTRACTS[role]) as served:
        project.audit("--url", served.url, "--role", role, "--attacks", attacks)
        live = project.evidence()
        sent = sum(served.asked)
    assert scores(live) == scores(before), "JSON carries every bit of a number"
    assert {finding.configuration for finding in live.findings} == {role}
    assert live.subjects.contract == before.subjects.contract
    assert any("live endpoint" in note for note in live.notes)
    assert [one.attack for one in live.not_run] == ["canaries"]
    # Both values of all members and others, once for both attacks; that they are asked as they are
    # costs nothing more. Before, 32 auxiliary people to see whether the average holds.
    probed = pairs(people(3)[:32]) if role == "partner" else set()
    assert sent == 2 * len(pairs(people(1)) | pairs(people(2)) | probed)
    if role != "tried":
        assert live.configurations[0].utility == before.configurations[0].utility


UNKEPT = [
    (Contract(output="label"), "partner", "its answers change with 's', which the contract"),
    (CONTRACTS["clinic"], "partner", "it tells label, top_k, scores, the contract says label"),
    (CONTRACTS["shut"], "clinic", "it tells nothing, the contract says label, top_k, scores"),
    (Contract(output="scores", abstain=Abstain(confidence=0.6)), "clinic", "abstain"),
]


@pytest.mark.parametrize(("contract", "role", "found"), UNKEPT)
def test_an_endpoint_that_does_not_keep_its_contract_is_refused(
    project: Desk, contract: Contract, role: str, found: str
) -> None:
    # Shadows behind the contract would teach the attacker to look where it leaves something over.
    with deployed(contract) as served:
        told = project.refused("audit", "reticent.toml", "--url", served.url, "--role", role)
    assert found in told


def test_without_a_role_the_view_is_called_live(project: Desk) -> None:
    with deployed(CONTRACTS["partner"]) as served:
        project.audit("--url", served.url, "--attacks", "label_likelihood")
    evidence = project.evidence()
    assert [finding.configuration for finding in evidence.findings] == ["live"]
    assert evidence.configurations[0].says == "as the endpoint answers"
    assert any("No role was named" in note for note in evidence.notes)


def test_a_role_that_is_told_nothing_leaves_nothing_to_attack(project: Desk) -> None:
    with deployed(CONTRACTS["shut"]) as served:
        project.audit("--url", served.url, "--role", "shut")
        assert not served.asked
    (finding,) = project.evidence().findings
    assert finding.verdict == "not_applicable"


def test_a_limited_endpoint_is_told_no_true_value_before_the_attack(project: Desk) -> None:
    project.swap('path = "model.skops"\n', "")
    with deployed(CONTRACTS["tried"]) as served:
        project.audit("--url", served.url, "--role", "tried")
        # Two members, to see that it answers at all; then every value of everybody, no row twice.
        first, second = pairs(people(1)), pairs(people(2))
        assert served.asked == [2, 2 * len(first) - 2, 2 * len(second - first)]
    assert any("values_per_record" in note for note in project.evidence().notes)


def test_a_project_of_an_upstream_server(project: Desk) -> None:
    with deployed(None) as served:
        project.swap('path = "model.skops"', f'url = "{served.url}"')
        project.audit("--role", "clinic")
        live = project.evidence()
        assert served.asked
    assert any("cannot be trained again" in note for note in live.notes)
    assert live.subjects.model


def test_a_key_in_a_file_comes_first_and_is_never_told(
    project: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETICENT_KEY", "rtc_other_zzz")
    (project.folder / "key").write_text(KEY + "\n")
    with deployed(CONTRACTS["clinic"]) as served:
        place = ("--url", served.url, "--role", "clinic")
        said = project.audit(*place, "--key-file", "key")
        assert served.seen[-1][1] == f"Bearer {KEY}"
        refused = project.refused("audit", "reticent.toml", *place, "--out", "again")
    assert "does not know the key" in refused
    everything = said.out + said.err + refused + project.evidence().to_json().decode()
    assert KEY not in everything
    assert "zzz" not in everything


@pytest.mark.parametrize("text", ["", "two words", "a\nb", "clé"])
def test_a_file_that_is_not_one_key(project: Desk, text: str) -> None:
    (project.folder / "key").write_text(text)
    refused = project.refused("audit", "reticent.toml", "--url", "http://h", "--key-file", "key")
    assert "it is not one key alone" in refused
    assert not text or text not in refused


def test_refusals(project: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    url = ("--url", "http://127.0.0.1:9")
    assert "Name one: reticent audit" in project.refused("audit", *url)
    assert "Name one: reticent audit" in project.refused("audit", "--self-test", *url)
    assert "no such role" in project.refused("audit", "reticent.toml", *url, "--role", "clinik")
    assert "cannot be read" in project.refused("audit", "reticent.toml", *url, "--key-file", "no")
    assert "neither http" in project.refused("audit", "reticent.toml", "--url", "localhost:80")
    monkeypatch.delenv("RETICENT_KEY")
    assert key_of(None) is None
    monkeypatch.setenv("RETICENT_KEY", "a b")
    with pytest.raises(ConfigError, match="not one key"):
        key_of(None)


def test_an_endpoint_of_another_model_is_refused(project: Desk) -> None:
    with deployed(CONTRACTS["clinic"]) as served:
        served.metadata["parameters"]["classes"] = ["u", "v", "w"]
        served.metadata["outputs"][1]["shape"] = [-1, 3]
        told = project.refused("audit", "reticent.toml", "--url", served.url, "--role", "clinic")
    assert "3 classes, the model 2 classes" in told
    assert str(AGE) not in told


def test_the_model_itself_may_be_the_endpoint(project: Desk) -> None:
    project.swap('path = "model.skops"\nname = "toy"', "")
    plan = load_project(project.folder / "reticent.toml")
    with pytest.raises(ConfigError, match="no path, no url and no answers"):
        load_case(plan, None)

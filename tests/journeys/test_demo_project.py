"""The whole loop on the project that the demo leaves: served, asked, attacked, verified."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gateway.alive import Alive, Site
from reticent.cli.demo import LABEL, SENSITIVE, case_of, survey
from reticent.cli.sample import write_project

ROLES = {"clinic": ["label", "scores"], "partner": ["label"]}
ATTACKS = "imputation_likelihood,label_likelihood"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    parts, folder = survey(0), tmp_path_factory.mktemp("demo") / "project"
    forest = case_of(parts, 0, n_estimators=30).model
    assert write_project(parts, forest, LABEL, SENSITIVE, folder) is not None
    return Site(folder)


def audited(site: Site, role: str, *more: str, key: str = "") -> Any:
    site.env["RETICENT_KEY"] = key
    told = site.run("audit", "reticent.toml", "--role", role, "--attacks", ATTACKS,
                    "--no-canaries", "--json", *more)  # fmt: skip
    assert told.returncode in (0, 1), told.stderr
    return json.loads(told.stdout)


def curled(line: str, key: str) -> Any:
    told = subprocess.run(
        ["sh", "-c", line], env={"RETICENT_KEY": key, "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    return json.loads(told.stdout)


@pytest.mark.slow
def test_the_live_roles_score_as_in_process(site: Site) -> None:
    """Two roles, two keys; each role's live endpoint scores within the interval of the file's."""
    keys = {role: site.key(role, f"the {role}") for role in ROLES}
    with site.alive() as gateway:
        for role, outputs in ROLES.items():
            line = gateway.told["curl"]
            assert [one["name"] for one in curled(line, keys[role])["outputs"]] == outputs
            _alike(site, gateway, role, keys[role])
    told = site.run("verify", "reticent.toml")
    assert told.returncode == 0, told.stdout
    assert "unproven" not in told.stdout  # an orderly end signs the whole journal


def _alike(site: Site, gateway: Alive, role: str, key: str) -> None:
    own = audited(site, role)["findings"]
    live = audited(site, role, "--url", gateway.url, key=key)["findings"]
    assert [one["attack"] for one in live] == [one["attack"] for one in own]
    for one, other in zip(live, own, strict=True):
        assert one["contract"] == other["contract"]
        assert one["verdict"] == other["verdict"]
        if one["verdict"] == "not_applicable":  # it needs scores, and the role tells none
            continue
        for side in ("members", "others"):
            auc = other[side]["auc"]
            assert auc["low"] <= one[side]["auc"]["value"] <= auc["high"]
    assert (own[0]["verdict"] == "leaks") == (role == "clinic")


def test_the_demo_leaves_only_what_serve_reads(site: Site) -> None:
    names = {path.name for path in Path(site.folder).iterdir()} - {".reticent", "serve.log"}
    assert names - {"reticent-out"} == {
        "forest.skops", "fresh.csv", "public.csv", "reticent.toml", "train.csv",
    }  # fmt: skip

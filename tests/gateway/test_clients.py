"""``reticent serve`` as others see it: the official clients' 15 checks, and its own description.

The clients are not among the development packages: kserve alone brings 50 others (kubernetes, grpc,
fastapi, an older pandas and protobuf), 450 MB that would decide versions for everybody. They get
an environment of their own, made here; ``RETICENT_CLIENTS`` names the Python of a ready one.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from desk import TOML, people, saved_tree
from reticent.cli import status

CLIENTS = Path(__file__).parent.parent / "clients"
CHECKS = {
    "triton_http": [
        "live", "ready", "server_metadata", "model_ready", "model_metadata", "json_in_json_out",
        "json_in_binary_out", "binary_in_json_out", "binary_both_ways", "no_outputs_named",
    ],
    "kserve_rest": ["live", "ready", "model_ready", "infer_json", "infer_binary"],
}  # fmt: skip
ROLES = """
[roles.whole]
output = "scores"
[roles.top]
output = "top_k"
top_k = 1
marginalize = ["s"]
[roles.careful]
output = "scores"
abstain = {confidence = 0.9}
"""
STARTS_WITHIN = 120  # seconds; it converts the model first

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python that has both clients."""
    if ready := os.environ.get("RETICENT_CLIENTS"):
        return ready
    folder = tmp_path_factory.mktemp("clients")
    venv.create(folder, with_pip=True)
    made = str(folder / "bin" / "python")
    needs = str(CLIENTS / "requirements.txt")
    subprocess.run([made, "-m", "pip", "install", "--quiet", "-r", needs], check=True)
    return made


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    for name, seed in (("members", 1), ("others", 2), ("public", 3)):
        people(seed).to_csv(folder / f"{name}.csv", index=False)
    (folder / "model.skops").write_bytes(saved_tree())
    (folder / "reticent.toml").write_text(TOML + ROLES)
    return folder / "reticent.toml"


@pytest.fixture(scope="module")
def url(project: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "reticent", "serve", str(project), "--json"]
    ports = ["--port", "0", "--admin-port", "0"]
    with subprocess.Popen([*command, *ports], stdout=subprocess.PIPE, text=True) as served:
        try:
            assert served.stdout is not None
            assert select.select([served.stdout], [], [], STARTS_WITHIN)[0], "it did not start"
            yield json.loads(served.stdout.readline())["url"]
        finally:
            served.terminate()


@pytest.mark.parametrize("role", ["whole", "top", "careful"])
@pytest.mark.parametrize("client", CHECKS)
def test_every_check_of_a_client_passes(
    client: str, role: str, url: str, python: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(["keys", "create", str(project), "--role", role]) == 0
    key = capsys.readouterr().out.strip()
    script = str(CLIENTS / f"{client}.py")
    told = subprocess.run(
        [python, script, url, "model", key], capture_output=True, text=True, check=False
    )
    assert told.stdout.splitlines() == [f"{check} ok" for check in CHECKS[client]], told.stderr


def test_it_keeps_to_its_description(
    url: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(["keys", "create", str(project), "--role", "whole"]) == 0
    key = capsys.readouterr().out.strip()
    checks = ["not_a_server_error", "status_code_conformance", "content_type_conformance",
              "response_schema_conformance", "response_headers_conformance"]  # fmt: skip
    command = [str(Path(sys.executable).with_name("schemathesis")), "run", f"{url}/openapi.json",
               "--header", f"Authorization: Bearer {key}", "--max-examples", "30",
               "--checks", ",".join(checks), "--seed", "1"]  # fmt: skip
    told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=project.parent)
    assert told.returncode == 0, told.stdout

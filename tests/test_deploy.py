"""What is deployed can be read, names commands that exist, and holds no secret."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import click
import pytest

from reticent import cli
from reticent.cli.project import load_project

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
PAGES = [DEPLOY / "Dockerfile", DEPLOY / "reticent.service", DEPLOY / "kubernetes.yaml",
         *sorted((ROOT / "docs" / "how-to").glob("*.md"))]  # fmt: skip
LINE = re.compile(
    r"(?:^|[\s`/])reticent "
    r"((?:serve|keys|policy|verify|audit|init|doctor|alerts|callers|detect|simulate)\b[^`\n]*)"
)


def lines(path: Path) -> Iterator[list[str]]:
    """Every command line of ours in a file, as a shell splits it."""
    text = path.read_text("utf-8").replace("\\\n", " ")
    if path.suffix == ".md":  # in code only: prose may say "reticent serve beside the table"
        text = "\n".join(re.findall(r"```(?:text|console)\n.*?```|`[^`\n]+`", text, re.DOTALL))
    for found in LINE.finditer(text):
        typed = re.split(r"[>|;&]|\s#| \(", found[1])[0]
        yield [word for word in shlex.split(typed) if not set(word) & set("…<")]


def parsed(words: list[str]) -> click.Command:
    """The command that a line calls; its options must exist."""
    command: click.Command = cli.group
    context = click.Context(command, help_option_names=["-h", "--help"])
    while isinstance(command, click.Group):
        name = words.pop(0)
        found = command.get_command(context, name)
        assert found is not None, f"no command {name!r}"
        command, context = found, click.Context(found, parent=context, info_name=name)
    command.make_parser(context).parse_args(words)
    return command


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_command_line_exists(path: Path) -> None:
    found = list(lines(path))
    assert found or path.suffix == ".md" or path.name == "Dockerfile"
    for words in found:
        parsed(words)


def test_a_command_that_does_not_exist_is_seen() -> None:
    with pytest.raises(click.NoSuchOption):
        parsed(["serve", "reticent.toml", "--model_name", "x"])
    with pytest.raises(AssertionError, match="no command"):
        parsed(["keys", "make"])


def manifests() -> list[dict[str, Any]]:
    yaml = pytest.importorskip("yaml", reason="no YAML reader is installed")
    return list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text("utf-8")))


def test_the_manifest_is_whole(tmp_path: Path) -> None:
    found = manifests()
    assert all({"apiVersion", "kind", "metadata"} <= set(one) for one in found)
    by_kind = {(one["kind"], one["metadata"]["name"]): one for one in found}
    assert "Secret" not in {kind for kind, _ in by_kind}
    (tmp_path / "reticent.toml").write_text(
        by_kind["ConfigMap", "forest-guard"]["data"]["reticent.toml"]
    )
    project = load_project(tmp_path / "reticent.toml")
    service = by_kind["InferenceService", "forest"]["spec"]
    (gateway,) = service["transformer"]["containers"]
    url = project.tables.model.url or ""
    assert url.startswith("http://forest-predictor.models.")
    assert project.tables.gateway.listen.endswith(f":{gateway['ports'][0]['containerPort']}")
    assert ":" not in (project.tables.store.url or "").partition("@")[0].partition("//")[2]
    for one in (gateway, *service["transformer"]["initContainers"]):
        assert one["securityContext"]["readOnlyRootFilesystem"]
        assert one["command"][:2] == ["/bin/sh", "-c"]  # KServe's own arguments go to the shell
    assert service["transformer"]["securityContext"]["runAsNonRoot"]
    (allowed,) = by_kind["NetworkPolicy", "forest-predictor"]["spec"]["ingress"]
    (caller,) = allowed["from"]
    assert caller["podSelector"]["matchLabels"]["component"] == "transformer"


def test_what_the_shell_starts_takes_no_appended_arguments() -> None:
    yaml_free = (DEPLOY / "kubernetes.yaml").read_text("utf-8")
    shell = re.search(r"- (exec reticent serve .*)\n", yaml_free)
    assert shell is not None
    script = shell[1].replace("exec reticent", "echo reticent")
    appended = ["--model_name", "forest", "--predictor_host", "h", "--http_port", "8080"]
    done = subprocess.run(
        ["/bin/sh", "-c", script, "reticent", *appended], capture_output=True, text=True, check=True
    )
    assert done.stdout == "reticent serve /project/reticent.toml\n"


def test_the_image_is_built_from_files_that_are_there() -> None:
    text = (DEPLOY / "Dockerfile").read_text("utf-8")
    allowed = (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    for sources in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE):
        for source in sources.split():
            assert (ROOT / source).exists()
            assert f"!{source.removeprefix('./')}" in allowed
    assert allowed[1] == "*"
    users = re.findall(r"^USER (\S+)$", text, re.MULTILINE)
    assert users
    assert users[-1].split(":")[0] not in ("0", "root")
    command = re.search(r"^CMD \[\"serve\", (.*)\]$", text, re.MULTILINE)
    assert command is not None
    parsed(["serve", *(word.strip('" ') for word in command[1].split(","))])


def test_the_unit_confines() -> None:
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(DEPLOY / "reticent.service")
    service = dict(unit["Service"])
    for name, value in {
        "DynamicUser": "yes", "ProtectSystem": "strict", "NoNewPrivileges": "yes",
        "StateDirectory": "reticent", "StateDirectoryMode": "0700", "PrivateDevices": "yes",
        "CapabilityBoundingSet": "", "UMask": "0077",
    }.items():  # fmt: skip
        assert service[name] == value
    if analyze := shutil.which("systemd-analyze"):
        done = subprocess.run(
            [analyze, "verify", str(DEPLOY / "reticent.service")],
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
        told = [line for line in done.stderr.splitlines() if "reticent.service" in line]
        assert [line for line in told if "is not executable" not in line] == []


SECRET = re.compile(r"rtc_[a-z2-7]{12}_\w{43}|-----BEGIN|[0-9a-f]{64}|password:\s*\S")


@pytest.mark.parametrize(
    "path", sorted(filter(Path.is_file, DEPLOY.rglob("*"))), ids=lambda path: path.name
)
def test_no_secret_is_deployed(path: Path) -> None:
    assert SECRET.findall(path.read_text("utf-8")) == []


def test_the_toml_of_the_how_tos_is_toml() -> None:
    for name in ("serve.md", "deploy.md"):
        text = (ROOT / "docs" / "how-to" / name).read_text("utf-8")
        for block in re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            assert tomllib.loads(block)

"""The documentation tells the truth: what is generated is fresh, what is written holds."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_type_hints

import click
import msgspec
import pytest

import reticent
from reticent import cli
from reticent.attacks import ATTACKS, named
from reticent.cli.project import Tables, check_keys
from reticent.monitor.detectors import DETECTORS, detector_named
from reticent.monitor.simulate.run import BEHAVIORS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
WRITTEN = [path for path in PAGES if "reference" not in path.parts]


def load() -> ModuleType:
    """Import docs/build.py, which is a script."""
    spec = importlib.util.spec_from_file_location("docs_build", DOCS / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["docs_build"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def build() -> ModuleType:
    return load()


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


# Generated ------------------------------------------------------------------------------------


@pytest.mark.parametrize("columns", ["40", "200"])
def test_generated_files_are_up_to_date_on_any_terminal(columns: str) -> None:
    done = subprocess.run(
        [sys.executable, str(DOCS / "build.py"), "--check"], capture_output=True, text=True,
        check=False, env={**os.environ, "COLUMNS": columns},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_stale_and_a_left_over_page_are_named(
    build: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "reference"
    folder.mkdir()
    for name, text in {"same.md": "now\n", "old.md": "before\n", "left.md": "gone\n"}.items():
        (folder / name).write_text(text)
    wanted = {folder / "same.md": "now\n", folder / "old.md": "now\n", folder / "new.md": "now\n"}
    monkeypatch.setattr(build, "DOCS", tmp_path)
    monkeypatch.setattr(build, "generated", lambda: wanted)
    assert [path.name for path in build.stale()] == ["left.md", "new.md", "old.md"]
    assert [path.name for path in build.write()] == ["left.md", "new.md", "old.md"]
    assert build.stale() == []
    assert not (folder / "left.md").exists()


def test_text_is_placed_between_its_marks(build: Any) -> None:
    text = "a\n<!-- begin x -->\nold\n<!-- end x -->\nb"
    assert build.placed(text, "x", "new") == "a\n<!-- begin x -->\nnew\n<!-- end x -->\nb"
    with pytest.raises(ValueError, match="no marks"):
        build.placed(text, "y", "new")


# Complete -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_has_its_page(name: str) -> None:
    text = (DOCS / "reference" / "attacks" / f"{name}.md").read_text("utf-8")
    attack = named(name)
    assert text.startswith(f"# Attack: {name}\n")
    for said in (attack.threat_model, attack.cost, attack.null_result):
        assert said.replace("``", "`") in text
    for doi in re.findall(r"doi:(\S+\w)", attack.paper):
        assert f"https://doi.org/{doi}" in text


def test_every_behavior_is_in_the_reference() -> None:
    text = (DOCS / "reference" / "behaviors.md").read_text("utf-8")
    for name, one in BEHAVIORS.items():
        assert f"| `{name}` | {one.says} |" in text


def test_every_detector_is_explained_with_its_blind_spot_and_its_promise() -> None:
    page = (DOCS / "explanation" / "detection.md").read_text("utf-8")
    table = page.partition("<!-- begin detectors -->")[2].partition("<!-- end detectors -->")[0]
    prose = page.replace(table, "")
    for name in DETECTORS:
        one = detector_named(name)
        assert f"| `{name}` | {one.sees} | {one.blind} | [" in table
        assert f"`{name}`" in prose, name
        (promised,) = re.findall(rf"^\| `{name}` .* \| \[\w+\]\(#([\w-]+)\)", table, re.MULTILINE)
        assert promised == ("declared-limits" if one.promise == "limit"
                            else f"the-{one.promise}-promise")  # fmt: skip


def test_every_public_name_is_in_the_reference() -> None:
    text = (DOCS / "reference" / "python.md").read_text("utf-8")
    for name in reticent.__all__:
        assert f"`reticent.{name}`" in text


def commands(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command, help_option_names=["-h", "--help"])
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None
            yield from commands(f"{name} {inner}", found)


def test_every_command_and_option_is_in_the_reference() -> None:
    text = (DOCS / "reference" / "cli.md").read_text("utf-8")
    for name, command in commands("reticent", cli.group):
        section = text.partition(f"## {name}\n")[2].partition("\n## ")[0]
        assert section, name
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                for written in option.opts:
                    assert written in section, f"{name} {written}"


def test_every_option_of_every_command_has_a_help() -> None:
    lacking = [
        f"{name} {option.name}"
        for name, command in commands("reticent", cli.group)
        for option in command.params
        if isinstance(option, click.Option) and not option.help
    ]
    assert set(lacking) <= {"reticent demo seed", "reticent audit seed"}


def keys(struct: Any) -> Iterator[tuple[str, str]]:
    for one in msgspec.structs.fields(struct):
        yield struct.__name__, one.encode_name
        hint = get_type_hints(struct)[one.name]
        for part in (hint, *get_args(hint)):
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                yield from keys(part)


def test_every_key_of_the_project_file_is_in_the_reference() -> None:
    text = (DOCS / "reference" / "config.md").read_text("utf-8")
    tables = {one.name for one in msgspec.structs.fields(Tables)}
    for table in tables:
        assert re.search(rf"^## \[{table}", text, re.MULTILINE), table
    for struct, key in keys(Tables):
        assert key in tables or f"| `{key}` |" in text, f"{struct}.{key}"


@pytest.mark.parametrize("page", ["config.md", "evidence.md"])
def test_every_field_has_a_meaning(page: str) -> None:
    text = (DOCS / "reference" / page).read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows
    assert [row for row in rows if row.count(" | ") < 3 or row.endswith("|  |")] == []


def test_decisions_are_numbered_and_dated() -> None:
    pages = sorted((DOCS / "decisions").glob("*.md"))
    assert [path.name[:4] for path in pages] == [f"{n:04}" for n in range(1, len(pages) + 1)]
    for path in pages:
        text = path.read_text("utf-8")
        assert text.startswith(f"# {path.name[:4]} "), path.name
        assert re.search(r"^\d{4}-\d\d-\d\d · accepted$", text, re.MULTILINE), path.name
        assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [
            "Context", "Decision", "Consequences",
        ]  # fmt: skip


# Links ----------------------------------------------------------------------------------------


def linked(path: Path) -> list[tuple[str, str]]:
    """The page's own links: a file and an anchor, either empty."""
    text = re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    inner = [one for one in found if not one.startswith(("http://", "https://", "mailto:"))]
    return [(file, anchor) for file, _, anchor in (one.partition("#") for one in inner)]


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_internal_links_resolve(path: Path) -> None:
    for file, anchor in linked(path):
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), f"{name_of(path)} -> {file}"
        assert not anchor or anchor in anchors(there), f"{name_of(path)} -> {file}#{anchor}"


def test_every_page_is_reached_from_the_readme() -> None:
    waiting, seen = [ROOT / "README.md"], set()
    while waiting:
        path = waiting.pop()
        if path in seen or path.suffix != ".md":
            continue
        seen.add(path)
        waiting += [(path.parent / file).resolve() for file, _ in linked(path) if file]
    assert [name_of(path) for path in PAGES if path not in seen] == []


# Words ----------------------------------------------------------------------------------------


def forbidden(text: str) -> list[str]:
    prose = re.sub(r"^```.*?^```$|`[^`]*`", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"\b(safe|safely|compliant|compliance|anonymous)\b", prose, re.IGNORECASE)


def test_forbidden_words_are_seen() -> None:
    assert forbidden("The model is Safe and compliant, `safe` aside.") == ["Safe", "compliant"]


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_no_model_is_called_safe_compliant_or_anonymous(path: Path) -> None:
    text = path.read_text("utf-8")
    if path.name == "CONTRIBUTING.md":  # the sentence that forbids them
        text = re.sub(r"Never say of a model that it is [^.]*\.", "", text)
    assert forbidden(text) == []


@pytest.mark.parametrize("path", [*PAGES, *DOCS.rglob("*.txt")], ids=name_of)
def test_no_page_names_a_place_on_a_machine(path: Path) -> None:
    text = path.read_text("utf-8")
    assert re.findall(r"(?<![\w.])/(?:work|root|home|tmp|usr|Users|mnt)/\S*", text) == []


# Snippets -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", WRITTEN, ids=name_of)
def test_snippets_are_well_formed(path: Path) -> None:
    text = path.read_text("utf-8")
    for snippet in blocks(text, "python"):
        compile(snippet, name_of(path), "exec")
    for snippet in blocks(text, "toml"):
        check_keys(tomllib.loads(snippet), Tables, "")


def ran(code: str, folder: Path) -> str:
    (folder / "snippet.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "snippet.py"], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_example_of_the_readme_runs(tmp_path: Path) -> None:
    (example,) = blocks((ROOT / "README.md").read_text("utf-8"), "python")
    found = ran(example, tmp_path)
    recorded = (DOCS / "recorded" / "python.txt").read_text("utf-8")
    assert masked(found) == masked(recorded)
    members, without, _ = (float(number) for number in re.findall(r"\d\.\d\d", found)[:3])
    assert members > without + 0.2


HOW_TO = [path for path in (DOCS / "how-to").glob("*.md")
          if blocks(path.read_text("utf-8"), "python")]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("path", HOW_TO, ids=name_of)
def test_python_of_a_how_to_runs(path: Path, tmp_path: Path) -> None:
    for snippet in blocks(path.read_text("utf-8"), "python"):
        ran(snippet, tmp_path)


def masked(text: str) -> str:
    return re.sub(r"[-−+]?\d*\.?\d+", "N", text)


def sentences(text: str) -> list[str]:
    """The lines of an output that do not move with the versions of the libraries."""
    kept = re.compile(r"(Wrote|Limits|Not run|As attacked|Report|Evidence)\b")
    return [masked(line) for line in text.splitlines() if kept.match(line)]


def told(block: str) -> dict[str, str]:
    """Read a console block: each command and the output below it."""
    pieces = re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def test_a_console_block_is_read() -> None:
    assert told("$ a\n$ b c\nd\n$e\n") == {"a": "", "b c": "d\n$e\n"}


def test_the_tutorial_takes_the_advice_that_it_prints(build: Any) -> None:
    page = build.TUTORIAL.read_text("utf-8")
    (advised,) = set(re.findall(r"min_samples_leaf = (\d+)", page))
    assert f"(min_samples_leaf={advised}, /' train.py" in page


@pytest.mark.slow
def test_the_tutorial_runs_and_prints_what_it_says(build: Any, tmp_path: Path) -> None:
    page = build.TUTORIAL.read_text("utf-8")
    for block, done in build.steps(page, tmp_path):
        for one in done:
            assert one.status < 2, f"{one.command}: {one.output}"
            said = told(block["text"])[one.command]
            assert sentences(one.output) == sentences(said), one.command

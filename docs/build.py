"""Write everything in the documentation that is generated.

    python docs/build.py                      rewrite the reference pages and the README's output
    python docs/build.py --check              exit 1 and name what is out of date; writes nothing
    python docs/build.py --refresh demo       run `reticent demo`, record its output and a picture
    python docs/build.py --refresh python     run the README's example, record what it prints
    python docs/build.py --refresh tutorial   run the tutorial's commands, put their output in place

Between ``<!-- begin NAME -->`` and ``<!-- end NAME -->`` stands what was recorded; nobody edits it.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
RECORDED = DOCS / "recorded"
TUTORIAL = DOCS / "tutorial.md"
COLUMNS = 100
# A command's output in a console block, or a file whose name stands in the line before it.
BLOCK = re.compile(
    r"(?:`(?P<name>[^`\s]+)`:\n\n)?^```(?P<kind>console|python|toml)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def generated() -> dict[Path, str]:
    """Return every generated text by its path."""
    sys.path.insert(0, str(DOCS))
    from reference import detectors_table, pages

    found = {DOCS / name: text for name, text in pages().items()}
    readme = ROOT / "README.md"
    text = readme.read_text("utf-8")
    for name in ("demo", "python"):
        told = (RECORDED / f"{name}.txt").read_text("utf-8")
        text = placed(text, name, f"```text\n{told}```")
    detection = DOCS / "explanation" / "detection.md"
    found[detection] = placed(detection.read_text("utf-8"), "detectors", detectors_table())
    return {**found, readme: text}


def placed(text: str, name: str, content: str) -> str:
    """Put content between the marks of one name.

    Raises
    ------
    ValueError : the text has no such marks.
    """
    begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"no marks {begin} and {end}")
    return f"{before}{begin}\n{content}\n{end}{after}"


def stale() -> list[Path]:
    """Name the generated files that differ from what would be written, and pages left over."""
    wanted = generated()
    wrong = [path for path, text in wanted.items() if _read(path) != text]
    there = set((DOCS / "reference").rglob("*.md"))
    return sorted([*wrong, *(there - set(wanted))])


def _read(path: Path) -> str | None:
    return path.read_text("utf-8") if path.exists() else None


def write() -> list[Path]:
    """Write what is out of date and remove pages left over; return what was touched."""
    wanted, touched = generated(), stale()
    for path in touched:
        if path in wanted:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], "utf-8")
        else:
            path.unlink()
    return touched


# Recording ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ran:
    """One command of a page: what was typed, its exit status and what it printed."""

    command: str
    status: int
    output: str


def run(command: str, folder: Path) -> Ran:
    """Run one command line in a folder, as a reader would, without progress and colors."""
    binaries = Path(sys.executable).parent
    environment = {
        **os.environ, "COLUMNS": str(COLUMNS), "NO_COLOR": "1", "OMP_NUM_THREADS": "1",
        "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    done = subprocess.run(  # noqa: S602 (the commands of our own pages, as a shell takes them)
        command, shell=True, cwd=folder, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    output = done.stdout if done.returncode < 2 else done.stderr
    return Ran(command, done.returncode, _trimmed(output))


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


def steps(text: str, folder: Path) -> Iterator[tuple[re.Match[str], list[Ran]]]:
    """Follow a page: save its named files, run its console blocks, in order."""
    for block in BLOCK.finditer(text):
        if block["kind"] == "console":
            typed = re.findall(r"^\$ (.*)$", block["text"], re.MULTILINE)
            yield block, [run(command, folder) for command in typed]
        elif block["name"]:
            (folder / block["name"]).write_text(block["text"], "utf-8")


def followed(text: str) -> str:
    """Return a page with the true output below each of its commands."""
    pieces, end = [], 0
    with tempfile.TemporaryDirectory() as folder:
        for block, ran in steps(text, Path(folder)):
            told = "\n".join(f"$ {one.command}\n{one.output}".rstrip() for one in ran)
            pieces += [text[end : block.start()], f"```console\n{told}\n```"]
            end = block.end()
    return "".join([*pieces, text[end:]])


def record_demo() -> None:
    """Run the demo, keep what it prints, and take a picture of its report."""
    with tempfile.TemporaryDirectory() as folder:
        ran = run("reticent demo", Path(folder))
        if ran.status:
            raise RuntimeError(ran.output)
        RECORDED.mkdir(exist_ok=True)
        (RECORDED / "demo.txt").write_text(f"{ran.output}\n", "utf-8")
        photograph(Path(folder) / "reticent-out" / "report.html", DOCS / "images" / "report.png")


def record_python() -> None:
    """Run the README's example and keep what it prints."""
    block = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert block is not None
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "example.py").write_text(block[1], "utf-8")
        ran = run("python example.py", Path(folder))
    if ran.status:
        raise RuntimeError(ran.output)
    (RECORDED / "python.txt").write_text(f"{ran.output}\n", "utf-8")


def photograph(page: Path, picture: Path) -> None:
    """Take a picture of a page's beginning, where a browser is at hand."""
    browser = shutil.which("chromium") or shutil.which("chrome")
    if browser is None:
        print("no chromium: the picture stays as it is", file=sys.stderr)
        return
    picture.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 "--hide-scrollbars", f"--user-data-dir={profile}"]  # fmt: skip
        subprocess.run(  # noqa: S603 (a local page in a browser that was looked up)
            [browser, *quiet, "--window-size=1200,1000", f"--screenshot={picture}", page.as_uri()],
            check=True, capture_output=True,
        )  # fmt: skip


def main() -> int:
    """Write, check or record."""
    parser = argparse.ArgumentParser(description="Write what is generated in the documentation.")
    parser.add_argument("--check", action="store_true", help="exit 1 if a file is out of date")
    parser.add_argument(
        "--refresh", choices=["demo", "python", "tutorial"], help="run it and record it"
    )
    given = parser.parse_args()
    if given.refresh == "demo":
        record_demo()
    if given.refresh == "python":
        record_python()
    if given.refresh == "tutorial":
        TUTORIAL.write_text(followed(TUTORIAL.read_text("utf-8")), "utf-8")
    touched = stale() if given.check else write()
    for path in touched:
        print(path.relative_to(ROOT), "is out of date" if given.check else "written")
    if given.check and touched:
        print("Run: make docs", file=sys.stderr)
    return 1 if given.check and touched else 0


if __name__ == "__main__":
    sys.exit(main())

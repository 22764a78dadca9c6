"""What a person sees while a command works: progress on standard error, results on output."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

import click

from reticent.errors import ConfigError

PLAIN_SECONDS = 2.0  # between two lines of progress where there is no terminal
Tell = Callable[[int, int, str], None]


def common(function: Any) -> Any:
    """Give a command ``--json`` and ``--quiet``."""
    function = click.option("--quiet", is_flag=True, help="No progress and no tables.")(function)
    return click.option(
        "--json", "as_json", is_flag=True, help="One JSON object on standard output."
    )(function)


def trusting(function: Any) -> Any:
    """Give a command that loads a model ``--trust-pickle``."""
    return click.option(
        "--trust-pickle", metavar="SHA256",
        help="Load a pickle or joblib file with exactly this hash. It can run any code.",
    )(function)  # fmt: skip


def typed_again(trust: str) -> str:
    """The command line as it was typed, with the hash of a pickle that is now trusted."""
    typed = list(click.get_current_context().find_root().obj or [])
    for place, word in reversed(list(enumerate(typed))):
        if word == "--trust-pickle":
            del typed[place : place + 2]
        elif word.startswith("--trust-pickle="):
            del typed[place]
    return shlex.join(["reticent", *typed, "--trust-pickle", trust])


@contextmanager
def progress(quiet: bool) -> Iterator[Tell]:
    """Show where a run is and how long it will take: a bar on a terminal, else plain lines.

    What a model prints meanwhile goes to standard error, or nowhere: standard output is the
    result's alone.
    """
    if quiet:
        with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
            yield lambda done, total, what: None  # noqa: ARG005
    elif sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        with redirect_stdout(sys.stderr):
            yield from _bar()
    else:
        with redirect_stdout(sys.stderr):
            yield _plain()


def _bar() -> Iterator[Tell]:
    from rich import progress as bar
    from rich.console import Console

    columns = (
        bar.TextColumn("{task.description}", style="dim"), bar.BarColumn(bar_width=24),
        bar.TimeElapsedColumn(), bar.TextColumn("left"), bar.TimeRemainingColumn(),
    )  # fmt: skip
    with bar.Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("starting", total=None)

        def tell(done: int, total: int, what: str) -> None:
            bars.update(task, completed=done, total=total, description=f"{what[:44]:<44}")

        yield tell


def _plain() -> Tell:
    """Lines for a log; a run that begins anew is timed anew."""
    began = last = time.monotonic()
    before = 0

    def tell(done: int, total: int, what: str) -> None:
        nonlocal began, last, before
        now = time.monotonic()
        if done < before:
            began = now
        before = done
        if now - last >= PLAIN_SECONDS and done:
            last = now
            left = (now - began) / done * (total - done)
            click.echo(f"[{done}/{total}] {what}, about {left:.0f} s left", err=True)

    return tell


def writable(folder: Path, *names: str) -> None:
    """Check that files can be written into a folder, before hours of work.

    Raises
    ------
    ConfigError : they cannot; nothing was made or changed.
    """
    parent = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.exists())
    taken = [folder / name for name in names if (folder / name).is_dir()]
    try:
        if not parent.is_dir() or taken:
            raise NotADirectoryError
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        found = error.strerror or (f"{taken[0]} is a folder" if taken else f"{parent} is a file")
        raise ConfigError(f"the output folder {folder}", found, "Give another: --out DIR") from None


def console() -> Any:
    """Return the console for tables on standard output; with NO_COLOR and in pipes it is plain."""
    from rich.console import Console

    plain = bool(os.environ.get("NO_COLOR")) or not sys.stdout.isatty()
    return Console(soft_wrap=False, color_system=None if plain else "auto")

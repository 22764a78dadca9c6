"""What a person sees while a command works: progress on standard error, results on output."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

PLAIN_SECONDS = 5.0  # between two lines of progress where there is no terminal
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


@contextmanager
def progress(quiet: bool) -> Iterator[Tell]:
    """Show where a run is and how long it will take: a bar on a terminal, else plain lines."""
    if quiet:
        yield lambda done, total, what: None  # noqa: ARG005
    elif sys.stderr.isatty():
        yield from _bar()
    else:
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
    began = last = time.monotonic()

    def tell(done: int, total: int, what: str) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PLAIN_SECONDS and done:
            last = now
            left = (now - began) / done * (total - done)
            click.echo(f"[{done}/{total}] {what}, about {left:.0f} s left", err=True)

    return tell


def console() -> Any:
    """Return the console for tables on standard output; it honours NO_COLOR and pipes."""
    from rich.console import Console

    return Console(soft_wrap=False)

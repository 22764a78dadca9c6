"""The command line: one file a command, imported only when that command runs.

Exit status, everywhere: 0 done and within limits; 1 done and not; 2 could not run.
"""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from importlib import import_module
from pathlib import Path

import click

from reticent import __version__
from reticent.errors import ReticentError, nearest

TRACE = "RETICENT_TRACE"  # set: an error that nobody foresaw is shown whole
COMMANDS = {
    "demo": "the whole loop on real data of an installed package",
    "init": "look at a model and a table and write reticent.toml",
    "audit": "attack a model, bare and as every role sees it",
    "attacks": "list the attacks, or explain one",
    "serve": "a guarded prediction service in front of a model",
    "keys": "make, list, rotate and revoke the keys that callers show",
    "alerts": "what was detected, and whether it reaches you",
    "callers": "how callers stand; freeze and release them",
    "detect": "detectors over recorded queries",
    "simulate": "honest and attacking traffic on your own data, to try thresholds",
    "policy": "what a batch would cost, and erasing what is kept of somebody",
    "verify": "was anything taken out of the journal or the evidence?",
    "doctor": "what is installed, missing or wrongly permitted",
}


class Lazy(click.Group):
    """A group whose commands are imported when they are asked for: `--help` imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's signature)
        """Name the commands in the order of a first use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command."""
        if cmd_name not in COMMANDS:
            return None
        found: click.Command = import_module(f"reticent.cli.{cmd_name}").command
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command, or say which one comes nearest."""
        if args and args[0] not in COMMANDS:
            ctx.fail(f"There is no command {args[0]!r}{nearest(args[0], list(COMMANDS))}.")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands from the table above, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="reticent")
def group() -> None:
    """Attack a model the way somebody would who wants to know about the people in its training
    data, see what it gives away, and limit it.

    \b
    First steps:
      reticent demo                      see it on real data, about a minute
      reticent init model.onnx data.csv  begin with your own model
      reticent audit reticent.toml       attack it

    Exit status: 0 within limits, 1 a limit exceeded or too little data to tell, 2 could not run.
    """


def main() -> None:
    """Run the command that was typed, and exit with its status.

    What libraries warn of is not for the person at a terminal, and may quote a record; only that
    a model was written by another version of its library is told.
    """
    if not sys.warnoptions:
        warnings.simplefilter("ignore")
        warnings.filterwarnings("default", message="Trying to unpickle estimator")
    sys.exit(status(sys.argv[1:]))


def status(typed: list[str]) -> int:
    """Run a command; every error becomes one message on standard error and status 2."""
    try:
        code = group.main(typed, prog_name="reticent", standalone_mode=False, obj=typed)
    except (click.exceptions.Abort, KeyboardInterrupt):
        return _stop("Stopped. Nothing half-written was left behind.")
    except click.ClickException as error:
        return _stop(error.format_message(), getattr(error, "ctx", None))
    except ReticentError as error:
        return _stop(str(error))
    except OSError as error:
        asked = error.filename or "a file"
        return _stop(f"{asked}: {error.strerror or type(error).__name__}. Check the path and who "
                     "may write there")  # fmt: skip
    except MemoryError:
        return _stop("memory: there was too little. Give fewer rows or --attacks NAME")
    except Exception as error:
        if os.environ.get(TRACE):
            raise
        return _stop(_unforeseen(error))
    return code if isinstance(code, int) else 0


def _stop(message: str, ctx: click.Context | None = None) -> int:
    click.echo(f"reticent: {message}", err=True)
    if ctx is not None:
        click.echo(f"See: {ctx.command_path} --help", err=True)
    return 2


def _unforeseen(error: Exception) -> str:
    """Name an error's kind and the lines it came through, never its text: it may quote a record."""
    steps = [Path(step.filename) for step in traceback.extract_tb(error.__traceback__)]
    lines = [step.lineno for step in traceback.extract_tb(error.__traceback__)]
    own = max(place for place, step in enumerate(steps) if "reticent" in step.parts)
    places = dict.fromkeys([f"{steps[own].name}:{lines[own]}", f"{steps[-1].name}:{lines[-1]}"])
    return (
        f"this command: it met a {type(error).__name__} that it does not know, at "
        f"{', '.join(places)}. Please report these words; {TRACE}=1 shows the rest, which may "
        "quote a record"
    )

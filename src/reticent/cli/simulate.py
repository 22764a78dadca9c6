"""``reticent simulate``: honest and attacking traffic on the user's own data."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from reticent.cli.audit import noise_key, views
from reticent.cli.project import Project, load_project
from reticent.cli.served import gates_of, load_served
from reticent.cli.shown import common, console, progress, trusting, writable
from reticent.errors import ConfigError
from reticent.evidence import write
from reticent.files import read_people
from reticent.monitor.simulate.run import BEHAVIORS, Simulation, check_names, simulate
from reticent.monitor.simulate.world import World
from reticent.monitor.trace import write_trace
from reticent.randomness import subkey
from reticent.schema import Schema
from reticent.target import Target
from reticent.targets.contracted import behind

SUFFIXES = (".csv", ".parquet")


class Summary(msgspec.Struct, frozen=True):
    """How often a behavior was played.

    Attributes
    ----------
    runs : how often; callers who act together count once. callers, queries : in all runs.
    """

    behavior: str
    kind: str
    runs: int
    callers: int
    queries: int


def _listed(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Print what can be simulated, and stop."""
    if not wanted:
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("behavior", "kind", "what it does"):
        table.add_column(heading, overflow="fold", no_wrap=heading != "what it does")
    for name, one in BEHAVIORS.items():
        noted = f" [permission: {one.permission}]" if one.permission else ""
        noted = f" [not detectable: {one.hides}]" if one.hides else noted
        table.add_row(name, _kind(name), (one.says + noted).replace("[", r"\["))
    console().print(table)
    ctx.exit()


@click.command()
@click.argument("project", type=click.Path(path_type=Path))
@click.option("-o", "--output", "out", type=click.Path(path_type=Path), required=True,
              metavar="TRACE", help="The trace to write: csv or parquet.")  # fmt: skip
@click.option("--role", help="Callers see the model as this role; without it, bare.")
@click.option("--honest", type=click.IntRange(min=0), default=1000, show_default=True,
              help="How many honest sessions.")  # fmt: skip
@click.option("--attacks", type=click.IntRange(min=0), default=60, show_default=True,
              help="How many attacks.")  # fmt: skip
@click.option("--behavior", "behaviors", multiple=True, metavar="NAME",
              help="Only this one; may be given several times. See: --list")  # fmt: skip
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True,
              help="Everything random follows from it.")  # fmt: skip
@click.option("--list", is_flag=True, is_eager=True, expose_value=False, callback=_listed,
              help="List the behaviors and stop.")  # fmt: skip
@trusting
@common
def command(
    project: Path,
    out: Path,
    role: str | None,
    honest: int,
    attacks: int,
    behaviors: tuple[str, ...],
    seed: int,
    trust_pickle: str | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Play honest callers and attackers against the model of PROJECT and write what they ask.

    TRACE is what a gateway would have recorded, made from your own tables: it holds people's
    values. A file beside it, trace.key.csv of trace.csv, says who was what. Try thresholds on it:
    reticent detect.

    Behaviors that need a permission (explainers, fairness audits, live forms) are played only if
    they are named.
    """
    plan = load_project(project)
    check_names(behaviors)
    _check_out(out, plan, project)
    with progress(quiet):
        world = world_of(plan, role, trust_pickle)
    with progress(quiet) as tell:
        made = simulate(world, seed, honest, attacks, behaviors or None, tell)
    if not made.sessions:
        raise ConfigError(
            "a trace", "--honest, --attacks and --behavior leave nobody", "Ask for somebody"
        )
    write_trace(out, made.sessions)
    keys = out.with_suffix(".key.csv")
    write(keys, _key_text(made).encode())
    _tell(made, out, keys, as_json, quiet)
    return 0


def _check_out(out: Path, plan: Project, project: Path) -> None:
    """A trace is written over nothing that the project lives on."""
    if out.suffix not in SUFFIXES:
        raise ConfigError(
            f"the trace {out}", f"{out.suffix or 'no suffix'} is not written here",
            f"Give one of: {', '.join(SUFFIXES)}",
        )  # fmt: skip
    data, model = plan.tables.data, plan.tables.model
    named = (data.members, data.others, data.auxiliary, data.released, model.path)
    own = {project.resolve(), *(plan.path(name).resolve() for name in named if name is not None)}
    for path in (out, out.with_suffix(".key.csv")):
        if path.resolve() in own:
            raise ConfigError(
                f"the trace {out}", f"the project itself uses {path}", "Give another name"
            )
    writable(out.parent, out.name, out.with_suffix(".key.csv").name)


def world_of(plan: Project, role: str | None, trust_pickle: str | None) -> World:
    """The people, the columns and the model of a project, as simulated callers meet them.

    Raises
    ------
    ReticentError : something is missing or does not fit; the message says what to do.
    """
    data = plan.tables.data
    if data.others is None and data.auxiliary is None:
        raise ConfigError(
            "people whom honest callers ask about", "[data] names neither others nor auxiliary",
            'Add to [data]: others = "fresh.csv", people the model never saw',
        )  # fmt: skip
    contract = None if role is None else views(plan, role)[role]
    if contract is not None and contract.output == "none":
        raise ConfigError(
            f"role {role!r}", "it is told nothing, so nobody works with it", "Name another role"
        )
    members = read_people(plan.path(data.members))
    people = read_people(plan.path(data.others or data.auxiliary or ""))
    public = read_people(plan.path(data.auxiliary)) if data.auxiliary else None
    target: Target | None
    if plan.tables.model.answers is not None:
        tables = plan.tables
        target = None  # recorded answers cannot be asked anything new
        schema = Schema.of(members.names, tables.columns, tables.domains, data.person)
    else:
        made, schema = load_served(plan, trust_pickle)
        target = made.target
        if contract is not None:
            key = noise_key(plan) or subkey(b"simulate", "noise")
            gate = gates_of(plan, schema).get(role or "")
            target = behind(target, contract, schema, key=key, gate=gate)
    return World.of(members, people, schema, target, public)


def _kind(name: str) -> str:
    return "attack" if BEHAVIORS[name].attack else "honest"


def _key_text(made: Simulation) -> str:
    """Who was what, as csv."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["caller", "behavior", "kind", "begins", "run"])
    for one in made.key:
        begins = "" if one.begins is None else one.begins
        lines.writerow([one.caller, one.behavior, _kind(one.behavior), begins, one.run])
    return text.getvalue()


def summaries(made: Simulation) -> list[Summary]:
    """Count what was played, behavior by behavior."""
    found = []
    for name in BEHAVIORS:
        mine = [place for place, one in enumerate(made.key) if one.behavior == name]
        if mine:
            runs = len({made.key[place].run for place in mine})
            queries = sum(len(made.sessions[place]) for place in mine)
            found.append(Summary(name, _kind(name), runs, len(mine), queries))
    return found


def _tell(made: Simulation, out: Path, keys: Path, as_json: bool, quiet: bool) -> None:
    counted = summaries(made)
    if as_json:
        told = {
            "trace": str(out), "key": str(keys), "callers": len(made.sessions),
            "queries": sum(one.queries for one in counted), "behaviors": counted,
            "left_out": made.left_out,
        }  # fmt: skip
        click.echo(msgspec.json.encode(told).decode())
    elif not quiet:
        _tell_people(counted, made.left_out)
        click.echo(f"\nTrace: {out} (it holds people's values)\nKey: {keys}")


def _tell_people(counted: Sequence[Summary], left_out: dict[str, str]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("behavior", "kind", "runs", "callers", "queries"):
        table.add_column(heading, justify="left" if heading in ("behavior", "kind") else "right")
    for one in counted:
        table.add_row(one.behavior, one.kind, str(one.runs), str(one.callers), str(one.queries))
    console().print(table)
    for why in dict.fromkeys(left_out.values()):
        names = ", ".join(name for name, reason in left_out.items() if reason == why)
        click.echo(f"Left out, because {why}: {names}")

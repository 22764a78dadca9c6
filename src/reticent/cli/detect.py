"""``reticent detect``: all detectors over a recorded trace."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec
import numpy as np

from reticent.cli.audit import noise_key, views
from reticent.cli.project import Project, load_project
from reticent.cli.served import gates_of, load_served
from reticent.cli.shown import Tell, common, console, progress, trusting
from reticent.cli.watched import reference_of, sketcher_of
from reticent.contract import Contract
from reticent.event import Alert
from reticent.files import read_people
from reticent.monitor.detect import Detection, detect
from reticent.monitor.memory import Rules
from reticent.monitor.trace import Session, read_trace
from reticent.monitor.watch import Watch
from reticent.randomness import subkey
from reticent.schema import Schema
from reticent.target import Target
from reticent.targets.contracted import behind

BARE = "bare"
MOST, LONGEST = 50, 64  # callers in the table, letters of a name
BLIND = (
    "one query per record; an inversion network trained on ordinary records; single membership "
    "probes; 98 % cover traffic"
)
ADVICE = "There contracts, budgets and differential privacy help, and no detector"


class Line(msgspec.Struct, frozen=True):
    """One alert as ``--json`` prints it."""

    caller: str
    query: int
    detector: str
    reason: str
    promise: str


@click.command()
@click.argument("project", type=click.Path(path_type=Path))
@click.argument("trace", type=click.Path(path_type=Path))
@click.option("--calibrate", "honest", type=click.Path(path_type=Path), metavar="HONEST",
              help="A trace of honest callers; it sets the thresholds of sessions.")  # fmt: skip
@click.option("--alpha", type=click.FloatRange(0, 0.5, min_open=True, max_open=True),
              help="How often an honest caller may be alarmed; default 0.01.")  # fmt: skip
@click.option("--role", help="The callers see the model as this role; without it, bare.")
@trusting
@common
def command(
    project: Path,
    trace: Path,
    honest: Path | None,
    alpha: float | None,
    role: str | None,
    trust_pickle: str | None,
    as_json: bool,
    quiet: bool,
) -> int:
    """Show the queries of TRACE (csv or parquet) to every detector; status 1 if one alerts.

    A trace holds a row for each query: the caller, the model's columns and, where they were
    recorded, at, source, answered, label and confidence. All rows of a caller are one session.
    Answers that were not recorded are asked of [model].

    Promises on whole sessions need --calibrate: 99 honest callers at 1 %, and 299 for a promise
    with 95 % confidence. What no detector can see is printed at the end.
    """
    plan = load_project(project)
    contract = None if role is None else views(plan, role)[role]
    with progress(quiet):
        target, schema, words = _model(plan, role, contract, trust_pickle)
    sessions = read_trace(trace, schema.inputs, words)
    calm = [] if honest is None else read_trace(honest, schema.inputs, words)
    with progress(quiet) as tell:
        found = _detected(plan, schema, contract, role or BARE, sessions, calm, target, alpha, tell)
    told = plan.tables.monitor.alpha if alpha is None else alpha
    _tell(found, sessions, calm, target, told, as_json, quiet)
    return 1 if found.alerts else 0


def _model(
    plan: Project, role: str | None, contract: Contract | None, trust_pickle: str | None
) -> tuple[Target | None, Schema, list[str] | None]:
    """The model as the role sees it, if there is one to ask, its columns, and those of text."""
    tables = plan.tables
    if tables.model.answers is not None or (contract is not None and contract.output == "none"):
        members = read_people(plan.path(tables.data.members))
        schema = Schema.of(members.names, tables.columns, tables.domains, tables.data.person)
        return None, schema, None
    made, schema = load_served(plan, trust_pickle)
    kinds = zip(made.card.columns, made.card.kinds, strict=True)
    words = [name for name, kind in kinds if kind == "text"]
    if contract is None:
        return made.target, schema, words
    key = noise_key(plan) or subkey(b"detect", "noise")
    gate = gates_of(plan, schema).get(role or "")
    return behind(made.target, contract, schema, key=key, gate=gate), schema, words


def _detected(
    plan: Project,
    schema: Schema,
    contract: Contract | None,
    role: str,
    sessions: Sequence[Session],
    calm: Sequence[Session],
    target: Target | None,
    alpha: float | None,
    tell: Tell,
) -> Detection:
    settings = plan.tables.monitor
    if alpha is not None:
        settings = msgspec.structs.replace(settings, alpha=alpha)
    tell(0, 1, "what honest queries look like")
    sketcher, groups = sketcher_of(plan, schema, schema.inputs, os.urandom(32))
    reference = reference_of(plan, schema.inputs, groups, sketcher)
    rules = Rules.of(contract, settings, _refused(calm))
    watch = Watch(settings, reference, len(groups), {role: rules})
    total = len(sessions) + len(calm)
    return detect(
        sessions, watch, sketcher, role=role, honest=calm, target=target,
        tell=lambda done: tell(done, total, "detecting"),
    )  # fmt: skip


def _refused(sessions: Sequence[Session]) -> float | None:
    """The share of honest queries that were refused, where that was recorded."""
    told = [one.answered for one in sessions if one.answered is not None]
    return float(1.0 - np.concatenate(told).mean()) if told else None


def _tell(
    found: Detection, sessions: Sequence[Session], calm: Sequence[Session], target: Target | None,
    alpha: float, as_json: bool, quiet: bool,
) -> None:  # fmt: skip
    if as_json:
        for name, alert in found.alerts:
            line = Line(name, alert.query, alert.detector, alert.reason, alert.promise)
            click.echo(msgspec.json.encode(line).decode())
        return
    if quiet:
        return
    if found.alerts:
        console().print(_table(found.alerts))
    callers = len({name for name, _ in found.alerts})
    click.echo(f"\n{callers} of {len(sessions)} callers are alarmed.")
    if len(sessions) > 1:
        click.echo(click.wrap_text(_chosen(found, len(sessions), alpha), console().width))
    for note in _notes(found, sessions, calm, target):
        click.echo(click.wrap_text(f"Note: {note}", console().width, subsequent_indent="  "))


def _chosen(found: Detection, callers: int, alpha: float) -> str:
    """Who stands out of all callers, and what that promises."""
    names = [_printable(name) for name in found.chosen[:MOST]]
    if len(found.chosen) > MOST:
        names.append(f"and {len(found.chosen) - MOST} more")
    return (f"Of all {callers} together {len(found.chosen)} stand out by the written allowance"
            f"{': ' if names else ''}{', '.join(names)}. Of those chosen so (e-BH, from the "
            f"evidence as it is at the end of the trace) on average at most {100 * alpha:g} % keep "
            "to it.")  # fmt: skip


def _table(alerts: Sequence[tuple[str, Alert]]) -> object:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for heading in ("caller", "query", "detector", "alerts", "reason of the first", "promise"):
        right = heading in ("query", "alerts")
        table.add_column(heading, overflow="fold", justify="right" if right else "left")
    first: dict[str, Alert] = {}
    for name, alert in alerts:
        first.setdefault(name, alert)
    times = Counter(name for name, _ in alerts)
    for name, alert in list(first.items())[:MOST]:
        words = (_printable(name), str(alert.query), alert.detector, str(times[name]),
                 alert.reason, alert.promise)  # fmt: skip
        table.add_row(*map(Text, words))
    if len(first) > MOST:
        table.add_row(Text(f"and {len(first) - MOST} more: see --json"))
    return table


def _printable(name: str) -> str:
    """A caller may be named anything: no control character reaches the terminal."""
    shown = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in name)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 3]}..."


def _notes(
    found: Detection, sessions: Sequence[Session], calm: Sequence[Session], target: Target | None
) -> list[str]:
    notes = []
    if not calm:
        notes.append("spread, climb, grid and manifold promise nothing without --calibrate HONEST "
                     "and did not run.")  # fmt: skip
    elif found.calibrated is not None and found.calibrated.missing:
        notes.append("spread, climb, grid and manifold did not run: "
                     f"{found.calibrated.missing} honest sessions are missing.")  # fmt: skip
    told = all(one.confidence is not None for one in sessions)
    if target is None and not told:
        notes.append("confidence was not recorded and there is no model to ask: climb did not run.")
    notes.append(f"not detectable: {BLIND}. {ADVICE}.")
    return notes

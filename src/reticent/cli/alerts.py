"""``reticent alerts``: what was detected, and whether it would reach anybody."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from reticent.cli.project import Project, load_project
from reticent.cli.shown import common
from reticent.errors import ConfigError, MissingExtraError, kind_and_place, nearest
from reticent.event import Alert
from reticent.monitor.alerts import opened
from reticent.monitor.alerts.ocsf import count
from reticent.monitor.alerts.sender import UndeliveredError
from reticent.monitor.alerts.settings import TEST, Severity, Sink, severity
from reticent.stores.opened import open_store

project_file = click.argument("project", type=click.Path(path_type=Path))


class Tried(msgspec.Struct, frozen=True):
    """What came of a test at one sink: whether it took it, what was wrong, and how long it took."""

    sink: str
    kind: str
    delivered: bool
    found: str
    seconds: float


class Told(msgspec.Struct, frozen=True):
    """An alert as it is told: tokens in hex, the time in UTC."""

    id: str
    at: str
    severity: Severity
    detector: str
    role: str
    model: str
    caller: str
    source: str
    query: int
    count: int
    reason: str
    promise: str
    evidence: dict[str, float]
    contract: str
    others: tuple[str, ...]
    auditor: bool


@click.group()
def command() -> None:
    """Show what was detected, and try whether alerts reach the places in [alerts]."""


@command.command()
@project_file
@click.option("--sink", "only", metavar="NAME", help="Try this one alone; default: all.")
@common
def test(project: Path, only: str | None, as_json: bool, quiet: bool) -> int:
    """Send an alert that is marked as a test through the sinks of PROJECT (a reticent.toml), and
    say what came of it. It goes to every sink, whatever it would filter. Exit status 1 means that
    one did not take it.
    """
    plan = load_project(project)
    sinks = _chosen(plan.tables.alerts, only)
    with ThreadPoolExecutor(len(sinks)) as threads:
        tried = list(threads.map(lambda name: _try(plan, name, sinks[name]), sinks))
    for one in tried:
        if as_json:
            click.echo(msgspec.json.encode(one).decode())
        elif not quiet:
            came = "delivered" if one.delivered else f"FAILED: {one.found}"
            click.echo(f"{one.sink} ({one.kind}): {came}, {one.seconds:.1f} s")
    return 0 if all(one.delivered for one in tried) else 1


@command.command("list")
@project_file
@click.option("--most", type=click.IntRange(min=1), default=50, show_default=True,
              help="How many, the newest first.")  # fmt: skip
@common
def list_newest(project: Path, most: int, as_json: bool, quiet: bool) -> None:
    """List the newest alerts in the store of PROJECT, whether or not they were sent anywhere: when
    (UTC), how grave, which detector, the role, the caller's token, how often, and why.
    """
    plan = load_project(project)
    with closing(open_store(plan.tables.store.url, plan.state)) as store:
        notes = store.newest("alert", most)
    read = msgspec.msgpack.Decoder(Alert).decode
    alerts = [told(read(note.content)) for note in notes]
    if as_json:
        for one in alerts:
            click.echo(msgspec.json.encode(one).decode())
    elif not alerts and not quiet:
        click.echo("no alerts.")
    elif not quiet:
        _show(alerts)


def _chosen(sinks: dict[str, Sink], only: str | None) -> dict[str, Sink]:
    if not sinks:
        raise ConfigError(
            "testing the alerts", "the project names no place for them",
            'Add: [alerts.siem] with kind = "webhook" and url = "https://..."',
        )  # fmt: skip
    if only is None:
        return sinks
    if only not in sinks:
        raise ConfigError(
            f"--sink {only}", f"there is no such sink{nearest(only, list(sinks))}",
            f"Use one of: {', '.join(sinks)}",
        )  # fmt: skip
    return {only: sinks[only]}


def _try(plan: Project, name: str, sink: Sink) -> Tried:
    began, found = time.monotonic(), ""
    try:
        opened(sink, plan.folder).send(marked(plan))
    except UndeliveredError as error:
        found = error.found
    except MissingExtraError as error:
        found = f"{error.found}. {error.do}"
    except Exception as error:  # noqa: BLE001 (whatever a library raises, the others go on)
        found = f"it failed ({kind_and_place(error)})"
    return Tried(name, sink.kind, not found, found, round(time.monotonic() - began, 3))


def marked(plan: Project) -> Alert:
    """An alert that says of itself that nothing happened."""
    return Alert(
        id=f"test-{os.urandom(8).hex()}", at=time.time(), caller=bytes(16), query=0, detector=TEST,
        reason="This is a test: nothing was detected. Somebody ran: reticent alerts test",
        promise="A test is always false.", evidence={"count": 1.0},
        model=plan.tables.model.name or "",
    )  # fmt: skip


def told(alert: Alert) -> Told:
    """Say an alert for people and programs."""
    at = datetime.fromtimestamp(alert.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Told(
        alert.id, at, severity(alert), alert.detector, alert.role, alert.model,
        alert.caller.hex(), alert.source.hex(), alert.query, count(alert), alert.reason,
        alert.promise, alert.evidence, alert.contract, tuple(one.hex() for one in alert.others),
        alert.auditor,
    )  # fmt: skip


def _show(alerts: Sequence[Told]) -> None:
    """Print two lines an alert: its facts below one another, then the reason at any width."""
    lines = [
        [
            one.at[:16].replace("T", " "), one.severity, one.detector,
            f"{one.role} (auditor)" if one.auditor else one.role,
            one.caller[:12] + (f" +{len(one.others)}" if one.others else ""),
            f"x{one.count}" if one.count > 1 else "",
        ]
        for one in alerts
    ]  # fmt: skip
    wide = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for one, line in zip(alerts, lines, strict=True):
        cells = (f"{cell:<{width}}" for cell, width in zip(line, wide, strict=True))
        click.echo(f"{'  '.join(cells).rstrip()}\n    {one.reason}")

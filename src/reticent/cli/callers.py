"""``reticent callers``: how callers stand, and freezing and releasing them."""

from __future__ import annotations

import getpass
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from reticent.access.identity import Identity
from reticent.access.secret import root_secret
from reticent.cli.project import load_project
from reticent.cli.shown import common, console
from reticent.monitor.promise import chosen
from reticent.monitor.standing import STATES, Standing, every, freeze, named, release, told
from reticent.store import Store
from reticent.stores.opened import open_store

SHORT = 12  # letters of a token in a table
project_file = click.argument("project", type=click.Path(path_type=Path))
because = click.option(
    "--reason", required=True, metavar="TEXT", help="Why; it is kept in the journal."
)


@click.group()
def command() -> None:
    """Show how callers stand, and freeze or release them. Changes reach every replica within a
    second.
    """


@command.command("list")
@project_file
@click.option("--state", type=click.Choice(STATES), help="Only these.")
@click.option("--most", type=click.IntRange(min=1), default=50, show_default=True,
              help="How many: who is not free comes first.")  # fmt: skip
@common
def list_all(project: Path, state: str | None, most: int, as_json: bool, quiet: bool) -> None:
    """List callers of PROJECT (a reticent.toml) by their tokens, with the names that their keys
    were made for.
    """
    with opened(project) as (store, identity):
        known = list(every(store))
        alpha = load_project(project).tables.monitor.alpha
        picked = {known[place].principal for place in chosen([one.value for one in known], alpha)}
        found = sorted((one for one in known if state in (None, one.state)), key=rank)
        shown = found[:most]
        records = store.keys() if shown else []
        owners = {identity.token(key.principal): key.owner for key in records}
    if as_json:
        for one in shown:
            line = {**told(one), "owner": owners.get(one.principal, ""),
                    "chosen": one.principal in picked}  # fmt: skip
            click.echo(msgspec.json.encode(line).decode())
    elif not shown and not quiet:
        click.echo("no callers yet." if state is None else f"no caller is {state}.")
    elif not quiet:
        show_table(shown, owners, picked)
        if len(known) > 1 and picked:
            click.echo(f"* stands out of all {len(known)} together: of those chosen so (e-BH, now) "
                       f"on average at most {100 * alpha:g} % keep to the allowance.")  # fmt: skip
        if len(found) > most:
            click.echo(f"{len(found) - most} more: --most {len(found)}")


@command.command("freeze")
@project_file
@click.argument("token")
@because
@common
def freeze_one(project: Path, token: str, reason: str, as_json: bool, quiet: bool) -> None:
    """Refuse a caller of PROJECT everything, on all replicas within a second.

    TOKEN is as in `reticent callers list`; its first letters do.
    """
    with opened(project) as (store, identity):
        done = freeze(store, named(store, token), by=me(identity), reason=reason, now=time.time())
    tell(done, "frozen, effective within 1 s on all replicas", as_json, quiet)


@command.command("release")
@project_file
@click.argument("token")
@because
@common
def release_one(project: Path, token: str, reason: str, as_json: bool, quiet: bool) -> None:
    """Treat a caller of PROJECT as any other again, and forget the evidence against them.

    TOKEN is as in `reticent callers list`; its first letters do.
    """
    with opened(project) as (store, identity):
        done = release(store, named(store, token), by=me(identity), reason=reason, now=time.time())
    tell(done, "free, effective within 1 s on all replicas", as_json, quiet)


@contextmanager
def opened(project: Path) -> Iterator[tuple[Store, Identity]]:
    """Open a project's store, with who knows the callers' tokens."""
    plan = load_project(project)
    with closing(open_store(plan.tables.store.url, plan.state)) as store:
        yield store, Identity(store, root_secret(plan.state))


def me(identity: Identity) -> bytes:
    """The token of who sits at this machine: no name stands in the journal."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = ""
    return identity.token(f"local user {name}")


def rank(one: Standing) -> tuple[int, float, int, float]:
    """Where a caller stands in the list: the strictest state first, then the most evidence."""
    return -STATES.index(one.state), -one.score, -one.alerts, -one.last


def tell(done: Standing, words: str, as_json: bool, quiet: bool) -> None:
    """Say what was done."""
    if as_json:
        click.echo(msgspec.json.encode(told(done)).decode())
    elif not quiet:
        click.echo(f"{done.principal.hex()[:SHORT]} is {words}")


def show_table(
    rows: list[Standing], owners: Mapping[bytes, str], picked: Collection[bytes]
) -> None:
    """Print callers as a table; a star marks the evidence of those who stand out of all."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("caller", "owner", "role", "state", "queries", "refused", "alerts", "evidence",
                    "since (UTC)"):  # fmt: skip
        table.add_column(heading, no_wrap=heading not in ("owner", "role"), overflow="fold")
    for one in rows:
        star = " *" if one.principal in picked else ""
        since = datetime.fromtimestamp(one.since, UTC).strftime("%Y-%m-%d %H:%M")
        table.add_row(
            one.principal.hex()[:SHORT], escape(owners.get(one.principal, "")), escape(one.role),
            one.state, str(one.queries), str(one.refused), str(one.alerts),
            f"{100 * one.score:.0f} %{star}", since if one.since else "",
        )  # fmt: skip
    console().print(table)

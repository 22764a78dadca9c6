"""``reticent keys``: who may ask, as what, and until when."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from reticent.access.keys import ID, duration, ending, foreign, issue, live, revoke, rotate, state
from reticent.access.secret import find_secret, root_secret
from reticent.cli.project import Project, load_project
from reticent.cli.shown import common, console
from reticent.contract import RESERVED_ROLES
from reticent.errors import ConfigError, nearest
from reticent.store import KeyRecord, Store
from reticent.stores.opened import open_store

LOST = "of another secret"
project_file = click.argument("project", type=click.Path(path_type=Path))


class Shown(msgspec.Struct, frozen=True, omit_defaults=True):
    """A key as it is told: times in UTC; ``key`` is the whole of it, told when it is made."""

    id: str
    role: str
    owner: str
    auditor: bool
    created: str
    expires: str | None
    revoked: str | None
    state: str
    key: str = ""


@click.group()
def command() -> None:
    """Make, list, rotate and revoke the keys that callers show. Changes reach every replica within
    a second.
    """


@command.command()
@project_file
@click.option("--role", required=True, help="What the caller comes as: a role of the project, "
              "admin or observer.")  # fmt: skip
@click.option("--owner", default="", metavar="NAME",
              help="Whose it is. All keys of one owner share one budget.")  # fmt: skip
@click.option("--expires", metavar="TIME", help="Such as 90d or 12h; default: never.")
@click.option("--auditor", is_flag=True, help="For attacking the role's live endpoint: own budget, "
              "alerts are marked; one day unless --expires says up to 7d.")  # fmt: skip
@common
def create(
    project: Path,
    role: str,
    owner: str,
    expires: str | None,
    auditor: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Make a key for PROJECT (a reticent.toml) and print it alone; it is never shown again."""
    plan, now = load_project(project), time.time()
    check_role(plan, role, auditor)
    until = None if expires is None else now + duration(expires)
    until = ending(auditor, until, now)
    if not owner.isprintable():
        raise ConfigError("--owner", "it holds characters that do not print", "Write a plain name")
    with opened(plan) as (store, secret):
        record, text = issue(secret, role, owner=owner, auditor=auditor, expires=until, now=now)
        store.save_key(record)
    tell_key(record, text, now, as_json, quiet)


@command.command("list")
@project_file
@common
def list_all(project: Path, as_json: bool, quiet: bool) -> None:
    """List the keys of PROJECT, oldest first; never their secrets."""
    plan, now = load_project(project), time.time()
    secret = find_secret(plan.state)
    with closing(open_store(plan.tables.store.url, plan.state)) as store:
        records = store.keys()
    lost = {one.id for one in (records if secret is None else foreign(secret, records))}
    rows = [
        told(one, LOST if one.id in lost and live(one, now) else state(one, now)) for one in records
    ]
    if as_json:
        for row in rows:
            click.echo(msgspec.json.encode(row).decode())
    elif not rows and not quiet:
        click.echo(f"no keys yet. Make one: reticent keys create {project} --role R")
    elif not quiet:
        show_table(rows)


@command.command("rotate")
@project_file
@click.argument("id")
@click.option("--grace", metavar="TIME", help="How long the old key goes on working, such as 1h; "
              "default: not at all.")  # fmt: skip
@click.option("--expires", metavar="TIME", help="Of the new key; default: it lives as long as the "
              "old one was made for.")  # fmt: skip
@common
def rotate_one(
    project: Path,
    id: str,  # noqa: A002 (the word of the trade)
    grace: str | None,
    expires: str | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Replace a key of PROJECT by a new one of the same principal, and print the new one alone.

    ID is the part of the key between the underscores. Budgets and alerts stay with the principal.
    """
    plan, now = load_project(project), time.time()
    until = None if expires is None else now + duration(expires)
    kept = 0.0 if grace is None else duration(grace)
    with opened(plan) as (store, secret):
        old = found(store, id)
        record, text, before = rotate(secret, old, grace=kept, expires=until, now=now)
        store.save_key(record)
        store.save_key(before)
    tell_key(record, text, now, as_json, quiet)


@command.command("revoke")
@project_file
@click.argument("id")
@common
def revoke_one(
    project: Path,
    id: str,  # noqa: A002 (the word of the trade)
    as_json: bool,
    quiet: bool,
) -> None:
    """Revoke a key of PROJECT, on all replicas within a second.

    ID is the part of the key between the underscores.
    """
    plan, now = load_project(project), time.time()
    with closing(open_store(plan.tables.store.url, plan.state)) as store:
        record = revoke(found(store, id), now)
        store.save_key(record)
    if as_json:
        click.echo(msgspec.json.encode(told(record, state(record, now))).decode())
    elif not quiet:
        click.echo(f"revoked {record.id}, effective within 1 s on all replicas")


@contextmanager
def opened(project: Project) -> Iterator[tuple[Store, bytes]]:
    """Open the store and the root secret, which is made where no key depends on a lost one.

    Raises
    ------
    ConfigError : the keys in the store were issued under another secret.
    """
    secret = find_secret(project.state)
    with closing(open_store(project.tables.store.url, project.state)) as store:
        now = time.time()
        every = store.keys()
        records = [record for record in every if live(record, now)]
        lost = records if secret is None else foreign(secret, records)
        if lost and len(lost) == len(records):
            raise ConfigError(
                "the root secret",
                f"the keys in the store ({len(lost)}) were made with another one, and no server "
                "takes both them and a new one",
                "Set RETICENT_SECRET or restore .reticent/secret as the server has it; if it is "
                "lost, revoke them first: reticent keys list, reticent keys revoke",
            )
        yield store, root_secret(project.state, create=True) if secret is None else secret


def check_role(project: Project, role: str, auditor: bool) -> None:
    """Check that a role is there, and that there is something to audit in it.

    Raises
    ------
    ConfigError : it is none of the project's; the nearest is named.
    """
    roles = [*project.policy.roles, *RESERVED_ROLES]
    if role not in roles:
        raise ConfigError(
            f"role {role!r}", f"the project has no such role{nearest(role, roles)}",
            f"Use one of: {', '.join(roles)}; or add [roles.NAME]",
        )  # fmt: skip
    if auditor and role in RESERVED_ROLES:
        raise ConfigError(
            f"--auditor with role {role!r}", "that role is told nothing of the model",
            f"Use one of: {', '.join(project.policy.roles) or 'none yet; add [roles.NAME]'}",
        )  # fmt: skip


def found(store: Store, typed: str) -> KeyRecord:
    """Find a key by its id, or by the whole key, of which the secret part is never repeated.

    Raises
    ------
    ConfigError : there is none.
    """
    id = typed.removeprefix("rtc_").partition("_")[0]  # noqa: A001
    if not ID.fullmatch(id):
        raise ConfigError(
            "the key", "what was typed is no id: 12 of a to z and 2 to 7",
            "See: reticent keys list reticent.toml",
        )  # fmt: skip
    record = store.key(id)
    if record is None:
        known = store.keys()
        raise ConfigError(
            f"the key {id}", f"there is no such key{nearest(id, [one.id for one in known])}",
            "See: reticent keys list reticent.toml",
        )  # fmt: skip
    return record


def told(record: KeyRecord, how: str, text: str = "") -> Shown:
    """Say what may be told of a key."""
    return Shown(
        record.id, record.role, record.owner, record.auditor, moment(record.created) or "",
        moment(record.expires), moment(record.revoked), how, text,
    )  # fmt: skip


def tell_key(record: KeyRecord, text: str, now: float, as_json: bool, quiet: bool) -> None:
    """Print a new key alone on standard output, and on standard error what to know of it."""
    if as_json:
        click.echo(msgspec.json.encode(told(record, state(record, now), text)).decode())
        return
    click.echo(text)
    if not quiet:
        until = moment(record.expires)
        click.echo(
            f"Key {record.id} for the role {record.role}, "
            f"{f'until {until}' if until else 'without end'}. "
            "It is not stored and not shown again: keep it now.",
            err=True,
        )


def show_table(rows: list[Shown]) -> None:
    """Print keys as a table."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("id", "role", "owner", "created (UTC)", "expires", "state"):
        table.add_column(heading, no_wrap=heading not in ("role", "owner"), overflow="fold")
    for row in rows:
        role = f"{row.role} (auditor)" if row.auditor else row.role
        times = [minute(row.created), minute(row.expires) if row.expires else "never"]
        table.add_row(row.id, escape(role), escape(row.owner), *times, row.state)
    console().print(table)


def moment(at: float | None) -> str | None:
    """Write a time as ISO 8601, UTC."""
    return None if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def minute(written: str) -> str:
    """Shorten a time for a table."""
    return written[:16].replace("T", " ")

"""``reticent policy``: what a batch would cost, and what is kept of whom."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import click
import msgspec

from reticent.access.identity import Identity
from reticent.access.secret import root_secret
from reticent.cli.project import load_project
from reticent.cli.shown import common
from reticent.contract import Contract
from reticent.errors import ConfigError, nearest
from reticent.gateway.budget import ALL, DAY, MINUTE, of_principal, of_role
from reticent.gateway.erasing import erased
from reticent.store import Store
from reticent.stores.opened import open_store

project_file = click.argument("project", type=click.Path(path_type=Path))


class Price(msgspec.Struct, frozen=True):
    """What a batch costs of one budget.

    Attributes
    ----------
    budget : which one. limit, left, cost : rows; left is None where no owner was named.
    fits : whether the whole batch would be answered. opens : seconds until the window is over.
    """

    budget: str
    limit: int
    left: int | None
    cost: int
    fits: bool
    opens: int


@click.group()
def command() -> None:
    """Say what a batch of rows would cost, and erase what is kept of somebody."""


@command.command()
@project_file
@click.option("--rows", type=click.IntRange(min=1), required=True, help="Rows of the batch.")
@click.option("--role", required=True, help="The role that would ask.")
@click.option("--owner", metavar="NAME", help="Whose key it would be; without it, what a fresh "
              "principal has.")  # fmt: skip
@common
def price(
    project: Path, rows: int, role: str, owner: str | None, as_json: bool, quiet: bool
) -> int:
    """Price a batch for a role of PROJECT: what it would cost, and what is left.

    Every row costs one, refused ones too; a batch that does not fit is refused whole and costs
    nothing. Exit status 1 means that it would be refused. Rows that a running gateway has leased
    and not yet spent count as spent.
    """
    plan, now = load_project(project), time.time()
    roles = plan.policy.roles
    if role not in roles:
        raise ConfigError(
            f"role {role!r}", f"the project has no such role{nearest(role, list(roles))}",
            f"Use one of: {', '.join(roles) or 'none is written yet'}",
        )  # fmt: skip
    with closing(open_store(plan.tables.store.url, plan.state)) as store:
        token = None
        if owner is not None:
            token = _token(store, root_secret(plan.state), owner)
        limits = _limits(roles[role], role, token, plan.tables.gateway.rows_per_day)
        prices = [_priced(store, *limit, rows, now) for limit in limits]
    _tell(prices, rows, as_json, quiet)
    return 0 if all(one.fits for one in prices) else 1


@command.command()
@project_file
@click.option("--owner", metavar="NAME", required=True, help="Whose queries to erase.")
@common
def erase(project: Path, owner: str, as_json: bool, quiet: bool) -> int:
    """Erase what PROJECT keeps of an owner's queries. In the journal their hashes stay, so that
    it still verifies, and that something was erased. Whoever is frozen stays frozen.
    """
    plan, now = load_project(project), time.time()
    with closing(open_store(plan.tables.store.url, plan.state)) as store:
        token = _token(store, root_secret(plan.state), owner)
        count = erased(store, now, now, "asked for by a person", token)
    if as_json:
        click.echo(msgspec.json.encode({"erased": count}).decode())
    elif not quiet:
        click.echo(f"{count} entries were erased.")
    return 0


def _token(store: Store, secret: bytes, owner: str) -> bytes:
    """The principal's token of an owner who has a key, or of a token's issuer and subject."""
    records = store.keys()
    named = {one.owner: one.principal for one in records if one.owner}
    return Identity(store, secret).token(named.get(owner, owner))


def _limits(
    contract: Contract, role: str, token: bytes | None, everybody: int | None
) -> list[tuple[str, str | None, int, int]]:
    """The budgets that a request falls under: in words, account, span, limit."""
    own = {span: None if token is None else of_principal(token, span) for span in (MINUTE, DAY)}
    found = [
        ("your rows a minute", own[MINUTE], MINUTE, contract.rows_per_minute),
        ("your rows a day", own[DAY], DAY, contract.rows_per_day),
        (f"rows a day of all of {role}", of_role(role), DAY, contract.role_rows_per_day),
        ("rows a day of all roles", ALL, DAY, everybody),
    ]
    return [(words, name, span, limit) for words, name, span, limit in found if limit is not None]


def _priced(
    store: Store, words: str, account: str | None, span: int, limit: int, rows: int, now: float
) -> Price:
    window = int(now) // span * span
    left = None if account is None else limit - store.used(account, window)
    fits = rows <= (limit if left is None else left)
    return Price(words, limit, left, rows, fits, int(window + span - now) + 1)


def _tell(prices: list[Price], rows: int, as_json: bool, quiet: bool) -> None:
    if as_json:
        for one in prices:
            click.echo(msgspec.json.encode(one).decode())
    elif not prices and not quiet:
        click.echo(f"{rows} rows cost nothing: no budget is set.")
    elif not quiet:
        for one in prices:
            left = f"of {one.limit}" if one.left is None else f"{one.left} of {one.limit} left"
            fits = "fits" if one.fits else f"does NOT fit; the window ends in {one.opens} s"
            click.echo(f"{one.budget}: costs {one.cost}, {left}: {fits}")

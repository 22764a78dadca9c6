"""``reticent serve``: a guarded prediction service in front of a model."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import msgspec

from reticent.access.keys import live
from reticent.access.policy import internal
from reticent.access.secret import root_secret, signing_key
from reticent.access.tokens import Tokens
from reticent.cli.project import Project, load_project
from reticent.cli.served import gates_of, load_served
from reticent.cli.shown import common, trusting
from reticent.cli.watched import kept_reference
from reticent.contract import RESERVED_ROLES
from reticent.errors import ConfigError, MissingExtraError
from reticent.monitor import alerts
from reticent.schema import Schema
from reticent.store import Store
from reticent.stores.opened import open_store
from reticent.targets.card import Card

NEEDS = ("uvicorn", "starlette", "prometheus_client", "uvloop", "httptools")


class Told(msgspec.Struct, frozen=True):
    """Where a gateway listens, and how to ask it.

    Attributes
    ----------
    keys : whether any key opens it. notes : what its keeper should know.
    """

    url: str
    admin: str
    model: str
    served: str
    roles: dict[str, str]
    keys: bool
    curl: str | None
    notes: tuple[str, ...]


@click.command()
@click.argument("project", type=click.Path(path_type=Path))
@click.option("--host", help="Listen on this address; default: [gateway].listen.")
@click.option("--port", type=click.IntRange(0, 65_535), help="0: any free port.")
@click.option("--admin-port", type=click.IntRange(0, 65_535), help="Of the local listener.")
@click.option("--workers", type=click.IntRange(1, 256), default=1, show_default=True,
              help="Processes that answer.")  # fmt: skip
@click.option("--tls-cert", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="Certificate chain, PEM.")  # fmt: skip
@click.option("--tls-key", type=click.Path(path_type=Path, exists=True, dir_okay=False),
              help="Its private key, PEM.")  # fmt: skip
@trusting
@common
def command(
    project: Path, host: str | None, port: int | None, admin_port: int | None, workers: int,
    tls_cert: Path | None, tls_key: Path | None, trust_pickle: str | None, as_json: bool,
    quiet: bool,
) -> int:  # fmt: skip
    """Serve the model of PROJECT (a reticent.toml): each caller sees what their role's contract
    shows, within their budget, and every query is recorded before it is answered.

    Speaks the Open Inference Protocol v2 on the public listener; metrics and the gateway's state
    are on a second, local one. SIGTERM lets requests in flight finish.
    """
    plan = load_project(project)
    _check(plan, tls_cert, tls_key)
    from reticent.gateway.listeners import address_of, bound
    from reticent.gateway.supervise import Listening, run
    from reticent.gateway.worker import Plan

    root_secret(plan.state, create=True)
    signing_key(plan.state, create=True)
    gateway = plan.tables.gateway
    public = bound(_address(gateway.listen, host, port), "[gateway].listen")
    local = bound(_address(gateway.admin_listen, None, admin_port), "[gateway].admin_listen")
    tls = None if tls_cert is None or tls_key is None else (str(tls_cert), str(tls_key))

    sinks = plan.tables.alerts

    def load() -> Plan:
        served, schema = load_served(plan, trust_pickle)
        secret = root_secret(plan.state)
        reference, _ = kept_reference(plan, schema, served.card.columns, secret)
        return Plan(
            served=served, schema=schema, contracts=plan.policy.roles,
            gates=gates_of(plan, schema), secret=secret, reference=reference,
            signing=signing_key(plan.state),
            store=lambda: open_store(plan.tables.store.url, plan.state),
            durable=gateway.durability == "group", rows_per_day=gateway.rows_per_day,
            high_risk=plan.tables.model.high_risk, trusted_proxies=gateway.trusted_proxies,
            tokens=lambda: (
                None if plan.tables.oidc is None else Tokens(plan.tables.oidc, plan.folder)
            ),
            retention_days=plan.tables.store.retention_days, monitor=plan.tables.monitor,
            sinks=sinks, senders=lambda: {
                name: alerts.opened(sinks[name], plan.folder) for name in sinks
            },
        )  # fmt: skip

    def ready(made: Plan) -> None:
        if quiet:
            return
        scheme = "http" if tls is None else "https"
        told = _told(plan, made, f"{scheme}://{address_of(public)}", address_of(local))
        click.echo(msgspec.json.encode(told).decode() if as_json else _text(told, project))

    with closing(public), closing(local):
        listening = Listening(public=public, local=local, tls=tls, desk=_desk(plan))
        return run(load, list(plan.policy.roles), listening, workers, ready)


def _check(plan: Project, tls_cert: Path | None, tls_key: Path | None) -> None:
    """Refuse what cannot be served before anything is opened."""
    if not plan.policy.roles:
        raise ConfigError(
            "serving", "the project has no role, so nobody may ask",
            'Add: [roles.partner] with output = "label"',
        )  # fmt: skip
    if (tls_cert is None) != (tls_key is None):
        raise ConfigError("TLS", "one of --tls-cert and --tls-key is missing", "Give both")
    from importlib.util import find_spec

    for package in NEEDS:
        if find_spec(package) is None:
            raise MissingExtraError("reticent serve", package, "serve")
    for sink in plan.tables.alerts.values():
        alerts.opened(sink, plan.folder)  # what it needs is installed


def _desk(plan: Project) -> Any:
    """The console beside the admin's pages, under the names that it may be asked for."""
    from reticent.console.app import desk

    own = plan.tables.gateway.admin_listen.rpartition(":")[0]
    return partial(desk, hosts=[own, *plan.tables.console.hosts])


def _address(configured: str, host: str | None, port: int | None) -> str:
    own, _, number = configured.rpartition(":")
    host = own if host is None else f"[{host}]" if ":" in host else host
    return f"{host}:{number if port is None else port}"


def _told(project: Project, plan: Any, url: str, admin: str) -> Told:
    with closing(open_store(project.tables.store.url, project.state)) as store:
        keys = _any_key(store)
    card: Card = plan.served.card
    roles = {role: contract.summary() for role, contract in plan.contracts.items()}
    curl = _curl(url, card, plan.schema) if keys else None
    return Told(url, f"http://{admin}", card.name, plan.served.how, roles, keys, curl,
                tuple(_notes(project, plan, url)))  # fmt: skip


def _notes(project: Project, plan: Any, url: str) -> Iterator[str]:
    """Say what is allowed and probably not meant."""
    if url.startswith("http://") and not internal(urlsplit(url).hostname or ""):
        yield "keys travel in the clear: give --tls-cert and --tls-key, or a proxy that does"
    if plan.reference is None:
        _, reason = kept_reference(project, plan.schema, plan.served.card.columns, plan.secret)
        yield f"only refusals and declared limits are watched: {reason}"
    for role, contract in plan.contracts.items():
        if project.tables.model.high_risk and not contract.internal_only:
            yield f"the model is of high risk: {role} is refused until it is internal_only"
        jittered = [
            name
            for name, kind in zip(plan.served.card.columns, plan.served.card.kinds, strict=True)
            if kind == "number"
            and name not in plan.schema.precisions
            and name not in contract.marginalize
        ]
        if contract.noise is not None and jittered:
            yield (
                f"{role}: jitter in {', '.join(jittered)} makes new questions, whose noise "
                "averages out: give them a precision in [domains]"
            )


def _any_key(store: Store) -> bool:
    """Say whether a caller has a key; there may be very many, so they are read in portions."""
    last, now = None, time.time()
    while some := store.keys(1_000, last):
        if any(live(one, now) and one.role not in RESERVED_ROLES for one in some):
            return True
        last = some[-1]
    return False


def _curl(url: str, card: Card, schema: Schema) -> str:
    """A line that asks about an invented person."""
    inputs = [
        {
            "name": name, "shape": [1], "datatype": _datatype(kind),
            "data": [_example(name, kind, card, schema)],
        }
        for name, kind in zip(card.columns, card.kinds, strict=True)
    ]  # fmt: skip
    body = json.dumps({"inputs": inputs}).replace("'", "'\\''")
    return (
        f'curl -s {url}/v2/models/{card.name}/infer -H "Authorization: Bearer $RETICENT_KEY" '
        f"-d '{body}'"
    )


def _datatype(kind: str) -> str:
    return {"text": "BYTES", "integer": "INT64", "boolean": "INT64"}.get(kind, "FP64")


def _example(name: str, kind: str, card: Card, schema: Schema) -> Any:
    """A value that is publicly known to occur or that many share, or a number: never a person's."""
    domain = schema.domains.get(name)
    if domain is not None and domain.candidates is not None:
        first = domain.candidates[0]
        return int(first) if kind in ("integer", "boolean") else first
    if kind == "text":
        return dict(zip(card.columns, card.examples, strict=False)).get(name, "")
    low = 0.0 if domain is None or domain.min is None else domain.min
    return {"integer": int(low), "boolean": 0}.get(kind, low)


def _text(told: Told, project: Path) -> str:
    lines = [f"Guarding {told.model} at {told.url}/v2/models/{told.model}/infer", told.served, ""]
    wide = max(map(len, told.roles))
    lines += [f"  {role:<{wide}}  {says}" for role, says in told.roles.items()]
    lines += [
        "",
        f"Console: {told.admin}/console",
        f"Metrics and state: {told.admin}/metrics, {told.admin}/admin/status",
        "",
    ]
    if told.curl is None:
        role = next(iter(told.roles))
        lines.append(f"no keys yet. Make one: reticent keys create {project} --role {role}")
    else:
        lines += ["Ask, with one of your keys in RETICENT_KEY:", f"  {told.curl}"]
    lines += [f"Note: {note}" for note in told.notes]
    return "\n".join(lines)

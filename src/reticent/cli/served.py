"""From a project file to a served model, without its people where they are not at hand."""

from __future__ import annotations

import os
from collections.abc import Mapping

from reticent.cli.endpoint import connected, named_model
from reticent.cli.loaded import check_domains, model_file
from reticent.cli.project import Project
from reticent.dataset import Dataset
from reticent.errors import ConfigError
from reticent.files import read_people
from reticent.schema import Schema
from reticent.targets.batched import Batched
from reticent.targets.card import Card, card_of, load_card, save_card
from reticent.targets.gate import Gate
from reticent.targets.served import Served, served

UPSTREAM_KEY = "RETICENT_UPSTREAM_KEY"
UPSTREAM_SECONDS = 10.0  # for one exchange with an upstream server
UPSTREAM_PATIENCE = 1.0  # seconds that it may ask to wait: callers of the gateway wait as long


def load_served(project: Project, trust_pickle: str | None) -> tuple[Served, Schema]:
    """Load the model of a project to serve it.

    The training table is read where it is at hand, and the card that it leaves in the state
    folder does for later starts: a machine that serves needs no people's data.

    Raises
    ------
    ReticentError : something is missing or does not fit; the message says what to do.
    """
    path = project.path(project.tables.data.members)
    members = read_people(path) if path.is_file() else None
    card = None if members is not None else _kept(project)
    schema = _schema(project, members, card)
    if members is not None:
        check_domains(schema, members, project)
    if project.tables.model.url is not None:
        return _upstream(project, schema, members, card), schema
    made = served(
        model_file(project)[0], project.state, name=named_model(project) or "model",
        label=schema.label, columns=schema.inputs, members=members, trust_pickle=trust_pickle,
    )  # fmt: skip
    target = Batched(made.target) if made.costly else made.target
    return Served(target, made.card, made.costly, made.how), schema


def gates_of(project: Project, schema: Schema) -> Mapping[str, Gate]:
    """Fit the gates of the roles that abstain by likeness, on honest people who are not members.

    Raises
    ------
    ConfigError : there is no table of such people.
    """
    data, gates = project.tables.data, {}
    for role, contract in project.policy.roles.items():
        if contract.abstain is None or contract.abstain.honest is None:
            continue
        honest = data.auxiliary or data.others
        if honest is None:
            raise ConfigError(
                f"[roles.{role}] abstain.honest", "[data].others is missing",
                "Name honest people who are not members, or abstain below a confidence",
            )  # fmt: skip
        from reticent.audit.run import gate_for

        rows = read_people(project.path(honest))
        gates[role] = gate_for(rows, schema, contract, contract.abstain.honest, seed=0)
    return gates


def _kept(project: Project) -> Card:
    url = project.tables.model.url
    return load_card(project.state / "card.json", url or model_file(project)[1])


def _schema(project: Project, members: Dataset | None, card: Card | None) -> Schema:
    tables = project.tables
    if members is not None:
        return Schema.of(members.names, tables.columns, tables.domains, tables.data.person)
    assert card is not None
    names = [*card.columns, card.label]
    roles = {name: role for name, role in tables.columns.items() if name in names}
    domains = {name: domain for name, domain in tables.domains.items() if name in names}
    return Schema.of(names, roles, domains)


def _upstream(
    project: Project, schema: Schema, members: Dataset | None, card: Card | None
) -> Served:
    """Stand in front of a server that already runs."""
    url, name = project.tables.model.url or "", named_model(project)
    labels = card.labels if members is None and card is not None else None
    if members is not None:
        labels = members[schema.label]
    assert labels is not None
    target = connected(
        project, url, os.environ.get(UPSTREAM_KEY), schema.inputs, labels,
        timeout=UPSTREAM_SECONDS, patience=UPSTREAM_PATIENCE,
    )  # fmt: skip
    place = target.line.place
    if members is not None:
        own = name or place.path.rstrip("/").rpartition("/")[2] or "model"
        card = card_of(url, own, members, schema.inputs, target, schema.label)
        save_card(card, project.state / "card.json")
    assert card is not None
    return Served(target, card, True, f"asked of the server at {place}")

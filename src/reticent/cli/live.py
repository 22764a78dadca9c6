"""The demo's last step: the model is served, attacked over HTTP, and the attacker is seen."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from reticent.access.identity import Identity
from reticent.access.keys import issue
from reticent.access.secret import root_secret
from reticent.attacks.attribute.imputation_likelihood import ImputationLikelihood
from reticent.attacks.known import Known
from reticent.audit.case import Prepared
from reticent.audit.measure import Subject
from reticent.audit.options import Options
from reticent.audit.run import guard_of
from reticent.audit.shadows import shadows_of, train_shadows
from reticent.cli.held import gateway
from reticent.cli.project import Project, load_project
from reticent.cli.serve import NEEDS, Told
from reticent.event import Alert
from reticent.randomness import generator
from reticent.report.caught import Caught
from reticent.stores.opened import open_store
from reticent.target import Target
from reticent.targets.http import http

ROLE = "clinic"
COLLEAGUE, OTHER = "a colleague", "somebody with a key"
KEEPER = "whoever runs the demo"
HONEST = 60  # queries of the colleague
ALERT = 10.0  # seconds until an alert is in the store: it is written beside the answers
LOOK = 0.05
MOST = 1_000  # alerts


@dataclass(frozen=True, slots=True)
class Keys:
    """Whom the gateway knows: the text of each one's key, and the attacker's token."""

    colleague: str
    attacker: str
    keeper: str
    token: bytes


@dataclass(frozen=True, slots=True)
class Stage:
    """A gateway that is up, and what its attacker knows.

    Attributes
    ----------
    told : where it listens. keys : of its callers and, to open its console, of an admin.
    case, subject : whose people are attacked. known : what the attacker holds about them.
    """

    plan: Project
    told: Told
    keys: Keys
    case: Prepared
    subject: Subject
    known: Known
    seed: int

    @property
    def console(self) -> str:
        """The address of its console."""
        return f"{self.told.admin}/console"

    def attacked(self) -> Caught:
        """Let the honest caller and then the attacker ask, and see who is noticed.

        Raises
        ------
        ReticentError : the gateway does not answer.
        """
        colleague = self._asked_by(self.keys.colleague)
        for place in range(HONEST):
            colleague.ask(self.case.others.take(slice(place, place + 1)))
        attacker = self._asked_by(self.keys.attacker)
        codes = _swept(attacker, self.known, generator(self.seed, "live"))
        token, hidden = self.keys.token, self.subject.hidden
        alerts = _alerts(self.plan, token)
        truth = hidden.codes(self.case.members[hidden.column])
        about = [one for one in alerts if one.caller == token]
        return Caught(
            ROLE, hidden.column, HONEST, len({one.caller for one in alerts} - {token}),
            min(about, key=lambda one: one.query, default=None), ALERT,
            codes == truth, self.subject.members.imputed.argmax(axis=1) == truth,
            len(hidden.values),
        )  # fmt: skip

    def _asked_by(self, key: str) -> Target:
        case = self.case
        return http(self.told.url, case.schema.inputs, case.members[case.label], key=key,
                    name=self.told.model)  # fmt: skip


def lacking() -> str:
    """A package that serving needs and that is missing; empty: none."""
    return next((one for one in (*NEEDS, "skops") if find_spec(one) is None), "")


@contextmanager
def staged(path: Path, case: Prepared, subject: Subject, seed: int) -> Iterator[Stage]:
    """Serve a project while this context lasts.

    Parameters
    ----------
    path : the project file, of a gateway that has not served yet.
    case, subject : whose people will be attacked.

    Raises
    ------
    ReticentError : it cannot be served.
    """
    plan = load_project(path)
    keys = _keys(plan)
    with gateway(path) as listening:
        known = _known(plan, case, subject, seed)  # meanwhile it begins
        yield Stage(plan, listening(), keys, case, subject, known, seed)


def _keys(plan: Project) -> Keys:
    secret, now = root_secret(plan.state, create=True), time.time()
    made = [
        issue(secret, role, owner=owner, now=now)
        for role, owner in ((ROLE, COLLEAGUE), (ROLE, OTHER), ("admin", KEEPER))
    ]
    with closing(open_store(plan.tables.store.url, plan.state)) as store:
        for record, _ in made:
            store.save_key(record)
        (_, colleague), (attacking, attacker), (_, keeper) = made
        token = Identity(store, secret).token(attacking.principal)
    return Keys(colleague, attacker, keeper, token)


def _known(plan: Project, case: Prepared, subject: Subject, seed: int) -> Known:
    """What the attacker holds: also how models like this one, behind this contract, answer."""
    guard = guard_of(case, plan.policy.roles[ROLE], Options(seed=seed))
    models = train_shadows(case.train, case.auxiliary, case.auxiliary_people, seed)
    shadows = shadows_of(models, guard, subject.hidden, case.auxiliary, case.auxiliary_people,
                         subject.imputation.held_out)  # fmt: skip
    return Known(
        case.members.select(case.knows(subject.hidden.column)), subject.hidden, case.label,
        case.knows_label, case.auxiliary, subject.members.imputed, shadows,
    )  # fmt: skip


def _swept(target: Target, known: Known, rng: np.random.Generator) -> NDArray[np.intp]:
    """Ask about one member after the other, all values of each: the guesses (n,) as codes."""
    attack, codes = ImputationLikelihood(), []
    for place in range(len(known.rows)):
        rows, own = known.rows.take(slice(place, place + 1)), known.imputed[place : place + 1]
        guess = attack.guess(target, replace(known, rows=rows, imputed=own), rng)
        codes.append(int(guess.scores.argmax()))
    return np.array(codes)


def _alerts(plan: Project, attacker: bytes) -> Sequence[Alert]:
    """The alerts in the store, as soon as there is one about the attacker."""
    read, until = msgspec.msgpack.Decoder(Alert).decode, time.monotonic() + ALERT
    with closing(open_store(plan.tables.store.url, plan.state)) as store:
        while True:
            found = [read(note.content) for note in store.newest("alert", MOST)]
            if any(one.caller == attacker for one in found) or time.monotonic() > until:
                return found
            time.sleep(LOOK)

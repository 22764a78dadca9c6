"""The demo's last step: the model is served, attacked over HTTP, and the attacker is seen."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
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
from reticent.cli.serve import NEEDS
from reticent.event import Alert
from reticent.randomness import generator
from reticent.stores.opened import open_store
from reticent.target import Target
from reticent.targets.http import http

ROLE = "clinic"
COLLEAGUE, OTHER = "a colleague", "somebody with a key"
HONEST = 60  # queries of the colleague
ALERT = 10.0  # seconds until an alert is in the store: it is written beside the answers
LOOK = 0.05
MOST = 1_000  # alerts


@dataclass(frozen=True, slots=True)
class Caught:
    """What came of the attack.

    Attributes
    ----------
    first : the first alert about the attacker; None: there was none. false : others alarmed.
    right, imputed : (n,) whether a member's value was guessed, with the model and without.
    values : that were asked about each member.
    """

    first: Alert | None
    false: int
    right: NDArray[np.bool_]
    imputed: NDArray[np.bool_]
    values: int

    def text(self, column: str) -> str:
        """Say it in three lines."""
        n = len(self.right)
        false = "no alert" if not self.false else "and a false alert"
        share, known = self.right.mean(), self.imputed.mean()
        return (
            f"Live: `reticent serve`, {HONEST} honest queries ({false}), then a sweep over "
            f"“{column}” by a {ROLE}'s key.\n{self._noticed()}\n"
            f"Left alone it has {self.right.sum():,} of {n:,} members ({share:.0%}); "
            f"{self.imputed.sum():,} ({known:.0%}) without the model."
        )

    def _noticed(self) -> str:
        if self.first is None:
            return f"No alert within {ALERT:g} s."
        queries = self.first.query + 1
        done = queries // self.values
        return (
            f"Alert “{self.first.detector}” at query {queries:,} of "
            f"{self.values * len(self.right):,}: {done} members attacked, "
            f"{self.right[:done].sum()} guessed right; {self.imputed[:done].sum()} without the "
            "model."
        )


def lacking() -> str:
    """A package that serving needs and that is missing; empty: none."""
    return next((one for one in (*NEEDS, "skops") if find_spec(one) is None), "")


def attacked(path: Path, case: Prepared, subject: Subject, seed: int) -> Caught:
    """Serve a project, let an honest caller and an attacker ask it, and see who is noticed.

    Parameters
    ----------
    path : the project file, of a gateway that has not served yet.
    case, subject : whose people are attacked.

    Raises
    ------
    ReticentError : it cannot be served, or not be asked.
    """
    plan = load_project(path)
    keys, attacker = _keys(plan)
    with gateway(path) as listening:
        known = _known(plan, case, subject, seed)  # meanwhile it begins
        told, labels = listening(), case.members[case.label]
        colleague, other = (
            http(told.url, case.schema.inputs, labels, key=key, name=told.model) for key in keys
        )
        for place in range(HONEST):
            colleague.ask(case.others.take(slice(place, place + 1)))
        codes = _swept(other, known, generator(seed, "live"))
        alerts = _alerts(plan, attacker)
    truth = subject.hidden.codes(case.members[subject.hidden.column])
    about = [one for one in alerts if one.caller == attacker]
    return Caught(
        min(about, key=lambda one: one.query, default=None),
        len({one.caller for one in alerts} - {attacker}),
        codes == truth, subject.members.imputed.argmax(axis=1) == truth, len(known.hidden.values),
    )  # fmt: skip


def _keys(plan: Project) -> tuple[list[str], bytes]:
    """Keys of the two callers, and the second one's token."""
    secret, texts = root_secret(plan.state, create=True), []
    with closing(open_store(plan.tables.store.url, plan.state)) as store:
        for owner in (COLLEAGUE, OTHER):
            record, text = issue(secret, ROLE, owner=owner, now=time.time())
            store.save_key(record)
            texts.append(text)
        return texts, Identity(store, secret).token(record.principal)


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

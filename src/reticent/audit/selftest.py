"""The instrument's known-answer test: can this audit, on this machine, today, be trusted?

Two cases must be called a leak and two must not. A tool that cannot fail proves nothing, so each
answer is known beforehand and the same attacks, scoring and verdicts are used as in an audit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.audit.case import Case
from reticent.audit.options import BARE, Options, silent
from reticent.audit.run import audit
from reticent.audit.train import Fit
from reticent.dataset import Dataset
from reticent.evidence import Check, SelfTest
from reticent.finding import Finding
from reticent.randomness import generator

ROWS = 400  # people in each of members, others and auxiliary
ATTACKS = ("imputation_likelihood", "label_likelihood", "learned")
SHADOWS = 4
SAME = 1e-6  # squared distance below which two rows are one


def self_test(options: Options) -> SelfTest:
    """Run the four known answers.

    A false leak is called with probability at most .05 in each negative case, by the same
    adjusted bound as in any run; the seed is fixed by the caller, so a result can be repeated.
    """
    cases: list[tuple[str, bool, Callable[[int], Case]]] = [
        ("a 1-NN that memorized random labels", True, memorized),
        ("a leak planted about one member in three", True, planted),
        ("a model that always answers the same", False, constant),
        ("a hidden column drawn after training", False, drawn_after),
    ]
    checks = []
    for place, (name, leaks, build) in enumerate(cases):
        options.progress(place, len(cases), f"self-test: {name}")
        checks.append(_check(name, leaks, build(options.seed), options))
    return SelfTest(all(check.passed for check in checks), tuple(checks))


def _check(name: str, leaks: bool, case: Case, options: Options) -> Check:
    quiet = replace(
        options, attacks=ATTACKS, shadows=SHADOWS, canaries=False, advice=False,
        progress=silent, self_test=None,
    )  # fmt: skip
    findings = audit(case, {BARE: None}, quiet).findings
    found = any(finding.verdict == "leaks" for finding in findings)
    return Check(name, "leaks" if leaks else "no leak", _say(findings), found == leaks)


def _say(findings: tuple[Finding, ...]) -> str:
    measured = [one for one in findings if one.advantage.value is not None]
    best = max(measured, key=lambda one: one.advantage.value or 0.0)
    leaking = [one.attack for one in measured if one.verdict == "leaks"]
    seen = f"leak seen by {', '.join(leaking)}" if leaking else "no leak"
    return f"{seen}; largest advantage {best.advantage.value:+.3f} AUC ({best.attack})"


def people(seed: int, part: str) -> Dataset:
    """Draw people: two numbers, a category, a yes/no secret, and a label none of them explains."""
    rng = generator(seed, "self-test", part)
    return Dataset(
        {
            "age": rng.normal(45, 12, ROWS).round(),
            "income": rng.lognormal(3, 0.5, ROWS).round(1),
            "region": rng.integers(4, size=ROWS).astype(float),
            "secret": rng.integers(2, size=ROWS),
            "label": rng.integers(2, size=ROWS),
        }
    )


def case_of(seed: int, train: Fit, after: Dataset | None = None) -> Case:
    """Build a case on drawn people; ``after`` replaces the members once the model is trained."""
    members, others, auxiliary = (people(seed, part) for part in ("members", "others", "public"))
    model = train(members.without("label").frame(), members["label"], seed)
    return Case(
        model=model,
        members=members if after is None else after,
        others=others,
        auxiliary=auxiliary,
        label="label",
        sensitive="secret",
        train=train,
    )


def memorized(seed: int) -> Case:
    """Random labels and a 1-NN: nothing but memory can explain its answers."""
    return case_of(seed, lambda rows, labels, _: Nearest(rows, labels))


def planted(seed: int) -> Case:
    """A model that is surer of one member in three where their secret is asked about rightly."""
    return case_of(seed, lambda rows, labels, _: Nearest(rows, labels, told=0.7, every=3))


def constant(seed: int) -> Case:
    """A model that answers the same to everybody has nothing to give away."""
    return case_of(seed, Constant)


def drawn_after(seed: int) -> Case:
    """A forest that knows its members by heart, asked for values it was never given."""
    members = people(seed, "members")
    secret = generator(seed, "self-test", "after").integers(2, size=ROWS)
    return case_of(seed, _forest, members.replaced("secret", secret))


def _forest(rows: NDArray[np.float64], labels: NDArray[np.intp], seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(30, random_state=seed).fit(rows, labels)


class Nearest:
    """A 1-NN classifier of plain matrices: it knows its training rows by heart.

    Parameters
    ----------
    rows : (n, d) with the secret last. labels : (n,) 0 or 1.
    told : the score of a row's own label, for one row in ``every``; even odds for the others.
    """

    def __init__(
        self,
        rows: NDArray[np.float64],
        labels: NDArray[np.intp],
        told: float = 1.0,
        every: int = 1,
    ) -> None:
        self.rows, self.labels = rows, labels
        self.told = np.where(np.arange(len(rows)) % every == 0, told, 0.5)
        self.classes_ = np.array([0, 1])

    def predict_proba(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Answer with the label of the nearest training row: (n, 2)."""
        square = (rows**2).sum(axis=1)[:, None] + (self.rows**2).sum(axis=1)
        apart = square - 2 * rows @ self.rows.T
        near = apart.argmin(axis=1)
        sure = np.where(apart.min(axis=1) < SAME, self.told[near], 1 - self.told[near])[:, None]
        return np.asarray(np.where(self.labels[near][:, None] == self.classes_, sure, 1 - sure))


class Constant:
    """A classifier that learns nothing, whatever it is given."""

    def __init__(self, *given: object) -> None:  # noqa: ARG002
        self.classes_ = np.array([0, 1])

    def predict_proba(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Answer even odds to everybody: (n, 2)."""
        return np.full((len(rows), 2), 0.5)

"""What is remembered of one caller: the trail, every detector's state, and what has been saved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple, Self

from msgspec.structs import replace

from reticent.contract import Contract
from reticent.monitor.detectors.climb import Climb
from reticent.monitor.detectors.coverage import Coverage
from reticent.monitor.detectors.detector import Detector
from reticent.monitor.detectors.frequency import Frequency
from reticent.monitor.detectors.grid import Grid
from reticent.monitor.detectors.jitter import Jitter
from reticent.monitor.detectors.manifold import Manifold
from reticent.monitor.detectors.refusals import Refusals
from reticent.monitor.detectors.source import Source
from reticent.monitor.detectors.spread import Spread
from reticent.monitor.detectors.sweep import Sweep
from reticent.monitor.detectors.volume import Volume
from reticent.monitor.promise import FULL
from reticent.monitor.reference import Reference
from reticent.monitor.settings import Monitor
from reticent.monitor.standing import Standing
from reticent.monitor.trail import Measure, Trail

STEP = 10.0  # the second alert about a caller needs at least so many times the evidence
LOOK = 64  # queries after which bets are looked at in any case
STAKES = 4  # of each detector that bets
BETTING = ("sweep", "coverage", "jitter", "refusals")  # the order in which evidence is kept
DAY = 86_400.0


class Rules(NamedTuple):
    """What a role's callers are allowed.

    Attributes
    ----------
    refusals : share that may be refused; None where the contract never abstains.
    permitted : whether the role may ask sweep-like (what-if, explaining, audits).
    """

    refusals: float | None = None
    permitted: bool = False

    @classmethod
    def of(cls, contract: Contract | None, settings: Monitor, usual: float | None = None) -> Self:
        """Read a role's rules off its contract.

        Parameters
        ----------
        usual : share of honest people whom it refuses, where that was measured.
        """
        if contract is None:
            return cls(settings.refusals if usual is None else _lenient(usual))
        rule, permitted = contract.abstain, bool(contract.permit)
        if rule is None:
            return cls(None, permitted)
        expected = None if rule.honest is None else 1.0 - rule.honest
        known = [share for share in (expected, usual) if share is not None]
        allowed = _lenient(max(known)) if known else 0.5
        return cls(allowed if settings.refusals is None else settings.refusals, permitted)


def _lenient(share: float) -> float:
    """Far more than is usual: a population that has moved is refused more often, too."""
    return min(0.6, 3.0 * share + 0.2)


class Gain(NamedTuple):
    """What one caller's queries changed since it was last saved.

    Attributes
    ----------
    evidence : log wealth gained by each stake of each detector that bets.
    """

    principal: bytes
    role: str
    queries: int
    refused: int
    evidence: tuple[float, ...]
    score: float
    last: float

    def added(self, before: Standing) -> Standing:
        """Add it to what all replicas know."""
        known = before.evidence
        if len(known) != len(self.evidence):  # none yet, or another version's
            known = (0.0,) * len(self.evidence)
        return replace(
            before, role=self.role, queries=before.queries + self.queries,
            refused=before.refused + self.refused, score=max(before.score, self.score),
            evidence=tuple(
                min(FULL, max(-FULL, a + b)) for a, b in zip(known, self.evidence, strict=True)
            ),
            last=max(before.last, self.last),
        )  # fmt: skip

    def plus(self, later: Gain) -> Gain:
        """What changed in both, one after the other."""
        return later._replace(
            queries=self.queries + later.queries, refused=self.refused + later.refused,
            evidence=tuple(a + b for a, b in zip(self.evidence, later.evidence, strict=True)),
            score=max(self.score, later.score),
        )  # fmt: skip


def harder(contract: float, lately: float) -> dict[str, float]:
    """What the next alarm needs after one: twice as many digits, so that alerts stay few.

    One sweep speaks for both promises. Whichever was passed, both are moved by the same factor:
    what was alarmed once is not alarmed again by the other one.
    """
    most = max(contract, lately)
    factor = max(STEP, most * most) / most
    return {"contract": max(1.0, contract * factor), "lately": max(1.0, lately * factor)}


class Memory:
    """What is remembered of one caller in one role.

    Parameters
    ----------
    earlier : what the store knows of the caller.

    Attributes
    ----------
    queries : so far, here. raised : promise to the factor that the next alarm needs.
    alarmed : the largest evidence that the allowance was alarmed over, here or elsewhere.
    day : on which the session that runs has begun. last : when a query came.
    """

    __slots__ = (
        "_before", "_counted", "_over", "_saved", "_seen", "_settings", "alarmed", "all", "bets",
        "day", "last", "limits", "queries", "raised", "refused", "score", "sessions", "trail",
    )  # fmt: skip

    def __init__(
        self, settings: Monitor, reference: Reference | None, measure: Measure | None,
        groups: int, rules: Rules, earlier: Standing | None = None,
    ) -> None:  # fmt: skip
        self.queries = self.refused = 0
        self.score = self.last = self.alarmed = 0.0
        self.day = -1
        self.raised: dict[str, float] = {}
        self.trail = None if measure is None else Trail(measure)
        self.bets: list[Sweep | Jitter | Coverage | Refusals] = []
        self.sessions: list[Spread | Climb | Manifold | Grid] = []
        if reference is not None and not rules.permitted:
            if groups:
                self.bets += [Sweep(settings), Coverage(settings)]
                if reference.hidden.any():
                    self.bets.append(Jitter(settings))
            self.sessions += _sessions(reference)
        if rules.refusals is not None:
            self.bets.append(Refusals(rules.refusals, settings.burst))
        self.limits = _limits(settings)
        self.all: list[Detector] = [*self.bets, *self.sessions, *self.limits]
        self._counted, self._seen = (0, 0), -1
        self._saved = (0.0,) * (STAKES * len(BETTING))
        self._settings, self._before, self._over = settings, False, 0.0
        if earlier is not None:
            self._resume(earlier)

    @property
    def due(self) -> bool:
        """Whether the bets are to be looked at: after a hit, and once in a while without one."""
        hits = sum([one.bets.hits for one in self.bets])
        if hits == self._seen and self.queries % LOOK:
            return False
        self._seen = hits
        return True

    @property
    def contract(self) -> float:
        """The e-value of the written allowance."""
        now = sum([one.bets.value for one in self.bets]) / (len(self.bets) or 1)
        return now if now > self._over else self._over

    @property
    def lately(self) -> float:
        """The e-detector's value."""
        return sum([one.bets.lately for one in self.bets]) / (len(self.bets) or 1)

    def alarm(self, contract: float, lately: float) -> None:
        """The allowance is alarmed over: the next alarm is made much harder."""
        self.alarmed, self._over = max(contract, lately), 0.0
        self.raised |= harder(contract, lately)

    def heard(self, alarmed: float) -> None:
        """An alarm over so much evidence stands in the store: none is raised for it again."""
        if alarmed >= 1.0 and alarmed > self.alarmed:
            self.alarm(alarmed, max(1.0, self.lately) / self._settings.run_length)

    def why(self, first: Detector) -> str:
        """What a detector saw, in words."""
        more = ", besides what was counted earlier or elsewhere" if self._before else ""
        return first.reason() + more

    def session(self, scales: Sequence[float]) -> float:
        """The session statistic: the largest evidence, each detector's in its own scale."""
        most = 0.0
        for one, scale in zip(self.sessions, scales, strict=True):
            most = max(most, one.evidence / scale)
        return most

    @property
    def peaks(self) -> list[float]:
        """The largest that each session detector's evidence has been."""
        return [one.peak for one in self.sessions]

    @property
    def calm(self) -> list[float] | None:
        """The peaks of a caller who was never alarmed; None: they were, or never asked."""
        return self.peaks if self.queries and not self.raised else None

    def ended(self, now: float) -> list[float] | None:
        """The peaks of a calm session, a day of the caller's, that is over; the next one begins."""
        day = int(now // DAY)
        if self.day < 0 or day <= self.day:
            self.day = max(self.day, day)
            return None
        self.day, peaks = day, self.calm
        for one in self.sessions:
            one.drift.begin()
        self.raised.pop("session", None)  # the promise is made for each session anew
        return peaks

    def gained(self, principal: bytes, role: str) -> Gain | None:
        """What has changed since this was asked last; None: nothing that matters."""
        queries, refused = self._counted
        if self.queries == queries:
            return None
        now = self._logs()
        gained = tuple(a - b for a, b in zip(now, self._saved, strict=True))
        self._saved, self._counted = now, (self.queries, self.refused)
        return Gain(principal, role, self.queries - queries, self.refused - refused, gained,
                    self.score, self.last)  # fmt: skip

    def merge(self, evidence: Sequence[float]) -> None:
        """Go on from what all replicas know together, and what was bet here meanwhile."""
        since = [a - b for a, b in zip(self._logs(), self._saved, strict=True)]
        self._before |= any(abs(a - b) > 1e-6 for a, b in zip(evidence, self._saved, strict=True))
        self._set([a + b for a, b in zip(evidence, since, strict=True)])
        self._saved = tuple(a - b for a, b in zip(self._logs(), since, strict=True))
        self._look()

    def _resume(self, earlier: Standing) -> None:
        if len(earlier.evidence) == len(self._saved):  # else another version's
            self._set(earlier.evidence)
            self._saved = self._logs()
            self._before = any(earlier.evidence)
        self.heard(earlier.alarmed)
        self._look()

    def _look(self) -> None:
        """What was added up elsewhere is looked at with the next query, before it can fade."""
        self._seen = -1
        if self.contract * self._settings.alpha >= self.raised.get("contract", 1.0):
            self._over = self.contract

    def _logs(self) -> tuple[float, ...]:
        wealth = {one.name: one.bets.wealth for one in self.bets}
        none = [1.0] * STAKES
        return tuple(math.log(each) for name in BETTING for each in wealth.get(name, none))

    def _set(self, logs: Sequence[float]) -> None:
        for one in self.bets:
            start = STAKES * BETTING.index(one.name)
            own = logs[start : start + STAKES]
            one.bets.resume([math.exp(min(FULL, max(-FULL, each))) for each in own])


def _sessions(reference: Reference) -> list[Spread | Climb | Manifold | Grid]:
    found: list[Spread | Climb | Manifold | Grid] = [Spread(), Climb()]
    if len(reference.axes.few):
        found.append(Grid())
    if reference.manifold is not None:
        found.append(Manifold())
    return found


def _limits(settings: Monitor) -> list[Detector]:
    found: list[Detector] = []
    if settings.rows_per_hour is not None:
        found.append(Volume(settings.rows_per_hour))
    if settings.rows_per_second is not None:
        found.append(Frequency(settings.rows_per_second))
    if settings.networks_per_day is not None:
        found.append(Source(settings.networks_per_day))
    return found

"""Who looks at every query on its way: all detectors, and what their alarms promise."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Self

from reticent.contract import Contract
from reticent.dataset import Dataset
from reticent.event import Alert, QueryEvent
from reticent.monitor.detectors.climb import Climb
from reticent.monitor.detectors.coverage import Coverage
from reticent.monitor.detectors.detector import Detector, Query
from reticent.monitor.detectors.frequency import Frequency
from reticent.monitor.detectors.grid import Grid
from reticent.monitor.detectors.jitter import Jitter
from reticent.monitor.detectors.manifold import Manifold
from reticent.monitor.detectors.refusals import Refusals
from reticent.monitor.detectors.source import Source
from reticent.monitor.detectors.spread import Spread
from reticent.monitor.detectors.sweep import Sweep
from reticent.monitor.detectors.volume import Volume
from reticent.monitor.points import Points
from reticent.monitor.promise import Calibrated
from reticent.monitor.reference import Reference, token_pairs
from reticent.monitor.settings import Monitor
from reticent.monitor.trail import Measure, Sight, Trail
from reticent.schema import Schema
from reticent.target import Answer

ACTIVE = 4_096  # callers with a trail; beyond it the longest silent one keeps its wealth only
IDLE = 100_000  # callers whose wealth is kept in memory; the store knows the others
STEP = 10.0  # each further alert about a caller needs so many times the evidence
NOTHING = Sight()
SWEEPING = ("sweep", "jitter", "coverage")


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


def watched(
    columns: Sequence[str], schema: Schema, contracts: Iterable[Contract]
) -> list[list[str]]:
    """The groups of columns whose values an attacker may vary: sensitive or averaged over."""
    averaged = {name for contract in contracts for name in contract.marginalize}
    return [[name] for name in columns if name in schema.sensitive or name in averaged]


class Memory:
    """What is remembered of one caller in one role."""

    __slots__ = ("all", "bets", "limits", "queries", "raised", "sessions", "trail")

    def __init__(self, watch: Watch, rules: Rules) -> None:
        own, reference = watch.settings, watch.reference
        self.queries = 0
        self.raised: dict[str, float] = {}  # promise to the factor that the next alarm needs
        self.trail = None if watch.measure is None else Trail(watch.measure)
        self.bets: list[Sweep | Jitter | Coverage | Refusals] = []
        self.sessions: list[Spread | Climb | Manifold | Grid] = []
        if reference is not None and not rules.permitted:
            if watch.groups:
                self.bets += [Sweep(own), Coverage(own)]
                if reference.hidden.any():
                    self.bets.append(Jitter(own))
            self.sessions += [Spread(), Climb()]
            if len(reference.axes.few):
                self.sessions.append(Grid())
            if reference.manifold is not None:
                self.sessions.append(Manifold())
        if rules.refusals is not None:
            self.bets.append(Refusals(rules.refusals, own.burst))
        self.limits: list[Detector] = []
        if own.rows_per_hour is not None:
            self.limits.append(Volume(own.rows_per_hour))
        if own.rows_per_second is not None:
            self.limits.append(Frequency(own.rows_per_second))
        if own.networks_per_day is not None:
            self.limits.append(Source(own.networks_per_day))
        self.all: list[Detector] = [*self.bets, *self.sessions, *self.limits]

    @property
    def contract(self) -> float:
        """The e-value of the written allowance."""
        return sum([one.bets.value for one in self.bets]) / (len(self.bets) or 1)

    @property
    def lately(self) -> float:
        """The e-detector's value."""
        return sum([one.bets.lately for one in self.bets]) / (len(self.bets) or 1)

    def session(self, scales: Sequence[float]) -> float:
        """The session statistic: the largest evidence, each detector's in its own scale."""
        most = 0.0
        for one, scale in zip(self.sessions, scales, strict=True):
            most = max(most, one.evidence / scale)
        return most

    @property
    def peaks(self) -> list[float]:
        """The largest that each detector's evidence has been."""
        return [one.peak for one in self.sessions]


class Watch:
    """All detectors over all callers of a gateway, or of a recorded trace.

    Parameters
    ----------
    reference : of honest people; None: only refusals and declared limits are watched.
    groups : how many groups of columns are watched. rules : role to what it is allowed.
    sessions : role to the calibrated threshold of sessions.
    """

    def __init__(
        self,
        settings: Monitor,
        reference: Reference | None,
        groups: int,
        rules: Mapping[str, Rules],
        sessions: Mapping[str, Calibrated] | None = None,
    ) -> None:
        self.settings, self.reference, self.groups = settings, reference, groups
        self.rules, self.sessions = rules, dict(sessions or {})
        self.measure = None if reference is None else Measure.of(reference)
        self.callers: OrderedDict[tuple[bytes, str], Memory] = OrderedDict()

    def observe(
        self,
        event: QueryEvent,
        rows: Dataset | None,
        answer: Answer | None = None,
        at: Sequence[float] | None = None,
        sources: Sequence[bytes] | None = None,
    ) -> list[Alert]:
        """Look at one request: the alerts that it raises, nearly always none.

        Parameters
        ----------
        rows : what was asked, in memory only; None where it could not be read.
        answer : before it is shaped; None where the request was refused as a whole.
        at, sources : of each row, where they differ from the event's: a recorded session.
        """
        if not event.principal or rows is None or not event.rows:
            return []
        memory = self.memory(event.principal, event.role)
        points, turned, pairs = self._placed(event, rows)
        confident, refused = _told(answer, event.rows)
        found: list[Alert] = []
        for place in range(event.rows):
            sight, outside = NOTHING, False
            if points is not None:
                assert memory.trail is not None
                tokens = [] if pairs is None else pairs[place]
                sight = memory.trail.see(points[place], tokens, confident[place])
                if turned is not None and not sight.repeat:
                    outside = memory.trail.outside(points[place], turned[place])
            query = Query(
                event.at if at is None else at[place], memory.queries,
                event.source if sources is None else sources[place],
                sight, refused[place], outside,
            )  # fmt: skip
            memory.queries += 1
            alert = self._shown(memory, query, event)
            if alert is not None:
                found.append(alert)
        return found

    def memory(self, principal: bytes, role: str) -> Memory:
        """What is remembered of a caller, now the latest."""
        key = (principal, role)
        memory = self.callers.get(key)
        if memory is None:
            memory = self.callers[key] = Memory(self, self.rules.get(role, Rules()))
            if len(self.callers) > ACTIVE:
                self.callers.popitem(last=False)
        else:
            self.callers.move_to_end(key)
        return memory

    def forget(self, principal: bytes) -> None:
        """Drop what is remembered of a caller."""
        for key in [key for key in self.callers if key[0] == principal]:
            del self.callers[key]

    def _placed(
        self, event: QueryEvent, rows: Dataset
    ) -> tuple[Points | None, Points | None, list[list[tuple[int, int]]] | None]:
        """Points (n, d), the same in the manifold's directions, and tokens (n, groups, 2)."""
        reference = self.reference
        if reference is None:
            return None, None, None
        points = reference.axes(rows)
        turned = None
        if reference.manifold is not None:
            turned = points[:, reference.numbers] @ reference.manifold.whiten
        pairs = token_pairs(event.sketches, self.groups) if self.groups else None
        return points, turned, pairs

    def _shown(self, memory: Memory, query: Query, event: QueryEvent) -> Alert | None:
        """Show one query to every detector, and see whether it is enough."""
        for one in memory.all:
            one.observe(query)
        own, raised = self.settings, memory.raised
        if memory.contract >= raised.get("contract", 1.0) / own.alpha:
            raised["contract"] = memory.contract * own.alpha * STEP
            raised["lately"] = max(1.0, memory.lately / own.run_length) * STEP
            first = max(memory.bets, key=lambda one: one.bets.value)
            words = (f"a caller who keeps to the allowance is ever alarmed with probability at "
                     f"most {100 * own.alpha:g} %")  # fmt: skip
            return self._alert(memory, query, event, first, words, memory.contract * own.alpha)
        if memory.lately >= raised.get("lately", 1.0) * own.run_length:
            raised["lately"] = memory.lately / own.run_length * STEP
            raised["contract"] = max(1.0, memory.contract * own.alpha) * STEP
            first = max(memory.bets, key=lambda one: one.bets.lately)
            words = (f"as for a stolen key: on average at least {own.run_length} queries between "
                     "two false alarms")  # fmt: skip
            return self._alert(memory, query, event, first, words, memory.lately / own.run_length)
        session = self.sessions.get(event.role)
        if session is not None and memory.session(session.scales) > (
            raised.get("session", 1.0) * session.threshold
        ):
            raised["session"] = raised.get("session", 1.0) * STEP
            top = max(memory.sessions, key=lambda one: one.evidence)
            return self._alert(memory, query, event, top, session.promise, top.evidence)
        for limit in memory.limits:
            if limit.evidence >= raised.get(limit.name, 1.0):
                raised[limit.name] = limit.evidence * STEP
                words = "a declared limit: no error rate is promised"
                return self._alert(memory, query, event, limit, words, limit.evidence)
        return None

    def _alert(
        self,
        memory: Memory,
        query: Query,
        event: QueryEvent,
        detector: Detector | Sweep | Jitter | Coverage | Refusals,
        promise: str,
        evidence: float,
    ) -> Alert:
        return Alert(
            id=secrets.token_hex(16), at=event.at, caller=event.principal, query=query.position,
            detector=detector.name, reason=detector.reason(), promise=promise,
            evidence={"evidence": evidence, "queries": float(memory.queries)},
            role=event.role, model=event.model, contract=event.contract, source=event.source,
            auditor=event.auditor,
        )  # fmt: skip


def _told(answer: Answer | None, n: int) -> tuple[Sequence[float], Sequence[bool]]:
    """The confidence of each answer, and which rows the contract refused."""
    if answer is None:
        return [0.0] * n, [False] * n
    confident: Sequence[float] = [0.0] * n
    if answer.scores is not None:
        confident = answer.scores.max(axis=1).tolist()
    refused: Sequence[bool] = [False] * n
    if answer.answered is not None:
        refused = (~answer.answered).tolist()
    return confident, refused

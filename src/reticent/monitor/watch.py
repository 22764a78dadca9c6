"""Who looks at every query on its way: all detectors, and what their alarms promise."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from math import isnan

from reticent.contract import Contract
from reticent.dataset import Dataset
from reticent.event import Alert, QueryEvent
from reticent.monitor.detectors.detector import Query
from reticent.monitor.detectors.source import Crowd, Source
from reticent.monitor.index import REST
from reticent.monitor.memory import Gain, Memory, Rules
from reticent.monitor.points import FAR
from reticent.monitor.promise import Calibrated
from reticent.monitor.reference import Reference, token_pairs
from reticent.monitor.settings import Monitor
from reticent.monitor.standing import Standing
from reticent.monitor.trail import Measure, Sight
from reticent.schema import Schema
from reticent.target import Answer

ACTIVE = 4_096  # callers with a trail; of the longest silent one only what is saved stays
IDLE = REST  # seconds of silence after which a trail is dropped, too
CROWDED = 10_000  # callers whose last gain waits to be saved
FEW = 16  # classes
TWICE = 2.0  # the evidence of a session, or of a limit, that the next alert needs
NOTHING = Sight()
Over = tuple[str, bytes, dict[str, float]]  # a session that is over: role, principal, peaks
LIMIT = "a declared limit: no error rate is promised"


def watched(
    columns: Sequence[str], schema: Schema, contracts: Iterable[Contract]
) -> list[list[str]]:
    """The groups of columns whose values an attacker may vary: sensitive or averaged over."""
    averaged = {name for contract in contracts for name in contract.marginalize}
    return [[name] for name in columns if name in schema.sensitive or name in averaged]


class Watch:
    """All detectors over all callers of a gateway, or of a recorded trace.

    Parameters
    ----------
    reference : of honest people; None: only refusals and declared limits are watched.
    groups : how many groups of columns are watched. rules : role to what it is allowed.
    sessions : role to the calibrated threshold of sessions.

    Attributes
    ----------
    known : principal to what was saved of them.
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
        most = settings.callers_per_network
        self._crowd = None if most is None else Crowd(most)
        self.callers: OrderedDict[tuple[bytes, str], Memory] = OrderedDict()
        self.known: Callable[[bytes], Standing] = Standing
        self._left: dict[tuple[bytes, str], Gain] = {}  # of callers that were dropped
        self._over: list[Over] = []

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
        confident, refused = _told(answer, event.rows)
        memory.last = max(memory.last, event.at)
        sights = self._sights(memory, event, rows, confident)
        found: list[Alert] = []
        for place, (sight, outside) in enumerate(sights):
            query = Query(
                event.at if at is None else at[place], memory.queries,
                event.source if sources is None else sources[place],
                sight, refused[place], outside,
            )  # fmt: skip
            memory.queries += 1
            memory.refused += refused[place]
            alert = self._shown(memory, query, event)
            if alert is not None:
                found.append(alert)
            if (
                self._crowd is not None
                and query.source
                and self._crowd.passed(query.source, event.principal, query.at)
            ):
                found.append(_alert(memory, query, event, Source.name, self._crowd.reason(), LIMIT))
        return found

    def memory(self, principal: bytes, role: str) -> Memory:
        """What is remembered of a caller, now the latest."""
        key = (principal, role)
        memory = self.callers.get(key)
        if memory is None:
            memory = self.callers[key] = Memory(
                self.settings, self.reference, self.measure, self.groups,
                self.rules.get(role, Rules()), self.known(principal),
            )  # fmt: skip
            if len(self.callers) > ACTIVE:
                self._leave(*self.callers.popitem(last=False))
        else:
            self.callers.move_to_end(key)
        return memory

    def names(self, role: str) -> list[str]:
        """The detectors of sessions that watch a role, in the order of their peaks."""
        rules = self.rules.get(role, Rules())
        some = Memory(self.settings, self.reference, self.measure, self.groups, rules)
        return [one.name for one in some.sessions]

    def gained(self, now: float) -> list[Gain]:
        """What callers' queries changed since this was asked last; silent ones are dropped."""
        while self.callers and now - next(iter(self.callers.values())).last > IDLE:
            self._leave(*self.callers.popitem(last=False))
        found, self._left = self._left, {}
        for key, memory in self.callers.items():
            self._close(key, memory, memory.ended(now))
            gain = memory.gained(*key)
            if gain is not None:
                found[key] = gain if key not in found else found[key].plus(gain)
        return list(found.values())

    def lost(self, gains: Iterable[Gain], over: Iterable[Over] = ()) -> None:
        """Take back gains, and sessions that are over, that could not be saved."""
        for gain in gains:
            self._keep(gain)
        self._over = [*over, *self._over][:CROWDED]

    def merged(self, gain: Gain, evidence: Sequence[float]) -> None:
        """Go on from what all replicas know of a caller together."""
        memory = self.callers.get((gain.principal, gain.role))
        if memory is not None:
            memory.merge(evidence)

    def ended(self) -> list[Over]:
        """Sessions that are over since this was asked last: role, principal, peaks."""
        found, self._over = self._over, []
        return found

    def _leave(self, key: tuple[bytes, str], memory: Memory) -> None:
        self._close(key, memory, memory.calm)
        gain = memory.gained(*key)
        if gain is not None:
            self._keep(gain)

    def _keep(self, gain: Gain) -> None:
        key = (gain.principal, gain.role)
        if key in self._left:
            gain = self._left[key].plus(gain)
        if key in self._left or len(self._left) < CROWDED:
            self._left[key] = gain

    def _close(self, key: tuple[bytes, str], memory: Memory, peaks: list[float] | None) -> None:
        """Take a calm session for an honest one."""
        if peaks is not None and len(self._over) < CROWDED:
            names = [one.name for one in memory.sessions]
            self._over.append((key[1], key[0], dict(zip(names, peaks, strict=True))))

    def forget(self, principal: bytes) -> None:
        """Drop what is remembered of a caller."""
        for of in (self.callers, self._left):
            for key in [key for key in of if key[0] == principal]:
                del of[key]

    def _sights(
        self, memory: Memory, event: QueryEvent, rows: Dataset, confident: Sequence[float]
    ) -> Iterator[tuple[Sight, bool]]:
        """How each row relates to earlier ones, and whether it lies where honest ones do not."""
        reference, measure, trail = self.reference, self.measure, memory.trail
        if reference is None or measure is None or trail is None:
            yield from [(NOTHING, False)] * event.rows
            return
        points, gaps = reference.axes(rows)
        turned = None if measure.turn is None else points.dot(measure.turn)
        pairs = token_pairs(event.sketches, self.groups) if self.groups else [()] * event.rows
        for place, (point, tokens) in enumerate(zip(points, pairs, strict=True)):
            sight = trail.see(point, tokens, confident[place], gaps)
            if turned is None or sight.repeat or (gaps and point.max() >= FAR):
                yield sight, False
            else:
                yield sight, trail.outside(turned[place])

    def _shown(self, memory: Memory, query: Query, event: QueryEvent) -> Alert | None:
        """Show one query to every detector, and see whether it is enough."""
        for one in memory.all:
            one.observe(query)
        own, raised = self.settings, memory.raised
        if memory.due:
            contract, lately = memory.contract * own.alpha, memory.lately / own.run_length
            memory.score = max(memory.score, contract)
            if contract >= raised.get("contract", 1.0) or lately >= raised.get("lately", 1.0):
                return self._contract(memory, query, event, contract, lately)
        session = self.sessions.get(event.role)
        if session is not None and memory.sessions:
            found = memory.session(session.scales) / session.threshold
            if found > raised.get("session", 1.0):
                raised["session"] = found * TWICE
                memory.score = max(memory.score, found)
                top, _ = max(
                    zip(memory.sessions, session.scales, strict=True),
                    key=lambda pair: pair[0].evidence / pair[1],
                )
                return _alert(memory, query, event, top.name, top.reason(), session.promise,
                              top.evidence)  # fmt: skip
        for limit in memory.limits:
            if limit.evidence < 1.0:
                raised.pop(limit.name, None)  # a new hour, or day
            elif limit.evidence >= raised.get(limit.name, 1.0):
                raised[limit.name] = limit.evidence * TWICE
                return _alert(memory, query, event, limit.name, limit.reason(), LIMIT,
                              limit.evidence)  # fmt: skip
        return None

    def _contract(
        self, memory: Memory, query: Query, event: QueryEvent, contract: float, lately: float
    ) -> Alert:
        """Raise an alarm over the written allowance, and make the next one much harder."""
        own, over = self.settings, contract >= memory.raised.get("contract", 1.0)
        memory.alarm(contract, lately)
        if over:
            first = max(memory.bets, key=lambda one: one.bets.value)
            words = (f"a caller who keeps to the allowance is ever alarmed with probability at "
                     f"most {100 * own.alpha:g} %")  # fmt: skip
            return _alert(memory, query, event, first.name, memory.why(first), words, contract)
        first = max(memory.bets, key=lambda one: one.bets.lately)
        words = (f"as for a stolen key: on average at least {own.run_length} queries between two "
                 "false alarms")  # fmt: skip
        return _alert(memory, query, event, first.name, memory.why(first), words, lately)


def _alert(
    memory: Memory, query: Query, event: QueryEvent, detector: str, reason: str, promise: str,
    evidence: float = 1.0,
) -> Alert:  # fmt: skip
    return Alert(
        id=secrets.token_hex(16), at=query.at, caller=event.principal, query=query.position,
        detector=detector, reason=reason, promise=promise,
        evidence={"evidence": evidence, "queries": float(memory.queries)},
        role=event.role, model=event.model, contract=event.contract, source=event.source,
        auditor=event.auditor, limit=promise is LIMIT,
    )  # fmt: skip


def _told(answer: Answer | None, n: int) -> tuple[Sequence[float], Sequence[bool]]:
    """The confidence of each answer, and which rows the contract refused."""
    if answer is None:
        return [0.0] * n, [False] * n
    confident: Sequence[float] = [0.0] * n
    if answer.scores is not None:
        if answer.scores.shape[1] <= FEW:  # quicker than to ask numpy for each row
            best = [max(row) for row in answer.scores.tolist()]
        else:
            best = [row.item(row.argmax()) for row in answer.scores]
        confident = [0.0 if isnan(one) else one for one in best]
    refused: Sequence[bool] = [False] * n
    if answer.answered is not None:
        refused = (~answer.answered).tolist()
    return confident, refused

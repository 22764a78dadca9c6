"""Detectors over recorded queries, with the thresholds of sessions from honest ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from reticent.event import TOKEN_BYTES, Alert, QueryEvent
from reticent.monitor.link import completed_by_chance, linked
from reticent.monitor.memory import Memory
from reticent.monitor.promise import Calibrated, calibrate, chosen
from reticent.monitor.sketch import Sketcher
from reticent.monitor.trace import Session
from reticent.monitor.watch import Watch
from reticent.target import Answer, Target

Tell = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Detection:
    """What the detectors found in recorded sessions.

    Attributes
    ----------
    alerts : each with its caller's name, in the sessions' order; those across callers last.
    calibrated : the threshold of sessions; None where there was nothing to calibrate on.
    chosen : callers whom e-BH chooses of all at the end, the strongest evidence first.
    """

    alerts: list[tuple[str, Alert]]
    calibrated: Calibrated | None
    chosen: list[str]


def detect(
    sessions: Sequence[Session],
    watch: Watch,
    sketcher: Sketcher,
    *,
    role: str,
    honest: Sequence[Session] = (),
    target: Target | None = None,
    tell: Tell = lambda _: None,
) -> Detection:
    """Show recorded sessions to all detectors.

    Parameters
    ----------
    watch : new; it gets the threshold of sessions. sketcher : of the watched columns.
    honest : sessions to calibrate on. tell : how many sessions are done.
    target : the model as the role sees it: it fills in answers that were not recorded.
    """
    calibrated, chance = None, None
    if honest:
        peaks, calm = [], []
        for one, _, memory in _each(honest, watch, sketcher, role, target, tell):
            calm.append(one)
            peaks.append(memory.peaks)
        calibrated = watch.sessions[role] = calibrate(np.array(peaks), watch.settings.alpha)
        chance = completed_by_chance(calm) if watch.groups else None
    alerts: list[tuple[str, Alert]] = []
    events, values = [], []
    shown = _each(sessions, watch, sketcher, role, target, tell, len(honest))
    for session, (one, found, memory) in zip(sessions, shown, strict=True):
        events.append(one)
        values.append(memory.contract)
        alerts += [(session.caller, alert) for alert in found]
    if watch.groups and len(sessions) > 1:
        alerts += _across(sessions, events, chance)
    picked = chosen(values, watch.settings.alpha)
    return Detection(alerts, calibrated, [sessions[place].caller for place in picked])


def _each(
    sessions: Sequence[Session], watch: Watch, sketcher: Sketcher, role: str,
    target: Target | None, tell: Tell, done: int = 0,
) -> Iterator[tuple[QueryEvent, list[Alert], Memory]]:  # fmt: skip
    """Show one session after the other, each to a watch that remembers none of the others."""
    for place, session in enumerate(sessions, done + 1):
        one = event(session, sketcher, role)
        found = _shown(watch, one, session, target)
        yield one, found, watch.memory(one.principal, role)
        watch.forget(one.principal)
        tell(place)


def event(session: Session, sketcher: Sketcher, role: str) -> QueryEvent:
    """Write a recorded session down as the gateway would have, in one."""
    n = len(session)
    told = session.at is not None and n and math.isfinite(session.at[0])
    at = float(session.at[0]) if told and session.at is not None else 0.0
    principal = blake2b(session.caller.encode(), digest_size=TOKEN_BYTES).digest()
    return QueryEvent(at, 200, principal, b"", role, "", "", n, n, sketcher.names,
                      sketcher(session.rows))  # fmt: skip


def _shown(
    watch: Watch, one: QueryEvent, session: Session, target: Target | None
) -> list[Alert]:  # fmt: skip
    at = [math.nan] * len(session) if session.at is None else session.at.tolist()
    sources = None
    if session.source is not None:
        sources = [place.encode() for place in session.source]
    return watch.observe(one, session.rows, _answer(session, target), at, sources)


def _answer(session: Session, target: Target | None) -> Answer:
    """What was recorded of the answers, and what the model says where nothing was."""
    scores = None if session.confidence is None else session.confidence[:, None]
    answered = session.answered
    if target is not None and (scores is None or answered is None):
        told = target.ask(session.rows)
        scores = told.scores if scores is None else scores
        answered = told.answered if answered is None else answered
    return Answer(scores=scores, answered=answered)


def _across(
    sessions: Sequence[Session], events: Sequence[QueryEvent], chance: dict[str, float] | None
) -> list[tuple[str, Alert]]:
    """One alert for each account that others complete, at its last position."""
    found = []
    named = {one.principal: session for one, session in zip(events, sessions, strict=True)}
    for alert in linked(events, chance=chance):
        for principal in (alert.caller, *alert.others):
            session = named[principal]
            found.append((session.caller, _about(alert, principal, len(session) - 1)))
    return found


def _about(alert: Alert, caller: bytes, query: int) -> Alert:
    import msgspec

    others = tuple(one for one in (alert.caller, *alert.others) if one != caller)
    return msgspec.structs.replace(alert, caller=caller, query=query, others=others)

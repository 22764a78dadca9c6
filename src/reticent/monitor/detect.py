"""Detectors over recorded queries, with the thresholds of sessions from honest ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from reticent.event import TOKEN_BYTES, Alert, QueryEvent
from reticent.monitor.link import completed_by_chance, linked
from reticent.monitor.promise import Calibrated, calibrate
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
    """

    alerts: list[tuple[str, Alert]]
    calibrated: Calibrated | None


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
    calibrated, chance, done = None, None, 0
    if honest:
        peaks, events = [], []
        for done, session in enumerate(honest, 1):
            events.append(event(session, sketcher, role))
            _shown(watch, events[-1], session, target)
            peaks.append(watch.memory(events[-1].principal, role).peaks)
            watch.forget(events[-1].principal)
            tell(done)
        calibrated = watch.sessions[role] = calibrate(np.array(peaks), watch.settings.alpha)
        chance = completed_by_chance(events) if watch.groups else None
    alerts: list[tuple[str, Alert]] = []
    events = []
    for place, session in enumerate(sessions, done + 1):
        events.append(event(session, sketcher, role))
        found = _shown(watch, events[-1], session, target)
        watch.forget(events[-1].principal)
        alerts += [(session.caller, alert) for alert in found]
        tell(place)
    if watch.groups and len(sessions) > 1:
        alerts += _across(sessions, events, chance)
    return Detection(alerts, calibrated)


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

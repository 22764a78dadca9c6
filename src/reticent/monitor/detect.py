"""Detectors over recorded queries, with thresholds from honest sessions."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from reticent.event import TOKEN_BYTES, Alert, QueryEvent
from reticent.monitor.promise import Calibrated, calibrate
from reticent.monitor.reference import Reference
from reticent.monitor.settings import Monitor
from reticent.monitor.sketch import Sketcher
from reticent.monitor.trace import Session
from reticent.monitor.watch import Memory, Rules, Watch
from reticent.target import Answer, Target

ROLE = "trace"


@dataclass(frozen=True, slots=True)
class Detection:
    """What the detectors found in recorded sessions.

    Attributes
    ----------
    alerts : with the name of the caller. calibrated : the threshold of sessions, or None.
    """

    alerts: list[tuple[str, Alert]]
    calibrated: Calibrated | None


def detect(
    sessions: Sequence[Session],
    *,
    settings: Monitor,
    reference: Reference,
    sketcher: Sketcher,
    groups: int,
    rules: Rules,
    target: Target | None = None,
    honest: Sequence[Session] | None = None,
    seen: Callable[[], None] = lambda: None,
) -> Detection:
    """Show recorded sessions to all detectors.

    Parameters
    ----------
    target : the model as the role sees it; fills answers in that were not recorded.
    honest : sessions to calibrate on. seen : called after each session.
    """
    calibrated = None
    if honest is not None:
        watch = Watch(settings, reference, groups, {ROLE: rules})
        peaks = []
        for session in honest:
            peaks.append(_memory(watch, session, sketcher, target, groups).peak)
            seen()
        calibrated = calibrate(peaks, settings.alpha)
    watch = Watch(settings, reference, groups, {ROLE: rules},
                  {} if calibrated is None else {ROLE: calibrated})  # fmt: skip
    found: list[tuple[str, Alert]] = []
    for session in sessions:
        found += [(session.caller, alert) for alert in _alerts(watch, session, sketcher, target, groups)]
        seen()
    return Detection(found, calibrated)


def _memory(watch, session, sketcher, target, groups) -> Memory:
    event = _event(session, sketcher, groups)
    watch.observe(event, session.rows, _answer(session, target), at=_times(session))
    return watch.callers.pop((event.principal, ROLE))


def _alerts(watch, session, sketcher, target, groups):
    event = _event(session, sketcher, groups)
    found = watch.observe(event, session.rows, _answer(session, target), at=_times(session))
    watch.callers.pop((event.principal, ROLE))
    return found


def _times(session: Session) -> list[float]:
    return [0.0] * len(session) if session.at is None else session.at.tolist()


def _event(session: Session, sketcher: Sketcher, groups: int) -> QueryEvent:
    sketches = sketcher(session.rows) if groups else b""
    n = len(session)
    return QueryEvent(0.0, 200, secrets.token_bytes(TOKEN_BYTES), b"", ROLE, "", "", n, n,
                      sketcher.names, sketches)  # fmt: skip


def _answer(session: Session, target: Target | None) -> Answer | None:
    if target is None or session.confidence is not None and session.answered is not None:
        scores = None if session.confidence is None else session.confidence[:, None]
        return Answer(scores=scores, answered=session.answered)
    told = target.ask(session.rows)
    answered = session.answered if session.answered is not None else told.answered
    return Answer(scores=told.scores if session.confidence is None else session.confidence[:, None], answered=answered)

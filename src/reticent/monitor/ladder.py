"""The response ladder: what each further alarm of one caller changes for them, and only for them.

An alarm lights no lamp for the caller. Answers become coarser from the next request on, replies
later; a freeze takes hold a random 1 to 30 rows after its alarm, so that nobody learns which query
raised it. Accounts that are only linked with others, and auditors, never climb.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace as with_parts

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from reticent.event import Act, Alert
from reticent.monitor.memory import BETTING
from reticent.monitor.settings import Rung
from reticent.monitor.standing import LONGEST, STATES, Standing, State
from reticent.target import Answer

FUSE = 30  # rows after which a freeze holds at the latest
FIRST_WAIT = 0.5  # seconds that a delayed reply waits at first
EDGE = 0.5  # of the two bands that a score falls into
DONE: dict[State, str] = {"coarse": "coarsen", "slow": "delay", "frozen": "freeze"}
MEANS: dict[Rung, State] = {"coarsen": "coarse", "delay": "slow", "freeze": "frozen"}


def drawn() -> int:
    """Draw the length of a fuse, 1 to 30 rows, from a source that nobody foresees."""
    return 1 + secrets.randbelow(FUSE)


def climbed(before: Standing, alert: Alert, respond: Sequence[Rung], fuse: int) -> Standing:
    """How a caller stands after one more alert.

    Parameters
    ----------
    respond : the ladder. fuse : rows until a freeze takes hold, where this alert orders one.
    """
    if not alert.caller:
        return before
    over = alert.evidence.get("evidence", 0.0) if alert.detector in BETTING else 0.0
    counted = replace(
        before, role=alert.role or before.role, alerts=before.alerts + 1,
        last=max(before.last, alert.at), alarmed=max(before.alarmed, over),
    )  # fmt: skip
    if alert.auditor or alert.others or alert.limit:
        return counted
    rung = before.rung + 1
    counted = replace(counted, rung=rung)
    state = MEANS.get(respond[min(rung, len(respond)) - 1], "free")
    if STATES.index(state) <= STATES.index(before.state):
        return counted
    reason = f"{alert.detector}: {alert.reason}"[:LONGEST]
    if state != "frozen":
        return replace(counted, state=state, reason=reason, since=alert.at)
    if before.fuse is not None:
        return counted
    return replace(counted, fuse=fuse, reason=reason, since=alert.at)


def burnt(before: Standing, rows: int, now: float) -> Standing:
    """How a caller stands whose fuse burns down by some rows.

    A request of more rows than are left is refused whole, and the freeze holds from then on.
    """
    if before.fuse is None:
        return before
    if rows >= before.fuse:
        return replace(before, state="frozen", fuse=None, since=now)
    return replace(before, fuse=before.fuse - rows)


def act_of(before: Standing, after: Standing, at: float) -> Act | None:
    """What the gateway itself has done to a caller, for the journal; None: nothing."""
    if after.state in (before.state, "free"):
        return None
    return Act(at, b"", after.principal, DONE[after.state], after.reason)


def wait(standing: Standing, respond: Sequence[Rung], longest: float) -> float:
    """Seconds that a caller's replies wait: doubled with each further alarm."""
    if standing.state != "slow":
        return 0.0
    rung = respond.index("delay") + 1 if "delay" in respond else standing.rung
    return min(longest, FIRST_WAIT * 2.0 ** min(30, max(0, standing.rung - rung)))


def coarse(standing: Standing, respond: Sequence[Rung]) -> bool:
    """Whether a caller's answers are coarser: also those of who climbed past that rung."""
    return standing.state == "coarse" or (standing.state == "slow" and "coarsen" in respond)


def coarser(told: Answer) -> Answer:
    """Leave less of an answer that a contract has already cut: nothing can be learned anew.

    It keeps its form. Labels stay; of the scores only the label's own, as 0 or 1/2; of a number
    the first digit; of a vector its length (NaN in every place).
    """
    scores, value, vector = told.scores, told.value, told.vector
    return with_parts(
        told,
        scores=None if scores is None else _halves(scores, told.label),
        value=None if value is None else _first_digit(value),
        vector=None if vector is None else np.full_like(vector, np.nan),
    )


def _halves(scores: NDArray[np.float64], label: NDArray[np.intp] | None) -> NDArray[np.float64]:
    """Tell of each row (n, k) whether the label's score reaches 1/2; a refusal stays one."""
    each = np.arange(len(scores))
    top = np.nan_to_num(scores, nan=-1.0).argmax(axis=1) if label is None else label
    told = np.where(np.isnan(scores), np.nan, 0.0)
    told[each, top] += np.where(scores[each, top] >= EDGE, EDGE, 0.0)
    return told


def _first_digit(value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Round each number (n,) to its first digit."""
    return np.array([float(f"{one:.0e}") for one in value.tolist()])

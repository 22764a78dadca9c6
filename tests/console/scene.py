"""A gateway in the middle of a day, for pictures of it."""

from __future__ import annotations

import random
import time

from reticent.console.pulse import BEATS, STEP, Pulse
from reticent.event import Alert
from reticent.gateway.budget import DAY, of_role
from reticent.gateway.counters import Counters
from reticent.monitor.standing import Standing
from reticent.store import Want, Work

from .keeping import Kept, alert, token, write_alert, write_standing

ROW = (30.0, 10.0, 0)
HOUR = 3600.0
SWEEPER, WIDE, NARROW = token(100), token(101), token(102)
QUIET = (-0.4, -0.9, -1.6, -3.2)  # log wealth of a detector that sees nothing
SESSIONS = ("on average over calibrations at most 1 % of exchangeable honest sessions "
            "(120 sessions)")  # fmt: skip


def evidence(*sweep: float) -> tuple[float, ...]:
    """What the bets hold of a caller who sweeps and does nothing else."""
    return (*sweep, *(3 * QUIET))


def progress() -> dict[str, tuple[int, int]]:
    """How far the shadow periods are."""
    return {"clinic": (64, 99), "partner": (99, 99)}


def alerts(now: float) -> list[Alert]:
    """What was raised today."""
    return [
        alert(1, SWEEPER, at=now - 9.6 * HOUR),
        alert(2, token(7), at=now - 2.5 * HOUR, detector="linked", role="partner",
              reason="12 accounts complete each other on 88 % of their records",
              promise="of the accounts named at any one time at most 1 % are wrong, on average",
              evidence={"accounts": 12.0, "completed": 0.88},
              others=tuple(map(token, range(8, 19)))),
        alert(3, WIDE, at=now - 1.4 * HOUR, role="clinic", query=2280,
              reason="3 records were asked again with another value of affairs",
              evidence={"revisits": 3.0, "log_wealth": 5.16, "threshold": 4.605}),
        alert(4, SWEEPER, at=now - 3 * HOUR, detector="coverage", query=131,
              reason="31 records were asked with every value of affairs: breadth, not depth"),
        alert(5, SWEEPER, at=now - 0.33 * HOUR, query=401,
              evidence={"revisits": 11.0, "log_wealth": 10.62, "threshold": 9.21, "count": 4.0}),
        alert(6, NARROW, at=now - 60, detector="spread", query=183, promise=SESSIONS,
              reason="the last 48 rows stand closer together than those of honest callers",
              evidence={"rows": 48.0, "spread": 0.031, "threshold": 0.22}),
    ]  # fmt: skip


def standings(now: float) -> list[Standing]:
    """How callers stand."""
    chance = random.Random(4)
    callers = [
        Standing(
            token(place), role=chance.choice(["clinic", "partner", "partner", "study"]),
            queries=(queries := int(chance.lognormvariate(5, 1.4)) + 1),
            refused=int(queries * chance.choice([0, 0, 0.02, 0.1])),
            score=max(0.0, chance.gauss(0.1, 0.15)), evidence=4 * QUIET,
            last=now - chance.expovariate(1 / 5000),
        )
        for place in range(64)
    ]  # fmt: skip
    again = "records were asked again with another value of affairs"
    return [
        *callers,
        Standing(SWEEPER, "partner", 412, 31, evidence(8.1, 10.9, 11.4, 10.2), 2.31, 3, 3, "frozen",
                 reason=f"sweep: 11 {again}", since=now - 0.33 * HOUR, last=now - 0.32 * HOUR),
        Standing(WIDE, "clinic", 2310, 4, evidence(4.1, 5.3, 5.9, 5.2), 1.12, 1, 1, "coarse",
                 reason=f"sweep: 3 {again}", since=now - 1.4 * HOUR, last=now - 30),
        Standing(NARROW, "partner", 190, 4, 4 * QUIET, 1.02, 1, 1, fuse=12,
                 reason="spread: the last 48 rows stand closer together than honest callers' do",
                 since=now - 60, last=now - 30),
    ]  # fmt: skip


async def fill(kept: Kept) -> None:
    """Put the scene into the store, and have some questions asked."""
    now, store, worker = time.time(), kept.store, kept.gateway.worker
    for standing in standings(now):
        write_standing(store, standing)
    for one in alerts(now):
        write_alert(store, one)
    for role, owner in (("partner", "Mercy Hospital"), ("partner", "North Clinic"),
                        ("clinic", "Dr. Ames"), ("observer", "ward desk")):  # fmt: skip
        kept.gateway.key(role, owner)
    for role in ("clinic", "partner", "study"):
        await kept.gateway.ask(role, ROW)
    asked = remember(kept.console.board.pulse, worker.counters)
    (kind,) = [one for block in store.blocks(2) for one in block.entries]
    assert isinstance(kind, bytes)
    today = int(now) // DAY * DAY
    store.commit(Work([kind] * asked, [Want(of_role("partner"), today, 5000, 2400, 2400)]))
    await worker.sign()
    kept.console.board.began = now - 5 * HOUR


def remember(pulse: Pulse, counters: Counters) -> int:
    """Give the pulse ten minutes that it has not lived: how many requests there were."""
    chance = random.Random(9)
    now, level, asked = pulse._clock(), {"clinic": 5.0, "partner": 4.0, "study": 1.5}, 0
    pulse._beats.clear()
    pulse._past.clear()
    pulse.beat()
    pulse._beats[0] = (now - STEP * BEATS, pulse._beats[0][1])
    for place in range(1, BEATS + 1):
        sweep = 76 < place < 90  # somebody tries every value, and their budget runs out
        for role, usual in list(level.items()):
            level[role] = busy = min(max(usual + chance.gauss(0, 0.4), 0.8), 9.0)
            for _ in range(int(busy) + 9 * (sweep and role == "partner")):
                refused = chance.random() < (0.35 if sweep and role == "partner" else 0.012)
                rows = chance.choice([1, 1, 2, 4, 12])
                counters.replied(role, 429 if refused else 200,
                                 chance.lognormvariate(-6.75 + 0.35 * sweep, 0.5), rows,
                                 0 if refused else rows)  # fmt: skip
                asked += 1
        pulse.beat()
        at, totals = pulse._beats.pop()
        then, before = pulse._beats[-1]
        at = now - STEP * (BEATS - place)
        pulse._beats.append((at, totals))
        pulse._past[-1] = pulse._flow(before, totals, at - then)
    return asked

"""What the watch knows of callers, kept in the store: it survives a restart and moves with them.

Evidence is kept as log wealth, to which every replica adds what its own queries changed: under
the allowance the product of bets on disjoint queries is a bet on all of them. Rows and distances
are not kept. Honest sessions, one of each caller, are collected until the thresholds stand.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from reticent.errors import StoreError
from reticent.monitor.memory import Gain
from reticent.monitor.promise import Calibrated, calibrate
from reticent.monitor.standing import KIND, Standing, Standings, changed, read
from reticent.monitor.watch import Watch
from reticent.store import Note, Store

SESSION = "session"
ANEW = 120  # rounds after which all honest sessions are read anew
PORTION = 500  # callers whose evidence is written at once


class Honest(msgspec.Struct, frozen=True, array_like=True):
    """One session of the shadow period: the peak of each detector of sessions."""

    role: str
    at: float
    peaks: dict[str, float]


Aside = Callable[..., Awaitable[Any]]
packed = msgspec.msgpack.Encoder().encode
_read = msgspec.msgpack.Decoder(Honest).decode


class Remembering:
    """Writes evidence and honest sessions down, and reads what others wrote.

    Parameters
    ----------
    watch : whose memory it is. standings : how callers stand, as this process knows it.
    """

    def __init__(
        self, watch: Watch, standings: Standings, clock: Callable[[], float] = time.time
    ) -> None:
        self._watch, self._standings, self._clock = watch, standings, clock
        self._sessions: dict[str, dict[bytes, Mapping[str, float]]] = {}
        self._after = self._rounds = 0
        self._released: dict[bytes, float] = {}  # when, of whom that is known here
        watch.known = standings.latest
        standings.heard = self._heard

    async def round(self, aside: Aside) -> None:
        """Write what changed, then learn the thresholds anew.

        Parameters
        ----------
        aside : runs a function of the store where no answer waits for it.

        Raises
        ------
        StoreError : the store is away; what was not written waits.
        """
        gains = self._watch.gained(self._clock())
        for start in range(0, len(gains), PORTION):
            some = gains[start : start + PORTION]
            try:
                totals = await aside(_added, some)
            except StoreError:
                self._watch.lost(gains[start:])
                raise
            for gain, evidence in zip(some, totals, strict=False):
                self._watch.merged(gain, evidence)
            self._watch.lost(some[len(totals) :])
        if over := [one for one in self._watch.ended() if self._wanted(one[0])]:
            try:
                await aside(_honest, over, self._clock())
            except StoreError:
                self._watch.lost((), over)
                raise
        await self.learn(aside)

    async def learn(self, aside: Aside) -> None:
        """Read the honest sessions that were written since, and set the thresholds."""
        self._rounds += 1
        if self._rounds % ANEW == 0:  # erased sessions leave no trace but their absence
            self._sessions, self._after = {}, 0
        fresh = await aside(_sessions, self._after)
        for note in fresh:
            one = _read(note.content)
            self._sessions.setdefault(one.role, {})[note.key] = one.peaks
            self._after = note.version
        own = self._watch.settings
        for role, found in self._sessions.items() if fresh else ():
            first = list(found.values())[: own.shadow]
            self._watch.sessions[role] = calibrated(first, self._watch.names(role), own.alpha)

    def progress(self) -> dict[str, tuple[int, int]]:
        """Role to how many honest sessions there are, and how many it takes."""
        needed = self._watch.settings.shadow
        return {
            role: (min(needed, len(self._sessions.get(role, {}))), needed)
            for role in self._watch.rules
        }

    def _wanted(self, role: str) -> bool:
        """Whether honest sessions of a role are missing."""
        return len(self._sessions.get(role, {})) < self._watch.settings.shadow

    def _heard(self, standing: Standing) -> None:
        """What was alarmed elsewhere is not alarmed here; of whom is released all is forgotten."""
        principal = standing.principal
        for role in self._watch.rules if standing.alarmed else ():
            if (memory := self._watch.callers.get((principal, role))) is not None:
                memory.heard(standing.alarmed)
        if standing.treated or standing.rung or not standing.reason:
            self._released.pop(principal, None)
        elif self._released.get(principal) != standing.since:
            self._released[principal] = standing.since
            self._watch.forget(principal)


def _added(store: Store, gains: Sequence[Gain]) -> list[tuple[float, ...]]:
    """Add gains to what is stored, all in one transaction if nobody comes in between.

    Returns
    -------
    What is known now of the first of them, of all if the store stays.
    """
    before = [store.note(KIND, gain.principal) for gain in gains]
    after = [
        gain.added(Standing(gain.principal) if note is None else read(note))
        for gain, note in zip(gains, before, strict=True)
    ]
    notes = [
        Note(KIND, one.principal, packed(one), 0 if note is None else note.version)
        for one, note in zip(after, before, strict=True)
    ]
    if len({gain.principal for gain in gains}) == len(gains) and store.write(notes):
        return [one.evidence for one in after]
    found: list[tuple[float, ...]] = []
    for gain in gains:
        try:
            found.append(changed(store, gain.principal, gain.added).evidence)
        except StoreError:
            if not found:
                raise
            break
    return found


def _honest(store: Store, over: Sequence[tuple[str, bytes, dict[str, float]]], now: float) -> None:
    """Write honest sessions down; of a caller who has one already nothing is written."""
    for role, principal, peaks in over:
        store.write([Note(SESSION, principal, packed(Honest(role, now, peaks)))])


def _sessions(store: Store, after: int) -> list[Note]:
    return store.notes(SESSION, after)


def calibrated(
    sessions: Sequence[Mapping[str, float]], names: Sequence[str], alpha: float
) -> Calibrated:
    """The thresholds of one role from its honest sessions."""
    peaks = [[one.get(name, 0.0) for name in names] for one in sessions]
    return calibrate(np.array(peaks).reshape(len(peaks), len(names)), alpha)

"""Laws of the ladder: coarser tells nothing anew, alarms never make milder, replicas agree."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from msgspec.structs import replace

from gateway.alarmed import Trigger
from gateway.running import running
from reticent.event import Alert
from reticent.gateway.alarms import Alarms
from reticent.gateway.counters import Counters
from reticent.monitor.ladder import burnt, climbed, coarser
from reticent.monitor.settings import RUNGS, Monitor, Rung
from reticent.monitor.standing import STATES, Standing, Standings, freeze, release, standing
from reticent.store import Note
from reticent.target import Answer
from stored import MemoryStore

ANN = b"a" * 16
LADDERS = st.sets(st.sampled_from(RUNGS), min_size=1).map(
    lambda some: tuple(word for word in RUNGS if word in some)
)
SHARES = st.floats(0, 1, allow_nan=False)
LAWS = settings(deadline=None)
FEW = settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))


# Coarser ----------------------------------------------------------------------------------------


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    n, k = draw(st.integers(1, 5)), draw(st.integers(2, 4))
    scores = draw(arrays.arrays(np.float64, (n, k), elements=SHARES))
    value = draw(arrays.arrays(np.float64, n, elements=st.floats(allow_subnormal=False)))
    answered = draw(arrays.arrays(np.bool_, n))
    label = np.where(answered, scores.argmax(axis=1), -1)
    kept = np.where(answered[:, None], scores, np.nan)
    return Answer(label, kept, value, draw(st.none() | st.just(kept)), answered)


@LAWS
@given(answers())
def test_a_coarser_answer_has_the_same_form_and_says_hardly_anything(told: Answer) -> None:
    left = coarser(told)
    assert left.label is told.label
    assert left.answered is told.answered
    assert left.scores is not None
    assert told.scores is not None
    assert left.scores.shape == told.scores.shape
    assert np.array_equal(np.isnan(left.scores), np.isnan(told.scores))
    assert set(left.scores[~np.isnan(left.scores)].tolist()) <= {0.0, 0.5}
    assert (left.vector is None) == (told.vector is None)
    assert left.vector is None or np.isnan(left.vector).all()
    assert left.value is not None
    assert np.array_equal(left.value, [float(f"{one:.0e}") for one in left.value], equal_nan=True)


@LAWS
@given(answers())
def test_coarser_twice_is_coarser_once(told: Answer) -> None:
    once = coarser(told)
    twice = coarser(once)
    for one, two in ((once.scores, twice.scores), (once.value, twice.value)):
        assert one is not None
        assert two is not None
        assert np.array_equal(one, two, equal_nan=True)


@LAWS
@given(answers(), st.data())
def test_a_row_is_made_coarser_alone(told: Answer, data: st.DataObject) -> None:
    """What is told about one row depends on no other row of the batch."""
    place = data.draw(st.integers(0, len(told) - 1))
    one, all_of_them = coarser(told.take(slice(place, place + 1))), coarser(told)
    assert one.scores is not None
    assert all_of_them.scores is not None
    assert np.array_equal(one.scores[0], all_of_them.scores[place], equal_nan=True)


# The ladder -------------------------------------------------------------------------------------

STANDINGS = st.builds(
    Standing, st.just(ANN), rung=st.integers(0, 6), alerts=st.integers(0, 6),
    state=st.sampled_from(STATES), fuse=st.none() | st.integers(1, 30), reason=st.just("before"),
)  # fmt: skip


@LAWS
@given(STANDINGS, LADDERS, st.integers(1, 30), st.booleans(), st.booleans())
def test_an_alarm_never_makes_milder_and_only_climbers_climb(
    before: Standing, ladder: tuple[Rung, ...], fuse: int, auditor: bool, linked: bool
) -> None:
    alert = Alert(caller=ANN, query=0, detector="sweep", reason="why", promise="1 %", at=3.0,
                  auditor=auditor, others=(b"b" * 16,) if linked else ())  # fmt: skip
    after = climbed(before, alert, ladder, fuse)
    assert after.alerts == before.alerts + 1
    assert STATES.index(after.state) >= STATES.index(before.state)
    assert (after.state == "frozen") == (before.state == "frozen")  # never at once
    if before.fuse is not None:
        assert after.fuse == before.fuse
    if auditor or linked:
        assert replace(after, alerts=before.alerts, last=before.last) == before
    else:
        assert after.rung == before.rung + 1
        assert "freeze" in ladder or after.fuse == before.fuse


@LAWS
@given(st.integers(1, 30), st.lists(st.integers(1, 12), max_size=40))
def test_no_more_rows_than_the_fuse_are_answered(fuse: int, sizes: list[int]) -> None:
    now, answered = Standing(ANN, fuse=fuse), 0
    for rows in sizes:
        fits = now.state != "frozen" and now.fuse is not None and rows <= now.fuse
        answered += rows * fits
        now = burnt(now, rows, 1.0)
        assert fits or now.state == "frozen"
    assert answered <= fuse


# Replicas ---------------------------------------------------------------------------------------


class Here:
    """A thread that is this one."""

    async def call(self, function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)


class Replica:
    def __init__(self, store: MemoryStore, ladder: tuple[Rung, ...]) -> None:
        self.store, self.here = store, Here()
        self.known = Standings()
        self.alarms = Alarms(self.known, Monitor(respond=ladder), {}, Counters(["partner"]))
        self.read: list[Note] | None = None

    async def do(self, what: str) -> None:
        if what == "alarm":
            self.alarms.raised(Alert(caller=ANN, query=0, detector="sweep", reason="why",
                                     promise="1 %", at=1.0))  # fmt: skip
        elif what == "burn" and (lit := self.known.of(ANN)) is not None and lit.fuse:
            self.alarms.burn(lit, 4)
        elif what == "write" and self.alarms._jobs:
            await self.alarms._carry_out(self.here, self.store)  # type: ignore[arg-type]
        elif what == "read" and self.read is None:
            self.read = self.known.read(self.store)
        elif what == "learn" and self.read is not None:
            self.known.learn(self.read)
            self.read = None

    async def look(self) -> None:
        for what in ("read", "learn", "read", "learn"):
            await self.do(what)

    @property
    def found(self) -> Standing | None:
        return self.known.of(ANN)


DEEDS = st.sampled_from(["alarm", "burn", "write", "read", "learn", "freeze", "release"])


@settings(deadline=None, max_examples=300)
@given(LADDERS, st.lists(st.tuples(st.integers(0, 1), DEEDS), max_size=30))
def test_replicas_agree_with_the_store_when_all_is_written(
    ladder: tuple[Rung, ...], deeds: list[tuple[int, str]]
) -> None:
    async def main() -> None:
        store = MemoryStore()
        replicas = [Replica(store, ladder) for _ in range(2)]
        for place, what in deeds:
            if what in ("freeze", "release"):
                do = freeze if what == "freeze" else release
                do(store, ANN, by=b"", reason="why", now=2.0)
            else:
                await replicas[place].do(what)
        if standing(store, ANN).state == "frozen":
            for one in replicas:
                await one.look()
                assert one.found is not None
                assert one.found.state == "frozen"  # whatever is still on its way
        for one in replicas:
            await one.alarms.finish(one.here, store)  # type: ignore[arg-type]
        for one in replicas:
            await one.look()
        truth = standing(store, ANN)
        for one in replicas:
            assert one.found == (truth if truth.treated else None)
            assert one.known._waiting == one.known._floor == {}

    asyncio.run(main())


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(["alarm", "burn", "write", "read", "learn"]), max_size=30))
def test_what_is_in_force_here_is_never_milder_for_a_moment(deeds: list[str]) -> None:
    """Nobody releases; one replica; whatever the order of writing and looking."""

    async def main() -> None:
        replica, before = Replica(MemoryStore(), RUNGS), Standing(ANN)
        for what in deeds:
            await replica.do(what)
            now = replica.found or Standing(ANN)
            assert STATES.index(now.state) >= STATES.index(before.state)
            assert before.fuse is None or now.state == "frozen" or (now.fuse or 99) <= before.fuse
            before = now

    asyncio.run(main())


# A gateway --------------------------------------------------------------------------------------

ROWS = st.lists(
    st.tuples(st.integers(0, 80).map(float), st.integers(0, 20).map(float), st.integers(0, 1)),
    min_size=1, max_size=4,
)  # fmt: skip


@pytest.mark.parametrize("kind", ["linked", "auditor"])
@FEW
@given(st.lists(st.tuples(ROWS, st.integers(0, 3)), min_size=1, max_size=6))
def test_no_answer_to_anybody_changes_by_linked_accounts_or_an_auditor(
    tmp_path_factory: pytest.TempPathFactory, kind: str, asked: list[tuple[list[Any], int]]
) -> None:
    async def told(folder: Path, alarms: bool) -> list[tuple[int, bytes]]:
        async with running(folder, monitor=Monitor(respond=("freeze",))) as gateway:
            trigger, found = Trigger(gateway), []
            setattr(trigger, kind, True)
            other = gateway.key("partner", "other")
            for rows, count in asked:
                trigger.at_next = count * alarms
                for key in ("", other):
                    reply = await gateway.ask("partner", *rows, key=key)
                    found.append((reply.status, reply.body))
            return found

    folders = [tmp_path_factory.mktemp("gateway") for _ in range(2)]
    twins = [asyncio.run(told(folder, bool(place))) for place, folder in enumerate(folders)]
    assert twins[0] == twins[1]
    assert {status for status, _ in twins[1]} == {200}

"""Laws of the watch: however queries are spread over replicas, none is lost and none doubled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.asking import GENES, NOON, ROLE, clinic, refused, swept, token, world
from reticent.dataset import stack
from reticent.errors import StoreError
from reticent.gateway.remembering import Remembering
from reticent.monitor import watch as module
from reticent.monitor.memory import Rules
from reticent.monitor.settings import Monitor
from reticent.monitor.standing import Standings, standing
from reticent.monitor.watch import Watch
from stored import MemoryStore

RULES = {ROLE: Rules(refusals=0.3)}
CALLERS = ("ann", "bob")
LAWS = settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
FEW = settings(LAWS, max_examples=15)
PROBES = clinic(400, 61)
WRONG = refused(np.random.default_rng(0).random(400) < 0.5)


class Replica:
    """A watch with its memory of standings, on a store that others share."""

    def __init__(self, store: MemoryStore, watch: Watch) -> None:
        self.store, self.watch = store, watch
        self.known = Standings()
        self.now = NOON
        self.remembering = Remembering(self.watch, self.known, lambda: self.now)

    def ask(self, caller: str, start: int, count: int) -> None:
        cut = slice(start, start + count)
        rows = PROBES.take(cut)
        world("clinic").ask(self.watch, rows, caller, answer=WRONG.take(cut), at=self.now,
                            at_once=True)  # fmt: skip

    async def aside(self, function: Callable[..., Any], *given: Any) -> Any:
        return function(self.store, *given)

    def round(self) -> None:
        try:
            asyncio.run(self.remembering.round(self.aside))
        except StoreError:
            assert self.store.down

    def look(self) -> None:
        while self.known.learn(self.known.read(self.store)):
            pass


DEEDS = st.lists(
    st.tuples(st.sampled_from(["ask", "ask", "ask", "round", "look", "down", "up", "idle"]),
              st.integers(0, 1), st.integers(0, 1), st.integers(1, 9)),
    max_size=25,
)  # fmt: skip


def plain() -> Watch:
    """A watch in which the bet on a query depends on no earlier one: refusals without a burst."""
    return Watch(Monitor(burst=0), None, 0, RULES)


@LAWS
@given(DEEDS)
def test_replicas_know_together_what_one_watch_would(
    deeds: list[tuple[str, int, int, int]],
) -> None:
    """Queries, rounds, looks, a store that goes and comes, callers who fall silent: in the end
    the store has every caller's queries and evidence once."""
    store = MemoryStore()
    replicas = [Replica(store, plain()) for _ in range(2)]
    alone = {caller: Replica(MemoryStore(), plain()) for caller in CALLERS}
    asked = dict.fromkeys(CALLERS, 0)
    for what, place, who, count in deeds:
        one, caller = replicas[place], CALLERS[who]
        if what == "ask" and asked[caller] + count <= len(PROBES):
            one.ask(caller, asked[caller], count)
            alone[caller].ask(caller, asked[caller], count)
            asked[caller] += count
        elif what == "round":
            one.round()
        elif what == "look" and not store.down:
            one.look()
        elif what in ("down", "up"):
            store.down = what == "down"
        elif what == "idle":
            one.now += module.IDLE + 1
    store.down = False
    for one in [*replicas, *alone.values()]:
        one.round()
    for caller, single in alone.items():
        found, expected = (standing(s, token(caller)) for s in (store, single.store))
        assert found.queries == expected.queries == asked[caller]
        assert found.refused == expected.refused
        assert found.evidence == pytest.approx(expected.evidence, abs=1e-6)
        assert asked[caller] < 20 or any(found.evidence)


SWEEPS = stack(*[swept(clinic(1, 70 + place), "gene", GENES) for place in range(12)])


@FEW
@given(st.lists(st.integers(0, 1), min_size=12, max_size=12), st.sets(st.integers(0, 11)))
def test_a_sweep_spread_over_replicas_by_people_is_one_sweep(
    places: list[int], rounds: set[int]
) -> None:
    """Each person is swept at one of two replicas; the evidence of coverage adds up."""
    made = world("clinic")
    store, single = MemoryStore(), Replica(MemoryStore(), made.watch(None, RULES))
    replicas = [Replica(store, made.watch(None, RULES)) for _ in range(2)]
    for person, place in enumerate(places):
        rows = SWEEPS.take(slice(4 * person, 4 * person + 4))
        for one in (replicas[place], single):
            made.ask(one.watch, rows, at_once=True)
        if person in rounds:
            for one in replicas:
                one.round()
    for one in [*replicas, single]:
        one.round()
    found, expected = standing(store, token("ann")), standing(single.store, token("ann"))
    assert found.queries == expected.queries == 48
    coverage = slice(4, 8)
    assert max(expected.evidence[coverage]) > 30
    assert max(found.evidence[coverage]) > 30
    for one in replicas:
        one.look()
        world("clinic").ask(one.watch, clinic(1, 9), at_once=True)
        one.round()  # what others gained comes back with a gain of its own
        assert one.watch.memory(token("ann"), ROLE).contract > 1 / Monitor().alpha

"""What the watch knows of callers survives a restart, is shared by replicas, and ends in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.asking import GENES, NOON, ROLE, clinic, swept, token, world
from reticent.errors import StoreError
from reticent.event import Alert
from reticent.gateway.remembering import SESSION, Remembering, _added, calibrated
from reticent.monitor import watch as watches
from reticent.monitor.ladder import climbed
from reticent.monitor.memory import Rules
from reticent.monitor.promise import calibrate
from reticent.monitor.settings import Monitor
from reticent.monitor.standing import KIND, Standings, changed, freeze, release, standing
from reticent.stores.sqlite import Sqlite
from stored import MemoryStore

from .alarmed import stands, until
from .alarmed import token as of
from .running import Running, run, running

ANN = token("ann")
DAY = 86_400.0


class Replica:
    """A watch with what it remembers, on a store."""

    def __init__(self, store: Any, settings: Monitor | None = None,
                 rules: dict[str, Rules] | None = None) -> None:  # fmt: skip
        self.store, self.now, self.fails = store, NOON, ""
        self.known = Standings()
        self.alerts: list[Alert] = []
        self.watch = world("clinic").watch(settings, rules)
        self.remembering = Remembering(self.watch, self.known, lambda: self.now)

    def ask(self, rows: Any, caller: str = "ann", role: str = ROLE) -> int:
        """Ask at once: how many alerts."""
        found = world("clinic").ask(self.watch, rows, caller, role, at=self.now, at_once=True)
        self.alerts += found
        return len(found)

    def tell(self) -> None:
        """Write down what the alerts change, as the gateway does with each."""
        for alert in self.alerts:
            changed(
                self.store, alert.caller, partial(climbed, alert=alert, respond=["alert"], fuse=1)
            )
        self.alerts = []

    async def aside(self, function: Callable[..., Any], *given: Any) -> Any:
        if function.__name__ == self.fails:
            raise StoreError("the store", "it is away", "Wait")
        return function(self.store, *given)

    def round(self) -> None:
        asyncio.run(self.remembering.round(self.aside))

    def look(self) -> None:
        while self.known.learn(self.known.read(self.store)):
            pass

    def a_day(self, caller: str, role: str = ROLE) -> None:
        """Have a caller ask for a day, and the day end."""
        self.ask(clinic(3, 5), caller, role)
        self.round()
        self.now += DAY
        self.round()

    def wealth(self, caller: str = "ann") -> float:
        return self.watch.memory(token(caller), ROLE).contract


def sweep(people: int, seed: int = 3) -> Any:
    return swept(clinic(people, seed), "gene", GENES)


# Evidence ---------------------------------------------------------------------------------------


def test_evidence_survives_a_restart() -> None:
    store = MemoryStore()
    before = Replica(store)
    assert before.ask(sweep(1)) == 0
    before.round()
    after = Replica(store)
    after.look()
    assert after.wealth() == pytest.approx(before.wealth())
    assert after.wealth() != 1


def test_who_was_alarmed_is_not_alarmed_again_for_the_same_after_a_restart() -> None:
    store = MemoryStore()
    before = Replica(store)
    assert before.ask(sweep(10)) > 0
    before.tell()
    before.round()
    after = Replica(store)
    after.look()
    assert after.ask(clinic(20, 9)) == 0
    assert after.ask(sweep(40, 11)) > 0


def test_two_replicas_add_up() -> None:
    """Neither sees enough; together they do."""
    store = MemoryStore()
    replicas = [Replica(store) for _ in range(2)]
    halves = sweep(1, 3), sweep(1, 103)
    found = [one.ask(half) for one, half in zip(replicas, halves, strict=True)]
    assert found == [0, 0]
    for one in (*replicas, *replicas):
        one.round()
    assert standing(store, ANN).queries == 8
    assert replicas[0].ask(clinic(1, 1)) + replicas[1].ask(clinic(1, 2)) > 0
    assert replicas[1].alerts[0].query == 4, "the first query after it was added up"
    alone = Replica(MemoryStore())
    alone.ask(halves[0])
    alone.round()
    assert alone.ask(clinic(1, 1)) == 0


def halved() -> tuple[MemoryStore, list[Replica]]:
    """Two replicas of which neither saw enough; what they saw together stands in the store."""
    store = MemoryStore()
    replicas = [Replica(store) for _ in range(2)]
    for place, one in enumerate(replicas):
        assert one.ask(sweep(1, 3 + 100 * place)) == 0
        one.round()
    return store, replicas


@pytest.mark.parametrize("told", [False, True])
def test_what_passes_only_together_is_alarmed_after_a_restart_unless_it_was_before(
    told: bool,
) -> None:
    store, replicas = halved()
    if told:
        assert replicas[1].ask(clinic(1, 8)) == 1
        replicas[1].tell()
        replicas[1].round()
    again = Replica(store)
    again.look()
    assert again.ask(clinic(30, 9)) == (not told)


def test_an_alert_that_a_crash_swallowed_is_raised_again() -> None:
    """The evidence was saved, and the process ended before the alert was."""
    store = MemoryStore()
    before = Replica(store)
    assert before.ask(sweep(10)) > 0
    before.round()
    after = Replica(store)
    after.look()
    assert after.ask(clinic(20, 9)) == 1


def test_an_alert_of_one_replica_is_none_of_another() -> None:
    store, replicas = halved()
    assert replicas[1].ask(clinic(1, 8)) == 1
    replicas[1].tell()
    for one in replicas:
        one.look()
    for seed in (9, 10):
        assert [one.ask(clinic(30, seed)) for one in replicas] == [0, 0]
        replicas[0].round()  # what the other saw is added now, and was told of before
    assert [one.ask(sweep(30, 11)) > 0 for one in replicas] == [True, True]
    assert standing(store, ANN).alarmed >= 1


def test_what_is_written_while_another_writes_is_neither_lost_nor_doubled() -> None:
    store = MemoryStore()
    replicas = [Replica(store) for _ in range(3)]
    for turn in range(4):
        for place, one in enumerate(replicas):
            one.ask(sweep(1, 10 * turn + place))
        for one in replicas:
            one.round()
    assert standing(store, ANN).queries == 4 * 4 * 3


def test_a_busy_store_is_written_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another replica always writes in between: compare-and-set for each."""
    store = MemoryStore()
    one, other = Replica(store), Replica(store)
    one.ask(sweep(2))
    one.ask(clinic(3, 3), "bob")
    other.ask(sweep(2, 9))
    real = store.write
    times: list[int] = []

    def write(notes: Any, sightings: Any = ()) -> bool:
        if not times:
            times.append(1)
            _added(store, other.watch.gained(NOON))
        return bool(real(notes, sightings))

    monkeypatch.setattr(store, "write", write)
    one.round()
    assert standing(store, ANN).queries == 16
    assert standing(store, token("bob")).queries == 3


# A store that is away ---------------------------------------------------------------------------


def test_nothing_is_lost_while_the_store_is_away() -> None:
    store, single = MemoryStore(), Replica(MemoryStore())
    one = Replica(store)
    for turn in range(6):
        rows = sweep(1, 20 + turn)
        one.ask(rows)
        single.ask(rows)
        one.ask(clinic(2, turn), f"caller {turn}")
        store.down = turn in (1, 2, 4)
        if store.down:
            with pytest.raises(StoreError):
                one.round()
        else:
            one.round()
    store.down = False
    one.round()
    single.round()
    assert standing(store, ANN).queries == 24
    assert standing(store, ANN).evidence == pytest.approx(standing(single.store, ANN).evidence)
    assert all(standing(store, token(f"caller {turn}")).queries == 2 for turn in range(6))


def test_an_honest_session_is_not_lost_while_the_store_is_away() -> None:
    store = MemoryStore()
    one = Replica(store)
    one.ask(clinic(3, 5))
    one.round()
    one.now += DAY
    one.fails = "_honest"
    for _ in range(2):
        with pytest.raises(StoreError):
            one.round()
    one.fails = ""
    one.round()
    assert one.remembering.progress() == {ROLE: (1, Monitor().shadow)}


@pytest.mark.parametrize("fails_at", range(1, 12))
def test_a_store_that_fails_in_the_middle_doubles_nothing(
    fails_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One call fails, whichever: after the next rounds all is there once."""
    store = MemoryStore()
    one = Replica(store)
    for place in range(4):
        one.ask(clinic(3, place), f"caller {place}")
    count, real = [0], store.write

    def write(notes: Any, sightings: Any = ()) -> bool:
        count[0] += 1
        if count[0] == 1:
            return False  # another replica was quicker: one by one, then
        if count[0] == fails_at:
            raise StoreError("the store", "it failed", "Wait")
        return bool(real(notes, sightings))

    monkeypatch.setattr(store, "write", write)
    for _ in range(3):
        try:
            one.round()
        except StoreError:
            continue
    assert [standing(store, token(f"caller {p}")).queries for p in range(4)] == [3] * 4


# The shadow period ------------------------------------------------------------------------------


def test_one_session_of_each_principal() -> None:
    store = MemoryStore()
    one = Replica(store, Monitor(shadow=5))
    for _ in range(3):
        one.a_day("ann")
    one.a_day("bob")
    assert one.remembering.progress() == {ROLE: (2, 5)}
    assert {note.key for note in store.notes(SESSION)} == {ANN, token("bob")}


def test_thresholds_stand_when_enough_sessions_are_there() -> None:
    store = MemoryStore()
    own = Monitor(alpha=0.2, shadow=6)
    one, other = Replica(store, own), Replica(store, own)
    for place in range(6):
        found = one.watch.sessions.get(ROLE)
        assert found is None or found.missing > 0 or place >= 4
        one.a_day(f"caller {place}")
    assert one.remembering.progress() == {ROLE: (6, 6)}
    assert one.watch.sessions[ROLE].missing == 0
    assert ROLE not in other.watch.sessions
    other.round()
    assert other.watch.sessions == one.watch.sessions
    kept = one.watch.sessions[ROLE]
    one.a_day("a seventh")
    assert one.watch.sessions[ROLE] == kept, "it is set from the first ones"
    assert len(store.notes(SESSION)) == 6, "and then no more are kept"


def test_roles_have_their_own_shadow_period() -> None:
    store = MemoryStore()
    one = Replica(store, Monitor(shadow=5), {ROLE: Rules(), "other": Rules(), "free": Rules(
        permitted=True)})  # fmt: skip
    one.a_day("ann")
    one.a_day("bob", "other")
    assert one.remembering.progress() == {ROLE: (1, 5), "other": (1, 5), "free": (0, 5)}


def test_a_role_without_session_detectors_is_no_error() -> None:
    store = MemoryStore()
    one = Replica(store, Monitor(shadow=4, alpha=0.3), {ROLE: Rules(permitted=True)})
    for place in range(5):
        one.a_day(f"caller {place}")
    one.round()


def test_sessions_of_a_version_with_other_detectors_are_read() -> None:
    found = calibrated([{"spread": 2.0, "gone": 9.0}] * 9, ["climb", "spread"], 0.1)
    assert found == calibrate(np.array([[0.0, 2.0]] * 9), 0.1)


# Released ---------------------------------------------------------------------------------------


def test_a_released_caller_begins_anew_on_every_replica() -> None:
    store = MemoryStore()
    replicas = [Replica(store) for _ in range(2)]
    fresh = Replica(MemoryStore())
    alarms = fresh.ask(sweep(6, 50))
    assert alarms > 0
    for one in replicas:
        assert one.ask(sweep(6)) > 0
        one.round()
    freeze(store, ANN, by=b"", reason="it sweeps", now=1.0)
    for one in replicas:
        one.look()
        one.round()
    release(store, ANN, by=b"", reason="a study", now=2.0)
    for one in replicas:
        one.look()
    assert [one.wealth() for one in replicas] == [1, 1]
    assert replicas[0].ask(sweep(6, 50)) == alarms


def test_a_released_caller_with_alerts_begins_anew() -> None:
    """Alerts stay counted; that is no reason to go on where they were."""
    from msgspec.structs import replace

    store = MemoryStore()
    one = Replica(store)
    assert one.ask(sweep(6)) > 0
    one.round()
    changed(store, ANN, lambda before: replace(before, alerts=3, rung=3))
    release(store, ANN, by=b"", reason="a study", now=2.0)
    one.look()
    assert one.wealth() == 1
    assert one.ask(clinic(2, 4)) == 0
    one.round()
    one.look()
    assert standing(store, ANN).alerts == 3
    assert standing(store, ANN).score < 1
    before = one.ask(sweep(3, 51))
    one.look()
    assert before > 0
    assert one.wealth() > 1, "a release is heard once"


def test_a_release_is_heard_once() -> None:
    """What is counted afterwards is not forgotten with every saving."""
    store = MemoryStore()
    one = Replica(store, Monitor(rows_per_hour=10))
    freeze(store, ANN, by=b"", reason="why", now=1.0)
    release(store, ANN, by=b"", reason="a study", now=2.0)
    found = 0
    for turn in range(4):
        one.look()
        found += one.ask(clinic(4, turn))
        one.round()
    assert found == 1


def test_whoever_is_merely_saved_is_not_forgotten() -> None:
    """A role in which nothing is bet has no evidence to save; what is counted stays."""
    store = MemoryStore()
    one = Replica(store, Monitor(rows_per_hour=10), {ROLE: Rules(permitted=True)})
    found = 0
    for turn in range(4):
        found += one.ask(clinic(4, turn))
        one.round()
        one.look()
    assert found == 1


# A gateway --------------------------------------------------------------------------------------


async def probing(gateway: Running, people: int, start: int = 0) -> None:
    """Ask about people whom a contract refuses."""
    for place in range(people):
        assert (await gateway.ask("partner", (start + place / 7, 3.0, place % 2))).status == 200


def test_a_gateway_remembers_over_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as gateway:
            key = gateway.keys["partner"] = gateway.key("partner")
            await probing(gateway, 7)
            await gateway.worker.remember()
            assert stands(gateway).queries == 7
            await probing(gateway, 5, 50)
        async with running(tmp_path) as gateway:
            gateway.keys["partner"] = key
            assert stands(gateway).queries == 12, "the rest was written at the end"
            await probing(gateway, 2, 70)
            await gateway.worker.remember()
            assert stands(gateway).queries == 14
            assert gateway.worker.remembering.progress() == {"partner": (0, Monitor().shadow)}

    run(main())


def test_two_gateways_add_up(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as one, running(tmp_path) as two:
            two.keys["partner"] = one.keys["partner"] = one.key("partner")
            for gateway, people in ((one, 3), (two, 4), (one, 5)):
                await probing(gateway, people, 10 * people)
                await asyncio.gather(one.worker.remember(), two.worker.remember())
            assert stands(one).queries == 12
            with closing(Sqlite(tmp_path / "store.db")) as store:
                assert len(store.notes(KIND)) == 1

    run(main())


def test_a_release_reaches_the_watch_of_a_gateway(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as gateway:
            await probing(gateway, 3)
            watch: watches.Watch = gateway.worker.watch
            assert watch.callers
            with closing(Sqlite(tmp_path / "store.db")) as store:
                freeze(store, of(gateway), by=b"k" * 16, reason="why", now=1.0)
                release(store, of(gateway), by=b"k" * 16, reason="a study", now=2.0)
            await until(lambda: not watch.callers)

    run(main())

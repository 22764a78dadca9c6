"""One worker: the guard with its stations, and what goes on beside it while it serves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from reticent.access.identity import Identity
from reticent.access.policy import Doors
from reticent.access.tokens import Tokens
from reticent.contract import Contract
from reticent.errors import StoreError
from reticent.gateway.alarms import Alarms
from reticent.gateway.budget import DAY, Budget
from reticent.gateway.counters import Counters
from reticent.gateway.erasing import erased
from reticent.gateway.freshness import Freshness
from reticent.gateway.guard import Guard, View
from reticent.gateway.journal import checkpoint
from reticent.gateway.linking import Linking
from reticent.gateway.log import log
from reticent.gateway.remembering import Remembering
from reticent.gateway.together import Together
from reticent.monitor.alerts.outbox import Outbox, forget
from reticent.monitor.memory import Rules
from reticent.monitor.reference import Reference
from reticent.monitor.settings import Monitor
from reticent.monitor.sketch import Sketcher
from reticent.monitor.standing import Standings
from reticent.monitor.watch import Watch, watched
from reticent.randomness import subkey
from reticent.schema import Schema
from reticent.store import Head, Store
from reticent.stores.group import Grouped
from reticent.targets.contracted import asked
from reticent.targets.gate import Gate
from reticent.targets.limited import limited
from reticent.targets.shape import shaper

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from reticent.monitor.alerts.sender import Sender
    from reticent.monitor.alerts.settings import Sink
    from reticent.targets.served import Served

P = ParamSpec("P")
R = TypeVar("R")
POLL = 0.2  # seconds between two looks at the keys' version
THREADS = 64  # in which a costly model, or a server behind the gateway, is asked
CHECKPOINT = 60.0  # seconds between two signed checkpoints of a journal that grew
DELIVER = 1.0  # seconds between two looks at the alerts that wait to be sent
REMEMBER = 30.0  # seconds between two savings of what the watch knows
LINK = 1.0  # seconds between two looks for accounts that complete each other's sweeps
SWEEP = 3_600.0  # seconds between two sweeps of what is over


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a gateway is to serve, and under which rules.

    Attributes
    ----------
    served : the model. schema : its columns. contracts : role to contract. gates : role to gate.
    secret, signing : the root secret and the key that signs checkpoints.
    store : opens the store, anew for whom nobody shall wait. durable : fsync before each answer.
    rows_per_day : of all callers. retention_days : of the journal; None keeps it.
    monitor : what is done about alarms. sinks : where alerts go, by name.
    senders : loads what sends to them; called by the worker that delivers.
    reference : what honest queries look like; None: detectors of rows are not at work.
    """

    served: Served
    schema: Schema
    contracts: Mapping[str, Contract]
    gates: Mapping[str, Gate] = field(default_factory=dict)
    secret: bytes
    signing: Ed25519PrivateKey
    store: Callable[[], Store]
    durable: bool = True
    rows_per_day: int | None = None
    high_risk: bool = False
    trusted_proxies: tuple[str, ...] = ()
    tokens: Callable[[], Tokens | None] = lambda: None
    retention_days: float | None = None
    monitor: Monitor = field(default_factory=Monitor)
    sinks: Mapping[str, Sink] = field(default_factory=dict)
    senders: Callable[[], Mapping[str, Sender]] = dict
    reference: Reference | None = None


class Worker:
    """A guard in a running event loop, with its store and its watches.

    Parameters
    ----------
    first : whether this worker also signs checkpoints and sweeps.

    Attributes
    ----------
    checkpoint : the last one that it signed. leaving : set when it is told to stop.
    """

    def __init__(self, plan: Plan, counters: Counters, first: bool = True) -> None:
        self.plan, self.counters, self._first = plan, counters, first
        self.store = plan.store()
        self.group = Grouped(self.store, durable=plan.durable)
        self._beside_store = plan.store()
        self._beside = Grouped(self._beside_store, durable=True)  # no answer waits for it
        self.tokens = plan.tokens()
        self.alarms = Alarms(Standings(), plan.monitor, plan.sinks, counters)
        self.watch = watch_of(plan)
        self.remembering = Remembering(self.watch, self.alarms.standings)
        self.guard = guard_of(
            plan, self.store, self.group, counters, self.tokens, self.alarms, self.watch
        )
        self._outbox_store = plan.store()
        self._outbox: Outbox | None = None
        self._linking: Linking | None = None
        self._signed, self.checkpoint = Head(), b""
        self.leaving = asyncio.Event()
        self._away = False
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def ready(self) -> bool:
        """Whether requests are answered: the store is there and the keys are fresh."""
        return self.guard.keys.fresh and not self.group.failed

    async def start(self) -> None:
        """Look at the keys and at how callers stand once, then go on looking.

        Raises
        ------
        StoreError : there is no store to look at.
        """
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS))
        await self.group.call(self.store.version)  # its own words for what is wrong
        await self.guard.keys.begin()
        self._tasks.append(asyncio.create_task(self._every(POLL, self._watch)))
        alarms = self.alarms.run(self._beside, self._beside_store)
        self._tasks.append(asyncio.create_task(alarms))
        self._tasks.append(asyncio.create_task(self._every(REMEMBER, self.remember)))
        await self.remembering.learn(self.aside)
        if self._first:
            self._tasks.append(asyncio.create_task(self._every(CHECKPOINT, self.sign)))
            self._tasks.append(asyncio.create_task(self._every(SWEEP, self.sweep, at_once=True)))
            permitted = [role for role, one in self.plan.contracts.items() if one.permit]
            told = partial(self.counters.add, "alerts")
            self._linking = Linking(self.plan.store(), permitted, self.alarms.save, told)
            self._tasks.append(asyncio.create_task(self._every(LINK, self._linking.round)))
        if self._first and self.plan.sinks:
            self._outbox = Outbox(self._outbox_store, self.plan.senders())
            self._tasks.append(asyncio.create_task(self._every(DELIVER, self.deliver)))

    async def close(self) -> None:
        """Finish: write what waits, give leases back, sign the end of the journal."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            if self._linking is not None:
                await self._linking.close()
            await self.alarms.finish(self._beside, self._beside_store)
            if self._tasks:
                await self.remember()
            await self._beside.close()
            self._outbox_store.close()
            await self.group.flush()
            await self.guard.budget.close(self.store.give_back)
            if self._first and self._tasks:
                await self.sign()
            await self.group.close()
        except StoreError as error:
            log("store failed at the end", found=error.found)

    async def aside(
        self, function: Callable[Concatenate[Store, P], R], *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Run ``function(store, ...)`` on a connection that no answer waits for.

        Raises
        ------
        StoreError : it failed; any other exception of the function passes as it is.
        """
        return await self._beside.call(function, self._beside_store, *args, **kwargs)

    async def remember(self) -> None:
        """Keep what the watch knows of callers, and learn what other replicas know."""
        await self.remembering.round(self.aside)

    async def deliver(self) -> None:
        """Send the alerts that wait, in a thread: a sink may be slow."""
        if self._outbox is not None:
            told = await asyncio.to_thread(self._outbox.deliver_due, time.time())
            for name, one in told.items():
                self.counters.add("alerts_sent", one.sent)
                self.counters.add("alerts_given_up", one.given_up)
                if one.turned:
                    event = "alerts are not sent" if one.found else "alerts are sent again"
                    log(event, sink=name, found=one.found)
                if one.given_up:
                    log("alerts given up", sink=name, alerts=one.given_up, found=one.found)

    async def sign(self) -> None:
        """Sign a checkpoint where the journal has grown."""
        head = await self.group.call(self.store.head)
        if head.count > self._signed.count:
            signed = checkpoint(head, self.plan.signing, time.time())
            await self.group.call(self.store.save_checkpoint, head.count, signed)
            self._signed, self.checkpoint = head, signed

    async def sweep(self) -> None:
        """Forget windows that are over, and erase entries that were kept long enough.

        On a connection of its own: it may take long, and no answer shall wait for it.
        """
        await asyncio.to_thread(self._sweep)

    def _sweep(self) -> None:
        now, days = time.time(), self.plan.retention_days
        with closing(self.plan.store()) as store:
            store.forget(int(now) - 2 * DAY)
            forget(store, self.plan.sinks, now)
            if days is not None:
                erased(store, now - days * DAY, now, f"retention of {days:g} days")
                if self._linking is not None:
                    self._linking.again()

    async def _watch(self) -> None:
        """Look at the keys, and say aloud when the store goes and comes."""
        try:
            await self.guard.keys.look()
        finally:
            failed = not self.ready
            self.counters.put("store_failed", float(failed))
            if failed != self._away:
                self._away = failed
                log("store away: nobody is answered" if failed else "store is back")

    async def _every(
        self, seconds: float, step: Callable[[], Awaitable[Any]], at_once: bool = False
    ) -> None:
        wait = 0.0 if at_once else seconds
        while True:
            await asyncio.sleep(wait)
            wait = seconds
            try:
                await step()
            except StoreError as error:
                if step != self._watch:
                    log("store failed", found=error.found)


def guard_of(
    plan: Plan, store: Store, group: Grouped, counters: Counters, tokens: Tokens | None,
    alarms: Alarms, watch: Watch,
) -> Guard:  # fmt: skip
    """Set the stations up.

    Raises
    ------
    ConfigError : a contract that cannot hold for this model.
    """
    inputs = plan.served.card.columns
    sketches = subkey(plan.secret, "sketches")
    identity = Identity(store, plan.secret, tokens, group.call)
    return Guard(
        card=plan.served.card,
        views={role: view(plan, role) for role in plan.contracts},
        costly=plan.served.costly,
        identity=identity,
        keys=Freshness(identity, alarms.standings, store, group),
        doors=Doors(plan.contracts, plan.high_risk, plan.trusted_proxies),
        budget=Budget(group, plan.contracts, plan.rows_per_day),
        sketcher=Sketcher(sketches, inputs, groups_of(plan), plan.schema.precisions),
        watch=watch,
        alarms=alarms,
        group=group,
        counters=counters,
        source_key=subkey(plan.secret, "sources"),
    )


def groups_of(plan: Plan) -> list[list[str]]:
    """The groups of columns that the watch looks at."""
    return watched(plan.served.card.columns, plan.schema, plan.contracts.values())


def watch_of(plan: Plan) -> Watch:
    """Set the detectors up."""
    rules = {role: Rules.of(one, plan.monitor) for role, one in plan.contracts.items()}
    return Watch(plan.monitor, plan.reference, len(groups_of(plan)), rules)


def view(plan: Plan, role: str) -> View:
    """One role's view of the model, through the very functions that an audit attacks.

    Raises
    ------
    ConfigError : the contract cannot hold for this model.
    """
    target, contract = plan.served.target, plan.contracts[role]
    seen = asked(target, contract, plan.schema, gate=plan.gates.get(role))
    key = subkey(plan.secret, "noise")
    shape = shaper(seen, contract, plan.schema, key, target.columns)
    few = None
    if contract.values_per_record is not None:
        few = limited(target, seen, contract.marginalize, plan.schema.precisions)
    return View(role, contract, contract.digest, seen, shape, Together(seen.ask), few)

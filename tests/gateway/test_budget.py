"""Budgets, by hand and by chance, with several workers on one store."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reticent.contract import Contract
from reticent.gateway.budget import DAY, MINUTE, Budget
from reticent.stores.group import Grouped
from reticent.stores.sqlite import Sqlite

PRINCIPALS = [bytes([place]) * 16 for place in range(3)]


class Clock:
    def __init__(self, now: float = 1_000_000 * DAY) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


async def spend(budget: Budget, principal: bytes, role: str, rows: int) -> int | None:
    """Rows that were debited, or None with the seconds to wait in mind."""
    if budget.spend(principal, role, rows):
        return rows
    return rows if await budget.lease(principal, role, rows) is None else None


STEPS = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from(PRINCIPALS), st.integers(1, 90),
              st.sampled_from([0.0, 1.0, 59.0, 61.0, 5_000.0])),
    max_size=60,
)  # fmt: skip
LIMITS = Contract(output="label", rows_per_minute=100, rows_per_day=250, role_rows_per_day=600)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, st.booleans())
def test_no_limit_is_ever_passed(steps: list[tuple[int, bytes, int, float]], crash: bool) -> None:
    """Two workers, random batches and a clock that jumps: every window keeps every limit."""

    async def main(path: Path) -> None:
        clock, spent = Clock(), dict[tuple[str, int], int]()
        groups = [Grouped(Sqlite(path), durable=True) for _ in range(2)]
        workers = [Budget(group, {"r": LIMITS}, 700, clock) for group in groups]
        for place, (worker, principal, rows, later) in enumerate(steps):
            clock.now += later
            if crash and place == len(steps) // 2:  # its leases are gone, and stay gone
                workers[0] = Budget(groups[0], {"r": LIMITS}, 700, clock)
            if await spend(workers[worker], principal, "r", rows) is None:
                continue
            now = int(clock.now)
            for name, span in ((principal.hex(), MINUTE), (principal.hex(), DAY), ("r", DAY)):
                key = f"{name}/{span}", now // span
                spent[key] = spent.get(key, 0) + rows
        limits = {f"{one.hex()}/{MINUTE}": 100 for one in PRINCIPALS}
        limits |= {f"{one.hex()}/{DAY}": 250 for one in PRINCIPALS} | {f"r/{DAY}": 600}
        assert all(rows <= limits[name] for (name, _), rows in spent.items())
        for group in groups:
            await group.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(Path(folder) / "store.db"))


def test_one_worker_spends_every_row_of_a_limit(tmp_path: Path) -> None:
    async def main() -> None:
        clock = Clock()
        group = Grouped(Sqlite(tmp_path / "store.db"), durable=True)
        budget = Budget(group, {"r": Contract(output="label", rows_per_day=1_003)}, None, clock)
        done = [await spend(budget, PRINCIPALS[0], "r", 1) for _ in range(1_010)]
        assert sum(one or 0 for one in done) == 1_003
        refused = await budget.lease(PRINCIPALS[0], "r", 1)
        assert refused is not None
        assert refused.retry_after == DAY + 1
        clock.now += DAY
        assert await spend(budget, PRINCIPALS[0], "r", 1_003) == 1_003
        await group.close()

    asyncio.run(main())


def test_what_is_left_of_a_window_ends_with_it(tmp_path: Path) -> None:
    async def main() -> None:
        clock = Clock()
        group = Grouped(Sqlite(tmp_path / "store.db"), durable=True)
        budget = Budget(group, {"r": Contract(output="label", rows_per_minute=100)}, None, clock)
        assert await spend(budget, PRINCIPALS[0], "r", 1) == 1  # four more are leased with it
        clock.now += MINUTE
        done = [await spend(budget, PRINCIPALS[0], "r", 1) for _ in range(110)]
        assert sum(one or 0 for one in done) == 100
        await group.close()

    asyncio.run(main())


def test_an_orderly_end_gives_back_and_a_crash_does_not(tmp_path: Path) -> None:
    async def main(orderly: bool) -> int:
        path = tmp_path / f"{orderly}.db"
        store = Sqlite(path)
        group = Grouped(store, durable=True)
        contract = {"r": Contract(output="label", rows_per_day=1_000)}
        budget = Budget(group, contract, None, Clock())
        assert await spend(budget, PRINCIPALS[0], "r", 1) == 1
        if orderly:
            await budget.close(store.give_back)
        await group.close()
        used: int = Sqlite(path).used(f"principal/{PRINCIPALS[0].hex()}/{DAY}", int(Clock()()))
        return used

    assert asyncio.run(main(True)) == 1
    assert asyncio.run(main(False)) == 50  # a twentieth was leased


def test_a_refused_batch_costs_no_budget_anything(tmp_path: Path) -> None:
    async def main() -> None:
        group = Grouped(Sqlite(tmp_path / "store.db"), durable=True)
        roles = {"r": Contract(output="label", rows_per_minute=10, role_rows_per_day=5)}
        budget = Budget(group, roles, None, Clock())
        assert await spend(budget, PRINCIPALS[0], "r", 6) is None  # the role's day is too small
        assert await spend(budget, PRINCIPALS[0], "r", 5) == 5
        refused = await budget.lease(PRINCIPALS[0], "r", 1)
        assert refused is not None
        assert refused.reason == "the role's rows of this day are spent"
        await group.close()

    asyncio.run(main())


def test_callers_who_come_and_go_take_no_memory(tmp_path: Path) -> None:
    async def main() -> None:
        group = Grouped(Sqlite(tmp_path / "store.db"), durable=True)
        budget = Budget(group, {"r": Contract(output="label")}, None, Clock())
        for place in range(100_200):
            assert budget.spend(place.to_bytes(16), "r", 1)
        assert len(budget._purses) == 100_000
        await group.close()

    asyncio.run(main())

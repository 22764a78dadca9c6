"""What goes on beside a guard while it serves."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from reticent.gateway.budget import DAY
from reticent.gateway.journal import read_checkpoint, verify
from reticent.store import Erased, Want, Work

from .running import run, running

ROW = (30.0, 10.0, 0)


def test_what_was_kept_long_enough_is_erased_and_the_chain_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with running(tmp_path, retention_days=30) as gateway:
            worker = gateway.worker
            for _ in range(3):
                await gateway.ask("partner", ROW)
            await worker.sign()
            signed = worker.checkpoint
            assert read_checkpoint(signed).count == 3
            await worker.sweep()  # nothing is old
            now = time.time()
            monkeypatch.setattr(time, "time", lambda: now + 31 * DAY)
            await worker.sweep()
            monkeypatch.undo()
            entries = [one for block in worker.store.blocks() for one in block.entries]
            assert [isinstance(one, Erased) for one in entries] == [True, True, True, False]
            public = worker.plan.signing.public_key()
            found = verify(worker.store.blocks(), worker.store.head(), [signed], public)
            assert (found.erased, found.proven, found.problems) == (3, 3, ())

    run(main())


def test_budgets_of_windows_that_are_over_are_forgotten(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as gateway:
            store, today = gateway.worker.store, int(time.time()) // DAY * DAY
            for window in (today - 5 * DAY, today):
                store.commit(Work(wants=[Want("all", window, 10, 1, 1)]))
            await gateway.worker.sweep()
            assert (store.used("all", today - 5 * DAY), store.used("all", today)) == (0, 1)

    run(main())


def test_an_orderly_end_signs_the_whole_journal(tmp_path: Path) -> None:
    async def main() -> None:
        async with running(tmp_path) as gateway:
            await gateway.ask("partner", ROW)
            worker = gateway.worker
        assert read_checkpoint(worker.checkpoint).count == 1

    run(main())

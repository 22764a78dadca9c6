"""A gateway's process as far as the store sees it; killed by the tests at any moment.

    python worker.py NAME WAY LIMIT FOLDER [URL]

It prints a line ``entry rows`` for what it was told is done, and not before. WAY: ``alone`` (one
commit after the other), ``many`` (twenty callers, one loop), until nothing is left to lease.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from reticent.store import Done, Want, Work
from reticent.stores.group import Grouped
from reticent.stores.opened import open_store

NAME, WAY, LIMIT, FOLDER, *URL = sys.argv[1:]


def work(place: int) -> Work:
    return Work([f"{NAME}-{place}".encode()], [Want("all", 0, int(LIMIT), 1, 3)])


def tell(place: int, done: Done) -> bool:
    sys.stdout.write(f"{NAME}-{place} {done.granted[0]}\n")
    sys.stdout.flush()
    return done.granted[0] > 0


async def many(front: Grouped) -> None:
    async def caller(first: int) -> None:
        place = first
        while tell(place, await front.commit(work(place))):
            waited = front.record(f"{NAME}-{place}-asked".encode())
            assert waited is not None
            await waited
            sys.stdout.write(f"{NAME}-{place}-asked 0\n")
            place += 20

    await asyncio.gather(*(caller(first) for first in range(20)))
    await front.close()


async def main() -> None:
    store = open_store(URL[0] if URL else None, Path(FOLDER))
    if WAY == "many":
        await many(Grouped(store, durable=True))
        return
    place = 0
    while tell(place, store.commit(work(place))):
        place += 1
    store.close()


asyncio.run(main())

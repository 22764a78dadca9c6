"""Two gateways on one PostgreSQL, the same callers at both: no budget is passed."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from contextlib import ExitStack

from benchmarks import postgres
from benchmarks.books import audited
from benchmarks.guarded import Limits, gateway, keys, project, requests, workplace
from benchmarks.load import drive
from benchmarks.table import Table
from reticent.access.secret import signing_key

REPLICAS = 2
OWNERS = 16
LINES = 2  # connections of one owner to each replica
SECONDS = 20.0
# What is met first: the principal's minute, the principal's day, the role's day, the day of all.
LIMITS = {
    "principal, minute": Limits(minute=200),
    "principal, day": Limits(day=300),
    "role, day": Limits(role_day=3_000),
    "all, day": Limits(all_day=3_000),
}


def measure(seconds: float = SECONDS) -> Table:
    """Load both replicas until a budget is spent, for each kind of budget."""
    rows = []
    with postgres.running() as fresh:
        for name, limits in LIMITS.items():
            print(f"{name}, {seconds:g} s", file=sys.stderr, flush=True)
            rows.append(_spent(name, limits, fresh(), seconds))
    return Table(
        head=("budget that is met", "rows allowed", "rows answered", "share", "refused",
              "a second, both", "problems"),
        rows=rows,
        notes=(
            f"{REPLICAS} processes of `reticent serve` on one PostgreSQL (defaults, fsync on), "
            f"{OWNERS} principals, each with {LINES} keep-alive connections to each replica, in a "
            f"closed loop for {seconds:g} s; the other budgets are far away. Afterwards, from the "
            "store: no account has more rows answered than leased, or leased than allowed; the "
            "journal's chain verifies, and holds every answer that callers saw. *share*: what is "
            "missing to 1 lay in the other replica's leases when the budget was spent; it is "
            "given back when that replica stops in order. A load that passes midnight UTC, or "
            "minutes for the first row, is allowed as many windows as it touches.",
        ),
        versions=(postgres.version(),),
    )  # fmt: skip


def _spent(name: str, limits: Limits, url: str, seconds: float) -> tuple[str, ...]:
    """One row of the table."""
    with ExitStack() as stack:
        folder = stack.enter_context(workplace())
        paths = [project(folder / f"replica-{n}", "group", limits, url) for n in range(REPLICAS)]
        owners = [f"caller-{n}" for n in range(OWNERS)]
        texts = keys(paths[0], owners)
        signing_key(paths[0].parent / ".reticent", create=True)
        for path in paths[1:]:  # one secret and one signer, as a cluster's Secret gives them
            shutil.copytree(paths[0].parent / ".reticent", path.parent / ".reticent")
        ports = []
        for path in paths:
            running = gateway(path)
            stack.callback(running.stop)
            ports.append(running.port)
        lines = [n // (REPLICAS * LINES) for n in range(OWNERS * LINES * REPLICAS)]
        driven = drive(ports, requests([texts[n] for n in lines]), seconds)
        told = Counter[str]()
        for n, count in zip(lines, driven.answered, strict=True):
            told[owners[n]] += count
        books = audited(paths[0], limits, told=told)
    whole = {"p": OWNERS * min(limits.minute, limits.day)}.get(
        name[0], min(limits.role_day, limits.all_day)
    )
    problems = list(books.problems)
    if set(driven.refused) - {429} or driven.broken:
        problems.append(f"other refusals: {driven.refused}, {driven.broken} broken")
    refused, rate = driven.refused.get(429, 0), driven.requests + sum(driven.refused.values())
    return (
        name, f"{whole:,}", f"{driven.requests:,}", f"{driven.requests / whole:.2f}",
        f"{refused:,}", f"{rate / driven.seconds:,.0f}", "; ".join(problems[:3]) or "none",
    )  # fmt: skip

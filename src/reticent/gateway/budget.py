"""Who may still ask how much: rows a minute and a day, of a principal, a role and all together.

A budget belongs to an account and a window of UTC time and is kept in the store, which all workers
and replicas share. A worker leases rows from it in advance and spends them from memory, so that
most requests cost no transaction. A lease is durable before it is spent: whatever happens to the
worker, the limit is never passed; a crash loses the rest of a lease and never gives it back.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from reticent.contract import Contract
from reticent.store import Want, Work
from reticent.stores.group import Grouped

MINUTE, DAY = 60, 86_400
LEASES = 20  # a limit is leased in as many parts, so that replicas find something left
LARGEST = 1_000  # rows of one lease
PURSES = 100_000  # principals whose leases are kept in memory
ALL = "all"  # the account of the rows of a day of everybody


def of_principal(principal: bytes, span: int) -> str:
    """Name the account of one principal's rows a minute or a day, by its token."""
    return f"principal/{principal.hex()}/{span}"


def of_role(role: str) -> str:
    """Name the account of the rows of a day of all principals of a role."""
    return f"role/{role}"


class Purse:
    """What a worker holds of one account's current window."""

    __slots__ = ("account", "left", "limit", "span", "window")

    def __init__(self, account: str, span: int, limit: int) -> None:
        self.account, self.span, self.limit = account, span, limit
        self.window = self.left = 0

    def has(self, rows: int, now: float) -> bool:
        """Say whether the rows are there, in the window of now."""
        window = int(now) // self.span * self.span
        if window != self.window:
            self.window, self.left = window, 0
        return self.left >= rows

    def want(self, rows: int) -> Want:
        """The lease that would do for some rows."""
        least = rows - self.left
        most = max(least, min(self.limit // LEASES, LARGEST))
        return Want(self.account, self.window, self.limit, least, most)


@dataclass(frozen=True, slots=True)
class Spent:
    """A budget that does not hold a batch: which one, and when it opens again."""

    reason: str
    retry_after: int | None


class Budget:
    """The budgets of one gateway, as one worker sees them.

    Parameters
    ----------
    group : the store's front. contracts : of all roles. rows_per_day : of all callers together.
    clock : seconds since 1970.
    """

    def __init__(
        self,
        group: Grouped,
        contracts: Mapping[str, Contract],
        rows_per_day: int | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._group, self._clock = group, clock
        shared = [] if rows_per_day is None else [Purse(ALL, DAY, rows_per_day)]
        self._shared = {
            role: [*_daily(of_role(role), contract.role_rows_per_day), *shared]
            for role, contract in contracts.items()
        }
        self._own = {role: _own_limits(contract) for role, contract in contracts.items()}
        self._purses: OrderedDict[tuple[bytes, str], list[Purse]] = OrderedDict()

    def spend(self, principal: bytes, role: str, rows: int) -> bool:
        """Debit rows from all purses of a request, or from none."""
        purses = self._of(principal, role)
        now = self._clock()
        for purse in purses:
            if not purse.has(rows, now):
                return False
        for purse in purses:
            purse.left -= rows
        return True

    async def lease(self, principal: bytes, role: str, rows: int) -> Spent | None:
        """Debit rows, leasing what is missing: None, or the budget that does not hold them.

        Raises
        ------
        StoreError : the store cannot be reached; nothing was debited.
        """
        while not self.spend(principal, role, rows):
            now = self._clock()
            short = [purse for purse in self._of(principal, role) if not purse.has(rows, now)]
            if large := next((purse for purse in short if purse.limit < rows), None):
                return Spent(f"{_in_words(large)} hold {large.limit} rows, the batch {rows}", None)
            wants = [purse.want(rows) for purse in short]
            leased = (await self._group.commit(Work(wants=wants))).granted
            for purse, want, granted in zip(short, wants, leased, strict=True):
                if want.window == purse.window:
                    purse.left += granted
            for purse, want, granted in zip(short, wants, leased, strict=True):
                if not granted and want.window == purse.window and not purse.has(rows, now):
                    opens = purse.window + purse.span - now
                    return Spent(f"{_in_words(purse)} are spent", max(1, int(opens) + 1))
        return None

    def _of(self, principal: bytes, role: str) -> list[Purse]:
        purses = self._purses.get((principal, role))
        if purses is None:
            own = [Purse(of_principal(principal, span), span, limit)
                   for span, limit in self._own[role]]  # fmt: skip
            purses = self._purses[principal, role] = [*own, *self._shared[role]]
            if len(self._purses) > PURSES:
                self._purses.popitem(last=False)  # its rest is lost, as by a crash
        return purses

    async def close(self, give_back: Callable[[str, int, int], None]) -> None:
        """Give back what was leased and not spent: an orderly end, unlike a crash, may."""
        held = {id(purse): purse for purses in self._purses.values() for purse in purses}
        now = self._clock()
        for purse in held.values():
            if purse.has(1, now):
                rest, purse.left = purse.left, 0
                await self._group.call(give_back, purse.account, purse.window, rest)


def _own_limits(contract: Contract) -> list[tuple[int, int]]:
    limits = [(MINUTE, contract.rows_per_minute), (DAY, contract.rows_per_day)]
    return [(span, limit) for span, limit in limits if limit is not None]


def _daily(account: str, limit: int | None) -> list[Purse]:
    return [] if limit is None else [Purse(account, DAY, limit)]


def _in_words(purse: Purse) -> str:
    span = "minute" if purse.span == MINUTE else "day"
    whose = {"p": "your rows", "r": "the role's rows", "a": "all rows"}[purse.account[0]]
    return f"{whose} of this {span}"

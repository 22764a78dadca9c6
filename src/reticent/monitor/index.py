"""One index over all callers: which values of which records were asked, and by whom, in tokens.

A record of an account is *completed* while the account alone asked a value of it and others asked
values that this account did not; or where it asked a value that few asked, and more another. It is
*contested* where others asked the very same value, and others again another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from reticent.event import TOKEN_BYTES, QueryEvent
from reticent.store import Sighting

LEAST = 4  # records of an account below which it is not judged
VALUES = 64  # of one record that are remembered
PARTNERS = 16  # of one account that are remembered, the latest
BLOCK = 64  # records of an account in one block
REST = 1_800.0  # seconds after which a trail may have forgotten
OWN = -1  # for ``Sighting.shared``: its asker also asked what others asked, and needs nobody

Values = dict[bytes, Sighting]  # of one record, by value


class State(NamedTuple):
    """How an account stands to a contested record: completed, or else in agreement with others.

    Attributes
    ----------
    at : when it asked.
    """

    completed: bool
    at: float


class Tally(msgspec.Struct, array_like=True):
    """Records that an account asked about since a time, and what became of them by now.

    Attributes
    ----------
    completed : by others. contested : others asked another value, and others the very same.
    """

    asked: int = 0
    completed: int = 0
    contested: int = 0
    since: float = 0.0

    @property
    def telling(self) -> int:
        """Records that tell anything of the account: all but the contested ones."""
        return max(self.asked - self.contested, self.completed)


class Course(msgspec.Struct, array_like=True):
    """An account's records in one watched column: all of them, and those of the last two blocks.

    Attributes
    ----------
    whole, before, now : of all, of the last full block, of the one that is being filled.
    number : of that one, from 0.
    """

    whole: Tally = msgspec.field(default_factory=Tally)
    before: Tally = msgspec.field(default_factory=Tally)
    now: Tally = msgspec.field(default_factory=Tally)
    number: int = 0

    @property
    def judged(self) -> bool:
        """Whether these are enough records to be told from chance."""
        return self.whole.asked >= LEAST

    def ask(self, at: float) -> None:
        """Count a record that is asked about for the first time."""
        if self.now.asked == BLOCK:
            self.before, self.now, self.number = self.now, Tally(since=at), self.number + 1
        self.whole.asked += 1
        self.now.asked += 1

    def settle(self, state: State, by: int) -> None:
        """Count a record that is completed or contested now (1), or no longer (-1)."""
        own = [self.whole]
        if state.at >= self.now.since:
            own.append(self.now)
        elif state.at >= self.before.since:
            own.append(self.before)
        for tally in own:
            if state.completed:
                tally.completed = min(max(tally.completed + by, 0), tally.asked)
            else:
                tally.contested = min(max(tally.contested + by, 0), tally.asked)


class Account(msgspec.Struct, array_like=True):
    """What the index knows of one caller.

    Attributes
    ----------
    role, model, contract, source : of the last event. rows : asked so far.
    revisits : records of which it asked a second value by itself.
    courses : watched column to its records. partners : who asked the values that this account
        left out, and how often more than the very same values; the latest last.
    named : when it was named as linked, seconds since 1970; 0: never.
    late : revisits that came so late that no trail remembered the first value. told : when it was
        named for them; 0: never.
    """

    role: str = ""
    model: str = ""
    contract: str = ""
    source: bytes = b""
    rows: int = 0
    revisits: int = 0
    courses: dict[str, Course] = msgspec.field(default_factory=dict)
    partners: dict[bytes, int] = msgspec.field(default_factory=dict)
    named: float = 0.0
    late: int = 0
    told: float = 0.0

    @property
    def judged(self) -> bool:
        """Whether it asked about enough records of any column to be told from chance."""
        return any(course.judged for course in self.courses.values())

    @property
    def completed(self) -> int:
        """How many of its records are completed, over all columns."""
        return sum(course.whole.completed for course in self.courses.values())

    def met(self, partner: bytes, by: int) -> None:
        """Count what another account asked about the same record: another value (1), or its own."""
        if by > 0 or partner in self.partners:
            self.partners[partner] = self.partners.pop(partner, 0) + by
        if len(self.partners) > PARTNERS:
            del self.partners[next(iter(self.partners))]


class Sums(msgspec.Struct, array_like=True):
    """Over the accounts judged in a column: how many these are, and what became of their records.

    Attributes
    ----------
    asked, contested : their records, as in ``Tally``.
    """

    judged: int = 0
    asked: int = 0
    contested: int = 0

    @property
    def telling(self) -> int:
        """Records that tell anything of their account, about."""
        return self.asked - self.contested

    def add(self, course: Course, by: int = 1) -> None:
        """Count an account that is judged now, or no longer (-1)."""
        self.judged += by
        self.asked += by * course.whole.asked
        self.contested += by * course.whole.contested


class Cursor(msgspec.Struct, array_like=True):
    """How far the journal was read, and how many accounts are judged by now.

    Attributes
    ----------
    next : number of the next entry. judged : accounts with enough records in any column.
    columns : watched column to the sums over all accounts.
    """

    next: int = 0
    judged: int = 0
    columns: dict[str, Sums] = msgspec.field(default_factory=dict)


class Index:
    """The index in memory: all of it, or as much as some events need.

    Parameters
    ----------
    account : finds an account that is not here yet.

    Attributes
    ----------
    records : to their values. accounts : by principal. changed : sightings, by record and value.
    """

    def __init__(self, cursor: Cursor, account: Callable[[bytes], Account]) -> None:
        self.cursor = cursor
        self.records: dict[bytes, Values] = {}
        self.accounts: dict[bytes, Account] = {}
        self.changed: dict[tuple[bytes, bytes], Sighting] = {}
        self._account = account

    def of(self, principal: bytes) -> Account:
        """An account, to be changed."""
        found = self.accounts.get(principal)
        if found is None:
            found = self.accounts[principal] = self._account(principal)
        return found

    def fold(self, event: QueryEvent) -> None:
        """Count one event, row by row; a refused row tells its caller no less."""
        self.count(event)
        for column in event.columns:
            for record, value in event.records(column):
                self.ask(event.principal, column, record, value, event.at)

    def count(self, event: QueryEvent) -> None:
        """Count an event's rows, and remember what they came as."""
        account = self.of(event.principal)
        account.role, account.model, account.contract = event.role, event.model, event.contract
        account.source, account.rows = event.source, account.rows + event.rows

    def alone(self, who: bytes, column: str, at: float) -> None:
        """Count a record that an account asks about for the first time."""
        account = self.of(who)
        before, course = account.judged, account.courses.setdefault(column, Course())
        course.ask(at)
        sums = self.cursor.columns.setdefault(column, Sums())
        if course.whole.asked == LEAST:
            sums.add(course)
            self.cursor.judged += not before
        elif course.judged:
            sums.asked += 1

    def ask(self, who: bytes, column: str, record: bytes, value: bytes, at: float) -> None:
        """Count one value of one record."""
        values = self.records.setdefault(record, {})
        own = [one for one in values.values() if one.principal == who]
        known = values.get(value)
        if not own:
            self.alone(who, column, at)
        elif len(own) == 1 and own[0] is not known and own[0].shared != OWN:
            account = self.of(who)
            account.revisits += 1
            account.late += at - own[0].at >= REST
        if known is None and len(values) >= VALUES:
            return
        before = _states(values)
        for one in _asked(values, own, known, Sighting(record, value, who, 0, at)):
            values[one.value] = self.changed[record, one.value] = one
        after = _states(values)
        if known is not None and known.shared != OWN and not own:
            self.of(who).met(known.principal, -1)
            if known.shared == 0 and known.principal in before:
                few = any(one.shared > 1 for one in values.values())  # two; three know another one
                after |= {known.principal: State(few, known.at), who: State(few, at)}
        for principal in before.keys() | after.keys():
            self._settle(column, values, principal, before.get(principal), after.get(principal))

    def _settle(
        self, column: str, values: Values, who: bytes, before: State | None, after: State | None
    ) -> None:
        """Count how an account stands to a record now, and did not before.

        Whoever agreed with others and then was not the last to do so still agrees with them.
        """
        if after is None and (before is None or not before.completed):
            return
        if before is not None and after is not None and before.completed == after.completed:
            return
        account = self.of(who)
        course = account.courses.setdefault(column, Course())
        contested = course.whole.contested
        if before is not None:
            course.settle(before, -1)
        if after is not None:
            course.settle(after, 1)
            if after.completed:
                for partner in {one.principal for one in _counted(values)} - {who}:
                    account.met(partner, 1)
        if course.judged:
            self.cursor.columns[column].contested += course.whole.contested - contested


def _counted(values: Values) -> list[Sighting]:
    return [one for one in values.values() if one.shared != OWN]


def _states(values: Values) -> dict[bytes, State]:
    """How accounts stand to a record of which several asked different values.

    Known are those who alone asked a value, and of each other value the last one.
    """
    if len(values) < 2:
        return {}
    counted = _counted(values)
    if len(counted) < 2 or all(one.principal == counted[0].principal for one in counted):
        return {}
    found = {one.principal: State(False, one.at) for one in counted if one.shared}
    return found | {one.principal: State(True, one.at) for one in counted if not one.shared}


def _asked(
    values: Values, own: list[Sighting], known: Sighting | None, now: Sighting
) -> Iterator[Sighting]:
    """What changes where an account asks a value.

    Who asks the value that others asked, beside another one, goes through the record's values by
    itself: an analysis of somebody whom others look up makes no accomplices. All that is kept of
    it is that its other values tell nothing, or a trace where there are none.
    """
    who, at = now.principal, now.at
    if known is None or (known.shared == OWN and known.principal != who):
        needless = any(one.shared for one in own)
        yield msgspec.structs.replace(now, shared=OWN if needless else 0)
    elif known.principal == who:
        yield msgspec.structs.replace(known, at=max(at, known.at))
    elif own:
        yield from (msgspec.structs.replace(one, shared=OWN) for one in own if not one.shared)
        if all(one.shared > 0 for one in own) and len(values) < VALUES:
            yield Sighting(now.record, _trace(now), who, OWN, at)
    else:
        for one in values.values():
            if one.principal == known.principal and one is not known and not one.shared:
                yield msgspec.structs.replace(one, shared=OWN)
        yield Sighting(now.record, now.value, who, known.shared + 1, max(at, known.at))


def _trace(now: Sighting) -> bytes:
    """A token in the place of a value: this account came back with another one."""
    return blake2b(now.record + now.principal, digest_size=TOKEN_BYTES).digest()

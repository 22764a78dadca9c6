"""Which accounts complete each other's sweeps.

Who spreads a sweep over many accounts asks only a value or two of each record with each of them.
What gives them away is that others asked the values that they left out. For each account an
e-value says how much more often that happened to its records than to those of most accounts
(bets on every higher rate at once: Robbins 1970, doi:10.1214/aoms/1177696786). A record about
which it agrees with others, while somebody asked another value, tells nothing: honest people agree
on the true value, and whoever sweeps has to ask it too. e-BH finds the accounts that stand out
(Wang and Ramdas 2022, doi:10.1111/rssb.12489); those that met over records which they completed,
more often than they asked the very same, are one group.

Blind spots: sweeps with other columns jittered beyond their precision; every value asked by two
accounts; fewer than some eight queries an account; several honest queries for each of the attack's;
a table of so few distinct records that honest callers ask all values of them anyway. Honest people
whose patients are just being swept may be named with those who do it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reticent.event import Alert, QueryEvent
from reticent.monitor.index import Account, Course, Cursor, Index, Sums
from reticent.monitor.promise import chosen

ALPHA = 0.05  # of the accounts named at any one moment, so many may be honest on average
FLOOR = 0.07  # of an honest account's records may be completed, in any table
TWICE = 2.0  # times what happens to the half of accounts to which it happens least
ENOUGH = 8  # telling records, to say how often they are completed
MOST = 0.9  # where more records than that are completed by chance, nobody can be told apart
AT_ONCE = 0.9  # weight of an account's whole history; the rest is that of its latest records
DETECTOR = "linked"
HALVES = 3  # records at least over which two accounts met that are two halves of one
LARGEST = 500.0  # nats
ALONE, SHARED = 1, 2  # records about which one caller asked, or several

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Group:
    """Accounts that complete each other's sweeps.

    Attributes
    ----------
    members : their tokens, the strongest evidence first. evidence : of each, in nats.
    usual : watched column to the rate at which records are completed by chance, at most.
    """

    members: tuple[bytes, ...]
    evidence: tuple[float, ...]
    usual: Mapping[str, float]


def groups(
    accounts: Mapping[bytes, Account],
    cursor: Cursor,
    *,
    alpha: float = ALPHA,
    chance: Mapping[str, float] | None = None,
) -> list[Group]:
    """Find the accounts that complete each other's sweeps, the largest group first.

    Parameters
    ----------
    accounts : those with completed records; the cursor says how many others are judged.
    alpha : share of honest accounts among those named, on average, at any one moment.
    chance : watched column to the rate at which honest accounts complete each other.
    """
    judged = [name for name, account in accounts.items() if account.judged]
    if not judged or not cursor.columns:
        return []
    found = [accounts[name] for name in judged]
    usual = {
        column: usually(found, column, sums, (chance or {}).get(column, 0.0))
        for column, sums in cursor.columns.items()
    }
    terms = [_evidence(found, column, one) for column, one in usual.items()]
    evidence = np.minimum(np.logaddexp.reduce(terms, axis=0) - np.log(len(terms)), LARGEST)
    share = len(judged) / max(len(judged), cursor.judged)  # the others' e-values are below 1
    places = chosen(np.exp(evidence), alpha * share)
    of = dict(zip(judged, evidence.tolist(), strict=True))
    found_out = _components([judged[place] for place in places], accounts, of)
    return [Group(tuple(one), tuple(of[name] for name in one), usual) for one in found_out]


def usually(accounts: Sequence[Account], column: str, sums: Sums, chance: float = 0.0) -> float:
    """How often an honest account's records may be completed.

    Twice the mean over the half of accounts to which it happens least: up to a half of all may be
    attackers. Where a few records of an account tell anything, as many accounts as it takes are
    taken together, at random.

    Parameters
    ----------
    accounts : with completed records. sums : of those, and of all others. chance : known otherwise.
    """
    found = [
        course.whole
        for account in accounts
        if (course := account.courses.get(column)) and course.judged and course.whole.completed
    ]
    some = np.array([(one.completed, one.telling) for one in found]).reshape(-1, 2)
    never = max(0, sums.judged - len(found))
    rest = max(0, sums.telling - some[:, 1].sum()) / max(1, never)
    every = np.vstack([some, np.broadcast_to([0.0, rest], (never, 2))])
    every = np.random.default_rng(0).permutation(every)
    each = max(1.0, ENOUGH / max(1.0, float(np.median(every[:, 1]))))
    pools = np.array_split(every, max(1, int(len(every) / each)))
    shares = np.sort([pool[:, 0].sum() / max(1.0, pool[:, 1].sum()) for pool in pools])
    least = float(shares[: (len(shares) + 1) // 2].mean())
    return max(FLOOR, TWICE * least, TWICE * chance)


def log_evidence(asked: Numbers, completed: Numbers, usual: float) -> Numbers:
    """Log e-values (n,) that records are completed more often than usual.

    The mean of the likelihood ratios of all higher rates. If given the past each record that
    tells anything is ever completed with probability at most ``usual``, the expectation is at
    most 1 at any stopping time.
    """
    from scipy.special import betaincc, betaln

    left = asked - completed
    with np.errstate(divide="ignore"):
        above = np.log(betaincc(completed + 1, left + 1, usual))
    nulls = completed * np.log(usual) + (left + 1) * np.log1p(-usual)
    ratio: Numbers = betaln(completed + 1, left + 1) + above - nulls
    return ratio


def _evidence(accounts: Sequence[Account], column: str, usual: float) -> Numbers:
    """Log e-values of one column: of the whole history, and of what came lately.

    Every beginning of a block has a weight, together 1: an account that was honest for years is
    found nearly as fast as a young one.
    """
    if usual >= MOST:
        return np.full(len(accounts), -np.inf)
    courses = [account.courses.get(column) or Course() for account in accounts]
    parts = [(course.whole, course.before, course.now) for course in courses]
    asked = np.array([[one.telling for one in part] for part in parts], dtype=float)
    completed = np.array([[one.completed for one in part] for part in parts], dtype=float)
    terms = [np.log(AT_ONCE) + log_evidence(asked[:, 0], completed[:, 0], usual)]
    for back, first in ((0, 2), (1, 1)):
        block = np.array([course.number - back for course in courses], dtype=float)
        weight = np.log(1 - AT_ONCE) - np.log(np.maximum(block * (block + 1), 1))
        late = log_evidence(asked[:, first:].sum(axis=1), completed[:, first:].sum(axis=1), usual)
        terms.append(np.where(block >= 1, weight + late, -np.inf))
    combined: Numbers = np.logaddexp.reduce(terms, axis=0)
    return combined


def _components(
    standing_out: Sequence[bytes],
    accounts: Mapping[bytes, Account],
    evidence: Mapping[bytes, float],
) -> list[list[bytes]]:
    """Split accounts into those that are joined by completed records; who is joined to none goes.

    Who meets an account that stands out over half of its completed records is its other half,
    with the likelier values, and comes along where anything speaks against it.
    """
    names = dict.fromkeys(standing_out)
    for one in standing_out:
        enough = max(HALVES, accounts[one].completed / 2)
        names |= {
            partner: None
            for partner, net in accounts[one].partners.items()
            if net >= enough and evidence.get(partner, 0.0) > 0.0
        }
    at = {name: place for place, name in enumerate(names)}
    edges = [
        (at[name], at[partner])
        for name in names
        for partner, net in accounts[name].partners.items()
        if partner in at and net + accounts[partner].partners.get(name, 0) > 0
    ]
    if not edges:
        return []
    label = _labels(np.array(edges), len(at))
    found: dict[int, list[bytes]] = {}
    for name in sorted(names, key=lambda name: -evidence[name]):
        found.setdefault(label[at[name]], []).append(name)
    return sorted((one for one in found.values() if len(one) > 1), key=len, reverse=True)


def _labels(edges: NDArray[np.intp], size: int) -> list[int]:
    """The number of each node's component."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(size, size))
    labels: list[int] = connected_components(graph, directed=False)[1].tolist()
    return labels


def alert(
    group: Group, caller: bytes, accounts: Mapping[bytes, Account], at: float, alpha: float = ALPHA
) -> Alert:
    """Say of a group that its accounts complete each other, in the name of one of them."""
    account = accounts[caller]
    column = max(
        group.usual,
        key=lambda name: (account.courses.get(name) or Course()).whole.completed,
    )
    whole = (account.courses.get(column) or Course()).whole
    usual = group.usual[column]
    evidence = group.evidence[group.members.index(caller)]
    return Alert(
        at=at, caller=caller, query=max(0, account.rows - 1), detector=DETECTOR,
        reason=f"{len(group.members)} accounts complete each other's sweeps: for {whole.completed}"
        f" of {whole.telling} records, others asked the values that this one left out; at most"
        f" {usual * whole.telling:.1f} are expected by chance",
        promise=f"of the accounts that stand out at any one moment, on average at most"
        f" {100 * alpha:g} % are honest, if at most {100 * usual:.3g} % of an honest account's"
        " records are ever completed by others",
        evidence={"accounts": float(len(group.members)), "records": float(whole.telling),
                  "completed": float(whole.completed), "usual": usual,
                  "log10": evidence / float(np.log(10))},
        role=account.role, model=account.model, contract=account.contract, source=account.source,
        others=tuple(one for one in group.members if one != caller),
    )  # fmt: skip


def linked(
    events: Sequence[QueryEvent],
    *,
    alpha: float = ALPHA,
    chance: Mapping[str, float] | None = None,
) -> list[Alert]:
    """Link the accounts of recorded events: an alert for each group, at the end of them all.

    Parameters
    ----------
    events : in any order; one may hold a whole session.
    chance : as in ``groups``; see ``completed_by_chance``.
    """
    index = folded(events)
    found = groups(index.accounts, index.cursor, alpha=alpha, chance=chance)
    at = max((event.at for event in events), default=0.0)
    return [alert(group, group.members[0], index.accounts, at, alpha) for group in found]


def completed_by_chance(events: Sequence[QueryEvent]) -> dict[str, float]:
    """Watched column to the share of honest accounts' records that others complete."""
    index, rates = folded(events), {}
    for column in index.cursor.columns:
        found = [one.courses[column].whole for one in index.accounts.values()
                 if column in one.courses]  # fmt: skip
        telling = sum(whole.telling for whole in found)
        rates[column] = sum(whole.completed for whole in found) / max(1, telling)
    return rates


def folded(events: Sequence[QueryEvent]) -> Index:
    """Fold recorded events into an index in memory.

    A record about which one caller alone asked is only counted: of some millions nearly all are.
    """
    index = Index(Cursor(), lambda _: Account())
    for event, ways in zip(events, _ways(events), strict=True):
        index.count(event)
        for place, column in enumerate(event.columns):
            pairs = event.records(column)
            for row in np.flatnonzero(ways[:, place]).tolist():
                if ways[row, place] == ALONE:
                    index.alone(event.principal, column, event.at)
                else:
                    index.ask(event.principal, column, *pairs[row], event.at)
    return index


def _ways(events: Sequence[QueryEvent]) -> list[NDArray[np.int8]]:
    """How each event's records are counted: of rows and columns (n, c), 0 where not at all."""
    parts = [
        np.frombuffer(event.sketches, dtype=np.uint64).reshape(-1, len(event.columns), 4)[:, :, 0]
        if event.sketches
        else np.zeros((0, len(event.columns)), dtype=np.uint64)
        for event in events
    ]
    if not parts:
        return []
    records = np.concatenate([part.ravel() for part in parts])
    callers = {event.principal: number for number, event in enumerate(events)}
    who = np.repeat([callers[event.principal] for event in events], [part.size for part in parts])
    order = np.lexsort((np.arange(len(records)), who, records))
    same = np.zeros((2, len(records)), dtype=bool)  # as the one before: record; record and caller
    same[0, 1:] = records[order][1:] == records[order][:-1]
    same[1, 1:] = same[0, 1:] & (who[order][1:] == who[order][:-1])
    number = np.cumsum(~same[0]) - 1
    several = np.bincount(number, weights=same[0] & ~same[1]) > 0
    ways = np.empty(len(records), dtype=np.int8)
    ways[order] = np.where(several[number], SHARED, np.where(same[0], 0, ALONE))
    ends = np.cumsum([part.size for part in parts])[:-1]
    return [way.reshape(part.shape) for way, part in zip(np.split(ways, ends), parts, strict=True)]

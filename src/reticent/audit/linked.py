"""What a linking attacker said, held against the truth: one try after another."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from reticent.attacks.baseline.imputation import learners
from reticent.attacks.claims import (
    Candidates,
    Fingerprints,
    Infers,
    Links,
    Predicates,
    SinglesOut,
    Surmise,
)
from reticent.attacks.known import Hidden, hide
from reticent.attacks.learner import fit
from reticent.attacks.release import Release, as_release, read_release
from reticent.audit.case import Prepared
from reticent.column import places
from reticent.dataset import Dataset, stack
from reticent.encoding import fit_encoding
from reticent.errors import DataError
from reticent.randomness import generator, subseed
from reticent.target import Reveals, Target
from reticent.targets.wrap import Metered, Remembered, fresh

SURE = 0.05  # of the people: those an inferring attacker speaks of
FEW = 100  # or so many of them
SHOWN = (1, 2, 3, 4)  # digits of a score that are told apart

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of n tries.

    Attributes
    ----------
    hits : (n,) how far each was right, from 0 to 1. chance : (n,) the same without the release,
        or without the model.
    people : (n,) codes of whom each was about. more : name to other shares (n,).
    """

    hits: Floats
    chance: Floats
    people: Codes
    more: dict[str, Floats] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.hits)


@dataclass(frozen=True, slots=True)
class Side:
    """Members or others: one row a try, and whose it is.

    Attributes
    ----------
    rows : (n) complete. people : (n,) codes. encoded : (n, c) as the release reads them.
    owner : (n,) codes of the owners in ``Held.owners``; -1 where there are none.
    """

    rows: Dataset
    people: Codes
    encoded: Floats
    owner: Codes

    def take(self, at: Codes) -> Side:
        """Keep some rows."""
        return Side(self.rows.take(at), self.people[at], self.encoded[at], self.owner[at])

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Held:
    """A case with a release, ready to be attacked.

    Attributes
    ----------
    public : auxiliary people's rows read as a release, at most as many: the attack without one.
    members : people in the release: those it was made of, where its owners are told, else the
        model's members. others : people who are not in it.
    owners : (m,) codes of whose row each released one is; None where nobody says.
    """

    case: Prepared
    release: Release
    public: Release
    members: Side
    others: Side
    owners: Codes | None
    seed: int

    def drawn(self, side: Side, count: int, *names: str) -> Side:
        """At most so many rows of a side, the same ones for every attack of one name."""
        order = generator(self.seed, "linkage", *names).permutation(len(side))
        return side.take(np.sort(order[:count]))


def hold(case: Prepared, released: Dataset, score: str | None, seed: int) -> Held:
    """Read the released table of a case.

    Raises
    ------
    DataError : it does not fit the case.
    """
    tables = (case.members, case.others, case.auxiliary)
    person = case.schema.person
    release = read_release(released, tables, person, score)
    public = as_release(case.auxiliary, release, tables)
    some = generator(seed, "linkage", "public").permutation(len(case.auxiliary))[: len(release)]
    sides = [
        Side(rows, people, release.encoded(rows), np.full(len(rows), -1))
        for rows, people in zip(tables[:2], (case.members_people, case.others_people), strict=True)
    ]
    if person is None or person not in released.columns:
        return Held(case, release, public.take(some), sides[0], sides[1], None, seed)
    distinct = np.array(list(dict.fromkeys(released[person].tolist())))
    both = _both(sides[0], sides[1])
    both = replace(both, owner=places(both.rows[person], distinct))
    inside = both.take(np.flatnonzero(both.owner >= 0))
    if not len(inside):
        raise DataError(
            f"the people of the released table, by {person!r}",
            "none of them is a member or one of the others", "Write the column alike in all tables",
        )  # fmt: skip
    outside = both.take(np.flatnonzero(both.owner < 0))
    owners = places(released[person], distinct)
    return Held(case, release, public.take(some), inside, outside, owners, seed)


def _both(members: Side, others: Side) -> Side:
    first = int(members.people.max()) + 1
    return Side(
        stack(members.rows, others.rows),
        np.concatenate([members.people, others.people + first]),
        np.concatenate([members.encoded, others.encoded]),
        np.concatenate([members.owner, others.owner]),
    )


# Singling out ---------------------------------------------------------------------------------


def singled_out(attack: SinglesOut, held: Held, tries: int) -> tuple[Tried, Tried] | str:
    """Count the conditions that hold for exactly one person, each person once.

    Whether one is alone depends on how many there are, so both sides are cut to the same number.
    """
    rng = generator(held.seed, "linkage", attack.name)
    said = attack.predicates(held.release, tries, rng)
    guessed = attack.predicates(held.public, len(said), rng)
    count = min(len(said), len(guessed))
    if not count:
        return "the release has no condition of its kind: too few columns, or no cell alone"
    size = min(len(held.members), len(held.others))
    found = []
    for name, side in (("members", held.members), ("others", held.others)):
        people = held.drawn(side, size, "alone", name)
        alone = [
            _first(isolated(table, ones.take(slice(0, count)), people.encoded, people.people))
            for table, ones in ((held.release, said), (held.public, guessed))
        ]
        found.append(Tried(alone[0], alone[1], np.arange(count)))
    return found[0], found[1]


def _first(whom: Codes) -> Floats:
    """Count each person that is singled out once, at the first try."""
    hits = np.zeros(len(whom))
    _, first = np.unique(whom, return_index=True)
    hits[first] = 1.0
    hits[whom < 0] = 0.0
    return hits


def isolated(release: Release, said: Predicates, people: Floats, whose: Codes) -> Codes:
    """Say for whom alone each condition holds (t,): a person's code, or -1.

    Parameters
    ----------
    people : (n, c) encoded rows. whose : (n,) codes.
    """
    found = np.full(len(said), -1, dtype=np.intp)
    ranked = [np.argsort(column, kind="stable") for column in people.T]
    sorted_ = [column[order] for column, order in zip(people.T, ranked, strict=True)]
    everybody = np.arange(len(people))
    for one in range(len(said)):
        row, slack = int(said.row[one]), float(said.slack[one])
        columns = np.flatnonzero(said.columns[one])
        telling = [release.cells[place].weight[row] for place in columns]
        left = everybody
        for turn, place in enumerate(columns[np.argsort(telling)[::-1]]):
            cells = release.cells[place]
            if not turn and cells.holds is None:
                off = slack * cells.step
                low = np.searchsorted(sorted_[place], cells.low[row] - off)
                high = np.searchsorted(sorted_[place], cells.high[row] + off, "right")
                left = ranked[place][low:high]
            else:
                left = left[cells.agree(row, people[left, place], slack)]
            if not len(left):
                break
        if len(left) and (whose[left] == whose[left[0]]).all():
            found[one] = whose[left[0]]
    return found


# Linkability ----------------------------------------------------------------------------------


def linked(attack: Links, held: Held, tries: int) -> tuple[Tried, Tried] | str:
    """Let halves of records be put together, with the release and with public people's rows."""
    if len(held.release.columns) < 2:
        return "fewer than two columns of the members were released"
    first = halves(held.public)
    size = min(tries, len(held.members), len(held.others))
    found = []
    for name, side in (("members", held.members), ("others", held.others)):
        people = held.drawn(side, size, "tried", name)
        shuffle = generator(held.seed, "linkage", "shuffle").permutation(size)
        right = [
            _linked(attack, held, table, first, people, shuffle)
            for table in (held.release, held.public)
        ]
        found.append(Tried(right[0], right[1], people.people))
    return found[0], found[1]


def _linked(
    attack: Links, held: Held, table: Release, first: list[str], people: Side, shuffle: Codes
) -> Floats:
    # Both sides draw alike: a difference between them is never the attack's own chance.
    rng = generator(held.seed, "linkage", attack.name)
    said = attack.link(table, first, people.encoded, people.encoded[shuffle], rng)
    return np.asarray(people.people[shuffle][said] == people.people, dtype=float)


def halves(public: Release) -> list[str]:
    """Choose the columns of the first half, so that both halves tell about as much."""
    telling = [float(cells.weight.mean()) for cells in public.cells]
    order = np.argsort(telling)[::-1]
    return [public.columns[place] for turn, place in enumerate(order) if turn % 4 in (0, 3)]


# Inference ------------------------------------------------------------------------------------


def inferred(attack: Infers, held: Held, tries: int) -> tuple[Tried, Tried] | str:
    """Guess every sensitive column that was released, about the people closest to a row.

    Everybody else counts as not guessed: shares are of all people, as those of links are.
    """
    case, release = held.case, held.release
    columns = [name for name in case.schema.sensitive if name in release.columns]
    if not columns:
        return "no sensitive column was released"
    parts: list[tuple[Tried, Tried]] = []
    for column in columns:
        known = [name for name in release.columns if name in case.knows(column)]
        if not known:
            return f"the attacker knows no released column beside {column}"
        hidden = hide(column, case.schema.domains.get(column), case.auxiliary)
        impute = _imputer(held, hidden, known)
        shown = release.only([*known, column])
        pair = []
        for name, side in (("members", held.members), ("others", held.others)):
            there = side.take(np.flatnonzero(hidden.codes(side.rows[column]) >= 0))
            if not len(there):
                return f"no {name} have a value of {column}"
            people = held.drawn(there, tries, "tried", name)
            rng = generator(held.seed, "linkage", attack.name, column)
            said = attack.infer(shown, hidden, people.rows.without(column), case.auxiliary, rng)
            pair.append(_told(said, hidden.codes(people.rows[column]), impute, people, rng))
        parts.append((pair[0], pair[1]))
    return _pooled([one for one, _ in parts]), _pooled([one for _, one in parts])


def _imputer(held: Held, hidden: Hidden, known: list[str]) -> Callable[[Dataset], Codes]:
    """Guess the hidden column without the release, by a forest grown on public people."""
    auxiliary = held.case.auxiliary
    encode = fit_encoding(auxiliary, known)
    truth = hidden.codes(auxiliary[hidden.column])
    seen = np.flatnonzero(truth >= 0)
    learner = learners(subseed(held.seed, "linkage", "impute", hidden.column))["forest"]()
    impute = fit(learner, encode(auxiliary)[seen], truth[seen], len(hidden.values))
    return lambda rows: np.asarray(impute(encode(rows)).argmax(axis=1))


def _told(
    said: Surmise, truth: Codes, impute: Callable[[Dataset], Codes], people: Side,
    rng: np.random.Generator,
) -> Tried:  # fmt: skip
    """Judge the surest guesses, and what would have been said of the same people anyway."""
    n = len(people)
    count = min(max(math.ceil(SURE * n), FEW), n)
    spoken = np.lexsort((rng.random(n), -said.sure))[:count]
    hits, chance = np.zeros(n), np.zeros(n)
    hits[spoken] = said.said[spoken] == truth[spoken]
    chance[spoken] = impute(people.rows.take(spoken)) == truth[spoken]
    return Tried(hits, chance, people.people)


def _pooled(parts: list[Tried]) -> Tried:
    return Tried(
        np.concatenate([one.hits for one in parts]), np.concatenate([one.chance for one in parts]),
        np.concatenate([one.people for one in parts]),
    )  # fmt: skip


# Fingerprints ---------------------------------------------------------------------------------


def looked_up(
    attack: Fingerprints, held: Held, target: Target, tries: int
) -> tuple[Tried, Tried | None, int] | str:
    """Look named people up by the model's score; the last number is of rows asked about them.

    Only whoever made the release can say which of two rows that fit is a person's, so this needs
    its owners. Whoever is not in it is linked falsely, if at all.
    """
    lacking = attack.needs & ~target.reveals
    if lacking:
        return f"the target does not reveal {' and '.join(one.name or '' for one in lacking)}"
    if held.release.score is None:
        return "the release kept no score of the model, or [data].score does not name its column"
    if held.owners is None:
        return "nobody says whose row is whose: keep the person column in the auditor's release"
    people = held.drawn(held.members, tries, "tried", "members")
    inside, asked = _looked_up(attack, held, target, people)
    if not len(held.others):
        return inside, None, asked
    people = held.drawn(held.others, tries, "tried", "others")
    return inside, _looked_up(attack, held, target, people)[0], asked


def _looked_up(attack: Fingerprints, held: Held, target: Target, people: Side) -> tuple[Tried, int]:
    """Link one side's people with and without the score, and say how many rows that asked."""
    release, among = held.release, held.release.fitting(people.encoded)
    told = held.case.target if not attack.needs & ~held.case.target.reveals else target
    reading = attack.reading(told, release, people.rows, among)
    remembered = Remembered(fresh(target))
    meter = Metered(remembered)
    hits, alone = _right(
        attack.candidates(meter, release, people.rows, among, reading), held, people
    )
    chance, _ = _right(Candidates(among, np.ones(len(among), dtype=bool)), held, people)
    more = {"unique": alone}
    if target.classes is None or target.reveals & (Reveals.SCORES | Reveals.TOP_K):
        for digits in SHOWN:
            cut = attack.candidates(remembered, release, people.rows, among, reading, digits)
            more[f"unique_at_{digits}"] = _right(cut, held, people)[1]
    return Tried(hits, chance, people.people, more), meter.queries


def _right(said: Candidates, held: Held, people: Side) -> tuple[Floats, Floats]:
    """How likely a pick among the candidates is the person's row, and whether it is the only one.

    Of a person who is not in the release: how likely somebody's row is taken for theirs.
    """
    assert held.owners is not None
    hits, alone = np.zeros(len(people)), np.zeros(len(people))
    for place, rows in enumerate(said.rows):
        if not len(rows):
            continue
        if people.owner[place] >= 0:
            hits[place] = (held.owners[rows] == people.owner[place]).mean()
        else:
            hits[place] = float(said.exact[place]) / len(rows)
        alone[place] = float(len(rows) == 1) * hits[place]
    return hits, alone

"""Who holds the journal and the index, but not the key, learns no value from them.

The attacker knows the marginals of every column, as a statistics office prints them, and has all
tokens: those of the journal entries of 3,000 queries and those of the index. What they can do with
them is to find equal ones. So every way is tried to take a token of a row, or two combined by XOR,
as the token of a value: rows with equal tokens are one class, the commonest class is guessed to be
the commonest value, and so on.

n = 3,000 rows, each about another person, no two of whom share a record; 8 columns; 16 tokens a
row, which are 16 ways to look at one and 120 at two. Statistic: the hits of a guess, standardised
by their mean and variance when the same guesses are dealt to the same rows at random (Hoeffding
1951, doi:10.1214/aoms/1177729593), the largest of 8 x 136. Critical value: 6.1 standard deviations,
which no more than one in a million of such tests passes by chance (Bonferroni over all looks at
one side of the normal distribution, 8 x 136 x 5.3e-10 = 5.8e-7).

Two twins show that the test can fail: tokens that can be combined (Zobrist's: the XOR of a hash for
each cell), and tokens of the value alone. The same attack then reads every cell
of every row.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from itertools import combinations
from statistics import NormalDist

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from reticent.dataset import Dataset
from reticent.event import TOKEN_BYTES, QueryEvent
from reticent.monitor.shared import Shared
from reticent.monitor.sketch import Sketcher
from reticent.store import Erased, Work
from stored import MemoryStore

KEY = bytes(range(32))
N = 3_000
NAMES = tuple(f"c{place}" for place in range(8))
LEVELS = (6, 9, 7, 10, 8, 9, 7, 10)
CRITICAL = 6.1
Tokens = NDArray[np.uint64]  # (n, 16, 2): of each row, two halves of each token
Sketch = Callable[[NDArray[np.float64]], bytes]


def people(seed: int = 0) -> NDArray[np.float64]:
    """Rows (n, 8) with unequal marginals; no two are the same record in any column."""
    rng = np.random.default_rng(seed)
    shares = [np.arange(1, levels + 1.0) for levels in LEVELS]
    found = np.empty((0, 8))
    while len(found) < N:
        drawn = [rng.choice(len(one), 2 * N, p=one / one.sum()) for one in shares]
        found = np.vstack([found, np.column_stack(drawn).astype(float)])
        for place in range(8):
            rest = np.delete(found, place, axis=1)
            found = found[np.sort(np.unique(rest, axis=0, return_index=True)[1])]
    return found[:N]


def kept(rows: NDArray[np.float64], sketch: Sketch) -> Tokens:
    """What the attacker holds of each row: its tokens, from journal and index (n, 16, 2)."""
    store = MemoryStore()
    for place, row in enumerate(rows):
        made = QueryEvent(float(place), 200, place.to_bytes(16), b"", "r", "m", "c", 1, 1, NAMES,
                          sketch(row))  # fmt: skip
        store.commit(Work([msgspec.msgpack.encode(made)]))
    index = Shared(store)
    while index.fold().entries:
        pass
    entries = [
        one for block in store.blocks() for one in block.entries if not isinstance(one, Erased)
    ]
    events = [msgspec.msgpack.decode(one, type=QueryEvent) for one in entries]
    pairs = {pair for event in events for name in NAMES for pair in event.records(name)}
    seen = store.sightings(list({record for record, _ in pairs}))
    assert {(one.record, one.value) for one in seen} <= pairs  # the index holds nothing else
    whole = b"".join(event.sketches for event in events)
    return np.frombuffer(whole, dtype=np.uint64).reshape(N, 16, 2)


def looks(tokens: Tokens) -> list[Tokens]:
    """All single tokens of the rows, and all XORs of two: each (n, 2)."""
    single = [tokens[:, place] for place in range(tokens.shape[1])]
    return single + [one ^ other for one, other in combinations(single, 2)]


def guessed(look: Tokens, marginal: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.intp]:
    """Guess a column (n,): the k-th commonest token is the k-th commonest value, for its rows.

    Where there are more classes than values, the next classes get what is left of each value, so
    that the guesses have the marginal of the column.
    """
    _, classes, sizes = np.unique(look, axis=0, return_inverse=True, return_counts=True)
    order = np.lexsort((rng.random(len(sizes)), -sizes))
    rank = np.empty(len(sizes), dtype=np.intp)
    rank[order] = np.arange(len(sizes))
    values = np.argsort(-marginal, kind="stable")
    if len(sizes) <= len(values):
        return values[rank[classes.ravel()]]
    place = np.lexsort((rng.random(len(look)), rank[classes.ravel()]))
    found = np.empty(len(look), dtype=np.intp)
    found[place] = np.repeat(values, marginal[values])
    return found


def standardised(guess: NDArray[np.intp], truth: NDArray[np.intp]) -> float:
    """Hits of a guess, in standard deviations above those of the same guesses dealt at random."""
    n, values = len(truth), max(guess.max(), truth.max()) + 1
    mine, theirs = np.bincount(guess, minlength=values), np.bincount(truth, minlength=values)
    pairs = float((mine * theirs).sum())  # of a guess and a value that agree
    both = float((mine * theirs**2).sum() + (mine**2 * theirs).sum())
    variance = (pairs - both / n + pairs**2 / n**2) / (n - 1)
    return float((np.sum(guess == truth) - pairs / n) / np.sqrt(variance)) if variance else 0.0


def attacked(rows: NDArray[np.float64], tokens: Tokens) -> tuple[float, list[float]]:
    """The largest statistic of all looks, and for each column the best share of hits."""
    rng, worst, best = np.random.default_rng(1), -np.inf, [0.0] * 8
    for look in looks(tokens):
        for column in range(8):
            truth = rows[:, column].astype(np.intp)
            guess = guessed(look, np.bincount(truth, minlength=LEVELS[column]), rng)
            worst = max(worst, standardised(guess, truth))
            best[column] = max(best[column], float(np.mean(guess == truth)))
    return worst, best


def keyed(*parts: bytes) -> bytes:
    return blake2b(b"".join(parts), key=KEY, digest_size=TOKEN_BYTES).digest()


def xored(tokens: list[bytes]) -> bytes:
    found = np.zeros(TOKEN_BYTES, dtype=np.uint8)
    for one in tokens:
        found ^= np.frombuffer(one, dtype=np.uint8)
    return found.tobytes()


def ours() -> Sketch:
    sketcher = Sketcher(KEY, NAMES, [[name] for name in NAMES])
    return lambda row: sketcher(Dataset.of_matrix(row[None, :], list(NAMES)))


def zobrist(row: NDArray[np.float64]) -> bytes:
    """Tokens that can be combined: of the record the XOR of its cells, of the value that of all."""
    cells = [keyed(bytes([place]), cell.tobytes()) for place, cell in enumerate(row)]
    whole = xored(cells)
    return b"".join(xored([whole, cell]) + whole for cell in cells)


def plain_values(row: NDArray[np.float64]) -> bytes:
    """Tokens of the value that are not bound to the record."""
    sketch = ours()(row)
    records = [sketch[start : start + 16] for start in range(0, len(sketch), 32)]
    return b"".join(
        record + keyed(bytes([place]), cell.tobytes())
        for place, (record, cell) in enumerate(zip(records, row, strict=True))
    )


def test_the_critical_value_is_what_it_is_said_to_be() -> None:
    looks_taken = 8 * (16 + 16 * 15 // 2)
    assert looks_taken * (1 - NormalDist().cdf(CRITICAL)) < 1e-6


def test_journal_and_index_tell_nothing_without_the_key() -> None:
    rows = people()
    worst, best = attacked(rows, kept(rows, ours()))
    assert worst < CRITICAL
    for column, share in enumerate(best):
        marginal = np.bincount(rows[:, column].astype(int)) / N
        chance = float((marginal**2).sum())  # hits of guesses that have the column's marginal
        assert share < chance + CRITICAL * np.sqrt(chance / N)


@pytest.mark.parametrize("sketch", [zobrist, plain_values])
def test_the_same_attack_reads_tokens_of_values(sketch: Sketch) -> None:
    rows = people()
    worst, best = attacked(rows, kept(rows, sketch))
    assert worst > 10 * CRITICAL
    assert best == [1.0] * 8  # every cell of every row

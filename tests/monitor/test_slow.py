"""A sweep so slow that no trail remembers how it began."""

from __future__ import annotations

import numpy as np
from scipy.stats import binom

from reticent.monitor import slow
from reticent.monitor.index import REST, Account, Cursor, Index
from reticent.monitor.link import log_evidence
from reticent.monitor.shared import Linker
from reticent.store import Work
from stored import MemoryStore

from .sweepers import event, token
from .test_shared import packed


def returning(
    who: str, people: int, gap: float, share: float = 1.0
) -> list[tuple[float, str, int, int]]:
    """Ask about some people, and of a share of them with another value after a while."""
    first = [(float(p), who, p, 0) for p in range(people)]
    again = [(gap + p, who, p, 1) for p in range(round(share * people))]
    return [*first, *again]


def accounts(rows: list[tuple[float, str, int, int]]) -> dict[bytes, Account]:
    index = Index(Cursor(), lambda _: Account())
    for at, who, record, value in sorted(rows):
        index.fold(event(who, [(record, value)], at))
    return index.accounts


def test_a_slow_sweep_stands_out_and_a_fast_one_is_the_trails_to_find() -> None:
    late = accounts(returning("slow", 20, REST + 60))[token("slow")]
    soon = accounts(returning("fast", 20, REST - 60))[token("fast")]
    assert late.late == 20
    assert slow.stands_out(late)
    assert (soon.revisits, soon.late) == (20, 0)
    assert not slow.stands_out(soon)


def test_corrections_on_the_next_day_do_not_stand_out() -> None:
    found = accounts(returning("clinic", 500, 86_400.0, share=0.1))[token("clinic")]
    assert found.late == 50
    assert not slow.stands_out(found)


def test_who_is_named_was_so_at_most_once_in_a_hundred() -> None:
    """2,000 callers at the allowance, looked at after each record; ever named, against 1 %.

    n = 2,000, statistic: callers named, critical value: the binomial's 1 - 1e-6 point, 41.
    """
    rng, named, critical = np.random.default_rng(0), 0, int(binom.isf(1e-6, 2_000, slow.ALPHA))
    asked = np.arange(1.0, 201.0)
    for _ in range(2_000):
        late = np.cumsum(rng.random(200) < slow.USUAL).astype(float)
        named += bool((log_evidence(asked, late, slow.USUAL) >= -np.log(slow.ALPHA)).any())
    assert named <= critical
    twin = np.cumsum(rng.random((200, 200)) < 1.5 * slow.USUAL, axis=1).astype(float)
    seen = [log_evidence(asked, one, slow.USUAL).max() >= -np.log(slow.ALPHA) for one in twin]
    assert np.mean(seen) > 0.3  # half again as many are found


def test_the_worker_names_a_slow_caller_once() -> None:
    store = MemoryStore()
    for at, who, record, value in sorted(returning("slow", 20, REST + 60)):
        store.commit(Work([packed(event(who, [(record, value)], at))]))
    linker, told = Linker(store), []
    for _ in range(20):
        told += linker.round(10_000.0)
    again = Linker(store)
    told += again.round(20_000.0)
    assert [(alert.caller, alert.detector) for alert in told] == [(token("slow"), "sweep")]
    assert told[0].evidence["late"] >= 3

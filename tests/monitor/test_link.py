"""Which accounts are linked, and how often that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from reticent.event import Alert, QueryEvent
from reticent.monitor import link
from reticent.monitor.index import Account, Cursor, Index
from reticent.monitor.link import FLOOR, completed_by_chance, folded, linked, log_evidence

from .sweepers import Row, colluding, event, events, honest, shuffled, token, within

PEOPLE = 2_000


def named(alerts: Sequence[Alert]) -> set[bytes]:
    return {one for alert in alerts for one in (alert.caller, *alert.others)}


def shares(rows: Sequence[Row], alerts: Sequence[Alert]) -> tuple[float, float]:
    """The shares of attackers and of honest accounts that are named."""
    found, who = named(alerts), {row[0] for row in rows}
    attackers = {one for one in who if one.startswith("attacker")}
    honest_ones = who - attackers
    hit = sum(token(one) in found for one in attackers)
    wrong = sum(token(one) in found for one in honest_ones)
    return hit / max(1, len(attackers)), wrong / max(1, len(honest_ones))


def truth_of(rng: np.random.Generator, values: int, people: int = PEOPLE) -> NDArray[np.intp]:
    """Values of people (n,), the first as common as it is in most tables."""
    return rng.choice(values, people, p=np.r_[0.6, np.full(values - 1, 0.4 / (values - 1))])


@pytest.mark.parametrize("usual", [0.07, 0.3, 0.8])
@pytest.mark.parametrize("n", [1, 4, 9])
def test_under_the_null_evidence_is_worth_at_most_one(n: int, usual: float) -> None:
    """Exactly, over all outcomes; and with a rate above the usual one it is worth more."""

    def worth(rate: float) -> float:
        outcomes = np.array(list(product((0, 1), repeat=n)))
        chance = np.prod(np.where(outcomes == 1, rate, 1 - rate), axis=1)
        hits = outcomes.sum(axis=1).astype(float)
        return float(chance @ np.exp(log_evidence(np.full(len(hits), float(n)), hits, usual)))

    assert worth(usual) == pytest.approx(1.0)
    assert worth(usual / 2) < 1.0
    assert worth((1 + usual) / 2) > 1.05


def test_evidence_may_be_looked_at_at_any_time() -> None:
    """Over 20,000 honest accounts of 60 records, looked at after each: the e-value of the whole
    reaches 100 in at most 1 % (Ville), within five standard errors."""
    rng, n, usual = np.random.default_rng(0), 60, 0.07
    hits = np.cumsum(rng.random((20_000, n)) < usual, axis=1).astype(float)
    asked = np.broadcast_to(np.arange(1.0, n + 1), hits.shape)
    ever = (log_evidence(asked.ravel(), hits.ravel(), usual) >= np.log(100)).reshape(hits.shape)
    assert ever.any(axis=1).mean() <= 0.01 + 5 * np.sqrt(0.01 * 0.99 / 20_000)
    assert ever.any()


def test_an_old_account_is_found_nearly_as_fast_as_a_young_one() -> None:
    def rows(before: int) -> list[Row]:
        quiet: list[Row] = [("attacker-0", 10_000 + one, 0) for one in range(before)]
        sweep: list[Row] = [(f"attacker-{v}", one, v) for one in range(15) for v in (0, 1)]
        others: list[Row] = [(f"h{h}", 20_000 + 9 * h + r, 0) for h in range(99) for r in range(9)]
        return quiet + others + sweep

    for before in (0, 64, 2_000):
        assert shares(rows(before), linked(events(rows(before)))) == (1.0, 0.0)


LAYOUTS: list[tuple[str, int, int, dict[str, object], float, float]] = [
    # what; accounts; queries of the sweep for each; how; in which share of the time; least named
    ("dealt out", 100, 10, {}, 0.1, 0.8),
    ("in turn", 100, 10, {"in_turn": True}, 0.1, 0.8),
    ("slowly", 100, 24, {}, 1.0, 0.8),
    ("half cover", 100, 24, {"cover": 0.5}, 0.1, 0.8),
    ("ten accounts", 10, 40, {}, 0.1, 1.0),
    ("ten in turn", 10, 40, {"in_turn": True}, 0.1, 1.0),
    ("ten, half cover", 10, 60, {"cover": 0.5}, 0.1, 1.0),
]


@pytest.mark.parametrize("values", [2, 3, 5, 8])
@pytest.mark.parametrize(("what", "accounts", "each", "how", "time", "least"), LAYOUTS)
def test_colluding_accounts_are_named_and_honest_ones_are_not(
    values: int, what: str, accounts: int, each: int, how: dict[str, object], time: float,
    least: float,
) -> None:  # fmt: skip
    """Beside 400 honest accounts that ask about the very same people, 2 % of it wrong."""
    rng = np.random.default_rng([values, accounts, each])
    people, truth = np.arange(PEOPLE), truth_of(rng, values)
    sweep = colluding(rng, people, accounts, values, each, truth=truth, **how)  # type: ignore[arg-type]
    rows = within(rng, sweep, list(honest(rng, people, 400, truth)), time)
    hit, wrong = shares(rows, linked(events(rows)))
    assert hit >= least
    assert wrong <= 0.01


def lookalikes(records: int) -> list[Row]:
    """A thousand honest accounts, busy and idle, about 5,000 people of so many records, k = 3."""
    rng = np.random.default_rng(records)
    about = rng.choice(records, 5_000, p=rng.dirichlet(np.ones(records)))
    differ = rng.random(5_000) < 0.5
    truth = (about + rng.integers(0, 3, 5_000) * differ) % 3
    sizes = (2 + 8 * rng.pareto(1.5, 1_000)).astype(int).clip(1, 300)
    who = rng.permutation(np.repeat(np.arange(1_000), sizes))
    people = rng.integers(0, 5_000, len(who))
    return [
        (f"honest-{one}", int(about[person]), int(truth[person]))
        for one, person in zip(who, people, strict=True)
    ]


@pytest.mark.parametrize("records", [60, 800, 2_000, 100_000])
def test_honest_accounts_alone_are_never_linked(records: int) -> None:
    """Where different people often look the same, and where they hardly do."""
    assert linked(events(lookalikes(records))) == []


def test_where_few_records_tell_anything_accounts_are_pooled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The twin: one by one, most accounts have nothing completed, and others seem to stand out."""
    monkeypatch.setattr(link, "ENOUGH", 0.0)
    assert len(named(linked(events(lookalikes(800))))) > 10  # 1 %


def test_a_burst_about_one_patient_links_nobody() -> None:
    rng = np.random.default_rng(3)
    rows: list[Row] = []
    for number in range(300):
        own: list[Row] = [
            (f"honest-{number}", 100 * number + r, 0) for r in range(int(rng.integers(1, 12)))
        ]
        rows += [*own, (f"honest-{number}", 99_999, int(rng.integers(5)))]
    assert linked(events(shuffled(rng, rows))) == []


def test_colleagues_who_correct_each_other_are_not_linked() -> None:
    """A hundred pairs share 20 to 60 patients, and differ about a tenth of them."""
    rng, rows = np.random.default_rng(4), []
    for pair in range(100):
        for record in range(int(rng.integers(20, 60))):
            about, slip = 1_000 * pair + record, int(rng.random() < 0.1)
            rows += [(f"honest-{pair}-day", about, 0), (f"honest-{pair}-night", about, slip)]
    assert linked(events(rows)) == []


def test_who_differs_much_and_agrees_more_is_not_linked() -> None:
    """Six pairs that stand out: 18 of 60 differ. Without the other 42 they would be linked."""
    rest: list[Row] = [(f"honest-{r // 9}", 90_000 + r, 0) for r in range(1_800)]
    rows: list[Row] = [
        (f"honest-{pair}-{who}", 1_000 * pair + record, who * (record % 10 < 3))
        for pair in range(6) for record in range(60) for who in (0, 1)
    ]  # fmt: skip
    assert linked(events([*rest, *rows])) == []
    assert len(linked(events([*rest, *[row for row in rows if row[1] % 10 < 3]]))) == 6


def test_among_more_accounts_more_evidence_is_needed() -> None:
    rows: list[Row] = [(f"attacker-{(r + v) % 5}", r, v) for r in range(30) for v in (0, 1)]
    index = folded(events([*rows, *[(f"h{r // 9}", 10_000 + r, 0) for r in range(90)]]))
    assert len(link.groups(index.accounts, index.cursor)) == 1
    index.cursor.judged = 10**16
    assert link.groups(index.accounts, index.cursor) == []


def test_who_is_swept_is_not_named_with_the_sweepers() -> None:
    """All the patients of thirty honest accounts, and nobody else, are swept, k = 4."""
    rng = np.random.default_rng(5)
    truth = truth_of(rng, 4, 600)
    people = np.arange(600)
    own: list[Row] = [(f"honest-{p // 20}", int(p), int(truth[p])) for p in people]
    sweep = colluding(rng, people, 100, 4, 20)
    rest: list[Row] = [(f"honest-{100 + r // 9}", 10_000 + r, 0) for r in range(1_800)]
    rows = shuffled(rng, [*own, *sweep, *rest])
    hit, wrong = shares(rows, linked(events(rows)))
    assert hit == 1.0
    assert wrong <= 0.005


def test_two_sweeps_that_share_nobody_are_two_alerts() -> None:
    sweep: list[Row] = [
        (f"attacker-{group}-{(record + v) % 8}", 1_000 * group + record, v)
        for group in (0, 1) for record in range(40) for v in (0, 1, 2)
    ]  # fmt: skip
    rest: list[Row] = [(f"honest-{r // 9}", 10_000 + r, 0) for r in range(900)]
    first, second = linked(events([*rest, *sweep]))
    assert named([first]).isdisjoint(named([second]))
    assert len(named([first])) == len(named([second])) == 8


def test_an_alert_says_what_was_found_and_no_value() -> None:
    rows: list[Row] = [(f"attacker-{(r + v) % 5}", r, v) for r in range(30) for v in (0, 1)]
    rest: list[Row] = [(f"honest-{r // 9}", 10_000 + r, 0) for r in range(90)]
    (alert,) = linked([event(who, [(r, v)], at=7.0) for who, r, v in [*rest, *rows]])
    assert (alert.detector, alert.at, alert.role, alert.model) == (
        "linked",
        7.0,
        "partner",
        "survey",
    )
    assert alert.source == token("place", next(w for w, _, _ in rows if token(w) == alert.caller))
    assert alert.query == 11  # its last position
    assert alert.evidence["accounts"] == 5
    assert alert.evidence["records"] == alert.evidence["completed"] == 12
    assert alert.evidence["usual"] == FLOOR
    assert alert.reason.startswith("5 accounts complete each other's sweeps: for 12 of 12 records")
    assert "at most 5 % are honest" in alert.promise
    assert "at most 7 % of an honest account's" in alert.promise
    assert alert.caller not in alert.others


def test_what_honest_accounts_do_by_chance_is_allowed_twice() -> None:
    rows: list[Row] = [(f"honest-{r % 40}", r // 2, int(r % 2 and r % 8 == 1)) for r in range(800)]
    chance = completed_by_chance(events(rows))
    assert chance["s"] == pytest.approx(0.25, abs=0.01)
    attack: list[Row] = [(f"attacker-{(r + v) % 6}", r, v) for r in range(90) for v in (0, 1)]
    rest: list[Row] = [(f"honest-{r // 9}", 10_000 + r, 0) for r in range(900)]
    known = linked(events([*attack, *rest]), chance=chance)
    assert {one.evidence["usual"] for one in known} == {2 * chance["s"]}
    assert linked(events([*attack, *rest]), chance={"s": 0.5}) == []  # nothing can be told then


def test_where_most_accounts_complete_each_other_nobody_can_be_told() -> None:
    rows: list[Row] = [(f"honest-{(r * 7 + v) % 30}", r, v) for r in range(600) for v in (0, 1)]
    assert linked(events(rows)) == []


@pytest.mark.parametrize("none", [[], [event("a", [])], [event("a", [(1, 0)])]])
def test_nothing_to_link(none: list[QueryEvent]) -> None:
    assert linked(none) == []
    assert completed_by_chance(none[:1]) in ({}, {"s": 0.0})


ROWS = st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 5), st.integers(0, 2))


@settings(max_examples=80)
@given(st.lists(st.lists(ROWS, min_size=1, max_size=6), max_size=12))
def test_recorded_events_are_folded_as_the_journal_is(batches: list[list[Row]]) -> None:
    """The short way around records of one caller changes no count."""
    made = [
        event(who, [(record, value) for _, record, value in batch], at=float(at))
        for at, batch in enumerate(batches)
        for who in [batch[0][0]]
    ]
    whole, short = Index(Cursor(), lambda _: Account()), folded(made)
    for one in made:
        whole.fold(one)
    assert short.cursor == whole.cursor
    revisits = {who: account.revisits for who, account in whole.accounts.items()}
    for who, account in short.accounts.items():
        account.revisits = revisits[who]  # of records that one caller alone asked about: not told
    assert short.accounts == whole.accounts


def test_columns_are_judged_each_and_together() -> None:
    """Two watched columns, of which one is swept: as evidence the mean counts."""

    def both(who: str, record: int, value: int) -> QueryEvent:
        one, other = (
            event(who, [(record, value)]),
            event(who, [(10 * record + value, 0)], column="t"),
        )
        pairs = one.sketches + other.sketches
        return QueryEvent(1.0, 200, one.principal, b"", "r", "m", "c", 1, 1, ("s", "t"), pairs)

    rows: list[Row] = [(f"attacker-{(r + v) % 6}", r, v) for r in range(60) for v in (0, 1)]
    rest: list[Row] = [(f"honest-{r // 9}", 10_000 + r, 0) for r in range(900)]
    made = [both(*row) for row in [*rest, *rows]]
    assert shares([*rest, *rows], linked(made)) == (1.0, 0.0)
    index = folded(made)
    assert all(one.courses["t"].whole.completed == 0 for one in index.accounts.values())


def test_the_bars_hold_because_of_the_null(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: with a floor and a multiple of nearly nothing, honest accounts are named."""
    rng = np.random.default_rng(6)
    truth = truth_of(rng, 5)
    rows = shuffled(rng, list(honest(rng, np.arange(PEOPLE), 400, truth, wrong=0.06)))
    assert linked(events(rows)) == []
    monkeypatch.setattr(link, "FLOOR", 1e-4)
    monkeypatch.setattr(link, "TWICE", 1e-4)
    assert len(named(linked(events(rows)))) > 20


def fair() -> tuple[NDArray[np.intp], Callable[[str], NDArray[np.intp]]]:
    """Fair's survey: which record each woman is, and the values of a column."""
    survey = (
        pytest.importorskip("statsmodels.api", reason="no survey").datasets.fair.load_pandas().data
    )
    survey["affairs"] = (survey["affairs"] > 0).astype(int)
    rest = survey.drop(columns=["affairs"])
    return rest.groupby(list(rest.columns)).ngroup().to_numpy(), lambda name: survey[
        name
    ].to_numpy()


@pytest.mark.parametrize(("accounts", "each", "least"), [(100, 20, 0.8), (10, 60, 1.0)])
def test_on_real_people_many_of_whom_look_alike(accounts: int, each: int, least: float) -> None:
    """4,829 records of 6,366 women, k = 2, beside 400 honest accounts over all of them."""
    records, column = fair()
    truth, rng = column("affairs"), np.random.default_rng(7)
    people = np.arange(len(records))
    rows = [
        (who, int(records[person]), value)
        for who, person, value in [
            *within(rng, colluding(rng, people, accounts, 2, each),
                    list(honest(rng, people, 400, truth)), 0.1)
        ]
    ]  # fmt: skip
    hit, wrong = shares(rows, linked(events(rows)))
    assert hit >= least
    assert wrong <= 0.01

"""What the detectors see: simulated attacks and honest callers, on tables and on vectors.

The simulator is the project's own (``reticent simulate``), so this shows that the detectors do on
its traffic what they were built for. It is no evidence about anybody else's traffic.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from benchmarks.attacked import pipeline
from benchmarks.people import ADULT, AFFAIRS, GSS, People
from benchmarks.table import CannotRunError, Table
from reticent.dataset import Dataset
from reticent.event import Alert
from reticent.monitor.detect import detect, event
from reticent.monitor.link import completed_by_chance, linked
from reticent.monitor.memory import Rules
from reticent.monitor.reference import fit_reference
from reticent.monitor.settings import Monitor
from reticent.monitor.simulate.play import Behavior
from reticent.monitor.simulate.run import BEHAVIORS, Played, Simulation, simulate
from reticent.monitor.simulate.world import World
from reticent.monitor.sketch import Sketcher
from reticent.monitor.watch import Watch, watched
from reticent.randomness import generator, subkey
from reticent.schema import Domain, Role, Schema
from reticent.targets.local import local

ROLE = "partner"
MOST_PEOPLE = 3_000  # in each third of a table
TREES = 25
CALIBRATED = ("lookups", "clinic_days", "follow_ups", "heavy_tailed")
SESSIONS = 320  # to calibrate on: 299 are needed for 95 % confidence
FRESH = 200  # of the same behaviors, to see whether the promise is kept
UNSEEN = 25  # of each honest behavior that calibration never saw
ATTACKED = 12  # of each attack
RUNS = 3  # of each group of colluding accounts
CROWD = 300  # honest accounts among which they hide
TOGETHER = ("collude_10", "collude_in_turn", "collude_covered", "collude_100")
SHARED = ("handover", "celebrity")  # honest accounts who ask about the same people
BARS = {
    "sweep": 15, "map_two": 15, "sweep_slow": 15, "sweep_jittered": 25, "sweep_shuffled": 60,
    "sweep_half_covered": 45, "sweep_covered": 300, "finite_difference": 25, "evolution": 100,
    "label_walk": 100, "growing_sphere": 100,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Ground:
    """One table with everything that is needed to play on it and to watch.

    Attributes
    ----------
    honest : the people whom the detectors know as usual; nobody asks about them.
    """

    name: str
    world: World
    schema: Schema
    honest: Dataset

    def watch(self) -> tuple[Watch, Sketcher]:
        """All detectors, new, and the maker of the tokens that they see."""
        settings, columns = Monitor(), self.schema.inputs
        groups = watched(columns, self.schema, [])
        sketcher = Sketcher(subkey(bytes(32), "sketches"), columns, groups)
        reference = fit_reference(self.honest, columns, groups, sketcher, generator(0))
        rules = {ROLE: Rules.of(None, settings)}
        return Watch(settings, reference, len(groups), rules), sketcher


@dataclass(slots=True)
class Seen:
    """What came of the sessions of one behavior: how many, and those that were alarmed.

    Attributes
    ----------
    queries : of each alarmed session, those from the attack's first to the alarm.
    """

    sessions: int = 0
    queries: list[int] = field(default_factory=list)
    detectors: Counter[str] = field(default_factory=Counter)

    def add(self, played: Played, alerts: Sequence[Alert]) -> None:
        """Add a session; an alarm before an attack has begun is none about it."""
        begins = played.begins or 0
        found = [alert for alert in alerts if alert.query >= begins]
        self.sessions += 1
        if found:
            self.queries.append(found[0].query - begins + 1)
            self.detectors[found[0].detector] += 1

    @property
    def share(self) -> str:
        """The share of sessions that were alarmed, in per cent."""
        return f"{100 * len(self.queries) / self.sessions:.1f}".removesuffix(".0") + " %"


def measure() -> Table:
    """Alarms of every behavior on every table: share of sessions, and how soon."""
    found = {ground.name: alarmed(ground) for ground in grounds()}
    rows = []
    for says, names in _headings().items():
        played = [name for name in names if any(name in seen for seen in found.values())]
        if "attack" not in says:
            rows.append(_sum(says, names, found))
        rows += [_row(name, [seen.get(name) for seen in found.values()]) for name in played]
    return Table(
        head=("behavior", *found, "first to alarm", "bar"),
        rows=rows,
        notes=(
            "Share of sessions that are alarmed; for attacks also the median of queries from the "
            "attack's first to the alarm, cover traffic counted. Settings as they are by default, "
            "alpha = 1 % for each of the two promises; a forest that tells its scores; detectors "
            f"fitted on a third of the people about whom nobody asks; calibrated on {SESSIONS} "
            f"sessions of {', '.join(CALIBRATED)}. A table has {FRESH} new sessions of these in "
            f"all, {UNSEEN} of each other honest behavior and {ATTACKED} of each attack. "
            "*Permitted* behaviors are sweeps by their nature and shown here without their "
            "permission; with it the detectors of sweeps do not look at that role.",
        ),
    )


def grounds() -> Iterable[Ground]:
    """The tables, one after the other; one that is missing is named and left out."""
    made: list[Callable[[], Ground]] = [partial(table, one) for one in (AFFAIRS, ADULT, GSS)]
    for make in (*made, measurements, digits):
        try:
            yield make()
        except CannotRunError as lack:
            print(lack, file=sys.stderr, flush=True)


def table(people: People) -> Ground:
    """A survey: a forest on a third of it, one column hidden."""
    members, public, others = (frame.head(MOST_PEOPLE) for frame in people.thirds(0))
    roles: dict[str, Role] = {people.label: "label", people.sensitive: "sensitive"}
    domains = {people.sensitive: Domain(values=people.values(), public=True)}
    schema = Schema.of([str(one) for one in members], roles, domains)
    return _ground(people.name.partition(",")[0], schema, members, public, others)


def measurements() -> Ground:
    """Thirty continuous measurements of cells, and no column to hide."""
    from sklearn.datasets import load_breast_cancer

    return _numbers("Breast cancer", load_breast_cancer(as_frame=True).frame)


def digits() -> Ground:
    """Images of 8 x 8 pixels: vectors, and no column to hide."""
    from sklearn.datasets import load_digits

    return _numbers("Digits", load_digits(as_frame=True).frame)


def _numbers(name: str, frame: Any) -> Ground:
    frame, n = frame.sample(frac=1.0, random_state=0), len(frame) // 3
    parts = [frame.iloc[place * n : (place + 1) * n] for place in range(3)]
    schema = Schema.of([str(one) for one in frame], {"target": "label"}, {})
    return _ground(name, schema, *parts)


def _ground(name: str, schema: Schema, members: Any, public: Any, others: Any) -> Ground:
    from sklearn.ensemble import RandomForestClassifier

    inputs = members[schema.inputs]
    forest = RandomForestClassifier(TREES, random_state=0)
    model = pipeline(inputs, forest).fit(inputs, members[schema.label])
    rows = [Dataset.of(part.reset_index(drop=True)) for part in (members, others, public)]
    target = local(model, schema.inputs, rows[0][schema.label])
    return Ground(name, World.of(rows[0], rows[1], schema, target), schema, rows[2])


def alarmed(ground: Ground) -> dict[str, Seen]:
    """Play everything on one table and show it to the detectors: behavior to what was seen."""
    calm = simulate(ground.world, 1, SESSIONS, 0, _played_here(ground, CALIBRATED))
    parts = [simulate(ground.world, 2, FRESH, 0, _played_here(ground, CALIBRATED))]
    for name, one in BEHAVIORS.items():
        if name not in (*CALIBRATED, *TOGETHER) and not one.lacks(ground.world):
            parts.append(simulate(ground.world, 3, UNSEEN, ATTACKED, [name]))
    print(f"{ground.name}: {_size([calm, *parts])}", file=sys.stderr, flush=True)
    seen: dict[str, Seen] = {}
    watch, sketcher = ground.watch()
    told = detect([], watch, sketcher, role=ROLE, honest=calm.sessions)
    assert told.calibrated is not None
    for part in parts:
        for session, played in zip(part.sessions, part.key, strict=True):
            alerts = detect([session], watch, sketcher, role=ROLE).alerts
            seen.setdefault(played.behavior, Seen()).add(played, [one for _, one in alerts])
    return seen


def _played_here(ground: Ground, names: Iterable[str]) -> list[str]:
    return [name for name in names if not BEHAVIORS[name].lacks(ground.world)]


def _size(parts: Sequence[Simulation]) -> str:
    sessions = [session for part in parts for session in part.sessions]
    return f"{sum(map(len, sessions)):,} queries in {len(sessions):,} sessions"


def collusion() -> Table:
    """Accounts that share a sweep: how many are named, and how many honest ones beside them."""
    rows = []
    for ground in grounds():
        if ground.world.candidates:
            chance = _chance(ground)
            rows += [_together(ground, name, chance) for name in TOGETHER]
    return Table(
        head=("people", "behavior", "accounts", "queries of each", "named", "honest accounts",
              "named"),
        rows=rows,
        notes=(
            f"{RUNS} runs each: one group that shares a sweep, among {CROWD} honest accounts who "
            "ask about some of the same people; what honest people make by chance is measured on "
            f"{SESSIONS} others. Bars: of 100 accounts at least 80 % and of 10 all, and at most "
            "1 % of the honest ones.",
        ),
    )  # fmt: skip


def _chance(ground: Ground) -> dict[str, float]:
    _, sketcher = ground.watch()
    calm = simulate(ground.world, 1, SESSIONS, 0, CALIBRATED)
    return completed_by_chance([event(one, sketcher, ROLE) for one in calm.sessions])


def _together(ground: Ground, name: str, chance: Mapping[str, float]) -> tuple[str, ...]:
    """Play one way to share a sweep, a few times, and count who is named."""
    _, sketcher = ground.watch()
    named, accounts, blamed, lengths = 0, 0, 0, []
    for run in range(RUNS):
        world = ground.world
        trace = simulate(world, 4 + run, CROWD, 1, [*CALIBRATED, *SHARED, name])
        events = [event(one, sketcher, ROLE) for one in trace.sessions]
        alerts = linked(events, chance=dict(chance))
        found = {one for alert in alerts for one in (alert.caller, *alert.others)}
        for one, played in zip(events, trace.key, strict=True):
            if played.attack:
                accounts += 1
                named += one.principal in found
                lengths.append(one.rows)
            else:
                blamed += one.principal in found
    honest = RUNS * CROWD
    return (
        ground.name, name, f"{accounts / RUNS:g}", f"{np.median(lengths):g}",
        f"{100 * named / accounts:.0f} %", str(CROWD), f"{100 * blamed / honest:.2f} %",
    )  # fmt: skip


def _headings() -> dict[str, list[str]]:
    """What rows are headed with, and the behaviors below it."""

    def kind(name: str, one: Behavior) -> str:
        if one.attack:
            return "attacks that nobody can see" if one.hides else "attacks"
        if one.permission:
            return "honest, asking what wants a permission"
        return "honest, as calibrated on" if name in CALIBRATED else "honest, never calibrated on"

    found: dict[str, list[str]] = {}
    for name, one in BEHAVIORS.items():
        found.setdefault(kind(name, one), []).append(name)
    return found


def _sum(says: str, names: Sequence[str], found: Mapping[str, Mapping[str, Seen]]) -> list[str]:
    """All honest behaviors of a kind together."""
    cells = []
    for seen in found.values():
        some = [seen[name] for name in names if name in seen]
        queries = [query for one in some for query in one.queries]
        whole = Seen(sum(one.sessions for one in some), queries)
        cells.append(f"**{whole.share}** of {whole.sessions}")
    return [f"**{says}**", *cells, "", ""]


def _row(name: str, seen: Sequence[Seen | None]) -> list[str]:
    attack, cells = BEHAVIORS[name].attack, []
    detectors: Counter[str] = Counter()
    for one in seen:
        text = "-" if one is None else one.share
        if one is not None and attack and one.queries:
            text += f" at {np.median(one.queries):g}"
        cells.append(text)
        detectors.update({} if one is None else one.detectors)
    top = ", ".join(detector for detector, _ in detectors.most_common(2))
    bar = f"≤ {BARS[name]}" if name in BARS else ""
    shown = f"`{name}`" + (", undetectable" if BEHAVIORS[name].hides else "")
    return [shown, *cells, top, bar]

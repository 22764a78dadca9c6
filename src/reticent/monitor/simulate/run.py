"""A whole trace of made-up callers, and the key that says who they were."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reticent.column import is_missing
from reticent.dataset import Dataset
from reticent.errors import ConfigError, nearest
from reticent.monitor.simulate.analysts import ANALYSTS
from reticent.monitor.simulate.attacks import ATTACKS
from reticent.monitor.simulate.honest import HONEST
from reticent.monitor.simulate.play import DAY, HOUR, Behavior, Play
from reticent.monitor.simulate.programs import PROGRAMS
from reticent.monitor.simulate.world import World
from reticent.monitor.trace import Session
from reticent.randomness import generator
from reticent.target import Answer, Target
from reticent.targets.wrap import fresh

BEHAVIORS: dict[str, Behavior] = {**HONEST, **PROGRAMS, **ANALYSTS, **ATTACKS}
MONDAY = 1_767_571_200.0  # 2026-01-05T00:00:00Z: simulated weeks begin here, whatever the clock
Tell = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Played:
    """Who a made-up caller was.

    Attributes
    ----------
    caller : as in the trace. behavior : what they did. attack : whether it was one.
    begins : position of an attack's first row in the caller's sequence, None for honest callers.
    run : callers with the same number of one behavior acted together.
    """

    caller: str
    behavior: str
    attack: bool
    begins: int | None
    run: int


@dataclass(frozen=True, slots=True)
class Simulation:
    """What was played.

    Attributes
    ----------
    sessions : one a caller, in the order in which they begin. key : who they were, in that order.
    left_out : behaviors that could not be played, and why.
    """

    sessions: list[Session]
    key: list[Played]
    left_out: dict[str, str]


def simulate(
    world: World,
    seed: int = 0,
    honest: int = 1000,
    attacks: int = 60,
    behaviors: Sequence[str] | None = None,
    tell: Tell | None = None,
) -> Simulation:
    """Play honest and attacking callers.

    Parameters
    ----------
    honest, attacks : how many of each; callers who act together count once.
    behaviors : names of those to play; by default all but those that need a permission.
    tell : is told how far it is.

    Raises
    ------
    ConfigError : no behavior of that name, or none of the named can be played.
    """
    chosen, left_out = _chosen(world, behaviors)
    runs = _runs(chosen, honest, attacks)
    played: list[tuple[str, int, Play, float]] = []
    for done, (name, run) in enumerate(runs):
        if tell is not None:
            tell(done, len(runs), name)
        rng = generator(seed, "simulate", name, run)
        start = _start(rng)
        played += [(name, run, play, start) for play in chosen[name].play(world, rng)]
    return _simulation(world, seed, played, left_out)


def check_names(behaviors: Sequence[str]) -> None:
    """Check that behaviors are in the list.

    Raises
    ------
    ConfigError : one is not.
    """
    for name in behaviors:
        if name not in BEHAVIORS:
            raise ConfigError(
                f"behavior {name!r}", f"there is none of that name{nearest(name, list(BEHAVIORS))}",
                f"Use some of: {', '.join(BEHAVIORS)}",
            )  # fmt: skip


def _chosen(
    world: World, behaviors: Sequence[str] | None
) -> tuple[dict[str, Behavior], dict[str, str]]:
    """The behaviors to play, and those that cannot be."""
    check_names(behaviors or ())
    wanted = {
        name: one for name, one in BEHAVIORS.items()
        if (not one.permission if behaviors is None else name in behaviors)
    }  # fmt: skip
    left_out = {name: why for name, one in wanted.items() if (why := one.lacks(world))}
    chosen = {name: one for name, one in wanted.items() if name not in left_out}
    if not chosen:
        name, why = next(iter(left_out.items()))
        raise ConfigError(f"behavior {name!r}", why, "Choose others, or give what it needs")
    return chosen, left_out


def _runs(chosen: dict[str, Behavior], honest: int, attacks: int) -> list[tuple[str, int]]:
    """Which behavior is played how often: attacks alike, honest ones as they are common."""
    shares = {name: one.share for name, one in chosen.items() if not one.attack}
    edges = np.cumsum(list(shares.values()))
    runs: list[tuple[str, int]] = []
    if shares:
        ends = np.round(edges / edges[-1] * honest).astype(int).tolist()
        for name, start, end in zip(shares, [0, *ends[:-1]], ends, strict=True):
            runs += [(name, run) for run in range(end - start)]
    names = [name for name, one in chosen.items() if one.attack]
    if names:
        runs += [(names[place % len(names)], place // len(names)) for place in range(attacks)]
    return runs


def _start(rng: np.random.Generator) -> float:
    """When a caller begins: some morning within two weeks."""
    return float(MONDAY + rng.integers(14) * DAY + 8 * HOUR + rng.uniform(0, 3 * HOUR))


def _simulation(
    world: World, seed: int, played: list[tuple[str, int, Play, float]], left_out: dict[str, str]
) -> Simulation:
    """Give the accounts names that tell nothing, addresses and answers."""
    rng = generator(seed, "simulate", "accounts")
    order = np.argsort([start + play.at[0] for _, _, play, start in played], kind="stable")
    numbers = rng.permutation(len(played))
    sessions, key = [], []
    for place in order.tolist():
        name, run, play, start = played[place]
        caller = f"caller-{numbers[place]:06d}"
        source = _sources(play, generator(seed, "simulate", name, run, "desk", play.desk), rng)
        answered, label, confidence = answers(world.target, play.rows)
        sessions.append(Session(
            caller, play.rows, np.round(start + play.at, 3), source, answered, label, confidence,
        ))  # fmt: skip
        key.append(Played(caller, name, BEHAVIORS[name].attack, play.begins, run))
    return Simulation(sessions, key, left_out)


def _sources(play: Play, desk: np.random.Generator, rng: np.random.Generator) -> tuple[str, ...]:
    """The address of each query: of one desk as a rule, with a second one now and then."""
    parts = desk.integers(1, 255, (max(play.networks, 2), 3)).tolist()
    addresses = np.array([f"10.{a}.{b}.{c}" for a, b, c in parts])
    n = len(play.rows)
    if play.moved is not None:
        where = (np.arange(n) >= play.moved).astype(int)
    elif play.networks > 1:
        where = rng.integers(play.networks, size=n)
    else:
        where = (rng.random(n) < (0.3 if rng.random() < 0.1 else 0)).astype(int)
    return tuple(addresses[where].tolist())


def answers(
    target: Target | None, rows: Dataset
) -> tuple[NDArray[np.bool_] | None, NDArray[Any] | None, NDArray[np.float64] | None]:
    """What a model told one caller about n rows: answered, label and confidence, as in a trace.

    Rows with an empty cell in a column that the model wants are refused, as the gateway does.
    """
    if target is None:
        return None, None, None
    whole = ~np.any([is_missing(rows[name]) for name in target.columns], axis=0)
    asked = np.flatnonzero(whole)
    answered = np.zeros(len(rows), dtype=bool)
    told = fresh(target).ask(rows.take(asked)) if len(asked) else Answer()
    answered[asked] = len(told) > 0 if told.answered is None else told.answered
    confidence = None
    if told.scores is not None:
        confidence = np.full(len(rows), np.nan)
        confidence[asked] = told.scores.max(axis=1)
    return answered, _labels(target, told, asked, answered), confidence


def _labels(
    target: Target, told: Answer, asked: NDArray[np.intp], answered: NDArray[np.bool_]
) -> NDArray[Any] | None:
    """What was predicted, as a trace has it: numbers with NaN, or text with None, for no answer."""
    found = told.value
    if target.classes is not None and told.label is not None:
        found = target.classes[told.label]
    if found is None:
        return None
    numbers = found.dtype.kind in "iuf"
    label = np.full(len(answered), np.nan if numbers else None, dtype=float if numbers else object)
    label[asked] = found if numbers else [str(one) for one in found.tolist()]
    label[~answered] = np.nan if numbers else None
    return label

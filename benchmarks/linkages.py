"""What a released table gives away: copied rows among synthetic ones, and scores that were kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import reticent
from benchmarks.people import ADULT, GSS, People
from benchmarks.table import Table, plain
from reticent.attacks import ATTACKS, family
from reticent.finding import Finding, Rate

ROWS = 10_000
COPIED = 0.05
SEEDS = (0, 1, 2)
ASK_NOTHING = [
    name for name in ATTACKS if family(name) == "linkage" and name != "score_fingerprint"
]
KEPT = ["age", "sex", "race"]  # what an anonymized row still says
Scores = NDArray[np.float64]
DIGITS = (1, 2, 3, 4)
NAMED = 5_000  # people in a release with scores, and as many who are not


def fitted(learner: object, members: pd.DataFrame, label: str) -> object:
    """Fit a learner on one-hot columns."""
    words = make_column_selector(dtype_exclude=np.number)
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), words), remainder=StandardScaler()
    )
    return make_pipeline(encode, learner).fit(members.drop(columns=[label, "id"]), members[label])


def synthesized(people: pd.DataFrame, rows: int, seed: int) -> pd.DataFrame:
    """Draw rows like people's from a Gaussian copula: each column's values, and their ranks' ties.

    The plainest synthesizer there is. It writes down values that it saw, never a whole row.
    """
    rng = np.random.default_rng(seed)
    codes = {name: pd.factorize(people[name], sort=True) for name in people}
    jittered = pd.DataFrame(
        {name: code + rng.random(len(people)) for name, (code, _) in codes.items()}
    )
    normal = np.asarray(norm.ppf((jittered.rank() - 0.5) / len(people)))
    drawn = rng.multivariate_normal(np.zeros(people.shape[1]), np.corrcoef(normal.T), size=rows)
    places = np.asarray(norm.cdf(drawn))
    return pd.DataFrame({
        name: people[name].sort_values(na_position="first").to_numpy()[place]
        for name, place in zip(people, (places.T * len(people)).astype(int), strict=True)
    })  # fmt: skip


def _adult(seed: int) -> tuple[pd.DataFrame, ...]:
    """10,000 members, 8,000 others, 8,000 auxiliary people, and the synthesizer's own 6,561."""
    frame = ADULT.read()
    order = np.random.default_rng(seed).permutation(len(frame))
    cuts = (0, ROWS, ROWS + 8_000, ROWS + 16_000, len(frame))
    return tuple(frame.iloc[order[low:high]].reset_index(drop=True) for low, high in pairwise(cuts))


def _release(members: pd.DataFrame, fresh: pd.DataFrame, copied: int, seed: int) -> pd.DataFrame:
    made = synthesized(fresh, ROWS - copied, seed)
    both = pd.concat([made, members.sample(copied, random_state=seed)], ignore_index=True)
    return both.sample(frac=1, random_state=seed).reset_index(drop=True)


def copies() -> Table:
    """Five percent of Adult's members copied into a synthetic table, and none."""
    rows = []
    for copied in (int(COPIED * ROWS), 0):
        runs = []
        for seed in SEEDS:
            members, others, auxiliary, fresh = _adult(seed)
            case = reticent.Case(
                model=_constant, members=members, others=others, auxiliary=auxiliary,
                label=ADULT.label, sensitive=ADULT.sensitive, train=_never,
                released=_release(members, fresh, copied, seed),
            )  # fmt: skip
            started = time.process_time()
            evidence = reticent.audit(case, attacks=ASK_NOTHING, seed=seed)
            runs.append((evidence.findings, time.process_time() - started))
        for name in ASK_NOTHING:
            found = [next(f for f in each if f.attack == name) for each, _ in runs]
            rows.append([f"{copied / ROWS:.0%} copied", name, f"{found[0].members.accuracy.n:,}",
                         *_told(found)])  # fmt: skip
        seconds = median(took for _, took in runs)
    notes = [
        f"Adult, seeds {', '.join(map(str, SEEDS))}, medians; {seconds:.0f} s of CPU time for the "
        "four attacks. The rest of the 10,000 released rows is drawn by a Gaussian copula from "
        "6,561 people who are in no other table. Gain: the share of right tries on members less "
        "the same on others, both beyond public people's rows; its bounds are the widest of the "
        "three seeds, the lower adjusted for all tests of the run."
    ]
    head = ["release", "attack", "tries", "members", "without", "others", "gain", "bounds",
            "verdicts"]  # fmt: skip
    return Table(head, rows, notes)


def _told(found: Sequence[Finding]) -> list[str]:
    def middle(of: Callable[[Finding], Rate | None]) -> str:
        return plain(
            median(rate.value for one in found if (rate := of(one)) and rate.value is not None), 3
        )

    gains = [one.memorization for one in found if one.memorization is not None]
    low, high = min(one.low or 0 for one in gains), max(one.high or 0 for one in gains)
    return [
        middle(lambda one: one.members.accuracy),
        middle(lambda one: one.baseline_members.accuracy),
        middle(lambda one: one.others.accuracy if one.others else None),
        middle(lambda one: one.memorization),
        f"{plain(low, 3)} to {plain(high, 3)}",
        ", ".join(dict.fromkeys(one.verdict.replace("_", " ") for one in found)),
    ]


def fingerprints() -> Table:
    """How many people a released score names, by its digits, on two data sets."""
    rows = []
    learners: dict[str, Callable[[int], object]] = {
        "default forest": lambda seed: RandomForestClassifier(random_state=seed),
        "logistic regression": lambda _: LogisticRegression(max_iter=1_000),
    }
    for people, name in ((ADULT, "Adult"), (GSS, "General Social Survey")):
        for kind, make in learners.items():
            rows.append([name, kind, *_linked(people, make, lambda score, _: score)])
        for says, change in (("scores shuffled", _dealt), ("every score .5", _half)):
            cells = _linked(people, learners["default forest"], change)
            rows.append([name, f"the same forest, {says}", *cells])
    notes = [
        f"{NAMED:,} released rows of members with {', '.join(KEPT)} and the score of one class; "
        f"{NAMED:,} people not in the release; medians of seeds {', '.join(map(str, SEEDS))}. "
        "*pick*: how likely a pick among the rows that fit is the person's own, without and with "
        "the score. Then the share of people whom exactly one row fits, their own, with so many "
        "digits of the score; and of people not in the release whom exactly one row fits."
    ]
    head = ["data", "model", "pick without", "pick with", *(f"{one} digits" for one in DIGITS),
            "as released", "falsely", "verdicts"]  # fmt: skip
    return Table([one.replace("1 digits", "1 digit") for one in head], rows, notes)


def _dealt(score: Scores, rng: np.random.Generator) -> Scores:
    return rng.permutation(score)


def _half(score: Scores, _: np.random.Generator) -> Scores:
    return np.full(len(score), 0.5)


Change = Callable[[Scores, np.random.Generator], Scores]


def _linked(people: People, make: Callable[[int], object], change: Change) -> list[str]:
    found = []
    for seed in SEEDS:
        frame = people.read()
        order = np.random.default_rng(seed).permutation(len(frame))[: 3 * NAMED]
        frame = frame.iloc[order].reset_index(drop=True).assign(id=np.arange(3 * NAMED))
        members, others, auxiliary = (frame.iloc[at : at + NAMED] for at in
                                      range(0, 3 * NAMED, NAMED))  # fmt: skip
        model: Any = fitted(make(seed), members, people.label)
        score = model.predict_proba(members.drop(columns=[people.label, "id"]))[:, -1]
        released = members[[*KEPT, "id"]].assign(score=change(score, np.random.default_rng(seed)))
        case = reticent.Case(
            model=model, members=members, others=others, auxiliary=auxiliary, person="id",
            label=people.label, released=released.sample(frac=1, random_state=seed),
        )  # fmt: skip
        found.append(reticent.audit(case, attacks=["score_fingerprint"], seed=seed).findings[0])
    more = [f"unique_at_{digits}" for digits in DIGITS] + ["unique"]
    shares = [
        [one.baseline_members.accuracy, one.members.accuracy,
         *(one.members.more[name] for name in more),
         *([one.others.more["unique"]] if one.others else [])] for one in found
    ]  # fmt: skip
    middle = [median(rate.value or 0.0 for rate in column) for column in zip(*shares, strict=True)]
    verdicts = ", ".join(dict.fromkeys(one.verdict.replace("_", " ") for one in found))
    return [*(f"{100 * one:.1f} %" for one in middle), verdicts]


def _constant(rows: pd.DataFrame) -> Scores:
    return np.full((len(rows), 2), 0.5)


def _never(*_: object) -> object:
    raise AssertionError("nothing is trained")

"""What classes look like: reconstructions on the AT&T faces and on digits.

The faces are AT&T Laboratories Cambridge's, for research use with credit; they are read in place.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.people import place
from benchmarks.table import Table, plain
from reticent.attacks import named
from reticent.attacks.faces import Held
from reticent.attacks.latent import latent
from reticent.audit.evaluator import Evaluator, trained
from reticent.contract import Contract
from reticent.dataset import Dataset
from reticent.encoding import fit_encoding
from reticent.monitor.detectors.refusals import STAKES
from reticent.monitor.promise import Bets
from reticent.target import Answer, Target
from reticent.targets.contracted import abstain
from reticent.targets.gate import Gate
from reticent.targets.local import local
from reticent.targets.shape import cut
from reticent.targets.wrap import Around, Metered

SHAPE = (28, 23)
COLUMNS = tuple(f"x{pixel}" for pixel in range(SHAPE[0] * SHAPE[1]))
SPLITS = range(100, 105)  # none of those on which the attacks were made
PEOPLE = 40
ROUNDED = Contract(output="scores", bands=tuple(k / 20 for k in range(1, 20)))
TOP3 = Contract(output="top_k", top_k=3)
LABEL = Contract(output="label")
CREDIT = (
    "Faces: AT&T Laboratories Cambridge, 40 people, 10 pictures each at 28 x 23, read in place."
)

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Split:
    """One division of the faces: who is private, and which pictures are for whom.

    Attributes
    ----------
    trained_on, honest, judged : pictures and identities for the model, a gate and the evaluator.
    """

    model: Target
    held: Held
    evaluator: Evaluator
    trained_on: tuple[Floats, Codes]
    honest: Floats
    judged: Floats
    public: tuple[Floats, Codes]

    def right(self, pictures: Floats, places: int = 1) -> float:
        """The share of pictures (c, d) on which the evaluator finds the right person."""
        rank = self.evaluator.rank(pictures, np.arange(len(pictures)))
        return float((rank < places).mean())


@cache
def _faces() -> tuple[Floats, Codes]:
    read = np.load(place("att_faces_28x23.npz"))
    return read["images"].reshape(-1, len(COLUMNS)) / 255.0, read["identity"]


def split(seed: int, private: int, training: int = 7, gate: int = 0) -> Split:
    """Divide people and pictures, and train a softmax regression on the private people."""
    from sklearn.linear_model import LogisticRegression

    x, who = _faces()
    rng = np.random.default_rng(seed)
    people = rng.permutation(PEOPLE)
    mine = np.sort(people[:private])
    orders = [rng.permutation(np.flatnonzero(who == one)) for one in mine]
    ends = (0, training, training + gate, 10)
    parts = [np.concatenate([order[a:b] for order in orders])
             for a, b in pairwise(ends)]  # fmt: skip
    own = np.searchsorted(mine, who)
    model = LogisticRegression(max_iter=500).fit(x[parts[0]], own[parts[0]])
    public = np.flatnonzero(np.isin(who, people[private:]))
    space = latent(x[public], SHAPE, 0.0, 1.0)
    held = Held(np.arange(private), x[public], space, SHAPE, COLUMNS)
    return Split(
        local(model, list(COLUMNS), np.arange(private)), held,
        trained(x[parts[2]], own[parts[2]], SHAPE), (x[parts[0]], own[parts[0]]), x[parts[1]],
        x[parts[2]], (x[public], who[public]),
    )  # fmt: skip


# Reconstruction -------------------------------------------------------------------------------

Asked = tuple[str, int, Contract | None, str]  # what is said of it, private people, view, attack
ROWS: tuple[Asked, ...] = (
    ("white-box, no public pictures", 40, None, "mi_face"),
    ("white-box, no public pictures", 40, None, "latent_gradient"),
    ("white-box", 20, None, "latent_gradient"),
    ("all scores", 20, None, "mi_face_black_box"),
    ("all scores", 20, None, "latent_evolution"),
    ("scores in bands of .05", 20, ROUNDED, "mi_face_black_box"),
    ("scores in bands of .05", 20, ROUNDED, "latent_evolution"),
    ("scores in bands of .05", 20, ROUNDED, "inversion_network"),
    ("the 3 highest scores", 20, TOP3, "latent_evolution"),
    ("the 3 highest scores", 20, TOP3, "inversion_network"),
    ("labels", 20, LABEL, "label_sphere"),
    ("labels, 300 in all", 20, LABEL, "label_batch"),
)


def measure() -> Table:
    """Every attack on the view it is for, over five divisions of people."""
    return Table(
        head=("the attacker sees", "people", "attack", "rows a person", "identified at 1",
              "at 5", "CPU s"),
        rows=[*map(_row, ROWS), *_without()],
        notes=(
            "Softmax regression on 7 pictures of each private person; the evaluator learned the "
            "same people from the 3 others, which the model never saw. Of 20 private people, "
            "chance is .05, and the attacker has the eigenfaces of the 20 others, without names. "
            "Of 40 there is nobody left to be public: the attacker has smooth waves. Mean of five "
            "divisions of people (95 % interval by Student's t), none of which the attacks were "
            f"made on. *real pictures*: of those the model was trained on. {CREDIT}",
        ),
    )  # fmt: skip


def _row(asked: Asked) -> tuple[str, ...]:
    says, people, contract, name = asked
    found = []
    for seed in SPLITS:
        one = split(seed, people)
        meter = Metered(one.model if contract is None else cut(one.model, contract))
        started = time.process_time()
        made = named(name).reconstruct(meter, one.held, np.random.default_rng(seed))
        seconds = time.process_time() - started
        found.append((one.right(made), one.right(made, 5), meter.queries / people, seconds))
    top1, top5, rows, took = zip(*found, strict=True)
    return (says, str(people), f"`{name}`", f"{np.mean(rows):,.0f}", meant(top1), meant(top5),
            plain(float(np.mean(took)), 1))  # fmt: skip


def _without() -> list[tuple[str, ...]]:
    """What is identified without the model, and of real pictures."""
    rows: list[tuple[str, ...]] = []
    for people in (20, 40):
        splits = [split(seed, people) for seed in SPLITS]
        real = [float((one.evaluator.rank(*one.trained_on) == 0).mean()) for one in splits]
        if people == 20:
            mean = [np.tile(one.held.images.mean(axis=0), (people, 1)) for one in splits]
            plain_ = [one.right(x) for one, x in zip(splits, mean, strict=True)]
            rows.append(("nothing", "20", "the average public face", "0", meant(plain_), "", ""))
        rows.append(("", str(people), "real pictures", "", meant(real), "", ""))
    return rows


def meant(values: Sequence[float], digits: int = 2) -> str:
    """A mean with its 95 % interval by Student's t."""
    from scipy.stats import t

    found = np.array(values)
    half = t.isf(0.025, len(found) - 1) * found.std(ddof=1) / np.sqrt(len(found))
    low, high = max(found.mean() - half, 0.0), min(found.mean() + half, 1.0)
    mean, low, high = (plain(float(one), digits) for one in (found.mean(), low, high))
    return f"{mean} ({low} to {high})"


# The abstaining contract ----------------------------------------------------------------------


class Watched(Around):
    """Keeps whether each query was answered."""

    __slots__ = ("answered",)

    def __init__(self, inner: Target) -> None:
        self.inner = inner
        self.answered: list[NDArray[np.bool_]] = []

    def ask(self, rows: Dataset) -> Answer:
        """Answer n rows."""
        told = self.inner.ask(rows)
        assert told.answered is not None
        self.answered.append(told.answered)
        return told


Embedding = Callable[[Floats, Codes], Floats]


def _pixels(x: Floats, who: Codes) -> Floats:  # noqa: ARG001 (the other embedding asks who)
    return np.eye(x.shape[1])


def _discriminants(x: Floats, who: Codes) -> Floats:
    """Axes (d, q) on which public people differ from each other more than from themselves."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    count = len(np.unique(who)) - 1
    model = LinearDiscriminantAnalysis(solver="eigen", shrinkage=0.1, n_components=count)
    return np.asarray(model.fit(x, who).scalings_[:, :count])


def gate(one: Split, embed: Embedding, share: float) -> Gate:
    """A gate on the distance to class averages that a share of honest pictures passes."""
    encode = fit_encoding(Dataset.of_matrix(one.trained_on[0], COLUMNS), COLUMNS)

    def seen(x: Floats) -> Floats:
        return encode(Dataset.of_matrix(x, COLUMNS))

    points, who = seen(one.trained_on[0]), one.trained_on[1]
    centers = np.array([points[who == c].mean(axis=0) for c in np.unique(who)])
    open_ = Gate(encode, centers, embed(seen(one.public[0]), one.public[1]), np.inf)
    far = open_.distance(Dataset.of_matrix(one.honest, COLUMNS))
    return Gate(encode, centers, open_.whiten, float(np.quantile(far, share)))


def abstaining() -> Table:
    """The trade of a gate: honest pictures passed, attack, probes answered, queries to an alarm."""
    rows = [
        _gated(words, embed, share, says, contract, name)
        for words, embed in (("pixels", _pixels), ("discriminants", _discriminants))
        for share in (0.9, 0.8)
        for says, contract, name in (
            ("bands of .05", ROUNDED, "latent_evolution"), ("labels", LABEL, "label_sphere"),
            ("labels, 300 in all", LABEL, "label_batch"),
        )
    ]  # fmt: skip
    return Table(
        head=("distance on", "set to pass", "honest passed", "the attacker sees", "attack",
              "identified at 1", "probes answered", "queries to an alarm"),
        rows=rows,
        notes=(
            "20 private people: 5 pictures each for the model and its class averages, 2 to set "
            "the distance, 3 for the evaluator, which are also the honest pictures passed. "
            "*discriminants*: of the public people. The attacker knows that there is a gate: "
            "before anything else they find out how far from the average face most probes are "
            "answered. *alarm*: a bet at 100 to 1 that more is refused than the gate refuses of "
            "honest pictures, if everything is asked by one caller; median, *none* where it never "
            f"comes. {CREDIT}",
        ),
    )  # fmt: skip


def _gated(
    words: str, embed: Embedding, share: float, says: str, contract: Contract, name: str
) -> tuple[str, ...]:
    found, alarms = [], []
    for seed in SPLITS:
        one = split(seed, 20, training=5, gate=2)
        passes = gate(one, embed, share)
        watched = Watched(cut(abstain(one.model, None, passes), contract))
        made = named(name).reconstruct(watched, one.held, np.random.default_rng(seed))
        answered = np.concatenate(watched.answered)
        honest = passes.passes(Dataset.of_matrix(one.judged, COLUMNS)).mean()
        found.append((float(honest), one.right(made), float(answered.mean())))
        alarms.append(_alarm(answered, 1 - share))
    honest_passed, right, told = zip(*found, strict=True)
    alarm = float(np.median(alarms))
    return (words, plain(share, 1), plain(float(np.mean(honest_passed))), says, f"`{name}`",
            meant(right), plain(float(np.mean(told))),
            f"{alarm:,.0f}" if np.isfinite(alarm) else "none")  # fmt: skip


def _alarm(answered: NDArray[np.bool_], allowed: float) -> float:
    bets = Bets(STAKES)
    for query, told in enumerate(answered):
        bets.bet(not told, allowed)
        if bets.value >= 100:
            return query + 1.0
    return float("inf")


# Digits ---------------------------------------------------------------------------------------


def digits() -> Table:
    """How far reconstructions of digits are from the class's mean, at full confidence."""
    found: dict[str, list[tuple[float, float]]] = {}
    for seed in SPLITS:
        model, x, y, held, ask = digit_split(seed)
        means = np.array([x[y == c].mean(axis=0) for c in range(10)])
        made = {
            name: named(name).reconstruct(ask, held, np.random.default_rng(seed))
            for name in ("mi_face", "latent_gradient")
        }
        made["the average public digit"] = np.tile(held.images.mean(axis=0), (10, 1))
        for name, pictures in made.items():
            sure = model.predict_proba(pictures)[np.arange(10), np.arange(10)].mean()
            far = np.sqrt(((pictures - means) ** 2).mean(axis=1)).mean()
            found.setdefault(name, []).append((float(sure), float(far)))
    rows = [
        (f"`{name}`" if "_" in name else name,
         plain(float(np.mean([one[0] for one in each]))), meant([one[1] for one in each], 3))
        for name, each in found.items()
    ]  # fmt: skip
    return Table(
        head=("picture", "the model's confidence", "distance to the class's mean"),
        rows=rows,
        notes=(
            "A perceptron of 64 hidden units on 900 of scikit-learn's digits; 450 others are the "
            "public ones, without names. Root mean square a pixel, white being 1; mean of five "
            "divisions (95 % interval).",
        ),
    )


def digit_split(seed: int) -> tuple[Any, Floats, Codes, Held, Target]:
    """A perceptron on digits: it, its training pictures and labels, the attacker's, the target."""
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    data = load_digits()
    x, y = data.data / 16.0, data.target
    order = np.random.default_rng(seed).permutation(len(x))
    mine, public = order[:900], order[900:1350]
    model = MLPClassifier(hidden_layer_sizes=(64,), max_iter=1_000, random_state=seed)
    model.fit(x[mine], y[mine])
    columns = tuple(f"x{pixel}" for pixel in range(64))
    space = latent(x[public], (8, 8), 0.0, 1.0)
    held = Held(np.arange(10), x[public], space, (8, 8), columns)
    return model, x[mine], y[mine], held, local(model, list(columns), np.arange(10))

"""What classes look like, reconstructed and judged by whether it is the right person."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from reticent import stats
from reticent.attacks import named
from reticent.attacks.faces import Held
from reticent.attacks.latent import Decoder, check_decoder, latent
from reticent.audit.case import Prepared
from reticent.audit.evaluator import Evaluator, nearest, trained
from reticent.audit.found import Found
from reticent.audit.measure import View
from reticent.audit.options import Options
from reticent.audit.score import Contrast, rate
from reticent.dataset import Dataset
from reticent.errors import ConfigError, DataError
from reticent.exhibit import Exhibit, Picture
from reticent.finding import Finding, Rate, Score
from reticent.randomness import generator
from reticent.target import Reveals, Target
from reticent.targets.local import positions
from reticent.targets.wrap import Metered, fresh

HIDDEN = "appearance"
FRESH = 2  # pictures of a person that the model never saw: fewer do not teach the evaluator
SHOWN = 6  # people in an exhibit
ONLY_RANK = "a picture shows the right person or not: see accuracy, top1 and top5"

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
Step = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Gallery:
    """The people who are looked for, and their pictures, which no attack is shown.

    Attributes
    ----------
    held : what the attacker holds. evaluator : who judges. real : share of the members' true
    pictures that it identifies.
    members, fresh : pictures (n, d), (m, d) in training and not. whose, whose_fresh : (n,), (m,)
    places 0..c-1 among the classes looked for. sample : resamples of those.
    plain : (c, d) the attack-free picture.
    """

    held: Held
    evaluator: Evaluator
    real: Rate
    members: Floats
    fresh: Floats
    whose: Codes
    whose_fresh: Codes
    sample: stats.Resamples
    plain: Floats
    notes: tuple[str, ...]


def measure(
    case: Prepared, views: Sequence[View], names: Sequence[str], options: Options, step: Step
) -> Found:
    """Attack every view with every named attack, and judge the pictures.

    Raises
    ------
    ConfigError, DataError : the case has no pictures, or too few of each person to judge by.
    """
    gallery = gathered(case, options.seed)
    found: list[Contrast] = []
    for view in views:
        made: dict[str, Floats] = {}
        for name in names:
            step(f"{view.name}: {name} on {HIDDEN}")
            contrast, pictures = attacked(view, name, gallery, options.seed)
            found.append(contrast)
            if pictures is not None:
                made[name] = pictures
        if made:
            options.exhibit(_exhibit(view, made, gallery))
    return Found(found, notes=gallery.notes)


def attacked(view: View, name: str, gallery: Gallery, seed: int) -> tuple[Contrast, Floats | None]:
    """Run one attack on one view: what it found, and its pictures (c, d)."""
    blank = Finding.blank(view.name, view.contract, name, HIDDEN)
    reason = obstacle(named(name).needs, view.target)
    if reason is not None:
        return Contrast(msgspec.structs.replace(blank, reason=reason), None, None, 0), None
    meter = Metered(fresh(view.target))
    pictures = named(name).reconstruct(meter, gallery.held, generator(seed, "face", name))
    return judge(blank, pictures, gallery, meter.queries), pictures


def obstacle(needs: Reveals, target: Target) -> str | None:
    """Say why an attack cannot be run here, or nothing."""
    if lacking := needs & ~target.reveals:
        names = " and ".join(flag.name or "" for flag in lacking)
        return f"the target does not reveal {names}"
    return "the target is a regressor" if target.classes is None else None


# The case -------------------------------------------------------------------------------------


def gathered(case: Prepared, seed: int, decoder: Decoder | None = None) -> Gallery:
    """Choose who is looked for, and train the evaluator on pictures that the model never saw.

    Parameters
    ----------
    decoder : the space the attacker looks in; by default the case's, else the eigenfaces of the
        auxiliary pictures.

    Raises
    ------
    ConfigError, DataError : no pictures, or fewer than two people with enough of them.
    """
    columns = tuple(case.schema.inputs)
    shape = _shape(case)
    tables = (case.members, case.others, case.auxiliary)
    members, fresh_ones, public = (_pixels(rows, columns) for rows in tables)
    kept, notes = _looked_for(case)
    whose, whose_fresh = (_whose(case, rows, kept) for rows in tables[:2])
    low, high = float(public.min()), float(public.max())
    decoder = decoder or case.decoder or latent(public, shape, low, high)
    check_decoder(decoder, len(columns))
    held = Held(kept, public, decoder, shape, columns, low, high, case.members.like)
    inside, outside = whose >= 0, whose_fresh >= 0
    evaluator = trained(fresh_ones[outside], whose_fresh[outside], shape)
    there = members[inside], whose[inside]
    plain = np.tile(public.mean(axis=0), (len(kept), 1))
    return Gallery(
        held, evaluator, _real(evaluator, *there), *there[:1], fresh_ones[outside], there[1],
        whose_fresh[outside],
        stats.resample(np.arange(len(kept)), generator(seed, "bootstrap", "faces")), plain,
        (*notes, *_seen_before(case, kept)),
    )  # fmt: skip


def _shape(case: Prepared) -> tuple[int, ...]:
    if case.shape is None or len(case.shape) < 2:
        raise ConfigError(
            "pictures to reconstruct", "the model's columns are none",
            "Give images: an .npz file with x (n, height, width), or Case(shape=(height, width))",
        )  # fmt: skip
    return case.shape


def _pixels(rows: Dataset, columns: tuple[str, ...]) -> Floats:
    whole = rows.matrix(columns)
    if whole is None:
        whole = np.column_stack([rows[name].astype(float) for name in columns])
    return np.asarray(whole, dtype=float)


def _whose(case: Prepared, rows: Dataset, kept: Codes) -> Codes:
    """Whose picture each row is (n,), as a place among those looked for; -1 for anybody else."""
    assert case.target.classes is not None
    place = np.full(len(case.target.classes) + 1, -1)
    place[kept] = np.arange(len(kept))
    return np.asarray(place[positions(rows[case.label], case.target.classes)])


def _looked_for(case: Prepared) -> tuple[Codes, list[str]]:
    """The classes with pictures in training, and enough fresh ones to judge by."""
    classes = case.target.classes
    if classes is None:
        raise ConfigError(
            "pictures to reconstruct", "the model is a regressor", "Name a classifier"
        )
    counts = []
    for rows in (case.members, case.others):
        at = positions(rows[case.label], classes)
        counts.append(np.bincount(at[at >= 0], minlength=len(classes)))
    trained_on, new = counts
    kept = np.flatnonzero((trained_on > 0) & (new >= FRESH))
    few = int(((trained_on > 0) & (new < FRESH)).sum())
    none = int((trained_on == 0).sum())
    told = []
    if few:
        told.append(f"{few} classes have fewer than {FRESH} pictures among the others")
    if none:
        told.append(f"{none} have no picture among the members")
    if len(kept) < 2:
        raise DataError(
            "an evaluator of reconstructed pictures",
            f"of {len(classes)} classes, {' and '.join(told)}",
            f"Give at least {FRESH} pictures of each person that the model never saw, or choose "
            "other attacks: --attacks membership",
        )  # fmt: skip
    return kept, [f"Not looked for: {' and '.join(told)}."] if told else []


def _seen_before(case: Prepared, kept: Codes) -> list[str]:
    known = int((np.bincount(_whose(case, case.auxiliary, kept) + 1, minlength=2)[1:] > 0).sum())
    if not known:
        return []
    return [f"The auxiliary pictures show {known} of the {len(kept)} classes looked for; the "
            "attacker holds them without names."]  # fmt: skip


def _real(evaluator: Evaluator, members: Floats, whose: Codes) -> Rate:
    right = int((evaluator.rank(members, whose) == 0).sum())
    return Rate(right / len(whose), *stats.clopper_pearson(right, len(whose)), len(whose))


# Judging --------------------------------------------------------------------------------------


def judge(blank: Finding, pictures: Floats, gallery: Gallery, queries: int) -> Contrast:
    """Hold pictures (c, d) against the people they should show, beside the attack-free one."""
    c, sample = len(pictures), gallery.sample
    who = np.arange(c)
    ranks = gallery.evaluator.rank(pictures, who)
    plain = gallery.evaluator.rank(gallery.plain, who)
    finding = msgspec.structs.replace(
        blank,
        members=_score(ranks, gallery, _distances(pictures, gallery)),
        baseline_members=_score(plain, gallery, {}),
        queries=queries,
    )
    if gallery.real.low is None or gallery.real.low <= 1 / c:
        reason = "the evaluator does not know real pictures of these people apart"
        finding = msgspec.structs.replace(finding, verdict="underpowered", reason=reason)
        return Contrast(finding, None, None, 0)
    return Contrast(finding, _share(sample, ranks == 0) - _share(sample, plain == 0), None, c)


def _share(sample: stats.Resamples, right: NDArray[np.bool_]) -> Floats:
    """The share of people (draws + 1,) for whom something holds (c,)."""
    return stats.accuracy(sample, right.astype(np.intp), np.ones(len(right), dtype=np.intp))


def _score(ranks: Codes, gallery: Gallery, more: dict[str, Rate]) -> Score:
    c, sample = len(ranks), gallery.sample
    top1, top5 = (rate(_share(sample, ranks < k), c, c) for k in (1, 5))
    no = Rate.none(c, ONLY_RANK)
    chance = Rate(1 / c, 1 / c, 1 / c, c)
    told = {"top1": top1, "top5": top5, "chance": chance, "real_pictures": gallery.real}
    return Score(top1, no, no, no, {**told, **more})


def _distances(pictures: Floats, gallery: Gallery) -> dict[str, Rate]:
    """How far each picture is from the person's nearest one in training, and nearest fresh one.

    Of both kinds as many are looked at, the first ones; the distance is per pixel, in parts of
    the span from black to white.
    """
    span, pairs = gallery.held.span or 1.0, []
    for place, picture in enumerate(pictures):
        trained_on = gallery.members[gallery.whose == place]
        new = gallery.fresh[gallery.whose_fresh == place]
        count = min(len(trained_on), len(new))
        sides = trained_on[:count], new[:count]
        pairs.append([nearest(picture[None], side)[0][0] / span for side in sides])
    found, c = np.array(pairs), len(pairs)
    sample = gallery.sample
    nearer = rate(_share(sample, found[:, 0] < found[:, 1]), c, c)
    return {
        "nearest_training": rate(stats.mae(sample, found[:, 0], np.zeros(c)), c),
        "nearest_fresh": rate(stats.mae(sample, found[:, 1], np.zeros(c)), c),
        "nearer_training": nearer,
    }


# Showing --------------------------------------------------------------------------------------


def _exhibit(view: View, made: dict[str, Floats], gallery: Gallery) -> Exhibit:
    """The pictures of the attack that identified most people, beside the truth."""
    who = np.arange(len(gallery.held.classes))
    ranks = {name: gallery.evaluator.rank(x, who) for name, x in made.items()}
    best = max(made, key=lambda name: int((ranks[name] == 0).sum()))
    rows = []
    for place in who[:SHOWN]:
        made_up = made[best][place]
        mine = gallery.members[gallery.whose == place]
        true = mine[nearest(made_up[None], mine)[1][0]]
        new = gallery.fresh[nearest(made_up[None], gallery.fresh)[1][0]]
        rank = int(ranks[best][place])
        told = "the right person" if rank == 0 else f"{rank} others look more like it"
        rows.append((
            f"class {gallery.held.classes[place] + 1}",
            _picture(true, gallery.held, "nearest picture in training"),
            _picture(made_up, gallery.held, f"reconstruction by {best}"),
            _picture(new, gallery.held, "nearest picture that the model never saw"),
            told,
        ))  # fmt: skip
    return Exhibit(
        f"What {view.name} shows of {min(len(who), SHOWN)} classes ({best})",
        "Each reconstruction, made without any picture of the class, between the nearest picture "
        "of that class in training and the nearest fresh picture of anybody. An evaluator that "
        "never saw the model says whom it shows.",
        ("class", "in training", "reconstruction", "nearest fresh", "identified as"),
        tuple(rows),
    )


def _picture(pixels: Floats, held: Held, says: str) -> Picture:
    shape = held.shape[:2] if held.shape[2:] in ((), (1,)) else held.shape
    unit = (held.clipped(pixels) - held.low) / (held.span or 1.0)
    return Picture(unit.reshape(shape), says)

"""The cheapest defence first: a model that generalises has less to give away.

An audit that finds a leak tries the estimator's own knob (leaf size) on shadow models, where the
attacker knows the truth, and advises the first setting that keeps the limits at no cost. The
people under attack are never used, so the audit that follows is not biased by the choice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from reticent import stats
from reticent.attacks import named
from reticent.attacks.grid import as_known
from reticent.attacks.known import Known, apart
from reticent.audit.case import Prepared
from reticent.audit.measure import Subject
from reticent.audit.options import Options
from reticent.audit.shadows import ShadowModel, shadows_of, train_shadows
from reticent.audit.train import Trainer
from reticent.evidence import Advice, Trial
from reticent.randomness import generator, subseed
from reticent.targets.local import positions

SHADOWS = 4
HELD = 2  # shadows that are attacked; the others teach the attacker
ATTACK = "learned"


def advise(
    case: Prepared, subject: Subject, options: Options, step: Callable[[str], None]
) -> Advice | None:
    """Try the estimator's knob on shadow models; None where there is none, or no need to turn it.

    A shadow has fewer members than the model, so a leaf is tried as the same share of them: the
    trees keep their number of leaves, and each single person weighs no less.

    The setting advised is the first whose advantage fits under the limit with its margin twice:
    once for what was measured here, and once for the audit that will follow.
    """
    knob = case.train.knob
    settings = case.train.settings()
    if knob is None or not settings:
        return None
    before = _try(case, case.train, subject, options, -1)
    if _kept(before, options):
        return None
    tried: list[Trial] = []
    share = len(case.auxiliary) / 2 / len(case.members)
    for value in settings:
        step(f"trying {knob} = {value:g} on shadows")
        scaled = case.train.turned(max(round(value * share), 1))
        tried.append(_try(case, scaled, subject, options, value))
        if _fits(tried[-1], before, options):
            reason = "the first that keeps the limits on shadow models, at no cost in accuracy"
            return Advice(knob, value, subject.hidden.column, before, tuple(tried), reason)
    cheap = [one for one in tried if one.utility >= before.utility - options.risk.max_utility_loss]
    if not cheap:
        return Advice(knob, None, subject.hidden.column, before, tuple(tried), "all cost accuracy")
    best = min(cheap, key=lambda one: one.advantage + one.margin)
    reason = "the best that was tried, but it does not keep the limits on shadow models"
    return Advice(knob, best.value, subject.hidden.column, before, tuple(tried), reason)


def _fits(trial: Trial, before: Trial, options: Options) -> bool:
    return _kept(trial, options) and trial.utility >= before.utility


def _kept(trial: Trial, options: Options) -> bool:
    limit = min(options.risk.max_advantage, options.risk.max_memorization)
    return trial.advantage + 2 * trial.margin <= limit


def _try(case: Prepared, train: Trainer, subject: Subject, options: Options, value: float) -> Trial:
    """Measure one setting: the attack's advantage on held-out shadows' members, and the utility."""
    hidden, seed = subject.hidden, subseed(options.seed, "advice")
    models = train_shadows(train, case.auxiliary, case.auxiliary_people, seed,
                           count=SHADOWS, backend=options.backend, fits=options.fits)  # fmt: skip
    held_out = subject.imputation.held_out
    shadows = shadows_of(models, lambda target: target, hidden, case.auxiliary,
                         case.auxiliary_people, held_out)  # fmt: skip
    known = Known(
        case.members.select(case.knows(hidden.column)), hidden, case.label, case.knows_label,
        case.auxiliary, subject.members.imputed,
    )  # fmt: skip
    scores, imputed, truth, people = [], [], [], []
    for place in range(HELD):
        held = shadows[place]
        rest = [apart(one, held) for other, one in enumerate(shadows) if other != place]
        view = replace(as_known(held, known), shadows=rest)
        rng = generator(options.seed, "advice", place)
        scores.append(named(ATTACK).guess(held.target, view, rng).scores)
        imputed.append(held.imputed)
        truth.append(held.truth)
        people.append(held.people)
    whose = np.unique(np.concatenate(people), return_inverse=True)[1]
    sample = stats.resample(whose, generator(options.seed, "advice", "bootstrap"))
    told = np.concatenate(truth)
    gain = stats.macro_auc(sample, np.concatenate(scores), told)
    gain = gain - stats.macro_auc(sample, np.concatenate(imputed), told)
    fewest = int(np.bincount(told)[np.unique(told)].min())
    margin = stats.critical(0.05, fewest) * stats.spread(gain)
    return Trial(value, float(gain[0]), margin, _utility(case, models))


def _utility(case: Prepared, models: list[ShadowModel]) -> float:
    """Mean accuracy (or R2) of shadow models on auxiliary people they never saw."""
    found = []
    for model in models:
        rows = case.auxiliary.take(model.rest)
        told, labels = model.target.ask(rows), rows[case.label]
        if model.target.classes is None:
            assert told.value is not None
            truth = labels.astype(float)
            found.append(1 - float(np.mean((told.value - truth) ** 2) / max(truth.var(), 1e-12)))
        else:
            assert told.label is not None
            right = told.label == positions(labels, model.target.classes)
            found.append(float(np.mean(right)))
    return float(np.mean(found))

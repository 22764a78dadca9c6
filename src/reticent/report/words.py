"""What the numbers mean, in sentences that need no statistics.

A model is never called safe, compliant or anonymous here: an audit says what was attacked, how,
with what power and when, and what it found.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reticent.evidence import Advice, Configuration, Evidence
from reticent.finding import Finding, Rate, Risk, Verdict
from reticent.report import families
from reticent.report.exposure import CANARIES, Exposure

VERDICTS: Final[dict[Verdict, str]] = {
    "leaks": "leaks",
    "no_leak_found": "no leak found",
    "underpowered": "underpowered",
    "not_applicable": "not applicable",
}

DEFINITIONS: Final[tuple[tuple[str, str], ...]] = (
    (
        "AUC",
        "Take one person who has the value and one who has not: AUC is the chance that the "
        "attacker ranks them the right way round; 0.5 is a coin, 1 is certainty.",
    ),
    (
        "Advantage",
        "The attacker's AUC less the AUC of the same attacker without the model: what the model "
        "adds to what could be guessed anyway, about people it was trained on.",
    ),
    (
        "Memorization",
        "The advantage on people the model was trained on less the advantage on people it never "
        "saw: what is given away about somebody because their record was in the training data.",
    ),
    (
        "Interval",
        "Advantage and memorization have a lower bound adjusted for every test in this audit (a "
        "leak is called only when it is above zero) and an upper bound at 95 %, which the limits "
        "are held against; for the other measures each bound holds at 95 %.",
    ),
)

MEANINGS: Final[dict[Verdict, str]] = {
    "leaks": "Answers of the model tell this attacker more than they could know without it.",
    "no_leak_found": "These attacks gained nothing that could be told from chance, and a gain as "
    "large as the limit would very likely have been seen or is outside the interval.",
    "underpowered": "There were too few people to see a leak as small as the limit: this is "
    "neither a leak nor its absence.",
    "not_applicable": "None of the attacks could be run against this view.",
}

NOT_PROVEN: Final[tuple[str, ...]] = (
    "Only the attacks named here were tried. A stronger one, or one that knows more about the "
    "people, may find more.",
    "“No leak found” is a statement about an effect of a certain size, seen with 80 % "
    "probability. A smaller effect may be there.",
    "The numbers are averages over people. A single person may be given away where the average is "
    "not; the rows and the subgroup that were hit most are named for that reason.",
    "They hold for this model, these people and these contracts, by digest. A retrained model, "
    "other data or another contract needs another audit.",
    "A lower number behind a contract is a measurement and not a guarantee. Only differential "
    "privacy bounds attackers that nobody has thought of.",
    "What can be guessed about somebody without the model is not the model's doing; it may still "
    "be harm, and this audit does not weigh it.",
    "It is evidence for whoever answers for the model, not a legal opinion.",
)


MOST_NAMES: Final = 20  # columns that are told by name


def plain(text: str) -> str:
    """Replace what cannot be shown: a name may hold anything, also a terminal's commands."""
    return "".join(one if one.isprintable() else " " if one.isspace() else "\ufffd" for one in text)


def number(value: float | None, digits: int = 3) -> str:
    """Write a number with a true minus sign; a dash where there is none."""
    if value is None:
        return "–"
    written = f"{value:.{digits}f}"
    # -0.0004 is nothing at three digits, and nothing has no sign.
    return written.lstrip("-") if float(written) == 0 else written.replace("-", "−")


def probability(value: float | None) -> str:
    """Write a p-value: the small ones only as small."""
    if value is not None and value < 0.001:
        return "<0.001"
    return number(value)


def interval(rate: Rate | None, digits: int = 3) -> str:
    """Write the bounds of a rate, as far as there are any."""
    if rate is None or rate.value is None:
        return ""
    if rate.low is None and rate.high is None:
        return ""
    if rate.high is None:
        return f"at least {number(rate.low, digits)}"
    if rate.low is None:
        return f"at most {number(rate.high, digits)}"
    return f"{number(rate.low, digits)} to {number(rate.high, digits)}"


def why_none(rate: Rate | None) -> str:
    """Say why there is no number."""
    if rate is None:
        return "not measured"
    return rate.reason or "it was not measured"


def headline(exposure: Exposure) -> str:
    """Say what the best attack gets right about 100 people the model was trained on."""
    best = exposure.best
    own = families.headline(exposure)
    if own:
        return own
    if best.members.accuracy.value is None:
        return f"“{exposure.hidden}” was not guessed: {_reason(best)}."
    right = _of_100(best.members.accuracy)
    without = _of_100(best.baseline_members.accuracy)
    if best.attack == CANARIES:
        return f"Of 100 coins put in place of “{exposure.hidden}”, the attacker gets {right} right."
    said = f"Of 100 people, the attacker gets {right} right about {_what(best)}"
    return f"{said}; without the model {without}." if without is not None else f"{said}."


def unseen(exposure: Exposure) -> str:
    """Say the same of people the model never saw; nothing where that was not measured."""
    best = exposure.best
    if best.others is None or best.others.accuracy.value is None or families.own(exposure):
        return ""
    said = f"Of 100 people the model never saw, {_of_100(best.others.accuracy)}"
    before = best.baseline_others
    without = None if before is None else _of_100(before.accuracy)
    return f"{said}; without the model {without}." if without is not None else f"{said}."


def ranking(exposure: Exposure) -> str:
    """Say the same of ranking people, which shows leaks that right answers hide."""
    best = exposure.best
    auc, before = best.members.auc.value, best.baseline_members.auc.value
    if auc is None or families.own(exposure):
        return ""
    said = f"Ranking people, the attacker reaches AUC {number(auc)} ({interval(best.members.auc)})"
    return f"{said}; without the model {number(before)}." if before is not None else f"{said}."


def verdict(exposure: Exposure) -> str:
    """Say what a verdict means, and what it rests on."""
    spoken = exposure.spoken
    said = MEANINGS[exposure.verdict]
    if exposure.verdict == "leaks":
        return f"{said} {_leak(spoken)}"
    if exposure.verdict == "no_leak_found":
        return f"{said} {_power(spoken)}".strip()
    if exposure.verdict == "underpowered":
        return f"{said} {_power(spoken) or _sentence(spoken.reason)}".strip()
    return f"{said} {_sentence(spoken.reason)}".strip()


def others_leak(exposure: Exposure) -> str:
    """Say when a leak was shown by another attack than the best one."""
    if not exposure.leaking or exposure.best.verdict == "leaks":
        return ""
    names = ", ".join(one.attack for one in exposure.leaking)
    return f"The attack that looked best beforehand did not show it; shown by: {names}."


def limits(exposure: Exposure, risk: Risk) -> str:
    """Say whether every finding keeps the limits, and what breaks them most."""
    over = [one for one in exposure.findings if not risk.allows(one)]
    if not over:
        return "Every finding is within the limits."
    worst = max(over, key=lambda one: _excess(one, risk))
    if len(exposure.findings) == 1:
        return f"Outside the limits: {_broken(worst, risk)}."
    said = f"{len(over)} of {len(exposure.findings)} findings {_are(len(over))} outside the limits"
    return f"{said}; furthest, {worst.attack}: {_broken(worst, risk)}."


def outcome(evidence: Evidence) -> str:
    """Say in one sentence how the findings stand to the limits."""
    if not evidence.findings:
        return "Nothing was attacked, so nothing was found."
    if evidence.self_test is not None and not evidence.self_test.passed:
        return "The instrument failed its own test: do not rely on these numbers."
    names = dict.fromkeys(
        [one.name for one in evidence.configurations]
        + [one.configuration for one in evidence.findings]
    )
    leaking = {one.configuration for one in evidence.findings if one.verdict == "leaks"}
    out = [name for name in names if not keeps(evidence, name)]
    open_ = len(set(out) - leaking)
    if len(names) == 1:
        return f"As attacked here, the configuration {_stands(bool(leaking), bool(out))}."
    if not out:
        return f"As attacked here, all {len(names)} configurations kept the limits that were set."
    which = f"all {len(names)}" if len(leaking) == len(names) else f"{len(leaking)} of {len(names)}"
    said = f"As attacked here, {which} configurations {'leaks' if len(leaking) == 1 else 'leak'}."
    if open_:
        said += f" In {open_} no leak was seen, but it is not shown that the limits are kept."
    return said


def _stands(leaks: bool, out: bool) -> str:
    if leaks:
        return "leaks"
    if out:
        return "was not seen to leak, but it is not shown that the limits are kept"
    return "kept the limits that were set"


def keeps(evidence: Evidence, name: str) -> bool:
    """Say whether a configuration's findings and its utility keep the limits."""
    risk = evidence.risk
    losses = [one.utility_loss for one in evidence.configurations if one.name == name]
    kept = all(
        loss.high is not None and loss.high <= risk.max_utility_loss
        for loss in losses
        if loss is not None
    )
    return kept and all(risk.allows(one) for one in evidence.findings if one.configuration == name)


def utility(configuration: Configuration, risk: Risk) -> str:
    """Say what a configuration is still worth, and what it cost."""
    worth, loss = configuration.utility, configuration.utility_loss
    if worth.value is None:
        outside = ", so its loss is outside the limit" if loss is not None else ""
        return f"Utility on fresh people: not measured ({why_none(worth)}){outside}."
    said = f"Utility on fresh people: {number(worth.value)} ({interval(worth)})"
    if loss is None or loss.value is None:
        return f"{said}."
    kept = loss.high is not None and loss.high <= risk.max_utility_loss
    limit = "within" if kept else "outside"
    limit = f"{limit} the limit of {number(risk.max_utility_loss)}"
    if loss.value < 0:
        return f"{said}; {number(-loss.value)} gained, {limit}."
    bound = f", at most {number(loss.high)}" if loss.high is not None else ""
    return f"{said}; {number(loss.value)} lost{bound}: {limit}."


def knowing(evidence: Evidence) -> str:
    """Say with what, when and how often it was attacked."""
    tried = sorted({one.attack for one in evidence.findings if one.verdict != "not_applicable"})
    asked = sum(one.queries for one in evidence.findings)
    if not tried:
        return f"No attack could be run on {evidence.created[:10]}."
    return (
        f"Attacked on {evidence.created[:10]} with {_listed(tried)}; {asked:,} questions asked of "
        f"the model about members; seed {evidence.seed}. The attacker knows {_held(evidence)}."
    )


def _held(evidence: Evidence) -> str:
    """Name what the attacker holds about each person beside the hidden column."""
    attacker, hidden = evidence.attacker, {one.hidden for one in evidence.findings}
    # With several hidden columns, each is known while another is attacked.
    names = [name for name in attacker.knows if len(hidden) > 1 or name not in hidden]
    if len(names) > MOST_NAMES:
        names = [*names[: MOST_NAMES // 2], f"{len(names) - MOST_NAMES // 2} more columns"]
    columns = _listed(names) if names else "no other column"
    return f"{columns}{' and' if attacker.label else ', and not'} the true label"


def advice(one: Advice) -> str:
    """Say which training setting would leak less, and what it was seen to do on shadow models."""
    if one.value is None:
        return (
            f"No value of {one.parameter} leaks less about “{one.hidden}” without a cost: "
            f"{one.reason}."
        )
    best = next(trial for trial in one.tried if trial.value == one.value)
    return (
        f"Train with {one.parameter} = {one.value:g}: on shadow models the advantage on "
        f"“{one.hidden}” fell from {number(one.before.advantage)} to {number(best.advantage)} AUC "
        f"and utility went from {number(one.before.utility)} to {number(best.utility)}; "
        f"{one.reason}. Audit the new model before you rely on it."
    )


def _what(finding: Finding) -> str:
    """Name what is guessed: of a number, only its fifth."""
    numeric = "r2" in finding.members.more
    return f"the fifth that “{finding.hidden}” is in" if numeric else f"“{finding.hidden}”"


def _of_100(rate: Rate) -> int | None:
    return None if rate.value is None else round(100 * rate.value)


def _reason(finding: Finding) -> str:
    return finding.reason or why_none(finding.members.accuracy)


def _leak(finding: Finding) -> str:
    """Say how much, by which attack, and whether being in the training data matters."""
    parts = []
    if _positive(finding.advantage):
        parts.append(f"the model adds {_at_least(finding.advantage, finding.unit)}")
    if finding.memorization is not None and _positive(finding.memorization):
        parts.append(
            f"it gives people it was trained on away by "
            f"{_at_least(finding.memorization, finding.unit)} more "
            "than people it never saw"
        )
    if not parts:
        return _sentence(finding.reason)
    return f"Attacked by “{finding.attack}”, {', and '.join(parts)}."


def _positive(rate: Rate) -> bool:
    return rate.low is not None and rate.low > 0


def _at_least(rate: Rate, unit: str) -> str:
    return f"at least {number(rate.low)} {unit} (measured {number(rate.value)})"


def _power(finding: Finding) -> str:
    if finding.smallest_detectable is None:
        return ""
    return (
        f"The smallest effect seen with 80 % probability was "
        f"{number(finding.smallest_detectable)} {finding.unit}."
    )


def _broken(finding: Finding, risk: Risk) -> str:
    """Say which limit a finding breaks most."""
    over, name, high = max(_margins(finding, risk), default=(0.0, "", None))
    if over > 0:
        return f"{name} may be as high as {number(high)}, {number(over)} above the limit"
    return "underpowered" if finding.verdict == "underpowered" else "a bound was not measured"


def _excess(finding: Finding, risk: Risk) -> float:
    return max((over for over, _, _ in _margins(finding, risk)), default=float("-inf"))


def _margins(finding: Finding, risk: Risk) -> list[tuple[float, str, float | None]]:
    """How far each upper bound is above its limit."""
    parts = [("advantage", finding.advantage, risk.max_advantage)]
    if finding.memorization is not None:
        parts.append(("memorization", finding.memorization, risk.max_memorization))
    return [
        (rate.high - limit, name, rate.high) for name, rate, limit in parts if rate.high is not None
    ]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

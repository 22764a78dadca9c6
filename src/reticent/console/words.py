"""Numbers, times and tokens as people read them, and what the console says in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from reticent.contract import Contract

OUTPUTS: Final = {
    "none": "Nothing: every request for a prediction is refused.",
    "label": "The answer itself, without scores.",
    "top_k": "The {k} highest scores, with their classes.",
    "scores": "A score for every class.",
    "vector": "A score for every class, and the vector behind them.",
}
STATES: Final = {
    "free": ("free", "answered as the role's contract says"),
    "coarse": ("coarsened", "answered in coarser form than the contract says"),
    "slow": ("slowed", "answered in coarser form, and later"),
    "frozen": ("frozen", "every request is refused"),
}
PERMITS: Final = {
    "what_if": "may vary a record on purpose, as a what-if analyst does",
    "explain": "may ask as an explainer does",
    "audit": "may flip sensitive columns, as a fairness audit does",
}
FAR: Final = 1e9  # from here on numbers are written as powers of ten
MUCH: Final = 1e5  # times the alarm threshold
RAISED: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
SPANS: Final = ((90.0, 1.0, "s"), (5400.0, 60.0, "min"), (172_800.0, 3600.0, "h"))


def short(token: bytes) -> str:
    """A token's first 8 digits, in two groups."""
    digits = token.hex()
    return f"{digits[:4]} {digits[4:8]}" if digits else "nobody"


def count(number: float) -> str:
    """Write a number of things: 1,234, then 12.3 k."""
    if not math.isfinite(number):
        return "–"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e5, "k")):
        if abs(number) >= size:
            scaled = number / (1e3 if letter == "k" else size)
            return f"{scaled:,.0f} {letter}" if scaled >= 100 else f"{scaled:.3g} {letter}"
    if number == int(number) or abs(number) >= 10:
        return f"{number:,.0f}"
    return f"{number:.1f}"


def measure(number: float) -> str:
    """Write a measured number with three digits that count."""
    if not math.isfinite(number):
        return "∞" if number > 0 else "–"
    if abs(number) < FAR and (number == int(number) or abs(number) >= 1e3):
        return f"{number:,.0f}".replace("-", "−")
    digits, _, power = f"{number:.3g}".partition("e")
    return digits.replace("-", "−") + (f" · {_ten(int(power))}" if power else "")


def score(evidence: float) -> str:
    """Write evidence as a multiple of the alarm threshold; of much only how much, at least."""
    if MUCH <= evidence < math.inf:
        return f"≥ {_ten(math.floor(math.log10(evidence)))}"
    return f"{evidence:.2f}" if 0 <= evidence < 100 else measure(evidence)


def _ten(power: int) -> str:
    return f"10{str(power).translate(RAISED)}"


def percent(share: float) -> str:
    """Write a share as a percentage; a small one does not become none."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    return f"{100 * share:.1f} %" if 0 < share < 0.0995 else f"{100 * share:.0f} %"


def seconds(time: float | None) -> str:
    """Write how long something took."""
    if time is None:
        return "–"
    if time < 1:
        return f"{1e3 * time:.2g} ms" if time < 0.0995 else f"{1e3 * time:.0f} ms"
    return f"{time:.2g} s"


def ago(at: float, now: float) -> str:
    """Say how long ago something was."""
    past = now - at
    if past < 5:
        return "now"
    for until, unit, name in SPANS:
        if past < until:
            return f"{past / unit:.0f} {name} ago"
    return f"{past / 86_400:.0f} days ago"


def iso(at: float) -> str:
    """A time for machines; one that no calendar has is left out."""
    try:
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
    except (OverflowError, OSError, ValueError):
        return ""


def stamp(at: float) -> str:
    """A time for people, in UTC."""
    return iso(at).replace("T", " ").replace("+00:00", " UTC")


def plural(number: int, one: str, more: str = "") -> str:
    """Write a number with its noun."""
    return f"{count(number)} {one if number == 1 else more or one + 's'}"


def sees(contract: Contract) -> Iterator[str]:
    """Say what a role sees of an answer, a sentence for each step, in the order of the steps."""
    few = contract.values_per_record
    if contract.marginalize:
        names = ", ".join(contract.marginalize)
        beyond = f" beyond {plural(few, 'value')} of one record" if few else ""
        yield f"Averaged over {names}{beyond}: what is sent there changes nothing."
    if (rule := contract.abstain) is not None:
        if rule.honest is not None:
            yield f"Refused for rows unlike {percent(rule.honest)} of honest people."
        else:
            yield f"Refused below a confidence of {rule.confidence:g}."
    if contract.noise is not None:
        yield f"With keyed noise of scale {contract.noise.scale:g}, the same for the same row."
    yield OUTPUTS[contract.output].format(k=contract.top_k)
    if contract.decimals is not None:
        yield f"Scores are rounded to {plural(contract.decimals, 'decimal')}."
    if contract.bands is not None:
        yield f"Scores are told as bands from {', '.join(f'{one:g}' for one in contract.bands)}."


def limits(contract: Contract) -> Iterator[str]:
    """Say how much a role may ask, from where, and what it has leave for."""
    for rows, words in (
        (contract.rows_per_minute, "rows a minute, each caller"),
        (contract.rows_per_day, "rows a day, each caller"),
        (contract.role_rows_per_day, "rows a day, all callers together"),
    ):
        if rows is not None:
            yield f"{rows:,} {words}"
    if contract.internal_only:
        yield "only from the internal network"
    if contract.cidr:
        yield f"only from {', '.join(contract.cidr)}"
    for permit in contract.permit:
        yield PERMITS[permit]


def headline(ready: bool, alerts: int, frozen: int) -> str:
    """Say in one sentence how things stand.

    Parameters
    ----------
    alerts : of the last 24 hours. frozen : callers that are refused now.
    """
    if not ready:
        return "The store is away, so nobody is answered."
    held = f"{plural(frozen, 'caller')} {'is' if frozen == 1 else 'are'} frozen" if frozen else ""
    if not alerts:
        quiet = "Quiet: no alert in the last 24 hours"
        return f"{quiet}, and {held}." if held else f"{quiet}."
    told = f"{plural(alerts, 'alert')} in the last 24 hours"
    return f"{told}; {held}." if held else f"{told}."

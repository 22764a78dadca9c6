"""The evidence as a table for the terminal: a row for each hidden column of each configuration."""

from __future__ import annotations

from typing import Final, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from reticent.evidence import Configuration, Evidence
from reticent.finding import Finding, Rate, Score, Verdict
from reticent.report import words
from reticent.report.exposure import Exposure, by_configuration, exposures

WIDE: Final = 110  # columns from which what belongs together stands side by side
LONGEST: Final = 24  # letters of an attack that are kept on one line

# The words say it; the style only helps to find them.
STYLES: Final[dict[Verdict, str]] = {
    "leaks": "bold red",
    "no_leak_found": "",
    "underpowered": "yellow",
    "not_applicable": "dim",
}


def table(evidence: Evidence, width: int = 80, *, verbose: bool = False) -> RenderableType:
    """Lay evidence out for a terminal of ``width`` columns.

    Parameters
    ----------
    verbose : follow with a row for every finding.
    """
    found, wide = exposures(evidence), width >= WIDE
    parts: list[RenderableType] = [_overview(evidence, found, wide)]
    if verbose:
        for one in found:
            title = words.plain(f"{one.configuration.name}: every attack on {one.hidden}")
            parts += [Text(f"\n{title}", style="bold"), _details(one, wide)]
    advice = [Text(words.plain(f"Advice: {words.advice(one)}")) for one in evidence.advice]
    parts += [*_legend(evidence, wide), *advice, Text(words.outcome(evidence), style="bold")]
    return Group(*parts)


def _overview(evidence: Evidence, found: list[Exposure], wide: bool) -> Table:
    """A row for each hidden column of each view; narrow, attack and utility go below its name."""
    grid = _grid(leading=1)
    _words(grid, "configuration")
    if wide:
        _numbers(grid, "utility")
        _words(grid, "best attack")
    _numbers(grid, *(("AUC", "without", "unseen") if wide else ("AUC",)))
    _numbers(grid, "advantage", "memorization")
    _words(grid, "verdict")
    several = len({one.hidden for one in found}) > 1
    for configuration, each in by_configuration(evidence, found):
        for one in each:
            first = _first(configuration, one.best.attack, one.hidden if several else "", wide)
            grid.add_row(
                *first, *_areas(one.best, wide), _bounded(one.best.advantage, wide),
                _bounded(one.best.memorization, wide), _judged(one.verdict),
            )  # fmt: skip
        if not each:
            first = _first(configuration, "–", "", wide)
            nothing = ["–"] * (len(grid.columns) - len(first) - 1)
            grid.add_row(*first, *nothing, "not attacked")
    return grid


def _first(configuration: Configuration, attack: str, hidden: str, wide: bool) -> list[Text]:
    """What a row is about: the view, what it is worth and the attack that is told of."""
    named, worth = _named(configuration, hidden), _short(configuration.utility)
    if wide:
        return [named, Text(worth), Text(words.plain(attack))]
    named.append(f"\nutility {worth}\n{words.plain(attack)}", style="not bold")
    return [named]


def _details(exposure: Exposure, wide: bool) -> Table:
    grid = _grid(leading=0)
    longest = max(len(one.attack) for one in exposure.findings)
    grid.add_column("attack", overflow="fold", min_width=min(longest, LONGEST))
    _numbers(grid, *(("AUC", "without", "unseen") if wide else ("AUC",)))
    _numbers(grid, "advantage", "memorization", "queries")
    _words(grid, "verdict")
    for one in exposure.findings:
        name = Text(words.plain(one.attack))
        if one.verdict == "not_applicable":
            name.append(f"\n{words.plain(one.reason)}", style="dim")
        grid.add_row(
            name, *_areas(one, wide), _bounded(one.advantage, wide),
            _bounded(one.memorization, wide), f"{one.queries:,}", _judged(one.verdict),
        )  # fmt: skip
    return grid


def _grid(leading: Literal[0, 1]) -> Table:
    return Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0),
                 header_style="bold", leading=leading)  # fmt: skip


def _words(grid: Table, *names: str) -> None:
    for name in names:
        grid.add_column(name, overflow="fold")


def _numbers(grid: Table, *names: str) -> None:
    for name in names:
        grid.add_column(name, justify="right", no_wrap=True)


def _named(configuration: Configuration, hidden: str) -> Text:
    text = Text(words.plain(configuration.name), style="bold")
    if hidden:
        text.append(f"\n{words.plain(hidden)}", style="not bold")
    if configuration.says:
        text.append(f"\n{words.plain(configuration.says)}", style="not bold dim")
    return text


def _areas(finding: Finding, wide: bool) -> list[Text]:
    """Members, the same without the model, people never seen: side by side or stacked."""
    told = [_told(one) for one in (finding.members, finding.baseline_members, finding.others)]
    return [Text(one) for one in told] if wide else [Text("\n".join(told))]


def _told(score: Score | None) -> str:
    """AUC, or the share of right tries where nobody is ranked."""
    if score is None:
        return _short(None)
    if score.auc.value is None and score.accuracy.value is not None:
        return f"{100 * score.accuracy.value:.0f} %"
    return _short(score.auc)


def _legend(evidence: Evidence, wide: bool) -> list[Text]:
    risk = evidence.risk
    where = "from left" if wide else "from above"
    shares = any("%" in _told(one.members) for one in evidence.findings)
    measure = "AUC (in percent: right tries)" if shares else "AUC"
    lines = [
        "",
        f"{measure}, {where}: people it was trained on; the same without the model; people never "
        "seen.",
        f"Limits: advantage {risk.max_advantage:g}, memorization {risk.max_memorization:g}, "
        f"utility lost {risk.max_utility_loss:g}; each upper end must keep them.",
        *(f"Not run: {one.attack}: {one.reason}" for one in evidence.not_run),
    ]
    return [Text(words.plain(line), style="dim") for line in lines]


def _judged(verdict: Verdict) -> Text:
    return Text(words.VERDICTS[verdict], style=STYLES[verdict])


def _bounded(rate: Rate | None, wide: bool) -> Text:
    if rate is None or rate.value is None:
        return Text("–")
    between = " " if wide else "\n"
    return Text(f"{_plain(rate.value)}{between}[{_plain(rate.low)}, {_plain(rate.high)}]")


def _short(rate: Rate | None) -> str:
    return _plain(None if rate is None else rate.value)


def _plain(value: float | None) -> str:
    """Three digits without the leading zero, with an ASCII minus: narrow, and easy to search."""
    written = words.number(value).replace("−", "-")
    return written.replace("0.", ".", 1) if written.startswith(("0.", "-0.")) else written

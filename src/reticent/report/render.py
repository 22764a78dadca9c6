"""The evidence as one page that needs nothing but itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from reticent.evidence import Configuration, Evidence
from reticent.exhibit import Exhibit, Picture
from reticent.finding import Finding, Rate
from reticent.report import families, words
from reticent.report.caught import Caught
from reticent.report.charts import before_after, frontier
from reticent.report.exposure import Exposure, by_configuration, exposures
from reticent.report.picture import source

SHOWN: Final = 6  # configurations that lie open; more are folded


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing about one hidden column."""

    hidden: str
    svg: Markup


def html(evidence: Evidence, caught: Caught | None = None, exhibits: Sequence[Exhibit] = ()) -> str:
    """Write the report as a single file: its style and drawings inside, nothing loaded.

    The same evidence gives the same bytes.

    Parameters
    ----------
    caught : an attack on the first configuration while it was served, to be told as well.
    exhibits : pictures and small tables of this run, which no evidence keeps.
    """
    found = exposures(evidence)
    held = by_configuration(evidence, found)
    svg, key = frontier(held, evidence.risk, "frontier")
    return _template().render(
        evidence=evidence,
        caught=caught,
        exhibits=exhibits,
        held=held,
        shown=SHOWN,
        charts=_charts(found),
        frontier=Markup(svg),  # noqa: S704 (charts.py escapes every name)
        key=key,
        not_drawn=_not_drawn(held, key),
        canaries=[one for one in found if one.canaries is not None],
        hit=[one for one in found if one.attacks and one.best.members.auc.value is not None],
        cells=cells,
        advised=[(one, words.advice(one)) for one in evidence.advice],
    )


@dataclass(frozen=True, slots=True)
class Cell:
    """One number of a table, with its bounds or the reason why there is none."""

    value: str
    bounds: str
    reason: str


def cells(finding: Finding) -> list[Cell]:
    """The measures of one finding, in the order of the table's columns."""
    others = finding.others
    rates: list[Rate | None] = [
        finding.advantage,
        finding.memorization,
        finding.members.auc,
        finding.baseline_members.auc,
        others.auc if others is not None else None,
        finding.members.mcc,
        finding.members.precision_at_5pct,
    ]
    return [cell(rate) for rate in rates]


def cell(rate: Rate | None) -> Cell:
    """Put a rate into a table."""
    if rate is None or rate.value is None:
        return Cell("–", "", words.why_none(rate))
    return Cell(words.number(rate.value), words.interval(rate), "")


def _charts(found: Sequence[Exposure]) -> list[Chart]:
    ranked = [one for one in found if one.attacks and one.best.members.auc.value is not None]
    hidden = dict.fromkeys(one.hidden for one in ranked)
    return [
        Chart(
            column,
            Markup(  # noqa: S704 (charts.py escapes every name)
                before_after([one for one in found if one.hidden == column], f"column-{place}")
            ),
        )
        for place, column in enumerate(hidden)
    ]


def _not_drawn(
    held: Sequence[tuple[Configuration, Sequence[Exposure]]],
    key: Sequence[tuple[str, Configuration]],
) -> list[str]:
    drawn = {one.name for _, one in key}
    return [one.name for one, _ in held if one.name not in drawn]


def _shown(value: object) -> object:
    """Whatever a template writes, less what no page can hold; markup was written by us."""
    return words.plain(value) if type(value) is str else value


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("reticent.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.globals["words"] = words
    environment.globals["families"] = families
    environment.globals["cell"] = cell
    environment.globals["source"] = lambda one: source(one) if isinstance(one, Picture) else ""
    return environment.get_template("report.html.j2")

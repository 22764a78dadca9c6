"""The four numbers on top of the overview, with their lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from reticent.console import draw, words
from reticent.console.pulse import BEATS, Flow


@dataclass(frozen=True, slots=True)
class Tile:
    """One number with its recent past.

    Attributes
    ----------
    name : by which a page finds it to bring it up to date. title, value, note : in words.
    values : of the last ten minutes. told : what they are. least : the top of its line's scale, at
    least.
    """

    name: str
    title: str
    value: str
    note: str
    values: Sequence[float | None]
    told: str
    least: float = 0.0

    @property
    def drawing(self) -> Markup:
        """Its line."""
        return draw.spark(self.values, BEATS, self.told, self.name, self.least)


def tiles(flow: Flow, past: Sequence[Flow]) -> list[Tile]:
    """The numbers of the last minute; their lines are of the last ten."""
    return [_requests(flow, past), _rows(flow, past), _refused(flow, past), _pace(flow, past)]


def _requests(flow: Flow, past: Sequence[Flow]) -> Tile:
    values = [one.requests for one in past]
    return Tile("requests", "Requests a minute", words.count(flow.requests), _most(values), values,
                "Requests a minute in the last ten minutes")  # fmt: skip


def _rows(flow: Flow, past: Sequence[Flow]) -> Tile:
    values = [one.rows for one in past]
    return Tile("rows", "Rows a minute", words.count(flow.rows), _most(values), values,
                "Rows a minute in the last ten minutes")  # fmt: skip


def _refused(flow: Flow, past: Sequence[Flow]) -> Tile:
    note = f"of requests; of rows {words.percent(flow.withheld)}"
    values = [one.refused for one in past]
    return Tile("refused", "Refused", words.percent(flow.refused), note, values,
                "Share of refused requests in the last ten minutes", 0.2)  # fmt: skip


def _pace(flow: Flow, past: Sequence[Flow]) -> Tile:
    note = f"95 in 100 within {words.seconds(flow.slow)}" if flow.slow else "no request"
    values = [one.median for one in past]
    return Tile("pace", "Time to a reply", words.seconds(flow.median), note, values,
                "Median time to a reply in the last ten minutes")  # fmt: skip


def _most(values: Sequence[float]) -> str:
    return f"up to {words.count(max(values))} in ten minutes" if values else "counting"

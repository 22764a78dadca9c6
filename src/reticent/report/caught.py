"""An attack on a model that is served and watched, as the terminal and the report tell it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reticent.event import Alert


@dataclass(frozen=True, slots=True)
class Got:
    """What an attacker had after some queries.

    Attributes
    ----------
    queries : asked. people : all of whose values were asked about.
    right, imputed : of these people, whose value was guessed, with the model and without.
    """

    queries: int
    people: int
    right: int
    imputed: int


@dataclass(frozen=True, slots=True)
class Caught:
    """What came of the attack: nobody stopped it, so that one sees what the alarm spares.

    Attributes
    ----------
    role : of the attacker's key. column : that was attacked.
    honest : queries of an honest caller before. false : callers alarmed who are no attackers.
    first : the first alert about the attacker; None: there was none in ``waited`` seconds.
    right, imputed : (n,) whether a member's value was guessed, with the model and without, in
    the order in which the members were attacked.
    values : that were asked about each member, a query each.
    """

    role: str
    column: str
    honest: int
    false: int
    first: Alert | None
    waited: float
    right: NDArray[np.bool_]
    imputed: NDArray[np.bool_]
    values: int

    @property
    def whole(self) -> Got:
        """What the attacker had in the end."""
        return self._after(self.values * len(self.right))

    @property
    def by_then(self) -> Got | None:
        """What the attacker had with the query that raised the alarm; None: nothing raised one."""
        return None if self.first is None else self._after(self.first.query + 1)

    def _after(self, queries: int) -> Got:
        people = queries // self.values
        right, imputed = self.right[:people].sum(), self.imputed[:people].sum()
        return Got(queries, people, int(right), int(imputed))

    def share(self, people: int) -> str:
        """Write how many of all members these are, in percent."""
        share = people / len(self.right)
        return f"{share:.1%}" if 0 < share < 0.0095 else f"{share:.0%}"

    def text(self) -> str:
        """Say it in three lines."""
        false = "no alert" if not self.false else "and a false alert"
        got = self.whole
        return (
            f"Live: `reticent serve`, {self.honest} honest queries ({false}), then a sweep over "
            f"“{self.column}” by a {self.role}'s key.\n{self._noticed()}\n"
            f"Left alone it has {got.right:,} of {got.people:,} members "
            f"({self.share(got.right)}); {got.imputed:,} ({self.share(got.imputed)}) without the "
            "model."
        )

    def _noticed(self) -> str:
        got = self.by_then
        if self.first is None or got is None:
            return f"No alert within {self.waited:g} s."
        return (
            f"Alert “{self.first.detector}” at query {got.queries:,} of "
            f"{self.whole.queries:,}: {got.people} members attacked, {got.right} guessed right; "
            f"{got.imputed} without the model."
        )

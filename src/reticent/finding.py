"""What was found: rates with their intervals, scores, and one finding per attack."""

from __future__ import annotations

from typing import Literal

import msgspec

NOT_RUN = "the attack was not run"
Verdict = Literal["leaks", "no_leak_found", "underpowered", "not_applicable"]


class Rate(msgspec.Struct, frozen=True, omit_defaults=False):
    """A measured number with its interval.

    Attributes
    ----------
    value, low, high : the measure and its bounds; all None where there is none.
    n : people behind it.
    reason : why there is none.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    reason: str = ""

    @classmethod
    def none(cls, n: int, reason: str) -> Rate:
        """A rate that could not be measured."""
        return cls(None, None, None, n, reason)


class Score(msgspec.Struct, frozen=True):
    """How well somebody guesses a hidden column.

    Each bound is one-sided at 95 %. ``auc`` is one-vs-rest and averaged over more than two
    values; a numeric column is scored on its quintiles, with ``r2`` and ``mae`` in ``more``.
    ``precision_at_5pct`` is that of the rarer value among the most confident 5 % of the people.
    """

    accuracy: Rate
    auc: Rate
    mcc: Rate
    precision_at_5pct: Rate
    more: dict[str, Rate] = {}

    @classmethod
    def none(cls, n: int, reason: str) -> Score:
        """A score that could not be measured."""
        rate = Rate.none(n, reason)
        return cls(rate, rate, rate, rate)


class Subgroup(msgspec.Struct, frozen=True):
    """The part of the members that is hit worst, named by column and place, never by value.

    Attributes
    ----------
    column : a column that the attacker knows. group : its band or value, counted from 1 in
    rising order. groups : how many there are. auc : the attack's AUC inside.
    """

    column: str
    group: int
    groups: int
    auc: Rate


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One attack on one hidden column in one configuration.

    Attributes
    ----------
    configuration : the model's view, such as ``bare`` or a role. contract : its digest.
    members, others : the attack's score on people in and not in the training data.
    baseline_members, baseline_others : the same side knowledge without the model.
    advantage : AUC(attack) - AUC(baseline) on members.
    memorization : the advantage on members less the advantage on others.
    p_adjusted : the smaller p-value of the two, times the number of tests in the run.
    smallest_detectable : the effect this test sees at 80 % power.
    queries : rows asked of the target about members.
    twins : members with an equal row among the others. without_twins : AUC of the rest.
    worst_subgroup, worst_rows : whom it hits most (row numbers of members, from 0).
    family : of the attack; ``hidden`` is a column only in attribute and embedding attacks.
    """

    configuration: str
    contract: str
    attack: str
    hidden: str
    members: Score
    others: Score | None
    baseline_members: Score
    baseline_others: Score | None
    advantage: Rate
    memorization: Rate | None
    p_adjusted: float | None
    smallest_detectable: float | None
    queries: int
    verdict: Verdict
    reason: str
    twins: int = 0
    without_twins: Rate | None = None
    worst_subgroup: Subgroup | None = None
    worst_rows: tuple[int, ...] = ()
    family: str = "attribute"

    @property
    def unit(self) -> str:
        """What advantage and memorization are differences of."""
        return "AUC" if self.members.auc.value is not None else "of the tries"

    @classmethod
    def blank(cls, configuration: str, contract: str, attack: str, hidden: str) -> Finding:
        """The finding of an attack that was not run."""
        nobody = Score.none(0, NOT_RUN)
        return cls(
            configuration=configuration, contract=contract, attack=attack, hidden=hidden,
            members=nobody, others=None, baseline_members=nobody, baseline_others=None,
            advantage=Rate.none(0, NOT_RUN), memorization=None, p_adjusted=None,
            smallest_detectable=None, queries=0, verdict="not_applicable", reason="",
        )  # fmt: skip


class Risk(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The limits that every finding's and configuration's ``high`` must keep."""

    max_advantage: float = 0.03
    max_memorization: float = 0.03
    max_utility_loss: float = 0.01

    def allows(self, finding: Finding) -> bool:
        """Say whether a finding is within the limits; an underpowered one is not."""
        if finding.verdict == "not_applicable":
            return True
        within = _at_most(finding.advantage, self.max_advantage)
        if finding.memorization is not None:
            within &= _at_most(finding.memorization, self.max_memorization)
        return within and finding.verdict != "underpowered"


def _at_most(rate: Rate, limit: float) -> bool:
    return rate.high is not None and rate.high <= limit

"""One hidden column in one configuration, with every attack on it: what a reader asks about."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reticent.evidence import Configuration, Evidence
from reticent.finding import Finding, Rate, Verdict

CANARIES = "canaries"


@dataclass(frozen=True, slots=True)
class Exposure:
    """Everything that was found about one hidden column in one configuration.

    Attributes
    ----------
    configuration : the view that was attacked. hidden : the column.
    attacks : the findings on the real people, the best attack first.
    canaries : the coin test, where it was run.
    """

    configuration: Configuration
    hidden: str
    attacks: tuple[Finding, ...]
    canaries: Finding | None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All of them, the coin test last."""
        return self.attacks if self.canaries is None else (*self.attacks, self.canaries)

    @property
    def best(self) -> Finding:
        """The attack that was chosen on shadow models; the coin test if there is no other."""
        return self.findings[0]

    @property
    def family(self) -> str:
        """The family of the attacks."""
        return self.best.family

    @property
    def leaking(self) -> tuple[Finding, ...]:
        """The findings that show a leak."""
        return tuple(one for one in self.findings if one.verdict == "leaks")

    @property
    def verdict(self) -> Verdict:
        """``leaks`` if any attack leaks, else what the best attack says.

        The intervals are adjusted for all attacks of the run, so any one of them is enough.
        """
        return "leaks" if self.leaking else self.best.verdict

    @property
    def spoken(self) -> Finding:
        """The finding that the verdict rests on: the best attack, unless only others leak."""
        if self.verdict == self.best.verdict:
            return self.best
        return self.leaking[0]

    @property
    def most(self) -> float | None:
        """The highest upper bound of the advantage among the attacks on real people."""
        return max(
            (one.advantage.high for one in self.attacks if one.advantage.high is not None),
            default=None,
        )


def exposures(evidence: Evidence) -> list[Exposure]:
    """Group findings by configuration and hidden column, in the order of the evidence."""
    grouped: dict[tuple[str, str], list[Finding]] = {}
    for one in evidence.findings:
        grouped.setdefault((one.configuration, one.hidden), []).append(one)
    known = {one.name: one for one in evidence.configurations}
    return [
        Exposure(
            known.get(name) or _unlisted(findings[0]),
            hidden,
            tuple(one for one in findings if one.attack != CANARIES),
            next((one for one in findings if one.attack == CANARIES), None),
        )
        for (name, hidden), findings in grouped.items()
    ]


def by_configuration(
    evidence: Evidence, found: Iterable[Exposure]
) -> list[tuple[Configuration, list[Exposure]]]:
    """Put exposures under their configurations; one without any finding is kept, empty."""
    grouped: dict[str, tuple[Configuration, list[Exposure]]] = {
        one.name: (one, []) for one in evidence.configurations
    }
    for one in found:
        name = one.configuration.name
        grouped.setdefault(name, (one.configuration, []))[1].append(one)
    return list(grouped.values())


def _unlisted(finding: Finding) -> Configuration:
    nothing = Rate.none(0, "it was not measured")
    return Configuration(finding.configuration, "", finding.contract, nothing)

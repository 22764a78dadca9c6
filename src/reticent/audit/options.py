"""How an audit is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from reticent.attacks import ATTACKS, expanded, family
from reticent.audit.fits import Fits
from reticent.audit.shadows import COUNT
from reticent.evidence import SelfTest
from reticent.exhibit import Exhibit
from reticent.finding import Risk

BARE = "bare"
REFERENCES = 4  # of RMIA's few references: two pairs


Progress = Callable[[int, int, str], None]  # steps done, steps in all, what begins now


def unshown(exhibit: Exhibit) -> None:
    """Show nobody."""


def silent(done: int, total: int, what: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How an audit is run.

    Attributes
    ----------
    attacks : names of attacks or families; None runs the families that the case calls for.
    shadows : models the attacker trains. references : those trained for membership, in pairs.
    backend : the joblib backend that shadow fits are handed to; None trains in this process.
    noise_key : the model's noise key; None derives one from the seed.
    progress : told where the run is. self_test : goes into the evidence.
    canaries : whether to retrain the model once with coins in place of some hidden values.
    advice : whether to look for a training setting that leaks less, where the model leaks.
    exhibit : told what a report shows beside the evidence.
    fits : models that were trained before; whoever shares it between audits trains them once.
    """

    attacks: Sequence[str] | None = None
    seed: int = 0
    shadows: int = COUNT
    references: int = REFERENCES
    backend: str | None = None
    risk: Risk = field(default_factory=Risk)
    noise_key: bytes | None = None
    progress: Progress = silent
    self_test: SelfTest | None = None
    canaries: bool = True
    advice: bool = True
    exhibit: Callable[[Exhibit], None] = unshown
    fits: Fits = field(default_factory=Fits)

    def of(self, wanted: str, called_for: bool = True) -> list[str]:
        """The attacks of one family to run.

        Parameters
        ----------
        called_for : whether the family runs where nobody named attacks.

        Raises
        ------
        ConfigError : a name is neither an attack nor a family.
        """
        names = expanded(self.attacks) if self.attacks else list(ATTACKS) if called_for else []
        return [name for name in names if family(name) == wanted]

    @property
    def names(self) -> list[str]:
        """The attacks on hidden columns to run."""
        return self.of("attribute")

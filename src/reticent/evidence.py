"""What an audit leaves behind: findings, what they are about, and a chain to what came before."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec

from reticent.errors import ConfigError
from reticent.finding import Finding, Rate, Risk

FORMAT = "reticent-evidence/1"
VALID_DAYS = 90


class Subjects(msgspec.Struct, frozen=True):
    """SHA-256 of what was audited: the model, the data and the whole policy."""

    model: str
    data: str
    contract: str


class Configuration(msgspec.Struct, frozen=True):
    """One view of a model: what it answers, and what it is still worth.

    Attributes
    ----------
    name : as in the findings. says : its contract in words. contract : its digest.
    utility : accuracy on people it never saw, or R2 of a regressor; a refusal is not right.
    utility_loss : the first configuration's utility less this one's, paired.
    measure : which of the two it is.
    """

    name: str
    says: str
    contract: str
    utility: Rate
    utility_loss: Rate | None = None
    measure: Literal["accuracy", "r2"] = "accuracy"


class Trial(msgspec.Struct, frozen=True):
    """One setting of a training parameter, tried on shadow models.

    Attributes
    ----------
    value : the setting; -1 as it is now. advantage, margin : AUC over imputation, and the
    half-width of its one-sided 95 % interval. utility : accuracy or R2 on people not trained on.
    """

    value: float
    advantage: float
    margin: float
    utility: float


class Advice(msgspec.Struct, frozen=True):
    """The cheapest defence that the audit can think of: a setting that generalises.

    Attributes
    ----------
    parameter : of the estimator. value : to set it to; None where every setting costs accuracy.
    hidden : the column it was tried on. before, tried : what was measured. reason : why this one.
    """

    parameter: str
    value: float | None
    hidden: str
    before: Trial
    tried: tuple[Trial, ...]
    reason: str


class Attacker(msgspec.Struct, frozen=True):
    """What the attacker holds about each person: the columns, and whether the label too."""

    knows: tuple[str, ...]
    label: bool


class NotRun(msgspec.Struct, frozen=True):
    """An attack that was left out, and why."""

    attack: str
    reason: str


class Check(msgspec.Struct, frozen=True):
    """One known answer of the self-test.

    Attributes
    ----------
    name, expects : what was set up and what must come out. found : what did. passed : alike.
    """

    name: str
    expects: str
    found: str
    passed: bool


class SelfTest(msgspec.Struct, frozen=True):
    """The instrument's known-answer test."""

    passed: bool
    checks: tuple[Check, ...]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one audit.

    Attributes
    ----------
    findings : the best attack on the first sensitive column of the first configuration leads.
    controls, guarantees, mitigations : the catalogue's rows, DP claims, empirical measures.
    attacker : what they know beside the hidden column. risk : the limits in force.
    notes : what the reader should know.
    advice : training settings that leak less, where a model leaks and can be trained again.
    previous : SHA-256 of the evidence before this one. signature : of the canonical JSON.
    """

    format: str = FORMAT
    reticent_version: str
    created: str
    expires: str
    seed: int
    subjects: Subjects
    findings: tuple[Finding, ...]
    configurations: tuple[Configuration, ...]
    attacker: Attacker
    risk: Risk
    notes: tuple[str, ...] = ()
    self_test: SelfTest | None = None
    controls: tuple[str, ...] = ()
    guarantees: tuple[str, ...] = ()
    mitigations: tuple[str, ...] = ()
    not_run: tuple[NotRun, ...] = ()
    advice: tuple[Advice, ...] = ()
    previous: str | None = None
    signature: str | None = None

    def to_json(self) -> bytes:
        """Encode as indented JSON, keys in the order of the attributes."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2)

    @property
    def digest(self) -> str:
        """The SHA-256 of the JSON, by which the next evidence names this one."""
        return hashlib.sha256(self.to_json()).hexdigest()

    @property
    def within_limits(self) -> bool:
        """Whether every finding and every configuration keeps the limits."""
        losses = [
            one.utility_loss
            for one in self.configurations
            if one.utility_loss and one.utility.value is not None  # a mute role loses nothing
        ]
        kept = all(
            loss.high is not None and loss.high <= self.risk.max_utility_loss for loss in losses
        )
        tested = self.self_test is None or self.self_test.passed
        return kept and tested and all(self.risk.allows(finding) for finding in self.findings)


def dated() -> tuple[str, str]:
    """Return now and the day when evidence of now expires, as ISO 8601 in UTC."""
    now = datetime.now(UTC).replace(microsecond=0)
    return now.isoformat(), (now + timedelta(days=VALID_DAYS)).isoformat()


def load(path: Path) -> Evidence:
    """Read an evidence file.

    Raises
    ------
    ConfigError : there is none, or it is not one.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Evidence)
    except FileNotFoundError:
        raise ConfigError(
            f"the evidence {path}", "there is no such file", "Run: reticent audit"
        ) from None
    except msgspec.DecodeError as error:
        raise ConfigError(
            f"the evidence {path}", f"it cannot be read ({error})", "Audit again"
        ) from None


def save(evidence: Evidence, folder: Path) -> tuple[Path, Evidence]:
    """Write ``evidence.json``, chained to the one it replaces, which moves to ``history/``.

    Returns
    -------
    The path and the evidence as written, its ``previous`` filled in.
    """
    path = folder / "evidence.json"
    chained = evidence
    if path.exists():
        before = path.read_bytes()
        previous = hashlib.sha256(before).hexdigest()
        write(folder / "history" / f"{previous}.json", before)
        chained = msgspec.structs.replace(evidence, previous=previous)
    write(path, chained.to_json())
    return path, chained


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all: beside it first, then renamed into place."""
    with whole(path) as beside, beside.open("wb") as file:
        file.write(content)


@contextmanager
def whole(path: Path, mode: int = 0o644) -> Iterator[Path]:
    """Give a file beside ``path`` to write to, and rename it into place when it is done."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    beside = Path(name)
    try:
        yield beside
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.chmod(mode)
        beside.replace(path)
    except BaseException:  # also Ctrl-C: nothing half written stays behind
        beside.unlink(missing_ok=True)
        raise


def fingerprint(parts: Sequence[Any]) -> str:
    """Return the SHA-256 of several digests or strings, in order."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()

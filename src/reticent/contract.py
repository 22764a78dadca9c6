"""What one role may see, and how much of it; a policy is the contracts of all roles of a model.

A contract is a small algebra on answers, applied in one order by the gateway and the audit
alike: marginalize, abstain, noise, cut. The object that is enforced is the object that is
attacked and the object that the evidence names. The budgets of rows are enforced by the gateway;
an audit assumes an attacker with time, and attacks without them.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
from typing import Literal

import msgspec

from reticent.errors import ConfigError

Output = Literal["none", "label", "top_k", "scores", "vector"]
Permission = Literal["what_if", "explain", "audit"]
PERMISSIONS: tuple[Permission, ...] = ("what_if", "explain", "audit")
OUTPUTS: tuple[Output, ...] = ("none", "label", "top_k", "scores", "vector")
RESERVED_ROLES = ("admin", "observer")


class Noise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keyed, deterministic noise on scores: the scale of a Laplace distribution."""

    scale: float

    def __post_init__(self) -> None:
        _require(0 < self.scale < math.inf, "noise.scale",
                 f"{self.scale} is not a positive number", "Write 0.05, say")  # fmt: skip


class Abstain(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """When to refuse: unlike what this share of honest people looks like, or below a confidence."""

    honest: float | None = None
    confidence: float | None = None

    def __post_init__(self) -> None:
        given = [share for share in (self.honest, self.confidence) if share is not None]
        _require(len(given) == 1, "abstain", f"{len(given)} rules are given",
                 "Give one: {honest = 0.9} or {confidence = 0.6}")  # fmt: skip
        _require(0 < given[0] < 1, "abstain", f"{given[0]} is not between 0 and 1",
                 "Give a share between 0 and 1")  # fmt: skip


class Contract(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True
):
    """What one role sees of a model.

    Attributes
    ----------
    output : how much of an answer is told.
    marginalize : columns over whose candidate values the answer is averaged, uniformly
        (Pope and Sydnor 2011, doi:10.1257/pol.3.3.206).
    abstain : when to refuse.
    noise : keyed noise on the scores; an empirical mitigation, no guarantee.
    decimals : digits kept of a score. bands : edges; a score becomes its band's lower edge.
    top_k : how many scores ``output = "top_k"`` tells.
    rows_per_minute, rows_per_day : budget of each principal. role_rows_per_day : of all.
    values_per_record : how many values of the marginalized columns one principal may try about a
        record and be answered truly; beyond them the answer is the average.
    internal_only, cidr : from where the role may be used.
    permit : what the role may do that looks like an attack: what_if (one person with other
        values), explain (an explainer's perturbed rows), audit (a fairness audit's changed
        columns). It needs ``rows_per_day``, and is not watched for sweeps.

    Raises
    ------
    ConfigError : the steps contradict each other.
    """

    output: Output
    marginalize: tuple[str, ...] = ()
    abstain: Abstain | None = None
    noise: Noise | None = None
    decimals: int | None = None
    bands: tuple[float, ...] | None = None
    top_k: int | None = None
    rows_per_minute: int | None = None
    rows_per_day: int | None = None
    role_rows_per_day: int | None = None
    values_per_record: int | None = None
    internal_only: bool = False
    cidr: tuple[str, ...] = ()
    permit: tuple[Permission, ...] = ()

    def __post_init__(self) -> None:
        for name in ("marginalize", "bands", "cidr", "permit"):
            _require(not isinstance(getattr(self, name), str), name, "it is one text, not a list",
                     f'Write {name} = ["..."]')  # fmt: skip
            if isinstance(value := getattr(self, name), list):
                msgspec.structs.force_setattr(self, name, tuple(value))
        _require(self.output in OUTPUTS, "output", f"{self.output!r} is none of its values",
                 f"Use one of: {', '.join(OUTPUTS)}")  # fmt: skip
        _require((self.output == "top_k") == (self.top_k is not None), "top_k",
                 f"output is {self.output!r} and top_k is {self.top_k}",
                 'Give top_k with output = "top_k", and only then')  # fmt: skip
        self._check_cut()
        self._check_limits()

    def _check_cut(self) -> None:
        both = self.decimals is not None and self.bands is not None
        _require(not both, "decimals and bands", "both are given", "Keep one")
        _require(self.decimals is None or 0 <= self.decimals <= 15, "decimals",
                 f"{self.decimals} is out of range", "Give 0 to 15")  # fmt: skip
        if self.bands is not None:
            rising = all(a < b for a, b in zip((0.0, *self.bands), (*self.bands, 1.0), strict=True))
            _require(rising and bool(self.bands), "bands", "the edges do not rise between 0 and 1",
                     "Write them as [0.2, 0.5, 0.8]")  # fmt: skip
        _require(self.top_k is None or self.top_k > 0, "top_k", f"{self.top_k} is not positive",
                 "Give 1 or more")  # fmt: skip

    def _check_limits(self) -> None:
        for name in ("rows_per_minute", "rows_per_day", "role_rows_per_day", "values_per_record"):
            limit = getattr(self, name)
            _require(limit is None or limit > 0, name, f"{limit} is not positive", "Give 1 or more")
        _require(self.values_per_record is None or bool(self.marginalize), "values_per_record",
                 "no column is marginalized, and beyond the limit the marginalized answer is given",
                 "Name the column in marginalize")  # fmt: skip
        unknown = [word for word in self.permit if word not in PERMISSIONS]
        _require(not unknown, "permit", f"{''.join(unknown[:1])!r} is none of its values",
                 f"Use some of: {', '.join(PERMISSIONS)}")  # fmt: skip
        _require(not self.permit or self.rows_per_day is not None, "permit",
                 "a permission needs a budget of its own, and there is no rows_per_day",
                 "Add rows_per_day = 1000, say")  # fmt: skip
        for network in self.cidr:
            try:
                ipaddress.ip_network(network)
            except ValueError:
                raise ConfigError(
                    "cidr", f"{network!r} is no network", "Write 10.0.0.0/8"
                ) from None

    @property
    def digest(self) -> str:
        """The SHA-256 of the contract's canonical JSON."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()

    def summary(self) -> str:
        """Say in one line what this contract does to an answer, in its order."""
        few = self.values_per_record
        beyond = f" beyond {few} value{'s' * (few > 1)} of a record" if few else ""
        steps = [
            f"averaged over {', '.join(self.marginalize)}{beyond}" if self.marginalize else "",
            "may refuse" if self.abstain else "",
            f"noise {self.noise.scale:g}" if self.noise else "",
            f"top {self.top_k}" if self.top_k else self.output,
            f"{self.decimals} decimals" if self.decimals is not None else "",
            f"bands {', '.join(f'{edge:g}' for edge in self.bands)}" if self.bands else "",
            f"permitted: {', '.join(self.permit)}" if self.permit else "",
        ]
        return "; ".join(step for step in steps if step)


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The contracts of all roles of one model.

    Raises
    ------
    ConfigError : a reserved role name, or two noise scales (their answers would cancel the noise).
    """

    roles: dict[str, Contract] = {}

    def __post_init__(self) -> None:
        for name in self.roles:
            _require(name not in RESERVED_ROLES, f"role {name!r}", "the name is reserved",
                     "Choose another name")  # fmt: skip
        scales = {contract.noise.scale for contract in self.roles.values() if contract.noise}
        _require(len(scales) < 2, "noise.scale", f"{len(scales)} scales under one key",
                 "Use one scale for all roles: two of them cancel")  # fmt: skip

    @property
    def digest(self) -> str:
        """The SHA-256 of the policy's canonical JSON."""
        return hashlib.sha256(msgspec.json.encode(self, order="sorted")).hexdigest()


def _require(holds: bool, asked: str, found: str, do: str) -> None:
    if not holds:
        raise ConfigError(asked, found, do)

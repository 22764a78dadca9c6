"""Attack a model that was trained on people, and see what its answers give away.

    case = reticent.Case(model=model, members=members, others=others, label="y", sensitive="s")
    evidence = reticent.audit(case)

Names are imported when they are first used, so that ``import reticent`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import reticent.audit  # noqa: F401 (the folder first: the function below takes its place)
from reticent.contract import Contract
from reticent.errors import ReticentError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reticent.audit.case import Case
    from reticent.evidence import Evidence
    from reticent.finding import Finding, Risk
    from reticent.schema import Domain

__version__ = "0.1.0"

__all__ = [
    "Case",
    "Contract",
    "Domain",
    "Evidence",
    "Finding",
    "ReticentError",
    "Risk",
    "audit",
]

_HOMES = {
    "Case": "audit.case",
    "Domain": "schema",
    "Evidence": "evidence",
    "Finding": "finding",
    "Risk": "finding",
}


def audit(
    case: Case,
    contract: Contract | Mapping[str, Contract | None] | None = None,
    *,
    seed: int = 0,
    **options: Any,
) -> Evidence:
    """Attack a case and return the evidence.

    Parameters
    ----------
    case : the model, its members, others, and what is to be hidden.
    contract : attack the model behind this contract; a mapping of names to contracts (None: the
        bare model) attacks several views in one run. By default the bare model.
    seed : everything random follows from it; the same seed gives the same findings.
    options : the attributes of ``reticent.audit.options.Options``.

    Raises
    ------
    ReticentError : the case does not hold together; the message says what to do.
    """
    from reticent.audit.options import BARE, Options
    from reticent.audit.run import audit as run

    if contract is None:
        contracts: Mapping[str, Contract | None] = {BARE: None}
    elif isinstance(contract, Contract):
        contracts = {"contract": contract}
    else:
        contracts = contract
    return run(case, contracts, Options(seed=seed, **options))


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'reticent' has no attribute {name!r}")
    return getattr(import_module(f"reticent.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])

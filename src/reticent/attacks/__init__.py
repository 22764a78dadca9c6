"""What can be inverted: a folder per family, a file per attack, and one list that names them.

The list holds text, so that naming the attacks imports none of them. A new attack is one file
and one line here.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from reticent.errors import ConfigError, nearest

if TYPE_CHECKING:
    from reticent.attacks.attack import Attack

ATTACKS: dict[str, str] = {
    "csmia": "attribute.csmia:Csmia",
    "fredrikson_confusion": "attribute.fredrikson_confusion:FredriksonConfusion",
    "fredrikson_leaf_counts": "attribute.fredrikson_leaf_counts:FredriksonLeafCounts",
    "imputation_likelihood": "attribute.imputation_likelihood:ImputationLikelihood",
    "label_likelihood": "attribute.label_likelihood:LabelLikelihood",
    "learned": "attribute.learned:Learned",
    "lomia": "attribute.lomia:Lomia",
    "observed": "attribute.observed:Observed",
    "refusals": "attribute.refusals:Refusals",
    "single_query": "attribute.single_query:SingleQuery",
    "yeom": "attribute.yeom:Yeom",
}


def named(name: str) -> Attack:
    """Load one attack of the list.

    Raises
    ------
    ConfigError : no attack has that name.
    """
    if name not in ATTACKS:
        raise ConfigError(
            f"attack {name!r}",
            f"there is none of that name{nearest(name, list(ATTACKS))}",
            "See: reticent attacks list",
        )
    module, _, entry = ATTACKS[name].partition(":")
    found: Attack = getattr(import_module(f"reticent.attacks.{module}"), entry)()
    return found

"""What can be inverted: a folder per family, a file per attack, and one list that names them.

The list holds text, so that naming the attacks imports none of them. A new attack is one file
and one line here.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

from reticent.errors import ConfigError, nearest

if TYPE_CHECKING:
    from reticent.attacks.attack import About

ATTACKS: dict[str, str] = {
    "aligned_inversion": "embedding.aligned_inversion:AlignedInversion",
    "csmia": "attribute.csmia:Csmia",
    "fredrikson_confusion": "attribute.fredrikson_confusion:FredriksonConfusion",
    "fredrikson_leaf_counts": "attribute.fredrikson_leaf_counts:FredriksonLeafCounts",
    "imputation_likelihood": "attribute.imputation_likelihood:ImputationLikelihood",
    "inference": "linkage.inference:Inference",
    "informed": "record.informed:Informed",
    "inversion_network": "face.inversion_network:InversionNetwork",
    "label_batch": "face.label_batch:LabelBatch",
    "label_boundary": "membership.label_boundary:LabelBoundary",
    "label_likelihood": "attribute.label_likelihood:LabelLikelihood",
    "label_sphere": "face.label_sphere:LabelSphere",
    "latent_evolution": "face.latent_evolution:LatentEvolution",
    "latent_gradient": "face.latent_gradient:LatentGradient",
    "learned": "attribute.learned:Learned",
    "linkability": "linkage.linkability:Linkability",
    "lira": "membership.lira:Lira",
    "lira_offline": "membership.lira:LiraOffline",
    "lomia": "attribute.lomia:Lomia",
    "loss_threshold": "membership.loss_threshold:LossThreshold",
    "mi_face": "face.mi_face:MiFace",
    "mi_face_black_box": "face.mi_face_black_box:MiFaceBlackBox",
    "mlp_inversion": "embedding.mlp_inversion:MlpInversion",
    "observed": "attribute.observed:Observed",
    "refusals": "attribute.refusals:Refusals",
    "retrieval_inversion": "embedding.retrieval_inversion:RetrievalInversion",
    "ridge_inversion": "embedding.ridge_inversion:RidgeInversion",
    "rmia": "membership.rmia:Rmia",
    "rmia_offline": "membership.rmia:RmiaOffline",
    "row_search": "record.row_search:RowSearch",
    "score_fingerprint": "linkage.score_fingerprint:ScoreFingerprint",
    "single_query": "attribute.single_query:SingleQuery",
    "singling_out_multivariate": "linkage.singling_out_multivariate:SinglingOutMultivariate",
    "singling_out_univariate": "linkage.singling_out_univariate:SinglingOutUnivariate",
    "yeom": "attribute.yeom:Yeom",
}


def named(name: str) -> Any:
    """Load one attack of the list: an ``About``, and what its family's protocol adds.

    Raises
    ------
    ConfigError : no attack has that name.
    """
    if name not in ATTACKS:
        raise ConfigError(
            f"attack {name!r}",
            f"there is none of that name{nearest(name, [*ATTACKS, *families()])}",
            "See: reticent attacks list",
        )
    module, _, entry = ATTACKS[name].partition(":")
    found: About = getattr(import_module(f"reticent.attacks.{module}"), entry)()
    return found


def family(name: str) -> str:
    """The family of an attack of the list: its folder."""
    return ATTACKS[name].partition(".")[0]


def families() -> list[str]:
    """The families that have attacks, in the order of the list."""
    return list(dict.fromkeys(map(family, ATTACKS)))


def expanded(asked: Sequence[str]) -> list[str]:
    """The attacks that are meant by names of attacks and of families, each once.

    Raises
    ------
    ConfigError : one is neither.
    """
    found: dict[str, None] = {}
    for one in asked:
        of = [name for name in ATTACKS if family(name) == one]
        if not of:
            named(one)
        found.update(dict.fromkeys(of or [one]))
    return list(found)

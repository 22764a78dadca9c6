"""An alert as an OCSF Detection Finding: class 2004 of the Open Cybersecurity Schema Framework.

Version 1.8.0 defines ``ai_model`` in the profile ``ai_operation``, which it does not list for this
class yet: that one attribute is beyond the class, everything else is within it. What the schema
has no place for stands in ``unmapped``. Source: https://schema.ocsf.io/1.8.0/classes/detection_finding
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from reticent.event import Alert
from reticent.monitor.alerts.settings import COUNTS, SEVERITIES, SUMMARY, TEST, severity

VERSION = "1.8.0"
OURS = version("reticent")
MOST_OTHERS = 100  # accounts shown in one finding; how many there are is told
# Asking around one record tells its hidden values, and whether it was in the training data
# (label-only membership inference: Choquette-Choo et al. 2021, arXiv:2007.14321).
AROUND = ("jitter",)


class Named(msgspec.Struct, frozen=True):
    """A technique or tactic of MITRE ATLAS."""

    name: str
    uid: str


class Attack(msgspec.Struct, frozen=True):
    """What an attacker does, in the words of MITRE ATLAS (https://atlas.mitre.org)."""

    tactic: Named
    technique: Named
    sub_technique: Named | UnsetType = UNSET


EXFILTRATION = Named("Exfiltration", "AML.TA0010")
THROUGH_API = Named("Exfiltration via AI Inference API", "AML.T0024")
INVERSION = Attack(EXFILTRATION, THROUGH_API, Named("Invert AI Model", "AML.T0024.001"))
INFERENCE = Attack(
    EXFILTRATION, THROUGH_API, Named("Infer Training Data Membership", "AML.T0024.000")
)
ANY = Attack(EXFILTRATION, THROUGH_API)


class Product(msgspec.Struct, frozen=True):
    """Who reports."""

    name: str = "reticent"
    vendor_name: str = "reticent"
    version: str = OURS


class Metadata(msgspec.Struct, frozen=True):
    """About the finding as an event.

    Attributes
    ----------
    uid : the alert's id, the same at every try. event_code : the detector.
    labels : ``auditor`` or ``test``, where it is one.
    """

    uid: str
    event_code: str
    labels: tuple[str, ...] | UnsetType = UNSET
    version: str = VERSION
    product: Product = Product()
    profiles: tuple[str, ...] = ("ai_operation",)


class Analytic(msgspec.Struct, frozen=True):
    """The detector; its alarms are statistical."""

    name: str
    uid: str
    type_id: int = 3
    type: str = "Statistical"


class FindingInfo(msgspec.Struct, frozen=True):
    """What was found. Times in milliseconds since 1970."""

    uid: str
    title: str
    desc: str
    types: tuple[str, ...]
    analytic: Analytic
    created_time: int
    attacks: tuple[Attack, ...] | UnsetType = UNSET


class AiModel(msgspec.Struct, frozen=True):
    """The model that was asked."""

    name: str
    ai_provider: str = "Internal"


class User(msgspec.Struct, frozen=True):
    """A principal, by its token in hex."""

    uid: str


class Actor(msgspec.Struct, frozen=True):
    """Who asked."""

    user: User


class Endpoint(msgspec.Struct, frozen=True):
    """From where, by the address's token in hex."""

    uid: str


class Evidence(msgspec.Struct, frozen=True):
    """Who it was, and the numbers that the reason is made of."""

    name: str
    actor: Actor | UnsetType = UNSET
    src_endpoint: Endpoint | UnsetType = UNSET
    data: dict[str, float] | UnsetType = UNSET


class Beyond(msgspec.Struct, frozen=True):
    """What the class has no place for.

    Attributes
    ----------
    caller : token of the principal, in hex, where a search finds it outside of a list.
    promise : how often such an alert is wrong. query : 0-based position in the caller's sequence.
    contract : digest of what the role was shown. accounts : how many took part.
    """

    caller: str
    promise: str
    query: int
    role: str
    contract: str
    auditor: bool
    accounts: int


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """A Detection Finding, in the attributes that an alert can fill.

    Attributes
    ----------
    time : milliseconds since 1970. count : detections that the alert stands for.
    """

    time: int
    message: str
    severity_id: int
    severity: str
    count: int
    metadata: Metadata
    finding_info: FindingInfo
    evidences: tuple[Evidence, ...]
    unmapped: Beyond
    ai_model: AiModel | UnsetType = UNSET
    is_alert: bool = True
    status_id: int = 1
    status: str = "New"
    activity_id: Literal[1] = 1
    activity_name: str = "Create"
    category_uid: Literal[2] = 2
    category_name: str = "Findings"
    class_uid: Literal[2004] = 2004
    class_name: str = "Detection Finding"
    type_uid: Literal[200401] = 200401
    type_name: str = "Detection Finding: Create"


def finding(alert: Alert) -> Finding:
    """Say an alert in OCSF's words."""
    grave, time = severity(alert), round(alert.at * 1000)
    kind, attacks = _kind(alert.detector)
    return Finding(
        time=time, message=alert.reason, count=count(alert),
        severity_id=SEVERITIES.index(grave) + 1, severity=grave.capitalize(),
        metadata=Metadata(alert.id, alert.detector, _labels(alert)),
        finding_info=FindingInfo(
            alert.id, title(alert), alert.reason, (kind,),
            Analytic(alert.detector, f"reticent.{alert.detector}"), time,
            attacks or UNSET,
        ),
        evidences=_evidences(alert),
        unmapped=Beyond(
            alert.caller.hex(), alert.promise, alert.query, alert.role, alert.contract,
            alert.auditor, len({alert.caller, *alert.others} - {b""}),
        ),
        ai_model=AiModel(alert.model) if alert.model else UNSET,
    )  # fmt: skip


def encoded(alert: Alert) -> bytes:
    """Write a finding as JSON in one line."""
    return msgspec.json.encode(finding(alert))


def count(alert: Alert) -> int:
    """How many detections an alert stands for."""
    return max(1, int(alert.evidence.get("count", 1.0)))


def title(alert: Alert) -> str:
    """What it is about, in a few words."""
    if alert.detector == TEST:
        return "A test of the alerts"
    if alert.detector == SUMMARY:
        return "Alerts that were not sent"
    about = f" of {alert.model}" if alert.model else ""
    by = "an auditor" if alert.auditor else "several accounts" if alert.others else "one account"
    return f"{_kind(alert.detector)[0]}{about} by {by}: {alert.detector}"


def _kind(detector: str) -> tuple[str, tuple[Attack, ...]]:
    if detector in (TEST, SUMMARY):
        return "Message", ()
    if detector in COUNTS:
        return "Unusual use", (ANY,)
    return "Model inversion", (INVERSION, INFERENCE) if detector in AROUND else (INVERSION,)


def _labels(alert: Alert) -> tuple[str, ...] | UnsetType:
    labels = ("auditor",) * alert.auditor + ("test",) * (alert.detector == TEST)
    return labels or UNSET


def _evidences(alert: Alert) -> tuple[Evidence, ...]:
    """The caller with the numbers first, then whoever took part."""
    first = Evidence(
        "caller",
        Actor(User(alert.caller.hex())) if alert.caller else UNSET,
        Endpoint(alert.source.hex()) if alert.source else UNSET,
        alert.evidence,
    )
    others = [one for one in alert.others if one != alert.caller][:MOST_OTHERS]
    return (first, *(Evidence("taking part", Actor(User(one.hex()))) for one in others))

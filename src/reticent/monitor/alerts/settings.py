"""``[alerts.NAME]``: where alerts go, which of them, and where the secret for it is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, urlsplit

import msgspec

from reticent.errors import ConfigError, nearest
from reticent.event import Alert

Kind = Literal["alertmanager", "apprise", "cef", "file", "splunk", "syslog", "webhook"]
Severity = Literal["informational", "low", "medium", "high"]
SEVERITIES: tuple[Severity, ...] = ("informational", "low", "medium", "high")
PLACES: dict[Kind, str] = {  # the key that says where; of Apprise the secret does
    "alertmanager": "url", "cef": "address", "file": "path", "splunk": "url", "syslog": "address",
    "webhook": "url",
}  # fmt: skip
EXAMPLES = {
    "url": "https://siem.example.org", "address": "tls://siem.example.org:6514",
    "path": "alerts.jsonl",
}  # fmt: skip
TOKENS = {"alertmanager": False, "apprise": True, "splunk": True, "webhook": False}  # needed?
PORTS = {"udp": 514, "tcp": 601, "tls": 6514}
LOOPBACK = ("localhost", "127.0.0.1", "::1")
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
PLAIN = re.compile(r"[!-~]+")
TEST, SUMMARY = "test", "outbox"  #: detectors that detect nothing: a test, and what was not sent
COUNTS = ("frequency", "source", "volume")  # how much and from where, not what was asked


class Sink(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[alerts.NAME]``: one place where alerts go.

    Attributes
    ----------
    kind : how they are sent. url : of a webhook, an Alertmanager or a Splunk collector.
    address : of a syslog or CEF server: ``udp://``, ``tcp://`` or ``tls://`` with host and port.
    path : of the file that lines are added to, beside the project file.
    token_file : a file that holds the secret, mode 0600. token_env : a variable that holds it.
    ca : a file of certificates, PEM, that the server's is to be signed by; default: the system's.
    severity : the least grave that is sent. roles : those whose alerts are sent; default: all.

    Raises
    ------
    ConfigError : a place that does not suit the kind, or a secret that would travel in the clear.
    """

    kind: Kind
    url: str | None = None
    address: str | None = None
    path: str | None = None
    token_file: str | None = None
    token_env: str | None = None
    ca: str | None = None
    severity: Severity = "low"
    roles: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        wanted = PLACES.get(self.kind)
        for name, example in EXAMPLES.items():
            given = getattr(self, name) is not None
            _require(given or name != wanted, name, f"{self.kind} needs it",
                     f'Write {name} = "{example}"')  # fmt: skip
            _require(not given or name == wanted, name, f"{self.kind} does not use it",
                     f"Leave it out{f'; {wanted} says where' if wanted else ''}")  # fmt: skip
        self._check_token()
        if self.url is not None:
            self._check_url(self.url)
        if self.address is not None:
            _check_address(self.address)

    def trusted(self, folder: Path) -> Path | None:
        """The certificates that its server's is to be signed by; None: the system's.

        Parameters
        ----------
        folder : from which paths start.
        """
        return None if self.ca is None else folder / self.ca

    def _check_token(self) -> None:
        given = [name for name in ("token_file", "token_env") if getattr(self, name) is not None]
        _require(len(given) < 2, "token_file and token_env", "both are given", "Keep one")
        _require(not given or self.kind in TOKENS, "".join(given), f"{self.kind} does not use it",
                 "Leave it out")  # fmt: skip
        _require(bool(given) or not TOKENS.get(self.kind), "token_file",
                 f"{self.kind} needs a secret",
                 'Write token_file = "NAME.token" or token_env = "VARIABLE"')  # fmt: skip

    def _check_url(self, url: str) -> None:
        parts = _split(url, "url", "https://host/path")
        _require(parts.scheme in ("https", "http"), "url", "it is no web address",
                 "Write https://host/path")  # fmt: skip
        open_to_all = parts.scheme == "http" and parts.hostname not in LOOPBACK
        # An Alertmanager beside the gateway mostly has no TLS; a secret, or what a signature is
        # to vouch for, goes nowhere without it.
        secret = self.kind != "alertmanager" or self.token_file or self.token_env
        _require(not (open_to_all and secret), "url", "what is sent could be read on its way",
                 "Write https://")  # fmt: skip


def _check_address(address: str) -> None:
    parts = _split(address, "address", "tls://host:6514")
    _require(parts.scheme in PORTS, "address", "it does not begin with udp, tcp or tls",
             "Write tls://host:6514")  # fmt: skip
    _require(not parts.path.strip("/") and not parts.query, "address",
             "it goes on behind the port", "Write tls://host:6514")  # fmt: skip


def _split(place: str, name: str, example: str) -> SplitResult:
    """Take an address apart; it is not repeated, because somebody may have put a secret in it."""
    found = "it is no address"
    try:
        parts = urlsplit(place)
        if parts.username is not None:
            found = "it holds a user name or a password"
        elif parts.hostname and parts.port != 0 and PLAIN.fullmatch(place):
            return parts
    except ValueError:  # a port or an address that is none
        pass
    raise ConfigError(name, found, f"Write {example}; a secret goes to token_file")


def _require(holds: bool, asked: str, found: str, do: str) -> None:
    if not holds:
        raise ConfigError(asked, found, do)


def check(sinks: Mapping[str, Sink], roles: list[str]) -> None:
    """Check the sinks' names, and that the roles they name are the project's.

    Raises
    ------
    ConfigError : a name that is none, or a role that does not exist; the nearest is named.
    """
    for name, sink in sinks.items():
        _require(NAME.fullmatch(name) is not None, f"[alerts.{name}]", "the name is not plain",
                 "Use letters, digits, _ and -, 64 at most")  # fmt: skip
        for role in sink.roles:
            _require(role in roles, f"[alerts.{name}] roles",
                     f"the project has no role {role!r}{nearest(role, roles)}",
                     f"Use some of: {', '.join(roles)}")  # fmt: skip


def severity(alert: Alert) -> Severity:
    """How grave an alert is: what a detector saw, less where somebody audits or only counts."""
    if alert.auditor or alert.detector == TEST:
        return "informational"
    if alert.detector in COUNTS:
        return "low"
    return "medium" if alert.detector == SUMMARY else "high"


def wants(sink: Sink, alert: Alert) -> bool:
    """Whether an alert goes to this sink; one that is about no role in particular always does."""
    grave = SEVERITIES.index(severity(alert)) >= SEVERITIES.index(sink.severity)
    return grave and (not sink.roles or alert.role in (*sink.roles, ""))

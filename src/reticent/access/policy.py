"""The doors: which role may do what, and from where. Default deny.

Whatever is not in the table compiled here is refused: an unknown role, an unknown action, an
address that cannot be read where the role is bound to a network.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence

from reticent.access.recent import Recent
from reticent.contract import Contract
from reticent.errors import ConfigError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

ACTIONS = ("infer", "metadata", "admin", "observe")
RESERVED = {"admin": ("admin", "observe"), "observer": ("observe",)}
INTERNAL = tuple(
    ipaddress.ip_network(one)
    for one in ("127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
                "fc00::/7")
)  # fmt: skip
MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
UNKNOWN = ""  # the address of a caller of whom none can be read
MOST_HOPS = 64  # of X-Forwarded-For that are read
MOST_LETTERS = 80  # of an address: 45, a zone and a port
MOST_CACHED = 100_000
NO_ROLE = "this role may not do that"
NOTHING_TOLD = "this role is told nothing of the model"
HIGH_RISK = "the model is of high risk, and this role is not bound to the internal network"
OUTSIDE = "this role may not be used from this address"


class Doors:
    """The doors of one gateway.

    Parameters
    ----------
    contracts : role to its contract; ``admin`` and ``observer`` are always there.
    high_risk : let in only roles that are ``internal_only``, and reserved ones only from inside.
    trusted_proxies : addresses or networks whose X-Forwarded-For counts.

    Raises
    ------
    ConfigError : a proxy that is neither an address nor a network.
    """

    def __init__(
        self,
        contracts: Mapping[str, Contract],
        high_risk: bool = False,
        trusted_proxies: Sequence[str] = (),
    ) -> None:
        self._rules: dict[tuple[str, str], Callable[[Address | None], str | None]] = {}
        self._proxies = [_proxy(one) for one in trusted_proxies]
        self._verdicts: Recent[tuple[str, str, str], str] = Recent(MOST_CACHED)
        self._places: Recent[str, tuple[str, bool]] = Recent(MOST_CACHED)
        for role, contract in contracts.items():
            rule = _rule(contract, high_risk)
            self._rules[role, "metadata"] = rule
            self._rules[role, "infer"] = rule if contract.output != "none" else _nothing_told
        for role, actions in RESERVED.items():
            for action in actions:
                self._rules[role, action] = _inside if high_risk else _anywhere

    def may(self, role: str, action: str, address: str) -> str | None:
        """Let a caller in (None), or say why not, in words that are safe to show.

        Parameters
        ----------
        action : one of ``ACTIONS``. address : as ``address`` returns it.
        """
        verdict = self._verdicts.get((role, action, address))
        if verdict is None:
            rule = self._rules.get((role, action))
            verdict = (NO_ROLE if rule is None else rule(_read(address))) or ""
            self._verdicts[role, action, address] = verdict
        return verdict or None

    def address(self, peer: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> str:
        """Say from which address a request comes: ``UNKNOWN`` where none can be read.

        X-Forwarded-For is read from right to left for as long as the hop that wrote it is a
        trusted proxy: what stands further left was written by somebody else, and is a claim.

        Parameters
        ----------
        peer : the address of the connection. headers : with lower-case names.
        """
        nearest, trusted = self._place(peer)
        if not trusted:
            return nearest
        forwarded = b",".join(value for name, value in headers if name == b"x-forwarded-for")
        hops = forwarded.decode("latin-1").rsplit(",", MOST_HOPS)[-MOST_HOPS:]
        for hop in reversed(hops if forwarded.strip() else []):
            nearest, trusted = self._place(hop.strip())
            if not trusted:
                break
        return nearest

    def _place(self, written: str) -> tuple[str, bool]:
        """Read an address as it was written: in one form for all, and whether it is a proxy's."""
        known = self._places.get(written)
        if known is None:
            found = _read(_without_port(written)) if len(written) <= MOST_LETTERS else None
            if found is None:
                return UNKNOWN, False
            known = str(found), any(found in network for network in self._proxies)
            self._places[written] = known
        return known


def internal(address: str) -> bool:
    """Whether an address is loopback, of RFC 1918 or of fc00::/7 (RFC 4193)."""
    found = _read(address)
    return found is not None and any(found in network for network in INTERNAL)


def network(address: str) -> str:
    """The network that an address belongs to: its first 24 bits, or 48 of IPv6."""
    found = _read(address)
    if found is None:
        return address
    return str(ipaddress.ip_network((found, 24 if found.version == 4 else 48), strict=False))


def _rule(contract: Contract, high_risk: bool) -> Callable[[Address | None], str | None]:
    """Compile from where a role may be used."""
    if high_risk and not contract.internal_only:
        return lambda address: HIGH_RISK  # noqa: ARG005
    networks = [_plain_network(ipaddress.ip_network(one)) for one in contract.cidr]

    def rule(address: Address | None) -> str | None:
        if contract.internal_only and _inside(address):
            return OUTSIDE
        if networks and (address is None or not any(address in one for one in networks)):
            return OUTSIDE
        return None

    return rule


def _inside(address: Address | None) -> str | None:
    held = address is not None and any(address in network for network in INTERNAL)
    return None if held else OUTSIDE


def _anywhere(address: Address | None) -> str | None:  # noqa: ARG001
    return None


def _nothing_told(address: Address | None) -> str | None:  # noqa: ARG001
    return NOTHING_TOLD


def _read(text: str) -> Address | None:
    """Read an address; an IPv4 address in the clothes of an IPv6 one is an IPv4 address."""
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        return found.ipv4_mapped or ipaddress.IPv6Address(int(found))  # without its zone
    return found


def _without_port(hop: str) -> str:
    """Drop the port that some proxies write: ``1.2.3.4:56`` or ``[::1]:56``."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _plain_network(network: Network) -> Network:
    """Read a network of IPv4-mapped addresses as the IPv4 network that it is."""
    if isinstance(network, ipaddress.IPv6Network) and network.subnet_of(MAPPED):
        mapped = network.network_address.ipv4_mapped
        return ipaddress.ip_network(f"{mapped}/{network.prefixlen - MAPPED.prefixlen}")
    return network


def _proxy(text: str) -> Network:
    try:
        return _plain_network(ipaddress.ip_network(text))
    except ValueError:
        raise ConfigError(
            "[gateway] trusted_proxies", f"{text!r} is no address and no network",
            'Write trusted_proxies = ["10.0.0.5"] or ["10.0.0.0/24"]',
        ) from None  # fmt: skip

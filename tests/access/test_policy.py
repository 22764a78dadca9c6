"""The doors: default deny, and addresses that cannot be talked into being others."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reticent.access.policy import ACTIONS, HIGH_RISK, NOTHING_TOLD, OUTSIDE, Doors, internal
from reticent.contract import Contract
from reticent.errors import ConfigError

ROLES = {
    "open": Contract(output="label"),
    "inside": Contract(output="label", internal_only=True),
    "office": Contract(output="label", cidr=("203.0.113.0/24", "2001:db8::/32")),
    "both": Contract(output="label", internal_only=True, cidr=("10.1.0.0/16", "203.0.113.0/24")),
    "silent": Contract(output="none"),
}
ANYWHERE = "8.8.8.8"
INTERNAL = ["127.0.0.1", "127.255.0.9", "::1", "10.0.0.1", "172.16.0.1", "172.31.255.255",
            "192.168.255.1", "fc00::1", "fdff::1", "::ffff:10.0.0.1", "::ffff:7f00:1",
            "fd00::1%eth0"]  # fmt: skip
EXTERNAL = ["8.8.8.8", "172.15.255.255", "172.32.0.0", "192.167.1.1", "11.0.0.1", "0.0.0.0",
            "169.254.1.1", "100.64.0.1", "fe80::1", "2001:db8::1", "::", "::ffff:8.8.8.8",
            "::10.0.0.1", "64:ff9b::10.0.0.1", "2002:0a00:0001::1", "fe00::1", "",
            "localhost", "10.0.0", "010.0.0.1", "10.0.0.1 ", "0x0a000001", "167772161",
            "127.1", "10.0.0.1/8", "unknown"]  # fmt: skip


def forwarded(*values: str) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"x"), *((b"x-forwarded-for", one.encode("latin-1")) for one in values)]


@pytest.mark.parametrize("address", INTERNAL)
def test_inside(address: str) -> None:
    assert internal(address)
    assert Doors(ROLES).may("inside", "infer", address) is None


@pytest.mark.parametrize("address", EXTERNAL)
def test_outside(address: str) -> None:
    assert not internal(address)
    assert Doors(ROLES).may("inside", "infer", address) == OUTSIDE


def test_who_may_do_what() -> None:
    doors = Doors(ROLES)
    allowed = {
        (role, action)
        for role in [*ROLES, "admin", "observer", "nobody", ""]
        for action in [*ACTIONS, "", "INFER", "serve"]
        if doors.may(role, action, "10.1.0.1") is None
    }
    assert allowed == {
        ("open", "infer"), ("open", "metadata"), ("inside", "infer"), ("inside", "metadata"),
        ("both", "infer"), ("both", "metadata"), ("silent", "metadata"),
        ("admin", "admin"), ("admin", "observe"), ("observer", "observe"),
    }  # fmt: skip
    assert doors.may("silent", "infer", "10.1.0.1") == NOTHING_TOLD


def test_networks_of_a_role() -> None:
    doors = Doors(ROLES)
    for address in ("203.0.113.7", "::ffff:203.0.113.7", "2001:db8:1::2"):
        assert doors.may("office", "infer", address) is None
    for address in ("203.0.114.7", "10.0.0.1", "", "unknown", "::1"):
        assert doors.may("office", "infer", address) == OUTSIDE
    assert doors.may("both", "infer", "10.1.2.3") is None
    for address in ("10.2.0.1", "203.0.113.7"):  # both have to hold
        assert doors.may("both", "infer", address) == OUTSIDE


def test_a_network_in_the_clothes_of_ipv6_is_one_of_ipv4() -> None:
    doors = Doors({"r": Contract(output="label", cidr=("::ffff:10.1.0.0/112",))})
    assert doors.may("r", "infer", "10.1.2.3") is None
    assert doors.may("r", "infer", "10.2.2.3") == OUTSIDE


def test_a_model_of_high_risk_lets_in_only_roles_bound_to_the_inside() -> None:
    doors = Doors(ROLES, high_risk=True)
    for role in ("open", "office"):
        for address in ("127.0.0.1", "10.0.0.1", "203.0.113.7"):
            assert doors.may(role, "infer", address) == HIGH_RISK
            assert doors.may(role, "metadata", address) == HIGH_RISK
    assert doors.may("inside", "infer", "10.0.0.1") is None
    assert doors.may("inside", "infer", ANYWHERE) == OUTSIDE
    for role in ("admin", "observer"):
        assert doors.may(role, "observe", "127.0.0.1") is None
        assert doors.may(role, "observe", ANYWHERE) == OUTSIDE
        assert Doors(ROLES).may(role, "observe", ANYWHERE) is None


def test_a_verdict_stays_the_same_and_the_memory_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reticent.access.policy.MOST_CACHED", 10)
    doors = Doors(ROLES)
    for place in range(300):
        inner, outer = f"10.0.{place}.1".replace("10.0.256", "10.1.0"), f"8.8.{place % 256}.8"
        for _ in range(2):
            assert (doors.may("inside", "infer", outer), doors.may("open", "infer", outer)) == (
                OUTSIDE, None
            )  # fmt: skip
            assert doors.address(inner) in (inner, "")
    assert len(doors._verdicts) <= 10
    assert len(doors._places) <= 10


# Where a request comes from -------------------------------------------------------------------


@pytest.mark.parametrize("claim", ["127.0.0.1", "10.0.0.1, 10.0.0.2", "::1", "1.2.3.4"])
def test_nobody_is_believed_who_is_no_trusted_proxy(claim: str) -> None:
    for doors in (Doors(ROLES), Doors(ROLES, trusted_proxies=["10.9.9.9"])):
        assert doors.address(ANYWHERE, forwarded(claim)) == ANYWHERE
        assert doors.address("10.9.9.8", forwarded(claim)) == "10.9.9.8"


def test_only_what_a_trusted_proxy_wrote_is_believed() -> None:
    doors = Doors(ROLES, trusted_proxies=["10.9.9.9", "10.8.0.0/16", "fd00::5"])
    for peer in ("10.9.9.9", "::ffff:10.9.9.9", "10.8.3.3", "fd00::5"):
        assert doors.address(peer, forwarded("8.8.8.8")) == "8.8.8.8"
        assert doors.address(peer, forwarded("127.0.0.1, 8.8.8.8")) == "8.8.8.8"  # spoofed
        assert doors.address(peer, forwarded("127.0.0.1", "8.8.8.8")) == "8.8.8.8"  # two headers
        assert doors.address(peer, forwarded("127.0.0.1, 8.8.8.8, 10.8.0.1")) == "8.8.8.8"
        assert doors.address(peer, forwarded("8.8.8.8,::ffff:10.8.0.1")) == "8.8.8.8"
    assert doors.address("10.9.9.9", forwarded("10.8.0.2, 10.8.0.1")) == "10.8.0.2"


def test_forms_of_a_hop() -> None:
    doors = Doors(ROLES, trusted_proxies=["10.9.9.9"])
    for written, read in [
        ("8.8.8.8:1234", "8.8.8.8"), ("[2001:db8::1]:80", "2001:db8::1"),
        ("[2001:DB8:0::1]", "2001:db8::1"), ("2001:db8::1", "2001:db8::1"),
        ("::ffff:8.8.8.8", "8.8.8.8"), ("  8.8.8.8  ", "8.8.8.8"), ("fe80::1%eth0", "fe80::1"),
    ]:  # fmt: skip
        assert doors.address("10.9.9.9", forwarded(written)) == read


@pytest.mark.parametrize(
    "junk", ["unknown", "10.0.0.1, unknown", "10.0.0.1,", "10.0.0.1, ,", "_hidden", "\xff",
             "10.0.0.1;8.8.8.8", "[", "a" * 9999, "fc00::1%" + "a" * 9999]
)  # fmt: skip
def test_a_hop_that_cannot_be_read_is_nowhere(junk: str) -> None:
    doors = Doors(ROLES, trusted_proxies=["10.9.9.9"])
    address = doors.address("10.9.9.9", forwarded(junk))
    assert address == ""
    assert doors.may("inside", "infer", address) == OUTSIDE
    assert doors.may("open", "infer", address) is None


def test_a_proxy_that_says_nothing_is_the_caller() -> None:
    doors = Doors(ROLES, trusted_proxies=["10.9.9.9"])
    assert doors.address("10.9.9.9", forwarded()) == "10.9.9.9"
    assert doors.address("10.9.9.9", forwarded("")) == "10.9.9.9"
    assert doors.address("10.9.9.9", [(b"forwarded", b"for=8.8.8.8")]) == "10.9.9.9"
    assert doors.address("") == doors.address("a socket") == ""


def test_a_long_row_of_trusted_hops_costs_no_more_than_64() -> None:
    doors = Doors(ROLES, trusted_proxies=["10.0.0.0/8"])
    assert doors.address("10.9.9.9", forwarded(",".join(["8.8.8.8"] + ["10.0.0.1"] * 63))) == (
        "8.8.8.8"
    )
    assert doors.address("10.9.9.9", forwarded(",".join(["8.8.8.8"] + ["10.0.0.1"] * 64))) == (
        "10.0.0.1"
    )


addresses = st.ip_addresses().map(str)


@given(st.lists(addresses | st.text(max_size=20), max_size=5), addresses)
def test_nothing_that_stands_left_of_an_untrusted_hop_matters(left: list[str], hop: str) -> None:
    doors = Doors(ROLES, trusted_proxies=["198.51.100.1"])
    claims = ",".join([*left, hop]).encode("utf-8", "replace").decode("latin-1")
    found = doors.address("198.51.100.1", forwarded(claims))
    address = ipaddress.ip_address(hop)
    mapped = getattr(address, "ipv4_mapped", None)
    if str(mapped or address) != "198.51.100.1":
        assert found == str(mapped or address)


@pytest.mark.parametrize("proxy", ["", "proxy.local", "10.0.0.0/33", "10.0.0.1/8", "*"])
def test_a_proxy_that_is_no_address_is_refused(proxy: str) -> None:
    with pytest.raises(ConfigError, match="trusted_proxies"):
        Doors(ROLES, trusted_proxies=[proxy])

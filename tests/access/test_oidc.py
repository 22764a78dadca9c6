"""Whose tokens are accepted: what may be configured, and what is fetched from where."""

from __future__ import annotations

import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from issuer import AUDIENCE, ISSUER, NOW, claims, jwks, signing, token, web
from reticent.access import oidc as oidc_module
from reticent.access.oidc import ALGORITHMS, Oidc, fetched, read_jwks, trustworthy
from reticent.access.tokens import Tokens
from reticent.errors import ConfigError

GOOD: dict[str, Any] = {
    "issuer": ISSUER, "audience": AUDIENCE, "roles": {"analyst": "partner"},
}  # fmt: skip
WELL_KNOWN = "/.well-known/openid-configuration"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"algorithms": ["none"]}, "'none' is not accepted"),
        ({"algorithms": ["RS256", "HS256"]}, r"'HS256' is not accepted \(did you mean 'RS256'"),
        ({"algorithms": []}, "names none"),
        ({"roles": {}}, "nobody would come in"),
        ({"audience": ""}, "it is empty"),
        ({"leeway": -1}, "out of range"),
        ({"leeway": 301}, "out of range"),
        ({"issuer": "http://login.example"}, "no https address"),
        ({"issuer": "login.example"}, "no https address"),
        ({"jwks": "http://login.example/keys"}, "not an https address"),
        ({"jwks": "file:///etc/passwd"}, "not an https address"),
        ({"jwks": "ftp://login.example/keys"}, "not an https address"),
    ],
)
def test_what_may_not_be_configured(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        msgspec.convert({**GOOD, **changed}, Oidc)


def test_what_may() -> None:
    for changed in ({}, {"jwks": "keys.json"}, {"jwks": "https://x/y"}, {"leeway": 0},
                    {"issuer": "a name", "jwks": "keys.json"}):  # fmt: skip
        made = msgspec.convert({**GOOD, **changed}, Oidc)
        assert set(made.algorithms) <= set(ALGORITHMS)
    assert not any(name.startswith("HS") or name == "none" for name in ALGORITHMS)


def test_roles_have_to_be_the_projects() -> None:
    with pytest.raises(ConfigError, match="did you mean 'partners'"):
        Oidc(**GOOD).check_roles(["partners", "admin"])
    Oidc(**GOOD).check_roles(["partner"])


@pytest.mark.parametrize(
    ("url", "holds"),
    [
        ("https://a.example/x", True), ("http://127.0.0.1:8/x", True), ("http://[::1]/x", True),
        ("http://localhost/x", True), ("http://localhost.evil.example/", False),
        ("http://127.0.0.1@evil.example/", False), ("http://a.example", False), ("https://", False),
        ("ftp://127.0.0.1/", False), ("file:///x", False), ("https://[", False), ("", False),
    ],
)  # fmt: skip
def test_what_is_trustworthy(url: str, holds: bool) -> None:
    assert trustworthy(url) is holds


def test_keys_from_a_file(tmp_path: Path) -> None:
    key = signing("RSA", "one")
    (tmp_path / "keys.json").write_bytes(jwks(key))
    tokens = Tokens(Oidc(**GOOD, jwks="keys.json"), tmp_path)
    tokens.fetch(NOW)
    assert tokens.verify(token(key), NOW) is not None
    (tmp_path / "keys.json").unlink()
    tokens.fetch(NOW)
    assert (tokens.problem or "").startswith("FileNotFoundError")


def test_keys_from_the_web_by_discovery() -> None:
    key = signing("RSA", "one")
    pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
    with web(pages) as address:
        pages["/keys"] = (200, {}, jwks(key))
        found = {"issuer": address, "jwks_uri": f"{address}/keys", "more": 1}
        pages[WELL_KNOWN] = (200, {}, json.dumps(found).encode())
        tokens = Tokens(Oidc(**{**GOOD, "issuer": address}))
        tokens.fetch(NOW)
        assert tokens.problem is None
        assert tokens.verify(token(key, claims(iss=address)), NOW) is not None
        other = {**found, "issuer": "https://evil.example"}
        pages[WELL_KNOWN] = (200, {}, json.dumps(other).encode())
        with pytest.raises(ValueError, match="another issuer"):
            read_jwks(Oidc(**{**GOOD, "issuer": address}), Path())
        for uri in ("http://evil.example/keys", "file:///etc/passwd", "data:,x"):
            pages[WELL_KNOWN] = (200, {}, json.dumps({**found, "jwks_uri": uri}).encode())
            with pytest.raises(ValueError, match="not an https"):
                read_jwks(Oidc(**{**GOOD, "issuer": address}), Path())


def test_what_goes_wrong_on_the_way_is_borne() -> None:
    pages: dict[str, tuple[int, dict[str, str], bytes]] = {}
    with web(pages) as address:
        pages["/keys"] = (200, {}, jwks(signing("RSA", "one")))
        pages["/moved"] = (302, {"Location": f"{address}/keys"}, b"")
        pages["/broken"] = (500, {}, b"")
        pages["/large"] = (200, {}, pages["/keys"][2] + b" " * 1_100_000)
        pages["/short"] = (200, {"Content-Length": "1000"}, b"{}")
        pages["/length"] = (200, {"Content-Length": "x"}, b"{}")
        for path in ("/moved", "/broken", "/large", "/short", "/length", "/nothing"):
            tokens = Tokens(Oidc(**GOOD, jwks=address + path))
            tokens.fetch(NOW)
            assert tokens.problem is not None, path
            assert not tokens._keys
        assert json.loads(fetched(f"{address}/keys"))["keys"]
    tokens = Tokens(Oidc(**GOOD, jwks=f"{address}/keys"))
    tokens.fetch(NOW)
    assert tokens.problem is not None  # nobody listens there now


@pytest.mark.parametrize("dripping", [b"", b"HTTP/1.1 200 OK\r\n\r\n", b"no http\r\n\r\n"])
def test_a_server_that_drips_is_left(monkeypatch: pytest.MonkeyPatch, dripping: bytes) -> None:
    monkeypatch.setattr(oidc_module, "SECONDS", 0.2)
    listener, over = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def drip() -> None:
        caller, _ = listener.accept()
        with caller:
            caller.sendall(dripping)
            while dripping and not over.wait(0.02):
                try:
                    caller.sendall(b" ")
                except OSError:
                    return
            over.wait(5)

    thread = threading.Thread(target=drip)
    thread.start()
    began = time.monotonic()
    tokens = Tokens(Oidc(**GOOD, jwks=f"http://127.0.0.1:{listener.getsockname()[1]}/"))
    tokens.fetch(NOW)
    over.set()
    thread.join()
    listener.close()
    assert tokens.problem is not None
    assert time.monotonic() - began < 3

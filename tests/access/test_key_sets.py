"""A provider's keys come and go, and its tokens come to the door."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

import reticent.access
from access.provider import OIDC, Provider
from issuer import ISSUER, NOW, claims, jwks, signing, token, unsigned
from reticent.access import jose
from reticent.access.identity import Identity
from reticent.access.keys import issue
from reticent.access.oidc import Oidc
from reticent.access.tokens import FRESH_SECONDS, LOST_SECONDS, RETRY_SECONDS, Tokens
from reticent.errors import MissingExtraError
from stored import MemoryStore

# Keys come and go -----------------------------------------------------------------------------


def test_a_new_key_is_fetched_and_an_old_one_forgotten(provider: Provider, rsa: Any) -> None:
    new = signing("RSA", "two")
    assert provider.ask(token(rsa)) is not None
    provider.document = jwks(new)
    later = NOW + RETRY_SECONDS
    assert provider.ask(token(new), later - 0.1) is None  # asked again too soon
    assert provider.reads == 1
    assert provider.ask(token(new), later) is not None
    assert provider.reads == 2
    assert provider.ask(token(rsa), later + RETRY_SECONDS) is None


def test_unknown_keys_are_fetched_for_once_in_ten_seconds(provider: Provider) -> None:
    stranger = token(signing("RSA", "nobody"))
    for tenth in range(300):
        assert provider.ask(stranger, NOW + tenth / 10) is None
    assert provider.reads == 3


def test_junk_fetches_nothing(provider: Provider, rsa: Any) -> None:
    for text in ("a.b.c", unsigned({"alg": "none"}, {}), unsigned({"alg": "HS256"}, {})):
        assert provider.ask(text) is None
    assert provider.reads == 0


def test_a_withdrawn_key_is_noticed(provider: Provider, rsa: Any) -> None:
    text = token(rsa, claims(exp=NOW + 1e6))
    assert provider.ask(text) is not None
    provider.document = jwks()
    assert provider.ask(text, NOW + FRESH_SECONDS - 1) is not None
    assert provider.ask(text, NOW + FRESH_SECONDS) is None


def test_a_provider_that_is_away_is_borne_for_an_hour(provider: Provider, rsa: Any) -> None:
    text = token(rsa, claims(exp=NOW + 1e6))
    assert provider.ask(text) is not None
    for broken in (OSError("away"), b"", b"{}", b"[]", b'{"keys": 7}', b"\xff", b"[" * 100_000):
        provider.document = broken
        assert provider.ask(text, NOW + LOST_SECONDS - 1) is not None
        assert provider.tokens.problem is not None
        assert "away" not in provider.tokens.problem
        provider.tokens._tried = None
    assert provider.reason(text, NOW + LOST_SECONDS) == "key"
    provider.document = jwks(rsa)
    assert provider.ask(text, NOW + LOST_SECONDS + RETRY_SECONDS) is not None
    assert provider.tokens.problem is None


def test_a_clock_that_is_set_back_stops_nothing(provider: Provider, rsa: Any) -> None:
    assert provider.ask(token(rsa, claims(exp=NOW + 1e6)), NOW + 1e5) is not None
    assert provider.ask(token(rsa)) is not None
    assert provider.reads == 2


def test_odd_keys_in_a_key_set_are_passed_over(provider: Provider, rsa: Any) -> None:
    odd: list[Any] = [
        7, None, [], {}, {"kty": 7}, {"kty": "RSA"}, {"kty": "RSA", "n": "A" * 400, "e": "AA"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, {"kty": "new", "x": "A"},
        {"kty": "OKP", "crv": "X25519", "x": "A" * 43}, {"kty": "EC", "crv": "P-0", "x": 1, "y": 2},
        {"kty": "RSA", "n": ["A"] * 400, "e": "AQAB"}, {"kty": "RSA", "n": "é" * 400, "e": "AQAB"},
    ]  # fmt: skip
    document = {"keys": [*odd, rsa.as_dict(private=False)]}
    provider.document = json.dumps(document).encode()
    assert provider.ask(token(rsa)) is not None


def test_a_token_without_a_key_name_needs_a_single_key(rsa: Any) -> None:
    text = token(rsa, kid=None)
    assert Provider(rsa, signing("P-256", "x")).ask(text) is not None  # one of its kind
    assert Provider(rsa, signing("RSA", "two")).reason(text) == "key"


def test_of_keys_without_a_name_only_those_for_signing_by_this_algorithm_count(rsa: Any) -> None:
    text, own = token(rsa, kid=None), rsa.as_dict(private=False)
    other = signing("RSA", "two").as_dict(private=False)
    for more in ({"use": "enc"}, {"alg": "RS512"}):
        provider = Provider(rsa)
        provider.document = json.dumps({"keys": [{**other, **more}, own]}).encode()
        assert provider.ask(text) is not None


def test_the_library_is_given_the_projects_algorithms_only(rsa: Any) -> None:
    for alg, holds in (("RS256", True), ("RS384", False)):
        found = jose.payload(token(rsa, alg=alg), [rsa], jose.Allowed(["RS256"]))
        assert (found is not None) is holds


# At the door ----------------------------------------------------------------------------------


def asked(identity: Identity, *texts: str, now: float = NOW) -> list[Any]:
    async def all_at_once() -> list[Any]:
        return await asyncio.gather(
            *(identity.who(f"Bearer {text}".encode(), now) for text in texts)
        )

    return asyncio.run(all_at_once())


def test_a_token_is_a_principal_and_is_remembered(provider: Provider, rsa: Any) -> None:
    identity = Identity(MemoryStore(), b"s" * 32, provider.tokens)
    text = token(rsa, claims(exp=NOW + 1e6))
    [found] = asked(identity, text)
    assert (found.role, found.auditor, found.expires) == ("partner", False, NOW + FRESH_SECONDS)
    assert found.token == identity.token(f"oidc:{ISSUER}\nann")
    header = f"Bearer {text}".encode()
    assert identity.known(header, NOW + FRESH_SECONDS - 1) == found
    assert identity.known(header, NOW + FRESH_SECONDS) is None
    [again] = asked(identity, token(rsa, claims(jti="another token")))
    assert again.token == found.token
    assert asked(identity, token(rsa, claims(sub="bob")))[0].token != found.token
    assert asked(identity, text[:-2]) == [None]


def test_without_a_provider_no_token_comes_in(rsa: Any) -> None:
    assert asked(Identity(MemoryStore(), b"s" * 32), token(rsa)) == [None]


def test_a_crowd_waits_for_one_fetch(rsa: Any) -> None:
    crowd, reads = 50, []
    began, let_go = threading.Event(), threading.Event()

    def slow(oidc: Oidc, folder: Path) -> bytes:
        reads.append(oidc)
        began.set()
        assert let_go.wait(10)
        return jwks(rsa)

    tokens = Tokens(OIDC, read=slow)
    identity = Identity(MemoryStore(), b"s" * 32, tokens)
    texts = [token(rsa, claims(sub=f"p{place}")) for place in range(crowd)]

    async def all_at_once() -> list[Any]:
        asking = [
            asyncio.create_task(identity.who(f"Bearer {text}".encode(), NOW)) for text in texts
        ]
        await asyncio.to_thread(began.wait, 10)
        await asyncio.sleep(0.01)
        assert not any(one.done() for one in asking)  # and the loop is free meanwhile
        let_go.set()
        return await asyncio.gather(*asking)

    assert len({one.token for one in asyncio.run(all_at_once())}) == crowd
    assert len(reads) == 1


def test_a_key_is_looked_up_though_the_provider_is_away(provider: Provider) -> None:
    provider.document = OSError()
    store = MemoryStore()
    record, text = issue(b"s" * 32, "partner", now=NOW)
    store.save_key(record)
    identity = Identity(store, b"s" * 32, provider.tokens)
    assert asked(identity, text)[0].role == "partner"
    assert provider.reads == 0


def test_without_joserfc_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "reticent.access.jose", raising=False)
    monkeypatch.delattr(reticent.access, "jose", raising=False)
    monkeypatch.setitem(sys.modules, "joserfc", None)
    with pytest.raises(MissingExtraError, match=r"reticent\[serve\]"):
        Tokens(OIDC)

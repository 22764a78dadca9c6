"""Tokens: only what the provider signed, for us, for now; and keys that come and go."""

from __future__ import annotations

import asyncio
import json
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest

from issuer import AUDIENCE, ISSUER, NOW, claims, jwks, shared, signing, token, unsigned
from reticent.access.identity import Identity
from reticent.access.oidc import Oidc
from reticent.access.tokens import FRESH_SECONDS, LOST_SECONDS, RETRY_SECONDS, Claimed, Tokens
from reticent.errors import MissingExtraError
from stored import MemoryStore

ROLES = {"analyst": "partner", "boss": "admin", "ward nurse": "nurse"}
OIDC = Oidc(issuer=ISSUER, audience=AUDIENCE, roles=ROLES, jwks="keys.json")


class Provider:
    """A key set that can change or fail, and whoever reads it."""

    def __init__(self, *keys: Any, oidc: Oidc = OIDC) -> None:
        self.document: bytes | Exception = jwks(*keys)
        self.reads = 0
        self.tokens = Tokens(oidc, read=self.read)

    def read(self, oidc: Oidc, folder: Path) -> bytes:
        self.reads += 1
        if isinstance(self.document, Exception):
            raise self.document
        return self.document

    def ask(self, text: str, now: float = NOW) -> Claimed | None:
        if self.tokens.lacks(text, now):
            self.tokens.fetch(now)
        return self.tokens.verify(text, now)

    def reason(self, text: str, now: float = NOW) -> str:
        self.tokens.refused.clear()
        assert self.ask(text, now) is None
        return next(iter(self.tokens.refused))


KINDS = [("RSA", "RS256"), ("RSA", "PS384"), ("P-256", "ES256"), ("P-521", "ES512"),
         ("Ed25519", "EdDSA"), ("Ed25519", "Ed25519")]  # fmt: skip


@pytest.fixture
def rsa() -> Any:
    return signing("RSA", "one")


@pytest.fixture
def provider(rsa: Any) -> Provider:
    return Provider(rsa)


@pytest.mark.parametrize(("kind", "alg"), KINDS)
def test_a_good_token_is_whom_it_names(kind: str, alg: str) -> None:
    key = signing(kind, kind)
    provider = Provider(key, oidc=one_algorithm(alg))
    text, other = token(key, alg=alg), token(key, claims(sub="bob"), alg=alg)
    found = provider.ask(text)
    assert found == Claimed(f"oidc:{ISSUER}\nann", "partner", NOW + 60 + OIDC.leeway)
    head, said, signature = text.split(".")
    for place in (0, len(signature) // 2):
        letter = "A" if signature[place] != "A" else "B"
        changed = signature[:place] + letter + signature[place + 1 :]
        assert provider.reason(f"{head}.{said}.{changed}") == "signature"
    assert provider.reason(f"{head}.{other.split('.')[1]}.{signature}") == "signature"


def one_algorithm(*names: str) -> Oidc:
    return Oidc(issuer=ISSUER, audience=AUDIENCE, roles=ROLES, jwks="x", algorithms=names)


# Forged ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "HS256", "HS512", "", "RS257"])
def test_algorithms_that_prove_nothing(provider: Provider, alg: str) -> None:
    for signature in ("", "AAAA"):
        head = {"alg": alg, "typ": "JWT", "kid": "one"}
        assert provider.reason(unsigned(head, claims(), signature)) == "algorithm"


def test_the_public_key_is_no_shared_secret(provider: Provider, rsa: Any) -> None:
    """The classic: HS256 under the text of the RSA key, which everybody knows."""
    for secret in (rsa.as_pem(private=False), rsa.as_pem(private=False).strip(), jwks(rsa)):
        for head in ({"kid": "one"}, {}):
            assert provider.reason(shared(secret, claims(), **head)) == "algorithm"


def test_shared_secrets_in_a_key_set_are_passed_over(rsa: Any) -> None:
    secret = {"kty": "oct", "k": "A" * 43, "kid": "one", "alg": "HS256"}
    provider = Provider(rsa)
    provider.document = json.dumps({"keys": [secret]}).encode()
    assert provider.reason(shared(bytes(32), claims(), kid="one")) == "algorithm"
    assert provider.reason(token(rsa)) == "key"


def test_a_foreign_key_of_the_same_name(provider: Provider) -> None:
    from joserfc.jwk import RSAKey

    foreign = RSAKey.generate_key(2048, {"kid": "one"})
    assert provider.reason(token(foreign)) == "signature"
    assert provider.reason(token(foreign, kid=None)) == "signature"
    assert provider.reason(token(foreign, kid="two")) == "key"


def test_a_key_in_the_token_is_never_used(provider: Provider) -> None:
    foreign = signing("RSA", "foreign")
    public = foreign.as_dict(private=False)
    heads: list[dict[str, Any]] = [{"jwk": public}, {"jku": "https://evil.example/jwks"}, {"x5u": "https://e.x/c"},
                 {"x5c": ["AAAA"]}, {"jwk": public, "kid": "one"}]  # fmt: skip
    for more in heads:
        assert provider.reason(token(foreign, **{"kid": "one", **more})) == "signature"
        assert provider.reason(token(foreign, **{**more, "kid": None})) == "signature"
    assert provider.reads == 1


def test_an_algorithm_that_the_project_does_not_take(rsa: Any) -> None:
    provider = Provider(rsa, oidc=one_algorithm("ES256"))
    assert provider.reason(token(rsa)) == "algorithm"
    assert provider.reads == 0


def test_a_key_of_one_kind_does_not_verify_for_another() -> None:
    rsa, curve = signing("RSA", "k"), signing("P-256", "k")
    provider = Provider(rsa)
    assert provider.reason(token(curve, alg="ES256")) == "key"
    assert Provider(signing("P-384", "k")).reason(token(curve, alg="ES256")) == "signature"
    both = Provider(rsa, curve)  # one name for two keys is allowed where their kinds differ
    assert both.ask(token(rsa)) is not None
    assert both.ask(token(curve, alg="ES256")) is not None


def test_a_key_for_something_else_does_not_verify(rsa: Any) -> None:
    for more in ({"use": "enc"}, {"alg": "RS512"}, {"key_ops": ["encrypt"]}, {"use": ["sig"]}):
        provider = Provider(rsa)
        provider.document = json.dumps({"keys": [{**rsa.as_dict(private=False), **more}]}).encode()
        if "key_ops" in more:
            provider.document = provider.document.replace(b'"use": "sig", ', b"")
        assert provider.ask(token(rsa)) is None


def test_a_short_rsa_key_counts_for_nothing() -> None:
    from joserfc.jwk import RSAKey

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        short = RSAKey.generate_key(1024, {"kid": "one"})
        text, document = token(short), jwks(short)
    provider = Provider()
    provider.document = document
    assert provider.reason(text) == "key"


# Not for us, not for now ----------------------------------------------------------------------

LEEWAY = OIDC.leeway


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"iss": "https://other.example"}, "issuer"),
        ({"iss": ISSUER + "/"}, "issuer"),
        ({"iss": None}, "claims"),
        ({"aud": "other"}, "audience"),
        ({"aud": ["other", "reticent2"]}, "audience"),
        ({"aud": []}, "audience"),
        ({"aud": ""}, "audience"),
        ({"aud": None}, "claims"),
        ({"aud": {"reticent": 1}}, "claims"),
        ({"exp": NOW - LEEWAY}, "expired"),
        ({"exp": -1e308}, "expired"),
        ({"exp": None}, "claims"),
        ({"exp": "2000000000"}, "claims"),
        ({"exp": True}, "claims"),
        ({"nbf": NOW + LEEWAY + 1}, "too early"),
        ({"iat": NOW + LEEWAY + 1}, "too early"),
        ({"sub": ""}, "subject"),
        ({"sub": "x" * 1025}, "subject"),
        ({"sub": None}, "claims"),
        ({"sub": 7}, "claims"),
        ({"cnf": {"jkt": "x"}}, "bound"),
        ({"roles": None}, "role"),
        ({"roles": []}, "role"),
        ({"roles": ["Analyst", "analyst ", 7, None, ["analyst"]]}, "role"),
        ({"roles": {"analyst": True}}, "role"),
        ({"roles": 7}, "role"),
        ({"roles": "partner"}, "role"),
    ],
)  # fmt: skip
def test_claims_that_do_not_hold(
    provider: Provider, rsa: Any, changed: dict[str, Any], reason: str
) -> None:
    assert provider.reason(token(rsa, claims(**changed))) == reason


@pytest.mark.parametrize(
    ("changed", "role"),
    [
        ({"aud": ["other", AUDIENCE]}, "partner"),
        ({"exp": NOW - LEEWAY + 1}, "partner"),
        ({"exp": 1e308}, "partner"),
        ({"nbf": NOW + LEEWAY}, "partner"),
        ({"iat": None}, "partner"),
        ({"roles": "analyst"}, "partner"),
        ({"roles": "openid boss"}, "admin"),
        ({"roles": "ward nurse"}, "nurse"),
        ({"roles": ["boss", "analyst"]}, "partner"),  # the first in the file
    ],
)
def test_claims_that_hold(provider: Provider, rsa: Any, changed: dict[str, Any], role: str) -> None:
    found = provider.ask(token(rsa, claims(**changed)))
    assert found is not None
    assert found.role == role
    assert found.until <= NOW + FRESH_SECONDS


def test_a_claim_within_tables(rsa: Any) -> None:
    cases: list[tuple[str, dict[str, Any]]] = [
        ("realm.roles", {"realm": {"roles": ["boss"]}}),
        ("realm.roles", {"realm.roles": "boss", "realm": {"roles": "analyst"}}),
        ("https://x.example/roles", {"https://x.example/roles": ["boss"]}),
    ]
    for name, said in cases:
        oidc = Oidc(issuer=ISSUER, audience=AUDIENCE, roles=ROLES, jwks="x", role_claim=name)
        provider = Provider(rsa, oidc=oidc)
        found = provider.ask(token(rsa, claims(roles=None, **said)))
        assert found is not None
        assert found.role == "admin"
        assert provider.reason(token(rsa, claims(realm="boss"))) == "role"


def test_types_of_tokens(provider: Provider, rsa: Any) -> None:
    for typ in ("JWT", "jwt", "at+jwt", "application/at+jwt", None):
        assert provider.ask(token(rsa, typ=typ)) is not None
    for typ in ("logout+jwt", "dpop+jwt", "JWE", "secevent+jwt"):
        assert provider.reason(token(rsa, typ=typ)) == "form"


def test_headers_that_want_something_understood(provider: Provider, rsa: Any) -> None:
    heads: list[dict[str, Any]] = [
        {"crit": ["x"], "x": 1}, {"b64": False, "crit": ["b64"]}, {"b64": True}, {"crit": []}
    ]  # fmt: skip
    for head in heads:
        text = unsigned({"alg": "RS256", "kid": "one", **head}, claims(), "AAAA")
        assert provider.reason(text) == "form"


NO_TOKENS = [
    "..", "...", "a.b", "a.b.c.d.e", "é.é.é", "\0.\0.\0", "=.=.=", "W10.W10.W10", "bnVsbA.e30.AA",
    "e30.e30.e30", unsigned(b"[" * 100_000, {}), unsigned(b'{"alg":' * 500, {}),
    unsigned(b'{"alg":"RS256","x":' + b"[" * 3000 + b"]" * 3000 + b"}", {}),
    unsigned({"alg": ["RS256"]}, {}), unsigned({"alg": {"a": 1}}, {}), unsigned({"alg": None}, {}),
    unsigned({"alg": "RS256", "kid": 7}, {}), unsigned({"alg": "RS256", "kid": ["one"]}, {}),
    unsigned({"alg": "RS256", "x": "y" * 20_000}, {}), unsigned(b"\xff\xfe", {}),
]  # fmt: skip


@pytest.mark.parametrize("text", NO_TOKENS, ids=range(len(NO_TOKENS)))
def test_what_is_no_token(provider: Provider, text: str) -> None:
    assert provider.reason(text) in ("form", "algorithm", "signature")
    assert provider.reads <= 1


@pytest.mark.parametrize("said", [b"", b"7", b"[]", b"null", b"{", b"\xff", b"[" * 50_000,
                                  b'{"iss":' + b"[" * 5000 + b"]" * 5000 + b"}"],
                         ids=range(8))  # fmt: skip
def test_signed_nonsense(provider: Provider, rsa: Any, said: bytes) -> None:
    assert provider.reason(token(rsa, said)) == "claims"


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
    provider, crowd = Provider(rsa), 50
    began, let_go = threading.Event(), threading.Event()

    def slow(oidc: Oidc, folder: Path) -> bytes:
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
    assert provider.reads == 0


def test_a_key_is_looked_up_though_the_provider_is_away(provider: Provider) -> None:
    from reticent.access.keys import issue

    provider.document = OSError()
    store = MemoryStore()
    record, text = issue(b"s" * 32, "partner", now=NOW)
    store.save_key(record)
    identity = Identity(store, b"s" * 32, provider.tokens)
    assert asked(identity, text)[0].role == "partner"
    assert provider.reads == 0


def test_without_joserfc_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    import reticent.access

    monkeypatch.delitem(sys.modules, "reticent.access.jose", raising=False)
    monkeypatch.delattr(reticent.access, "jose", raising=False)
    monkeypatch.setitem(sys.modules, "joserfc", None)
    with pytest.raises(MissingExtraError, match=r"reticent\[serve\]"):
        Tokens(OIDC)

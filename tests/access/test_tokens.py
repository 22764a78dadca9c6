"""Tokens: only what the provider signed, for us, for now; and keys that come and go."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest

from access.provider import OIDC, ROLES, Provider
from issuer import AUDIENCE, ISSUER, NOW, claims, jwks, shared, signing, token, unsigned
from reticent.access.oidc import Oidc
from reticent.access.tokens import FRESH_SECONDS, Claimed

KINDS = [("RSA", "RS256"), ("RSA", "PS384"), ("P-256", "ES256"), ("P-521", "ES512"),
         ("Ed25519", "EdDSA"), ("Ed25519", "Ed25519")]  # fmt: skip


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
        ({"aud": "reticent2"}, "audience"),
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

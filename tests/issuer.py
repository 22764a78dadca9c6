"""An identity provider for tests: keys, tokens and a small web server on this machine."""

from __future__ import annotations

import base64
import hmac
import json
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

ISSUER, AUDIENCE, NOW = "https://login.example", "reticent", 1_800_000_000.0
EVERY = [*JWSRegistry.algorithms]


@cache
def signing(kind: str, kid: str) -> Any:
    """A key of a kind: RSA, P-256 and the like, or Ed25519."""
    named: Any = {"kid": kid, "use": "sig"}
    if kind == "RSA":
        return RSAKey.generate_key(2048, named)
    if kind.startswith("P-"):
        return ECKey.generate_key(kind, named)
    return OKPKey.generate_key("Ed25519", named)


def jwks(*keys: Any) -> bytes:
    """Publish the public halves."""
    return json.dumps({"keys": [key.as_dict(private=False) for key in keys]}).encode()


def claims(**changed: Any) -> dict[str, Any]:
    """What an honest token says; a claim changed to None is left out."""
    said = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "iat": NOW - 10, "exp": NOW + 60,
        "roles": ["analyst"], **changed,
    }  # fmt: skip
    return {name: value for name, value in said.items() if value is not None}


def token(
    key: Any, said: Mapping[str, Any] | bytes | None = None, alg: str = "RS256", **header: Any
) -> str:
    """Sign what is said; a field of the header that is None is left out."""
    head = {"alg": alg, "typ": "JWT", "kid": key.get("kid"), **header}
    head = {name: value for name, value in head.items() if value is not None}
    body = said if isinstance(said, bytes) else json.dumps(said or claims()).encode()
    registry = JWSRegistry(algorithms=EVERY, strict_check_header=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an algorithm's older name
        signed: str = jws.serialize_compact(head, body, key, registry=registry)
    return signed


def unsigned(head: Mapping[str, Any] | bytes, said: Mapping[str, Any], signature: str = "") -> str:
    """Write a token by hand."""
    first = head if isinstance(head, bytes) else json.dumps(head).encode()
    parts = [base64.urlsafe_b64encode(one).rstrip(b"=").decode()
             for one in (first, json.dumps(said).encode())]  # fmt: skip
    return ".".join([*parts, signature])


def shared(secret: bytes, said: Mapping[str, Any], alg: str = "HS256", **header: Any) -> str:
    """Authenticate what is said by a secret that both sides hold."""
    head, _, body = unsigned({"alg": alg, **header}, said)[:-1].partition(".")
    kinds = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
    tag = hmac.digest(secret, f"{head}.{body}".encode(), kinds[alg])
    return f"{head}.{body}.{base64.urlsafe_b64encode(tag).rstrip(b'=').decode()}"


@contextmanager
def web(pages: Mapping[str, tuple[int, dict[str, str], bytes]]) -> Iterator[str]:
    """Serve pages on this machine: path to status, headers and body. Gives the address."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = pages.get(self.path, (404, {}, b""))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

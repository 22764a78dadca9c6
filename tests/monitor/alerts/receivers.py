"""What alerts are sent to, on this machine: web and syslog servers that behave or do not."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from reticent.event import Alert

CALLER, SOURCE = b"\xab" * 16, b"\xcd" * 16


def alert(**changed: Any) -> Alert:
    """An alert as a detector raises it."""
    said: dict[str, Any] = {
        "id": "0123456789abcdef", "at": 1_800_000_000.25, "caller": CALLER, "query": 7,
        "detector": "sweep", "reason": "The 4th record asked with two values of affairs.",
        "promise": "At most 1 % of honest callers, ever.", "evidence": {"records": 4.0},
        "role": "partner", "model": "forest", "contract": "c0ffee", "source": SOURCE, **changed,
    }  # fmt: skip
    return Alert(**said)


@dataclass(frozen=True, slots=True)
class Got:
    """One request."""

    path: str
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


@dataclass
class Web:
    """A web server: what it answers, and what it was sent."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    got: list[Got] = field(default_factory=list)
    url: str = ""
    answer: Callable[[Any], None] | None = None
    judge: Callable[[Got], int] | None = None


@contextmanager
def web(web: Web, secured: ssl.SSLContext | None = None) -> Iterator[Web]:
    """Serve on this machine."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            got = Got(self.path, self.headers, self.rfile.read(size))
            web.got.append(got)
            if web.answer is not None:
                with suppress(OSError):
                    web.answer(self)
                return
            self.send_response(web.status if web.judge is None else web.judge(got))
            for name, value in web.headers.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(web.body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, address: Any) -> None:
            pass

    server = Server(("127.0.0.1", 0), Answers)
    if secured is not None:
        server.socket = secured.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    web.url = f"http{'s' if secured else ''}://localhost:{server.server_port}/hook"
    try:
        yield web
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Lines:
    """A syslog server: what arrived, as bytes of one connection or datagram each."""

    got: list[bytes] = field(default_factory=list)
    address: str = ""
    reset: bool = False

    def wait(self, count: int) -> list[bytes]:
        """What arrived, once so much did."""
        end = time.monotonic() + 5
        while len(self.got) < count and time.monotonic() < end:
            time.sleep(0.005)
        return self.got


@contextmanager
def datagrams() -> Iterator[Lines]:
    """Take datagrams."""
    lines = Lines()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.bind(("127.0.0.1", 0))
        own.settimeout(0.02)
        lines.address = f"udp://127.0.0.1:{own.getsockname()[1]}"
        with _threaded(lambda: lines.got.append(own.recv(65_536))):
            yield lines


@contextmanager
def stream(secured: ssl.SSLContext | None = None, reset: bool = False) -> Iterator[Lines]:
    """Take connections, one after the other, each to its end."""
    lines = Lines(reset=reset)

    def take(own: socket.socket) -> None:
        plain, _ = own.accept()
        plain.settimeout(5)
        with plain, suppress(ssl.SSLError, ConnectionError):
            if lines.reset:
                plain.recv(1)
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
                return
            with plain if secured is None else secured.wrap_socket(plain, server_side=True) as one:
                parts = []
                while part := one.recv(4096):
                    parts.append(part)
                lines.got.append(b"".join(parts))
                if isinstance(one, ssl.SSLSocket):
                    one.unwrap()

    with socket.create_server(("127.0.0.1", 0)) as own:
        own.settimeout(0.02)
        kind = "tcp" if secured is None else "tls"
        lines.address = f"{kind}://localhost:{own.getsockname()[1]}"
        with _threaded(lambda: take(own)):
            yield lines


@contextmanager
def _threaded(step: Callable[[], None]) -> Iterator[None]:
    over = threading.Event()

    def run() -> None:
        while not over.is_set():
            with suppress(TimeoutError):
                step()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def unused() -> Iterator[int]:
    """A port that nobody listens on."""
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        yield own.getsockname()[1]


@cache
def _certificate(name: str) -> tuple[bytes, bytes]:
    """A certificate that signs itself, and its key, as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    names: list[x509.GeneralName] = [x509.DNSName(name), x509.IPAddress(ip_address("127.0.0.1"))]
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    kept = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    return made.public_bytes(form.Encoding.PEM), kept


def secured(folder: Path, name: str = "localhost") -> ssl.SSLContext:
    """A server's side of TLS; ``ca.pem`` in the folder is what to trust."""
    made, key = _certificate(name)
    (folder / "ca.pem").write_bytes(made)
    (folder / "both.pem").write_bytes(made + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context

"""The two ways out: a POST, and a line over UDP, TCP or TLS. Servers are verified by their names.

Nothing that a server answers is repeated: it may hold what was sent.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from reticent.monitor.alerts.sender import UndeliveredError
from reticent.monitor.alerts.settings import PORTS

SECONDS = 10.0  # for each step, and for everything behind the connection
REFUSED = (400, 413, 415, 422)  # it is about this alert
CLOSED = 2.0  # seconds to wait for a syslog server to close its side
MOST_DATAGRAM = 2048  # bytes that every syslog server takes (RFC 5426, section 3.2)


def post(url: str, body: bytes, headers: Mapping[str, str], ca: Path | None = None) -> None:
    """Send a JSON body to an http or https address; redirects are not followed.

    Only the status counts: of the answer nothing else is read.

    Parameters
    ----------
    ca : certificates that the server's is to be signed by; None: the system's.

    Raises
    ------
    UndeliveredError : it was not taken with a status from 200 to 299, within ten seconds.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    connection: http.client.HTTPConnection
    with _failing():
        if parts.scheme == "https":
            connection = http.client.HTTPSConnection(
                host, port, timeout=SECONDS, context=_trusting(ca)
            )
        else:
            connection = http.client.HTTPConnection(host, port, timeout=SECONDS)
        place = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
        sent = {"Content-Type": "application/json", "User-Agent": "reticent"}
        with closing(connection):
            connection.connect()
            with _ended(connection.sock):
                connection.request("POST", place, body, {**sent, **headers})
                reply = connection.getresponse()
            reply.close()
            _judge(reply.status, reply.getheader("Retry-After", ""))


def _judge(status: int, retry_after: str) -> None:
    if 200 <= status < 300:
        return
    wait = float(retry_after) if retry_after.isdecimal() and len(retry_after) < 6 else 0.0
    if 300 <= status < 400:
        raise UndeliveredError(f"it answers {status}, a redirect, which is not followed")
    raise UndeliveredError(f"it answers {status}", refused=status in REFUSED, wait=wait)


def transmit(address: str, line: bytes, ca: Path | None = None) -> None:
    """Send one syslog message: over UDP as it is, over TCP and TLS with its length before it.

    Of UDP nobody can tell whether it arrived. Over the others the server has taken the message
    when it closes its side, or keeps it open for two seconds without complaint.

    Parameters
    ----------
    address : ``udp://``, ``tcp://`` or ``tls://`` with host and port (RFC 5426, 6587, 5425).

    Raises
    ------
    UndeliveredError : there is no connection, or it broke.
    """
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    with _failing():
        if parts.scheme == "udp":
            _send_datagram(host, port, line[:MOST_DATAGRAM].decode("utf-8", "ignore").encode())
            return
        with socket.create_connection((host, port), SECONDS) as plain:
            framed = b"%d %b" % (len(line), line)
            if parts.scheme == "tcp":
                _send_stream(plain, framed)
                return
            with _trusting(ca).wrap_socket(plain, server_hostname=host) as secured:
                _send_stream(secured, framed)


def _send_datagram(host: str, port: int, line: bytes) -> None:
    family, kind, number, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, number) as datagrams:
        datagrams.sendto(line, place)


def _send_stream(stream: socket.socket, framed: bytes) -> None:
    """Send, say goodbye and wait for the other side's: a server that is gone resets instead."""
    with _ended(stream):
        stream.sendall(framed)
        stream.settimeout(CLOSED)
        if isinstance(stream, ssl.SSLSocket):
            with suppress(TimeoutError, ssl.SSLEOFError, ssl.SSLSyscallError, ConnectionError):
                stream.unwrap()  # where it was not let in, this is an SSLError of another kind
            return
        stream.shutdown(socket.SHUT_WR)
        with suppress(TimeoutError):
            stream.recv(1024)


def _trusting(ca: Path | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=None if ca is None else str(ca))


@contextmanager
def _ended(stream: socket.socket) -> Iterator[None]:
    """End a conversation that drips on: a timeout alone begins anew with every byte."""
    over = threading.Event()

    def end() -> None:
        over.set()
        with suppress(OSError):
            stream.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(SECONDS, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, ValueError, http.client.HTTPException):
        if over.is_set():
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()


@contextmanager
def _failing() -> Iterator[None]:
    """Say what is wrong in our own words: an error's text may quote what was sent."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        found = f"its certificate is not trusted: {error.verify_message}"
        raise UndeliveredError(found) from None
    except ssl.SSLError:
        raise UndeliveredError("it does not speak TLS as expected") from None
    except TimeoutError:
        raise UndeliveredError(f"it did not answer within {SECONDS:g} s") from None
    except socket.gaierror:
        raise UndeliveredError("its name is not known") from None
    except OSError as error:
        found = error.strerror or type(error).__name__
        raise UndeliveredError(f"it cannot be reached: {found}") from None
    except (http.client.HTTPException, ValueError):
        raise UndeliveredError("what it answers is no HTTP") from None

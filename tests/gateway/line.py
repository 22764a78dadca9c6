"""A connection to a gateway that sends bytes as they are."""

from __future__ import annotations

import socket
from contextlib import suppress

from .alive import PATH, ROW, Alive, Heard, asking

GOOD = asking(ROW)


class Line:
    """A connection that sends bytes as they are."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._file = self.socket.makefile("rb")

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def send(self, data: bytes) -> bool:
        """Send; False where the other side has closed."""
        try:
            self.socket.sendall(data)
        except OSError:
            return False
        return True

    def reply(self) -> Heard:
        """Read one reply, and nothing behind it."""
        first, headers = self._file.readline(), {}
        while (line := self._file.readline().strip()) != b"":
            name, _, value = line.decode().partition(": ")
            headers[name] = value
        return Heard(
            int(first.split()[1]), headers, self._file.read(int(headers["content-length"]))
        )

    def closed(self) -> bool:
        """Whether nothing more comes, and the other side has closed."""
        with suppress(ConnectionResetError):
            return self._file.read(1) == b""
        return True


def head(key: str = "", *more: str, method: str = "POST", path: str = PATH,
         length: int | None = len(GOOD)) -> bytes:  # fmt: skip
    """Write the head of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: here", *more]
    lines += [f"Content-Length: {length}"] if length is not None else []
    lines += [f"Authorization: Bearer {key}"] if key else []
    return "\r\n".join([*lines, "", ""]).encode()


def told(gateway: Alive, data: bytes) -> Heard:
    """Send bytes and read the reply."""
    with Line(gateway.port) as line:
        line.send(data)
        return line.reply()
